"""A corpus: files, standard input or Python's own help, as code points or bytes."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from charrnn.errors import InputError
from charrnn.text.decoding import UNENDED, Decoding, chunks_of, still_packed
from charrnn.text.held_out import LINE_END, whole_lines
from charrnn.text.packed import compression, unpacked
from charrnn.text.reading import add_counts
from charrnn.text.sources import files_in, limited, matching, named, opened, python_help, read_bytes
from charrnn.text.stored import Storing, stored
from charrnn.text.view import View

__all__ = ["Corpus", "TextStream", "encoded", "read_corpus", "stands_in"]

Codes = npt.NDArray[Any]

STREAMED = 1 << 16
"""The most bytes of a stream that are read at a time."""
SEARCHED = 1 << 24
"""Characters of a text that are searched at a time for another text."""
BEGINNING = 10
"""Bytes of a stream that tell whether it is compressed or has a byte order mark."""


@dataclass(frozen=True)
class Corpus:
    """A text as integers.

    Attributes:
        level: ``"char"`` or ``"byte"``.
        text: ``(N,)`` code points or bytes; for a large text, a view of what is on disk.
        sha256: the hash of all bytes in order; for characters, of the unpacked bytes.
        notes: notes for the user: a byte order mark removed, line ends changed, ...
        known_counts: :attr:`counts`, where they were counted in reading the text.
    """

    level: str
    text: npt.NDArray[Any] | View
    sha256: str
    notes: tuple[str, ...] = field(default=())
    known_counts: npt.NDArray[np.int64] | None = field(default=None, repr=False, compare=False)

    @property
    def codes(self) -> npt.NDArray[Any]:
        """The text as an array, which is a new one where the text is on disk in several parts."""
        return np.asarray(self.text)

    @cached_property
    def counts(self) -> npt.NDArray[np.int64]:
        """How often each code occurs in the text, from 0 to the largest."""
        if self.known_counts is not None:
            return self.known_counts
        return add_counts(self.codes, np.zeros(0, np.int64))

    @property
    def distinct(self) -> npt.NDArray[Any]:
        """The codes that occur in the text, ascending."""
        return np.flatnonzero(self.counts)


def encoded(codes: npt.NDArray[Any], level: str) -> bytes:
    """A corpus's codes as the bytes of a file: code points as UTF-8; bytes as they are."""
    if level == "byte":
        return codes.astype(np.uint8).tobytes()
    text = codes.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")
    return text.encode("utf-8", "surrogatepass")


def stands_in(part: Codes, whole: Codes | View, level: str, least: int) -> bool:
    """Whether a text is part of another one and has at least ``least`` bytes.

    Args:
        part, whole: ``(N,)`` and ``(M,)`` code points or bytes.
        level: the level of both.
    """
    wanted = encoded(part, level)
    return len(wanted) >= least and any(
        wanted in encoded(np.asarray(whole[start : start + SEARCHED + len(part)]), level)
        for start in range(0, len(whole), SEARCHED)
    )


def read_corpus(
    paths: Sequence[str],
    *,
    level: str = "char",
    encoding: str = "utf-8",
    keep_newlines: bool = False,
    lines: bool = False,
    stdin: BinaryIO | None = None,
    storing: Storing | None = None,
) -> Corpus:
    """Read files in order, as ``cat`` would join them.

    Args:
        paths: file names, patterns of them, or folders, all files of which are read; ``-`` is
            standard input; none means the topics of Python's own help.
        level: ``"char"`` or ``"byte"``; bytes are taken as they are, also of a compressed file.
        encoding: the encoding. With the default a byte order mark decides instead, where there
            is one.
        keep_newlines: leave ``\\r\\n`` and ``\\r`` as they are; normally they become ``\\n``.
        lines: each line is an item: blank ones are left out, and the last of each file is ended.
        stdin: what ``-`` reads.
        storing: how a large text is kept, unless it is a list of lines; if not given, it is held in
            memory like any other.

    Raises:
        InputError: a file cannot be read or decoded, with the place; or the corpus is empty.
        CharrnnError: there is no room for what must be stored.
    """
    paths = files_in(matching(paths))
    if storing is not None and not lines:
        found = stored(paths, level, encoding, keep_newlines, storing)
        if found is not None:
            return Corpus(level, View(found.parts), found.sha256, found.notes, found.counts)
    as_is = level == "byte"
    if not paths:
        sources = [("Python's own help", python_help())]
    else:
        sources = [(named(path), read_bytes(path, stdin, as_is=as_is)) for path in paths]
    digest = hashlib.sha256()
    pieces: list[npt.NDArray[Any]] = []
    notes: list[str] = []
    for number, (path, data) in enumerate(sources, start=1):
        digest.update(data)
        own, found_here = [np.frombuffer(data, dtype=np.uint8)], list[str]()
        if as_is and (packed := compression(data)):
            found_here.append(still_packed(packed))
        if level == "char":
            own, found_here = _decode(path, data, encoding, keep_newlines)
        if lines and data:
            whole, blank = whole_lines(np.concatenate(own))
            own = [whole]
            left_out = f"{blank:,} blank line{'s' * (blank > 1)} left out"
            found_here += [left_out] if blank else []
        elif level == "char" and number < len(sources) and not _is_ended(own):
            found_here.append(UNENDED)
        pieces += own
        notes += [f"{path}: {note}" for note in found_here]
    if not sum(map(len, pieces)):
        raise InputError(f"the corpus is empty ({', '.join(path for path, _ in sources)})")
    return Corpus(level, np.concatenate(pieces), digest.hexdigest(), tuple(notes))


def _decode(
    path: str, data: bytes, encoding: str, keep_newlines: bool
) -> tuple[list[npt.NDArray[Any]], list[str]]:
    """Code points, in pieces of the smallest possible dtype, and notes for the user."""
    decoding = Decoding(path, data, encoding, keep_newlines)
    pieces = [
        codes.astype(np.min_scalar_type(int(codes.max(initial=0))))
        for _, codes in decoding.pieces(chunks_of(data))
    ]
    return pieces, decoding.notes


def _is_ended(pieces: Sequence[npt.NDArray[Any]]) -> bool:
    """Whether a text ends with a line end, or is empty."""
    last = next((int(piece[-1]) for piece in reversed(pieces) if len(piece)), LINE_END)
    return last in (LINE_END, ord("\r"))


class TextStream:
    """Files read in order piece by piece, as :func:`read_corpus` reads them whole.

    Args:
        paths, level, encoding, keep_newlines, stdin: as in :func:`read_corpus`; at least one path.

    Attributes:
        size: how many bytes have been read.
        digest: the SHA-256 of those bytes.
    """

    def __init__(
        self,
        paths: Sequence[str],
        *,
        level: str = "char",
        encoding: str = "utf-8",
        keep_newlines: bool = False,
        stdin: BinaryIO | None = None,
    ) -> None:
        self._paths, self._stdin = paths, stdin
        self._level, self._encoding, self._keep_newlines = level, encoding, keep_newlines
        self.size = 0
        self.digest = hashlib.sha256()

    def __iter__(self) -> Iterator[npt.NDArray[Any]]:
        """Code points or bytes ``(n,)``, from a pipe as soon as they arrive; n may be 0.

        Raises:
            InputError: a file cannot be read or decoded, with the place.
        """
        for path in self._paths:
            name = named(path)
            with opened(path, self._stdin) as file:
                first = file.read(BEGINNING)
                if compression(first):
                    data = unpacked(first + limited(file, name), name)
                    first, rest = data[:BEGINNING], iter([data[BEGINNING:]])
                else:
                    rest = self._rest(file)
                chunks = map(self._counted, chain([first] * bool(first), rest))
                if self._level == "byte":
                    yield from (np.frombuffer(chunk, np.uint8) for chunk in chunks)
                    continue
                decoding = Decoding(name, first, self._encoding, self._keep_newlines)
                yield from (codes for _, codes in decoding.pieces(chunks))

    def _rest(self, file: Any) -> Iterator[bytes]:
        while chunk := file.read1(STREAMED):
            yield chunk

    def _counted(self, chunk: bytes) -> bytes:
        self.size += len(chunk)
        self.digest.update(chunk)
        return chunk
