"""An excerpt from a large file, by which it is judged."""

import os
from itertools import pairwise
from typing import BinaryIO, NamedTuple

from charrnn.text.packed import compression, unpacking
from charrnn.text.sources import UNPACKED, opened, read_bytes

__all__ = ["Excerpt", "excerpt"]

PIECES = 32
"""The number of pieces, which come from all over a file."""


class Excerpt(NamedTuple):
    """A file, or a part of it."""

    data: bytes
    """Its bytes, unpacked."""
    size: int
    """Bytes of the whole file; an estimate where only a part was unpacked."""
    what: str
    """Which part of the file it is, in words; empty for the whole."""


def excerpt(path: str, most: int, *, as_is: bool = False) -> Excerpt:
    """The whole of a file, or about ``most`` bytes of a larger one.

    An excerpt consists of whole lines from all over the file; for a compressed file, or one without
    line ends, it is the beginning.

    Args:
        path: the file; ``-`` is standard input, which is read whole, as a pipe is.
        most: the most bytes, unpacked.
        as_is: do not unpack a compressed file.

    Raises:
        InputError: as :func:`charrnn.text.sources.read_bytes`.
    """
    if path == "-" or not os.path.isfile(path):  # noqa: PTH113 - of any length
        data = read_bytes(path, as_is=as_is)
        return Excerpt(data, len(data), "")
    with opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        first = file.read(16)
        file.seek(0)
        packed = not as_is and compression(first)
        if size * (UNPACKED if packed else 1) <= most:
            data = read_bytes(path, as_is=as_is)
            return Excerpt(data, len(data), "")
        if packed:
            data = b""
            for piece in unpacking(file, repr(path), first):
                data += piece
                if len(data) >= most:
                    size = round(len(data) * size / max(1, file.tell()))
                    return Excerpt(_whole(data), size, "its beginning")
            return Excerpt(data, len(data), "")
        pieces = _lines(file, size, most)
        if all(pieces):
            return Excerpt(b"".join(pieces), size, "whole lines from all over it")
        file.seek(0)
        return Excerpt(_whole(file.read(most)), size, "its beginning")


def _lines(file: BinaryIO, size: int, most: int) -> list[bytes]:
    """Pieces of whole lines, the first from the beginning; an empty one where there are none."""
    pieces = []
    for begin, _ in pairwise(range(0, size + 1, size // PIECES)):
        file.seek(begin)
        piece = file.read(most // PIECES)
        start = piece.find(b"\n") + 1 if begin else 0
        pieces.append(b"" if b"\0" in piece else piece[start : piece.rfind(b"\n") + 1])
    return pieces


def _whole(data: bytes) -> bytes:
    """The bytes without an incomplete UTF-8 character at their end."""
    lead = next((k for k in range(1, 4) if data[-k] >= 0xC0), 0)  # counted from the end
    if not lead:
        return data
    length = 2 + (data[-lead] >= 0xE0) + (data[-lead] >= 0xF0)
    return data if lead == length else data[:-lead]
