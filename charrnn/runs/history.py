"""How a training went: its validations, as it makes them and as files hold them."""

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
"""Of a log; its own lines are far shorter."""
MOST_STEPS, LARGEST = 1 << 50, 1e15
"""Beyond these, what a file says is no training's."""

BEGINNING = 2
"""Lines of a log, among which is what there is to beat."""
METHOD = re.compile(r"[a-z0-9-]{1,20}")
"""A simple method's name."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Validation:
    """What one of them found.

    Attributes:
        step: updates made by then.
        epoch: passes over the training part.
        train: the mean training loss since the one before.
        val: what the best model has least of; nothing if nothing is held out.
    """

    step: int
    epoch: float
    train: float
    val: float | None

    def to_json(self) -> dict[str, Any]:
        """For a checkpoint."""
        return asdict(self)

    @classmethod
    def from_json(cls, written: Mapping[str, Any]) -> "Validation":
        """The inverse of :meth:`to_json`.

        Raises:
            KeyError, TypeError, ValueError, OverflowError: it is none.
        """
        val = written["val"]
        return cls(
            whole(written["step"]),
            finite(written["epoch"]),
            finite(written["train"]),
            None if val is None else finite(val),
        )


def lowest(history: Sequence[Validation]) -> Validation | None:
    """The validation with the lowest error; nothing without any."""
    scored = [(one.val, one) for one in history if one.val is not None]
    return min(scored, key=lambda pair: pair[0], default=(None, None))[1]


def whole(value: Any) -> int:
    """A number of things.

    Raises:
        ValueError: it is not one, or more than there can be.
    """
    if type(value) is not int or not 0 <= value < MOST_STEPS:
        raise ValueError(f"expected a whole number, got {value!r}")
    return value


def finite(value: Any) -> float:
    """A number that can be reckoned with.

    Raises:
        ValueError: it is not one.
    """
    if not is_number(value):
        raise ValueError(f"expected a finite number, got {value!r}")
    return float(value)


class LearningCurve(NamedTuple):
    """Points as (step, value), ascending."""

    unit: str  # of train and logged
    measure: str  # of val and best
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
    """Of a run's folder, the longest history that its files hold, and its log; of a file, its own.

    Whatever is not of the form that a training writes is left out.
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
    """What simple methods reached on the text held out, by name, as a run's log begins with it.

    Empty where it does not, as in runs of earlier versions. Taken without trust.
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
    """The losses on the validation set that a run's log has, by step. Taken without trust."""
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
    """Step and error of the best model, as its checkpoint notes it; else by the history.

    That of a training which has gone back to an earlier state may lack it.
    """
    noted = _points(_history({"history": [header.get("best")]}), "val")
    return min(noted or _points(_history(header), "val"), key=lambda p: p[1], default=None)


def is_number(value: object) -> TypeGuard[float]:
    """Whether a value from a file is a finite number."""
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
    except OverflowError:  # an integer beyond all floats
        return False


def _headers(folder: Path) -> Iterator[Mapping[str, Any]]:

    for name in ("last.npz", "previous.npz"):
        if (folder / name).is_file():
            try:
                yield read_checkpoint(folder / name)[0]
            except CheckpointError:
                continue


def _history(header: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Its entries whose steps are numbers that ascend."""
    history, kept, last = header.get("history"), [], 0
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
    """A number of which differences and means are numbers too."""
    return is_number(value) and abs(value) < LARGEST


def _logged(path: Path, end: int) -> list[Point]:
    """The losses of a log up to a step; lines that are not a training's are passed over."""
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
