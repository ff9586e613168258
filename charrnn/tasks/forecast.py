"""A numeric series: each row predicted from all before it, by a linear head and squared error."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.errors import InputError
from charrnn.nn.models import SequenceModel
from charrnn.nn.parameters import Parameters
from charrnn.nn.runaway import CHUNK as WATCHED
from charrnn.nn.runaway import restart_runaways
from charrnn.nn.types import Array, State
from charrnn.nn.workspace import Workspace
from charrnn.tasks.base import Data, Outcome, TaskScore, Trained
from charrnn.tasks.baselines import last_value, linear_autoregression
from charrnn.tasks.carried import LanesTask
from charrnn.tasks.config import Config
from charrnn.tasks.examples import as_json
from charrnn.tasks.figures import figure, plain, side_by_side
from charrnn.tasks.kinds import Kind, register
from charrnn.tasks.labelled import Measured
from charrnn.tasks.scaled import ForecastSpec, SeriesData, read_for
from charrnn.text.counts import counted
from charrnn.text.tables import shown

__all__ = [
    "Forecast",
    "ForecastData",
    "ForecastSpec",
    "ForecastTask",
    "evaluate",
    "forecast",
    "one_step",
    "predict",
    "read_for",
    "score_series",
]

CHUNK = 256
MOST_SHOWN = 12
"""Columns whose measures are shown one by one."""

Numbers = npt.NDArray[np.float64]


class ForecastData(SeriesData):
    """A CSV file, one row a step; the last rows are held out, as of a text.

    Raises:
        InputError: as :class:`charrnn.tasks.scaled.SeriesData`.
    """

    def task(
        self, spec: ForecastSpec, config: Config, model: SequenceModel, threads: int
    ) -> "ForecastTask":
        """The training."""
        return ForecastTask(self.values, self.edges, spec, config, model, threads)


class ForecastTask(LanesTask):
    """Trains on lanes of the series, the state carried from chunk to chunk."""

    def __init__(
        self,
        values: npt.NDArray[np.float64],
        edges: list[int],
        spec: ForecastSpec,
        config: Config,
        model: SequenceModel,
        threads: int = 1,
    ) -> None:
        self._values, self._edges, self._spec = values, edges, spec
        self.config, self.unit = config, config.kind.unit
        x = spec.standardised(values[: edges[0]])
        lanes = max(1, min(config.batch_size, (edges[0] - 1) // 2))
        super().__init__(model, x, lanes, config.seq_len, threads)

    def _trained(self, parameters: Parameters) -> Trained:
        return Trained(self.model, parameters, self._spec, self.config)

    @property
    def held_out(self) -> int:
        """How many rows a validation scores."""
        return self._edges[1] - self._edges[0]

    def validate(self, parameters: Parameters) -> TaskScore | None:
        """One step ahead on the validation rows, the state carried from the training rows on."""
        trained, (start, end) = self._trained(parameters), self._edges
        return _score(trained, _errors(trained, self._values[:end], start))

    def test(self, parameters: Parameters) -> Outcome | None:
        """The same on the test rows, beside the last value and a linear autoregression."""
        start = self._edges[1]
        if start >= len(self._values):
            return None
        return score_series(self._trained(parameters), self._values, start)

    def preview(self, parameters: Parameters, rng: np.random.Generator) -> bytes:
        """Some steps from the end of the training rows on, beside what came."""
        del rng
        start = self._edges[0]
        ahead = forecast(self._trained(parameters), self._values[:start], 5)
        came = self._values[start : start + len(ahead)]
        what = "forecast from the end of the training rows, and what came"
        lines = [what, *side_by_side(ahead[: len(came)], came, self._spec.deviation)]
        return "".join(line + "\n" for line in lines).encode()


def score_series(trained: Trained, values: npt.NDArray[np.float64], start: int = 1) -> Outcome:
    """A model one step ahead on ``values[start:]``, beside what simple methods reach there.

    The state is carried from the first row on. The simple methods are the last value and, where
    there are rows enough before ``start``, a linear autoregression on those.

    Args:
        values: ``(N, D)``, as :func:`read_for` reads them.
        start: the first row that is scored, 1 at least: one must come before it.

    Raises:
        InputError: there is nothing to score, or a value is out of all proportion.
        DivergedError: the outputs are not finite.
    """
    if not 1 <= start < len(values):
        raise InputError(
            f"{counted(len(values), 'row', 'are')} too few to score: one comes before the first"
        )
    trained.spec.check_scale(values)
    errors = _errors(trained, values, start)
    trained.check_finite(errors)
    baselines = {"last value": last_value(values[start - 1 :])}
    try:
        linear = linear_autoregression(values[:start], values[start:])
        baselines["linear autoregression on all rows before"] = linear
    except ValueError:  # too few rows for it
        pass
    return Outcome(
        _score(trained, errors), baselines, _by_column(trained, errors, values[start - 1 :])
    )


def evaluate(
    trained: Trained,
    files: Sequence[str],
    data: Data | None,
    threads: int = 1,
    columns: str = "",
) -> Measured:
    """A model one step ahead on another series.

    Args:
        files: the one name of a CSV file.
        data: what the model was trained on, if that is there.
        threads: not used: a series is read from its beginning.
        columns: of the file, in the order of the model's; those of the same names, if not given.

    Raises:
        InputError: the file cannot be read, or it has other columns than the model.
        DivergedError: the outputs are not finite.
    """
    del threads
    if len(files) != 1:
        raise InputError(f"a forecast is measured on one series, {len(files)} were given")
    source = read_for(trained, files[0], columns)
    values, notes = source.records.values, source.notes
    known: Any = data
    series = (values.tobytes(), known.values[: known.edges[1]].tobytes() if known else b"")
    shorter, longer = sorted(series, key=len)
    if shorter and shorter in longer:  # one may be a part of the other
        notes += ("this series is trained on: the model would do worse on another",)
    return Measured(score_series(trained, values), notes)


def _errors(trained: Trained, values: Numbers, start: int) -> Numbers:
    """How far each prediction one step ahead is from ``values[start:]``."""
    return np.asarray(one_step(trained, values)[start - 1 :] - values[start:], dtype=np.float64)


def _score(trained: Trained, errors: Numbers) -> TaskScore:
    scaled = errors / np.array(trained.spec.deviation)
    loss = float(0.5 * (scaled**2).sum(axis=1).mean())
    measures = {"mean squared error": float((errors**2).mean())}
    method = (
        f"{counted(len(errors), 'row')}, each one step ahead, state carried from the first row on"
    )
    return TaskScore(loss, trained.config.kind.unit, loss, measures, method)


def _by_column(trained: Trained, errors: Numbers, values: Numbers) -> tuple[str, ...]:
    """The measure of each of several columns, whose scales may differ, beside the last value's."""
    names = trained.spec.columns
    if len(names) == 1:
        return ()
    own, simple = (errors**2).mean(axis=0), (np.diff(values, axis=0) ** 2).mean(axis=0)
    lines = [
        f"{shown(name)}: mean squared error {figure(a)}, last value {figure(b)}"
        for name, a, b in zip(names[:MOST_SHOWN], own, simple, strict=False)
    ]
    more = len(names) - len(lines)
    if more:
        lines.append(f"({counted(more, 'more column')} left out)")
    return tuple(lines)


def _read(trained: Trained, x: Array, state: State) -> tuple[Array, State]:
    """The outputs after each row of ``x`` (N, D), and the state after the last."""
    outputs, workspace, cell = [], Workspace(), trained.network.cell
    chunk = CHUNK if cell.bounded else WATCHED
    for start in range(0, len(x), chunk):
        with np.errstate(all="ignore"):  # a spoilt model is found by its numbers
            y, state, _ = trained.network.forward(
                trained.parameters, x[start : start + chunk, None], state, workspace
            )
        if start + chunk <= len(x):
            restart_runaways(cell, state)
        outputs.append(y[:, 0].copy())
    return np.concatenate(outputs), state


def one_step(trained: Trained, values: Array) -> Array:
    """What is expected after each of ``values`` but the last: ``(N, D)`` to ``(N-1, D)``."""
    spec: ForecastSpec = trained.spec
    y, _ = _read(trained, spec.standardised(values)[:-1], trained.network.zero_state(1))
    return spec.restored(y)


def forecast(trained: Trained, values: Array, steps: int) -> Array:
    """The ``steps`` rows after ``values`` (N, D), each predicted from the predictions before it."""
    spec: ForecastSpec = trained.spec
    if steps < 1:
        return np.zeros((0, len(spec.columns)))
    y, state = _read(trained, spec.standardised(values), trained.network.zero_state(1))
    rows = [y[-1]]
    for step in range(1, steps):
        if step % WATCHED == 0:
            restart_runaways(trained.network.cell, state)
        y, state = _read(trained, rows[-1][None], state)
        rows.append(y[-1])
    return spec.restored(np.array(rows))


@dataclass(frozen=True)
class Forecast:
    """The rows that come after a series."""

    columns: tuple[str, ...]
    values: Array  # (steps, D)
    notes: tuple[str, ...] = ()  # on the file that was read
    decimal: str = "point"  # as in that file

    def lines(self, form: str) -> Iterator[str]:
        """As ``charrnn predict`` writes it: a table in the notation of the file that was read."""
        rows = self.values.tolist()
        if form == "jsonl":
            for step, row in enumerate(rows, start=1):
                yield as_json(step=step, values=dict(zip(self.columns, row, strict=True)))
            return
        comma = self.decimal == "comma"
        separator = "\t" if form == "tsv" else ";" if comma else ","
        text = io.StringIO()
        table = csv.writer(text, delimiter=separator, lineterminator="\n")
        table.writerow(self.columns)
        for row in rows:
            cells = map(plain, row)
            table.writerow([cell.replace(".", ",") for cell in cells] if comma else cells)
        yield text.getvalue().removesuffix("\n")


def predict(
    trained: Trained, series: Sequence[str] | npt.ArrayLike, *, steps: int = 1
) -> list[Forecast]:
    """The rows after a series.

    Args:
        series: ``(N, D)`` numbers, or the one name of a CSV file.
        steps: how many.

    Raises:
        InputError: the file cannot be read, or lacks a column of the model, or a value is out of
            all proportion.
        DivergedError: the outputs are not finite.
    """
    names, notes = trained.spec.columns, tuple[str, ...]()
    if isinstance(series, Sequence) and all(isinstance(name, str) for name in series):
        if len(series) != 1:
            raise InputError(f"a forecast goes on from one series, {len(series)} were given")
        source = read_for(trained, str(series[0]))
        values, notes = source.records.values, source.notes
    else:
        values = np.asarray(series, dtype=np.float64)
        if values.ndim == 1 and len(names) == 1:
            values = values[:, None]
        if values.ndim != 2 or values.shape[1] != len(names) or not len(values):
            raise InputError(
                f"a series of shape {values.shape}: the model reads rows of {len(names)} numbers "
                f"({', '.join(names)})"
            )
        trained.spec.check_scale(values)
    ahead = forecast(trained, values, steps)
    trained.check_finite(ahead)
    return [Forecast(names, ahead, notes, trained.config.decimal)]


register(
    Kind(
        name="forecast",
        read=ForecastData,
        spec=ForecastSpec.from_header,
        usage="charrnn predict RUN SERIES.csv --steps 10",
        unit="½ squared deviations/row",
        defaults={"hidden": 32, "epochs": 30.0, "seq_len": 32, "batch_size": 16},
        own={"decimal": (), "missing": ()},
        without={
            "directions": "a forecast predicts what comes next, and must not have read it",
            "keep_newlines": "it reads numbers",
            "lines": "the end of a series is held out",
            "level": "it reads numbers",
            "embedding": "it reads numbers",
        },
        carried=True,
        evaluate=evaluate,
        predict=predict,
        options=("steps",),
    )
)
