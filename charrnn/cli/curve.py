"""The learning curve of a run, drawn at a terminal."""

import shutil
import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from charrnn.cli.plot import COLUMNS, ROWS, Marks, draw
from charrnn.runs.history import LearningCurve
from charrnn.tasks.figures import figure

__all__ = ["Panel", "draw_curve", "panels"]

WIDEST = 120

Point = tuple[float, float]


class Panel(NamedTuple):
    """Lines that share a vertical axis."""

    title: str
    train: Sequence[Point]
    logged: Sequence[Point]
    val: Sequence[Point]
    best: Point | None


def panels(curve: LearningCurve) -> list[Panel]:
    """One panel, or one for each measure, with at least two points."""
    error = curve.measure
    if curve.comparable:
        found = [Panel(f"loss, {error}", curve.train, curve.logged, curve.val, curve.best)]
    else:
        found = [
            Panel(f"training loss, {curve.unit}", curve.train, curve.logged, (), None),
            Panel(f"validation: {error}", (), (), curve.val, curve.best),
        ]
    return [panel for panel in found if max(len(panel.train), len(panel.val)) > 1]


def draw_curve(curve: LearningCurve) -> Iterator[str]:
    """The lines of the pictures, or one line that says why there are none."""
    shown = panels(curve)
    if not shown:
        points = max(len(curve.val), len(curve.train))
        why = "it takes two validations" if points else "the checkpoint has no history"
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
        yield f"* best: {figure(value)} at step {step:,.0f}   o validation   . training"
    else:
        yield ". training; this run has no validation set"


def _draw_panel(panel: Panel, steps: int, columns: int, rows: int) -> Iterator[str]:
    """Draw a panel in the range of the means: most of the first single losses are far above."""
    train = _thinned(panel.logged or panel.train, steps, columns)
    # The best point may be from a part of the training that was given up.
    best = [panel.best] if panel.best else []
    coarse = [value for _, value in (*panel.train, *panel.val, *best)]
    top = max(coarse)
    bottom = min(coarse + [value for _, value in train])
    if top - bottom < 1e-9 * abs(top) + 1e-12:
        top, bottom = top + 0.5, bottom - 0.5
    above = sum(value > top for _, value in train)
    series = [
        Marks("*", best),
        Marks("o", panel.val),
        Marks(".", train),
    ]
    yield from draw(
        series,
        x=(0, max([steps, *(step for step, _ in best)])),
        y=(bottom, top),
        title=panel.title + (" (the first training losses are higher)" if above else ""),
        axis="steps",
        form=".3f" if 0.01 < top - bottom < 1000 else ".4g",
        columns=columns,
        rows=rows,
    )


def _thinned(points: Sequence[Point], steps: int, columns: int) -> list[Point]:
    """The mean of the points that share a column, so that noise does not fill the picture."""
    sums: dict[int, list[float]] = {}
    for step, value in points:
        sums.setdefault(round(step * columns / steps), []).append(value)
    return [(at * steps / columns, sum(some) / len(some)) for at, some in sums.items()]
