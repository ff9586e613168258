"""Supervised data from files: pairs of texts, tagged sentences, series of numbers.

Nothing is dropped or mended in silence. What a reader leaves out by rule (comments, ...) it counts
in a note; what it cannot make sense of is an error that names the row, from 1.
"""

import csv
import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from charrnn.errors import InputError
from charrnn.text.corpora import decode_text, read_bytes

__all__ = ["Pair", "Sentence", "Series", "Source", "read_pairs", "read_sentences", "read_series"]

Records = TypeVar("Records")

SHOWN = 40
POINT = "every cell is a number such as -1.5e3, with a decimal point"
CONLLU_COLUMNS = 10
UPOS, XPOS = 4, 5
FIRST_ID = re.compile(r"1|1-[0-9]+|0\.1")
WORD_ID = re.compile(r"[0-9]{1,9}")
RANGE_ID = re.compile(r"[0-9]+-[0-9]+")
EMPTY_ID = re.compile(r"[0-9]+\.[0-9]+")
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
NO_NUMBER = re.compile(r"[+-]?(nan|inf|infinity)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two texts of one line, without white space at their ends.

    Attributes:
        row: the number of the line, from 1.
        left: before the tab.
        right: after it.
    """

    row: int
    left: str
    right: str


@dataclass(frozen=True, slots=True)
class Sentence:
    """Tokens and a tag for each.

    Attributes:
        row: the number of the line of the first token, from 1.
        tokens: ``(T,)`` as they stand in the file; of CoNLL-U, some have spaces within.
        tags: ``(T,)``.
    """

    row: int
    tokens: tuple[str, ...]
    tags: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Series:
    """Numbers, a row each step.

    Attributes:
        columns: ``(D,)`` their names: of the header, else ``"1"``, ``"2"``, ...
        values: ``(N, D)`` float64, all finite; not to be written to.
    """

    columns: tuple[str, ...]
    values: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Source(Generic[Records]):
    """What a file held.

    Attributes:
        path: the file's name, or ``"standard input"``.
        records: a tuple of pairs or of sentences, or a series.
        sha256: of the raw bytes.
        notes: what a reader should know: a byte order mark removed, lines left out, ...
    """

    path: str
    records: Records
    sha256: str
    notes: tuple[str, ...] = field(default=())


def read_pairs(
    path: str,
    *,
    left: str = "text",
    right: str = "label",
    encoding: str = "utf-8",
    stdin: BinaryIO | None = None,
) -> Source[tuple[Pair, ...]]:
    """Read lines of two texts with a tab between them.

    White space at both ends of either text goes; within, everything stays. Blank lines may end
    the file, but not interrupt it.

    Args:
        path: a file's name; ``-`` is standard input.
        left: what the first text is called in errors.
        right: what the second text is called in errors.
        encoding: of the file; with the default a byte order mark decides, where there is one.
        stdin: what ``-`` reads.

    Raises:
        InputError: a file cannot be read or decoded, has no rows, or has rows that are not two
            texts: the first such row, and how many more.
    """
    file = _File(path, encoding, stdin)
    wanted = f"every row is {left}<TAB>{right}"
    pairs = []
    for row, line in file.rows():
        sides = line.split("\t")
        texts = [side.strip() for side in sides]
        if len(sides) == 1:
            file.bad(row, f"no tab between {left} and {right}" if texts[0] else "blank", wanted)
        elif len(sides) > 2:
            file.bad(row, f"{len(sides)} columns, not 2", wanted)
        elif not all(texts):
            names = [name for name, text in zip((left, right), texts, strict=True) if not text]
            file.bad(row, f"the {' and the '.join(names)} is empty", wanted)
        else:
            pairs.append(Pair(row, texts[0], texts[1]))
    file.check(len(pairs), "rows")
    return file.source(tuple(pairs))


def read_sentences(
    path: str,
    *,
    column: int | None = None,
    encoding: str = "utf-8",
    stdin: BinaryIO | None = None,
) -> Source[tuple[Sentence, ...]]:
    """Read tagged sentences, a token a line and blank lines between sentences.

    Which of two forms a file has, its first token's line tells. CoNLL-U has ten columns with tabs
    between them, the first a number that counts: the token is column 2, the tag column 4 (UPOS).
    Comments (``#``) are left out; so are ranges (``1-2``: the words of a contraction follow) and
    empty nodes (``3.1``), with a note. Anything else is CoNLL: the token is column 1, the tag the
    last one; columns stand between tabs or, in a file that has no tab, between spaces; lines of
    ``-DOCSTART-`` are left out, with a note.

    Args:
        path: a file's name; ``-`` is standard input.
        column: of the tag, from 1, where it is another.
        encoding: of the file; with the default a byte order mark decides, where there is one.
        stdin: what ``-`` reads.

    Raises:
        InputError: a file cannot be read or decoded, has no sentences, or has rows that are not
            a token and its tag: the first such row, and how many more.
    """
    file = _File(path, encoding, stdin)
    reader = _Conllu(file, column) if _is_conllu(file.lines) else _Conll(file, column)
    for row, line in file.rows():
        if line.strip() or "\t" in line:
            reader.line(row, line)
        else:
            reader.end()
    reader.end()
    file.check(len(reader.sentences), "sentences")
    notes = (f"{count} {what} left out" for what, count in reader.left_out.items())
    return file.source(tuple(reader.sentences), notes)


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
    file = _File(path, encoding, stdin)
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


class _File:
    """A file's lines, and what is wrong with them."""

    def __init__(self, path: str, encoding: str, stdin: BinaryIO | None) -> None:
        data = read_bytes(path, stdin)
        self.path = "standard input" if path == "-" else path
        text, notes = decode_text(self.path, data, encoding)
        self.sha256 = hashlib.sha256(data).hexdigest()
        self.notes = tuple(f"{self.path}: {note}" for note in notes)
        # Not splitlines: U+2028 and its like are characters.
        self.lines = text.split("\n")
        while self.lines and not self.lines[-1].strip() and "\t" not in self.lines[-1]:
            self.lines.pop()
        if not self.lines:
            raise InputError(f"{self.path!r} is empty")
        self._first: tuple[str, str] | None = None
        self._bad_rows: set[int] = set()

    def rows(self) -> Iterator[tuple[int, str]]:
        return enumerate(self.lines, start=1)

    def table(self) -> Iterator[tuple[int, list[str]]]:
        """Rows of cells without white space at their ends, and the number of their first line."""
        bare = re.sub(r'"[^"]*"', "", self.lines[0])
        separator = next((mark for mark in "\t;" if mark in bare), ",")
        reader = csv.reader((line + "\n" for line in self.lines), delimiter=separator, strict=True)
        row = 1
        try:
            for cells in reader:
                yield row, [cell.strip() for cell in cells]
                row = reader.line_num + 1
        except csv.Error as error:
            self.bad(row, f"not CSV: {error}")

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


class _Sentences:
    """Sentences as they grow line by line; a subclass knows a line's columns."""

    token_column = 1

    def __init__(self, file: _File, column: int | None) -> None:
        if column is not None and (column < 1 or column == self.token_column):
            what = "the tokens'" if column == self.token_column else "none"
            raise InputError(
                f"column {column} of {file.path!r} is {what}, not the tags'",
                "columns count from 1",
            )
        self.file = file
        self.column = column
        self.sentences: list[Sentence] = []
        self.left_out: Counter[str] = Counter()
        self._width = 0
        self._row = 0
        self._tokens: list[str] = []
        self._tags: list[str] = []

    def line(self, row: int, line: str) -> None:
        """Take a line that is not blank."""
        raise NotImplementedError

    def end(self) -> None:
        """A sentence ends here, if one has begun."""
        if self._tokens:
            self.sentences.append(Sentence(self._row, tuple(self._tokens), tuple(self._tags)))
            self._tokens, self._tags = [], []

    def _fits(self, row: int, columns: list[str]) -> bool:
        """Whether a line has as many columns as the first, and they are enough."""
        if len(columns) < 2:
            self.file.bad(row, "1 column, not a token and its tag", "a token and its tag a line")
        elif self._width and len(columns) != self._width:
            self.file.bad(
                row,
                f"{len(columns)} columns, not {self._width} as in the first line",
                "blank lines stand between sentences",
            )
        elif self.column is not None and self.column > len(columns):
            self.file.bad(row, f"{len(columns)} columns: the tags cannot be in {self.column}")
        else:
            self._width = len(columns)
            return True
        return False

    def _add(self, row: int, token: str, tag: str) -> None:
        token, tag = token.strip(" "), tag.strip()
        if not token or not tag:
            self.file.bad(row, f"the {'tag' if token else 'token'} is empty")
            return
        if not self._tokens:
            self._row = row
        self._tokens.append(token)
        self._tags.append(tag)


class _Conll(_Sentences):
    """A token first, its tag last."""

    def __init__(self, file: _File, column: int | None) -> None:
        super().__init__(file, column)
        self._tabs = any("\t" in line and not _is_docstart(line) for line in file.lines)

    def line(self, row: int, line: str) -> None:
        if _is_docstart(line):
            self.left_out["lines of -DOCSTART-"] += 1
            return
        columns = line.split("\t") if self._tabs else [part for part in line.split(" ") if part]
        if self._fits(row, columns):
            self._add(row, columns[0], columns[self.column - 1 if self.column else -1])


class _Conllu(_Sentences):
    """Ten columns, the first of which counts the words of a sentence."""

    token_column = 2

    def __init__(self, file: _File, column: int | None) -> None:
        super().__init__(file, UPOS if column is None else column)
        self._width = CONLLU_COLUMNS
        self._id = 0

    def line(self, row: int, line: str) -> None:
        if line.startswith("#"):
            return
        columns = line.split("\t")
        number, due = columns[0], self._id + 1
        if RANGE_ID.fullmatch(number) or EMPTY_ID.fullmatch(number):
            if self._fits(row, columns):
                self.left_out["empty nodes" if "." in number else "ranges of words"] += 1
            return
        # Where counting goes on after a fault, so that one fault is not many.
        self._id = int(number) if WORD_ID.fullmatch(number) else due
        if not self._fits(row, columns):
            return
        token, tag = columns[1], columns[(self.column or UPOS) - 1]
        if number != str(due):
            self.file.bad(
                row,
                f"word {_shown(number)} where word {due} is due",
                "a blank line stands before every sentence, and words count from 1",
            )
        elif tag == "_" and self.column in (UPOS, XPOS):
            self.file.bad(row, f"the word {_shown(token)} has no tag ('_')")
        else:
            self._add(row, token, tag)

    def end(self) -> None:
        super().end()
        self._id = 0


def _is_docstart(line: str) -> bool:
    return line.startswith("-DOCSTART-")


def _is_conllu(lines: list[str]) -> bool:
    for line in lines:
        if line.strip() and not line.startswith("#"):
            columns = line.split("\t")
            return len(columns) == CONLLU_COLUMNS and bool(FIRST_ID.fullmatch(columns[0]))
    return False


def _header(file: _File, row: int, cells: list[str]) -> tuple[str, ...]:
    """The names of columns that the first row gives; none if it is of numbers."""
    numeric = [bool(NUMBER.fullmatch(cell) or NO_NUMBER.fullmatch(cell)) for cell in cells]
    if all(numeric) or not any(cells):
        return ()
    if any(numeric):
        place = numeric.index(False)
        file.bad(
            row,
            f"column {place + 1} is {_shown(cells[place])} among numbers",
            "the first row is all names or all numbers",
        )
    names = tuple(cell or str(place + 1) for place, cell in enumerate(cells))
    again = [name for name, count in Counter(names).items() if count > 1]
    if again:
        file.bad(row, f"the column name {_shown(again[0])} stands twice")
    return names


def _numbers(file: _File, row: int, columns: tuple[str, ...], cells: list[str]) -> list[float]:
    """A row's numbers, where every cell is one."""
    numbers = []
    for place, cell in enumerate(cells):
        number = float(cell) if NUMBER.fullmatch(cell) else math.nan
        numbers.append(number)
        if not math.isfinite(number):
            is_word = NO_NUMBER.fullmatch(cell) or number == math.inf or number == -math.inf
            what = f"{_shown(cell)} is not {'finite' if is_word else 'a number'}"
            name = "" if columns[place] == str(place + 1) else f" ({_shown(columns[place])})"
            file.bad(row, f"column {place + 1}{name}: {what if cell else 'empty'}", POINT)
    return numbers


def _shown(text: str) -> str:
    return repr(text) if len(text) <= SHOWN else f"{text[:SHOWN]!r}..."
