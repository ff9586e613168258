"""Passages that occur in two places.

Every window of a given length gets a hash, combined from the hashes of its parts, and windows with
equal hashes are paired. They are then compared character by character, so that no collision can
mislead, and windows that follow one another in both places are joined.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["BLOCK", "Runs", "agree", "joined", "window_hashes"]

BLOCK = 1 << 15
"""Windows hashed at a time, which fit the second-level cache."""

COMPARED = 1 << 12  # windows compared at a time
MIX = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(31))

Codes = npt.NDArray[Any]
Hashes = npt.NDArray[np.uint64]
Indices = npt.NDArray[Any]


class Runs(NamedTuple):
    """Passages that occur in two places, ``(R,)`` each."""

    starts: Indices  # in the one text
    places: Indices  # in the other
    lengths: Indices
    windows: Indices  # (K,) where the windows of the passages begin, in the given order


def window_hashes(codes: Codes, lengths: Sequence[int]) -> Iterator[Hashes]:
    """The hashes of all windows, for one length after the other.

    Args:
        codes: ``(N,)`` characters or bytes.
        lengths: ascending.

    Yields:
        ``(N - length + 1,)`` hashes, or none where the text is shorter than the window.
    """
    hashes = codes.astype(np.uint64)
    hashes = _mixed(hashes, hashes)  # spread each character over all bits
    width = 1
    for length in lengths:
        while 2 * width <= length:
            hashes, width = _mixed(hashes[:-width], hashes[width:]), 2 * width
        more = length - width  # the two parts of a window may overlap
        yield _mixed(hashes[:-more], hashes[more:]) if more else hashes


def _mixed(left: Hashes, right: Hashes) -> Hashes:
    first, second, shift = MIX
    hashes: Hashes = left * first
    hashes += right
    hashes ^= hashes >> shift
    hashes *= second
    return hashes


def agree(
    one: Codes, starts: Indices, other: Codes, places: Indices, length: int
) -> npt.NDArray[np.bool_]:
    """Whether the windows of one text at ``starts`` equal those of the other at ``places``."""
    equal = np.empty(len(starts), dtype=bool)
    if not len(starts):
        return equal
    ours = np.lib.stride_tricks.sliding_window_view(one, length)
    theirs = np.lib.stride_tricks.sliding_window_view(other, length)
    for begin in range(0, len(starts), COMPARED):
        rows = slice(begin, begin + COMPARED)
        equal[rows] = (ours[starts[rows]] == theirs[places[rows]]).all(axis=1)
    return equal


def joined(one: Codes, windows: Indices, other: Codes, places: Indices, length: int) -> Runs:
    """Join the windows that are equal to what is at their ``places`` in the other text.

    Where a window and its place both follow those before them, only the last character is compared;
    a window that begins a run is compared whole.

    Args:
        one, other: ``(N,)`` and ``(M,)`` characters or bytes.
        windows: ``(K,)`` where windows of ``one`` begin, ascending within each run.
        places: ``(K,)`` where each of them may occur in ``other``.
        length: the length of a window.
    """
    begins = np.ones(len(windows), dtype=bool)
    begins[1:] = (np.diff(windows) != 1) | (np.diff(places) != 1)
    equal = one[windows + (length - 1)] == other[places + (length - 1)]
    whole = np.flatnonzero(begins)
    equal[whole] = agree(one, windows[whole], other, places[whole], length)
    # In each run, what comes after a difference is not known to be equal.
    number = np.arange(len(windows), dtype=windows.dtype)
    run = np.maximum.accumulate(np.where(begins, number, 0))
    kept = np.maximum.accumulate(np.where(equal, -1, number)) < run
    windows, places, run = windows[kept], places[kept], run[kept]
    firsts = np.flatnonzero(np.diff(run, prepend=-1))
    counts = np.diff(firsts, append=len(run))
    return Runs(windows[firsts], places[firsts], counts + (length - 1), windows)
