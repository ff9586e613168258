"""Items that must not be written, lines or whole texts: each is drawn again from its beginning.

The result has the model's distribution, given that no item is a refused one: an item that is
refused is drawn again as a whole.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np

from charrnn.sampling.text import Symbols, Text
from charrnn.sampling.voices import Reading

__all__ = ["TRIES", "Again", "Refusal"]

TRIES = 100
"""The most times an item is drawn again; then it stays: 1 in 170 if 95 of 100 are refused."""


@dataclass(frozen=True)
class Refusal:
    """Which items must not be written.

    Attributes:
        ends: the symbols that end an item, and are not part of it.
        begin: where the first item begins in a text that does not begin with such a symbol.
        longest: the number of symbols in the longest item that may be refused.
        refuses: returns whether an item is refused.
    """

    ends: Collection[int]
    begin: int
    longest: int
    refuses: Callable[[Symbols], bool]


@dataclass
class _Item:
    """The item that a text is writing: where it begins, and how often it was drawn again."""

    begin: int
    place: int  # to which the text returns; a prime stays
    tries: int = 0


class Again:
    """Where the items of n texts begin, and the states there.

    Args:
        reading: reads the texts.
        texts: the n texts, as they begin.
        refusal: which items must not be written.
    """

    def __init__(self, reading: Reading, texts: Sequence[Text], refusal: Refusal) -> None:
        self._reading, self._texts, self._refusal = reading, texts, refusal
        self._kept = [np.empty_like(state) for state in reading.states]
        self._items = [_Item(self._begin(text.symbols), text.first) for text in texts]

    def _begin(self, symbols: Symbols) -> int:
        ends = [at for at, symbol in enumerate(symbols) if symbol in self._refusal.ends]
        return ends[-1] + 1 if ends else self._refusal.begin

    def save(self) -> None:
        """Keep the states of texts that are at the beginning of an item, before the next draw."""
        states = self._reading.states
        for row, (text, item) in enumerate(zip(self._texts, self._items, strict=True)):
            if len(text.symbols) == item.place:
                for kept, state in zip(self._kept, states, strict=True):
                    kept[row] = state[row]
            long = len(text.symbols) - item.begin > self._refusal.longest
            text.settled = None if long else item.place

    def refused(self, going: Sequence[int], drawn: Sequence[int]) -> list[int]:
        """The texts in which the symbol drawn now ends an item that must be drawn again."""
        found = []
        for row in going:
            if drawn[row] not in self._refusal.ends:
                continue
            text, item = self._texts[row], self._items[row]
            if self._refusal.refuses(text.symbols[item.begin :]):
                if item.tries < TRIES:
                    item.tries += 1
                    found.append(row)
                    continue
                text.copies += 1
            after = len(text.symbols) + 1
            self._items[row] = _Item(after, after)
        return found

    def go_back(self, row: int) -> None:
        """Take back the item that a text has just ended."""
        self._texts[row].cut(self._items[row].place)
        for kept, state in zip(self._kept, self._reading.states, strict=True):
            state[row] = kept[row]

    def keep(self, rows: Sequence[int]) -> None:
        """Keep these texts; their list has been cut already."""
        self._kept = [kept[rows] for kept in self._kept]
        self._items = [self._items[row] for row in rows]
