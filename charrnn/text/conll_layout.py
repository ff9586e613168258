"""In which columns of a CoNLL file the tokens and their tags are."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

from charrnn.errors import InputError
from charrnn.text.roles import TAGS, WORDS, Role, choose, is_name, said
from charrnn.text.tables import TableFile

__all__ = [
    "ROLES",
    "SENTENCE",
    "UPOS",
    "WORD_ID",
    "XPOS",
    "Layout",
    "between",
    "is_docstart",
    "is_header",
    "layout_of",
    "parted",
]

CONLLU = ("ID", "FORM", "LEMMA", "UPOS", "XPOS", "FEATS", "HEAD", "DEPREL", "DEPS", "MISC")
GLOBAL_COLUMNS = re.compile(r"#\s*global\.columns\s*=(.*)", re.IGNORECASE)
UPOS, XPOS = 4, 5
FIRST_ID = re.compile(r"1|1-[0-9]+|0\.1")
WORD_ID = re.compile(r"[0-9]{1,9}")
RANGE_ID = re.compile(r"[0-9]+-[0-9]+")
EMPTY_ID = re.compile(r"[0-9]+\.[0-9]+")

SENTENCE = frozenset({"sentence_#", "sentence", "sentence_id", "sent_id", "sent", "sentence#"})
"""Names of a column that tells sentences apart in CSV."""

ROLES = (Role("word", WORDS), Role("tag", TAGS, repeats=True))
BESIDE = SENTENCE | frozenset(
    ["id", "index", "lemma", "feats", "head", "deprel", "deps", "misc", "#", "no", "number"]
)
"""Names of columns that are neither tokens nor tags."""

NEARLY = 0.8
"""The share of a count's steps that must be one, since some lines may be missing."""


@dataclass(frozen=True)
class Layout:
    """In which columns of a line the token and its tag are.

    Attributes:
        token, tag: their columns, from 0; -1 is the last.
        tabs: whether tabs separate the columns; else spaces do.
        width: the number of columns in a token's line; 0 if it may vary.
        usual: the number of columns that most lines have.
        conllu: whether this is CoNLL-U.
        counts: whether the first column counts the words of each sentence.
        header: the row that names the columns; 0 if none does.
        said: notes on the layout for the user.
    """

    token: int
    tag: int
    tabs: bool
    width: int
    usual: int
    conllu: bool = False
    counts: bool = False
    header: int = 0
    said: str = ""

    def is_comment(self, cells: Sequence[str]) -> bool:
        """Whether a line is not a token's: a line of the usual width may begin with ``#``."""
        return cells[0].startswith("#") and (self.conllu or len(cells) != self.usual)


def is_docstart(line: str) -> bool:
    """Whether a line only marks the beginning of a document."""
    return line.startswith("-DOCSTART-")


def parted(line: str, *, tabs: bool) -> list[str]:
    """The columns of a line."""
    return line.split("\t") if tabs else [part for part in line.split(" ") if part] or [line]


def layout_of(file: TableFile, columns: str, column: int | None) -> Layout:
    """The layout of a file, as :func:`charrnn.text.conll.read_sentences` has it.

    Raises:
        InputError: there are no such columns, or none that could be the tags.
    """
    no_words = ("-DOCSTART-", "#")
    tabs = any("\t" in line for line in file.lines if not line.startswith(no_words))
    lines = [(row, line) for row, line in file.rows() if line.strip() and not is_docstart(line)]
    every = [(row, parted(line, tabs=tabs)) for row, line in lines]
    plain = [cells for _, cells in every if not cells[0].startswith("#")]
    widths = Counter(map(len, plain or [cells for _, cells in every]))
    usual = widths.most_common(1)[0][0] if widths else 0
    layout = Layout(0, -1, tabs, usual, usual)
    tokens = [(row, cells) for row, cells in every if not layout.is_comment(cells)]
    if not tokens:
        return layout
    first = tokens[0][1]
    conllu = tabs and len(first) == len(CONLLU) and bool(FIRST_ID.fullmatch(first[0]))
    names = _global_columns(file) or (CONLLU if conllu else ())
    header = 0
    if not names and is_header(first, [cells for _, cells in tokens[1:]]):
        header, names = tokens[0][0], tuple(first)
    layout = replace(layout, width=len(first), conllu=conllu, header=header)
    counts = conllu or _counts(file, layout)
    layout = replace(layout, counts=counts)
    if columns:
        chosen = choose(file, ROLES, names, [(tokens[0][0], list(first))], columns)
        token, tag = chosen.places
        header = header or (tokens[0][0] if chosen.header else 0)
        return replace(layout, token=token, tag=tag, width=0, header=header, said=chosen.said)
    if names and not conllu:
        layout = _by_names(layout, names)
    elif counts:
        layout = replace(layout, token=1, tag=UPOS - 1 if conllu else -1)
    if column is not None:
        if column < 1 or column == layout.token + 1:
            what = "does not exist" if column < 1 else "holds the tokens, not the tags"
            raise InputError(
                f"column {column} of {file.path!r} {what}", "columns are counted from 1"
            )
        layout = replace(layout, tag=column - 1)
    if counts and not conllu and len(first) < 3:
        raise InputError(
            f"{file.path!r}: column 1 only counts the words, so no column is left for the tags",
            "give a file of words and their tags",
        )
    if not (names or counts):
        _check_words(file, layout)
        if len(first) < 3:
            return layout
    places = (layout.token, layout.tag % len(first))
    text = said(ROLES, places, names or first, False, bool(header))
    return replace(layout, said=text + (", column 1 only counts" if counts else ""))


def _check_words(file: TableFile, layout: Layout) -> None:
    """Raise InputError if the first of several columns is the same in every sentence."""
    lengths = []
    for tokens in _sentences(file, layout):
        if len({cells[0] for cells in tokens}) > 1:
            return
        lengths.append(len(tokens))
    if layout.width > 2 and sum(lengths) > len(lengths) + 1:
        raise InputError(
            f"{file.path!r}: column 1 is the same in all lines of a sentence: which columns are "
            "the words and the tags?",
            "name them by number, as in --columns 4,5",
        )


def _sentences(file: TableFile, layout: Layout) -> Iterator[list[list[str]]]:
    """The columns of each sentence's tokens, without lines for ranges or empty nodes."""
    for blank, lines in groupby(file.rows(), key=lambda item: not item[1].strip()):
        cells = [
            parted(line, tabs=layout.tabs)
            for row, line in lines
            if not blank and row != layout.header and not is_docstart(line)
        ]
        tokens = [one for one in cells if not (layout.is_comment(one) or between(one[0]))]
        if tokens:
            yield tokens


def _global_columns(file: TableFile) -> tuple[str, ...]:
    """The names in the first line of CoNLL-U Plus."""
    match = GLOBAL_COLUMNS.match(file.lines[0])
    return tuple(match[1].split()) if match else ()


def is_header(first: Sequence[str], others: Sequence[Sequence[str]]) -> bool:
    """Whether a first line names columns: one of words and one of tags, and nothing unknown."""
    known = [is_name(cell, WORDS | TAGS | BESIDE) for cell in first]
    of_words = [is_name(cell, WORDS) for cell in first]
    of_tags = [k for k, cell in enumerate(first) if is_name(cell, TAGS)]
    again = any(k < len(cells) and cells[k] == first[k] for k in of_tags for cells in others)
    return all(known) and any(of_words) and bool(of_tags) and not again


def _by_names(layout: Layout, names: Sequence[str]) -> Layout:
    """Take the first column with a name for words, and the last one with a name for tags."""
    words = [k for k, name in enumerate(names) if is_name(name, WORDS)]
    tags = [k for k, name in enumerate(names) if is_name(name, TAGS)]
    return replace(layout, token=words[0] if words else 0, tag=tags[-1] if tags else -1)


def between(number: str) -> bool:
    """Whether this is the number of a range of words or of an empty node."""
    return bool(RANGE_ID.fullmatch(number) or EMPTY_ID.fullmatch(number))


def _counts(file: TableFile, layout: Layout) -> bool:
    """Whether the first column counts words: from 0 or 1 in every sentence, or through the file."""
    ids = [[cells[0] for cells in tokens] for tokens in _sentences(file, layout)]
    if all(_is_count(own, (0, 1)) for own in ids):
        return any(len(own) > 1 for own in ids)
    every = [one for own in ids for one in own]
    return len(every) > 2 and (_is_count(every, (0, 1)) or (layout.width > 2 and _rises(every)))


def _rises(ids: Sequence[str]) -> bool:
    """Whether these are ascending numbers, nearly always by one."""
    if not all(one.isdecimal() for one in ids):
        return False
    steps = [int(b) - int(a) for a, b in pairwise(ids)]
    return min(steps) > 0 and steps.count(1) > NEARLY * len(steps)


def _is_count(ids: Sequence[str], starts: Sequence[int]) -> bool:
    return any(list(ids) == [str(k + start) for k in range(len(ids))] for start in starts)
