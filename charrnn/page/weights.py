"""Numbers as text: small, quick to read for ``weights.js``, and safe within a page."""

import zlib
from collections.abc import Iterable

import numpy as np

from charrnn.nn.types import Array

__all__ = ["PRECISIONS", "packed"]

PRECISIONS = {"float16": "<f2", "float32": "<f4"}

STEPS, FLOAT16_BITS = 14, 11
"""Of the largest number: down to which binary place small ones are kept, and it itself."""

DIGITS = np.array([code for code in range(33, 127) if chr(code) not in "<&\\"], dtype=np.uint8)
BITS = 13
"""Of two digits: 91² is a little more than 2¹³."""


def packed(tensors: Iterable[Array], precision: str) -> str:
    """A plane for each byte of a number, the lowest first: a zlib stream in base 91, a line each.

    The highest bytes, signs and exponents, take up two thirds of their size; the others hardly
    repeat, and are only told apart.

    Args:
        tensors: of finite numbers, any shapes.
        precision: of :data:`PRECISIONS`. In float16, what is small is rounded to an eighth of the
            step that the tensor's largest number has there: finer digits would change the outputs
            less than the rounding of the large ones does, and take up place.

    Raises:
        OverflowError: a number is beyond the precision.
    """
    half = precision == "float16"
    numbers = np.concatenate([(_coarser(one) if half else one).ravel() for one in tensors])
    with np.errstate(over="ignore"):
        rounded = numbers.astype(PRECISIONS[precision])
    if not np.isfinite(rounded).all():
        raise OverflowError(f"a number is too large for {precision}")
    planes = rounded.view(np.uint8).reshape(len(rounded), -1).T
    return "\n".join(_in_digits(plane.tobytes()) for plane in planes)


def _coarser(tensor: Array) -> Array:
    _, exponent = np.frexp(np.abs(tensor).max())
    step = np.ldexp(1.0, int(exponent) - STEPS)
    small = np.abs(tensor) < step * (1 << FLOAT16_BITS - 1)  # float16's own steps are finer there
    return np.where(small, np.round(tensor / step) * step, tensor)


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
