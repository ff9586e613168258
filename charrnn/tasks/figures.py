"""Writing figures with enough digits, whatever the scale of the data."""

from collections.abc import Sequence
from math import floor, isfinite, log10

import numpy as np
import numpy.typing as npt

__all__ = ["figure", "plain", "short", "side_by_side"]

WIDTH = 79
"""The width of a terminal, without its last column."""

DIGITS = 10
"""The digits of a prediction; the weights behind it have seven."""

Numbers = npt.NDArray[np.float64]


def figure(value: float) -> str:
    """A measure: with four decimals, or four digits where decimals would be too few or many."""
    return f"{value:.4f}" if 0.1 <= abs(value) < 1e5 or not value else f"{value:.4g}"


def short(value: float) -> str:
    """A setting or a count of epochs: three digits, or all before the point."""
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def plain(value: float) -> str:
    """A prediction: ten digits, with an exponent only where there would be many zeros."""
    if not value:
        return "0"
    if not 1e-9 <= abs(value) < 1e15:
        return f"{value:.{DIGITS}g}"
    text = f"{value:.{max(0, DIGITS - 1 - floor(log10(abs(value))))}f}"
    return text.rstrip("0").removesuffix(".") if "." in text else text


def side_by_side(left: Numbers, right: Numbers, spread: Sequence[float]) -> list[str]:
    """Rows of two tables beside each other, with as many columns as fit whole on a line.

    Args:
        left, right: ``(N, D)``.
        spread: ``(D,)``, the spread of each column's values, which gets three digits.
    """
    shown: list[list[str]] = []  # by column: the left values, then the right ones
    room = WIDTH - 1
    for k, apart in enumerate(spread):
        values = np.concatenate([left[:, k], right[:, k]])
        scale = min(apart, float(np.abs(values).max()) or apart)
        decimals = 2 - floor(log10(scale)) if isfinite(scale) else 0
        column = [_rounded(value, decimals) for value in values.tolist()]
        width = max(map(len, column))
        room -= 2 * (width + 2)
        if shown and room < 0:
            break
        shown.append([text.rjust(width) for text in column])
    lines = []
    for before, after in zip(range(len(left)), range(len(left), 2 * len(left)), strict=True):
        halves = ("  ".join(column[row] for column in shown) for row in (before, after))
        lines.append("   ".join(halves))
    hidden = len(spread) - len(shown)
    if hidden:
        lines.append(f"({hidden:,} more column{'s' * (hidden > 1)} left out)")
    return lines


def _rounded(value: float, decimals: int) -> str:
    if not isfinite(value) or decimals > 9 or abs(value) >= 1e15:
        return f"{value:.6g}"
    return f"{value:.{max(0, decimals)}f}"
