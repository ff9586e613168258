"""How a training went: its validations, as they are made and as files keep them."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

from charrnn.checkpoint import read_checkpoint
from charrnn.errors import CheckpointError
from charrnn.tasks.config import Config
from charrnn.tasks.kinds import kind_of

__all__ = [
    "LearningCurve",
    "Point",
    "Validation",
    "best_validation",
    "compared",
    "finite",
    "is_number",
    "lowest",
    "read_curve",
    "validation_losses",
    "whole",
]

LONGEST_LINE, MOST_LINES = 1 << 14, 1 << 22
"""The most bytes of a line in a log, and the most lines; a run's own are far fewer."""
MOST_STEPS, LARGEST = 1 << 50, 1e15
"""The largest step and loss that are believed; a file with more was not made by a training."""

BEGINNING = 2
"""The first lines of a log, which include the baselines."""
METHOD = re.compile(r"[a-z0-9-]{1,20}")
"""The form of a baseline's name."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Validation:
    """What one validation found.

    Attributes:
        step: updates made so far.
        epoch: epochs of the training part so far.
        train: the mean training loss since the last validation.
        val: the validation error; None without a validation set.
        chosen_by: what the best model has least of, if that is not ``val``.
    """

    step: int
    epoch: float
    train: float
    val: float | None
    chosen_by: float | None = None

    @property
    def key(self) -> float | None:
        """What the best model has least of; None without a validation set."""
        return self.val if self.chosen_by is None else self.chosen_by

    def to_json(self) -> dict[str, Any]:
        """The entry in a checkpoint."""
        found = asdict(self)
        if self.chosen_by is None:
            del found["chosen_by"]
        return found

    @classmethod
    def from_json(cls, written: Mapping[str, Any]) -> "Validation":
        """The inverse of :meth:`to_json`.

        Raises:
            KeyError, TypeError, ValueError, OverflowError: the entry is not a validation.
        """
        val, chosen_by = written["val"], written.get("chosen_by")
        return cls(
            whole(written["step"]),
            finite(written["epoch"]),
            finite(written["train"]),
            None if val is None else finite(val),
            None if chosen_by is None else finite(chosen_by),
        )


def lowest(history: Sequence[Validation]) -> Validation | None:
    """The best validation; None if there is none."""
    scored = [(one.key, one) for one in history if one.key is not None]
    return min(scored, key=lambda pair: pair[0], default=(None, None))[1]


def whole(value: Any) -> int:
    """A count that was read from a file.

    Raises:
        ValueError: it is not a count, or too large.
    """
    if type(value) is not int or not 0 <= value < MOST_STEPS:
        raise ValueError(f"expected a whole number, got {value!r}")
    return value


def finite(value: Any) -> float:
    """A finite number that was read from a file.

    Raises:
        ValueError: it is not one.
    """
    if not is_number(value):
        raise ValueError(f"expected a finite number, got {value!r}")
    return float(value)


class LearningCurve(NamedTuple):
    """A run's losses and errors; points are (step, value), ascending."""

    unit: str  # the unit of train and logged
    measure: str  # what val and best measure
    train: Sequence[Point]  # mean losses between validations
    logged: Sequence[Point]  # losses of single steps, from the log; may be empty
    val: Sequence[Point]
    best: Point | None
    steps: int
    epochs: float

    @property
    def comparable(self) -> bool:
        """Whether training and validation measure the same."""
        return self.unit == self.measure


def read_curve(path: Path, model_header: Mapping[str, Any], config: Config) -> LearningCurve:
    """Read the longest history in a run's folder, and its log; or the history in a single file.

    Anything that does not have the form that a training writes is left out.
    """
    header = model_header
    if path.is_dir():
        header = max((model_header, *_headers(path)), key=_last_step)
    history = _history(header)
    steps = _last_step(header)
    kind = kind_of(config.task)
    return LearningCurve(
        kind.unit_of(config.level),
        kind.measure_of(config.level),
        train=_points(history, "train"),
        logged=_logged(path / "metrics.jsonl", steps) if path.is_dir() else (),
        val=_points(history, "val"),
        best=best_validation(header),
        steps=steps,
        epochs=float(history[-1]["epoch"]) if history and is_number(history[-1]["epoch"]) else 0.0,
    )


def compared(folder: Path) -> dict[str, float]:
    """What the baselines reached on the validation text, by name, from the start of a run's log.

    Empty where the log lacks them, as in runs of earlier versions. The file is not trusted.
    """
    log = folder / "metrics.jsonl"
    try:
        if not log.is_file():
            return {}
        with log.open("rb") as file:
            records = [json.loads(file.readline(LONGEST_LINE) or b"{}") for _ in range(BEGINNING)]
        (record,) = (one for one in records if one.get("event") == "compared")
        figures = dict(record["figures"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}
    return {
        name: float(nats)
        for name, nats in figures.items()
        if METHOD.fullmatch(str(name)) and _is_loss(nats)
    }


def validation_losses(folder: Path) -> dict[int, float]:
    """The validation losses in a run's log, by step. The file is not trusted."""
    log, found = folder / "metrics.jsonl", {}
    with suppress(OSError, ValueError, RecursionError):
        for line in log.read_text("utf-8").splitlines():
            record = json.loads(line)
            if not isinstance(record, dict) or record.get("event") != "validation":
                continue
            step: Any = record.get("step")
            loss: Any = record.get("loss", record.get("nats"))
            if _is_step(step, 0) and _is_loss(loss):
                found[int(step)] = float(loss)
    return found


def best_validation(header: Mapping[str, Any]) -> Point | None:
    """Step and error of the best model, from its checkpoint's note, else from the history.

    The checkpoint of a training that has returned to an earlier state may lack both.
    """
    noted = _points(_history({"history": [header.get("best")]}, after=-1), "val")
    if noted:
        return noted[0]
    scored = [one for one in _history(header) if _is_loss(one.get("val"))]
    chosen = [one.get("chosen_by") for one in scored]
    keys = [key if _is_loss(key) else one["val"] for key, one in zip(chosen, scored, strict=True)]
    return min(zip(keys, _points(scored, "val"), strict=True), default=(None, None))[1]


def is_number(value: object) -> TypeGuard[float]:
    """Whether a value from a file is a finite number."""
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
    except OverflowError:  # an integer larger than any float
        return False


def _headers(folder: Path) -> Iterator[Mapping[str, Any]]:

    for name in ("last.npz", "previous.npz"):
        if (folder / name).is_file():
            try:
                yield read_checkpoint(folder / name)[0]
            except CheckpointError:
                continue


def _history(header: Mapping[str, Any], after: int = 0) -> list[dict[str, Any]]:
    """The entries of a header's history whose steps are numbers that ascend from ``after``."""
    history, kept, last = header.get("history"), [], after
    for entry in history if isinstance(history, list) else ():
        if isinstance(entry, dict) and _is_step(entry.get("step"), last):
            last = entry["step"]
            kept.append({"epoch": None, **entry})
    return kept


def _last_step(header: Mapping[str, Any]) -> int:
    history = _history(header)
    return int(history[-1]["step"]) if history else 0


def _points(history: list[dict[str, Any]], name: str) -> list[Point]:
    return [(e["step"], float(e[name])) for e in history if _is_loss(e.get(name))]


def _is_step(value: object, last: float) -> bool:
    return type(value) is int and last < value < MOST_STEPS


def _is_loss(value: object) -> bool:
    """Whether differences and means of this number are finite, too."""
    return is_number(value) and abs(value) < LARGEST


def _logged(path: Path, end: int) -> list[Point]:
    """The losses in a log up to a step; lines that no training has written are skipped."""
    points: list[Point] = []
    try:
        if not path.is_file():
            return points
        with path.open("rb") as file:
            for _ in range(MOST_LINES):
                line = file.readline(LONGEST_LINE)
                if not line:
                    break
                point = _logged_point(line)
                if point is not None and (points[-1][0] if points else 0) < point[0] <= end:
                    points.append(point)
    except OSError:
        return points
    return points


def _logged_point(line: bytes) -> Point | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or record.get("event") != "train":
        return None
    step: Any = record.get("step")
    nats: Any = record.get("nats")
    return (step, float(nats)) if _is_step(step, 0) and _is_loss(nats) else None
