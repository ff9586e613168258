"""Tagged sentences: CoNLL and CoNLL-U."""

import re
from collections import Counter
from dataclasses import dataclass
from typing import BinaryIO

from charrnn.errors import InputError
from charrnn.text.tables import Source, TableFile, shown

__all__ = ["Sentence", "read_sentences"]

CONLLU_COLUMNS = 10
UPOS, XPOS = 4, 5
FIRST_ID = re.compile(r"1|1-[0-9]+|0\.1")
WORD_ID = re.compile(r"[0-9]{1,9}")
RANGE_ID = re.compile(r"[0-9]+-[0-9]+")
EMPTY_ID = re.compile(r"[0-9]+\.[0-9]+")


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
    file = TableFile(path, encoding, stdin)
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


class _Sentences:
    """Sentences as they grow line by line; a subclass knows a line's columns."""

    token_column = 1

    def __init__(self, file: TableFile, column: int | None) -> None:
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

    def __init__(self, file: TableFile, column: int | None) -> None:
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

    def __init__(self, file: TableFile, column: int | None) -> None:
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
                f"word {shown(number)} where word {due} is due",
                "a blank line stands before every sentence, and words count from 1",
            )
        elif tag == "_" and self.column in (UPOS, XPOS):
            self.file.bad(row, f"the word {shown(token)} has no tag ('_')")
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
