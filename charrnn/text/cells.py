"""Rows of cells from TSV, CSV, JSON lines and fastText files, told apart by their content.

TSV is taken literally, including quotes, unless its cells are quoted as Python's ``csv`` quotes
them and something proves it: only then are all rows equally wide, or a quoted cell contains a
doubled quote, or a column consists of quoted cells.
"""

import csv
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from shlex import quote
from typing import Any

from charrnn.errors import InputError
from charrnn.text.tables import TableFile, shown

__all__ = ["CSV", "FASTTEXT", "TSV", "Cells", "Row", "cells_of"]

TSV, CSV, JSON_LINES, FASTTEXT = "TSV", "CSV", "JSON lines", "fastText"
LABEL = "__label__"
LARGEST_CELL = 1 << 28
LABELS, TEXT = "labels", "text"
ANYWHERE = re.compile(rf"(?:^|(?<=\s)){LABEL}(\S*)")
NEARLY = 0.9

Row = tuple[int, list[Any]]


@dataclass(frozen=True)
class Cells:
    """The content of a file, cell by cell.

    Attributes:
        form: ``"TSV"``, ``"CSV"``, ``"JSON lines"`` or ``"fastText"``.
        names: ``(D,)`` of the columns, where every row gives them (JSON lines, fastText); else
            empty.
        rows: the number of each row's first line, from 1, and its cells: texts without white space
            at their ends; for JSON lines any values, and None for what a row lacks.
        quoted: whether tabs separate quoted cells.
    """

    form: str
    names: tuple[str, ...]
    rows: Sequence[Row]
    quoted: bool = False


def cells_of(file: TableFile) -> Cells:
    """The cells of a file; a line that is not a row is kept as a fault of ``file``.

    JSON lines begin with ``{``; in fastText files, nearly every line has a word that begins with
    ``__label__``. A file with a tab is TSV; one without is CSV if commas or semicolons divide all
    its rows alike, or if its name says so.

    Raises:
        InputError: the file is JSON, but not one object on each line.
    """
    first = next((line for line in file.lines if line.strip()), "")
    if first.lstrip()[:1] in ("[", "{"):
        if _is_json(file):
            raise InputError(
                f"{file.path!r} is one piece of JSON, not an object on each line",
                f"jq -c '.[]' {quote(file.path)} makes JSON lines of an array, jq -c . of objects",
            )
        if first.lstrip().startswith("{"):
            return _json_lines(file)
    if first.lstrip().startswith(LABEL) or _has_labels(file):
        return _fasttext(file)
    named_csv = file.path.lower().endswith(".csv")
    if any("\t" in line for line in (file.lines[:1] if named_csv else file.lines)):
        return _tsv(file)
    for separator in sorted(",;", key=lambda mark: -_bare(first).count(mark)):
        rows = _parsed(file, separator)
        widths = {len(cells) for _, cells in rows or () if cells}
        if rows and len(widths) == 1 and max(widths) > 1:
            return Cells(CSV, (), rows)
    if named_csv:
        separator = ";" if _bare(first).count(";") > _bare(first).count(",") else ","
        return Cells(CSV, (), _parsed(file, separator, faults=True) or ())
    return _literal(file)


def _is_json(file: TableFile) -> bool:
    """Whether a file of several lines, or of an array, is a single JSON value."""
    if len(file.lines) == 1 and file.lines[0].lstrip().startswith("{"):
        return False
    try:
        json.loads("\n".join(file.lines))
    except (ValueError, RecursionError):
        return False
    return True


def _has_labels(file: TableFile) -> bool:
    """Whether nearly all lines contain labels, and none a tab."""
    lines = [line for line in file.lines if line.strip()]
    labelled = sum(bool(ANYWHERE.search(line)) for line in lines)
    return labelled > NEARLY * len(lines) and not any("\t" in line for line in lines)


def _bare(line: str) -> str:
    """A line without its quoted parts."""
    return "".join(line.split('"')[::2])


def _literal(file: TableFile) -> Cells:
    rows = [(row, [cell.strip() for cell in line.split("\t")]) for row, line in file.rows()]
    return Cells(TSV, (), rows)


def _tsv(file: TableFile) -> Cells:
    literal = _literal(file)
    if not any(cell.startswith('"') for _, cells in literal.rows for cell in cells):
        return literal
    rows = _parsed(file, "\t")
    widths = {len(cells) for _, cells in rows or ()}
    if not rows or len(widths) > 1:
        return literal
    raw = [cells for _, cells in literal.rows]
    if len({len(cells) for cells in raw}) > 1:
        return Cells(TSV, (), rows, quoted=True)
    doubled = any('""' in cell[1:-1] for cells in raw for cell in cells if _is_quoted(cell))
    columns = any(all(map(_is_quoted, column)) for column in zip(*raw[1:], strict=True))
    if len(rows) == len(raw) and (doubled or columns):
        return Cells(TSV, (), rows, quoted=True)
    return literal


def _is_quoted(cell: str) -> bool:
    return len(cell) > 1 and cell[0] == cell[-1] == '"'


def _parsed(file: TableFile, separator: str, *, faults: bool = False) -> list[Row] | None:
    """The rows as Python's ``csv`` reads them.

    Where ``csv`` cannot: None; with ``faults``, the rows before, and the fault is kept.
    """
    previous = csv.field_size_limit(LARGEST_CELL)
    try:
        reader = csv.reader((line + "\n" for line in file.lines), delimiter=separator, strict=True)
        rows, number = [], file.start
        try:
            for cells in reader:
                rows.append((number, [cell.strip() for cell in cells] or [""]))
                number = reader.line_num + file.start
        except csv.Error as error:
            if not faults:
                return None
            file.bad(number, f"not CSV: {error}")
        return rows
    finally:
        csv.field_size_limit(previous)


def _json_lines(file: TableFile) -> Cells:
    found: list[tuple[int, dict[str, Any]]] = []
    names: dict[str, None] = {}
    for row, line in file.rows():
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            what = "blank" if not line.strip() else f"not JSON: {error}"
            file.bad(row, what, "put one object on a line: jq -c .")
            continue
        if isinstance(value, dict) and value:
            found.append((row, value))
            names |= dict.fromkeys(value)
        else:
            file.bad(
                row,
                f"{shown(line)} is not a JSON object with keys",
                "each line must be a JSON object",
            )
    return Cells(
        JSON_LINES, tuple(names), [(row, [one.get(name) for name in names]) for row, one in found]
    )


def _fasttext(file: TableFile) -> Cells:
    """Labels are words that begin with ``__label__``; the rest of a line is the text."""
    rows: list[Row] = []
    for row, line in file.rows():
        labels = ANYWHERE.findall(line)
        rest = re.sub(r"^\s+|\s+$", "", ANYWHERE.sub("", line))
        if not labels:
            file.bad(row, f"no word begins with {LABEL}" if rest else "blank")
        elif not all(labels):
            file.bad(row, f"{LABEL} without a name")
        else:
            rows.append((row, [labels, rest]))
    return Cells(FASTTEXT, (LABELS, TEXT), rows)
