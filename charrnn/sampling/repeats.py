"""The repeat penalty: makes it less likely to continue a passage that is already in the text.

Letters recur in any text, so single ones are not penalised; longer passages are, and the longer,
the more.
"""

from array import array
from collections.abc import Sequence

import numpy as np

from charrnn.nn.types import Array
from charrnn.sampling.choice import Ids
from charrnn.sampling.text import Symbols

__all__ = ["LEAST", "MOST", "REMEMBERED", "Repeats"]

LEAST, MOST = 4, 32
"""The fewest symbols of a passage that counts, and the most that are counted."""

REMEMBERED = 500
"""How many of a text's last symbols are searched for passages."""


class Repeats:
    """The ends of n texts.

    Args:
        prime: ``(T, n)`` symbols with which the texts begin.
    """

    def __init__(self, prime: Ids) -> None:
        self._ends = np.empty((prime.shape[1], 2 * REMEMBERED), dtype=np.int64)
        self._end = REMEMBERED
        for number, text in enumerate(prime.T):
            self.rewrite(number, array("i", text.tolist()))

    def rewrite(self, number: int, symbols: Symbols) -> None:
        """Replace the symbols of text ``number``."""
        row = self._ends[number, self._end - REMEMBERED : self._end]
        row[:] = np.arange(-REMEMBERED, 0)  # not symbols, and all different
        last = symbols[-REMEMBERED:]
        row[REMEMBERED - len(last) :] = last

    def keep(self, rows: Sequence[int]) -> None:
        """Keep these texts."""
        self._ends = self._ends[rows]

    def push(self, symbols: Ids) -> None:
        """Add a symbol ``(n,)`` to each text."""
        if self._end == 2 * REMEMBERED:
            self._ends[:, :REMEMBERED] = self._ends[:, REMEMBERED:]
            self._end = REMEMBERED
        self._ends[:, self._end] = symbols
        self._end += 1

    def lower(self, y: Array, penalty: float) -> None:
        """Divide the probability of each symbol that would repeat a passage by θ^(m - LEAST + 1).

        m is the length, MOST at most, of the longest end of the text that this symbol has already
        followed within its last REMEMBERED symbols; nothing is changed for m below LEAST.

        Args:
            y: ``(n, V)`` outputs, or log-probabilities.
            penalty: θ, at least 1.
        """
        ends = self._ends[:, self._end - REMEMBERED : self._end]
        same = ends[:, :-1] == ends[:, -1:]
        for back in range(1, LEAST):
            if not same.any():
                return
            same = same[:, 1:] & (ends[:, : -1 - back] == ends[:, -1 - back, None])
        rows, places = np.nonzero(same)
        if not len(rows):
            return
        places += LEAST - 1
        lengths = np.full(len(rows), LEAST)
        going = np.arange(len(rows))
        for back in range(LEAST, MOST):
            going = going[places[going] >= back]
            alike = ends[rows[going], places[going] - back] == ends[rows[going], -1 - back]
            going = going[alike]
            if not len(going):
                break
            lengths[going] += 1
        longest = np.zeros(y.shape)
        np.maximum.at(longest, (rows, ends[rows, places + 1]), lengths - (LEAST - 1))
        y -= (longest * np.log(penalty)).astype(y.dtype)
