"""How far to trust a method for a series: less, where the last value has predicted better lately.

A method that was fitted to a level, a trend or a season is wrong for many rows after a step; the
last value is wrong for one. So each row's prediction is a mean of both, with weights that follow
their errors: Bayes' rule for two experts with normal errors, one of which may become the better at
any row (Herbster and Warmuth, 1998, "Tracking the best expert").
"""

from math import exp

import numpy as np
import numpy.typing as npt

__all__ = ["trust"]

Numbers = npt.NDArray[np.float64]

AT_FIRST, RETURN = 0.9, 0.01
"""The weight of the method before any row, and how much of the way back to it each row goes."""

MEMORY, AT_MOST = 0.05, 5.0
"""The mean square of the errors is a running one: the share of a new row in it, and the most that a
row's squared error counts as, in multiples of it, so that one step does not hide what follows. It
never falls below its first value: while nothing changes the last value is right, which says little
about later rows."""


def trust(seen: Numbers, after: Numbers, noise: float) -> Numbers:
    """The weight of a method in the prediction after each row, ``(N,)``, between 0 and 1.

    Args:
        seen: ``(N,)``.
        after: ``(N,)``, what the method predicts after each row.
        noise: the squared error that counts as ordinary, above 0; rows may show that it is larger.
    """
    weight, found, least = AT_FIRST, [AT_FIRST], noise
    rows = zip(seen[1:].tolist(), seen[:-1].tolist(), after[:-1].tolist(), strict=True)
    for value, last, told in rows:
        if told != last:
            ours, theirs = _square(value - told), _square(value - last)
            missed = _square(value - last - weight * (told - last))
            gain = min(max((ours - theirs) / (2 * noise), -500.0), 500.0)
            weight /= weight + (1 - weight) * exp(gain)
            weight += RETURN * (AT_FIRST - weight)
            noise = max(noise + MEMORY * (min(missed, AT_MOST * noise) - noise), least)
        found.append(weight)
    return np.array(found)


def _square(error: float) -> float:
    return min(error * error, 1e300)
