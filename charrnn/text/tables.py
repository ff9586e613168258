"""A file of rows: its lines, what is wrong with them, and what was read.

Nothing is dropped or repaired silently. What a reader leaves out by rule (comments, ...) it counts
in a note; what it cannot read is an error that names the row, from 1.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Generic, TypeVar

from charrnn.errors import InputError
from charrnn.text.decoding import decode_text
from charrnn.text.sources import read_bytes

__all__ = ["Source", "TableFile", "shown"]

Records = TypeVar("Records")

SEPARATOR = re.compile(r"\s*sep=.\s*", re.IGNORECASE)
"""A first line of CSV files that Excel writes and reads."""

SHOWN = 40

BLANK = " \r\v\f,;"
"""What spreadsheets add to rows at the end of a file: separators, but not tabs."""


@dataclass(frozen=True)
class Source(Generic[Records]):
    """The content of a file.

    Attributes:
        path: the file's name, or ``"standard input"``.
        records: a tuple of pairs or of sentences, or a series.
        sha256: the hash of the raw bytes.
        notes: notes for the user: a byte order mark removed, lines left out, ...
        named: the names of the columns that were read, if the file names them.
    """

    path: str
    records: Records
    sha256: str
    notes: tuple[str, ...] = field(default=())
    named: tuple[str, ...] = field(default=())


class TableFile:
    """A file's lines, and what is wrong with them."""

    def __init__(self, path: str, encoding: str, stdin: BinaryIO | None) -> None:
        data = read_bytes(path, stdin)
        self.path = "standard input" if path == "-" else path
        text, notes = decode_text(self.path, data, encoding)
        self.sha256 = hashlib.sha256(data).hexdigest()
        self.notes = tuple(f"{self.path}: {note}" for note in notes)
        # Not splitlines, for which U+2028 and other characters end lines.
        lines, self.start = text.split("\n"), 1
        if SEPARATOR.fullmatch(lines[0]):
            del lines[0]
            self.start = 2
            self.notes += (f"{self.path}: skipping the first line, which names the separator",)
        self.lines = [piece for line in lines for piece in _rows_within(line)]
        if len(self.lines) > len(lines):
            more = len(self.lines) - len(lines)
            self.notes += (f"{self.path}: {more} carriage returns between rows end a line",)
        while self.lines and not self.lines[-1].strip(BLANK[: None if self.lines[1:] else -2]):
            self.lines.pop()
        if not self.lines:
            raise InputError(f"{self.path!r} is empty")
        self._first: tuple[str, str] | None = None
        self._bad_rows: set[int] = set()

    def rows(self) -> Iterator[tuple[int, str]]:
        return enumerate(self.lines, start=self.start)

    def bad(self, row: int, what: str, hint: str = "") -> None:
        """Keep the first fault of the file, and count the rows that have one."""
        self._first = self._first or (f"{self.path!r}, row {row}: {what}", hint)
        self._bad_rows.add(row)

    def check(self, number: int, what: str) -> None:
        """Raise InputError if a fault was found, or if ``number``, the records found, is 0."""
        if self._first:
            message, hint = self._first
            more = len(self._bad_rows) - 1
            if more:
                message += f" (and {more} more bad row{'s' * (more > 1)})"
            raise InputError(message, hint)
        if not number:
            raise InputError(f"{self.path!r} has no {what}")

    def source(self, records: Records, notes: Iterable[str] = ()) -> Source[Records]:
        """The file's records, with its notes."""
        found = tuple(f"{self.path}: {note}" for note in notes)
        return Source(self.path, records, self.sha256, self.notes + found)


def _rows_within(line: str) -> list[str]:
    """The rows within a line, where carriage returns separate rows that have tabs."""
    pieces = line.split("\r") if "\r" in line else [line]
    whole = len(pieces) == 1 or not all("\t" in piece for piece in pieces if piece.strip())
    return [line] if whole else pieces


def shown(text: str) -> str:
    return repr(text) if len(text) <= SHOWN else f"{text[:SHOWN]!r}..."
