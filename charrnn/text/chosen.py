"""Which columns of a series are read where nobody says: those that are numbers."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from charrnn.text.columns import column, option, told
from charrnn.text.numerals import Kind

__all__ = ["choice"]

EVEN = 0.75
"""The part of an index's steps that are alike: weekends and rows left out make others."""


def choice(
    names: Sequence[str],
    places: Sequence[int],
    kinds: Sequence[Kind],
    values: npt.NDArray[np.float64],
) -> list[str]:
    """What a person should know who did not say which columns to read."""
    notes = []
    out = [place for place in range(len(names)) if place not in places]
    if out:
        verbs = ["is" if len(some) == 1 else "are" for some in (places, out)]
        notes.append(
            f"{told(names, places, long=True)} {verbs[0]} forecast; "
            f"{told(names, out, kinds, long=True)} {verbs[1]} left out"
        )
    clocks = [(place, _clock(values[:, k])) for k, place in enumerate(places)]
    clocks = [(place, what) for place, what in clocks if what]
    if len(clocks) == len(places):
        clocks = clocks[:1]
    rest = [place for place in places if place not in dict(clocks)]
    if rest and clocks:
        which = " and ".join(f"{column(names, place, bare=True)} {what}" for place, what in clocks)
        notes.append(
            f"{which}: forecast too; to leave {'them' if len(clocks) > 1 else 'it'} out: "
            f"--columns {option(names, rest)}"
        )
    return notes


def _clock(values: npt.NDArray[np.float64]) -> str:
    """How a column of numbers tells the time, if it does: an index, years, dates as 20240131."""
    steps = np.diff(values)
    if len(steps) < 2 or not (steps > 0).all():
        return ""
    step = float(np.median(steps))
    if np.isclose(steps, step, rtol=1e-6, atol=0).mean() >= EVEN:
        return f"counts up by {step:g}"
    year, month, day = values // 10000, values // 100 % 100, values % 100
    ranges = (year, 1800, 2200), (month, 1, 12), (day, 1, 31)
    whole = (values == np.round(values)).all()
    is_date = whole and all(((low <= x) & (x <= high)).all() for x, low, high in ranges)
    return "has dates" if is_date else ""
