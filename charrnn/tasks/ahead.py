"""A trained network on a series: its expectation after each row, and forecasts."""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from charrnn.errors import InputError
from charrnn.nn.runaway import CHUNK as WATCHED
from charrnn.nn.runaway import restart_runaways
from charrnn.nn.types import Array, State
from charrnn.nn.workspace import Workspace
from charrnn.tasks.base import Trained
from charrnn.tasks.baselines import Linear
from charrnn.tasks.examples import as_json
from charrnn.tasks.figures import plain
from charrnn.tasks.scaled import ForecastSpec, read_for

__all__ = ["Forecast", "baseline", "forecast", "in_use", "one_step", "outputs_of", "predict"]

CHUNK = 256

Numbers = npt.NDArray[np.float64]


def _read(trained: Trained, x: Array, state: State) -> tuple[Array, State]:
    """The outputs after each row of ``x`` (N, D), and the state after the last."""
    outputs, workspace, cell = [], Workspace(), trained.network.cell
    chunk = CHUNK if cell.bounded else WATCHED
    for start in range(0, len(x), chunk):
        with np.errstate(all="ignore"):  # a damaged model shows in its outputs
            y, state, _ = trained.network.forward(
                trained.parameters, x[start : start + chunk, None], state, workspace
            )
        if start + chunk <= len(x):
            restart_runaways(cell, state)
        outputs.append(y[:, 0].copy())
    return np.concatenate(outputs), state


def outputs_of(trained: Trained, inputs: Array) -> Array:
    """The outputs after each row but the last."""
    y, _ = _read(trained, inputs[:-1], trained.network.zero_state(1))
    return y


def one_step(trained: Trained, values: Array) -> Array:
    """The prediction after each of ``values`` but the last: ``(N, D)`` to ``(N-1, D)``."""
    trained = in_use(trained)
    inputs, after = trained.spec.inputs(values)
    return np.asarray(trained.spec.meant(outputs_of(trained, inputs), after[:-1]))


def in_use(trained: Trained) -> Trained:
    """A model as it is used once its training has ended."""
    spec, config = trained.spec.after_training(trained.config), trained.config
    return Trained(trained.network, trained.parameters, spec, config)


def forecast(trained: Trained, values: Array, steps: int) -> Array:
    """The ``steps`` rows after ``values`` (N, D), each predicted from the predictions before it."""
    spec: ForecastSpec = trained.spec.after_training(trained.config)
    if steps < 1:
        return np.zeros((0, len(spec.columns)))
    if spec.changes is not None:
        return _ahead(trained, spec, values, steps)
    state = trained.network.zero_state(1)
    y, state = _read(trained, spec.standardised(values), state)
    rows = [y[-1]]
    for step in range(1, steps):
        if step % WATCHED == 0:
            restart_runaways(trained.network.cell, state)
        y, state = _read(trained, rows[-1][None], state)
        rows.append(y[-1])
    return spec.restored(np.array(rows))


def _ahead(trained: Trained, spec: ForecastSpec, values: Array, steps: int) -> Numbers:
    """As :func:`forecast`, for a network that corrects a baseline."""
    assert spec.changes is not None
    reach, known, state = spec.changes.reach, len(values), trained.network.zero_state(1)
    rows = np.concatenate([values, np.zeros((steps, values.shape[1]))]).astype(np.float64)
    inputs, after = spec.inputs(values)
    settled = replace(spec.changes, base=spec.changes.base.settled(values))
    spec = replace(spec, changes=settled)
    for step in range(steps):
        end = known + step
        if step:
            if step % WATCHED == 0:
                restart_runaways(trained.network.cell, state)
            inputs, after = spec.inputs(rows[max(0, end - reach) : end])
            inputs = inputs[-1:]
        y, state = _read(trained, inputs, state)
        rows[end] = spec.meant(y[-1:], after[-1:])[0]
    return rows[known:]


@dataclass(frozen=True)
class Forecast:
    """The predicted rows that follow a series."""

    columns: tuple[str, ...]
    values: Array  # (steps, D)
    notes: tuple[str, ...] = ()  # notes on the file that was read
    decimal: str = "point"  # as in that file

    def lines(self, form: str) -> Iterator[str]:
        """The lines of ``charrnn predict``: a table in the notation of the file that was read."""
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
    trained: Trained,
    series: Sequence[str] | npt.ArrayLike,
    *,
    steps: int = 1,
    ahead: Callable[[Trained, Array, int], Array] = forecast,
) -> list[Forecast]:
    """Predict the rows that follow a series.

    Args:
        series: ``(N, D)`` numbers, or the name of one CSV file.
        steps: how many rows to predict.
        ahead: the function that predicts them.

    Raises:
        InputError: the file cannot be read, or lacks a column of the model, or a value is extremely
            far from the training data.
        DivergedError: the outputs are not finite.
    """
    names, notes = trained.spec.columns, tuple[str, ...]()
    if isinstance(series, Sequence) and all(isinstance(name, str) for name in series):
        if len(series) != 1:
            raise InputError(f"a forecast continues one series, got {len(series)}")
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
    rows = ahead(trained, values, steps)
    trained.check_finite(rows)
    return [Forecast(names, rows, notes, trained.config.decimal)]


def baseline(trained: Trained) -> Callable[..., list[Forecast]]:
    """Like :func:`predict` for a model, but by the baseline that its checkpoint holds.

    Raises:
        InputError: the checkpoint holds no baseline.
    """
    simple: Linear | None = trained.spec.simple
    if simple is None:
        raise InputError(
            f"{trained.name} holds no baseline: earlier versions did not keep it",
            "train it again",
        )
    return partial(predict, trained, ahead=lambda _, values, steps: simple.ahead(values, steps))
