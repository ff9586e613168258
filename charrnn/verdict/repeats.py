"""Passages that occurred earlier in a text, found by :mod:`charrnn.text.passages`.

A 64-bit key of hash and place lets one sort bring equal windows together, in the order of the text.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from charrnn.text.passages import BLOCK, joined, window_hashes
from charrnn.verdict.findings import Finding
from charrnn.verdict.words import excerpt, line_of, percent

__all__ = [
    "OVERLAP_MEND",
    "OVERLAP_NOTE",
    "PASSAGE",
    "REPEATED_MEND",
    "REPEATED_NOTE",
    "SEARCHED",
    "Passages",
    "find_passages",
    "judge_repeats",
]

PASSAGE = 100
"""The fewest characters of a passage that counts."""
SEARCHED = 20_000_000
"""The most characters that are searched: some 20 bytes of memory each, and a few seconds."""
REPEATED_NOTE, REPEATED_MEND = 0.05, 0.5
"""Parts of the text that occurred earlier in it: worth a note; better fixed."""
OVERLAP_NOTE, OVERLAP_MEND = 0.01, 0.25
"""Parts of the validation text that also occur in the training part."""

Codes = npt.NDArray[Any]
Indices = npt.NDArray[np.int32]


class Passages(NamedTuple):
    """What occurred earlier: how many characters, and the longest passage."""

    characters: int
    start: int  # where the longest begins
    earlier: int  # where it occurred earlier
    length: int  # its length; 0: there is none


def judge_repeats(codes: Codes, boundary: int) -> Iterator[Finding]:
    """How much of a text repeats earlier text, and how much of its end also occurs before it.

    If a text has more than :data:`SEARCHED` characters, that many around ``boundary`` are searched.
    """
    begin, end = 0, len(codes)
    searched = "the text"
    if end > SEARCHED:
        begin = boundary - round(SEARCHED * boundary / len(codes))
        end = begin + SEARCHED
        searched = f"characters {begin + 1:,} to {end:,} (only these were searched)"
    repeated, overlap = find_passages(codes[begin:end], boundary - begin)
    looked_at = {"from": begin, "to": end}
    rules: dict[str, float] = {"PASSAGE": PASSAGE, "SEARCHED": SEARCHED}
    yield _finding(
        "repeats",
        repeated,
        end - begin,
        f"of {searched} repeats earlier passages of {PASSAGE} characters or more",
        f"no passage of {PASSAGE} characters repeats",
        (REPEATED_NOTE, REPEATED_MEND),
        ("keep one copy of each passage: the model memorises repeats",),
        codes[begin:end],
        looked_at,
        rules | {"REPEATED_NOTE": REPEATED_NOTE, "REPEATED_MEND": REPEATED_MEND},
    )
    if end > boundary:
        yield _finding(
            "held-out repeats",
            overlap,
            end - boundary,
            "of the validation set is also in the training part",
            f"no passage of {PASSAGE} characters of the validation set is in the training part",
            (OVERLAP_NOTE, OVERLAP_MEND),
            (
                "the validation loss would look too good: the model can memorise these passages",
                "remove the copies, or end the corpus with new text",
            ),
            codes[begin:end],
            looked_at,
            rules | {"OVERLAP_NOTE": OVERLAP_NOTE, "OVERLAP_MEND": OVERLAP_MEND},
        )


def _finding(
    check: str,
    found: Passages,
    size: int,
    text: str,
    nothing: str,
    limits: tuple[float, float],
    advice: tuple[str, ...],
    codes: Codes,
    looked_at: dict[str, int],
    rules: dict[str, float],
) -> Finding:
    share = found.characters / size
    severity = ("fine", "note", "mend")[sum(share >= limit for limit in limits)]
    measured: dict[str, Any] = {"characters": found.characters, "share": share, **looked_at}
    if not found.characters:
        more = "" if looked_at["from"] == 0 else f" in the {len(codes):,} characters searched"
        return Finding(check, severity, nothing + more, (), measured, rules)
    start, earlier = found.start + looked_at["from"], found.earlier + looked_at["from"]
    passage = codes[found.start : found.start + found.length]
    measured["longest"] = {
        "length": found.length,
        "start": start,
        "earlier": earlier,
        "text": excerpt(passage, 200),
    }
    text = f"{percent(share)} {text}"
    if severity == "fine":
        return Finding(check, severity, text, (), measured, rules)
    # Lines are counted from where the search began: from the top if all was searched.
    where = (
        f"lines {line_of(codes, found.earlier):,} and {line_of(codes, found.start):,}"
        if looked_at["from"] == 0
        else f"characters {earlier + 1:,} and {start + 1:,}"
    )
    text += f"; the longest: {found.length:,} characters, {where}: {excerpt(passage)!r}"
    return Finding(check, severity, text, advice, measured, rules)


def find_passages(codes: Codes, boundary: int, length: int = PASSAGE) -> tuple[Passages, Passages]:
    """The passages of a text that occurred earlier; and those of its end that occur before it.

    Args:
        codes: ``(N,)`` characters or bytes, fewer than 2³¹.
        boundary: where the end begins.
        length: the fewest characters of a passage.
    """
    count = len(codes) - length + 1
    if count < 2:
        return Passages(0, 0, 0, 0), Passages(0, 0, 0, 0)
    keys, bits = _sorted_keys(codes, length)
    at = (keys & np.uint64((1 << bits) - 1)).astype(np.int32)
    same = np.empty(count, dtype=bool)  # whether it equals the window before it in this order
    same[0] = False
    np.less(keys[1:] ^ keys[:-1], np.uint64(1 << bits), out=same[1:])
    del keys
    earlier = np.full(count, -1, dtype=np.int32)
    earlier[at[1:][same[1:]]] = at[:-1][same[1:]]
    windows = np.flatnonzero(earlier >= 0).astype(np.int32)
    repeated = _passages(codes, windows, earlier[windows], length)
    # Equal windows are in the order of the text: if any of them is in the training part, the
    # first one is.
    first = np.where(same, 0, np.arange(count, dtype=np.int32))
    np.maximum.accumulate(first, out=first)
    held_out = at >= boundary
    earlier[:] = -1
    earlier[at[held_out]] = at[first[held_out]]
    windows = np.flatnonzero((earlier >= 0) & (earlier <= boundary - length)).astype(np.int32)
    return repeated, _passages(codes, windows, earlier[windows], length)


def _sorted_keys(codes: Codes, length: int) -> tuple[npt.NDArray[np.uint64], int]:
    """A key for each window, ascending: its hash, and in the lowest bits its place."""
    count = len(codes) - length + 1
    bits = (count - 1).bit_length()
    keys = np.empty(count, dtype=np.uint64)
    for start in range(0, count, BLOCK):
        block = codes[start : min(start + BLOCK, count) + length - 1]
        (hashes,) = window_hashes(block, (length,))
        hashes >>= np.uint64(bits)
        hashes <<= np.uint64(bits)
        hashes |= np.arange(start, start + len(hashes), dtype=np.uint64)
        keys[start : start + len(hashes)] = hashes
    keys.sort()
    return keys, bits


def _passages(codes: Codes, windows: Indices, earlier: Indices, length: int) -> Passages:
    """Join the ``windows`` (ascending) that equal the text at ``earlier``."""
    runs = joined(codes, windows, codes, earlier, length)
    if not len(runs.starts):
        return Passages(0, 0, 0, 0)
    longest = int(np.argmax(runs.lengths))
    return Passages(
        characters=int(np.minimum(np.diff(runs.windows), length).sum()) + length,
        start=int(runs.starts[longest]),
        earlier=int(runs.places[longest]),
        length=int(runs.lengths[longest]),
    )
