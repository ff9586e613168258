"""A series: each row is predicted from all before it, by a linear head with squared error.

The network corrects the prediction of a baseline (:mod:`charrnn.tasks.changes`).
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.errors import InputError
from charrnn.nn.models import SequenceModel
from charrnn.nn.parameters import Parameters
from charrnn.nn.types import Array
from charrnn.tasks.ahead import Forecast, baseline, forecast, in_use, one_step, outputs_of, predict
from charrnn.tasks.base import Data, Outcome, TaskScore, Trained
from charrnn.tasks.baselines import autoregression_errors
from charrnn.tasks.carried import LanesTask
from charrnn.tasks.chance import SAME, surely_gains
from charrnn.tasks.config import Config
from charrnn.tasks.figures import figure, side_by_side
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
    "baseline",
    "evaluate",
    "forecast",
    "one_step",
    "predict",
    "read_for",
    "score_series",
]

MOST_SHOWN, WIDTH = 12, 20
"""The most columns whose measures are listed, and the width of their names."""

TIE = 1e-6
"""Errors whose relative difference is below this are equal."""

NETWORK, LAST = "mean squared error", "last value"

ON_ALL = "linear autoregression on all rows before"
"""A baseline that is fitted again where a single column is scored."""

Numbers = npt.NDArray[np.float64]


class ForecastData(SeriesData):
    """A CSV file with a row for each step; the last rows are validation and test, as for a text.

    Raises:
        InputError: as for :class:`charrnn.tasks.scaled.SeriesData`.
    """

    def task(
        self, spec: ForecastSpec, config: Config, model: SequenceModel, threads: int
    ) -> "ForecastTask":
        """The training task."""
        return ForecastTask(self.values, self.edges, spec, config, model, threads)


class ForecastTask(LanesTask):
    """Trains on lanes of the series, with the state carried from chunk to chunk."""

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
        train = values[: edges[0]]
        inputs, after = spec.inputs(train)
        targets = spec.targets(train, after[:-1])
        lanes = config.batch_size
        if spec.changes is not None:
            # Before a baseline has enough rows, its errors are of another kind than after.
            start = min(spec.changes.base.reach - 1, len(train) // 2)
            inputs, targets = inputs[start:], targets[start:]
            lanes = config.lanes(len(inputs))
        lanes = max(1, min(lanes, (len(inputs) - 1) // 2))
        super().__init__(model, inputs, lanes, config.seq_len, threads, targets)

    @cached_property
    def _before_test(self) -> tuple[Array, Numbers]:
        """The inputs at the rows before the test, and what the outputs are added to, for all rows
        but the last. Neither changes in training.
        """
        inputs, after = self._spec.inputs(self._values[: self._edges[1]])
        return inputs, after[:-1]

    def _trained(self, parameters: Parameters) -> Trained:
        return Trained(self.model, parameters, self._spec, self.config)

    @property
    def held_out(self) -> int:
        """The number of rows that a validation scores."""
        return self._edges[1] - self._edges[0]

    @property
    def spec(self) -> ForecastSpec:
        """What is known of the columns, including what the last validation has found."""
        return self._spec

    def validate(self, parameters: Parameters) -> TaskScore | None:
        """Score one step ahead on the validation rows, the state carried on from training rows.

        These rows also decide how much of the network's corrections is used.
        """
        return self._validated(parameters)[0]

    def _validated(self, parameters: Parameters) -> tuple[TaskScore, Numbers, Numbers]:
        """The score on the validation rows, and the error of each prediction, with and without the
        network's corrections.
        """
        start, end = self._edges
        values, changes = self._values[:end], self._spec.changes
        inputs, after = self._before_test
        outputs = outputs_of(self._trained(parameters), inputs)
        if changes is not None:
            missed = changes.targets(values, after)[start:]
            changes = changes.trusted(outputs[start - 1 :].astype(np.float64), missed)
            self._spec = replace(self._spec, changes=changes)
        errors, loss = _off(self._spec, outputs, after, values, start)
        alone = errors
        if changes is not None:
            unused = replace(changes, share=(0.0,) * len(changes.share))
            alone, _ = _off(replace(self._spec, changes=unused), outputs, after, values, start)
        return _score(self._trained(parameters), errors, loss), errors, alone

    def test(self, parameters: Parameters) -> Outcome | None:
        """Score the test rows likewise, beside what baselines reach there.

        The report says so if a baseline has no more error on the validation rows than the network.
        """
        start = self._edges[1]
        if start >= len(self._values):
            return None
        _, errors, alone = self._validated(parameters)
        outcome = score_series(self._trained(parameters), self._values, start)
        changes = self._spec.changes
        adds = changes is None or any(changes.share)
        return replace(outcome, verdict=self._verdict(errors, alone), adds=adds)

    def _verdict(self, errors: Numbers, alone: Numbers) -> str:
        """Which baseline is at least as good as the network on the validation rows, if one is.

        Args:
            errors: the network's on these rows.
            alone: those of the forecast without its corrections.
        """
        spec, (start, end) = self._spec, self._edges
        changes, rival = spec.changes, spec.rival
        if rival is None:
            return ""
        values = self._values[:end]
        beside = _with_autoregression(spec, _untrained(spec, values, start), values, start)
        name = min(beside, key=lambda name: spec.together(beside[name]))
        theirs, ours = spec.together(beside[name]), spec.together(errors)
        rows = f"beside {figure(ours)} on the validation rows"
        gains = spec.of_rows(errors) - spec.of_rows(beside[name])
        if (1 + TIE) * theirs < min(rival, ours) and surely_gains(gains):
            return f"a baseline beats the network: {name}, {spec.measure} {figure(theirs)} {rows}"
        figures = f"{spec.measure} {figure(rival)}"
        corrects = changes is not None and self.config.base == "linear"
        if rival > (1 + TIE) * ours:
            if not corrects or surely_gains(spec.of_rows(alone) - spec.of_rows(errors)):
                return ""
            return f"{SAME}: {figures} {rows}"
        if changes is not None and corrects and not any(changes.share):
            return (
                "the baseline is as good alone: the network adds nothing to it on the "
                f"validation rows ({figures} with the network and without), so the forecasts "
                "are the baseline's"
            )
        return (
            f"the baseline beats the network: {figures} {rows}; charrnn predict --method "
            "baseline uses it"
        )

    def arrays(self) -> dict[str, Array]:
        """The state of every lane, and how much of the network's corrections is used."""
        changes = self._spec.changes
        own = {} if changes is None else {"share": np.array(changes.share)}
        return super().arrays() | own

    def restore(self, arrays: dict[str, Array]) -> None:
        """The inverse of :meth:`arrays`.

        Raises:
            KeyError, ValueError: an array is missing or of the wrong shape.
        """
        super().restore(arrays)
        changes = self._spec.changes
        if changes is not None:
            changes = changes.with_share(arrays["share"])
            self._spec = replace(self._spec, changes=changes)

    def preview(self, parameters: Parameters, rng: np.random.Generator) -> bytes:
        """Some steps after the end of the training rows, beside the true values."""
        del rng
        start = self._edges[0]
        ahead = forecast(self._trained(parameters), self._values[:start], 5)
        came = self._values[start : start + len(ahead)]
        what = "forecast after the training rows, and the true values"
        lines = [what, *side_by_side(ahead[: len(came)], came, self._spec.deviation)]
        return "".join(line + "\n" for line in lines).encode()


def score_series(
    trained: Trained,
    values: npt.NDArray[np.float64],
    start: int = 1,
) -> Outcome:
    """Score a model one step ahead on ``values[start:]``, beside what baselines reach there.

    The state is carried from the first row on. The baselines are the last value, the value one
    season before, the one that the checkpoint holds and, for a single column, an autoregression
    fitted to the rows before ``start``, if there are enough.

    Args:
        values: ``(N, D)``, as :func:`read_for` reads them.
        start: the first row that is scored, at least 1, since one must come before it.

    Raises:
        InputError: there is nothing to score, or a value is extremely far from the training data.
        DivergedError: the outputs are not finite.
    """
    if not 1 <= start < len(values):
        raise InputError(
            f"{counted(len(values), 'row', 'are')} too few to score: give two at least"
        )
    trained = in_use(trained)
    spec: ForecastSpec = trained.spec
    spec.check_scale(values)
    inputs, after = spec.inputs(values)
    errors, loss = _off(spec, outputs_of(trained, inputs), after[:-1], values, start)
    trained.check_finite(errors)
    found = _untrained(spec, values, start)
    if spec.simple is not None:
        off = spec.simple.one_step(values)[start - 1 : -1] - values[start:]
        found.setdefault(spec.simple_name, off)
    every = _with_autoregression(spec, found, values, start)
    baselines = {name: spec.together(off) for name, off in every.items()}
    by_column = {NETWORK: errors, **found}
    figures = {name: (off**2).mean(axis=0).tolist() for name, off in by_column.items()}
    details = {
        "columns": {
            column: {name: some[k] for name, some in figures.items()}
            for k, column in enumerate(spec.columns)
        }
    }
    return Outcome(_score(trained, errors, loss), baselines, _by_column(spec, figures), details)


def _untrained(spec: ForecastSpec, values: Numbers, start: int) -> dict[str, Numbers]:
    """The errors on ``values[start:]`` of the baselines that need no fitting."""
    found = {LAST: values[start - 1 : -1] - values[start:]}
    of_season = spec.of_season()
    if of_season is not None:
        found[spec.season_name] = of_season.one_step(values)[start - 1 : -1] - values[start:]
    return found


def _with_autoregression(
    spec: ForecastSpec, found: Mapping[str, Numbers], values: Numbers, start: int
) -> dict[str, Numbers]:
    """The errors of baselines on ``values[start:]``, and those of an autoregression."""
    found = dict(found)
    if len(spec.columns) == 1:
        with suppress(ValueError):  # too few rows
            found[ON_ALL] = autoregression_errors(values[:start], values[start:])
    return found


def evaluate(
    trained: Trained,
    files: Sequence[str],
    data: Data | None,
    threads: int = 1,
    columns: str = "",
) -> Measured:
    """Score a model one step ahead on another series.

    Args:
        files: the name of one CSV file.
        data: the model's training data, if they can be read.
        threads: not used, since a series is read from its beginning.
        columns: the file's columns, in the model's order; if not given, those of the same names.

    Raises:
        InputError: the file cannot be read, or its columns are not the model's.
        DivergedError: the outputs are not finite.
    """
    del threads
    if len(files) != 1:
        raise InputError(f"a forecast is scored on one series, got {len(files)}")
    source = read_for(trained, files[0], columns)
    values, notes = source.records.values, source.notes
    known: Any = data
    series = (values.tobytes(), known.values[: known.edges[1]].tobytes() if known else b"")
    shorter, longer = sorted(series, key=len)
    if shorter and shorter in longer:  # one may be part of the other
        notes += ("the model was trained on this series and will do worse on others",)
    return Measured(score_series(trained, values), notes)


def _off(
    spec: ForecastSpec, outputs: Array, after: Numbers, values: Numbers, start: int
) -> tuple[Numbers, float]:
    """The error of each prediction of ``values[start:]``, and the training loss there."""
    errors = spec.meant(outputs[start - 1 :], after[start - 1 :]) - values[start:]
    if spec.changes is None:
        missed = errors / np.array(spec.deviation)
    else:
        targets = spec.targets(values, after)[1:]
        missed = (outputs - targets)[start - 1 :].astype(np.float64)
    return errors, float(0.5 * (missed**2).sum(axis=1).mean())


def _score(trained: Trained, errors: Numbers, loss: float) -> TaskScore:
    spec: ForecastSpec = trained.spec
    together = spec.together(errors)
    method = f"{counted(len(errors), 'row')}, one step ahead each, state carried from the first row"
    unit = trained.config.kind.unit
    error = together if spec.unit else loss  # earlier versions chose the best model by the loss
    return TaskScore(loss, unit, error, {spec.measure: together}, method)


def _by_column(spec: ForecastSpec, figures: Mapping[str, Sequence[float]]) -> tuple[str, ...]:
    """A table of several columns' mean squared errors, each in its own unit."""
    names = spec.columns
    if len(names) == 1:
        return ()
    words = {NETWORK: "network", LAST: LAST, spec.season_name: "season"}
    heads = [words.get(name, "baseline") for name in figures]
    rows = [(NETWORK, heads)]
    for k, name in enumerate(names[:MOST_SHOWN]):
        rows.append((shown(name), [figure(some[k]) for some in figures.values()]))
    lines = [
        f"{_cut(name):{WIDTH}}" + "".join(f"  {cell:>11}" for cell in cells) for name, cells in rows
    ]
    more = len(names) - MOST_SHOWN
    if more > 0:
        lines.append(f"({counted(more, 'more column')} left out)")
    return tuple(lines)


def _cut(name: str) -> str:
    return name if len(name) <= WIDTH else name[: WIDTH - 3] + "..."


register(
    Kind(
        name="forecast",
        read=ForecastData,
        spec=ForecastSpec.from_header,
        usage="charrnn predict RUN SERIES.csv --steps 10",
        unit="½ squared error/row",
        measure="squared error",
        defaults={
            "hidden": 16,
            "epochs": 30.0,
            "seq_len": 32,
            "batch_size": 16,
            "weight_decay": 0.3,
            "index": "leave",
            "base": "linear",
        },
        own=dict.fromkeys(
            ("decimal", "missing", "index", "base", "difference", "log", "season"), ()
        ),
        without={
            "directions": "a forecast must not read what it predicts",
            "keep_newlines": "a forecast reads numbers",
            "lines": "a forecast validates on the end of the series",
            "level": "a forecast reads numbers",
            "embedding": "a forecast reads numbers",
        },
        carried=True,
        lane=64,
        least_updates=600,
        evaluate=evaluate,
        predict=predict,
        baseline=baseline,
        options=("steps",),
    )
)
