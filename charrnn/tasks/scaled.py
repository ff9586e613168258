"""What a forecast reads: a series's columns, scaled by mean and deviation or as changes."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.errors import InputError
from charrnn.nn.models import SequenceModel
from charrnn.nn.types import Array
from charrnn.tasks.base import Paths, Trained
from charrnn.tasks.baselines import Combination, Form, Linear, combine, naive, seasons
from charrnn.tasks.changes import FEW_ROWS, Changes, Correction
from charrnn.tasks.config import Config
from charrnn.text.columns import columns_option, listed
from charrnn.text.counts import counted
from charrnn.text.series import Series, read_series
from charrnn.text.tables import Source, shown

__all__ = ["ForecastSpec", "SeriesData", "read_for"]

TINY, SMALLEST = 1e-150, 1e-100
LARGEST = 1e12
LONGEST = 1 << 14
"""The most rows of a season."""

MOST_LISTED = 8
"""The most columns, and the most baselines, that are named."""


@dataclass(frozen=True)
class ForecastSpec:
    """The columns of a series, and what is known of each from the training rows.

    Attributes:
        columns: their names.
        mean, deviation: of each column over these rows.
        unit: the root mean squared change of each column from row to row, in which errors are
            measured where columns are combined; ``deviation``, where it is not known.
        changes: what the network reads and predicts; None for values scaled by mean and deviation.
        simple: the baseline of each column, fitted to all rows before the test, if it is known.
        rival: the error of ``simple`` on the validation rows after fitting it to the training rows,
            in the measure that selects the best network. These rows have helped to weight its
            methods.
        seasons: the rows of each column's season; 0 for none.
    """

    columns: tuple[str, ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    unit: tuple[float, ...] = ()
    changes: Changes | None = None
    simple: Linear | None = None
    rival: float | None = None
    seasons: tuple[int, ...] = ()

    def to_header(self) -> dict[str, Any]:
        """The entry of a checkpoint."""
        header: dict[str, Any] = {
            "columns": list(self.columns),
            "mean": list(self.mean),
            "deviation": list(self.deviation),
        }
        if self.unit:
            header["unit"] = list(self.unit)
        if self.changes is not None:
            header["changes"] = self.changes.to_header()
        if self.simple is not None:
            header |= {"simple": self.simple.to_header(), "rival": self.rival}
            header["seasons"] = list(self.seasons)
        return header

    @classmethod
    def from_header(cls, header: Mapping[str, Any]) -> "ForecastSpec":
        """The inverse of :meth:`to_header`.

        Raises:
            KeyError, TypeError, ValueError: the header is not from :meth:`to_header`.
        """
        columns = header["columns"]
        numbers = [header["mean"], header["deviation"], header.get("unit", header["deviation"])]
        if not all(isinstance(value, list) for value in (columns, *numbers)) or not columns:
            raise ValueError("columns, means and deviations must be lists")
        size = len(columns)
        if not all(len(some) == size for some in numbers):
            raise ValueError("columns, means and deviations must be as many")
        if not all(type(number) is float for some in numbers for number in some):
            raise ValueError("means and deviations must be numbers")
        array = np.array(numbers, dtype=np.float64)
        if not all(isinstance(name, str) for name in columns):
            raise ValueError("names of columns must be texts")
        if not np.isfinite(array).all() or np.any(array[1:] < TINY):
            raise ValueError("means and deviations must be finite, and deviations positive")
        mean, deviation, unit = (tuple(some) for some in numbers)
        spec = cls(tuple(columns), mean, deviation, unit if "unit" in header else ())
        if "changes" in header:
            spec = replace(spec, changes=Changes.from_header(header["changes"], size))
        if "simple" in header:
            rival = header["rival"]
            if rival is not None and type(rival) is not float:
                raise ValueError("an error must be a number")
            found = header["seasons"]
            if not isinstance(found, list) or len(found) != size:
                raise ValueError("seasons must be as many as columns")
            if not all(type(s) is int and 0 <= s < LONGEST for s in found):
                raise ValueError("a season must be a number of rows")
            simple = Linear.from_header(header["simple"], size)
            spec = replace(spec, simple=simple, rival=rival, seasons=tuple(found))
        return spec

    def model(self, config: Config) -> SequenceModel:
        """The network with these settings."""
        size = len(self.columns)
        kind = SequenceModel if self.changes is None else Correction
        return kind(
            size if self.changes is None else 2 * size,
            size,
            config.recurrence(),
            config.layers,
            0,
            config.dropout,
            input="vectors",
            loss="squared",
        )

    def after_training(self, config: Config) -> "ForecastSpec":
        """The spec whose corrected baseline is fitted to the validation rows as well."""
        if self.changes is None or self.simple is None or config.base != "linear":
            return self
        return replace(self, changes=replace(self.changes, base=self.simple))

    def of_season(self) -> Linear | None:
        """The value one season before; the last one for columns without a season; or None."""
        if not any(self.seasons):
            return None
        columns = tuple(naive((season or 1,), "") for season in self.seasons)
        return Linear(tuple(Form() for _ in columns), columns)

    def together(self, errors: Array) -> float:
        """The mean squared error of ``(N, D)``: in a single column's own unit, else in ``unit``."""
        return float(self.of_rows(errors).mean())

    def of_rows(self, errors: Array) -> Array:
        """``(N,)``: what each row adds to :meth:`together`."""
        if len(self.columns) > 1:
            errors = errors / np.array(self.unit or self.deviation)
        return np.asarray((errors**2).mean(axis=1))

    @property
    def simple_name(self) -> str:
        """The name of the baseline; a common word where the columns' baselines differ."""
        names = {column.name for column in self.simple.columns} if self.simple else set()
        return names.pop() if len(names) == 1 else "mean of linear methods for each column"

    @property
    def season_name(self) -> str:
        """The name of :meth:`of_season`."""
        found = sorted({*self.seasons} - {0})
        return f"value {' or '.join(map(str, found))} rows before"

    @property
    def measure(self) -> str:
        """The name of :meth:`together`; for several columns, that of the M5 competition."""
        return "mean squared error" if len(self.columns) == 1 else "mean squared scaled error"

    def knows(self) -> dict[str, str | list[str]]:
        """The columns."""
        return {"columns": list(self.columns)}

    def standardised(self, values: Array) -> Array:
        """(values - mean) / deviation, float32 ``(N, D)``."""
        scaled = (values - np.array(self.mean)) / np.array(self.deviation)
        return np.asarray(scaled, dtype=np.float32)

    def check_scale(self, values: Array) -> None:
        """Raise InputError if a value of ``(N, D)`` is extremely large, or not finite."""
        with np.errstate(all="ignore"):
            scaled = np.abs(self.standardised(values))
        bad = np.argwhere(~(scaled < LARGEST))
        if len(bad):
            row, column = (int(k) for k in bad[0])
            raise InputError(
                f"value {row + 1} of column {self.columns[column]} is {values[row, column]:g}: "
                "not finite, too large, or too far from the training values",
                "leave it out, or use logarithms",
            )

    def inputs(self, values: Array) -> tuple[Array, npt.NDArray[np.float64]]:
        """The network's input at each of ``values`` ``(N, D)``, float32.

        Also what its outputs there are added to, ``(N, D)``: zero, or the baseline's prediction.
        """
        if self.changes is None:
            return self.standardised(values), np.zeros_like(values)
        x, after = self.changes.inputs(values)
        return x.astype(np.float32), after

    def meant(self, outputs: Array, after: Array) -> npt.NDArray[np.float64]:
        """The values that outputs ``(N, D)`` stand for, where :meth:`inputs` gave ``after``."""
        if self.changes is None:
            return self.restored(outputs)
        return self.changes.restored(outputs.astype(np.float64), after)

    def targets(self, values: Array, after: Array) -> Array:
        """The targets that lead to each of ``values``, float32 ``(N, D)``.

        Args:
            after: ``(N-1, D)``, what :meth:`inputs` gave for each but the last.
        """
        if self.changes is None:
            return self.standardised(values)
        return np.asarray(self.changes.targets(values, after), dtype=np.float32)

    def restored(self, values: Array) -> npt.NDArray[np.float64]:
        """The inverse of :meth:`standardised`, float64."""
        scaled = values.astype(np.float64) * np.array(self.deviation)
        return np.asarray(scaled + np.array(self.mean), dtype=np.float64)


class SeriesData:
    """A CSV file with a row for each step; the last rows are validation and test, as for a text.

    Raises:
        InputError: a file cannot be read, files have different columns, or there is too little.
    """

    def __init__(self, paths: Paths, config: Config) -> None:
        if len(paths.train) != 1:
            raise InputError("a forecast trains on one series", "give one CSV file")
        source = _read_series(paths.train[0], config, config.columns)
        series: Series = source.records
        self.paths = paths
        digest = hashlib.sha256(b"train" + bytes.fromhex(source.sha256))
        notes = list(source.notes)
        self._config, self._columns = config, series.columns
        self.values = series.values
        count = len(self.values)
        held = round(count * config.val_fraction)
        test = 0 if paths.val or paths.test else held
        val = 0 if paths.val else held
        self.edges = [count - val - test, count - test]
        for role, path in (("val", paths.val), ("test", paths.test)):
            if path:
                other = _read_series(path, config, series.columns)
                notes += other.notes
                digest.update(role.encode() + bytes.fromhex(other.sha256))
                self.values = np.concatenate([self.values, other.records.values])
                if role == "val":
                    self.edges[1] = len(self.values)
        held_out = self.edges[1] - self.edges[0]
        if config.base != "none" and 0 < held_out < FEW_ROWS:
            notes.append(
                f"with {counted(held_out, 'validation row')} the forecast is its baseline; the "
                f"network needs {FEW_ROWS}: give more rows, or --val"
            )
        self.sha256, self.notes = digest.hexdigest(), tuple(notes)
        if not paths.val and not config.val_fraction:
            raise InputError(
                "there is no validation set", "name a file with --val, or set --val-fraction"
            )
        if self.edges[0] < 2 or self.edges[1] <= self.edges[0]:
            raise InputError(
                f"{counted(count, 'row', 'are')} too few to train and validate",
                "give a longer series, another --val-fraction, or --val FILE",
            )
        self.size = len(self.values)
        self._check_scale()

    def _check_scale(self) -> None:
        """Raise InputError if the network would read extreme values, or none."""
        train = self.values[: self.edges[0]]
        small = (np.ptp(train, axis=0) < SMALLEST) & (np.abs(train).max(axis=0) < SMALLEST)
        for place in np.flatnonzero(small & train.any(axis=0)):
            raise InputError(
                f"the values of column {self._columns[place]} are below {SMALLEST:g}: too small to "
                "be squared",
                "multiply the column by a power of ten",
            )
        self._scales.check_scale(self.values)

    def trained_on(self, config: Config) -> int:
        """The number of training rows."""
        return self.edges[0]

    def spec(self) -> ForecastSpec:
        """What is known of the columns."""
        return self._spec

    @cached_property
    def _scales(self) -> ForecastSpec:
        """The columns' means and deviations over the training part."""
        train = self.values[: self.edges[0]]
        deviation = train.std(axis=0)
        # A constant column has a deviation of rounding errors.
        constant = deviation <= 1e-12 * np.abs(train).max(axis=0)
        deviation = np.where(constant | (deviation < TINY), 1.0, deviation)
        change = np.sqrt((np.diff(train, axis=0) ** 2).mean(axis=0))
        unit = np.where(constant | (change < TINY), deviation, change)
        means, deviations, units = (some.tolist() for some in (train.mean(axis=0), deviation, unit))
        return ForecastSpec(self._columns, tuple(means), tuple(deviations), tuple(units))

    @cached_property
    def _seasons(self) -> list[list[int]]:
        """The possible seasons of each column by the training part, the likeliest first."""
        if self._config.season != "auto":
            given = [int(self._config.season)] if int(self._config.season) > 1 else []
            return [given for _ in self._columns]
        return [seasons(column) for column in self.values[: self.edges[0]].T]

    @cached_property
    def _methods(self) -> list[Combination]:
        """The baseline of each column, whose weights the rows before the test part decide."""
        config, known = self._config, self.edges[1]
        log = None if config.log == "auto" else config.log == "yes"
        lags = None
        if config.difference != "auto":
            lags = tuple(int(lag) for lag in config.difference.split("+") if int(lag))
        columns = zip(self.values[:known].T, self._seasons, strict=True)
        return [combine(values, periods, log=log, lags=lags) for values, periods in columns]

    @cached_property
    def _spec(self) -> ForecastSpec:
        train, known = self.edges
        base, simple = (self._fitted(self.values[:end]) for end in (train, known))
        spec = self._scales
        errors = base.one_step(self.values[:known])[train - 1 : -1] - self.values[train:known]
        with np.errstate(over="ignore"):
            rival = spec.together(errors)
        spec = replace(
            spec,
            simple=simple,
            rival=rival if np.isfinite(rival) else None,
            seasons=tuple(periods[0] if periods else 0 for periods in self._seasons),
        )
        if self._config.base == "none":
            return spec
        if self._config.base == "last":
            base = replace(base, columns=tuple(naive(f.lags or (1,), "") for f in base.forms))
        return replace(spec, changes=Changes.of(base, self.values[:train]))

    def _fitted(self, values: npt.NDArray[np.float64]) -> Linear:
        forms, columns = [], []
        for method, column in zip(self._methods, values.T, strict=True):
            forms.append(method.form(column))
            columns.append(method.fitted(column))
        return Linear(tuple(forms), tuple(columns))

    def longest(self, config: Config) -> int:
        """Steps of a batch."""
        return config.seq_len

    def check_labels(self, spec: ForecastSpec) -> None:
        """Raise InputError unless the columns are those of ``spec``."""
        if spec.columns != self._columns:
            wanted = columns_option(spec.columns)
            raise InputError(
                f"the checkpoint was not trained on the columns {columns_option(self._columns)}",
                f"choose the checkpoint's columns: --columns {wanted}",
            )

    def describe(self, spec: ForecastSpec, config: Config) -> list[str]:
        """Lines on the data for the user."""
        train, val = self.edges
        text = f"the first {counted(train, 'row', 'train')}"
        text += f", the next {counted(val - train, '', 'validate')}"
        if self.size > val:
            text += f", the last {counted(self.size - val, '', 'test')}"
        names = ", ".join(spec.columns[:MOST_LISTED])
        names += ", ..." if len(spec.columns) > MOST_LISTED else ""
        of = counted(len(spec.columns), "column")
        return [f"{counted(self.size, 'row')} of {of} ({names})", text, *self._baselines(spec)]

    def _baselines(self, spec: ForecastSpec) -> list[str]:
        """A line on the baselines; columns with the same baseline stand together."""
        if spec.simple is None:
            return []
        of: dict[str, list[str]] = {}
        for name, method in zip(spec.columns, self._methods, strict=True):
            of.setdefault(method.described, []).append(shown(name))
        alone = len(of) == 1
        parts = [what if alone else f"{', '.join(names)}: {what}" for what, names in of.items()]
        if len(parts) > MOST_LISTED:
            parts[MOST_LISTED:] = [f"{len(parts) - MOST_LISTED} more"]
        few = self.edges[1] - self.edges[0] < FEW_ROWS
        added = "" if spec.changes is None or few else spec.changes.added
        return [f"baseline: {'; '.join(parts)}{added}"]


def read_for(trained: Trained, path: str, columns: str = "") -> Source[Series]:
    """Read the columns of a file that a model needs, with the settings of its training.

    Args:
        columns: as ``--columns`` takes them, in the model's order; if not given, the columns with
            the names of the training.

    Raises:
        InputError: as for :func:`charrnn.text.series.read_series`; or there are not as many columns
            as the model reads; or a value is extremely far from the training data.
    """
    known = trained.spec.columns
    wanted = listed(columns) if columns else known
    if len(wanted) != len(known):
        raise InputError(
            f"--columns {columns}: the model reads {counted(len(known), 'column')}, not "
            f"{len(wanted)}",
            f"name the columns to read as {', '.join(known)}",
        )
    source = _read_series(path, trained.config, wanted)
    trained.spec.check_scale(source.records.values)
    return source


def _read_series(path: str, config: Config, columns: str | Sequence[str]) -> Source[Series]:
    return read_series(
        path,
        encoding=config.encoding,
        columns=columns,
        decimal=config.decimal,
        missing=config.missing,
        index=config.index,
    )
