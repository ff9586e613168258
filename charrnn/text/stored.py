"""A text that is too large for memory: read once from end to end, kept on disk, and mapped.

ASCII and bytes are mapped as they stand in their files. From where a file has other characters on,
it is written once into a file of code points, of 1, 2 or 4 bytes each, in the user's cache folder.
An index beside it says which files it was made of, and is written last: without it nothing is used.
"""

import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryFile
from time import time
from typing import IO, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from charrnn.errors import CharrnnError, InputError
from charrnn.text.decoding import Decoding
from charrnn.text.held_out import LINE_END
from charrnn.text.packed import compression, unpacking
from charrnn.text.sources import UNPACKED, opened

__all__ = ["LARGE", "Stored", "Storing", "cache_folder", "remembered", "stored", "tally"]

LARGE = 1 << 25
"""Bytes of files from which on a text is not held in memory."""

SMALL = 1 << 20
"""Bytes: a smaller file is copied, not mapped; there may be thousands, and as many maps."""

CHUNK = 1 << 22
"""Bytes that are read at a time."""

BLOCK, BLOCKS = 1 << 12, 64
"""A text is known again by so many blocks of so many bytes, besides its files' sizes and times."""

ABANDONED = 3600.0
"""Seconds after which a file that nobody wrote to is what a killed process left behind."""

VERSION = 1

Codes = npt.NDArray[Any]


@dataclass(frozen=True)
class Storing:
    """What becomes of a text that is too large for memory.

    Attributes:
        keep: whether what was encoded stays in the cache folder for the next time.
        advance: told how many bytes have been read, and of how many.
    """

    keep: bool = True
    advance: Callable[[int, int], object] = lambda done, total: None


class Stored(NamedTuple):
    """A text on disk."""

    parts: list[Codes]
    """``(n,)`` code points or bytes each, mapped, one behind the other."""
    sha256: str
    """Of the bytes of all files in order, as they are when unpacked."""
    counts: npt.NDArray[np.int64]
    """How often each code stands in the text, from 0 to the largest."""
    notes: tuple[str, ...]
    """What a reader should know."""


class _Source(NamedTuple):
    """A file as it was when it was read."""

    path: str
    size: int
    changed: int  # in nanoseconds


class _How(NamedTuple):
    """The settings that decide which codes a file's bytes are."""

    level: str
    encoding: str
    keep_newlines: bool


def stored(
    paths: Sequence[str], level: str, encoding: str, keep_newlines: bool, storing: Storing
) -> Stored | None:
    """A large text, read once or found as it was read before; nothing if it is not large.

    Args:
        paths: of files; of others, as pipes, no text is stored.
        level, encoding, keep_newlines: as of :func:`charrnn.text.corpora.read_corpus`.
        storing: what becomes of it.

    Raises:
        InputError: a file cannot be read or decoded, or changed while it was read.
        CharrnnError: there is no room for what must be written.
    """
    sources = _sources(paths)
    if sources is None or not _is_large(sources):
        return None
    how = _How(level, encoding, keep_newlines)
    if not storing.keep:
        with _writing("a temporary folder"), TemporaryFile() as file:
            return _map(sources, file, _encode(sources, how, file, storing))
    folder = cache_folder()
    named = _hash([how, VERSION, [os.path.abspath(one.path) for one in sources]])  # noqa: PTH100
    name = f"{named}-{_hash([one[1:] for one in sources])}"
    index, codes = folder / f"{name}.json", folder / f"{name}.codes"
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError, IndexError):
        return _known(sources, codes, index)
    partial = folder / f".{name}.{os.getpid()}.partial"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        partial.touch()
    except OSError as error:  # as where a home cannot be written: then nothing is kept
        apart = stored(paths, level, encoding, keep_newlines, replace(storing, keep=False))
        why = f"nothing is kept for the next time: cannot write to {folder}: {error.strerror}"
        return apart and apart._replace(notes=(*apart.notes, why))
    try:
        with _writing(str(folder)):
            with partial.open("w+b") as file:
                found = _encode(sources, how, file, storing)
                file.flush()
                os.fsync(file.fileno())
            index.unlink(missing_ok=True)
            partial.replace(codes)
            partial.write_text(json.dumps(found))
            partial.replace(index)
            _tidy(folder, named, name)
            text, size = _known(sources, codes, index), codes.stat().st_size
    finally:
        with suppress(OSError):  # it is there only if something went wrong
            partial.unlink(missing_ok=True)
    if not size:
        return text
    kept = f"the encoded text is kept in {folder} ({size / 1e6:,.0f} MB; --no-cache keeps nothing)"
    return text._replace(notes=(*text.notes, kept))


def cache_folder() -> Path:
    """Where encoded texts are kept: ``CHARRNN_CACHE``, else the system's place for such files."""
    if own := os.environ.get("CHARRNN_CACHE"):
        return Path(own).absolute()
    if sys.platform == "win32":
        place = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        place = Path.home() / "Library" / "Caches"
    else:
        place = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(place) / "charrnn" / "texts"


def remembered(key: object, find: Callable[[], Mapping[str, float]]) -> dict[str, float]:
    """Figures of a large text, found once and kept in the cache folder.

    Args:
        key: all that they depend on, as JSON has it.
        find: finds them, if they are not there.
    """
    folder = cache_folder()
    path = folder / f"{_hash([VERSION, key])}.figures"
    with suppress(OSError, ValueError, AttributeError):
        return {str(name): float(value) for name, value in json.loads(path.read_text()).items()}
    found = dict(find())
    partial = folder / f".{path.stem}.{os.getpid()}.partial"
    with suppress(OSError):  # they are found again next time
        partial.write_text(json.dumps(found))
        partial.replace(path)
    return found


def tally(codes: Codes, counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Add how often each code stands in ``(n,)`` codes to ``counts``, which may become longer."""
    for start in range(0, len(codes), CHUNK):
        found = np.bincount(codes[start : start + CHUNK])
        if len(found) > len(counts):
            found[: len(counts)] += counts
            counts = found
        else:
            counts[: len(found)] += found
    return counts


def _sources(paths: Sequence[str]) -> list[_Source] | None:
    """The files; nothing if some are none, which whoever opens them will say."""
    found = []
    for path in paths:
        try:
            status = os.stat(path)  # noqa: PTH116 - of any length
        except (OSError, ValueError):
            return None
        if not os.path.isfile(path):  # noqa: PTH113
            return None
        found.append(_Source(path, status.st_size, status.st_mtime_ns))
    return found


def _is_large(sources: Sequence[_Source]) -> bool:
    if sum(one.size for one in sources) * UNPACKED < LARGE:
        return False
    size = 0
    for one in sources:
        with opened(one.path) as file:
            size += one.size * (UNPACKED if compression(file.read(16)) else 1)
        if size >= LARGE:
            return True
    return False


def _encode(
    sources: Sequence[_Source], how: _How, file: IO[bytes], storing: Storing
) -> dict[str, Any]:
    """Read all files, write to ``file`` what cannot be mapped as it stands; the index."""
    kept = _Kept(file)
    digest = hashlib.sha256()
    counts = np.zeros(0, np.int64)
    parts: list[list[int]] = []  # [source, length] of what is mapped, [-1, length] of what is kept
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
            counts = tally(codes, counts)
            last = int(codes[-1]) if len(codes) else last
            storing.advance(done + so_far, total)
        done += source.size
        for own in ([number, mapped], [-1, kept.length - before]):
            if own[1] and parts and own[0] < 0 and parts[-1][0] < 0:
                parts[-1][1] += own[1]
            elif own[1]:
                parts.append(own)
        notes += [f"{source.path}: {note}" for note in reading.notes]
        if how.level == "char" and number < len(sources) - 1 and last not in (LINE_END, ord("\r")):
            notes.append(f"{source.path}: its last line has no end, so the next file continues it")
    if _sources([one.path for one in sources]) != [*sources]:
        raise InputError("a file changed while it was read", "train again when it is complete")
    found = np.flatnonzero(counts)
    file.flush()
    return {
        "parts": parts,
        "width": kept.dtype.itemsize,
        "sha256": digest.hexdigest(),
        "counts": [found.tolist(), counts[found].tolist()],
        "notes": notes,
        "sample": _sample(sources, file),
    }


class _Reading:
    """One file, as codes."""

    def __init__(self, source: _Source, how: _How) -> None:
        self._source, self._how = source, how
        self._decoding: Decoding | None = None
        self._packed: str | None = None
        self.stands = source.size >= SMALL
        """Whether all bytes so far are the codes."""

    def pieces(self) -> Iterator[tuple[bytes, Codes, int]]:
        """Bytes, their codes, and how much of the file has been read by then."""
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
            newlines = "keep" if how.keep_newlines else "translate"
            self._decoding = Decoding(self._source.path, chunk, how.encoding, newlines)
        return self._decoding

    @property
    def notes(self) -> list[str]:
        """What was noticed."""
        if self._how.level == "byte":
            packed = f"compressed by {self._packed}; training on the compressed bytes"
            return [f"{packed}: unpack it first?"] if self._packed else []
        return [] if self._decoding is None else self._decoding.notes


class _Kept:
    """A file of codes, all as wide as the widest so far."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.length = file, 0
        self.dtype = np.dtype(np.uint8)

    def append(self, codes: Codes) -> None:
        """Write ``(n,)`` codes behind the others."""
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


def _known(sources: Sequence[_Source], codes: Path, index: Path) -> Stored:
    """A text that was kept.

    Raises:
        OSError, ValueError, KeyError, TypeError, IndexError: it was not, or of other files.
    """
    with codes.open("rb") as file:
        return _map(sources, file, json.loads(index.read_text()))


def _map(sources: Sequence[_Source], file: IO[bytes], index: Mapping[str, Any]) -> Stored:
    """The text of an index.

    Raises:
        OSError, ValueError, KeyError, TypeError, IndexError: it is no index of these files.
    """
    if index["sample"] != _sample(sources, file):
        raise ValueError("the files are others")
    dtype, at, parts = np.dtype(f"u{index['width']}"), 0, []
    for source, length in index["parts"]:
        if source < 0:
            own = np.memmap(file, dtype, "r", at * dtype.itemsize, (length,))
            at += length
        else:
            own = np.memmap(sources[source].path, np.uint8, "r", 0, (length,))
        parts.append(np.asarray(own))
    codes, times = index["counts"]
    counts = np.zeros(max(codes, default=-1) + 1, np.int64)
    counts[codes] = times
    if not parts or sum(map(len, parts)) != counts.sum():
        raise ValueError("the index is not of these codes")
    return Stored(parts, index["sha256"], counts, tuple(index["notes"]))


def _sample(sources: Sequence[_Source], file: IO[bytes]) -> str:
    """A hash of some blocks of the files and of what was kept, and of the size of that."""
    digest = hashlib.sha256()
    ends = np.cumsum([one.size for one in sources])
    places = np.linspace(0, int(ends[-1]), BLOCKS, endpoint=False).astype(np.int64)
    for number in np.unique(np.searchsorted(ends, places, side="right")).tolist():
        begin = int(ends[number]) - sources[number].size
        with opened(sources[number].path) as source:
            for place in places[(places >= begin) & (places < ends[number])].tolist():
                source.seek(place - begin)
                digest.update(source.read(BLOCK))
    size = file.seek(0, os.SEEK_END)
    digest.update(str(size).encode())
    for place in np.linspace(0, size, BLOCKS, endpoint=False).astype(np.int64).tolist():
        file.seek(place)
        digest.update(file.read(BLOCK))
    file.seek(0, os.SEEK_END)
    return digest.hexdigest()


def _hash(what: object) -> str:
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:16]


@contextmanager
def _writing(place: str) -> Iterator[None]:
    """Say where there is no room, or no right, to write.

    Raises:
        CharrnnError: so it is.
    """
    try:
        yield
    except OSError as error:
        raise CharrnnError(
            f"cannot keep the encoded text in {place}: {error.strerror or error}",
            "make room, or name another folder in the environment variable CHARRNN_CACHE "
            "(with --no-cache: TMPDIR)",
        ) from error


def _tidy(folder: Path, named: str, name: str) -> None:
    """Delete what was kept of these files as they were before, and what killed processes left."""
    old = [path for path in folder.glob(f"{named}-*") if path.stem != name]
    old += [path for path in folder.glob(".*.partial") if time() - path.stat().st_mtime > ABANDONED]
    for path in old:
        with suppress(OSError):
            path.unlink()
