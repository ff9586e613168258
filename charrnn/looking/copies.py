"""Which passages of a text occur verbatim in another one: the training text of a model.

The windows of the text are few; those of the training text are read in blocks, and recognised by
their hashes (:mod:`charrnn.text.passages`). So a long training text takes no more memory.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from charrnn.text.passages import BLOCK, agree, joined, window_hashes

__all__ = ["LENGTHS", "Copies", "Passage", "Shares", "find_copies", "new_shares"]

LENGTHS = (4, 5, 6, 8, 10, 15, 20, 30, 50)
"""The lengths of the windows (n-grams) that are searched for, in characters."""

MOST = 10
"""The most passages that are listed."""

VARIED = 0.1
"""In a listed passage, some window has a larger part, and more than one, of characters that
differ from the one before: rules of dashes and blanks do not count as copies."""

PART = 1 << 18
"""Windows of the text that are searched for at a time."""

MOST_PAIRS = 1 << 22
"""The most pairs of a window and its place that are joined to passages, some 50 bytes each."""

Codes = npt.NDArray[Any]
Indices = npt.NDArray[np.int64]
Advance = Callable[[int], object]


class Shares(NamedTuple):
    """How much of a text is new, by the length of the windows."""

    new: dict[int, float]
    """The part of the windows that the training text does not have, for each length up to that of
    the text."""
    passages: dict[int, int]
    """The number of stretches of the text that consist of windows that the training text has."""


class Passage(NamedTuple):
    """A part of the text that also occurs in the training text."""

    start: int
    place: int  # the first occurrence in the training text
    length: int


class Copies(NamedTuple):
    """The copied passages of a text."""

    shares: Shares
    longest: tuple[Passage, ...]
    """At most :data:`MOST`, the longest first, without overlaps in either text."""
    least: int
    """The fewest characters of a passage that is listed."""


class _Windows:
    """The windows of one length in a part of a text, recognised by their hashes."""

    def __init__(self, codes: Codes, length: int) -> None:
        (hashes,) = window_hashes(codes, (length,))
        distinct, self.first, self.number = np.unique(
            hashes, return_index=True, return_inverse=True
        )
        self.size, self.count = len(hashes), len(distinct)
        # Sorted hashes are evenly spread, so the leading bits lead close to the right one.
        bits = self.count.bit_length() + 1
        self._shift = np.uint64(64 - bits)
        leading = np.arange(1 << bits, dtype=np.uint64) << self._shift
        self._begins = np.searchsorted(distinct, leading).astype(np.int32)
        self._hashes = np.append(distinct, np.iinfo(np.uint64).max)  # the last ends every search

    def find(self, hashes: npt.NDArray[np.uint64]) -> tuple[Indices, Indices]:
        """Which of these hashes belong to one of the windows, and to which distinct one."""
        number = self._begins[hashes >> self._shift]
        behind = np.flatnonzero(self._hashes[number] < hashes)
        while len(behind):
            number[behind] += 1
            behind = behind[self._hashes[number[behind]] < hashes[behind]]
        at = np.flatnonzero((self._hashes[number] == hashes) & (number < self.count))
        return at, number[at]


def new_shares(
    text: Codes,
    known: Codes,
    lengths: Sequence[int] = LENGTHS,
    advance: Advance = lambda count: None,
) -> Shares:
    """How much of a text does not occur in another one.

    Args:
        text, known: ``(N,)`` and ``(M,)`` characters or bytes.
        lengths: the lengths of windows, ascending.
        advance: called with how many more characters of ``known`` have been read, M for each
            :data:`PART` of the text.
    """
    lengths = [length for length in lengths if length <= len(text)]
    stands = {length: np.zeros(len(text) - length + 1, dtype=bool) for length in lengths}
    for start in range(0, len(text), PART):
        part = text[start : start + PART + max(lengths, default=1) - 1]
        within = [length for length in lengths if length <= len(part)]
        looked_for = [_Windows(part, length) for length in within]
        places = [np.full(windows.count, -1, dtype=np.int64) for windows in looked_for]
        for at, block in _blocks(known, max(within, default=1), advance):
            hashed = window_hashes(block, within)
            rows = np.arange(min(BLOCK, len(block)))
            for windows, place, hashes in zip(looked_for, places, hashed, strict=True):
                # A window can occur only where the shorter windows that begin it do.
                rows = rows[rows < len(hashes)]
                which, numbers = windows.find(hashes[rows])
                rows = rows[which]
                place[numbers] = at + rows
        for length, windows, place in zip(within, looked_for, places, strict=True):
            found = np.flatnonzero(place >= 0)
            equal = agree(part, windows.first[found], known, place[found], length)
            place[found[~equal]] = -1
            there = place[windows.number] >= 0
            stands[length][start : start + len(there)] = there
    return Shares(
        {length: float(1 - found.mean()) for length, found in stands.items()},
        {length: _stretches(found) for length, found in stands.items()},
    )


def find_copies(
    text: Codes,
    known: Codes,
    lengths: Sequence[int] = LENGTHS,
    advance: Advance = lambda count: None,
) -> Copies:
    """The passages of a text that occur in another one, and how much of it is new.

    Every place of every window is examined, so that a passage is found whole, wherever else parts
    of it occur. Where that would be too many (:data:`MOST_PAIRS`), longer windows are used.

    Args:
        text, known, lengths, advance: as for :func:`new_shares`; ``known`` is read twice, or more
            often where windows must be longer.
    """
    shares = new_shares(text, known, lengths, advance)
    # The longest windows first: they occur in the fewest places.
    enough = [length for length, count in shares.passages.items() if count >= MOST]
    some = [length for length, count in shares.passages.items() if count]
    found: list[Passage] = []
    least = lengths[0]
    for length in reversed(enough or some):
        longest, longer = _longest(text, known, length, advance)
        if len(longest) > len(found):
            found, least = longest, longer
        if len(found) == MOST or longer > length:
            break
    return Copies(shares, tuple(found), least)


def _longest(text: Codes, known: Codes, length: int, advance: Advance) -> tuple[list[Passage], int]:
    """The passages to list, and the length of windows that was used, ``length`` or longer."""
    pairs = _pairs(text, known, length, advance)
    while pairs is None:
        length *= 2
        pairs = _pairs(text, known, length, advance)
    windows, places = pairs
    order = np.lexsort((windows, places - windows))
    runs = joined(text, windows[order], known, places[order], length)
    passages = _extended(text, known, runs.starts, runs.places, runs.lengths)
    listed: list[Passage] = []
    for row in passages:
        one = Passage(*row.tolist())
        if not any(_overlap(one, other) for other in listed):
            listed.append(one)
            if len(listed) == MOST:
                break
    return listed, length


def _extended(
    text: Codes, known: Codes, starts: Indices, places: Indices, lengths: Indices
) -> Indices:
    """The passages in full length, past windows that were left out: ``(R, 3)``, longest first."""
    ends, starts, shifts = starts + lengths, starts.copy(), places - starts
    for edge, step in ((ends, 1), (starts, -1)):
        growing = np.arange(len(edge))
        while len(growing):
            at = edge[growing] - (step < 0)
            there = at + shifts[growing]
            inside = (at >= 0) & (at < len(text)) & (there >= 0) & (there < len(known))
            growing, at, there = growing[inside], at[inside], there[inside]
            growing = growing[text[at] == known[there]]
            edge[growing] += step
    found = np.unique(np.stack([starts, starts + shifts, ends - starts], axis=1), axis=0)
    return found[np.argsort(-found[:, 2], kind="stable")]


def _blocks(known: Codes, longest: int, advance: Advance) -> Iterator[tuple[int, Codes]]:
    """Where a block begins, and all windows of up to ``longest`` that begin in it."""
    for start in range(0, len(known), BLOCK):
        yield start, known[start : start + BLOCK + longest - 1]
        advance(min(BLOCK, len(known) - start))


def _pairs(
    text: Codes, known: Codes, length: int, advance: Advance
) -> tuple[Indices, Indices] | None:
    """Every pair of a window of the text and a place where it occurs; None if too many."""
    windows, places = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    total = 0
    for start in range(0, len(text) - length + 1, PART):
        codes = text[start : start + PART + length - 1]
        part = _Windows(codes, length)
        changes = np.cumsum(np.append(False, codes[1:] != codes[:-1]))
        least = max(1, VARIED * length)
        varied = np.flatnonzero(changes[length - 1 :] - changes[: part.size] > least)
        counts = np.bincount(part.number[varied], minlength=part.count)
        ordered = varied[np.argsort(part.number[varied], kind="stable")]
        begins = np.cumsum(counts) - counts
        for at, block in _blocks(known, length, advance):
            (hashes,) = window_hashes(block, (length,))
            rows, numbers = part.find(hashes[:BLOCK])
            each = counts[numbers]
            total += int(each.sum())
            if total > MOST_PAIRS:
                return None
            ends = np.cumsum(each)
            within = np.arange(each.sum()) - (ends - each).repeat(each)
            windows.append(start + ordered[begins[numbers].repeat(each) + within])
            places.append(at + rows.repeat(each))
    return np.concatenate(windows), np.concatenate(places)


def _stretches(found: npt.NDArray[np.bool_]) -> int:
    return int(np.count_nonzero(found[1:] & ~found[:-1]) + found[:1].sum())


def _overlap(one: Passage, other: Passage) -> bool:
    return (one.start < other.start + other.length and other.start < one.start + one.length) or (
        one.place < other.place + other.length and other.place < one.place + one.length
    )
