"""Each number of a series linearly from those before it: all baselines for series.

The last value, the value one season before, and an autoregression of any order, on values or
logarithms, differenced or not: each is a constant and a weight for every earlier value. So is a
weighted mean of several.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from charrnn.tasks.baselines.trust import trust

__all__ = ["Alternative", "Column", "Form", "Linear", "differenced", "fit", "naive", "polynomial"]

Numbers = npt.NDArray[np.float64]

LONGEST = 1 << 14
"""The most weights of a column."""

EARLIER = [[0.1, 0.0, [1.0]]]
"""What columns written by earlier versions give way to: the last value."""

MOST, LEAST_NOISE = 8, 1e-300
"""The most alternatives of a column, and the least noise."""

STABLE = 1.01
"""The largest root of an alternative, unless the column's own is larger: forecasts of many steps
grow by it at each step."""

EXACT = 1e-12
"""The least shrinkage for each equation: lagged values may depend on each other."""


@dataclass(frozen=True)
class Form:
    """The form in which a column is used.

    Attributes:
        floor: for logarithms, the smallest value that has one; else 0.
        lags: the differences that are taken: ``(1,)`` from the row before, ``(1, 12)`` from these
            the one twelve rows before.
    """

    floor: float = 0.0
    lags: tuple[int, ...] = ()

    def seen(self, values: Numbers) -> Numbers:
        """The logarithms of ``values``, or the values themselves."""
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


class Alternative(NamedTuple):
    """A method that a column gives way to where it predicts better.

    Attributes:
        prior: its weight before any row.
        constant, weights: as for :class:`Column`.
    """

    prior: float
    constant: float
    weights: tuple[float, ...]


@dataclass(frozen=True)
class Column:
    """One column from the rows before: z[t] = constant + Σ z[t-k]·W[k-1], k = 1..K.

    Attributes:
        name: the name of the method.
        constant: the constant in the sum.
        weights: ``(K,)``, K at least 1, beginning with the weight of the row before.
        noise: the squared error that counts as ordinary when it gives way to alternatives, row by
            row (:mod:`charrnn.tasks.baselines.trust`); if 0, their weights stay as they are.
        alternatives: what it gives way to, such as the last value.
    """

    name: str
    constant: float
    weights: tuple[float, ...]
    noise: float = 0.0
    alternatives: tuple[Alternative, ...] = ()

    @property
    def reach(self) -> int:
        """How many earlier rows it uses."""
        return max(len(self.weights), *(len(one.weights) for one in self.alternatives), 1)

    def follow(self, seen: Numbers) -> tuple[Numbers, "Column"]:
        """The prediction after each row of ``(N,)``, and the column for the rows to come.

        In these the weights stay as they are after the last row.
        """
        first = 1 - sum(one.prior for one in self.alternatives)
        every = (Alternative(first, self.constant, self.weights), *self.alternatives)
        after = np.stack([_predicted(seen, one.constant, one.weights) for one in every])
        priors = [one.prior for one in every]
        if not self.noise:
            return np.array(priors) @ after, self
        weights = trust(seen, after, priors, self.noise)
        at_end = zip(self.alternatives, weights[1:, -1].tolist(), strict=True)
        settled = tuple(one._replace(prior=weight) for one, weight in at_end)
        return (weights * after).sum(axis=0), replace(self, noise=0.0, alternatives=settled)

    def with_stable(self, alternatives: Iterable[Alternative]) -> "Column":
        """The column with those alternatives that do not grow faster than it does."""
        most = max(STABLE, _largest_root(self.weights))
        stable = tuple(one for one in alternatives if _largest_root(one.weights) <= most)
        return replace(self, alternatives=stable)


def _largest_root(weights: Sequence[float]) -> float:
    """By how much, at most, what z[t] = Σ z[t-k]·W[k-1] continues grows with each row."""
    return float(np.abs(np.roots([1.0, *(-weight for weight in weights)])).max(initial=0.0))


def _predicted(seen: Numbers, constant: float, weights: Sequence[float]) -> Numbers:
    """The prediction after each row of ``(N,)``; the last value at the first ones."""
    after = seen.copy()
    if len(weights) <= len(seen):
        after[len(weights) - 1 :] = constant + np.convolve(seen, weights, "valid")
    return after


@dataclass(frozen=True)
class Linear:
    """A method for each column of a series; at the first rows it predicts the last value.

    Attributes:
        forms: ``(D,)``, the form of each column.
        columns: ``(D,)``, the method of each column.
    """

    forms: tuple[Form, ...]
    columns: tuple[Column, ...]

    @property
    def reach(self) -> int:
        """How many earlier rows it uses."""
        return max(column.reach for column in self.columns)

    def seen(self, values: Numbers) -> Numbers:
        """``(N, D)`` values in the form that is used."""
        return np.stack([f.seen(values[:, k]) for k, f in enumerate(self.forms)], axis=1)

    def restored(self, seen: Numbers) -> Numbers:
        """The inverse of :meth:`seen`."""
        return np.stack([f.restored(seen[:, k]) for k, f in enumerate(self.forms)], axis=1)

    def follow(self, seen: Numbers) -> tuple[Numbers, "Linear"]:
        """As :meth:`Column.follow`, for ``(N, D)``, all in the form that is used."""
        found = [column.follow(seen[:, k]) for k, column in enumerate(self.columns)]
        after = np.stack([expected for expected, _ in found], axis=1)
        return after, replace(self, columns=tuple(settled for _, settled in found))

    def expected(self, seen: Numbers) -> Numbers:
        """The prediction after each row of ``(N, D)``, all in the form that is used."""
        return self.follow(seen)[0]

    def settled(self, values: Numbers) -> "Linear":
        """The same for the rows after ``values`` ``(N, D)``, with the trust that it has there."""
        return self.follow(self.seen(values))[1]

    def one_step(self, values: Numbers) -> Numbers:
        """The prediction after each of ``values`` ``(N, D)``."""
        return self.restored(self.expected(self.seen(values)))

    def ahead(self, values: Numbers, steps: int) -> Numbers:
        """The ``steps`` rows after ``values``, each from the predictions before it."""
        seen, settled = self.seen(values), self.settled(values)
        known = min(len(seen), self.reach)
        rows = np.concatenate([seen[len(seen) - known :], np.zeros((steps, seen.shape[1]))])
        for row in range(known, known + steps):
            rows[row] = settled.expected(rows[max(0, row - self.reach) : row])[-1]
        return self.restored(rows[known:])

    def to_header(self) -> list[dict[str, Any]]:
        """The entry of a checkpoint."""
        return [
            {
                "floor": form.floor,
                "lags": list(form.lags),
                "name": column.name,
                "constant": column.constant,
                "weights": list(column.weights),
                "noise": column.noise,
                "alternatives": [[a.prior, a.constant, [*a.weights]] for a in column.alternatives],
            }
            for form, column in zip(self.forms, self.columns, strict=True)
        ]

    @classmethod
    def from_header(cls, header: Any, size: int) -> "Linear":
        """The inverse of :meth:`to_header`, for ``size`` columns.

        Raises:
            KeyError, TypeError, ValueError: the header is not from :meth:`to_header`.
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
    # The first versions wrote neither noise nor alternatives.
    noise, others = one.get("noise", 0.0), one.get("alternatives")
    others = others if others is not None else EARLIER if noise else []
    constant, weights = _method(one["constant"], one["weights"])
    if type(noise) is not float or not (noise == 0 or LEAST_NOISE <= noise < np.inf):
        raise ValueError("noise must be a number, 0 or more")
    if not isinstance(one["name"], str):
        raise ValueError("a method's name must be a text")
    if not isinstance(others, list) or len(others) > MOST:
        raise ValueError("alternatives must be a list, and few")
    if not all(isinstance(other, list) and len(other) == 3 for other in others):
        raise ValueError("alternatives must be lists of three")
    found = tuple(Alternative(prior, *_method(*method)) for prior, *method in others)
    if not all(type(other.prior) is float and other.prior > 0 for other in found):
        raise ValueError("weights of alternatives must be positive numbers")
    if sum(other.prior for other in found) >= 1:
        raise ValueError("the alternatives have all the weight")
    return Column(one["name"], constant, weights, noise, found)


def _method(constant: Any, weights: Any) -> tuple[float, tuple[float, ...]]:
    if not isinstance(weights, list) or not 1 <= len(weights) <= LONGEST:
        raise ValueError("a method has no weights, or too many")
    if not all(type(x) is float and np.isfinite(x) for x in (constant, *weights)):
        raise ValueError("weights must be finite numbers")
    return constant, tuple(weights)


def naive(lags: Sequence[int], name: str) -> Column:
    """Predict no difference: ``(1,)`` gives the last value, ``(12,)`` the one 12 rows before."""
    return Column(name, 0.0, tuple((-polynomial(lags)[1:]).tolist()))


def fit(
    seen: Numbers, lags: Sequence[int], order: int, name: str, shrinkage: float = 0.0
) -> Column:
    """Fit an autoregression of the differences w of ``(N,)`` by least squares.

    w[t] = b + Σ w[t-k]·φ[k], k = 1..order, which is also an autoregression of z: its polynomial is
    that of the differences times 1 - Σ φ[k]·B^k (Box and Jenkins, 1970, "Time series analysis", ch.
    4). Without shrinkage, b follows from the mean of w over all rows, which a short series
    determines better.

    Args:
        shrinkage: what is added to the sum of squares for each φ[k]², with the differences scaled
            to a deviation of 1 (Hoerl and Kennard, 1970, "Ridge regression").

    Raises:
        ValueError: there are fewer equations than unknowns.
    """
    w = differenced(seen, lags)
    if len(w) - order < (1 if shrinkage else order + 1):
        raise ValueError(f"{len(seen)} values are too few")
    mean, deviation = w.mean(), float(w.std()) or 1.0
    scaled = (w - mean) / deviation
    lagged = [scaled[order - k : len(w) - k] for k in range(1, order + 1)]
    y, free = scaled[order:], float(shrinkage > 0)
    x = np.stack([*lagged, np.full(len(y), free)], axis=1)
    penalty = np.diag([shrinkage + EXACT * len(y)] * order + [1 - free])
    *phi, offset = np.linalg.solve(x.T @ x + penalty, x.T @ y).tolist()
    constant = mean * (1 - sum(phi)) + offset * deviation
    whole = np.convolve(polynomial(lags), [1.0, *(-phi_k for phi_k in phi)])
    weights = (-whole[1:]).tolist() or [0.0]
    return Column(name, float(constant), tuple(weights))
