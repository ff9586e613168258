"""Numbers as text: small, quick to read for ``weights.js``, and safe within a page."""

import zlib

import numpy as np

from charrnn.nn.types import Array

__all__ = ["PRECISIONS", "packed"]

PRECISIONS = {"float16": "<f2", "float32": "<f4"}

DIGITS = np.array([code for code in range(33, 127) if chr(code) not in "<&\\"], dtype=np.uint8)
BITS = 13
"""Of two digits: 91² is a little more than 2¹³."""


def packed(numbers: Array, precision: str) -> str:
    """A plane for each byte of a number, the lowest first: a zlib stream in base 91, a line each.

    The highest bytes, signs and exponents, take up two thirds of their size; the others do not
    repeat, and are only told apart.

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
    """The lowest bits first; of a pair of digits, the lower one. The last may stand alone."""
    stream = zlib.compressobj(9, strategy=zlib.Z_HUFFMAN_ONLY)
    data = np.frombuffer(stream.compress(plane) + stream.flush(), dtype=np.uint8)
    rest = -8 * len(data) % BITS
    bits = np.pad(np.unpackbits(data, bitorder="little"), (0, rest))
    high, low = np.divmod(bits.reshape(-1, BITS) @ (1 << np.arange(BITS)), len(DIGITS))
    digits = DIGITS[np.stack([low, high], axis=1).ravel()]
    if rest >= BITS - 6:  # six bits or fewer are left for the last pair: one digit holds them
        digits = digits[:-1]
    return str(digits.tobytes(), "ascii")
