"""Texts written side by side: each to its own end, steered on the way, and in part taken back.

docs/sampling.md defines what steers them. Nothing that one text does changes another.
"""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from charrnn.nn.types import Array
from charrnn.sampling.choice import DEFAULT, Choice, Ids, Scratch, Streams
from charrnn.sampling.passages import Hashes, Passages
from charrnn.sampling.repeats import Repeats
from charrnn.sampling.retreat import Retreat
from charrnn.sampling.text import Guess, Symbols, Text
from charrnn.sampling.voices import Voice, log_softmax

__all__ = ["BEST", "FURTHEST", "Steering", "write"]

BEST = 5
"""Symbols that a :class:`Guess` names."""

FURTHEST = 32
"""Places that a text goes back at most."""


@dataclass(frozen=True)
class Steering:
    """What a text must do and must not, in symbols.

    Attributes:
        never: are not drawn.
        stops: each ends a text, and is no part of it.
        penalty: θ of the repeat penalty (:mod:`charrnn.sampling.repeats`); 1 for none.
        max_copy, windows, max_repeat: passages that must not stand in it
            (:class:`charrnn.sampling.passages.Passages`).
        scored: whether the texts keep what each symbol costs.
        guesses: whether they keep a :class:`Guess` for each symbol.
    """

    never: tuple[int, ...] = ()
    stops: tuple[tuple[int, ...], ...] = ()
    penalty: float = 1.0
    max_copy: int = 0
    windows: Hashes = field(default_factory=lambda: np.empty(0, dtype=np.uint64))
    max_repeat: int = 0
    scored: bool = False
    guesses: bool = False

    @property
    def held(self) -> int:
        """How many of the last symbols of a text may turn out to be no part of it."""
        return max(map(len, self.stops), default=1) - 1

    @property
    def places(self) -> int:
        """How many places a text may have to go back; 0 if it never does."""
        return min(max(self.max_copy, self.max_repeat) // 2 + 1, FURTHEST) * self.goes_back

    @property
    def goes_back(self) -> bool:
        """Whether there are passages that must not stand in a text."""
        return bool(self.max_copy or self.max_repeat)


STEADY = Steering()


def write(
    voice: Voice,
    prime: Ids,
    length: int,
    numbers: np.random.Generator | Streams,
    choice: Choice = DEFAULT,
    steering: Steering = STEADY,
) -> Iterator[list[Text]]:
    """Write n texts in step, until all have ended or have so many symbols.

    Args:
        voice: says what is to come.
        prime: ``(T, n)`` symbols to read first, at least one row.
        length: how many symbols a text gets at most.
        numbers: draw the symbols, one number for each text at each step.
        choice: how.
        steering: what the texts must do and must not.

    Yields:
        The texts after each step, always the same list.

    Raises:
        DivergedError: the model's outputs are not finite.
        StuckError: a text must not go on, whatever it does.
    """
    texts, full = [Text(column) for column in prime.T], len(prime) + length
    going = list(range(len(texts)))
    going = _unfinished(going, texts, full)
    reading, symbols = voice.begin(prime), prime[-1].astype(np.intp)
    scratch, never = Scratch((len(texts), voice.size)), list(steering.never)
    stops, last = (
        [array("i", stop) for stop in steering.stops],
        {stop[-1] for stop in steering.stops},
    )
    repeats = Repeats(prime) if steering.penalty > 1 else None
    way = _Way(reading.states, texts, voice.size, steering) if steering.goes_back else None
    costs: Sequence[float | None] = [None] * len(texts)
    guesses: Sequence[Guess | None] = [None] * len(texts)
    while going:
        if way:
            way.retreat.save()
        y = reading.step(symbols)
        if steering.scored or steering.guesses or way:
            log_p = log_softmax(y)
        if never:
            y[:, never] = -np.inf
        if repeats:
            repeats.lower(y, steering.penalty)
        stuck = way.retreat.forbid(y) if way else set()
        np.copyto(symbols, choice.draw(y, numbers, scratch))
        if steering.scored or steering.guesses or way:
            costs = log_p[np.arange(len(texts)), symbols].tolist()
        if steering.guesses:
            guesses = _guesses(log_p, costs)
        drawn = symbols.tolist()
        for row in going:
            texts[row].add(drawn[row], costs[row], guesses[row])
            if drawn[row] in last and row not in stuck:
                _stop(texts[row], stops)
        if repeats:
            repeats.push(symbols)
        if way:
            for row in way.turned_back(going, stuck):
                symbols[row] = texts[row].symbols[-1]
                if repeats:
                    repeats.rewrite(row, texts[row].symbols)
        going = _unfinished(going, texts, full)
        yield texts


def _unfinished(going: list[int], texts: list[Text], full: int) -> list[int]:
    """Those that go on; the others end where they are."""
    done = [row for row in going if len(texts[row].symbols) >= full or texts[row].ended]
    if not done:
        return going
    for row in done:
        if texts[row].end is None:
            texts[row].end = len(texts[row].symbols)
    return [row for row in going if texts[row].end is None]


def _stop(text: Text, stops: list[Symbols]) -> None:
    """End a text that has come to a stop, before it."""
    written = len(text.symbols) - text.first
    for stop in stops:
        if len(stop) <= written and text.symbols[-len(stop) :] == stop:
            text.end, text.ended = len(text.symbols) - len(stop), True
            return


def _guesses(log_p: Array, costs: Sequence[float | None]) -> list[Guess]:
    likely = np.exp(log_p)
    entropies = -np.add.reduce(likely * np.where(likely > 0, log_p, 0), axis=-1)
    best = np.argsort(-log_p, axis=-1, kind="stable")[:, :BEST]
    values = np.take_along_axis(log_p, best, axis=-1).tolist()
    return [
        Guess(cost or 0.0, entropy, list(zip(symbols, own, strict=True)))
        for cost, entropy, symbols, own in zip(
            costs, entropies.tolist(), best.tolist(), values, strict=True
        )
    ]


class _Way:
    """Which passages must not stand in the texts, and how they go back."""

    def __init__(
        self, states: Sequence[Array], texts: list[Text], size: int, steering: Steering
    ) -> None:
        self._texts = texts
        self._passages = Passages(
            [text.symbols for text in texts],
            size + 1,
            steering.max_copy,
            steering.windows,
            steering.max_repeat,
        )
        self.retreat = Retreat(states, texts, steering.places)

    def turned_back(self, going: list[int], stuck: set[int]) -> list[int]:
        """Look at what has been written last; the texts that have been cut."""
        rows = [row for row in going if not (self._texts[row].ended or row in stuck)]
        refused = self._passages.refused(rows, [self._texts[row].symbols for row in rows])
        for row in (*stuck, *refused):
            place = self.retreat.back(row, stuck=row in stuck)
            self._passages.take_back(row, place, refused=row not in stuck)
            self._texts[row].cut(place)
        return [*stuck, *refused]
