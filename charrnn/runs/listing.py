"""A table of the runs in a folder, each in a few figures."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from math import prod
from pathlib import Path
from typing import Any

from charrnn.checkpoint import read_checkpoint
from charrnn.errors import CheckpointError
from charrnn.runs.ancestry import LONGEST_PATH, MOST_PATHS
from charrnn.runs.find import FILES, in_words
from charrnn.runs.history import best_validation, is_number
from charrnn.tasks.kinds import KINDS

__all__ = ["Listed", "listed", "runs_in"]


@dataclass(frozen=True)
class Listed:
    """A run. What its files do not say, or do not say correctly, is None."""

    name: str
    date: str  # the local time of its last save
    minutes: float | None  # minutes of training, by its log
    data: str | None = None
    task: str | None = None
    cell: str | None = None
    loss: float | None = None  # the error of its best model
    measure: str | None = None  # what that error measures, in words
    good: str | None = None  # the score that is one minus the error
    epochs: float | None = None
    size: int | None = None  # number of weights
    error: str | None = None  # why it cannot be read


def runs_in(folder: Path) -> list[Path]:
    """The run folders in a folder, the latest first."""
    found = []
    try:
        for path in folder.iterdir():
            files = [path / name for name in FILES if (path / name).is_file()]
            if files:
                found.append((max(file.stat().st_mtime for file in files), path))
    except OSError:
        return []
    return [path for _, path in sorted(found, reverse=True)]


def listed(path: Path) -> Listed:
    """One run. Its files are not trusted."""
    file = next(path / name for name in ("last.npz", *FILES) if (path / name).is_file())
    date = datetime.fromtimestamp(file.stat().st_mtime).strftime("%Y-%m-%d %H:%M")
    try:
        header, arrays = read_checkpoint(file)
        config = header["config"]
        task, cell = str(config["task"]), str(config["cell"])
        cell = f"{config['layers']} × {config['hidden']} {cell}"
        if config.get("members", 1) != 1:
            cell += f", mean of {config['members']}"
    except (CheckpointError, KeyError, TypeError) as error:
        why = str(error) if isinstance(error, CheckpointError) else f"{file} is not whole"
        return Listed(path.name, date, _minutes(path), error=why)
    best = best_validation(header)
    weights = [a for n, a in arrays.items() if n.startswith("finished.")]
    if not weights:  # a single network, or the first of an average
        others = ("optimizer.", "state.", "good.")
        weights = [a for n, a in arrays.items() if not n.startswith(others)]
    return Listed(
        path.name,
        date,
        _minutes(path),
        _data(header),
        task,
        cell,
        None if best is None else best[1],
        KINDS[task].measure_of(str(config.get("level", "char"))) if task in KINDS else None,
        _good(task, header),
        _epochs(header),
        sum(prod(array.shape) for array in weights),
    )


def _good(task: str, header: Mapping[str, Any]) -> str | None:
    good = KINDS[task].good if task in KINDS else None
    try:
        return None if good is None else good(header)
    except (KeyError, TypeError, AttributeError):
        return None


def _data(header: Mapping[str, Any]) -> str | None:
    try:
        paths = header["training"]["corpus"]["paths"]
        names = in_words([Path(str(path)[-LONGEST_PATH:]).name for path in paths[:MOST_PATHS]])
    except (KeyError, TypeError):
        return None
    return {"": "help topics", "-": "standard input"}.get(names, names)


def _epochs(header: Mapping[str, Any]) -> float | None:
    try:
        epochs = header["history"][-1]["epoch"]
    except (KeyError, TypeError, IndexError):
        return None
    return float(epochs) if is_number(epochs) else None


def _minutes(path: Path) -> float | None:
    """Minutes by a log, in which seconds begin again at zero each time a run is resumed."""
    total = before = 0.0
    for seconds in _seconds(path / "metrics.jsonl"):
        total += seconds - before if seconds >= before else seconds
        before = seconds
    return total / 60 if total else None


def _seconds(log: Path) -> Iterator[float]:
    try:
        with log.open("rb") as file:
            for line in file:
                try:
                    seconds = json.loads(line)["seconds"]
                except (ValueError, KeyError, TypeError, RecursionError):
                    continue
                if is_number(seconds) and seconds >= 0:
                    yield seconds
    except OSError:
        return
