"""What a forecast reads: the columns of a series, each by its mean and deviation."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.errors import InputError
from charrnn.nn.models import SequenceModel
from charrnn.nn.types import Array
from charrnn.tasks.base import Paths, Trained
from charrnn.tasks.config import Config
from charrnn.text.columns import columns_option, listed
from charrnn.text.counts import counted
from charrnn.text.series import Series, read_series
from charrnn.text.tables import Source

__all__ = ["ForecastSpec", "SeriesData", "read_for"]

TINY, SMALLEST = 1e-150, 1e-100
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

    def check_scale(self, values: Array) -> None:
        """Raise InputError if a value of ``(N, D)`` is out of all proportion, or not finite."""
        with np.errstate(all="ignore"):
            scaled = np.abs(self.standardised(values))
        bad = np.argwhere(~(scaled < LARGEST))
        if len(bad):
            row, column = (int(k) for k in bad[0])
            raise InputError(
                f"value {row + 1} of column {self.columns[column]} is {values[row, column]:g}: not "
                "finite, too large, or too far from those that train",
                "leave it out, or give the logarithm",
            )

    def restored(self, values: Array) -> npt.NDArray[np.float64]:
        """The inverse of :meth:`standardised`, float64."""
        scaled = values.astype(np.float64) * np.array(self.deviation)
        return np.asarray(scaled + np.array(self.mean), dtype=np.float64)


class SeriesData:
    """A CSV file, one row a step; the last rows are held out, as of a text.

    Raises:
        InputError: a file cannot be read, or files have different columns, or there is too little.
    """

    def __init__(self, paths: Paths, config: Config) -> None:
        if len(paths.train) != 1:
            raise InputError("a forecast is trained on one series", "give one CSV file")
        source = _read_series(paths.train[0], config, config.columns)
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
                other = _read_series(path, config, series.columns)
                notes += other.notes
                digest.update(role.encode() + bytes.fromhex(other.sha256))
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
                f"{counted(count, 'row', 'are')} too few to train and to validate with",
                "give a longer series, another --val-fraction, or --val FILE",
            )
        self.size = len(self.values)
        self._check_scale()

    def _check_scale(self) -> None:
        """Raise InputError if the network would read values out of all proportion, or none."""
        train = self.values[: self.edges[0]]
        small = (np.ptp(train, axis=0) < SMALLEST) & (np.abs(train).max(axis=0) < SMALLEST)
        for place in np.flatnonzero(small & train.any(axis=0)):
            raise InputError(
                f"the values of column {self._columns[place]} are below {SMALLEST:g}: too small to "
                "be squared",
                "multiply the column by a power of ten",
            )
        self.spec().check_scale(self.values)

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

    def longest(self, config: Config) -> int:
        """Steps of a batch."""
        return config.seq_len

    def check_labels(self, spec: ForecastSpec) -> None:
        """Raise InputError unless the columns are those that ``spec`` has."""
        if spec.columns != self._columns:
            wanted = columns_option(spec.columns)
            raise InputError(
                f"the checkpoint was trained on other columns than {columns_option(self._columns)}",
                f"choose those of the checkpoint: --columns {wanted}",
            )

    def describe(self, spec: ForecastSpec, config: Config) -> list[str]:
        """Lines for people."""
        train, val = self.edges
        text = f"the first {counted(train, 'row', 'train')}"
        text += f", the next {counted(val - train, '', 'validate')}"
        if self.size > val:
            text += f", the last {counted(self.size - val, '', 'test')}"
        names = ", ".join(spec.columns[:8]) + (", ..." if len(spec.columns) > 8 else "")
        of = counted(len(spec.columns), "column")
        return [f"{counted(self.size, 'row')} of {of} ({names})", text]


def read_for(trained: Trained, path: str, columns: str = "") -> Source[Series]:
    """The columns of a file that a model reads, by the settings that it was trained with.

    Args:
        columns: as ``--columns`` takes them, in the order of the model's; those of the names that
            it was trained on, if not given.

    Raises:
        InputError: as :func:`charrnn.text.series.read_series`; or there are not as many columns as
            the model reads; or a value is out of all proportion.
    """
    known = trained.spec.columns
    wanted = listed(columns) if columns else known
    if len(wanted) != len(known):
        raise InputError(
            f"--columns {columns}: the model reads {len(known)}, not {len(wanted)}",
            f"those to read as {', '.join(known)}",
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
    )
