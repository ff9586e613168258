"""How good are default forecasts on your own series, compared with statsmodels?

python benchmarks/series.py FILE.csv ... [--seeds 3]

The last tenth of the rows is the test, one step ahead; every method is fitted to the rows before
it. Errors are mean squared errors, a line for each column. statsmodels, where it is installed, fits
an autoregression whose order AIC chooses, and exponential smoothing with a damped trend and a
season (of logarithms if the values are positive and AIC prefers that).
"""

import argparse
import tempfile
import warnings
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

import charrnn
from charrnn.tasks.baselines import seasons
from charrnn.tasks.figures import figure
from charrnn.text.series import read_series

Numbers = Any
LONGEST = 30
"""The most lags that AIC chooses from."""


def ours(path: str, seed: int) -> tuple[dict[str, dict[str, float]], bool]:
    """The errors of each column, and whether the report says that the baseline is better."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        run = charrnn.train(path, task="forecast", out=out, threads=1, seed=seed, progress=False)
        with run:
            run.finish()
            outcome = run.report()
    assert outcome is not None
    return dict(outcome.details["columns"]), bool(outcome.verdict)


def autoregression(values: Numbers, start: int) -> float:
    """An autoregression by statsmodels, with the order by AIC."""
    from statsmodels.tsa.ar_model import AutoReg, ar_select_order

    known = values[:start]
    lags = ar_select_order(known, min(LONGEST, start // 4), ic="aic").ar_lags or [1]
    constant, *weights = AutoReg(known, lags).fit().params
    found = [
        constant + sum(w * values[row - lag] for w, lag in zip(weights, lags, strict=True))
        for row in range(start, len(values))
    ]
    return float(np.mean((np.array(found) - values[start:]) ** 2))


def smoothing(values: Numbers, start: int, season: int) -> float:
    """Exponential smoothing by statsmodels."""
    from statsmodels.tsa.exponential_smoothing.ets import ETSModel

    best: tuple[float, float] | None = None
    for log in (False, True) if values.min() > 0 else (False,):
        seen = np.log(values) if log else values
        form: dict[str, Any] = {"error": "add", "trend": "add", "damped_trend": True}
        if 1 < season <= min(60, start // 3):
            form |= {"seasonal": "add", "seasonal_periods": season}
        fitted = ETSModel(seen[:start], **form).fit(disp=False)
        aic = fitted.aic + (2 * np.log(values[:start]).sum() if log else 0)  # of the values
        after = ETSModel(seen, **form).smooth(fitted.params).fittedvalues[start:]
        error = float(np.mean(((np.exp(after) if log else after) - values[start:]) ** 2))
        if best is None or aic < best[0]:
            best = aic, error
    assert best is not None
    return best[1]


def of_library(values: Numbers, start: int) -> dict[str, float]:
    """The errors of the library's methods on ``values[start:]``; empty without the library."""
    if find_spec("statsmodels") is None:
        return {}
    found = {}
    periods = seasons(values[:start])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with suppress(ValueError, np.linalg.LinAlgError):
            found["AR"] = autoregression(values, start)
        with suppress(ValueError, np.linalg.LinAlgError):
            found["ETS"] = smoothing(values, start, periods[0] if periods else 0)
    return found


def main() -> None:
    """Print a line for each column of each file."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("files", nargs="+")
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    print("file, column: network of each seed; simple methods; statsmodels")
    for path in given.files:
        runs = [ours(path, seed) for seed in range(given.seeds)]
        source = read_series(path, index="leave").records
        start = len(source.values) - round(0.1 * len(source.values))
        for k, column in enumerate(source.columns):
            first = dict(runs[0][0][column])
            first.pop("mean squared error")
            networks = [run[0][column]["mean squared error"] for run in runs]
            parts = [
                "network " + " ".join(map(figure, networks)),
                *(f"{name} {figure(value)}" for name, value in first.items()),
                *(
                    f"{name} {figure(value)}"
                    for name, value in of_library(source.values[:, k], start).items()
                ),
            ]
            told = sum(run[1] for run in runs)
            note = f" (simple method told as better or alike {told}×)" if told else ""
            print(f"{Path(path).name}, {column}: {'; '.join(parts)}{note}", flush=True)


if __name__ == "__main__":
    main()
