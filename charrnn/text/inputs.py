"""Texts to predict from, in a column of a table, read as training rows are."""

import csv
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from charrnn.errors import InputError
from charrnn.text.cells import FASTTEXT, LABEL, Cells, Row, cells_of
from charrnn.text.columns import listed
from charrnn.text.counts import counted
from charrnn.text.records import Record, records, unusable
from charrnn.text.roles import (
    LABELS,
    SOURCES,
    TAGS,
    TARGETS,
    TEXTS,
    Chosen,
    Role,
    choose,
    is_name,
    said,
)
from charrnn.text.tables import TableFile, shown

__all__ = ["Inputs", "read_inputs"]

HEAD = 1 << 16
"""Bytes in which the first line is searched for."""

TOKENS = "tokens"
KNOWN = {
    "text": TEXTS,
    "label": LABELS,
    "source": SOURCES | {"text", "sentence"},
    "target": TARGETS,
    TOKENS: TEXTS | {TOKENS, "words"},
    "tags": TAGS,
}


@dataclass(frozen=True)
class Inputs:
    """The texts of a column.

    Attributes:
        records: one for each row, in order; numbered as messages number rows.
        notes: how the file was read.
    """

    records: tuple[Record, ...]
    notes: tuple[str, ...]


class _Rows(TableFile):
    """A table in which a bad row does no harm to the others."""

    def __init__(self, path: str, encoding: str) -> None:
        super().__init__(path, encoding, None)
        self.faults: list[Record] = []

    def bad(self, row: int, what: str, hint: str = "") -> None:
        del hint
        fault = "is empty" if what == "blank" else f"cannot be read ({what})"
        self.faults.append(Record(row, "", fault))


def read_inputs(
    path: str,
    head: bytes | None,
    names: tuple[str, str],
    *,
    columns: str = "",
    trained: str = "",
    encoding: str = "utf-8",
) -> Inputs | None:
    """The texts of a table's rows; None if the file is not a table but one text on each line.

    A file is a table if ``columns`` say which column is read; or its name ends in ``.csv``; or its
    first line is a JSON object, or a fastText line, or the header of CSV or TSV in which the texts'
    column has a known name or its name in training. The column is decided, in this order, by
    ``columns``, ``trained``, the known names, and the order of the training rows.

    Args:
        path: a file's name; ``-`` is standard input.
        head: the first bytes of the file, or all; None if it can be read only once, which makes it
            a table.
        names: the task's names for its two columns, that of the texts first.
        columns: the column of the texts, by name or number.
        trained: the columns that the model was trained on, if the user named them.
        encoding: its encoding; with the default, a byte order mark decides if there is one.

    Raises:
        InputError: a table cannot be read or decoded, or does not say which column to read.
    """
    roles = [Role(name, KNOWN.get(name, frozenset()), name == "label") for name in names]
    named_csv = path.lower().endswith(".csv")
    sure = bool(columns) or named_csv or head is None
    if not sure and not _may_be_table(head or b"", roles[0], trained, encoding):
        return None
    file = _Rows(path, encoding)
    cells = cells_of(file)
    width, rows = _alike(cells)
    try:
        chosen = _chosen(file, cells, rows, roles, columns, trained, sure=sure)
    except InputError:
        if sure or cells.names:
            raise
        return None
    if not (sure or cells.names or chosen.header):
        return None
    place = chosen.places[0]
    header = rows[0][0] if chosen.header else 0
    present = cells.names or [str(cell) for cell in rows[0][1]] if rows else []
    found = [
        _record(row, values, width, place, tokens=names[0] == TOKENS)
        for row, values in cells.rows
        if row != header
    ]
    form = f"{cells.form} with quoted cells" if cells.quoted else cells.form
    which = said(roles[:1], [place], present, bool(cells.names), chosen.header) if rows else ""
    note = f"{file.path}: read as {form}" + (f"; {which}" if which else "")
    every = sorted([*found, *file.faults], key=lambda record: record.number)
    return Inputs(tuple(every), (*file.notes, note))


def _may_be_table(head: bytes, role: Role, trained: str, encoding: str) -> bool:
    """Whether a file's first line looks like that of a table which names its columns."""
    lines = (one for part in records([head[:HEAD]], encoding) for one in part)
    first = next((one.text.strip() for one in lines if one.text.strip()), "")
    if first.startswith(LABEL) or any(word.startswith(LABEL) for word in first.split()):
        return True
    if first.startswith("{"):
        try:
            return isinstance(json.loads(first), dict)
        except (ValueError, RecursionError):
            return len(head) > HEAD and len(first) >= HEAD // 4  # the beginning of a long object
    for separator in ",;\t":
        cells = next(csv.reader([first], delimiter=separator), [])
        # In prose a space comes after the comma.
        if len(cells) > 1 and not any(cell.startswith(" ") for cell in cells):
            own = [cell.strip().casefold() for cell in cells]
            if any(is_name(cell, role.known) for cell in cells) or _own(trained) in own:
                return True
    return False


def _own(trained: str) -> str:
    """The texts' column in training, in lower case; empty if the user did not name it."""
    return listed(trained)[0].casefold() if trained else ""


def _alike(cells: Cells) -> tuple[int, list[Row]]:
    """The number of columns that most rows have, and those rows."""
    widths = Counter(len(found) for _, found in cells.rows)
    width = widths.most_common(1)[0][0] if widths else 1
    return width, [(row, found) for row, found in cells.rows if len(found) == width]


def _chosen(
    file: TableFile,
    cells: Cells,
    rows: Sequence[Row],
    roles: Sequence[Role],
    columns: str,
    trained: str,
    *,
    sure: bool,
) -> Chosen:
    """The texts' column, first of those chosen; ``sure``: whether the file is certainly a table."""
    if not rows:
        return Chosen((0,), False)
    if not columns and trained and cells.form != FASTTEXT:
        own = listed(trained)[0]
        present = cells.names or [str(cell) for cell in rows[0][1]]
        there = own.casefold() in [name.casefold() for name in present]
        number = int(own[:9]) if own.isdecimal() and (sure or cells.names) else 0
        if there or 0 < number <= len(present):
            columns = '"' + own.replace('"', '""') + '"'
    try:
        return choose(file, roles[:1], cells.names, rows, columns)
    except InputError:
        if columns or cells.names or len(rows[0][1]) != len(roles):
            raise
        return choose(file, roles, (), rows)  # as for training rows


def _record(row: int, values: Sequence[Any], width: int, place: int, *, tokens: bool) -> Record:
    """A row's text, and what is wrong with it."""
    if len(values) != width:
        blank = not any(values)
        fault = "is empty" if blank else f"has {counted(len(values), 'column')}, not {width}"
        return Record(row, "", fault)
    value = values[place]
    if tokens and isinstance(value, list) and all(isinstance(one, str) for one in value):
        if any(" " in one.strip(" ") for one in value):
            return Record(row, " ".join(value), "has a token with a space in it")
        value = " ".join(value)
    if value is None:
        value = ""
    if not isinstance(value, str):
        return Record(row, str(value), f"is {shown(str(value))}, not a text")
    return Record(row, value, unusable(value, tabs=True))
