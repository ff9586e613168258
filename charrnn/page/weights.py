"""Numbers as text: small, quick to read for ``weights.js``, and safe within a page."""

import zlib
from collections.abc import Iterable, Sequence

import numpy as np

from charrnn.nn.types import Array

__all__ = ["PRECISIONS", "packed", "scales"]

PRECISIONS = ("float24", "float32", "int16")
"""float24 is float32 without its lowest byte; int16 has whole numbers and a scale per tensor."""

LARGEST = 11_000
"""Of int16. More would be finer and larger: with these, docs/model.html is below 700 kB."""

DIGITS = np.array([code for code in range(33, 127) if chr(code) not in "<&\\"], dtype=np.uint8)
BITS = 13
"""Of two digits: 91² is a little more than 2¹³."""


def packed(tensors: Sequence[Array], precision: str) -> str:
    """A plane for each byte of a number, the lowest first: a zlib stream in base 91, a line each.

    The highest bytes, signs and exponents, shrink; the others hardly repeat, and are only told
    apart.

    Args:
        tensors: of finite float32 numbers, any shapes.
        precision: of :data:`PRECISIONS`. The steps of float24 are 2⁻¹⁵ of a number or less, those
            of int16 1/11,000 of the tensor's largest.
    """
    if precision == "int16":
        steps = zip(tensors, scales(tensors), strict=True)
        numbers = _joined(np.round(tensor / scale) for tensor, scale in steps).astype("<i2")
    else:
        numbers = _joined(tensors).astype("<f4")
    if precision == "float24":
        numbers = numbers.view("<u4") + np.uint32(0x80)  # half a step: cutting off then rounds
    planes = numbers.view(np.uint8).reshape(len(numbers), -1).T
    return "\n".join(_in_digits(plane.tobytes()) for plane in planes[precision == "float24" :])


def scales(tensors: Iterable[Array]) -> list[float]:
    """What the whole numbers of int16 are to be multiplied by, a tensor each."""
    return [float(np.abs(tensor).max()) / LARGEST or 1.0 for tensor in tensors]


def _joined(tensors: Iterable[Array]) -> Array:
    return np.concatenate([tensor.ravel() for tensor in tensors])


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
