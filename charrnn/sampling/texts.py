"""Texts written side by side: each to its own end, steered on the way, and in part taken back.

All texts are written here: a voice gives the outputs, a choice draws, and each text decides what
follows from the symbol: it ends, continues, or goes back to an earlier place, whose state was kept.
docs/sampling.md defines what steers texts. What one text does does not change another. Texts that
have ended are no longer computed, once enough have.
"""

from array import array
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

import numpy as np

from charrnn.nn.types import Array
from charrnn.sampling.again import Again, Refusal
from charrnn.sampling.choice import DEFAULT, Choice, Ids, Scratch, Streams
from charrnn.sampling.passages import Hashes, Passages
from charrnn.sampling.repeats import Repeats
from charrnn.sampling.retreat import Retreat
from charrnn.sampling.text import Guess, Symbols, Text
from charrnn.sampling.voices import Reading, Voice, log_softmax

__all__ = ["BEST", "FURTHEST", "Steering", "write"]

BEST = 5
"""How many symbols a :class:`Guess` lists."""

FURTHEST = 32
"""The most places that a text goes back."""

FULL = 0.75
"""Texts that have ended are dropped once fewer than this part of the computed ones continue."""


@dataclass(frozen=True)
class Steering:
    """What a text must and must not contain, in symbols.

    Attributes:
        never: symbols that are not drawn.
        stops: sequences that end a text, and are not part of it.
        penalty: θ of the repeat penalty (:mod:`charrnn.sampling.repeats`); 1 for none.
        max_copy, windows, max_repeat: passages that must not be in it
            (:class:`charrnn.sampling.passages.Passages`).
        refusal: items that must not be in it, if no passages are ruled out.
        scored: whether the texts keep the cost of each symbol.
        guesses: whether they keep a :class:`Guess` for each symbol.
    """

    never: tuple[int, ...] = ()
    stops: tuple[tuple[int, ...], ...] = ()
    penalty: float = 1.0
    max_copy: int = 0
    windows: Hashes = field(default_factory=lambda: np.empty(0, dtype=np.uint64))
    max_repeat: int = 0
    refusal: Refusal | None = None
    scored: bool = False
    guesses: bool = False

    @property
    def held(self) -> int:
        """How many of the last symbols of a text may turn out not to be part of it."""
        return max(map(len, self.stops), default=1) - 1

    @property
    def places(self) -> int:
        """How many places a text may have to go back; 0 if it never does."""
        return min(max(self.max_copy, self.max_repeat) // 2 + 1, FURTHEST) * self.goes_back

    @property
    def goes_back(self) -> bool:
        """Whether there are passages that must not be in a text."""
        return bool(self.max_copy or self.max_repeat)


STEADY = Steering()
NONE: frozenset[int] = frozenset()


def write(
    voice: Voice,
    prime: Ids,
    length: int,
    numbers: np.random.Generator | Streams,
    choice: Choice = DEFAULT,
    steering: Steering = STEADY,
) -> Iterator[list[Text]]:
    """Write n texts in step, until all have ended or have ``length`` symbols.

    Args:
        voice: predicts the next symbols.
        prime: ``(T, n)`` symbols to read first, at least one row.
        length: the most symbols of a text.
        numbers: draws the symbols: for several texts, streams of their own, of which those of texts
            that have ended are dropped.
        choice: how a symbol is chosen.
        steering: what the texts must and must not contain.

    Yields:
        The texts after each step, always the same list.

    Raises:
        DivergedError: the model's outputs are not finite.
        StuckError: every continuation of a text is ruled out.
    """
    texts, full = [Text(column) for column in prime.T], len(prime) + length
    computed = list(texts)  # shared with what follows them, row by row
    rows = [text.symbols for text in computed]
    going = _unfinished(list(range(len(computed))), computed, full)
    reading, symbols = voice.begin(prime), prime[-1].astype(np.intp)
    scratch, never = Scratch((len(computed), voice.size)), list(steering.never)
    stops, last = _stops(steering.stops)
    repeats = Repeats(prime) if steering.penalty > 1 else None
    way = _Way(reading, computed, voice.size, steering) if steering.goes_back else None
    again = Again(reading, computed, steering.refusal) if steering.refusal else None
    own = numbers if isinstance(numbers, Streams) else None
    keeps = steering.scored or steering.guesses or way is not None
    for step in count(1):
        if not going:
            return
        if way:
            way.retreat.save()
        if again:
            again.save()
        y = reading.step(symbols)
        log_p = log_softmax(y) if keeps else y
        if never:
            y[:, never] = -np.inf
        if repeats:
            repeats.lower(y, steering.penalty)
        stuck = way.retreat.forbid(y) if way else NONE
        symbols[:] = choice.draw(y, numbers, scratch)
        drawn, ended = symbols.tolist(), False
        refused = again.refused(going, drawn) if again else []
        for row in going:
            rows[row].append(drawn[row])
            if drawn[row] in last and row not in stuck and row not in refused:
                ended = _stop(computed[row], stops) or ended
        if keeps:
            _keep(computed, going, log_p, symbols, guesses=steering.guesses)
        if repeats:
            repeats.push(symbols)
        if again:
            for row in refused:
                again.go_back(row)
        for row in way.turned_back(going, stuck) if way else refused:
            symbols[row] = rows[row][-1]
            if repeats:
                repeats.rewrite(row, rows[row])
        if way or again or ended or step == length:
            going = _unfinished(going, computed, full)
        if going and len(going) < FULL * len(computed):
            computed[:] = [computed[row] for row in going]
            rows, symbols = [text.symbols for text in computed], symbols[going]
            scratch = Scratch((len(computed), voice.size))
            for part in (reading, own, repeats, way, again):
                if part:
                    part.keep(going)
            going = list(range(len(computed)))
        yield texts


def _stops(stops: Sequence[tuple[int, ...]]) -> tuple[list[Symbols], set[int]]:
    """The sequences that end a text, and their last symbols."""
    return [array("i", stop) for stop in stops], {stop[-1] for stop in stops}


def _unfinished(going: list[int], texts: list[Text], full: int) -> list[int]:
    """The texts that continue; the others end where they are."""
    done = [row for row in going if len(texts[row].symbols) >= full or texts[row].ended]
    if not done:
        return going
    for row in done:
        if texts[row].end is None:
            texts[row].end = len(texts[row].symbols)
    return [row for row in going if texts[row].end is None]


def _stop(text: Text, stops: list[Symbols]) -> bool:
    """End a text before a stop, if it has one at its end; return whether it has."""
    written = len(text.symbols) - text.first
    for stop in stops:
        if len(stop) <= written and text.symbols[-len(stop) :] == stop:
            text.end, text.ended = len(text.symbols) - len(stop), True
            return True
    return False


def _keep(
    texts: list[Text], going: list[int], log_p: Array, symbols: Ids, *, guesses: bool
) -> None:
    """Note the cost of each symbol and, if asked for, what the model expected."""
    costs = log_p[np.arange(len(texts)), symbols].tolist()
    for row in going:
        texts[row].costs.append(costs[row])
    if not guesses:
        return
    likely = np.exp(log_p)
    entropies = -np.add.reduce(likely * np.where(likely > 0, log_p, 0), axis=-1)
    best = np.argsort(-log_p, axis=-1, kind="stable")[:, :BEST]
    values = np.take_along_axis(log_p, best, axis=-1).tolist()
    for row in going:
        named = list(zip(best[row].tolist(), values[row], strict=True))
        texts[row].guesses.append(Guess(costs[row], float(entropies[row]), named))


class _Way:
    """Which passages must not be in the texts, and how the texts go back."""

    def __init__(self, reading: Reading, texts: list[Text], size: int, steering: Steering) -> None:
        self._texts = texts
        self._passages = Passages(
            [text.symbols for text in texts],
            size + 1,
            steering.max_copy,
            steering.windows,
            steering.max_repeat,
        )
        self.retreat = Retreat(reading, texts, steering.places)

    def turned_back(self, going: list[int], stuck: Collection[int]) -> list[int]:
        """Check what was written last; return the texts that were cut."""
        rows = [row for row in going if not (self._texts[row].ended or row in stuck)]
        refused = self._passages.refused(rows, [self._texts[row].symbols for row in rows])
        for row in (*stuck, *refused):
            place = self.retreat.back(row, stuck=row in stuck)
            self._passages.take_back(row, place, refused=row not in stuck)
            self._texts[row].cut(place)
        return [*stuck, *refused]

    def keep(self, rows: list[int]) -> None:
        """Keep these texts; their list has been cut already."""
        self._passages.keep(rows)
        self.retreat.keep(rows)
