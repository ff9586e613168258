"""How good are forecasts of generated series, compared with the better of two simple methods?

python benchmarks/generated.py [--rows 24 48 150] [--after 40] [--seeds 2000 2020] [--network]

One step ahead on the rows after those that are known: the mean of linear methods that a forecast
begins with, or, with --network, the whole forecast by default, which also needs --after to be a
tenth of all rows. For each kind and number of known rows: the mean squared error over all seeds as
a part of the better of the last value and a linear autoregression; then the series that are above
1.05 of whichever is better on them, and the worst of these quotients; then how many the last value
and the autoregression themselves have above it.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import charrnn
from charrnn.tasks.baselines import Linear, autoregression_errors, combine, seasons

Numbers = Any
Random = np.random.Generator

BOUND = 1.05


def noise(rng: Random, rows: int) -> Numbers:
    return rng.standard_normal(rows)


def wave(rng: Random, rows: int) -> Numbers:
    return np.sin(2 * np.pi * np.arange(rows) / 12 + rng.uniform(0, 6))


def autoregression(rng: Random, rows: int, *phi: float) -> Numbers:
    values = np.zeros(rows)
    for row in range(len(phi), rows):
        values[row] = sum(p * values[row - k] for k, p in enumerate(phi, 1)) + rng.standard_normal()
    return values


def week(rng: Random, rows: int) -> Numbers:
    of_day = rng.uniform(5, 20, size=7)
    return of_day[np.arange(rows) % 7] + 1.5 * noise(rng, rows)


def growth(rng: Random, rows: int) -> Numbers:
    trend = 0.01 * np.arange(rows)
    return 100 * np.exp(trend + 0.2 * wave(rng, rows) + 0.03 * noise(rng, rows))


def steps(rng: Random, rows: int) -> Numbers:
    jumps = rng.uniform(size=rows) < 1 / 40
    return np.cumsum(jumps * rng.standard_normal(rows) * 8) + noise(rng, rows)


def step(rng: Random, rows: int) -> Numbers:
    values = 0.5 * noise(rng, rows)
    values[int(rows * rng.uniform(0.2, 0.6)) :] += 6
    return values


def counts(rng: Random, rows: int) -> Numbers:
    return 1.0 * (rng.uniform(size=rows) < 0.2) * rng.poisson(4, size=rows)


KINDS: dict[str, Callable[[Random, int], Numbers]] = {
    "autoregression of order 1": lambda rng, n: autoregression(rng, n, 0.6),
    "autoregression of order 2": lambda rng, n: autoregression(rng, n, 1.3, -0.6),
    "counts": counts,
    "walk with a drift": lambda rng, n: np.cumsum(noise(rng, n) + 0.5),
    "growth and season": growth,
    "noise": noise,
    "prices": lambda rng, n: 100 * np.exp(np.cumsum(0.015 * noise(rng, n))),
    "season": lambda rng, n: 3 * wave(rng, n) + noise(rng, n),
    "one step": step,
    "levels with steps": steps,
    "trend of 1": lambda rng, n: np.arange(n) + noise(rng, n),
    "strong season": lambda rng, n: 10 + 10 * wave(rng, n) + 0.5 * noise(rng, n),
    "trend of 0.3": lambda rng, n: 0.3 * np.arange(n) + noise(rng, n),
    "trend and season": lambda rng, n: 0.3 * np.arange(n) + 4 * wave(rng, n) + noise(rng, n),
    "walk, Student's t": lambda rng, n: np.cumsum(rng.standard_t(3, size=n)),
    "random walk": lambda rng, n: np.cumsum(noise(rng, n)),
    "week": week,
    "trend of 0.05": lambda rng, n: 0.05 * np.arange(n) + noise(rng, n),
}


def of_methods(values: Numbers, known: int) -> float:
    """The error of the mean of linear methods."""
    before = values[:known]
    method = combine(before, seasons(before))
    simple = Linear((method.form(before),), (method.fitted(before),))
    off = simple.one_step(values[:, None])[known - 1 : -1, 0] - values[known:]
    return float(np.mean(off**2))


def of_network(values: Numbers, known: int) -> float:
    """The error of the whole forecast, with the defaults."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "series.csv")
        path.write_text("value\n" + "".join(f"{value:.6f}\n" for value in values))
        out = Path(folder, "run")
        run = charrnn.train(path, task="forecast", out=out, threads=1, seed=0, progress=False)
        with run:
            run.finish()
            outcome = run.report()
    assert outcome is not None
    (errors,) = outcome.details["columns"].values()
    return float(errors["mean squared error"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[24, 36, 48, 72, 150, 300])
    parser.add_argument("--after", type=int, default=40, help="rows that are forecast")
    parser.add_argument("--seeds", type=int, nargs=2, default=[2000, 2020], metavar=("A", "B"))
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--network", action="store_true")
    given = parser.parse_args()
    ours = of_network if given.network else of_methods
    for kind in given.kinds:
        for known in given.rows:
            if given.network and round(0.1 * (known + given.after)) != given.after:
                parser.error("--network tests the last tenth: --rows 360 --after 40")
            found = []
            for seed in range(*given.seeds):
                rng = np.random.default_rng([seed, known, list(KINDS).index(kind)])
                values = KINDS[kind](rng, known + given.after)
                last = np.diff(values)[known - 1 :]
                linear = autoregression_errors(values[:known], values[known:])
                found.append([ours(values, known), np.mean(last**2), np.mean(linear**2)])
            errors = np.array(found)
            mean = errors.mean(axis=0)
            each = errors / errors[:, 1:].min(axis=1, keepdims=True)
            above, last, linear = (each > BOUND).sum(axis=0)
            print(
                f"{kind}, {known} rows: {mean[0] / mean[1:].min():.2f}; above {BOUND:g}: "
                f"{above} of {len(each)}, worst {each[:, 0].max():.2f} "
                f"(last value {last}, autoregression {linear})",
                flush=True,
            )


if __name__ == "__main__":
    main()
