"""A text that is too large for memory: read once from end to end, kept on disk, and mapped.

ASCII and bytes are mapped from the files themselves. From the first other character on, a file's
text is written once as code points, of 1, 2 or 4 bytes each, into the user's cache folder. An index
beside it names the source files and is written last: without it nothing is used.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from charrnn.errors import CharrnnError
from charrnn.text.cache import cache_folder, delete_abandoned, hash_of, partial_of
from charrnn.text.packed import compression
from charrnn.text.reading import How, Source, encode, sources_of
from charrnn.text.sources import UNPACKED, opened

__all__ = ["LARGE", "Stored", "Storing", "stored"]

LARGE = 1 << 25
"""Bytes of files above which a text is not held in memory."""

BLOCK, BLOCKS = 1 << 12, 64
"""A text is recognised by this many blocks of this size, and by its files' sizes and times."""

Codes = npt.NDArray[Any]


@dataclass(frozen=True)
class Storing:
    """How a text is kept that is too large for memory.

    Attributes:
        keep: whether the encoded text stays in the cache folder for the next time.
        advance: called with the number of bytes read so far, and in all.
    """

    keep: bool = True
    advance: Callable[[int, int], object] = lambda done, total: None


class Stored(NamedTuple):
    """A text on disk."""

    parts: list[Codes]
    """``(n,)`` code points or bytes each, mapped, in order."""
    sha256: str
    """The hash of the bytes of all files in order, unpacked."""
    counts: npt.NDArray[np.int64]
    """How often each code occurs in the text, from 0 to the largest."""
    notes: tuple[str, ...]
    """Notes for the user."""


def stored(
    paths: Sequence[str], level: str, encoding: str, keep_newlines: bool, storing: Storing
) -> Stored | None:
    """A large text, read now or found in the cache folder; None if it is not large.

    Args:
        paths: the files; nothing else, such as a pipe, is stored.
        level, encoding, keep_newlines: as in :func:`charrnn.text.corpora.read_corpus`.
        storing: how the text is kept.

    Raises:
        InputError: a file cannot be read or decoded, or changed while it was read.
        CharrnnError: there is no room for the file of codes.
    """
    sources = sources_of(paths)
    if sources is None or not _is_large(sources):
        return None
    how = How(level, encoding, keep_newlines)
    if not storing.keep:
        with _writing("a temporary folder"), TemporaryFile() as file:
            return _map(sources, file, _index(sources, how, file, storing))
    folder = cache_folder()
    named = hash_of([how, [os.path.abspath(one.path) for one in sources]])  # noqa: PTH100
    name = f"{named}-{hash_of([one[1:] for one in sources])}"
    index, codes = folder / f"{name}.json", folder / f"{name}.codes"
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError, IndexError):
        return _known(sources, codes, index)
    partial = partial_of(codes)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        partial.touch()
    except OSError as error:  # e.g. a read-only home: then nothing is kept
        apart = stored(paths, level, encoding, keep_newlines, replace(storing, keep=False))
        why = f"nothing is kept for the next time: cannot write to {folder}: {error.strerror}"
        return apart and apart._replace(notes=(*apart.notes, why))
    try:
        with _writing(str(folder)):
            with partial.open("w+b") as file:
                found = _index(sources, how, file, storing)
                file.flush()
                os.fsync(file.fileno())
            index.unlink(missing_ok=True)
            partial.replace(codes)
            partial.write_text(json.dumps(found))
            partial.replace(index)
            _tidy(folder, named, name)
            text, size = _known(sources, codes, index), codes.stat().st_size
    finally:
        with suppress(OSError):  # the file exists only if something went wrong
            partial.unlink(missing_ok=True)
    if not size:
        return text
    kept = f"the encoded text is kept in {folder} ({size / 1e6:,.0f} MB; --no-cache keeps nothing)"
    return text._replace(notes=(*text.notes, kept))


def _is_large(sources: Sequence[Source]) -> bool:
    if sum(one.size for one in sources) * UNPACKED < LARGE:
        return False
    size = 0
    for one in sources:
        with opened(one.path) as file:
            size += one.size * (UNPACKED if compression(file.read(16)) else 1)
        if size >= LARGE:
            return True
    return False


def _index(
    sources: Sequence[Source], how: How, file: IO[bytes], storing: Storing
) -> dict[str, Any]:
    """Encode a text; return the index that is kept beside its codes."""
    found = encode(sources, how, file, storing.advance)
    return found | {"sample": _sample(sources, file)}


def _known(sources: Sequence[Source], codes: Path, index: Path) -> Stored:
    """A text from the cache folder.

    Raises:
        OSError, ValueError, KeyError, TypeError, IndexError: it is not there, or of other files.
    """
    with codes.open("rb") as file:
        return _map(sources, file, json.loads(index.read_text()))


def _map(sources: Sequence[Source], file: IO[bytes], index: Mapping[str, Any]) -> Stored:
    """Map the text that an index describes.

    Raises:
        OSError, ValueError, KeyError, TypeError, IndexError: the index is not one of these files.
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


def _sample(sources: Sequence[Source], file: IO[bytes]) -> str:
    """A hash of some blocks of the files and of the stored codes, and of their size."""
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


@contextmanager
def _writing(place: str) -> Iterator[None]:
    """Report that there is no room, or no permission, to write.

    Raises:
        CharrnnError: that is so.
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
    """Delete what was kept of earlier versions of these files, and what killed processes left."""
    for path in folder.glob(f"{named}-*"):
        if path.stem != name:
            with suppress(OSError):
                path.unlink()
    delete_abandoned(folder)
