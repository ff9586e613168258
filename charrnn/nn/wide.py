"""A linear map of sparse features beside the recurrence: wide and deep.

Cheng et al. (2016), "Wide & deep learning for recommender systems": what a linear model of many
features learns at once, and what a network makes of the sequence, add up to one output.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from charrnn.nn.ops import check_symbols
from charrnn.nn.types import Array

__all__ = ["Features", "wide_backward", "wide_forward"]


@dataclass(frozen=True)
class Features:
    """N rows of numbers, few of which are other than zero.

    Args:
        count: N.
        row, column, value: ``(M,)`` of each number; those of one place are added.
    """

    count: int
    row: Array
    column: Array
    value: Array

    def part(self, chosen: Any) -> "Features":
        """Some of the rows.

        Args:
            chosen: an index of ``(N,)``.
        """
        number = np.full(self.count, -1)
        number[chosen] = np.arange(len(number[chosen]))
        row = number[self.row]
        kept = row >= 0
        count = int(np.count_nonzero(number >= 0))
        return Features(count, row[kept], self.column[kept], self.value[kept])


def wide_forward(W: Array, features: Features) -> Array:
    """y = x·W, ``(N, K)``: only what is not zero is multiplied.

    Args:
        W: ``(D, K)``.
        features: x, ``(N, D)``.

    Raises:
        ValueError: a column outside ``[0, D)``.
    """
    check_symbols(features.column, len(W))
    value = features.value.astype(W.real.dtype)[:, None]
    y = np.zeros((features.count, W.shape[1]), W.dtype)
    _add_at(y, features.row, value * W[features.column])
    return y


def wide_backward(dW: Array, dy: Array, features: Features) -> None:
    """Undo :func:`wide_forward`: dW = xᵀ·dy, zero where no row has a column; overwritten."""
    dW[...] = 0
    value = features.value.astype(dW.real.dtype)[:, None]
    _add_at(dW, features.column, value * dy[features.row])


def _add_at(total: Array, place: Array, rows: Array) -> None:
    """Write the sum of the ``rows`` ``(M, K)`` of each place into that row of ``total``."""
    if not len(place):
        return
    order = np.argsort(place, kind="stable")
    place = place[order]
    first = np.flatnonzero(np.diff(place, prepend=-1))
    total[place[first]] = np.add.reduceat(rows[order], first, axis=0)
