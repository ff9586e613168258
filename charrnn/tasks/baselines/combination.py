"""The baseline of a column: a mean of linear methods, weighted by their errors on later rows.

Each method is fitted several times to the first rows and tested on the next ones (Tashman, 2000,
"Out-of-sample tests of forecasting accuracy"). A mean of methods is better than the one that seems
best (Bates and Granger, 1969, "The combination of forecasts"), the more so where rows are few.
docs/log.md has the figures behind the constants.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from charrnn.tasks.baselines.linear import Alternative, Column, Form, fit, naive
from charrnn.tasks.baselines.series import order_of
from charrnn.text.counts import counted

__all__ = ["Combination", "Method", "combine"]

Numbers = npt.NDArray[np.float64]

ORDERS = (0, 1, 2, 3, 4, 6, 8, 12, 13, 18, 24, 25, 36)
"""Orders of autoregressions that are tried; for a season, also those around it and twice it."""

SHRINKAGES = (1.0, 11.0, 100.0)
"""Shrinkages of an autoregression over twice a season; one over their square roots is about how
large its coefficients may be."""

HIGHEST, AT_LEAST = 100, 12
"""The highest order, and the least order of a shrunken autoregression, unless rows are few."""

FIRST, FOLDS = 0.5, 8
"""The share of rows that the first fit has, and the number of parts that the rest is cut into."""

SHORTEST = 12
"""The least rows in which methods are tested."""

FEWEST, UNKNOWNS, OF_SHRUNKEN = 4, 3, 2
"""The least differences that the first fit has: in all, for each weight, and for each weight that
is shrunken."""

PART = 24
"""The least rows of a part. Mean squares are taken of each part, and logarithms of these, so that
no part decides alone by its scale; in fewer rows chance would decide."""

SHARPNESS = 0.5
"""The power of the likelihood that counts: neighbouring errors are not independent, and the methods
resemble each other."""

OF_FIRST = 0.5
"""The weight of the simplest method, usually the last value, before anything is tested."""

LEAST = 0.002
"""Methods with less weight are left out."""

LOGARITHMS, FOR_FEW = 0.2, 4.0
"""How much lower the logarithm of the error must be on logarithms of values, and how much more,
divided by the number of tested rows: where later values leave the known range, a method on
logarithms may be wrong many times over."""

ORDINARY, TIMES = 0.9, 1.6
"""The noise and the usual size of changes are computed from this share of the squares, the smallest
ones: outliers and steps do not count. The mean of all squares of normal errors is 1.6 times the
mean of these."""

OF_ALTERNATIVES = 0.5
"""The weight, before any row, of all that a mean gives way to. The last value has what remains
after the others."""

OF_LEVELS = 0.1
"""The same for the mean of the methods without differences alone: they are better where a series
returns to its level, and a short series hardly shows whether it does."""

OF_LINEAR, HALF, TOO_FEW = 0.3, 100, 60
"""The same for a plain linear autoregression: half of it if ``HALF`` rows are known, and none up to
``TOO_FEW``, to which it would be fitted too closely."""

UNSHRUNKEN = 1e-6
"""Too small a shrinkage to shrink anything, but above 0, so that the constant is fitted too."""

ROUNDING, FAR = 1e-9, 25.0
"""Multiples of the mean square of usual changes: squared errors below the first are those of
rounding, and none counts as more than the second, so that one outlier does not decide."""

SPREAD = 1.2
"""Logarithms are tried if the largest value is at least this many times the smallest."""

FLOOR = 0.01
"""Under logarithms, values below this part of the smallest known one are raised to it."""

MOST = 2000
"""In a longer series, the methods are weighted by this many last rows."""


class Method(NamedTuple):
    """An autoregression of differences; of order 0 and without a constant, no change.

    Attributes:
        lags: the lags of the differences.
        order: the order of the autoregression.
        constant: whether there is a constant.
        shrinkage: as for :func:`charrnn.tasks.baselines.linear.fit`.
    """

    lags: tuple[int, ...] = (1,)
    order: int = 0
    constant: bool = False
    shrinkage: float = 0.0

    @property
    def name(self) -> str:
        """The name of the method."""
        if not self.order and len(self.lags) == 1:
            (lag,) = self.lags
            what = "last value" if lag == 1 else f"value {lag} rows before"
            return what + " and drift" * self.constant
        steps = " and ".join(map(str, self.lags))
        of = f" of differences of {steps}" if self.lags else ""
        if not self.order:
            return ("mean" if self.constant else "no change") + of
        kind = "shrunken autoregression" if self.shrinkage else "autoregression"
        return f"{kind} over {counted(self.order, 'row')}{of}"

    def fitted(self, seen: Numbers) -> Column:
        """Fit the method to ``(N,)``; to the last value if there are too few."""
        if not self.order and not self.constant:
            return naive(self.lags or (1,), self.name)
        try:
            return fit(seen, self.lags, self.order, self.name, self.shrinkage)
        except ValueError:
            return naive((1,), Method().name)


Parts = tuple[tuple[Method, float], ...]
"""Methods and their weights, the largest first."""


class Trial(NamedTuple):
    """A method, and its errors on rows that it was not fitted to, ``(M,)``."""

    method: Method
    off: Numbers  # in the form that is used
    of_values: Numbers


@dataclass(frozen=True)
class Combination:
    """A baseline: a weighted mean of methods.

    Attributes:
        log: whether they work on logarithms.
        parts: the methods and their weights.
        noise, alternatives: as for :class:`charrnn.tasks.baselines.linear.Column`; each of the
            alternatives has a weight before any row, and is a mean of methods.
    """

    log: bool
    parts: Parts
    noise: float = 0.0
    alternatives: tuple[tuple[float, Parts], ...] = ()

    @property
    def name(self) -> str:
        """A short name."""
        first, count = self.parts[0][0], len(self.parts)
        name = first.name if count == 1 else f"mean of {count} linear methods"
        return name + " of logarithms" * self.log

    @property
    def described(self) -> str:
        """The name, with the method that has most weight."""
        (first, weight), *others = self.parts
        return f"{self.name}, most weight ({weight:.0%}) on {first.name}" if others else self.name

    @property
    def lags(self) -> tuple[int, ...]:
        """The lags of the differences whose methods have most weight."""
        of: dict[tuple[int, ...], float] = {}
        for method, weight in self.parts:
            of[method.lags] = of.get(method.lags, 0.0) + weight
        return max(of, key=of.__getitem__)

    def form(self, values: Numbers) -> Form:
        """The form in which a column of ``values`` ``(N,)`` is used."""
        return Form(float(FLOOR * values.min()) if self.log else 0.0, self.lags)

    def fitted(self, values: Numbers) -> Column:
        """Fit each method to ``(N,)``, and take their mean."""
        seen = self.form(values).seen(values)
        mean = self._mean(seen, self.parts)
        means = [(prior, self._mean(seen, parts)) for prior, parts in self.alternatives]
        others = [Alternative(prior, of.constant, of.weights) for prior, of in means]
        return replace(mean, noise=self.noise).with_stable(others)

    def _mean(self, seen: Numbers, parts: Parts) -> Column:
        """The mean of methods, fitted to ``(N,)``."""
        columns = [(method.fitted(seen), weight) for method, weight in parts]
        weights = np.zeros(max(len(column.weights) for column, _ in columns))
        for column, weight in columns:
            weights[: len(column.weights)] += weight * np.array(column.weights)
        constant = sum(weight * column.constant for column, weight in columns)
        return Column(self.name, float(constant), tuple(weights.tolist()))


def combine(
    values: Numbers,
    periods: Sequence[int],
    *,
    log: bool | None = None,
    lags: tuple[int, ...] | None = None,
) -> Combination:
    """The methods of a column and their weights.

    With M rows tested and the mean square s² of a method's errors, its weight is proportional to
    its prior times (s²)^(-M/4): to the root of the likelihood of these errors, if they are normal
    with this variance. For log s² it takes the mean over parts of the rows.

    Args:
        values: ``(N,)``; they must not include test rows.
        periods: the possible seasons.
        log: whether logarithms are used; if not given, they are where that is clearly better.
        lags: the lags of the differences; if not given, several are tried.
    """
    positive = bool(values.min() > 0)
    values = values[-MOST:]
    first = Method((1,) if lags is None else lags, constant=lags == ())
    plain = Combination(bool(log) and positive, ((first, 1.0),))
    if log is None:
        forms = [False, True] if positive and values.max() > SPREAD * values.min() else [False]
    else:
        forms = [plain.log]

    def score(found: Sequence[Trial], is_log: bool) -> float:
        least = _mean_log(np.stack([one.of_values for one in found]), values).min()
        return float(least) + is_log * (LOGARITHMS + FOR_FEW / len(found[0].off))

    tested = {is_log: [*_tested(values, periods, is_log, lags)] for is_log in forms}
    scores = {is_log: score(found, is_log) for is_log, found in tested.items() if found}
    if not scores:
        return plain
    best = min(scores, key=scores.__getitem__)
    return _weighted(best, tested[best], values, gives_way=lags is None)


def _ordinary(errors: Numbers) -> Numbers:
    """The mean of the squares of ``(..., M)`` without the largest."""
    with np.errstate(over="ignore"):
        squares = np.sort(errors**2, axis=-1)[..., : max(1, int(ORDINARY * errors.shape[-1]))]
        return np.asarray(squares.mean(axis=-1))


def _mean_log(errors: Numbers, values: Numbers) -> Numbers:
    """For each method, the mean over parts of the rows of the logarithm of the mean square.

    Args:
        errors: ``(methods, M)``.
        values: what was predicted, and the rows before.
    """
    usual = _usual(values)
    with np.errstate(over="ignore"):
        squares = np.minimum(errors**2, FAR * usual)
    parts = np.array_split(squares, min(max(errors.shape[1] // PART, 1), FOLDS), axis=1)
    return np.asarray(
        np.mean([np.log(part.mean(axis=1) + ROUNDING * usual) for part in parts], axis=0)
    )


def _usual(values: Numbers) -> float:
    """The mean square of changes that are not outliers."""
    change = np.diff(values)
    return float(_ordinary(change)) or float(np.mean(change**2))


def _weighted(
    log: bool, found: Sequence[Trial], values: Numbers, *, gives_way: bool
) -> Combination:
    seen, off = np.log(values) if log else values, np.stack([one.off for one in found])
    likely = -SHARPNESS * off.shape[1] / 2 * _mean_log(off, seen)
    prior = np.full(len(found), (1 - OF_FIRST) / max(1, len(found) - 1))
    prior[0] = OF_FIRST
    weights, methods = _shares(prior, likely), [one.method for one in found]
    noise = TIMES * min(float(_ordinary(weights @ off)), _usual(seen))
    parts = _parts(methods, weights)
    if not gives_way or noise < ROUNDING * _usual(seen):
        return Combination(log, parts)
    others: list[tuple[float, Parts]] = []
    levels, rows = np.array([not method.lags for method in methods]), len(seen)
    if levels.any():
        others.append((OF_LEVELS, _parts(methods, _shares(1.0 * levels, likely))))
    if rows > TOO_FEW:
        linear = Method((), order_of(seen), True, UNSHRUNKEN)
        others.append((OF_LINEAR * rows**2 / (rows**2 + HALF**2), ((linear, 1.0),)))
    of_last = OF_ALTERNATIVES - sum(prior for prior, _ in others)
    return Combination(log, parts, noise, ((of_last, ((Method(), 1.0),)), *others))


def _shares(prior: Numbers, likely: Numbers) -> Numbers:
    """Weights with the sum 1, without the smallest, by priors and logarithms of likelihoods."""
    likely = np.where(prior > 0, likely, -np.inf)
    weights = prior * np.exp(likely - likely.max())
    weights = np.where(weights < LEAST * weights.sum(), 0, weights)
    return np.asarray(weights / weights.sum())


def _parts(methods: Sequence[Method], weights: Numbers) -> Parts:
    order = np.argsort(-weights, kind="stable")
    return tuple((methods[k], float(weights[k])) for k in order if weights[k])


def _tested(
    values: Numbers, periods: Sequence[int], log: bool, lags: tuple[int, ...] | None
) -> Iterator[Trial]:
    """Every method with enough rows, the simplest first."""
    shares = (FIRST + (1 - FIRST) * k / FOLDS for k in range(FOLDS + 1))
    edges = sorted({round(len(values) * share) for share in shares})
    seen = np.log(values) if log else values
    if len(values) < SHORTEST or not np.ptp(seen):
        return
    differences: list[tuple[int, ...]] = [(1,), (), *((s,) for s in periods)]
    differences += [(1, s) for s in periods]
    orders = {*ORDERS, *(k for s in periods for k in (s, s + 1, 2 * s, 2 * s + 1))}
    shrunken = min(HIGHEST, max([AT_LEAST, *(2 * s + 1 for s in periods)]))
    for taken in differences if lags is None else [lags]:
        room = edges[0] - sum(taken)
        if room < max(FEWEST, edges[0] // UNKNOWNS):
            continue
        some = [k for k in sorted(orders) if k <= min(room // UNKNOWNS, HIGHEST)]
        methods = [Method(taken)] if taken else []
        methods += [Method(taken, order, True) for order in some]
        order = min(shrunken, room // OF_SHRUNKEN)
        if order:
            methods += [Method(taken, order, True, shrinkage) for shrinkage in SHRINKAGES]
        for method in methods:
            parts = [_after(method.fitted(seen[:a]), seen, a, b) for a, b in pairwise(edges)]
            found = np.concatenate(parts)
            with np.errstate(over="ignore"):
                after = np.exp(found) if log else found
            yield Trial(method, found - seen[edges[0] :], after - values[edges[0] :])


def _after(column: Column, seen: Numbers, start: int, end: int) -> Numbers:
    """What a column predicts for ``seen[start:end]``, each from the true rows before it."""
    before = seen[start - len(column.weights) : end - 1]
    return np.asarray(column.constant + np.convolve(before, column.weights, "valid"))
