"""A linear map of sparse features beside the recurrence: wide and deep.

Cheng et al. (2016), "Wide & deep learning for recommender systems": what a linear model of many
features learns at once, and what a network makes of the sequence, add up to one output.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from charrnn.nn.ops import check_symbols
from charrnn.nn.types import Array

__all__ = ["Features", "Gathered", "wide_backward", "wide_forward"]


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


@dataclass(frozen=True)
class Gathered:
    """The columns that some rows have, ``(C,)``, and the rows' numbers in them, ``(N, C)``."""

    columns: Array
    x: Array


def wide_forward(W: Array, features: Features) -> tuple[Array, Gathered]:
    """y = x·W, ``(N, K)``: only the rows of W that any x has are multiplied.

    Args:
        W: ``(D, K)``.
        features: x, ``(N, D)``.

    Raises:
        ValueError: a column outside ``[0, D)``.
    """
    check_symbols(features.column, len(W))
    columns, place = np.unique(features.column, return_inverse=True)
    shape = features.count, len(columns)
    at = features.row * len(columns) + place
    x = np.bincount(at, features.value, minlength=shape[0] * shape[1]).reshape(shape)
    gathered = Gathered(columns, x.astype(W.real.dtype))
    y: Array = gathered.x @ W[columns]
    return y, gathered


def wide_backward(dW: Array, dy: Array, gathered: Gathered) -> None:
    """Undo :func:`wide_forward`: dW = xᵀ·dy, zero where no row has a column; overwritten."""
    dW[...] = 0
    dW[gathered.columns] = gathered.x.T @ dy
