"""A file of rows: its lines, what is wrong with them, and what was read.

Nothing is dropped or mended in silence. What a reader leaves out by rule (comments, ...) it counts
in a note; what it cannot make sense of is an error that names the row, from 1.
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
"""What Excel writes and reads as the first line of a CSV file."""

SHOWN = 40

BLANK = " \r\v\f,;"
"""What rows at the end of a file have that spreadsheets add: separators alone, but no tab."""


@dataclass(frozen=True)
class Source(Generic[Records]):
    """What a file held.

    Attributes:
        path: the file's name, or ``"standard input"``.
        records: a tuple of pairs or of sentences, or a series.
        sha256: of the raw bytes.
        notes: what a reader should know: a byte order mark removed, lines left out, ...
        named: the columns that were read by the names that the file gives them, if it names them.
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
        # Not splitlines: U+2028 and its like are characters.
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
        """Keep the first thing that is wrong, and count the rows in which something is."""
        self._first = self._first or (f"{self.path!r}, row {row}: {what}", hint)
        self._bad_rows.add(row)

    def check(self, number: int, what: str) -> None:
        """Raise what was found wrong; or that there is nothing of what was looked for."""
        if self._first:
            message, hint = self._first
            more = len(self._bad_rows) - 1
            if more:
                message += f" (and {more} more bad row{'s' * (more > 1)})"
            raise InputError(message, hint)
        if not number:
            raise InputError(f"{self.path!r} has no {what}")

    def source(self, records: Records, notes: Iterable[str] = ()) -> Source[Records]:
        """What was read."""
        found = tuple(f"{self.path}: {note}" for note in notes)
        return Source(self.path, records, self.sha256, self.notes + found)


def _rows_within(line: str) -> list[str]:
    """The rows that a line holds, where carriage returns stand between such as have tabs."""
    pieces = line.split("\r") if "\r" in line else [line]
    whole = len(pieces) == 1 or not all("\t" in piece for piece in pieces if piece.strip())
    return [line] if whole else pieces


def shown(text: str) -> str:
    return repr(text) if len(text) <= SHOWN else f"{text[:SHOWN]!r}..."
