"""Series of numbers: CSV, a row a step."""

import math
import re
from collections import Counter
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from charrnn.text.tables import Source, TableFile, shown

__all__ = ["Series", "read_series"]

POINT = "every cell is a number such as -1.5e3, with a decimal point"
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
NO_NUMBER = re.compile(r"[+-]?(nan|inf|infinity)", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Series:
    """Numbers, a row each step.

    Attributes:
        columns: ``(D,)`` their names: of the header, else ``"1"``, ``"2"``, ...
        values: ``(N, D)`` float64, all finite; not to be written to.
    """

    columns: tuple[str, ...]
    values: npt.NDArray[np.float64]


def read_series(
    path: str, *, encoding: str = "utf-8", stdin: BinaryIO | None = None
) -> Source[Series]:
    """Read a table of numbers, a row each step: CSV with a comma, semicolon or tab.

    What separates is the tab if the first line has one, else the semicolon, else the comma. A first
    row without any number in it is a header; a column that it does not name is called by its
    number. Numbers are written with a point, as in ``-1.5e3``.

    Args:
        path: a file's name; ``-`` is standard input.
        encoding: of the file; with the default a byte order mark decides, where there is one.
        stdin: what ``-`` reads.

    Raises:
        InputError: a file cannot be read or decoded, has no rows, repeats the name of a column, or
            has rows that are of another length or not all finite numbers: the first such row, and
            how many more.
    """
    file = TableFile(path, encoding, stdin)
    columns: tuple[str, ...] = ()
    values: list[list[float]] = []
    for row, cells in file.table():
        if cells in ([], [""]):
            file.bad(row, "blank", "every row is a step")
        elif not columns:
            columns = _header(file, row, cells)
            if not columns:
                columns = tuple(str(number + 1) for number in range(len(cells)))
                values.append(_numbers(file, row, columns, cells))
        elif len(cells) != len(columns):
            file.bad(row, f"{len(cells)} columns, not {len(columns)} as in the first row")
        else:
            values.append(_numbers(file, row, columns, cells))
    file.check(len(values), "rows of numbers")
    array = np.array(values, dtype=np.float64)
    array.setflags(write=False)
    return file.source(Series(columns, array))


def _header(file: TableFile, row: int, cells: list[str]) -> tuple[str, ...]:
    """The names of columns that the first row gives; none if it is of numbers."""
    numeric = [bool(NUMBER.fullmatch(cell) or NO_NUMBER.fullmatch(cell)) for cell in cells]
    if all(numeric) or not any(cells):
        return ()
    if any(numeric):
        place = numeric.index(False)
        file.bad(
            row,
            f"column {place + 1} is {shown(cells[place])} among numbers",
            "the first row is all names or all numbers",
        )
    names = tuple(cell or str(place + 1) for place, cell in enumerate(cells))
    again = [name for name, count in Counter(names).items() if count > 1]
    if again:
        file.bad(row, f"the column name {shown(again[0])} stands twice")
    return names


def _numbers(file: TableFile, row: int, columns: tuple[str, ...], cells: list[str]) -> list[float]:
    """A row's numbers, where every cell is one."""
    numbers = []
    for place, cell in enumerate(cells):
        number = float(cell) if NUMBER.fullmatch(cell) else math.nan
        numbers.append(number)
        if not math.isfinite(number):
            is_word = NO_NUMBER.fullmatch(cell) or number == math.inf or number == -math.inf
            what = f"{shown(cell)} is not {'finite' if is_word else 'a number'}"
            name = "" if columns[place] == str(place + 1) else f" ({shown(columns[place])})"
            file.bad(row, f"column {place + 1}{name}: {what if cell else 'empty'}", POINT)
    return numbers
