"""Columns of a table, as users name them and as messages do."""

import csv
import io
from collections.abc import Sequence
from shlex import quote

from charrnn.errors import InputError
from charrnn.text.tables import shown

__all__ = ["column", "columns_option", "found", "joined", "listed", "option", "told"]

NAMED, LONGEST = 8, 60
"""How many columns a message names before it only counts; characters of names in an option."""


def found(path: str, names: Sequence[str], columns: str | Sequence[str]) -> list[int]:
    """The places of the columns that a user names.

    Raises:
        InputError: no column has that name, or several have it; or one is named twice.
    """
    wanted = listed(columns) if isinstance(columns, str) else columns
    places: list[int] = []
    for name in wanted:
        alike = [k for k, known in enumerate(names) if known == name]
        alike = alike or [k for k, known in enumerate(names) if known.casefold() == name.casefold()]
        if not alike and name.isascii() and name.isdecimal() and 0 < int(name) <= len(names):
            alike = [int(name) - 1]
        if len(alike) != 1:
            what = "several columns" if alike else "no column"
            there = told(names, range(len(names)), most=100)
            raise InputError(f"{path!r} has {what} {name!r}; its columns are {there}")
        if alike[0] in places:
            raise InputError(f"the column {name!r} is named twice", "name each once")
        places += alike
    return places


def listed(text: str) -> list[str]:
    """Names separated by commas, as ``--columns`` takes them; quoted as in CSV where needed."""
    try:
        rows = list(csv.reader(io.StringIO(text), skipinitialspace=True, strict=True))
    except csv.Error as error:
        raise InputError(
            f"--columns {text}: {error}", "give names or numbers with commas between"
        ) from None
    names = [cell.strip() for row in rows for cell in row]
    if not all(names):
        raise InputError(
            f"--columns {text}: a name is empty", "give names or numbers with commas between"
        )
    return names


def column(names: Sequence[str], place: int, *, bare: bool = False) -> str:
    """A column, in words."""
    name = "" if names[place] == str(place + 1) else shown(names[place])
    return f"column {place + 1}" + (f" {name}" if bare and name else f" ({name})" if name else "")


def told(
    names: Sequence[str],
    places: Sequence[int],
    kinds: Sequence[str] = (),
    *,
    long: bool = False,
    most: int = NAMED,
) -> str:
    """Columns in words: ``columns 1 'Month' (dates) and 3 'Note' (words)``."""
    if not places:
        return "none"
    described = [
        column(names, place, bare=True).removeprefix("column ")
        + (f" ({kinds[place]})" if kinds else "")
        for place in places[:most]
    ]
    if len(places) > most:
        described.append(f"{len(places) - most:,} more")
    *before, last = described
    text = f"{', '.join(before)} and {last}" if before else last
    return f"column{'s' * (len(places) > 1)} {text}" if long else text


def option(names: Sequence[str], places: Sequence[int]) -> str:
    """Columns as ``--columns`` takes them, by name, or by number where names are long."""
    text = columns_option([names[place] for place in places])
    if len(text) > LONGEST or len(set(names)) < len(names) or not text.isprintable():
        return ",".join(str(place + 1) for place in places)
    return text


def columns_option(names: Sequence[str]) -> str:
    """Names as ``--columns`` takes them, in a shell."""
    return quote(joined(names))


def joined(names: Sequence[str]) -> str:
    """The inverse of :func:`listed`."""
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(names)
    return text.getvalue()
