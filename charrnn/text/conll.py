"""Tagged sentences: CoNLL in its published variants, CoNLL-U, and JSON lines."""

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, BinaryIO

from charrnn.errors import InputError
from charrnn.text.cells import cells_of
from charrnn.text.columns import columns_option
from charrnn.text.conll_layout import (
    ROLES,
    SENTENCE,
    UPOS,
    WORD_ID,
    XPOS,
    Layout,
    between,
    is_docstart,
    is_header,
    layout_of,
    parted,
)
from charrnn.text.roles import choose, is_name
from charrnn.text.tables import Source, TableFile, shown

__all__ = ["Sentence", "looks_tagged", "read_sentences"]

# What tells tagged sentences from other texts: the least share of lines with the same number of
# columns, and the greatest number of blocks between blank lines, for each line.
NEARLY_ALL, MOST_ALONE = 0.95, 0.8


@dataclass(frozen=True, slots=True)
class Sentence:
    """Tokens and a tag for each.

    Attributes:
        row: the number of the first token's line, from 1.
        tokens: ``(T,)`` as the file has them; in CoNLL-U, some contain spaces.
        tags: ``(T,)``.
    """

    row: int
    tokens: tuple[str, ...]
    tags: tuple[str, ...]


def read_sentences(
    path: str,
    *,
    columns: str = "",
    column: int | None = None,
    encoding: str = "utf-8",
    stdin: BinaryIO | None = None,
) -> Source[tuple[Sentence, ...]]:
    """Read tagged sentences: one token a line and blank lines between sentences, or JSON lines.

    The line of the first token tells which form a file has:

    - An object with a list of tokens and one of tags: JSON lines.
    - Ten columns with tabs between them, the first a number that counts: CoNLL-U. The token is
      column 2, the tag column 4 (UPOS); lines that begin with ``#`` are comments.
    - Columns with commas or semicolons between them, named by the first row: CSV. A column
      ``sentence`` (or ``Sentence #``) tells sentences apart, else blank lines do.
    - Anything else: CoNLL. The token is column 1, or column 2 if column 1 counts the words of every
      sentence or of the file; the tag is the last one. Columns are separated by tabs or, in a
      file that has no tab, by spaces. A first row that names the columns (``word``, ``tag``, ...)
      is left out. So are lines of ``-DOCSTART-``, and lines that begin with ``#`` but do not
      have as many columns as the tokens' lines, with a note.

    Where the first column counts, ranges (``1-2``: the words of a contraction follow) and empty
    nodes (``3.1``) are left out, with a note.

    Args:
        path: a file's name; ``-`` is standard input.
        columns: the columns of tokens and tags, by number or name (of a header, of JSON lines, of
            ``# global.columns``, of CoNLL-U), with a comma between.
        column: the column of the tags, from 1, if it is not the default.
        encoding: its encoding; with the default, a byte order mark decides if there is one.
        stdin: what ``-`` reads.

    Raises:
        InputError: a file cannot be read or decoded, has no sentences or no such columns, or has
            rows that are not a token and its tag: the first one, and how many more.
    """
    file = TableFile(path, encoding, stdin)
    if columns and column is not None:
        raise InputError(
            f"--columns {columns} and tag,column={column} both choose the tags' column",
            "leave one of them out",
        )
    if file.lines[0].lstrip().startswith("{") and file.lines[0].rstrip().endswith("}"):
        return _of_json(file, columns)
    starts = _of_csv(file)
    reader = _Reader(file, layout_of(file, columns, column))
    for row, line in file.rows():
        if row in starts:
            reader.end()
        reader.take(row, line)
    reader.end()
    file.check(len(reader.sentences), "sentences")
    said = reader.layout.said
    notes = [f"{count} {what} left out" for what, count in reader.left_out.items()]
    asked = "" if said and (columns or reader.layout.header) else _asked(reader.sentences)
    told = [note for note in (said, asked) if note]
    return file.source(tuple(reader.sentences), told + notes)


def looks_tagged(text: str) -> bool:
    """Whether a text looks like tagged sentences, one token a line: CoNLL, or CSV with a header.

    Nearly all lines have the same number of columns, at least two, and there are blank lines
    between some, but not between all.
    """
    lines = text.splitlines()
    for mark in ",;\t":
        try:
            cells = next(csv.reader(lines[:1], delimiter=mark), [])
        except csv.Error:  # a line longer than csv reads
            continue
        if len(cells) > 1 and is_header(cells, []):
            return True
    told = [line for line in lines if not line.startswith(("#", "-DOCSTART-"))]
    parts = [[*some] for blank, some in groupby(told, lambda line: not line.strip()) if not blank]
    tokens = [line for part in parts for line in part]
    tabs = any("\t" in line for line in tokens)
    widths = Counter(len(parted(line, tabs=tabs)) for line in tokens)
    width, many = widths.most_common(1)[0] if widths else (0, 0)
    alike = width > 1 and many > NEARLY_ALL * len(tokens)
    return alike and 1 < len(parts) < MOST_ALONE * len(tokens)


def _asked(sentences: Sequence[Sentence]) -> str:
    """A question about a first line that may name the columns; usually empty."""
    counts = Counter(tag for sentence in sentences for tag in sentence.tags)
    token, tag = sentences[0].tokens[0], sentences[0].tags[0]
    others = [count for name, count in counts.items() if name != tag]
    if counts[tag] > 1 or not others or min(others) < 2:
        return ""
    return (
        f"the tag {shown(tag)} occurs once, beside the first token {shown(token)}: a header? Then "
        f"name the columns: --columns {columns_option([token, tag])}"
    )


def _of_csv(file: TableFile) -> set[int]:
    """Turn a CSV file with a header into tabs; return the rows where sentences begin.

    They begin where the value in the sentence column changes.
    """
    if any("\t" in line for line in file.lines):
        return set()
    for mark in ",;":
        try:
            rows = [
                next(csv.reader([line], delimiter=mark, strict=True), []) for line in file.lines
            ]
        except csv.Error:
            continue
        widths = {len(cells) for cells in rows if cells}
        if len(widths) == 1 and max(widths) > 1 and is_header(rows[0], rows[1:]):
            break
    else:
        return set()
    file.lines = ["\t".join(cell.replace("\t", " ") for cell in cells) for cells in rows]
    place = next((k for k, cell in enumerate(rows[0]) if is_name(cell, SENTENCE)), None)
    starts, last = set(), ""
    for row, cells in enumerate(rows, file.start):
        if place is not None and cells and cells[place] not in ("", last):
            starts.add(row)
            last = cells[place]
    return starts


def _of_json(file: TableFile, columns: str) -> Source[tuple[Sentence, ...]]:
    cells = cells_of(file)
    if not cells.rows:
        file.check(0, "sentences")
    chosen = choose(file, ROLES, cells.names, cells.rows, columns)
    sentences = []
    for row, found in cells.rows:
        tokens, tags = (_words(found[place]) for place in chosen.places)
        if tokens is None or tags is None:
            name = cells.names[chosen.places[tokens is not None]]
            file.bad(row, f"{shown(name)} is not a list of texts")
        elif len(tokens) != len(tags):
            file.bad(row, f"{len(tokens)} tokens and {len(tags)} tags")
        elif not all(token.strip(" ") for token in (*tokens, *tags)):
            file.bad(row, "a token or a tag is empty")
        elif tokens:
            sentences.append(Sentence(row, tokens, tags))
    file.check(len(sentences), "sentences")
    return file.source(tuple(sentences), [f"read as {cells.form}; {chosen.said}"])


def _words(value: Any) -> tuple[str, ...] | None:
    """A list of texts or whole numbers, as texts; None for anything else."""
    if isinstance(value, list) and all(type(one) in (str, int) for one in value):
        return tuple(str(one).strip(" ") for one in value)
    return None


class _Reader:
    """Collects sentences line by line."""

    def __init__(self, file: TableFile, layout: Layout) -> None:
        self.file, self.layout = file, layout
        self.sentences: list[Sentence] = []
        self.left_out: Counter[str] = Counter()
        self._id = 0
        self._row = 0
        self._tokens: list[str] = []
        self._tags: list[str] = []

    def take(self, row: int, line: str) -> None:
        """Take a line."""
        layout = self.layout
        if not line.strip():
            self.end()
            return
        if is_docstart(line):
            self.left_out["lines of -DOCSTART-"] += 1
            return
        cells = parted(line, tabs=layout.tabs)
        if row == layout.header:
            return
        if layout.is_comment(cells):
            if not layout.conllu:
                self.left_out["lines that begin with #"] += 1
            return
        if layout.counts and between(cells[0]):
            if self._fits(row, cells):
                self.left_out["empty nodes" if "." in cells[0] else "ranges of words"] += 1
            return
        due = self._id + 1
        # Where counting continues after a fault, so that one fault is reported once.
        self._id = int(cells[0]) if WORD_ID.fullmatch(cells[0]) else due
        if not self._fits(row, cells):
            return
        token, tag = cells[layout.token], cells[layout.tag]
        if layout.conllu and cells[0] != str(due):
            self.file.bad(
                row,
                f"found word {shown(cells[0])}, expected word {due}",
                "put a blank line before each sentence, and count words from 1",
            )
        elif layout.conllu and tag == "_" and layout.tag + 1 in (UPOS, XPOS):
            self.file.bad(row, f"the word {shown(token)} has no tag ('_')")
        else:
            self._add(row, token, tag)

    def end(self) -> None:
        """End the current sentence, if one has begun."""
        self._id = 0
        if self._tokens:
            self.sentences.append(Sentence(self._row, tuple(self._tokens), tuple(self._tags)))
            self._tokens, self._tags = [], []

    def _fits(self, row: int, cells: list[str]) -> bool:
        """Whether a line has the columns that it needs."""
        width, count = self.layout.width, len(cells)
        if count < 2:
            self.file.bad(
                row, "1 column, not a token and its tag", "put a token and its tag on each line"
            )
        elif width and count != width:
            self.file.bad(
                row,
                f"{count} columns, not {width} as in the first line",
                "put blank lines between sentences; if rows differ in length, name the two "
                "columns to read (--columns 1,2)",
            )
        elif self.layout.tag >= count:
            self.file.bad(row, f"{count} columns: the tags cannot be in {self.layout.tag + 1}")
        elif self.layout.token >= count:
            self.file.bad(row, f"{count} columns: the tokens cannot be in {self.layout.token + 1}")
        else:
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
