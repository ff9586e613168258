"""Learning rates over a run.

Each schedule gives a factor of the peak learning rate by the progress u in [0, 1] after the
warm-up; r is the factor at the end.
"""

from collections.abc import Callable
from math import cos, pi

__all__ = ["SCHEDULES", "learning_rate"]

NUM_STAIRS = 4


def constant(u: float, r: float) -> float:
    """1"""
    return 1.0


def step(u: float, r: float) -> float:
    """Four equally long steps, which go down to r geometrically."""
    return float(r ** (min(int(u * NUM_STAIRS), NUM_STAIRS - 1) / (NUM_STAIRS - 1)))


def exponential(u: float, r: float) -> float:
    """r^u"""
    return float(r**u)


def cosine(u: float, r: float) -> float:
    """r + (1 - r)·(1 + cos πu) / 2. Loshchilov and Hutter (2017), without restarts."""
    return r + (1 - r) * 0.5 * (1 + cos(pi * u))


SCHEDULES: dict[str, Callable[[float, float], float]] = {
    "constant": constant,
    "step": step,
    "exponential": exponential,
    "cosine": cosine,
}


def learning_rate(
    schedule: str, number: float, total: int, *, peak: float, warmup: float, final: float
) -> float:
    """The learning rate of one update.

    Args:
        schedule: a name in :data:`SCHEDULES`.
        number: the place of the update on the schedule, from 0.
        total: how many places the schedule has.
        peak: the highest learning rate.
        warmup: the part of the run in which the learning rate climbs to the peak in equal steps.
        final: the factor of the peak at the last update.
    """
    climb = int(warmup * total)
    if number < climb:
        return peak * (number + 1) / (climb + 1)
    u = (number - climb) / max(1, total - climb - 1)
    return peak * SCHEDULES[schedule](min(u, 1.0), final)
