"""The items that a model was trained on (lines of a list, labelled texts), in four bytes each.

A model keeps them beside its weights, so that it can avoid writing them without the training text.
Each is noted by its CRC-32 (that of zip files and PNG): every item is recognised, and with N items
something new is mistaken for one with probability N/2³², which is 1 in 200,000 for 20,000 names.
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
"""The most bytes of an item; longer ones are hardly ever written whole, and are not noted."""

MOST = 1 << 20
"""The most distinct items that are noted; with more, none are."""

DISTINCT = 0.5
"""The share of items that must be distinct: where most repeat, written ones may repeat them."""

FEW, HARDLY_AGAIN = 100, 0.8
"""If the user has not said that lines are items: the fewest lines of a list, and the share that
must be distinct. In plays and source code, short lines such as speakers or brackets repeat."""

BEGINNING = 1 << 20
"""How many characters are looked at first."""

LINE_END = 10

Codes = npt.NDArray[Any]


@dataclass(frozen=True)
class Items:
    """The items of a training text.

    Attributes:
        sums: the items' CRC-32s, ascending, each as four bytes in little-endian order.
    """

    sums: bytes = b""

    @classmethod
    def of(cls, items: Sequence[bytes], distinct: float = DISTINCT) -> "Items":
        """The items; empty if they are too many, or less than that share of them are distinct."""
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
            level: the level of the text.
            listed: whether the user has said so. Otherwise a text is a list if it has a hundred
                lines or more, none of them blank, indented or long, and hardly any that repeat.
        """
        if not listed:
            # The beginning of nearly every long text shows that it is not a list.
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
        """The entry of a checkpoint, in base 64."""
        return b64encode(self.sums).decode("ascii")

    @classmethod
    def from_json(cls, text: object) -> "Items":
        """The inverse of :meth:`to_json`.

        Raises:
            ValueError: the text does not come from :meth:`to_json`.
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
    """The lengths of all lines that are ended."""
    return np.diff(np.flatnonzero(codes == LINE_END), prepend=-1) - 1


NONE = Items()
