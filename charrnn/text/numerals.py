"""What a cell of a series contains: a number, a date or time, nothing, or words."""

import re
from collections.abc import Sequence
from typing import Literal

from charrnn.text.tables import shown

__all__ = [
    "DECIMAL",
    "MISSING",
    "Kind",
    "is_missing",
    "kind_of",
    "kind_of_all",
    "number",
    "trouble",
]

DECIMAL = ("point", "comma")
"""What separates the fraction of a number."""

MISSING = ("error", "previous", "skip")
"""What happens to a missing value: an error, the row before's value, or the row is left out."""

Kind = Literal["numbers", "dates", "empty", "words"]

THOUSANDS = r"[.'’\s]"
"""What separates thousands where the comma is decimal."""
EXPONENT = r"(?:[eE][+-]?[0-9]+)?"
NUMBER = {
    "point": re.compile(rf"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+){EXPONENT}"),
    "comma": re.compile(
        rf"[+-]?(?:(?:[1-9][0-9]{{0,2}}(?:{THOUSANDS}[0-9]{{3}})+|[0-9]+)(?:,[0-9]*)?|,[0-9]+)"
        rf"{EXPONENT}"
    ),
}
NOT_FINITE = re.compile(r"[+-]?(?:inf|infinity)", re.IGNORECASE)
FOR_PEOPLE = re.compile(
    r"[+\-−]?[$€£¥]?[+\-−]?\s?"
    rf"(?:[0-9]+|[0-9]{{1,3}}(?:(?:,|{THOUSANDS})[0-9]{{3}})+)?(?:[.,][0-9]*)?"
    rf"\s?(?:[%$€£¥]|{EXPONENT})?"
)
"""What a person reads as a number, in any notation."""

NOTHING = frozenset({"", "?", "-", ".", "na", "n/a", "#n/a", "nan", "null", "none"})

MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
TIME = r"[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?(?:\s?[ap]\.?m\.?)?"
ZONE = r"(?:\s?(?:z|utc|gmt|[+-][0-9]{2}:?(?:[0-9]{2})?))?"
DAY = "|".join(
    (
        r"[0-9]{4}[-/.\s][0-9]{1,2}(?:[-/.\s][0-9]{1,2})?",  # 2020-01-31, 2020/1
        r"[0-9]{1,2}[-/.\s][0-9]{1,2}[-/.\s][0-9]{2}(?:[0-9]{2})?",  # 31.01.2020, 1/31/20
        r"[0-9]{1,2}[-/][0-9]{4}",  # 01/2020
        rf"(?:[0-9]{{1,2}}[-/.,\s]*)?{MONTH}[-/.,\s]*'?[0-9]{{2,4}}",  # 31 Jan 2020, Jan-20
        rf"{MONTH}[-/.,\s]+[0-9]{{1,2}},?\s+[0-9]{{4}}",  # January 31, 2020
        rf"[0-9]{{2,4}}[-/.,\s]*{MONTH}(?:[-/.,\s]+[0-9]{{1,2}})?",  # 2020 Jan, 20-Jan
        r"[0-9]{4}[-\s]?[qmw][0-9]{1,2}(?:-[0-9])?",  # 2020Q1, 2020-W05
        r"q[1-4][-/\s]?[0-9]{4}",  # Q1 2020
    )
)
DATE = re.compile(
    rf"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*[.,]?\s+)?"
    rf"(?:(?:{DAY})(?:(?:t|,?\s+){TIME}{ZONE})?|{TIME}{ZONE})",
    re.IGNORECASE,
)

MONTHS = re.compile(r"(?:0[1-9]|1[0-2])\.(?:1[89]|20)[0-9]{2}")
"""``01.2020``: a date if the whole column has this form, else a number."""

NUMBERS = "write each cell as a number such as -1.5e3, with a decimal point and no signs like %"
COMMAS = "for decimal commas: --task forecast,decimal=comma; write no commas between thousands"
POINTS = "with decimal=comma, points separate thousands and the comma is decimal: 1.234,5"
GAPS = (
    "to use the value of the row before: --task forecast,missing=previous; to skip the row: "
    "missing=skip"
)


def is_missing(cell: str) -> bool:
    """Whether a cell stands for a missing value: it is empty, or ``?``, ``NA``, ``null``, ..."""
    return cell.casefold() in NOTHING


def number(cell: str, decimal: str) -> float | None:
    """The value of a cell, infinite if it is beyond all doubles; None if it is not a number."""
    if not NUMBER[decimal].fullmatch(cell):
        return float(cell) if NOT_FINITE.fullmatch(cell) else None
    return float(re.sub(THOUSANDS, "", cell).replace(",", ".") if decimal == "comma" else cell)


def kind_of(cell: str) -> Kind:
    """The kind of a cell, whatever notation its number has."""
    if is_missing(cell):
        return "empty"
    if any(map(str.isdecimal, cell)) and FOR_PEOPLE.fullmatch(cell):
        return "numbers"
    if NOT_FINITE.fullmatch(cell):
        return "numbers"
    return "dates" if DATE.fullmatch(cell) else "words"


def kind_of_all(cells: Sequence[str]) -> Kind:
    """The kind of a column: numbers if any cell is one, dates if all non-empty cells are."""
    if all(MONTHS.fullmatch(cell) for cell in cells if not is_missing(cell)):
        return "dates" if any(map(MONTHS.fullmatch, cells)) else "empty"
    kinds: set[Kind] = set()
    for cell in cells:
        kind = kind_of(cell)
        if kind == "numbers":
            return "numbers"
        kinds.add(kind)
    return "words" if "words" in kinds else "dates"


def trouble(cell: str, decimal: str) -> tuple[str, str]:
    """What is wrong with a cell that is not a number, to follow its name; and what to do."""
    if not cell:
        return "empty", GAPS
    if is_missing(cell):
        return f"{cell!r} is a missing value", GAPS
    value = number(cell, decimal)
    if value is not None:
        return f"{cell!r} is not finite", NUMBERS
    if decimal == "comma":
        return f"{shown(cell)} is not a number", POINTS
    has_comma = "," in cell and FOR_PEOPLE.fullmatch(cell)
    return f"{shown(cell)} is not a number", COMMAS if has_comma else NUMBERS
