"""Where the validations of a training were going when it ended."""

from collections.abc import Sequence
from typing import Literal

from charrnn.runs.history import Point

__all__ = ["Outlook", "outlook"]

Outlook = Literal["falling", "level", "rising", "unknown"]

LATE = 0.75
"""The part of the updates after which a training is in its last quarter."""

NOTICED = 0.003
"""What of an error a change must be to mean something."""


def outlook(points: Sequence[Point], chance: float = 0.0) -> Outlook:
    """What the error did in the last quarter of the updates.

    Args:
        points: the steps of validations, ascending, and the errors that they found.
        chance: changes up to this are chance.

    Returns:
        ``"rising"`` where the last error is worse than the best, ``"falling"`` where the best came
        in the last quarter and is better than what was there before, ``"level"`` where neither is
        so, ``"unknown"`` with fewer than two validations.
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
