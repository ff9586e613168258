"""Whether one method is better than another on the same rows, or only seems to be."""

from typing import Any

import numpy.typing as npt

from charrnn.tasks.measures import Parts, share

__all__ = ["SAME", "beyond_chance", "surely_gains"]

CHANCE = 2.0
"""Standard errors up to which a difference may be due to chance."""

SAME = "no difference beyond chance between the baseline and the network"


def surely_gains(gains: npt.NDArray[Any]) -> bool:
    """Whether the mean of some gains is above zero by more than twice its standard error.

    Args:
        gains: ``(N,)``, how much lower the error of one method is on each row than the other's.
    """
    return bool(gains.mean() > CHANCE * gains.std() / len(gains) ** 0.5)


def beyond_chance(one: Parts, other: Parts) -> bool:
    """Whether two methods, measured on the same rows, differ by more than chance.

    Each row adds its part to the difference of the two quotients. The difference is due to chance
    if it is at most twice the root of the sum of the squares of these parts. For rows that are
    right or wrong this is McNemar's test ("Note on the sampling error of the difference between
    correlated proportions or percentages", 1947): |b - c| <= 2 √(b + c), where b rows are right by
    one method only, and c by the other only.

    Args:
        one, other: ``(N, 2)`` each, as for :func:`charrnn.tasks.measures.share`.
    """
    both = (share(one) + share(other)) / 2  # the quotient of both, if they do not differ
    left, right = (
        (parts[:, 0] - both * parts[:, 1]) / max(1, int(parts[:, 1].sum()))
        for parts in (one, other)
    )
    gains = left - right
    most = CHANCE * float(gains @ gains) ** 0.5
    return bool(abs(gains.sum()) > most * (1 + 1e-9))  # not by the last bits of these sums
