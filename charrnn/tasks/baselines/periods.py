"""How many rows the season of a series has, by its autocorrelation."""

import numpy as np
import numpy.typing as npt

__all__ = ["seasons"]

Numbers = npt.NDArray[np.float64]

PEAKS, LONGEST_SEASON = 3, 400
"""How many seasons are tried, and the longest that a season may be."""

AS_HIGH = 0.7
"""If a shorter peak of the correlations divides a longer one and has at least this part of its
height, the longer one is only its multiple."""


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
