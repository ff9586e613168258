"""A linear map of sparse features beside the recurrence: wide and deep.

Cheng et al. (2016), "Wide & deep learning for recommender systems": the outputs of a linear model
of many features, which learns quickly, and of a network that reads the sequence are added.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from charrnn.nn.ops import check_symbols
from charrnn.nn.types import Array

__all__ = ["Features", "joined", "wide_backward", "wide_forward", "wide_sums"]


@dataclass(frozen=True)
class Features:
    """N rows of numbers, most of which are zero.

    Args:
        count: N.
        row, column, value: ``(M,)`` of each number; those at the same place are added.
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


def joined(parts: Sequence[Features]) -> Features:
    """The rows of all parts, one after the other."""
    counts = [part.count for part in parts]
    first = np.repeat(np.cumsum([0, *counts[:-1]]), [len(part.row) for part in parts])
    row, column, value = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("row", "column", "value")
    )
    return Features(sum(counts), row + first, column, value)


def wide_forward(W: Array, features: Features) -> Array:
    """y = x·W, ``(N, K)``: only values that are not zero are multiplied.

    Args:
        W: ``(D, K)``.
        features: x, ``(N, D)``.

    Raises:
        ValueError: a column outside ``[0, D)``.
    """
    check_symbols(features.column, len(W))
    value = features.value.astype(W.real.dtype)[:, None]
    y = np.zeros((features.count, W.shape[1]), W.dtype)
    rows, sums = _sums(features.row, value * W[features.column])
    y[rows] = sums
    return y


def wide_backward(dW: Array, dy: Array, features: Features) -> None:
    """Undo :func:`wide_forward`: dW = xᵀ·dy, zero where no row has a column; overwritten."""
    dW[...] = 0
    columns, sums = wide_sums(dy, features)
    dW[columns] = sums


def wide_sums(dy: Array, features: Features) -> tuple[Array, Array]:
    """The columns that occur in any row, ``(C,)``, and their rows of dW = xᵀ·dy, ``(C, K)``."""
    value = features.value.astype(dy.real.dtype)[:, None]
    return _sums(features.column, value * dy[features.row])


def _sums(place: Array, rows: Array) -> tuple[Array, Array]:
    """The distinct places, and the sum of the ``rows`` ``(M, K)`` at each."""
    order = np.argsort(place, kind="stable")
    place = place[order]
    first = np.flatnonzero(np.diff(place, prepend=-1))
    return place[first], np.add.reduceat(rows[order], first, axis=0) if len(place) else rows
