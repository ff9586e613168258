"""Items that must not be written, lines or whole texts: each is drawn again from its beginning.

The result has the model's distribution, given that no item is a refused one: an item that is
refused is drawn again as a whole.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np

from charrnn.nn.types import Array
from charrnn.sampling.text import Symbols, Text

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


class Again:
    """Where the items of n texts begin, and the states there.

    Args:
        states: ``(n, H)`` each, views of the reader's states.
        texts: the n texts, as they begin.
        refusal: which items must not be written.
    """

    def __init__(self, states: Sequence[Array], texts: Sequence[Text], refusal: Refusal) -> None:
        self._states, self._texts, self._refusal = states, texts, refusal
        self._kept = [np.empty_like(state) for state in states]
        self._begins = [self._begin(text.symbols) for text in texts]
        self._places = [text.first for text in texts]  # the places to return to; a prime stays
        self._tries = [0] * len(texts)

    def _begin(self, symbols: Symbols) -> int:
        ends = [at for at, symbol in enumerate(symbols) if symbol in self._refusal.ends]
        return ends[-1] + 1 if ends else self._refusal.begin

    def save(self) -> None:
        """Keep the states of texts that are at the beginning of an item, before the next draw."""
        for row, text in enumerate(self._texts):
            if len(text.symbols) == self._places[row]:
                for kept, state in zip(self._kept, self._states, strict=True):
                    kept[row] = state[row]
            long = len(text.symbols) - self._begins[row] > self._refusal.longest
            text.settled = None if long else self._places[row]

    def refused(self, going: Sequence[int], drawn: Sequence[int]) -> list[int]:
        """The texts in which the symbol drawn now ends an item that must be drawn again."""
        found = []
        for row in going:
            if drawn[row] not in self._refusal.ends:
                continue
            text = self._texts[row]
            if self._refusal.refuses(text.symbols[self._begins[row] :]):
                if self._tries[row] < TRIES:
                    self._tries[row] += 1
                    found.append(row)
                    continue
                text.copies += 1
            self._places[row] = self._begins[row] = len(text.symbols) + 1
            self._tries[row] = 0
        return found

    def go_back(self, row: int) -> None:
        """Take back the item that a text has just ended."""
        self._texts[row].cut(self._places[row])
        for kept, state in zip(self._kept, self._states, strict=True):
            state[row] = kept[row]
