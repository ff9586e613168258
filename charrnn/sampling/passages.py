"""Passages that must not be written again: from the training text, or from the text itself.

A window of N symbols has a polynomial hash, Σ r(xᵢ)·bᴺ⁻ⁱ modulo 2⁶⁴, which is updated symbol by
symbol (Karp and Rabin, 1987). Equal windows have equal hashes, so no copy is missed; different
windows have equal hashes with a probability of some 10⁻¹², which only makes a text continue
differently.
"""

from array import array
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from charrnn.sampling.choice import Ids
from charrnn.sampling.text import Symbols

__all__ = ["Hashes", "Passages", "sorted_windows"]

BASE = 0x9E3779B97F4A7C15 | 1
MASK = (1 << 64) - 1
BLOCK = 1 << 16  # windows hashed at a time, in the second-level cache

Hashes = npt.NDArray[np.uint64]


def _values(size: int) -> Hashes:
    """A random number for each symbol, always the same ones."""
    rng = np.random.default_rng(size)
    return rng.integers(1 << 64, size=size, dtype=np.uint64)


def sorted_windows(texts: Sequence[Ids], size: int, length: int) -> Hashes:
    """The hashes of every window of ``length`` symbols, ascending: 8 bytes for each symbol.

    Args:
        texts: ``(N,)`` symbols each; no window reaches from one into another.
        size: the number of symbols, including those that occur only in these texts.
    """
    values = _values(size)
    counts = [max(len(text) - length + 1, 0) for text in texts]
    hashes, done = np.empty(sum(counts), dtype=np.uint64), 0
    for text, count in zip(texts, counts, strict=True):
        for start in range(0, count, BLOCK):
            part = text[start : min(start + BLOCK, count) + length - 1]
            found = _hashes(values[part], length)
            hashes[done : done + len(found)] = found
            done += len(found)
    hashes.sort()
    return hashes


def _hashes(hashes: Hashes, length: int) -> Hashes:
    """The hash of every window, combined from those of its parts: H(ab) = H(a)·b^|b| + H(b)."""
    whole, done, width = None, 0, 1  # whole: hashes so far, of done symbols
    while length:
        if length & 1:
            if whole is None:
                whole = hashes
            else:  # the part of this width comes before the symbols so far
                count = len(hashes) - done
                whole = hashes[:count] * np.uint64(pow(BASE, done, 1 << 64)) + whole[-count:]
            done += width
        length >>= 1
        if length:
            hashes = hashes[:-width] * np.uint64(pow(BASE, width, 1 << 64)) + hashes[width:]
            width *= 2
    assert whole is not None
    return whole


class Passages:
    """Finds, as n texts grow, passages that must not be in them.

    Args:
        texts: the symbols of each text so far.
        size: the number of symbols.
        max_copy: the length of the windows that must not be in ``windows``; 0: all may.
        windows: :func:`sorted_windows` of that length.
        max_repeat: the length of the windows that must not occur twice in a text; 0: all may.
    """

    def __init__(
        self,
        texts: Sequence[Symbols],
        size: int,
        max_copy: int,
        windows: Hashes,
        max_repeat: int,
    ) -> None:
        self._windows = windows
        self._copied = [_Rolling(size, max_copy) for _ in texts] if max_copy else None
        self._repeated = [_Rolling(size, max_repeat) for _ in texts] if max_repeat else None
        self._had: list[set[int]] = [set() for _ in texts]
        for row, symbols in enumerate(texts):
            for at in range(len(symbols)):
                if self._copied:
                    self._copied[row].push(symbols, at)
                if self._repeated:
                    self._add(row, self._repeated[row].push(symbols, at))

    def refused(self, rows: Sequence[int], texts: Sequence[Symbols]) -> list[int]:
        """Those of ``rows`` whose newest symbol must not be there."""
        found: set[int] = set()
        if self._copied:
            ends = [self._copied[row].push(text, -1) for row, text in zip(rows, texts, strict=True)]
            found.update(row for row, copy in zip(rows, self._copies(ends), strict=True) if copy)
        if self._repeated:
            for row, text in zip(rows, texts, strict=True):
                window = self._repeated[row].push(text, -1)
                if window in self._had[row]:
                    found.add(row)
                elif row not in found:
                    self._add(row, window)
        return sorted(found)

    def take_back(self, row: int, length: int, *, refused: bool) -> None:
        """Cut a text to ``length`` symbols, because the last one was refused or otherwise."""
        if self._copied:
            self._copied[row].take_back(length)
        if self._repeated:
            gone = self._repeated[row].take_back(length)
            self._had[row].difference_update(gone[:-1] if refused else gone)

    def keep(self, rows: Sequence[int]) -> None:
        """Keep these texts."""
        self._copied = self._copied and [self._copied[row] for row in rows]
        self._repeated = self._repeated and [self._repeated[row] for row in rows]
        self._had = [self._had[row] for row in rows]

    def _add(self, row: int, window: int | None) -> None:
        if window is not None:
            self._had[row].add(window)

    def _copies(self, ends: Sequence[int | None]) -> list[bool]:
        if not len(self._windows):
            return [False] * len(ends)
        wanted = np.array([end or 0 for end in ends], dtype=np.uint64)
        places = np.searchsorted(self._windows, wanted)
        same = self._windows.take(places, mode="clip") == wanted
        return [found and end is not None for found, end in zip(same.tolist(), ends, strict=True)]


class _Rolling:
    """The hash of the last symbols of a text that grows, and may be cut.

    Args:
        size: the number of symbols.
        length: the length of a window.
    """

    def __init__(self, size: int, length: int) -> None:
        self._length = length
        self._values: list[int] = _values(size).tolist()
        self._last = pow(BASE, length, 1 << 64)
        self._hashes = array("Q")

    def push(self, symbols: Symbols, at: int) -> int | None:
        """The hash of the window that ends with the next symbol, ``symbols[at]``; None if short."""
        hashes = self._hashes
        value = (hashes[-1] if hashes else 0) * BASE + self._values[symbols[at]]
        if len(hashes) >= self._length:
            value -= self._values[symbols[at - self._length]] * self._last
        hashes.append(value & MASK)
        return hashes[-1] if len(hashes) >= self._length else None

    def take_back(self, length: int) -> Symbols:
        """Keep ``length`` symbols; return the windows that ended in the others."""
        gone = self._hashes[max(length, self._length - 1) :]
        del self._hashes[length:]
        return gone
