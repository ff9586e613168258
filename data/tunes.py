"""Short dance tunes in ABC notation, drawn by rule: each is valid, and its label is its key.

A tune stands on one line: `M:4/4 L:1/8 K:Ador |:...:|:...:|`. It has two parts of four bars, the
third bar like the first or free. Bars are drawn from rhythms that fill the metre. The melody walks
on the notes of the key and has no accidentals. The first part ends on the third or the fifth, the
last on the tonic. A third of the tunes begin with a pickup, as both parts then do, and the last bar
of each lacks it.
"""

import random

import abc_notation
from draws import chance, distinct, pick

KEYS = {
    "D Major": "D",
    "G Major": "G",
    "A Major": "A",
    "C Major": "C",
    "A Dorian": "Ador",
    "E Dorian": "Edor",
    "D Mixolydian": "Dmix",
    "A Mixolydian": "Amix",
    "E Minor": "Em",
    "B Minor": "Bm",
}
SCALE = [f"{letter}," for letter in "GAB"] + list("CDEFGABcdefgab")
LOWEST, HIGHEST = SCALE.index("A,"), SCALE.index("b")
RHYTHMS = {  # of half a bar, in eighths; of a whole one in 3/4
    "4/4": ((1, 1, 1, 1), (1, 1, 1, 1), (2, 1, 1), (1, 1, 2), (2, 2), (3, 1)),
    "2/4": ((1, 1), (1, 1), (2,)),
    "6/8": ((1, 1, 1), (1, 1, 1), (2, 1), (1, 2), (3,)),
    "3/4": ((2, 2, 2), (2, 1, 1, 2), (2, 2, 1, 1), (3, 1, 2), (1, 1, 1, 1, 2)),
}
HALVES = {"4/4": 2, "2/4": 2, "6/8": 2, "3/4": 1}
CLOSES = {  # of the last half bar, in 3/4 of the whole: without a pickup, with one of an eighth
    "4/4": ((2, 2), (2, 1)),
    "2/4": ((2,), (1,)),
    "6/8": ((3,), (2,)),
    "3/4": ((2, 2, 2), (2, 3)),
}
STEPS = (-2, -1, -1, -1, 1, 1, 1, 2, -3, 3, 0)


def sample_tune(rng: random.Random) -> str:
    """One line: the key, a tab and the tune."""
    key, metre = pick(rng, tuple(KEYS)), pick(rng, tuple(RHYTHMS))
    pickup = chance(rng, 1, 3)
    walk = _Walk(rng, SCALE.index(key[0]))
    parts = [_part(walk, metre, pickup, ends) for ends in (False, True)]
    return f"{key}\tM:{metre} L:1/8 K:{KEYS[key]} |:{':|:'.join(parts)}:|"


def sample_tunes(rng: random.Random, count: int) -> list[str]:
    """Different tunes."""
    return distinct(lambda: sample_tune(rng), count)


def problems(label: str, tune: str) -> list[str]:
    """What is wrong with a tune of this key; nothing if it is one that the rules could write."""
    found = abc_notation.check_tune(tune)
    if (key := abc_notation.key_of(tune)) != label:
        found.append(f"the key is {key}, not {label}")
    if (note := abc_notation.last_note(tune)) != label[0]:
        found.append(f"it ends on {note}, not on {label[0]}")
    if any(sign in tune for sign in "^_="):
        found.append("it leaves the scale of its key")
    return found


class _Walk:
    """A melody that wanders over the scale."""

    def __init__(self, rng: random.Random, tonic: int) -> None:
        self.rng, self.tonic, self.at = rng, tonic, tonic

    def notes(self, rhythm: tuple[int, ...]) -> str:
        """The next notes."""
        return "".join(self._next() + _length(length) for length in rhythm)

    def close(self, rhythm: tuple[int, ...], degree: int) -> str:
        """Notes of which the last is the nearest of this degree above a tonic."""
        head = self.notes(rhythm[:-1])
        goals = [at for at in range(LOWEST, HIGHEST + 1) if (at - self.tonic - degree) % 7 == 0]
        self.at = min(goals, key=lambda goal: abs(goal - self.at))
        return head + SCALE[self.at] + _length(rhythm[-1])

    def _next(self) -> str:
        moves = [step for step in STEPS if LOWEST <= self.at + step <= HIGHEST]
        self.at += pick(self.rng, moves)
        return SCALE[self.at]


def _part(walk: _Walk, metre: str, pickup: bool, last: bool) -> str:
    """Four bars, without the signs at their ends."""
    begin = walk.notes((1,)) + "|" if pickup else ""
    bars = [_bar(walk, metre) for _ in range(3)]
    if chance(walk.rng, 1, 2):
        bars[2] = bars[0]
    open_half = walk.notes(pick(walk.rng, RHYTHMS[metre])) if HALVES[metre] == 2 else ""
    degree = 0 if last else pick(walk.rng, (2, 4))
    close = walk.close(CLOSES[metre][pickup], degree)
    return begin + "|".join([*bars, open_half + (" " if open_half else "") + close])


def _bar(walk: _Walk, metre: str) -> str:
    return " ".join(walk.notes(pick(walk.rng, RHYTHMS[metre])) for _ in range(HALVES[metre]))


def _length(eighths: int) -> str:
    return str(eighths) if eighths > 1 else ""
