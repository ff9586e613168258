"""Whether the validation error was still falling, level or rising when a training ended."""

from collections.abc import Sequence
from typing import Literal

from charrnn.runs.history import Point

__all__ = ["Outlook", "outlook"]

Outlook = Literal["falling", "level", "rising", "unknown"]

LATE = 0.75
"""The part of the updates after which the last quarter of a training begins."""

NOTICED = 0.003
"""The relative change of an error from which on it means something."""


def outlook(points: Sequence[Point], chance: float = 0.0) -> Outlook:
    """Say what the error did in the last quarter of the updates.

    Args:
        points: the steps of the validations, ascending, and the errors found there.
        chance: a change up to this may be chance.

    Returns:
        ``"rising"`` where the last error is worse than the best; ``"falling"`` where the best came
        in the last quarter and is better than every error before; ``"level"`` where neither holds;
        ``"unknown"`` with fewer than two validations.
    """
    if len(points) < 2:
        return "unknown"
    best_step, best = min(points, key=lambda point: point[1])
    noticed = max(NOTICED * abs(best), chance)
    last_step, last = points[-1]
    if last > best + noticed:
        return "rising"
    first_step, late = points[0][0], LATE * last_step
    before = min(error for step, error in points if step <= max(late, first_step))
    return "falling" if best_step > late and before > best + noticed else "level"
