"""A baseline of a series: earlier values weighted by least squares."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["autoregression_errors", "order_of"]

Series = npt.NDArray[Any]
ORDERS = range(1, 9)


def autoregression_errors(
    train: npt.ArrayLike, test: npt.ArrayLike, orders: Iterable[int] = ORDERS
) -> Series:
    """The errors ``(M, D)`` of predicting each test value linearly from the p values before it.

    x[t] = b + Σ x[t - k]·W_k, k = 1..p, by least squares (a vector autoregression; Lütkepohl, 2005,
    "New introduction to multiple time series analysis", §3.2). The order p is the one with the
    lowest error on the last tenth of ``train`` after fitting to the rest, among equals the
    smallest; it is then fitted to all of ``train``. Every prediction uses the true values before
    it, including those at the end of ``train``.

    Args:
        train, test: ``(N, D)`` and ``(M, D)``, or ``(N,)`` and ``(M,)`` for D = 1; ``test``
            continues where ``train`` ends.
        orders: the orders to choose from; those with fewer equations than unknowns are skipped.

    Raises:
        ValueError: ``test`` is empty or of another width, a value is not finite, an order is less
            than 1, or ``train`` is too short for all of them.
    """
    past, future = _series(train), _series(test)
    if not len(future) or past.shape[1] != future.shape[1]:
        raise ValueError(f"cannot predict {future.shape} from {past.shape}")
    order = order_of(past, orders)
    return _errors(np.concatenate([past, future]), len(past), order)


def order_of(train: npt.ArrayLike, orders: Iterable[int] = ORDERS) -> int:
    """The order of the autoregression that is best on the last tenth of ``train``.

    Args:
        train, orders: as for :func:`autoregression_errors`.

    Raises:
        ValueError: a value is not finite, an order is less than 1, or ``train`` is too short.
    """
    past, orders = _series(train), sorted(set(orders))
    if not orders or orders[0] < 1:
        raise ValueError(f"orders must be 1 or more, got {orders}")
    split = len(past) - max(1, len(past) // 10)
    some = [p for p in orders if split - p >= p * past.shape[1] + 1]
    if not some:
        raise ValueError(f"a series of {len(past)} is too short for the orders {orders}")
    return min(some, key=lambda p: float((_errors(past, split, p) ** 2).mean()))


def _series(values: npt.ArrayLike) -> Series:
    series = np.asarray(values, dtype=np.float64)
    series = series[:, None] if series.ndim == 1 else series
    if series.ndim != 2 or not series.shape[1] or not np.isfinite(series).all():
        raise ValueError("a series is finite numbers of shape (N, D)")
    return series


def _errors(series: Series, split: int, order: int) -> Series:
    """The errors on ``series[split:]`` after fitting to ``series[:split]``."""
    lags = [series[order - k : len(series) - k] for k in range(1, order + 1)]
    x = np.concatenate([*lags, np.ones((len(series) - order, 1))], axis=1)
    y, cut = series[order:], split - order
    weights = np.linalg.lstsq(x[:cut], y[:cut], rcond=None)[0]
    return np.asarray(x[cut:] @ weights - y[cut:])
