"""Points in a plane, drawn in plain characters."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

__all__ = ["COLUMNS", "ROWS", "Marks", "draw"]

ROWS, COLUMNS = 16, 60
TICK_ROWS, NARROWEST = 4, 6


class Marks(NamedTuple):
    """Points that share a mark, which is one character."""

    mark: str
    points: Sequence[tuple[float, float]]


def draw(
    series: Sequence[Marks],
    *,
    x: tuple[float, float],
    y: tuple[float, float],
    title: str,
    axis: str,
    form: str = ".1f",
    columns: int = COLUMNS,
    rows: int = ROWS,
) -> Iterator[str]:
    """The lines of a picture; where points of several series meet, the first series is shown.

    Args:
        series: what to draw; points outside the ranges are left out.
        x: the range from left to right, not empty.
        y: the range from bottom to top, not empty.
        title: the name of the vertical axis, on a line above.
        axis: the name of the horizontal axis, after the last number below.
        form: the format of the numbers on the left, as ``format`` takes it.
        columns, rows: the size in characters, minus one.
    """
    (left, right), (bottom, top) = x, y
    grid = [[" "] * (columns + 1) for _ in range(rows + 1)]
    for mark, points in reversed(series):
        for across, up in points:
            if left <= across <= right and bottom <= up <= top:
                column = round((across - left) * columns / (right - left))
                row = round((top - up) * rows / (top - bottom))
                grid[row][column] = mark
    numbers = [format(top - row * (top - bottom) / rows, form) for row in range(rows + 1)]
    width = max(NARROWEST, *map(len, numbers))
    yield title
    for row, line in enumerate(grid):
        tick = numbers[row] if row % TICK_ROWS == 0 else ""
        yield f"{tick:>{width}} |{''.join(line)}".rstrip()
    yield " " * (width + 1) + "+" + "-" * (columns + 1)
    first, middle, last = (f"{round(at):,}" for at in (left, (left + right) / 2, right))
    half = columns // 2
    below = first.ljust(half) + middle.ljust(columns + 1 - half - len(last)) + last
    yield " " * (width + 2) + f"{below}  {axis}"
