"""What the compressors that come with Python make of a text, the training text known to them."""

import bz2
import lzma
import zlib
from collections.abc import Callable
from math import log

__all__ = ["COMPRESSORS", "compressed_nats"]

GZIP_WINDOW = 1 << 15
BZ2_BLOCK = 900_000 - 19  # of level 9, less what its own bookkeeping takes
XZ_WINDOW = 1 << 23  # of preset 6


def _gzip(data: bytes) -> int:
    return len(zlib.compress(data, 9))  # gzip's bytes, in a shorter wrapping


def _bz2(data: bytes) -> int:
    return len(bz2.compress(data, 9))


def _xz(data: bytes) -> int:
    return len(lzma.compress(data, preset=6))


COMPRESSORS: dict[str, tuple[Callable[[bytes], int], Callable[[bytes], int]]] = {
    "gzip": (_gzip, lambda text: GZIP_WINDOW),
    "bz2": (_bz2, lambda text: BZ2_BLOCK - len(text)),
    "xz": (_xz, lambda text: XZ_WINDOW),
}
"""By name, the size of what each makes of bytes, and how many bytes before a text it can use: those
in its window; of bz2, which sorts block by block, those that fit into one block with the text."""


def compressed_nats(name: str, train: bytes, text: bytes) -> float:
    """Nats that a text takes when it follows another: size(train + text) - size(train).

    Args:
        name: in :data:`COMPRESSORS`.
        train: what stands before; of it the end is used, as much as the compressor can look at.
        text: what is charged.

    That difference is no code of its own, only what a code of both takes more: of a few bytes it
    can come out below nothing, which no code does, and then counts as one byte.

    Returns:
        The sum over the text.
    """
    size, reach = COMPRESSORS[name]
    before = train[max(0, len(train) - max(0, reach(text))) :]
    return 8 * log(2) * max(1, size(before + text) - size(before))
