"""Numbers as text: short, fast to read for ``weights.js``, and safe within a page."""

import zlib
from collections.abc import Iterable, Sequence

import numpy as np

from charrnn.nn.types import Array

__all__ = ["PRECISIONS", "packed", "scales"]

PRECISIONS = ("float24", "float32", "int16")
"""float24 is float32 without its lowest byte; int16 has whole numbers and a scale per tensor."""

LARGEST = 11_000
"""The largest int16. More would be finer; this keeps docs/model.html below 700 kB."""

DIGITS = np.array([code for code in range(33, 127) if chr(code) not in "<&\\"], dtype=np.uint8)
BITS = 13
"""The bits of two digits: 91² is a little more than 2¹³."""


def packed(tensors: Sequence[Array], precision: str) -> str:
    """Numbers as text, one line for each byte of a number, lowest first: zlib streams in base 91.

    The highest bytes, signs and exponents, can be compressed; the others hardly repeat, and are
    only kept separate.

    Args:
        tensors: finite float32 numbers, of any shapes.
        precision: a name in :data:`PRECISIONS`. The steps of float24 are 2⁻¹⁵ of a number or less,
            those of int16 1/11,000 of the tensor's largest.
    """
    if precision == "int16":
        steps = zip(tensors, scales(tensors), strict=True)
        numbers = _joined(np.round(tensor / scale) for tensor, scale in steps).astype("<i2")
    else:
        numbers = _joined(tensors).astype("<f4")
    if precision == "float24":
        numbers = numbers.view("<u4") + np.uint32(0x80)  # half a step, so that cutting off rounds
    planes = numbers.view(np.uint8).reshape(len(numbers), -1).T
    return "\n".join(_in_digits(plane.tobytes()) for plane in planes[precision == "float24" :])


def scales(tensors: Iterable[Array]) -> list[float]:
    """The factors for the whole numbers of int16, one for each tensor."""
    return [float(np.abs(tensor).max()) / LARGEST or 1.0 for tensor in tensors]


def _joined(tensors: Iterable[Array]) -> Array:
    return np.concatenate([tensor.ravel() for tensor in tensors])


def _in_digits(plane: bytes) -> str:
    """Bits in base 91, the lowest first; of two digits, the lower one. The last may be alone."""
    stream = zlib.compressobj(9, strategy=zlib.Z_HUFFMAN_ONLY)
    data = np.frombuffer(stream.compress(plane) + stream.flush(), dtype=np.uint8)
    rest = -8 * len(data) % BITS
    bits = np.pad(np.unpackbits(data, bitorder="little"), (0, rest))
    high, low = np.divmod(bits.reshape(-1, BITS) @ (1 << np.arange(BITS)), len(DIGITS))
    digits = DIGITS[np.stack([low, high], axis=1).ravel()]
    if rest >= BITS - 6:  # the last pair has six bits or fewer: one digit is enough
        digits = digits[:-1]
    return str(digits.tobytes(), "ascii")
