"""Pairs of texts: a text and its label, a source and its translation."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

from charrnn.errors import InputError
from charrnn.text.cells import CSV, FASTTEXT, TSV, Cells, Row, cells_of
from charrnn.text.columns import listed
from charrnn.text.roles import LABELS, SOURCES, TARGETS, TEXTS, Role, choose
from charrnn.text.tables import Source, TableFile, shown

__all__ = ["Pair", "read_pairs"]

FEW = 8
"""Rows: with fewer, as many different labels may be chance."""

KNOWN = {"text": TEXTS, "label": LABELS, "source": SOURCES, "target": TARGETS}
SEVERAL = "for several labels a row: --task classify,loss=sigmoid"
WITHOUT = "for rows without a label: --task classify,loss=sigmoid"


@dataclass(frozen=True, slots=True)
class Pair:
    """Two texts of one row, without white space at their ends.

    Attributes:
        row: the number of its line, from 1; of its first line, where a cell contains line ends.
        left: the first of the task's two columns.
        right: the second.
    """

    row: int
    left: str
    right: str


def read_pairs(
    path: str,
    *,
    left: str = "text",
    right: str = "label",
    columns: str = "",
    named: str = "",
    several: str = "",
    encoding: str = "utf-8",
    stdin: BinaryIO | None = None,
) -> Source[tuple[Pair, ...]]:
    """Read rows of two texts: TSV, CSV, JSON lines or fastText's (:mod:`charrnn.text.cells`).

    White space at both ends of either text is removed; within a text, everything stays. Blank lines
    may end the file, but not interrupt it. Which columns are read is decided by ``columns``, or by
    what the file says of them (:func:`charrnn.text.roles.choose`).

    Args:
        path: a file's name; ``-`` is standard input.
        left: the name of the first text.
        right: the name of the second text; a ``label`` is one of a few kinds.
        columns: both columns by name or number, with a comma between.
        named: the names that the columns had in training, likewise; they are searched for first.
        several: what separates the labels of a row that has several; a row may then also have none.
            If empty, each row has one label.
        encoding: its encoding; with the default, a byte order mark decides if there is one.
        stdin: what ``-`` reads.

    Raises:
        InputError: a file cannot be read or decoded, has no rows, has no such columns, or has rows
            that are not two texts: the first one, and how many more.
    """
    file = TableFile(path, encoding, stdin)
    cells = cells_of(file)
    names = (left, right)
    width, rows = _alike(cells, len(names))
    if not cells.rows:
        file.check(0, "rows")
    roles = [Role(name, KNOWN.get(name, frozenset()), name == "label") for name in names]
    before = listed(named) if named else ()
    chosen = choose(file, roles, cells.names, rows, columns, before)
    between = "," if cells.form == CSV else "<TAB>"
    wanted = f"each row must be {left}{between}{right}" if width == len(names) else ""
    pairs = []
    header = rows[0][0] if chosen.header else 0
    for row, found in cells.rows:
        if row == header:
            continue
        if len(found) == width:
            texts = _texts(file, row, names, [found[k] for k in chosen.places], several, wanted)
            if texts:
                pairs.append(Pair(row, *texts))
        elif len(found) > 1:
            file.bad(row, f"{len(found)} columns, not {width}", wanted)
        else:
            file.bad(row, f"no tab between {left} and {right}" if found[0] else "blank", wanted)
    file.check(len(pairs), "rows")
    for place, role in enumerate(roles):
        if role.repeats:
            _check_order(file.path, pairs, place, chosen.places)
    notes = [chosen.asked] if chosen.asked else []
    if chosen.said or cells.quoted or cells.form != TSV:
        form = f"{cells.form} with quoted cells" if cells.quoted else cells.form
        notes.insert(0, f"read as {form}" + (f"; {chosen.said}" if chosen.said else ""))
    present = cells.names or (rows[0][1] if chosen.header else ())
    own = (
        tuple(str(present[k]) for k in chosen.places) if present and cells.form != FASTTEXT else ()
    )
    return replace(file.source(tuple(pairs), notes), named=own)


def _check_order(path: str, pairs: Sequence[Pair], place: int, places: Sequence[int]) -> None:
    """Raise InputError if the labels seem to be in the other column: few texts, many labels."""
    labels = {(pair.left, pair.right)[place] for pair in pairs}
    texts = {(pair.right, pair.left)[place] for pair in pairs}
    if len(pairs) >= FEW and len(labels) > len(pairs) / 2 and len(texts) < len(labels) / 2:
        other = ",".join(str(k + 1) for k in places[::-1])
        raise InputError(
            f"{path!r}: {len(labels)} labels of {len(pairs)} rows, {len(texts)} texts: are the "
            "columns swapped?",
            f"then give --columns {other}",
        )


def _alike(cells: Cells, least: int) -> tuple[int, list[Row]]:
    """The number of columns that most rows have, and those rows."""
    widths = Counter(len(found) for _, found in cells.rows)
    width = widths.most_common(1)[0][0] if widths else least
    width = max(width, least) if not cells.names else len(cells.names)
    return width, [(row, found) for row, found in cells.rows if len(found) == width]


def _texts(
    file: TableFile,
    row: int,
    names: tuple[str, str],
    values: list[Any],
    several: str,
    wanted: str,
) -> tuple[str, str] | None:
    """The two texts of a row; None if it does not have two, which is kept as a fault."""
    texts, empty = [], []
    for name, value in zip(names, values, strict=True):
        text, fault = _text(value, label=name == "label", several=several)
        if fault:
            file.bad(row, f"the {name} {fault}", SEVERAL if fault.endswith("labels") else "")
            return None
        texts.append(text)
        if not text and not (several and name == "label"):
            empty.append(name)
    if empty:
        hint = WITHOUT if empty == ["label"] else wanted
        file.bad(row, f"the {' and the '.join(empty)} is empty", hint)
        return None
    return texts[0], texts[1]


def _text(value: Any, *, label: bool, several: str) -> tuple[str, str]:
    """A cell as a text, and what is wrong with it."""
    if value is None:
        return "", ""
    if isinstance(value, str):
        return value.strip(), ""
    if label and isinstance(value, list) and all(isinstance(one, str | int) for one in value):
        if len(value) == 1 or several:
            return several.join(_text(one, label=True, several="")[0] for one in value), ""
        return "", f"has {len(value)} labels"
    if isinstance(value, bool):
        return str(value).lower(), ""
    if isinstance(value, int | float) and label:
        return f"{value:g}" if isinstance(value, float) else str(value), ""
    return "", f"is {shown(str(value))}, not a text"
