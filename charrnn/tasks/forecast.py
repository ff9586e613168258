"""A numeric series: each row predicted from all before it, by a linear head and squared error."""

import csv
import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
from charrnn.tasks.base import Data, Outcome, Paths, TaskScore, Trained
from charrnn.tasks.baselines import last_value, linear_autoregression
from charrnn.tasks.carried import LanesTask
from charrnn.tasks.config import Config
from charrnn.tasks.examples import as_json
from charrnn.tasks.kinds import Kind, register
from charrnn.tasks.labelled import Measured
from charrnn.text.series import Series, read_series
from charrnn.text.tables import Source

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
TINY = 1e-150
LARGEST = 1e12


@dataclass(frozen=True)
class ForecastSpec:
    """The columns of a series, and the mean and deviation that each is measured by."""

    columns: tuple[str, ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    def to_header(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {
            "columns": list(self.columns),
            "mean": list(self.mean),
            "deviation": list(self.deviation),
        }

    @classmethod
    def from_header(cls, header: Mapping[str, Any]) -> "ForecastSpec":
        """The inverse of :meth:`to_header`.

        Raises:
            KeyError, ValueError: it is not what that wrote.
        """
        columns, mean, deviation = (header[name] for name in ("columns", "mean", "deviation"))
        if not all(isinstance(value, list) for value in (columns, mean, deviation)) or not columns:
            raise ValueError("columns, means and deviations must be lists")
        if not len(columns) == len(mean) == len(deviation):
            raise ValueError("columns, means and deviations must be as many")
        if not all(type(number) is float for number in (*mean, *deviation)):
            raise ValueError("means and deviations must be numbers")
        numbers = np.array([mean, deviation], dtype=np.float64)
        if not all(isinstance(name, str) for name in columns):
            raise ValueError("names of columns must be texts")
        if not np.isfinite(numbers).all() or np.any(numbers[1] < TINY):
            raise ValueError("means and deviations must be finite, and deviations positive")
        return cls(tuple(columns), tuple(mean), tuple(deviation))

    def model(self, config: Config) -> SequenceModel:
        """The network of these settings."""
        size = len(self.columns)
        return SequenceModel(
            size,
            size,
            config.recurrence(),
            config.layers,
            0,
            config.dropout,
            input="vectors",
            loss="squared",
        )

    def knows(self) -> dict[str, str | list[str]]:
        """Its columns."""
        return {"columns": list(self.columns)}

    def standardised(self, values: Array) -> Array:
        """(values - mean) / deviation, float32 ``(N, D)``."""
        scaled = (values - np.array(self.mean)) / np.array(self.deviation)
        return np.asarray(scaled, dtype=np.float32)

    def restored(self, values: Array) -> npt.NDArray[np.float64]:
        """The inverse of :meth:`standardised`, float64."""
        scaled = values.astype(np.float64) * np.array(self.deviation)
        return np.asarray(scaled + np.array(self.mean), dtype=np.float64)


class ForecastData:
    """A CSV file, one row a step; the last rows are held out, as of a text.

    Raises:
        InputError: a file cannot be read, or files have different columns, or there is too little.
    """

    def __init__(self, paths: Paths, config: Config) -> None:
        if len(paths.train) != 1:
            raise InputError("a forecast is trained on one series", "give one CSV file")
        source = read_series(paths.train[0], encoding=config.encoding)
        series: Series = source.records
        self.paths = paths
        digest = hashlib.sha256(b"train" + bytes.fromhex(source.sha256))
        notes = list(source.notes)
        self._columns = series.columns
        self.values = series.values
        count = len(self.values)
        held = round(count * config.val_fraction)
        test = 0 if paths.val or paths.test else held
        val = 0 if paths.val else held
        self.edges = [count - val - test, count - test]
        for role, path in (("val", paths.val), ("test", paths.test)):
            if path:
                other = read_series(path, encoding=config.encoding)
                notes += other.notes
                digest.update(role.encode() + bytes.fromhex(other.sha256))
                if other.records.columns != series.columns:
                    raise InputError(f"{path} has other columns than {paths.train[0]}")
                self.values = np.concatenate([self.values, other.records.values])
                if role == "val":
                    self.edges[1] = len(self.values)
        self.sha256, self.notes = digest.hexdigest(), tuple(notes)
        if not paths.val and not config.val_fraction:
            raise InputError(
                "there is nothing to validate with", "name a file (--val), or give --val-fraction"
            )
        if self.edges[0] < 2 or self.edges[1] <= self.edges[0]:
            raise InputError(
                f"{count} rows are too few to train and to validate with",
                "give a longer series, another --val-fraction, or --val FILE",
            )
        self.size = len(self.values)
        self._check_scale()

    def _check_scale(self) -> None:
        """Raise InputError if a value, as the network would read it, is out of all proportion."""
        with np.errstate(all="ignore"):
            scaled = np.abs(self.spec().standardised(self.values))
        bad = np.argwhere(~(scaled < LARGEST))
        if len(bad):
            row, column = (int(k) for k in bad[0])
            raise InputError(
                f"value {row + 1} of column {self._columns[column]} is "
                f"{self.values[row, column]:g}: too large, or too far from the others",
                "leave it out, or give the logarithm",
            )

    def trained_on(self, config: Config) -> int:
        """How many rows of the series train."""
        return self.edges[0]

    def spec(self) -> ForecastSpec:
        """The columns' means and deviations over the training part."""
        train = self.values[: self.edges[0]]
        deviation = train.std(axis=0)
        # What is constant has a deviation of rounding errors.
        constant = deviation <= 1e-12 * np.abs(train).max(axis=0)
        deviation = np.where(constant | (deviation < TINY), 1.0, deviation)
        return ForecastSpec(
            self._columns, tuple(train.mean(axis=0).tolist()), tuple(deviation.tolist())
        )

    def task(
        self, spec: ForecastSpec, config: Config, model: SequenceModel, threads: int
    ) -> "ForecastTask":
        """The training."""
        return ForecastTask(self.values, self.edges, spec, config, model, threads)

    def longest(self, config: Config) -> int:
        """Steps of a batch."""
        return config.seq_len

    def check_labels(self, spec: ForecastSpec) -> None:
        """Raise InputError unless the columns are those that ``spec`` has."""
        if spec.columns != self._columns:
            raise InputError("the checkpoint was trained on other columns")

    def describe(self, spec: ForecastSpec, config: Config) -> list[str]:
        """Lines for people."""
        train, val = self.edges
        text = f"the first {train:,} rows train, the next {val - train:,} validate"
        if self.size > val:
            text += f", the last {self.size - val:,} test"
        names = ", ".join(spec.columns[:8]) + (", ..." if len(spec.columns) > 8 else "")
        return [f"{self.size:,} rows of {len(spec.columns)} columns ({names})", text]


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
        return self._score(parameters, self._edges[0], self._edges[1])

    def test(self, parameters: Parameters) -> Outcome | None:
        """The same on the test rows, beside the last value and a linear autoregression."""
        start = self._edges[1]
        if start >= len(self._values):
            return None
        return score_series(self._trained(parameters), self._values, start)

    def _score(self, parameters: Parameters, start: int, end: int) -> TaskScore:
        return _one_step_score(self._trained(parameters), self._values[:end], start)

    def preview(self, parameters: Parameters, rng: np.random.Generator) -> bytes:
        """Some steps from the end of the training rows on, beside what came."""
        del rng
        start = self._edges[0]
        ahead = forecast(self._trained(parameters), self._values[:start], 5)
        lines = ["forecast from the end of the training rows, and what came"]
        for p, v in zip(ahead, self._values[start:], strict=False):
            lines.append(f"{_row(p)}   {_row(v)}")
        return "".join(line + "\n" for line in lines).encode()


def score_series(trained: Trained, values: npt.NDArray[np.float64], start: int = 1) -> Outcome:
    """A model one step ahead on ``values[start:]``, beside what simple methods reach there.

    The state is carried from the first row on. The simple methods are the last value and, where
    there are rows enough before ``start``, a linear autoregression on those.

    Args:
        values: ``(N, D)``.
        start: the first row that is scored, 1 at least: one must come before it.

    Raises:
        InputError: there is nothing to score.
        DivergedError: the outputs are not finite.
    """
    if not 1 <= start < len(values):
        raise InputError(f"{len(values)} rows are too few to score: one comes before the first")
    score = _one_step_score(trained, values, start)
    trained.check_finite(score.loss)
    baselines = {"last value": last_value(values[start - 1 :])}
    try:
        linear = linear_autoregression(values[:start], values[start:])
        baselines["linear autoregression on all rows before"] = linear
    except ValueError:  # too few rows for it
        pass
    return Outcome(score, baselines)


def _one_step_score(trained: Trained, values: npt.NDArray[np.float64], start: int) -> TaskScore:
    predicted = one_step(trained, values)[start - 1 :]
    errors = predicted - values[start:]
    squared = float((errors**2).mean())
    scaled = errors / np.array(trained.spec.deviation)
    loss = float(0.5 * (scaled**2).sum(axis=1).mean())
    count = len(values) - start
    method = f"{count} rows, each one step ahead, state carried from the first row on"
    unit = trained.config.kind.unit
    return TaskScore(loss, unit, loss, {"mean squared error": squared}, method)


def evaluate(
    trained: Trained, files: Sequence[str], data: Data | None, threads: int = 1
) -> Measured:
    """A model one step ahead on another series.

    Args:
        files: the one name of a CSV file.
        data: what the model was trained on, if that is there.
        threads: not used: a series is read from its beginning.

    Raises:
        InputError: the file cannot be read, or it has other columns than the model.
        DivergedError: the outputs are not finite.
    """
    del threads
    if len(files) != 1:
        raise InputError(f"a forecast is measured on one series, {len(files)} were given")
    source = read_for(trained, files[0])
    values, notes = source.records.values, source.notes
    known: Any = data
    series = (values.tobytes(), known.values[: known.edges[1]].tobytes() if known else b"")
    shorter, longer = sorted(series, key=len)
    if shorter and shorter in longer:  # one may be a part of the other
        notes += ("this series is trained on: the model would do worse on another",)
    return Measured(score_series(trained, values), notes)


def _row(values: Iterable[float]) -> str:
    return ", ".join(f"{value:.4g}" for value in values)


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

    def lines(self, form: str) -> Iterator[str]:
        """As ``charrnn predict`` writes it."""
        rows = self.values.tolist()
        if form == "jsonl":
            for step, row in enumerate(rows, start=1):
                yield as_json(step=step, values=dict(zip(self.columns, row, strict=True)))
            return
        text = io.StringIO()
        table = csv.writer(text, delimiter="," if form == "text" else "\t", lineterminator="\n")
        table.writerow(self.columns)
        table.writerows([f"{value:.10g}" for value in row] for row in rows)
        yield text.getvalue().removesuffix("\n")


def read_for(trained: Trained, path: str) -> Source[Series]:
    """A CSV file of the columns that a model reads.

    Raises:
        InputError: the file cannot be read, or it has other columns.
    """
    source = read_series(path, encoding=trained.config.encoding)
    columns, names = source.records.columns, trained.spec.columns
    if columns != names:
        raise InputError(
            f"{path} has the columns {', '.join(columns)}; the model reads {', '.join(names)}"
        )
    return source


def predict(
    trained: Trained, series: Sequence[str] | npt.ArrayLike, *, steps: int = 1
) -> list[Forecast]:
    """The rows after a series.

    Args:
        series: ``(N, D)`` numbers, or the one name of a CSV file.
        steps: how many.

    Raises:
        InputError: the file cannot be read, or it has other columns than the model.
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
    ahead = forecast(trained, values, steps)
    trained.check_finite(ahead)
    return [Forecast(names, ahead, notes)]


register(
    Kind(
        name="forecast",
        read=ForecastData,
        spec=ForecastSpec.from_header,
        usage="charrnn predict RUN SERIES.csv --steps 10",
        unit="½ squared deviations/row",
        defaults={"hidden": 32, "epochs": 30.0, "seq_len": 32, "batch_size": 16},
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
