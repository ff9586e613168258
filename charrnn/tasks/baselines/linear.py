"""Each number of a series from those before it, linearly: all the simple methods for series.

The last value, the value a season ago, and an autoregression of any order, on values or their
logarithms, as they are or differenced: each is a constant and a weight of every value before.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Column", "Form", "Linear", "differenced", "fit", "naive", "polynomial"]

Numbers = npt.NDArray[np.float64]

LONGEST = 1 << 14
"""Weights of a column."""


@dataclass(frozen=True)
class Form:
    """How a column is looked at.

    Attributes:
        floor: where it is looked at as logarithms, the least value that has one; else 0.
        lags: the differences that are taken: ``(1,)`` from the row before, ``(1, 12)`` of these
            from the one twelve rows before.
    """

    floor: float = 0.0
    lags: tuple[int, ...] = ()

    def seen(self, values: Numbers) -> Numbers:
        """The logarithms of ``values``, or these as they are."""
        return np.log(np.maximum(values, self.floor)) if self.floor else values

    def restored(self, seen: Numbers) -> Numbers:
        """The inverse of :meth:`seen`."""
        return np.exp(np.minimum(seen, 690.0)) if self.floor else seen

    @property
    def text(self) -> str:
        """In words."""
        words = [f"differences of {lag}" for lag in self.lags]
        return ", ".join(["logarithms"] * bool(self.floor) + words) or "values as they are"


def polynomial(lags: Sequence[int]) -> Numbers:
    """c with w[t] = Σ c[k]·z[t-k] for the differences of z: Π (1 - B^lag), c[0] = 1."""
    c = np.ones(1)
    for lag in lags:
        factor = np.zeros(lag + 1)
        factor[0], factor[lag] = 1.0, -1.0
        c = np.convolve(c, factor)
    return c


def differenced(seen: Numbers, lags: Sequence[int]) -> Numbers:
    """The differences of ``(N,)``: fewer by the sum of the lags."""
    c = polynomial(lags)
    return np.convolve(seen, c, "valid") if len(c) <= len(seen) else np.zeros(0)


@dataclass(frozen=True)
class Column:
    """One column from the rows before: z[t] = constant + Σ z[t-k]·W[k-1], k = 1..K.

    Attributes:
        name: of the method.
        constant: of the sum.
        weights: ``(K,)``, K at least 1, the weight of the row before first.
    """

    name: str
    constant: float
    weights: tuple[float, ...]


@dataclass(frozen=True)
class Linear:
    """A method for each column of a series; of rows with too few before them, the last value.

    Attributes:
        forms: ``(D,)``.
        columns: ``(D,)``.
    """

    forms: tuple[Form, ...]
    columns: tuple[Column, ...]

    @property
    def reach(self) -> int:
        """How many rows before are looked at."""
        return max(len(column.weights) for column in self.columns)

    def seen(self, values: Numbers) -> Numbers:
        """``(N, D)`` values as they are looked at."""
        return np.stack([f.seen(values[:, k]) for k, f in enumerate(self.forms)], axis=1)

    def restored(self, seen: Numbers) -> Numbers:
        """The inverse of :meth:`seen`."""
        return np.stack([f.restored(seen[:, k]) for k, f in enumerate(self.forms)], axis=1)

    def expected(self, seen: Numbers) -> Numbers:
        """What is expected after each row of ``(N, D)``, all as they are looked at."""
        after = seen.copy()  # the last value
        for k, column in enumerate(self.columns):
            weights, size = np.array(column.weights), len(column.weights)
            if size <= len(seen):
                after[size - 1 :, k] = column.constant + np.convolve(seen[:, k], weights, "valid")
        return after

    def one_step(self, values: Numbers) -> Numbers:
        """What is expected after each of ``values`` ``(N, D)``."""
        return self.restored(self.expected(self.seen(values)))

    def ahead(self, values: Numbers, steps: int) -> Numbers:
        """The ``steps`` rows after ``values``, each from the predictions before it."""
        seen = self.seen(values)
        known = min(len(seen), self.reach)
        rows = np.concatenate([seen[len(seen) - known :], np.zeros((steps, seen.shape[1]))])
        for row in range(known, known + steps):
            rows[row] = self.expected(rows[max(0, row - self.reach) : row])[-1]
        return self.restored(rows[known:])

    def to_header(self) -> list[dict[str, Any]]:
        """For a checkpoint."""
        return [
            {
                "floor": form.floor,
                "lags": list(form.lags),
                "name": column.name,
                "constant": column.constant,
                "weights": list(column.weights),
            }
            for form, column in zip(self.forms, self.columns, strict=True)
        ]

    @classmethod
    def from_header(cls, header: Any, size: int) -> "Linear":
        """The inverse of :meth:`to_header`, of ``size`` columns.

        Raises:
            KeyError, TypeError, ValueError: it is not what that wrote.
        """
        if not isinstance(header, list) or len(header) != size:
            raise ValueError("a method for each column is missing")
        return cls(tuple(map(_form, header)), tuple(map(_column, header)))


def _form(one: Mapping[str, Any]) -> Form:
    floor, lags = one["floor"], one["lags"]
    if type(floor) is not float or not 0 <= floor < np.inf:
        raise ValueError("a floor must be a number, 0 or more")
    if not isinstance(lags, list) or not all(type(lag) is int and lag > 0 for lag in lags):
        raise ValueError("lags must be whole numbers, 1 or more")
    if sum(lags) > LONGEST:
        raise ValueError("lags that reach so far")
    return Form(floor, tuple(lags))


def _column(one: Mapping[str, Any]) -> Column:
    weights = one["weights"]
    if not isinstance(weights, list) or not 1 <= len(weights) <= LONGEST:
        raise ValueError("a method has no weights, or too many")
    if not all(type(x) is float and np.isfinite(x) for x in (one["constant"], *weights)):
        raise ValueError("weights must be finite numbers")
    if not isinstance(one["name"], str):
        raise ValueError("a method's name must be a text")
    return Column(one["name"], one["constant"], tuple(weights))


def naive(lags: Sequence[int], name: str) -> Column:
    """No difference is expected: ``(1,)`` gives the last value, ``(12,)`` that 12 rows before."""
    return Column(name, 0.0, tuple((-polynomial(lags)[1:]).tolist()))


def fit(seen: Numbers, lags: Sequence[int], order: int, name: str) -> Column:
    """An autoregression of the differences of ``(N,)`` by least squares.

    w[t] = b + Σ w[t-k]·φ[k], k = 1..order, which is as well one of z itself: its polynomial is that
    of the differences times 1 - Σ φ[k]·B^k (Box and Jenkins, 1970, "Time series analysis", ch. 4).

    Raises:
        ValueError: there are fewer equations than unknowns.
    """
    w = differenced(seen, lags)
    if len(w) - order < order + 1:
        raise ValueError(f"{len(seen)} values are too few")
    lagged = [w[order - k : len(w) - k] for k in range(1, order + 1)]
    x = np.stack([*lagged, np.ones(len(w) - order)], axis=1)
    *phi, constant = np.linalg.lstsq(x, w[order:], rcond=None)[0]
    whole = np.convolve(polynomial(lags), [1.0, *(-phi_k for phi_k in phi)])
    weights = (-whole[1:]).tolist() or [0.0]
    return Column(name, float(constant), tuple(weights))
