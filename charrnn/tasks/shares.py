"""How much the map of features and the recurrence each add to a network's outputs.

Both learn by themselves, and the outputs are a sum with two numbers:

    y = a·y_map + b·y_recurrence        a, b ≥ 0

A plain sum would be too sure, since both have seen the same evidence. So a and b minimise the loss
on the validation rows, plus ((a - ½)² + (b - ½)²) / 2, which matters where there are few of them.
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


Objective = Callable[[Array, float], tuple[float, Array, float]]
"""From outputs ``(N, K)`` and a to the summed loss, and its gradients by both."""


def of_targets(targets: Array, loss: str) -> Objective:
    """A loss of :data:`charrnn.nn.losses.LOSSES`, which does not depend on a."""

    def found(y: Array, a: float) -> tuple[float, Array, float]:
        del a
        dy = y.copy()
        return float(LOSSES[loss](dy, targets)), dy, 0.0

    return found


def of_chain(W: Array, lane: Array, gold: Array) -> Objective:
    """The loss of tags in a chain (:mod:`charrnn.nn.chain`), whose W belongs to the map."""

    def found(y: Array, a: float) -> tuple[float, Array, float]:
        chain = Chain(a * W, y, lane)
        dy, dW = chain.gradients(gold)
        return float(chain.nats(gold)), dy, float((dW * W).sum())

    return found


def best_shares(of_map: Array, of_network: Array, objective: Objective) -> Shares:
    """The shares that minimise the objective, by Newton's method.

    Args:
        of_map, of_network: the outputs of both for the same targets, ``(N, K)``. Where they are so
            large that the method fails, or not finite, the shares are the best found so far, and
            a half of each at first.
        objective: the loss of these targets.
    """
    outputs, half = np.stack([of_map, of_network]).astype(np.float64), np.array(HALVES)

    def found(at: Array) -> tuple[float, Array]:
        """What is to be least, which is convex, and its gradient."""
        total, dy, da = objective(np.tensordot(at, outputs, 1), float(at[0]))
        away = at - half
        slope = (outputs * dy).sum(axis=(1, 2)) + np.array([da, 0.0])
        return total + away @ away / 2, slope + away

    at = half
    for _ in range(MOST_ROUNDS):
        value, slope = found(at)
        curvature = np.stack([(found(at + d)[1] - slope) / STEP for d in STEP * np.eye(2)])
        free = (at > 0) | (slope < 0)
        step = np.zeros(2)
        try:
            step[free] = np.linalg.solve(curvature[np.ix_(free, free)], slope[free])
        except np.linalg.LinAlgError:
            break
        if not np.isfinite(step).all():
            break
        before, at = at, np.clip(at - step, 0.0, MOST)
        while found(at)[0] > value and np.abs(at - before).max() > ENOUGH:
            at = (before + at) / 2
        if np.abs(at - before).max() <= ENOUGH:
            break
    return float(at[0]), float(at[1])


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
