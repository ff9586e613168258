"""How much the map of features and the recurrence each add to a network's outputs.

Both learn by themselves, and the outputs are a sum with two numbers:

    y = a·y_map + b·y_recurrence        a, b ≥ 0

A plain sum would be too sure, since both have seen the same evidence. So a and b minimise the loss
on the validation rows, plus ((a - ½)² + (b - ½)²) / 2, which matters where there are few of them.
The map is a sum as well, of maps that were fitted in several ways (:mod:`charrnn.tasks.fitted`).
Heskes (1998), "Selecting weighting factors in logarithmic opinion pools".
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from charrnn.nn.chain import Chain
from charrnn.nn.losses import LOSSES
from charrnn.nn.parameters import Parameters
from charrnn.nn.types import Array

__all__ = [
    "HALVES",
    "Shares",
    "best_shares",
    "of_chain",
    "of_targets",
    "settled",
    "shares_in",
    "unfitted",
    "without_shares",
]

Shares = tuple[float, float]  # a, b

HALVES: Shares = (0.5, 0.5)
"""The shares before the first validation."""

MOST = 4.0
"""The largest share."""

MOST_ROUNDS, ENOUGH, STEP = 50, 1e-6, 1e-4


Objective = Callable[[Array], tuple[float, Array]]
"""From n shares ``(n,)`` to the summed loss, which is convex, and its gradient ``(n,)``."""


def of_targets(outputs: Array, targets: Array, loss: str) -> Objective:
    """A loss of :data:`charrnn.nn.losses.LOSSES` of a sum of ``outputs`` ``(n, N, K)``."""

    def found(at: Array) -> tuple[float, Array]:
        dy = np.tensordot(at, outputs, 1)
        total = float(LOSSES[loss](dy, targets))
        return total, (outputs * dy).sum(axis=(1, 2))

    return found


def of_chain(outputs: Array, W: Array, lane: Array, gold: Array) -> Objective:
    """The loss of tags in a chain (:mod:`charrnn.nn.chain`), the sum of chains ``(n, K, K)``."""

    def found(at: Array) -> tuple[float, Array]:
        chain = Chain(np.tensordot(at, W, 1), np.tensordot(at, outputs, 1), lane)
        dy, dW = chain.gradients(gold)
        slope = (outputs * dy).sum(axis=(1, 2)) + (W * dW).sum(axis=(1, 2))
        return float(chain.nats(gold)), slope

    return found


def best_shares(objective: Objective, count: int = 2) -> Array:
    """The ``count`` shares that minimise the objective, by Newton's method.

    Where outputs are so large that the method fails, or not finite, they are the best found so far,
    and equal at first.
    """
    equal = np.full(count, 1 / count)

    def found(at: Array) -> tuple[float, Array]:
        """What is to be least, which is convex, and its gradient."""
        total, slope = objective(at)
        away = at - equal
        return total + away @ away / 2, slope + away

    at = equal
    for _ in range(MOST_ROUNDS):
        value, slope = found(at)
        curvature = np.stack([(found(at + d)[1] - slope) / STEP for d in STEP * np.eye(count)])
        step = _inside(at, slope, curvature)
        if not np.isfinite(step).all():
            break
        moved, longest = step != 0, float(np.abs(step).max())
        room = np.where(step > 0, at, at - MOST)[moved] / step[moved]  # in steps
        part = float(room.min(initial=1.0))
        while part * longest > ENOUGH and found(at - part * step)[0] > value:
            part /= 2
        if part * longest <= ENOUGH:
            break
        at = at - part * step
        # A share that is almost at its limit would shorten the next step to nothing.
        at = np.where(at <= ENOUGH, 0.0, np.where(at >= MOST - ENOUGH, MOST, at))
    return at


def _inside(at: Array, slope: Array, curvature: Array) -> Array:
    """Newton's step for the shares that it does not take out of their limits, or NaN."""
    free = ~((at <= 0) & (slope >= 0) | (at >= MOST) & (slope <= 0))
    while True:
        step = np.zeros(len(at))
        try:
            step[free] = np.linalg.solve(curvature[np.ix_(free, free)], slope[free])
        except np.linalg.LinAlgError:
            return np.full(len(at), np.nan)
        outside = (at <= 0) & (step > 0) | (at >= MOST) & (step < 0)
        if not outside.any():
            return step
        free &= ~outside


def settled(spec: Any, parameters: Parameters) -> tuple[Any, Parameters]:
    """Weights of which the map's and the head's are multiplied by their shares, and the spec
    without them; the same spec and weights, if it has none.
    """
    shares: Shares | None = getattr(spec, "shares", None)
    if shares is None:
        return spec, parameters
    own = parameters.astype(parameters.dtype)
    a, b = shares
    for name, share in (("wide.W", a), ("chain.W", a), ("head.W", b), ("head.b", b)):
        if name in own:
            own[name][...] *= share
    return without_shares(spec), own


def unfitted(spec: Any) -> Any:
    """The spec of a model that is trained on: its map then learns, too, whatever the rows are."""
    return replace(spec, fitted="", shares=None) if getattr(spec, "fitted", "") else spec


def without_shares(spec: Any) -> Any:
    """The spec of a network whose weights are multiplied by their shares, or that has none."""
    return spec if getattr(spec, "shares", None) is None else replace(spec, shares=None)


def shares_in(header: Any) -> Shares | None:
    """The shares that a checkpoint notes; None if it notes none.

    Raises:
        ValueError: they are not two numbers that can be shares.
    """
    found = header.get("shares")
    if found is None:
        return None
    if not isinstance(found, list) or [type(one) for one in found] != [float, float]:
        raise ValueError("the shares must be two numbers")
    if not all(0 <= share <= MOST for share in found):
        raise ValueError(f"a share must be between 0 and {MOST:g}")
    if not header.get("buckets"):
        raise ValueError("there are shares without a map")
    return found[0], found[1]
