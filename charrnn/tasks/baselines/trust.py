"""How far to trust each method for a series: further where it has predicted better lately.

A method that was fitted to a level, a trend or a season is wrong for many rows after a step; the
last value is wrong for one. And a few rows do not show which method suits a series. So each row's
prediction is a mean of several, with weights that follow their errors: Bayes' rule for experts with
normal errors, any of which may become the best at any row (Herbster and Warmuth, 1998, "Tracking
the best expert").
"""

from collections.abc import Sequence
from math import exp

import numpy as np
import numpy.typing as npt

__all__ = ["trust"]

Numbers = npt.NDArray[np.float64]

SHARPNESS = 0.5
"""The power of the likelihood that counts: neighbouring errors are not independent."""

RETURN = 0.02
"""The share of the way back to the first weights that each row takes them."""

MEMORY, AT_MOST = 0.1, 5.0
"""The mean square of the errors is a running one: the share of a new row in it, and the most that a
row's squared error counts as, in multiples of it, so that one step does not hide what follows. It
never falls below its first value: while nothing changes the last value is right, which says little
about later rows."""


def trust(seen: Numbers, after: Numbers, prior: Sequence[float], noise: float) -> Numbers:
    """The weight of each of K methods in the prediction after each row, ``(K, N)``, sum 1.

    Args:
        seen: ``(N,)``.
        after: ``(K, N)``, what each method predicts after each row.
        prior: ``(K,)``, the weights before any row, sum 1.
        noise: the squared error that counts as ordinary, above 0; rows may show that it is larger.
    """
    weights, least = list(prior), noise
    found = [weights]
    for value, told in zip(seen[1:].tolist(), after[:, :-1].T.tolist(), strict=True):
        mean = sum(weight * one for weight, one in zip(weights, told, strict=True))
        squares = [_square(value - one) for one in told]
        best, unit = min(squares), SHARPNESS / (2 * noise)
        likely = [
            weight * exp(-min((square - best) * unit, 500.0))
            for weight, square in zip(weights, squares, strict=True)
        ]
        part = (1 - RETURN) / sum(likely)
        weights = [part * one + RETURN * p for one, p in zip(likely, prior, strict=True)]
        noise += MEMORY * (min(_square(value - mean), AT_MOST * noise) - noise)
        noise = max(noise, least)
        found.append(weights)
    return np.array(found).T


def _square(error: float) -> float:
    return min(error * error, 1e300)
