"""The items that a model was trained on (lines of a list, labelled texts), in four bytes each.

A model carries them with its weights, so that it can write others without the training text. Each
is noted by its CRC-32 (that of zip files and PNG): no item is missed, and of N items something new
is taken for one with a probability of N/2³², which is a chance in 200,000 for 20,000 names.
"""

import zlib
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.text.corpora import encoded
from charrnn.text.view import View

__all__ = ["LONGEST", "NONE", "Items"]

LONGEST = 100
"""Bytes of an item: longer ones are hardly ever written whole, and are not noted."""

MOST = 1 << 20
"""Distinct items that are noted; of more, none is."""

DISTINCT = 0.5
"""The part of all items that must be distinct: where most come again, so may those written."""

FEW, HARDLY_AGAIN = 100, 0.8
"""Where nobody has said that each line is an item: so many lines at least, and this part of them
distinct; a play has its speakers in lines of their own, source code its brackets."""

BEGINNING = 1 << 20
"""Characters that are looked at first."""

LINE_END = 10

Codes = npt.NDArray[Any]


@dataclass(frozen=True)
class Items:
    """Which items there were.

    Attributes:
        sums: their CRC-32s, ascending, each as four bytes, the lowest first.
    """

    sums: bytes = b""

    @classmethod
    def of(cls, items: Sequence[bytes], distinct: float = DISTINCT) -> "Items":
        """Those items; none if they are too many, or fewer than that part of them are distinct."""
        found = set(items)
        if len(found) > MOST or len(found) < distinct * len(items):
            return cls()
        sums = {zlib.crc32(item) for item in found if 0 < len(item) <= LONGEST}
        return cls(np.array(sorted(sums), dtype="<u4").tobytes())

    @classmethod
    def of_lines(cls, codes: Codes | View, level: str, *, listed: bool) -> "Items":
        """The lines of a text, if each of them is an item.

        Args:
            codes: ``(N,)`` characters or bytes.
            level: of the text.
            listed: whether a person has said so. Else a text is a list if it has a hundred lines
                or more, no blank, indented or long ones, and hardly any that come again.
        """
        if not listed:
            # The beginning tells of nearly every long text that it is no list.
            first = _lengths(np.asarray(codes[:BEGINNING]))
            too_many = len(codes) > MOST / HARDLY_AGAIN * (LONGEST + 1)
            if too_many or not first.all() or first.max(initial=0) > LONGEST:
                return cls()
        codes = np.asarray(codes)
        lengths = _lengths(codes)
        if not listed and (len(lengths) < FEW or not lengths.all() or lengths.max() > LONGEST):
            return cls()
        lines = encoded(codes, level).split(b"\n")
        if listed:
            return cls.of([line for line in lines if line])
        indented = any(line[:1].isspace() for line in lines)
        return cls() if indented else cls.of(lines[:-1], HARDLY_AGAIN)

    def __len__(self) -> int:
        return len(self._sums)

    def __contains__(self, item: bytes) -> bool:
        if not len(self) or len(item) > LONGEST:
            return False
        wanted = np.uint32(zlib.crc32(item))
        place = int(np.searchsorted(self._sums, wanted))
        return bool(self._sums[min(place, len(self) - 1)] == wanted)

    def union(self, other: "Items") -> "Items":
        """The items of both."""
        return Items(np.union1d(self._sums, other._sums).astype("<u4").tobytes())

    def to_json(self) -> str:
        """For a checkpoint: base 64."""
        return b64encode(self.sums).decode("ascii")

    @classmethod
    def from_json(cls, text: object) -> "Items":
        """The inverse of :meth:`to_json`.

        Raises:
            ValueError: it is not what that wrote.
        """
        if not isinstance(text, str):
            raise ValueError("items must be a text in base 64")
        items = cls(b64decode(text, validate=True))
        if len(items.sums) % 4 or np.any(items._sums[1:] <= items._sums[:-1]):
            raise ValueError("items must be numbers of four bytes, ascending")
        return items

    @cached_property
    def _sums(self) -> npt.NDArray[np.uint32]:
        return np.frombuffer(self.sums, dtype="<u4")


def _lengths(codes: Codes) -> npt.NDArray[np.intp]:
    """Of the lines that are ended."""
    return np.diff(np.flatnonzero(codes == LINE_END), prepend=-1) - 1


NONE = Items()
