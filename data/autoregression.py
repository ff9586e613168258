"""A second-order autoregression whose noise floor is exact.

    x_t = round(1.6·x_{t−1} − 0.9·x_{t−2}) + e_t

in whole units of 10⁻⁴, and the rounding is part of the law: half a unit goes up. So a value is
known from the two before it but for e_t, and no predictor has a smaller mean squared error than
the variance of e_t.
The roots of z² − 1.6·z + 0.9 have modulus √0.9 < 1: the series is stationary, and swings with a
period of 11 steps.

e_t is the sum of twelve integers, each uniform on 0 … 9999, less its mean 6·9999: close to a
Gaussian. Its variance is 12·(10⁸ − 1)/12 units², which is 1 − 10⁻⁸. There are only integers in all
of this.
"""

import random
from collections.abc import Sequence
from fractions import Fraction

from draws import below

UNIT = Fraction(1, 10_000)
LEVELS = 10_000  # of one of the twelve uniform draws
TWELVE = 12
PHI = (Fraction(16, 10), Fraction(-9, 10))
WARM_UP = 1_000  # steps that are thrown away, so that the series begins where it lives
INNOVATION_VARIANCE = TWELVE * Fraction(LEVELS**2 - 1, 12) * UNIT**2


def predict(last: int, before: int) -> int:
    """The best prediction of the next value, in units."""
    return (16 * last - 9 * before + 5) // 10


def innovation(rng: random.Random) -> int:
    """One e_t, in units."""
    return sum(below(rng, LEVELS) for _ in range(TWELVE)) - TWELVE * (LEVELS - 1) // 2


def sample_units(rng: random.Random, count: int) -> list[int]:
    """The series, in units."""
    series = [0, 0]
    while len(series) < WARM_UP + count:
        series.append(predict(series[-1], series[-2]) + innovation(rng))
    return series[-count:]


def as_text(units: int) -> str:
    """The value with four decimals."""
    sign, (whole, rest) = "-" * (units < 0), divmod(abs(units), LEVELS)
    return f"{sign}{whole}.{rest:04}"


def series_variance() -> Fraction:
    """γ₀, the variance of x, by the equations of Yule and Walker (the rounding left aside)."""
    one, two = PHI
    return (1 - two) * INNOVATION_VARIANCE / ((1 + two) * ((1 - two) ** 2 - one**2))


def last_value_error() -> Fraction:
    """The mean squared error of "as before": 2·γ₀·(1 − ρ₁), with ρ₁ = φ₁/(1 − φ₂)."""
    one, two = PHI
    return 2 * series_variance() * (1 - one / (1 - two))


def realised_error(units: Sequence[int], start: int) -> Fraction:
    """The mean squared error of `predict` on the values from `start` on."""
    errors = [units[t] - predict(units[t - 1], units[t - 2]) for t in range(start, len(units))]
    return Fraction(sum(error**2 for error in errors), len(errors)) * UNIT**2


def realised_last_value_error(units: Sequence[int], start: int) -> Fraction:
    """The mean squared error of "as before" on the values from `start` on."""
    errors = [units[t] - units[t - 1] for t in range(start, len(units))]
    return Fraction(sum(error**2 for error in errors), len(errors)) * UNIT**2
