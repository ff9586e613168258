"""How well Python's compressors compress a text when they know the training text."""

import bz2
import lzma
import zlib
from collections.abc import Callable
from math import log

__all__ = ["COMPRESSORS", "compressed_nats"]

GZIP_WINDOW = 1 << 15
BZ2_BLOCK = 900_000 - 19  # of level 9, less its own overhead
XZ_WINDOW = 1 << 23  # of preset 6


def _gzip(data: bytes) -> int:
    return len(zlib.compress(data, 9))  # gzip's bytes, with a shorter header


def _bz2(data: bytes) -> int:
    return len(bz2.compress(data, 9))


def _xz(data: bytes) -> int:
    return len(lzma.compress(data, preset=6))


COMPRESSORS: dict[str, tuple[Callable[[bytes], int], Callable[[bytes], int]]] = {
    "gzip": (_gzip, lambda text: GZIP_WINDOW),
    "bz2": (_bz2, lambda text: BZ2_BLOCK - len(text)),
    "xz": (_xz, lambda text: XZ_WINDOW),
}
"""By name: the compressed size of bytes, and how many bytes before a text a compressor can use:
those in its window; for bz2, which sorts block by block, those that share a block with it."""


def compressed_nats(name: str, train: bytes, text: bytes) -> float:
    """The nats of a text that follows another: size(train + text) - size(train).

    Args:
        name: in :data:`COMPRESSORS`.
        train: the text before; only as much of its end is used as the compressor can use.
        text: the text to compress.

    The difference is not the length of a code, only how much longer the code of both is. For a few
    bytes it can come out below zero, and then counts as one byte.

    Returns:
        The sum over the text.
    """
    size, reach = COMPRESSORS[name]
    before = train[max(0, len(train) - max(0, reach(text))) :]
    return 8 * log(2) * max(1, size(before + text) - size(before))
