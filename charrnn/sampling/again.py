"""Items that must not be written, lines or whole texts: each is written again from its beginning.

What comes out is distributed as by the model, given that it is none of those: an item that is
refused is drawn anew, whole.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np

from charrnn.nn.types import Array
from charrnn.sampling.text import Symbols, Text

__all__ = ["TRIES", "Again", "Refusal"]

TRIES = 100
"""How often an item is written again; then it stays, as one in 170 if 95 of 100 are refused."""


@dataclass(frozen=True)
class Refusal:
    """Which items must not be written.

    Attributes:
        ends: each of these symbols ends an item, and is no part of it.
        begin: of a text that begins with no such end, where its first item begins.
        longest: symbols of the longest item that may be refused.
        refuses: whether an item is.
    """

    ends: Collection[int]
    begin: int
    longest: int
    refuses: Callable[[Symbols], bool]


class Again:
    """Where the items of n texts begin, and the states there.

    Args:
        states: ``(n, H)`` each, views of what is read with.
        texts: n of them, as they begin.
        refusal: what must not stand in them.
    """

    def __init__(self, states: Sequence[Array], texts: Sequence[Text], refusal: Refusal) -> None:
        self._states, self._texts, self._refusal = states, texts, refusal
        self._kept = [np.empty_like(state) for state in states]
        self._begins = [self._begin(text.symbols) for text in texts]
        self._places = [text.first for text in texts]  # to go back to; a prime stays
        self._tries = [0] * len(texts)

    def _begin(self, symbols: Symbols) -> int:
        ends = [at for at, symbol in enumerate(symbols) if symbol in self._refusal.ends]
        return ends[-1] + 1 if ends else self._refusal.begin

    def save(self) -> None:
        """Keep the states with which items begin, before the next symbols are drawn."""
        for row, text in enumerate(self._texts):
            if len(text.symbols) == self._places[row]:
                for kept, state in zip(self._kept, self._states, strict=True):
                    kept[row] = state[row]
            long = len(text.symbols) - self._begins[row] > self._refusal.longest
            text.settled = None if long else self._places[row]

    def refused(self, going: Sequence[int], drawn: Sequence[int]) -> list[int]:
        """The texts in which the symbol drawn now ends an item that must be written again."""
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
