"""A text of several arrays, one after the other, that is read only as it is needed."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["View", "joined"]

Codes = npt.NDArray[Any]


class View:
    """Equals ``np.concatenate(parts)`` without its memory: parts may be files on disk.

    A slice is a view again; ``np.asarray`` makes an array of it, without copying if it has a single
    part and no table. Indexing by an array of places gives an array.

    Args:
        parts: ``(n,)`` integers each.
        table: if given, each code is read as ``table[code]``.
    """

    def __init__(self, parts: Sequence[Codes], table: Codes | None = None) -> None:
        self._parts = [part for part in parts if len(part)] or list(parts[:1])
        self._ends = list(accumulate(map(len, self._parts)))
        self._table = table
        self.dtype = np.result_type(*self._parts) if table is None else table.dtype

    def __len__(self) -> int:
        return self._ends[-1]

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            begin, end, step = key.indices(len(self))
            if step != 1:
                raise ValueError("a view has no steps")
            return View(self._between(begin, end), self._table)
        at = np.asarray(key)
        at = np.where(at < 0, at + len(self), at)
        if len(self._parts) == 1:
            return self._read(self._parts[0][at])
        which = np.searchsorted(self._ends, at, side="right")
        found = np.empty(at.shape, np.result_type(*self._parts))
        for k in np.unique(which).tolist():
            here = which == k
            found[here] = self._parts[k][at[here] - (self._ends[k - 1] if k else 0)]
        return self._read(found)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Codes:
        found = self._parts[0] if len(self._parts) == 1 else np.concatenate(self._parts)
        found = np.asarray(self._read(found), dtype)
        return found.copy() if copy else found

    def __eq__(self, other: object) -> bool:
        raise TypeError("a view is compared as an array: np.asarray(view) == ...")

    def through(self, table: Codes) -> "View":
        """The same text, with each code looked up in a table."""
        return View(self._parts, table if self._table is None else table[self._table])

    def _read(self, codes: Codes) -> Codes:
        return codes if self._table is None else self._table[codes]

    def _between(self, begin: int, end: int) -> list[Codes]:
        first, found = bisect_right(self._ends, begin), []
        for k in range(first, len(self._parts)):
            before = self._ends[k - 1] if k else 0
            if before >= end:
                break
            found.append(self._parts[k][max(0, begin - before) : end - before])
        return found or [self._parts[0][:0]]


def joined(parts: Sequence[Codes | View]) -> Codes | View:
    """Texts one after the other: an array, or a view if one of them is a view."""
    if not any(isinstance(part, View) for part in parts):
        return np.concatenate(parts)
    views = [part if isinstance(part, View) else View([part]) for part in parts]
    return View([piece for view in views for piece in view._parts])
