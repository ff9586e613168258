"""Which columns of a series are read by default: those that are numbers."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from charrnn.text.columns import column, option, told
from charrnn.text.numerals import Kind

__all__ = ["choice"]

EVEN = 0.75
"""The share of an index's steps that must be equal; weekends and left-out rows cause others."""

ROUNDS = (4, 7, 12, 24)
"""Lengths of rounds: quarters, days of a week, months, hours."""


def choice(
    names: Sequence[str],
    places: Sequence[int],
    kinds: Sequence[Kind],
    values: npt.NDArray[np.float64],
    index: str = "keep",
) -> tuple[list[int], list[str]]:
    """The columns to read by default, and notes on this choice for the user.

    Args:
        names: the names of all columns.
        places: the columns of numbers.
        kinds: the kinds of all columns.
        values: ``(N, D)``, the values of the columns of numbers.
        index: ``"keep"`` or ``"leave"``: what happens to columns that tell the time. They are kept
            in any case if they are all there is.
    """
    clocks = _clocks(values)
    if len(clocks) == len(places):
        del clocks[max(clocks)]
    of_place = {places[k]: what for k, what in clocks.items()}
    rest = [place for place in places if place not in of_place]
    read = rest if index == "leave" else list(places)
    notes = []
    left = [place for place in range(len(names)) if place not in places]
    if left:
        verbs = ["is" if len(some) == 1 else "are" for some in (places, left)]
        notes.append(
            f"{told(names, places, long=True)} {verbs[0]} forecast; "
            f"{told(names, left, kinds, long=True)} {verbs[1]} left out"
        )
    if of_place:
        which = " and ".join(
            f"{column(names, place, bare=True)} {what}" for place, what in of_place.items()
        )
        many = len(of_place) > 1
        if index == "leave":
            fate = (
                f"not forecast; to forecast {'them' if many else 'it'} too: "
                f"--columns {option(names, places)}"
            )
        else:
            fate = (
                f"forecast too; to leave {'them' if many else 'it'} out: "
                f"--columns {option(names, rest)}"
            )
        notes.append(f"{which}: {fate}")
    return read, notes


def _clocks(values: npt.NDArray[np.float64]) -> dict[int, str]:
    """The columns that tell the time, and in which way."""
    found = {k: what for k in range(values.shape[1]) if (what := _clock(values[:, k]))}
    for k in range(values.shape[1]) if found else ():
        length = _round(values[:, k])
        if k not in found and length in ROUNDS:  # a month beside a year
            found[k] = f"goes round by {length}"
    return dict(sorted(found.items()))


def _round(values: npt.NDArray[np.float64]) -> int:
    """The length of a column's round, if it counts in rounds as months do; else 0."""
    low, high = values.min(), values.max()
    if low not in (0, 1) or len(values) <= high:
        return 0
    after = np.where(values[:-1] == high, low, values[:-1] + 1)
    return int(high - low + 1) if high > low + 1 and (values[1:] == after).all() else 0


def _clock(values: npt.NDArray[np.float64]) -> str:
    """How a column of numbers tells the time: an index, years, dates as 20240131; else empty."""
    steps = np.diff(values)
    if len(steps) < 2:
        return ""
    if _is_year_of_several(values):
        return "has years"
    if not (steps > 0).all():
        return ""
    step = float(np.median(steps))
    if np.isclose(steps, step, rtol=1e-6, atol=0).mean() >= EVEN:
        return f"counts up by {step:g}"
    year, month, day = values // 10000, values // 100 % 100, values % 100
    ranges = (year, 1800, 2200), (month, 1, 12), (day, 1, 31)
    whole = (values == np.round(values)).all()
    is_date = whole and all(((low <= x) & (x <= high)).all() for x, low, high in ranges)
    return "has dates" if is_date else ""


def _is_year_of_several(values: npt.NDArray[np.float64]) -> bool:
    """Whether a column has years that are equally frequent, except for the first and the last."""
    years, times = np.unique(values, return_counts=True)
    inner = times[1:-1]
    return bool(
        len(years) > 2
        and times.max() > 1
        and values[0] >= 1500
        and values[-1] <= 2500
        and (np.diff(years) == 1).all()
        and (np.diff(values) >= 0).all()
        and (np.abs(inner - np.median(inner)) <= 0.1 * np.median(inner)).all()
    )
