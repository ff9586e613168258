"""The learning curve of a run: read without trust, and drawn at a terminal."""

import json
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

from charrnn.cli.plot import COLUMNS, ROWS, Series, draw
from charrnn.errors import CheckpointError

__all__ = [
    "ERRORS",
    "LearningCurve",
    "Panel",
    "best_validation",
    "draw_curve",
    "is_number",
    "panels",
    "read_curve",
]

ERRORS = {
    "lm": "nats/char",
    "generate": "nats/char",
    "classify": "1 - accuracy",
    "tag": "1 - F1 of spans, or 1 - accuracy",
    "translate": "character error rate",
    "forecast": "loss",
}
"""What the best model has least of, by task."""
SAME_MEASURE = ("lm", "generate", "forecast")
"""Tasks whose validation measures what training makes small."""

WIDEST = 120
LONGEST_LINE, MOST_LINES = 1 << 14, 1 << 22
"""Of a log; its own lines are far shorter."""
MOST_STEPS, LARGEST = 1 << 50, 1e15
"""Beyond these, what a file says is no training's."""

Point = tuple[float, float]


class LearningCurve(NamedTuple):
    """Points as (step, value), ascending."""

    task: str
    train: Sequence[Point]  # mean losses between validations
    logged: Sequence[Point]  # losses of single steps, from the log; may be empty
    val: Sequence[Point]
    best: Point | None
    steps: int
    epochs: float


class Panel(NamedTuple):
    """What shares a vertical axis."""

    title: str
    train: Sequence[Point]
    logged: Sequence[Point]
    val: Sequence[Point]
    best: Point | None


def read_curve(argument: str, model_header: Mapping[str, Any], task: str) -> LearningCurve:
    """Of a run's folder, the longest history that its files hold, and its log; of a file, its own.

    Whatever is not of the form that a training writes is left out.
    """
    folder, header = Path(argument), model_header
    if folder.is_dir():
        header = max((model_header, *_headers(folder)), key=_last_step)
    history = _history(header)
    steps = _last_step(header)
    val = _points(history, "val")
    return LearningCurve(
        task,
        train=_points(history, "train"),
        logged=_logged(folder / "metrics.jsonl", steps) if folder.is_dir() else (),
        val=val,
        best=best_validation(header),
        steps=steps,
        epochs=float(history[-1]["epoch"]) if history and is_number(history[-1]["epoch"]) else 0.0,
    )


def best_validation(header: Mapping[str, Any]) -> Point | None:
    """Step and error of the best model, as its checkpoint notes it; else by the history.

    That of a training which has gone back to an earlier state may lack it.
    """
    noted = header.get("best")
    noted = _points(_history({"history": [noted]}), "val")
    return min(noted or _points(_history(header), "val"), key=lambda p: p[1], default=None)


def is_number(value: object) -> TypeGuard[float]:
    """Whether a value from a file is a finite number."""
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
    except OverflowError:  # an integer beyond all floats
        return False


def _headers(folder: Path) -> Iterator[Mapping[str, Any]]:
    from charrnn.checkpoint import read_checkpoint

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


def panels(curve: LearningCurve) -> list[Panel]:
    """One, or one for each measure; only those with two points or more."""
    error = ERRORS.get(curve.task, "error")
    if curve.task in SAME_MEASURE:
        found = [Panel(f"loss, {error}", curve.train, curve.logged, curve.val, curve.best)]
    else:
        found = [
            Panel("training loss, nats", curve.train, curve.logged, (), None),
            Panel(f"validation: {error}", (), (), curve.val, curve.best),
        ]
    return [panel for panel in found if max(len(panel.train), len(panel.val)) > 1]


def draw_curve(curve: LearningCurve) -> Iterator[str]:
    """The lines of its pictures, or one that says why there are none."""
    shown = panels(curve)
    if not shown:
        points = max(len(curve.val), len(curve.train))
        why = "one validation is one point" if points else "there is no history"
        yield f"No learning curve: {why}."
        return
    columns = COLUMNS
    if sys.stdout.isatty():
        size = shutil.get_terminal_size((80, 24))
        columns = max(20, min(WIDEST, size.columns - 22))
    for panel in shown:
        yield from _draw_panel(panel, curve.steps, columns, ROWS if len(shown) == 1 else ROWS // 2)
    if curve.best is not None:
        step, value = curve.best
        yield f"* best: {value:.4f} at step {step:,.0f}   o validation   . training"
    else:
        yield ". training; nothing was held out to validate with"


def _draw_panel(panel: Panel, steps: int, columns: int, rows: int) -> Iterator[str]:
    """The range is that of the means: of the first losses of all, most are far above them."""
    train = _thinned(panel.logged or panel.train, steps, columns)
    # The best may be of a way that was given up.
    best = [panel.best] if panel.best else []
    coarse = [value for _, value in (*panel.train, *panel.val, *best)]
    top = max(coarse)
    bottom = min(coarse + [value for _, value in train])
    if top - bottom < 1e-9 * abs(top) + 1e-12:
        top, bottom = top + 0.5, bottom - 0.5
    above = sum(value > top for _, value in train)
    series = [
        Series("*", best),
        Series("o", panel.val),
        Series(".", train),
    ]
    yield from draw(
        series,
        x=(0, max([steps, *(step for step, _ in best)])),
        y=(bottom, top),
        title=panel.title + (" (the first of training are above)" if above else ""),
        axis="steps",
        form=".3f" if 0.01 < top - bottom < 1000 else ".4g",
        columns=columns,
        rows=rows,
    )


def _thinned(points: Sequence[Point], steps: int, columns: int) -> list[Point]:
    """The mean of those that share a column, so that noise does not blacken the picture."""
    sums: dict[int, list[float]] = {}
    for step, value in points:
        sums.setdefault(round(step * columns / steps), []).append(value)
    return [(at * steps / columns, sum(some) / len(some)) for at, some in sums.items()]
