"""Choose the baseline that suits a column: by its error on rows that come later.

A method is fitted several times to the first rows and tested on the next ones (Tashman, 2000,
"Out-of-sample tests of forecasting accuracy"). docs/log.md has the figures behind the constants.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from charrnn.tasks.baselines.linear import (
    Column,
    Form,
    differenced,
    fit,
    naive,
    polynomial,
)
from charrnn.tasks.chance import surely_gains
from charrnn.text.counts import counted

__all__ = ["Method", "choose", "seasons"]

Numbers = npt.NDArray[np.float64]

ORDERS = (0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 13, 16, 18, 24, 25, 30, 36)
"""Orders of autoregressions that are tried; for a season, also those around it and twice it."""

HIGHEST = 100

FIRST, FOLDS = 0.5, 8
"""The share of rows that the first fit has, and the number of parts that the rest is cut into."""

UNKNOWNS = 3
"""Rows that the first fit must have for each weight."""

TOLERANCE = 0.01
"""How much worse a simpler method may be, in the logarithm of its error."""

OF_LOGARITHMS = 0.2
"""How much lower the error of a method on logarithms must be, in the same measure: where the rows
to come leave the range of those that are known, such a method may be wrong many times over."""

SPREAD = 1.2
"""Logarithms are tried if the largest value is at least this many times the smallest."""

FLOOR = 0.01
"""Under logarithms, values below this part of the smallest known one are raised to it."""

MOST = 5000
"""In a longer series, the methods are chosen on this many last rows."""

PEAKS, LONGEST_SEASON = 3, 400
"""How many seasons are tried, and the longest that a season may be."""

AS_HIGH = 0.7
"""If a shorter peak of the correlations divides a longer one and has at least this part of its
height, the longer one is only its multiple."""

RIDGE = 1e-8


@dataclass(frozen=True)
class Method:
    """A baseline: an autoregression of differences; of order 0 and without a constant, no change.

    Attributes:
        log: whether it works on logarithms.
        lags: the lags of the differences.
        order: the order of the autoregression.
        constant: whether there is a constant.
    """

    log: bool = False
    lags: tuple[int, ...] = (1,)
    order: int = 0
    constant: bool = False

    @property
    def is_last(self) -> bool:
        """Whether it predicts the last value, on logarithms or not."""
        return self.lags == (1,) and not self.order and not self.constant

    @property
    def size(self) -> float:
        """How complex it is, compared with predicting the last value."""
        return (
            len(self.lags)
            + self.order
            + 0.5 * (self.log + self.constant)
            + 1.5 * (not self.lags)
            + 0.1 * (self.lags[:1] != (1,))
        )

    @property
    def name(self) -> str:
        """The name of the method."""
        of = " of logarithms" if self.log else ""
        if not self.order and len(self.lags) == 1:
            (lag,) = self.lags
            what = "last value" if lag == 1 else f"value {lag} rows before"
            return what + f" and drift{of}" * self.constant
        steps = " and ".join(map(str, self.lags))
        of = f" of differences of {steps}{of}" if self.lags else of
        rows = f"autoregression over {counted(self.order, 'row')}" if self.order else "mean"
        return rows + of if self.constant or self.order else "no change" + of

    def form(self, values: Numbers) -> Form:
        """The form in which a column of ``values`` ``(N,)`` is used."""
        return Form(float(FLOOR * values.min()) if self.log else 0.0, self.lags)

    def fitted(self, values: Numbers) -> Column:
        """Fit the method to ``(N,)``; to the last value if there are too few."""
        form = self.form(values)
        if not self.order and not self.constant:
            return naive(self.lags or (1,), self.name)
        try:
            return fit(form.seen(values), self.lags, self.order, self.name)
        except ValueError:
            return naive((1,), LAST.name)


LAST = Method()


def seasons(values: Numbers) -> list[int]:
    """The likely lengths of a season, in rows: where the changes of ``(N,)`` are most alike.

    These are the highest peaks in the autocorrelation of the differences; empty if no peak is
    clear.
    """
    change = np.diff(values)
    change = change - change.mean() if len(change) else change
    size, power = len(change), float(change @ change)
    top = min(size // 3, LONGEST_SEASON)
    if top < 3 or not power:
        return []
    spectrum = np.abs(np.fft.rfft(change, 2 * size)) ** 2
    lags = np.arange(top + 2)
    alike = np.fft.irfft(spectrum)[: top + 2] / power * size / (size - lags)
    least = max(0.1, 2 / size**0.5)
    inner = alike[2:-1]
    high = (inner > alike[1:-2]) & (inner >= alike[3:]) & (inner > least)
    peaks = (np.flatnonzero(high) + 2).tolist()
    found: list[int] = []
    for peak in sorted(peaks, key=lambda k: -alike[k]):
        parts = [k for k in peaks if peak % k == 0 and alike[k] >= AS_HIGH * alike[peak]]
        if parts[0] not in found:
            found.append(parts[0])
    return found[:PEAKS]


def choose(
    values: Numbers,
    periods: Sequence[int],
    *,
    log: bool | None = None,
    lags: tuple[int, ...] | None = None,
) -> Method:
    """The method with the lowest error on later rows; among those about as good, the simplest.

    The error is the mean, over the parts that are tested, of the logarithm of the squared error, so
    that no single part decides, whether by a step in it or by its scale. The last value is left
    only for methods that are better by more than chance: this is a paired test of the squared
    errors (Diebold and Mariano, 1995, "Comparing predictive accuracy").

    Args:
        values: ``(N,)``; they must not include test rows.
        periods: the possible seasons.
        log: whether logarithms are used; if not given, both are tried.
        lags: the lags of the differences; if not given, several are tried.
    """
    values = values[-MOST:]
    found = [*_scored(values, periods, log, lags)]
    last = [one for one in found if one[0].is_last]
    if last:
        found = [one for one in found if one[2] and not one[0].is_last] or last
    scores = {method: score + OF_LOGARITHMS * method.log for method, score, _ in found}
    if not scores:
        return Method(bool(log) and values.min() > 0, (1,) if lags is None else lags)
    least = min(scores.values())
    good = [method for method, score in scores.items() if score <= least + TOLERANCE]
    return min(good, key=lambda method: (method.size, scores[method]))


def _scored(
    values: Numbers, periods: Sequence[int], log: bool | None, lags: tuple[int, ...] | None
) -> Iterator[tuple[Method, float, bool]]:
    """Every method with enough rows, its error, and whether it surely beats the last value."""
    edges = [round(len(values) * (FIRST + (1 - FIRST) * k / FOLDS)) for k in range(FOLDS + 1)]
    if edges[0] < 2 or len({*edges}) <= FOLDS:
        return
    positive = values.min() > 0
    may = [False] if not positive or log is False else [True] if log else [False]
    if log is None and positive and values.max() > SPREAD * values.min():
        may.append(True)
    differences: list[tuple[int, ...]] = [(), (1,), *((s,) for s in periods)]
    differences += [(1, s) for s in periods]
    orders = {*ORDERS, *(k for s in periods for k in (s, s + 1, 2 * s, 2 * s + 1))}
    unit = float(np.mean(np.diff(values) ** 2)) or 1.0
    for is_log in may:
        for taken in differences if lags is None else [lags]:
            room = edges[0] - sum(taken)
            some = sorted(k for k in orders if k <= min(room // UNKNOWNS, HIGHEST))
            if room >= edges[0] // 2 and some:
                yield from _of_differences(values, is_log, taken, some, edges, unit)


def _of_differences(
    values: Numbers,
    log: bool,
    lags: tuple[int, ...],
    orders: Sequence[int],
    edges: Sequence[int],
    unit: float,
) -> Iterator[tuple[Method, float, bool]]:
    """The methods for given differences; all orders share the same products."""
    seen = np.log(values) if log else values
    w = differenced(seen, lags)
    most, reach = orders[-1], len(polynomial(lags)) - 1
    first = w[: edges[0] - reach]
    mean, deviation = first.mean(), float(first.std()) or 1.0
    scaled = (w - mean) / deviation
    lagged = [scaled[most - k : len(w) - k] for k in range(1, most + 1)]
    x, y = np.stack([*lagged, np.ones(len(w) - most)], axis=1), scaled[most:]
    known = seen[reach + most :] - w[most:]  # what the differences do not determine
    true = values[reach + most :]
    of_last = np.diff(values)[edges[0] - 1 :] ** 2 / unit
    cuts = [max(0, edge - reach - most) for edge in edges]
    products, xx, xy = [], np.zeros((most + 1, most + 1)), np.zeros(most + 1)
    for start, end in pairwise([0, *cuts[:-1]]):
        part = x[start:end]
        xx, xy = xx + part.T @ part, xy + part.T @ y[start:end]
        products.append((xx, xy))

    def tried(method: Method) -> tuple[Method, float, bool]:
        columns = [*range(method.order), most]
        parts = []
        for (xx, xy), start, end in zip(products, cuts[:-1], cuts[1:], strict=True):
            change = np.zeros(end - start)
            if method.constant:
                ridge = RIDGE * start * np.eye(len(columns))
                weights = np.linalg.solve(xx[np.ix_(columns, columns)] + ridge, xy[columns])
                change = x[start:end][:, columns] @ weights * deviation + mean
            with np.errstate(over="ignore"):
                found = known[start:end] + change
                off = (np.exp(found) if log else found) - true[start:end]
                parts.append(off**2 / unit)
        with np.errstate(over="ignore", invalid="ignore"):
            gain = of_last - np.concatenate(parts)
            sure = surely_gains(gain)
            error = float(np.mean(np.log(np.array([part.mean() for part in parts]) + 1e-12)))
        return method, error, sure

    if lags:
        yield tried(Method(log, lags))
    for order in orders:
        yield tried(Method(log, lags, order, True))
