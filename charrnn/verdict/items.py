"""Lines that are independent items: names, titles, questions, a word list."""

from collections import Counter
from itertools import pairwise
from typing import Any

import numpy.typing as npt

from charrnn.text.corpora import encoded
from charrnn.text.counts import counted
from charrnn.verdict.findings import Finding

__all__ = ["AGAIN", "FEW_LINES", "IN_ORDER", "KNOWN_LINES", "judge_items"]

FEW_LINES = 100
"""With fewer lines than this, no finding is made."""

KNOWN_LINES = 0.5
"""The part of the validation lines that may also be in the training part: verse has a refrain,
and plays have names in lines of their own."""

AGAIN = 0.6
"""The part of all lines that must have occurred before, for lines to be items of a few kinds; a
text that is there twice has half of them, and is recognised by its passages."""

IN_ORDER = 0.95
"""The part of neighbouring lines in ascending order from which on a text counts as sorted."""

Codes = npt.NDArray[Any]


def judge_items(codes: Codes, boundary: int, level: str) -> Finding:
    """Whether whole lines recur, and whether they are sorted.

    Args:
        codes: ``(N,)`` characters or bytes.
        boundary: where the validation set begins.
        level: the level of the text.
    """
    training, held_out = (
        [line for line in encoded(part, level).split(b"\n") if line.strip()]
        for part in (codes[:boundary], codes[boundary:])
    )
    lines = training + held_out
    rules = {
        "FEW_LINES": FEW_LINES,
        "KNOWN_LINES": KNOWN_LINES,
        "AGAIN": AGAIN,
        "IN_ORDER": IN_ORDER,
    }
    if len(lines) < FEW_LINES:
        return Finding("items", "fine", "few lines", (), {"lines": len(lines)}, rules)
    counts, known = Counter(lines), set(training)
    again = len(lines) - len(counts)
    met = sum(line in known for line in held_out)
    # Equal neighbours say nothing about the order.
    unequal = [(a, b) for a, b in pairwise(lines) if a != b]
    ascending = sum(a < b for a, b in unequal) / max(1, len(unequal))
    flattered = again >= AGAIN * len(lines) and met > KNOWN_LINES * len(held_out)
    in_order = ascending >= IN_ORDER and len(counts) >= FEW_LINES
    text = f"{again:,} of {counted(len(lines), 'line')} repeat an earlier one"
    if held_out:
        all_of_them = "all" if met == len(held_out) else f"{met:,}"
        text += f"; of the {counted(len(held_out), 'validation line')}, {all_of_them} "
        text += f"{'is' if met == 1 else 'are'} in the training part"
    advice = []
    if flattered:
        advice.append(
            "the validation loss would look too good; --lines keeps equal lines in one part "
            "(or keep one of each: sort -u, then shuf)"
        )
    if in_order:
        text += "; the lines are sorted"
        advice.append(
            "the validation set has only the last of them, so its loss says little about the "
            "rest; --lines draws lines from all over and shuffles them (as shuf does)"
        )
    return Finding(
        "items",
        "note" if advice else "fine",
        text,
        tuple(advice),
        {"lines": len(lines), "distinct": len(counts), "again": again, "held_out_again": met}
        | {"held_out_lines": len(held_out), "ascending": ascending},
        rules,
    )
