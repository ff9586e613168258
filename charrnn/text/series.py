"""Series of numbers: CSV files with one row for each step."""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite, nan
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from charrnn.errors import InputError
from charrnn.text.chosen import choice
from charrnn.text.columns import column, found, option, told
from charrnn.text.counts import counted
from charrnn.text.numerals import (
    COMMAS,
    GAPS,
    Kind,
    is_missing,
    kind_of,
    kind_of_all,
    number,
    trouble,
)
from charrnn.text.tables import Source, TableFile, shown

__all__ = ["Series", "read_series"]

LARGEST = 1e100
"""The largest value: sums of squares of larger ones could overflow."""


Rows = list[tuple[int, list[str]]]
Faults = list[tuple[int, str, str]]


@dataclass(frozen=True, eq=False)
class Series:
    """Numbers, one row for each step.

    Attributes:
        columns: ``(D,)`` their names: from the header, else their numbers, ``"1"``, ``"2"``, ...
        values: ``(N, D)`` float64, all finite; read-only.
    """

    columns: tuple[str, ...]
    values: npt.NDArray[np.float64]


def read_series(
    path: str,
    *,
    encoding: str = "utf-8",
    stdin: BinaryIO | None = None,
    columns: str | Sequence[str] = "",
    decimal: str = "point",
    missing: str = "error",
    index: str = "keep",
) -> Source[Series]:
    """Read the columns of numbers in a table with a row for each step: CSV, also with ``;`` or tab.

    The separator is the tab if the first two lines have one, else the semicolon, else the comma. A
    first row is a header if it has names above numbers or above dates; a column without a name is
    called by its number. By default all columns of numbers are read.

    Args:
        path: a file's name; ``-`` is standard input.
        encoding: its encoding; with the default, a byte order mark decides if there is one.
        stdin: what ``-`` reads.
        columns: the columns to read, in this order: names or numbers from 1, separated by commas,
            or a list of names. A name is searched for exactly, then without regard to case, then as
            a number.
        decimal: ``"point"`` for ``-1.5e3``, ``"comma"`` for ``-1.500,5``.
        missing: how a missing value is handled: ``"error"``, ``"previous"`` (take the value of the
            row before), or ``"skip"`` (leave the row out).
        index: whether ``"keep"`` or ``"leave"`` out columns that tell the time (years, dates, row
            numbers), if ``columns`` is not given.

    Raises:
        InputError: a file cannot be read or decoded, has no rows, lacks a column, has two columns
            of a name that is read, or has rows of another length or without a number in a column
            that is read: the first bad row, and how many more there are.
    """
    file = TableFile(path, encoding, stdin)
    faults: Faults = []
    rows = _rows(file, decimal, faults)
    if not rows:
        _check(file, faults, 0)
    top = next((k for k, (_, cells) in enumerate(rows) if any(cells)), 0)
    top_row, first = rows[top]
    rest = rows[:top] + rows[top + 1 :]
    kinds = _kinds(rest, len(first))
    if _is_header(top_row, first, kinds, bool(rest), faults):
        unnamed = (f"column {k}" if str(k) in first else str(k) for k in range(1, len(first) + 1))
        names = tuple(cell or name for cell, name in zip(first, unnamed, strict=True))
        rows = rest
    else:
        names, kinds = tuple(str(k + 1) for k in range(len(first))), _kinds(rows, len(first))
    places = found(file.path, names, columns)
    asked = bool(places)
    numeric = [place for place, kind in enumerate(kinds) if kind == "numbers"]
    for place in places:
        if kinds[place] in ("dates", "words"):
            raise InputError(
                f"{file.path!r}: {column(names, place, bare=True)} has {kinds[place]}, not numbers",
                f"choose the columns of numbers: --columns {option(names, numeric)}"
                if numeric
                else "",
            )
    places = places or numeric
    if rows and not places and not faults:
        raise InputError(
            f"{file.path!r} has no column of numbers: {told(names, range(len(names)), kinds)}",
            "separate cells with commas, semicolons or tabs",
        )
    for place in places:
        if names.count(names[place]) > 1:
            what = f"two columns have the name {shown(names[place])}"
            faults.append((top_row, what, "rename one, or leave them out with --columns"))
    values, notes = _values(rows, names, places, decimal, missing, faults)
    _check(file, faults, len(values))
    array = np.array(values, dtype=np.float64)
    array.setflags(write=False)
    if not asked:
        read, told_of = choice(names, places, kinds, array, index)
        array, places = array[:, [places.index(place) for place in read]], read
        array.setflags(write=False)
        notes = told_of + notes
    return file.source(Series(tuple(names[place] for place in places), array), notes)


def _check(file: TableFile, faults: Faults, count: int) -> None:
    """Raise InputError for the first faulty row, or if there are no rows."""
    for fault in sorted(faults, key=lambda fault: fault[0]):
        file.bad(*fault)
    file.check(count, "rows of numbers")


def _rows(file: TableFile, decimal: str, faults: Faults) -> Rows:
    """The cells of each row, all of the same number, and the number of its first line."""
    lines = "\n".join(file.lines).rstrip("\r\n").replace("\r", "\n").split("\n")
    separator = _separator(lines, decimal)
    reader = csv.reader(
        (line + "\n" for line in lines), delimiter=separator, skipinitialspace=True, strict=True
    )
    rows: Rows = []
    row = file.start
    try:
        for cells in reader:
            rows.append((row, [cell.strip() for cell in cells]))
            row = reader.line_num + file.start
    except csv.Error as error:
        faults.append((row, f"not CSV: {error}", ""))
    width = len(next((cells for _, cells in rows if any(cells)), ()))
    even: Rows = []
    for row, cells in rows if width else ():
        if not any(cells):
            even.append((row, [""] * width))
        elif len(cells) == width:
            even.append((row, cells))
        else:
            broken = width == 1 and kind_of(separator.join(cells)) == "numbers"
            what = f"{counted(len(cells), 'column')}, not {width} as in the first row"
            faults.append((row, what, COMMAS if broken else ""))
    return even


def _separator(lines: Sequence[str], decimal: str) -> str:
    """What separates the cells in the first two lines, or in the first."""
    bare = [re.sub(r'"[^"]*"', "", line) for line in lines[:100] if line.strip()] or [""]
    first, second = bare[0], bare[min(1, len(bare) - 1)]
    # The only comma may be inside a number.
    only_decimal = decimal == "comma" and not re.search(r"(?<![0-9]),|,(?![0-9])", first)
    marks = "\t;" if only_decimal else "\t;,"
    found = [mark for mark in marks if mark in first]
    both = [mark for mark in found if mark in second]
    return (both or found or (";" if only_decimal else ","))[0]


def _kinds(rows: Rows, width: int) -> list[Kind]:
    """The kind of each column."""
    return [kind_of_all([cells[place] for _, cells in rows]) for place in range(width)]


NUMBERS = ("numbers", "numbers")


def _is_header(
    row: int, cells: Sequence[str], kinds: Sequence[Kind], followed: bool, faults: Faults
) -> bool:
    """Whether the first row names the columns; ``kinds`` are those of the rows below it."""
    pairs = [(kind_of(cell), below) for cell, below in zip(cells, kinds, strict=True)]
    if not followed:
        return "numbers" not in dict(pairs)
    if ("words", "dates") in pairs:
        return True
    tops = [cell for cell, pair in zip(cells, pairs, strict=True) if pair == NUMBERS]
    others = [(cell, pair) for cell, pair in zip(cells, pairs, strict=True) if pair != NUMBERS]
    beside = all(not cell or pair == ("words", "words") for cell, pair in others)
    whole = len(tops) > 1 and all(cell.isdecimal() for cell in tops)
    if others and beside and whole and all(int(b) == int(a) + 1 for a, b in pairwise(tops)):
        return True  # years, or the columns' own numbers
    named = [pair in (("words", "numbers"), ("dates", "numbers")) for pair in pairs]
    if NUMBERS not in pairs:
        return any(named) or "numbers" not in dict(pairs)
    if any(named):
        place = named.index(True)
        faults.append(
            (
                row,
                f"column {place + 1} is {shown(cells[place])} among numbers",
                "the first row must be all names or all numbers",
            )
        )
    return False


def _values(
    rows: Rows,
    names: Sequence[str],
    places: Sequence[int],
    decimal: str,
    missing: str,
    faults: Faults,
) -> tuple[list[list[float]], list[str]]:
    """The numbers of each row, and notes on missing ones."""
    values: list[list[float]] = []
    left_out: list[int] = []
    filled = 0
    for row, cells in rows:
        found = [number(cells[place], decimal) for place in places]
        numbers = [nan if value is None else value for value in found]
        if all(abs(value) <= LARGEST for value in numbers):
            values.append(numbers)
            continue
        gaps = [k for k, place in enumerate(places) if is_missing(cells[place])]
        if missing == "skip" and gaps:
            left_out.append(row)
            continue
        if missing == "previous" and values:
            filled += len(gaps)
            for k in gaps:
                numbers[k] = values[-1][k]
            gaps = []
        values.append(numbers)
        if missing == "error" and not any(cells):
            faults.append((row, "blank", GAPS))
            continue
        for k, place in enumerate(places):
            if k in gaps or not abs(numbers[k]) <= LARGEST:
                what, hint = _fault(cells[place], numbers[k], decimal, missing)
                if kind_of(cells[place]) == "words" and len(places) > 1:
                    others = [other for other in places if other != place]
                    hint += f"; to leave this column out: --columns {option(names, others)}"
                faults.append((row, f"{column(names, place)}: {what}", hint))
    notes = []
    if filled:
        values_are = "values are those" if filled > 1 else "value is that"
        notes.append(f"{filled:,} missing {values_are} of the row before")
    if left_out:
        many = len(left_out) > 1
        notes.append(
            f"{len(left_out):,} row{'s' * many} without a value {'are' if many else 'is'} left "
            f"out{', the first' * many}: row {left_out[0]}"
        )
    return values, notes


def _fault(cell: str, value: float, decimal: str, missing: str) -> tuple[str, str]:
    """What is wrong with a cell, and what to do."""
    if is_missing(cell) and missing == "previous":
        return "a missing value, and no row before it", "begin with a complete row"
    if isfinite(value):
        return f"{shown(cell)} is too large to be squared", "divide the column by a power of ten"
    return trouble(cell, decimal)
