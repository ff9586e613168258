"""Pairs of texts: a text and its label, a source and its translation."""

from dataclasses import dataclass
from typing import BinaryIO

from charrnn.text.tables import Source, TableFile

__all__ = ["Pair", "read_pairs"]


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


def read_pairs(
    path: str,
    *,
    left: str = "text",
    right: str = "label",
    encoding: str = "utf-8",
    empty_right: bool = False,
    stdin: BinaryIO | None = None,
) -> Source[tuple[Pair, ...]]:
    """Read lines of two texts with a tab between them.

    White space at both ends of either text goes; within, everything stays. Blank lines may end
    the file, but not interrupt it.

    Args:
        path: a file's name; ``-`` is standard input.
        left: what the first text is called in errors.
        right: what the second text is called in errors.
        empty_right: whether the second text may be empty.
        encoding: of the file; with the default a byte order mark decides, where there is one.
        stdin: what ``-`` reads.

    Raises:
        InputError: a file cannot be read or decoded, has no rows, or has rows that are not two
            texts: the first such row, and how many more.
    """
    file = TableFile(path, encoding, stdin)
    wanted = f"every row is {left}<TAB>{right}"
    pairs = []
    for row, line in file.rows():
        sides = line.split("\t")
        texts = [side.strip() for side in sides]
        if len(sides) == 1:
            file.bad(row, f"no tab between {left} and {right}" if texts[0] else "blank", wanted)
        elif len(sides) > 2:
            file.bad(row, f"{len(sides)} columns, not 2", wanted)
        elif not (texts[0] and (texts[1] or empty_right)):
            names = [name for name, text in zip((left, right), texts, strict=True) if not text]
            file.bad(row, f"the {' and the '.join(names)} is empty", wanted)
        else:
            pairs.append(Pair(row, texts[0], texts[1]))
    file.check(len(pairs), "rows")
    return file.source(tuple(pairs))
