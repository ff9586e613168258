"""Reading a large text once: its codes are counted, and written where they cannot be mapped."""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import IO, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from charrnn.errors import InputError
from charrnn.text.decoding import UNENDED, Decoding, still_packed
from charrnn.text.held_out import LINE_END
from charrnn.text.packed import compression, unpacking
from charrnn.text.sources import opened

__all__ = ["How", "Source", "add_counts", "encode", "sources_of"]

SMALL = 1 << 20
"""Bytes: smaller files are copied, not mapped, since there may be thousands of them."""

CHUNK = 1 << 22
"""How many bytes are read at a time."""

Advance = Callable[[int, int], object]
Codes = npt.NDArray[Any]


class Source(NamedTuple):
    """A file as it was when it was read."""

    path: str
    size: int
    changed: int  # in nanoseconds


class How(NamedTuple):
    """The settings that decide how a file's bytes become codes."""

    level: str
    encoding: str
    keep_newlines: bool


def sources_of(paths: Sequence[str]) -> list[Source] | None:
    """The files; None if one does not exist or is not a file, which opening it will report."""
    found = []
    for path in paths:
        try:
            status = os.stat(path)  # noqa: PTH116 - of any length
        except (OSError, ValueError):
            return None
        if not os.path.isfile(path):  # noqa: PTH113
            return None
        found.append(Source(path, status.st_size, status.st_mtime_ns))
    return found


def encode(
    sources: Sequence[Source], how: How, file: IO[bytes], advance: Advance
) -> dict[str, Any]:
    """Read all files, and write to ``file`` the codes that cannot be mapped from them.

    Args:
        sources: the files.
        how: how their bytes become codes.
        file: an empty file, to be written to and read.
        advance: called with the number of bytes read so far, and in all.

    Returns:
        A JSON object: ``parts`` of the text, ``[source, length]`` where a file is mapped and ``[-1,
            length]`` where codes were written, with ``width`` bytes a code; the ``sha256`` of all
            bytes; ``counts``, the distinct codes and how often each occurs; and ``notes``.

    Raises:
        InputError: a file cannot be read or decoded, or changed meanwhile.
    """
    kept = _Kept(file)
    digest = hashlib.sha256()
    counts = np.zeros(0, np.int64)
    parts: list[list[int]] = []
    notes: list[str] = []
    total, done = sum(one.size for one in sources), 0
    for number, source in enumerate(sources):
        before = kept.length
        reading = _Reading(source, how)
        mapped, last = 0, LINE_END
        for chunk, codes, so_far in reading.pieces():
            digest.update(chunk)
            if reading.stands:
                mapped += len(codes)
            else:
                kept.append(codes)
            counts = add_counts(codes, counts)
            last = int(codes[-1]) if len(codes) else last
            advance(done + so_far, total)
        done += source.size
        for own in ([number, mapped], [-1, kept.length - before]):
            if own[1] and parts and own[0] < 0 and parts[-1][0] < 0:
                parts[-1][1] += own[1]
            elif own[1]:
                parts.append(own)
        notes += [f"{source.path}: {note}" for note in reading.notes]
        if how.level == "char" and number < len(sources) - 1 and last not in (LINE_END, ord("\r")):
            notes.append(f"{source.path}: {UNENDED}")
    if sources_of([one.path for one in sources]) != [*sources]:
        raise InputError("a file changed while it was read", "train again when it is complete")
    found = np.flatnonzero(counts)
    file.flush()
    return {
        "parts": parts,
        "width": kept.dtype.itemsize,
        "sha256": digest.hexdigest(),
        "counts": [found.tolist(), counts[found].tolist()],
        "notes": notes,
    }


class _Reading:
    """One file, read as codes."""

    def __init__(self, source: Source, how: How) -> None:
        self._source, self._how = source, how
        self._decoding: Decoding | None = None
        self._packed: str | None = None
        self.stands = source.size >= SMALL
        """Whether all bytes so far are also the codes."""

    def pieces(self) -> Iterator[tuple[bytes, Codes, int]]:
        """Bytes, their codes, and how many bytes of the file have been read so far."""
        source, how = self._source, self._how
        with opened(source.path) as file:
            first = file.read(512)
            file.seek(0)
            self._packed = compression(first)
            if how.level == "byte":
                while chunk := file.read(CHUNK):
                    yield chunk, np.frombuffer(chunk, np.uint8), file.tell()
                return
            chunks: Iterator[bytes] = iter(lambda: file.read(CHUNK), b"")
            if self._packed:
                chunks, self.stands = unpacking(file, repr(source.path), first), False
            for chunk in chunks:
                decoding = self._begun(chunk)
                if self.stands and decoding.stands(chunk):
                    decoding.pass_over(chunk)
                    yield chunk, np.frombuffer(chunk, np.uint8), file.tell()
                else:
                    self.stands = False
                    yield chunk, decoding.decode(chunk)[1], file.tell()
            if self._decoding is not None and not self.stands:
                yield b"", self._decoding.decode(b"")[1], source.size

    def _begun(self, chunk: bytes) -> Decoding:
        if self._decoding is None:
            how = self._how
            self._decoding = Decoding(self._source.path, chunk, how.encoding, how.keep_newlines)
        return self._decoding

    @property
    def notes(self) -> list[str]:
        """Notes for the user on how the file was read."""
        if self._how.level == "byte":
            return [still_packed(self._packed)] if self._packed else []
        return [] if self._decoding is None else self._decoding.notes


class _Kept:
    """A file of codes, all as wide as the widest so far."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.length = file, 0
        self.dtype = np.dtype(np.uint8)

    def append(self, codes: Codes) -> None:
        """Write ``(n,)`` codes at the end."""
        if not len(codes):
            return
        width = np.min_scalar_type(int(codes.max()))
        if width.itemsize > self.dtype.itemsize:
            self._widen(width)
        self._file.write(codes.astype(self.dtype).tobytes())
        self.length += len(codes)

    def _widen(self, dtype: np.dtype[Any]) -> None:
        """Make all codes wider, from the last to the first, so that none is overwritten unread."""
        edges = [*range(0, self.length, CHUNK), self.length]
        for start, end in reversed([*pairwise(edges)]):
            self._file.seek(start * self.dtype.itemsize)
            data = self._file.read((end - start) * self.dtype.itemsize)
            self._file.seek(start * dtype.itemsize)
            self._file.write(np.frombuffer(data, self.dtype).astype(dtype).tobytes())
        self._file.seek(0, os.SEEK_END)
        self.dtype = dtype


def add_counts(codes: Codes, counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Add how often each code occurs in ``(n,)`` codes to ``counts``, which may become longer."""
    for start in range(0, len(codes), CHUNK):
        found = np.bincount(codes[start : start + CHUNK])
        if len(found) > len(counts):
            found[: len(counts)] += counts
            counts = found
        else:
            counts[: len(found)] += found
    return counts
