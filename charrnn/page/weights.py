"""Numbers as text: small, quick to read for ``weights.js``, and safe within a page."""

import zlib
from base64 import b85encode

import numpy as np

from charrnn.nn.types import Array

__all__ = ["PRECISIONS", "packed"]

PRECISIONS = {"float16": "<f2", "float32": "<f4"}


def packed(numbers: Array, precision: str) -> str:
    """A plane for each byte of a number, the lowest first: a zlib stream in base 85, a line each.

    The highest bytes, signs and exponents, take up two thirds of their size; the others do not
    repeat, and are only told apart. The digits are Python's (RFC 1924), with a comma for ``<``.

    Args:
        numbers: ``(N,)`` finite.
        precision: of :data:`PRECISIONS`.

    Raises:
        OverflowError: a number is beyond the precision.
    """
    with np.errstate(over="ignore"):
        rounded = numbers.astype(PRECISIONS[precision])
    if not np.isfinite(rounded).all():
        raise OverflowError(f"a number is too large for {precision}")
    planes = rounded.view(np.uint8).reshape(len(rounded), -1).T
    return "\n".join(_in_digits(plane.tobytes()) for plane in planes)


def _in_digits(plane: bytes) -> str:
    stream = zlib.compressobj(9, strategy=zlib.Z_HUFFMAN_ONLY)
    data = stream.compress(plane) + stream.flush()
    return b85encode(data).decode("ascii").replace("<", ",")
