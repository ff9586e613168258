"""The length of a text, its lines, and how they end."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from charrnn.text.counts import counted
from charrnn.verdict.findings import Finding
from charrnn.verdict.words import percent

__all__ = [
    "LONG_LINE",
    "LONG_LINES",
    "SHORT",
    "TOO_SHORT",
    "LineEnds",
    "count_line_ends",
    "judge_line_ends",
    "judge_lines",
    "judge_size",
    "with_plain_line_ends",
]

TOO_SHORT, SHORT = 10_000, 200_000
"""Characters: below the first, next to nothing is learnt; below the second, only spelling."""
LONG_LINE, LONG_LINES = 10_000, 0.1
"""Characters of a suspiciously long line, and the part of the text in lines this long."""

CR, LF = 13, 10
Codes = npt.NDArray[Any]


class LineEnds(NamedTuple):
    """The number of line ends of each kind; a CR LF counts only as its own kind."""

    lf: int
    crlf: int
    cr: int


def count_line_ends(codes: Codes) -> LineEnds:
    """Count the line ends in ``(N,)`` characters or bytes."""
    returns = np.flatnonzero(codes == CR)
    after = codes[returns[returns < len(codes) - 1] + 1]
    crlf = int(np.count_nonzero(after == LF))
    return LineEnds(int(np.count_nonzero(codes == LF)) - crlf, crlf, len(returns) - crlf)


def with_plain_line_ends(codes: Codes) -> Codes:
    """Replace each ``\\r\\n`` and each other ``\\r`` by ``\\n``, as training does by default."""
    returns = codes == CR
    if not returns.any():
        return codes
    pairs = np.zeros(len(codes), dtype=bool)
    pairs[1:] = returns[:-1] & (codes[1:] == LF)
    plain = np.where(returns, LF, codes).astype(codes.dtype)
    return plain[~pairs]


def judge_size(codes: Codes, distinct: int, num_bytes: int, what: str) -> Finding:
    """Whether there is enough to learn from; ``what`` is character or byte."""
    size, lines = len(codes), int(np.count_nonzero(codes == LF))
    text = f"{counted(size, what)}, {distinct:,} distinct, in {counted(lines, 'line')}; "
    text += counted(num_bytes, "byte")
    severity, advice = "fine", ""
    if distinct == 1:
        severity, advice = "mend", "one symbol leaves nothing to learn"
    elif size < TOO_SHORT:
        severity, advice = "mend", f"give more: {SHORT:,} {what}s and up, best of all a million"
    elif size < SHORT:
        severity, advice = "note", "more text helps most, then --minutes"
    return Finding(
        "size",
        severity,
        text,
        (advice,) if advice else (),
        {"size": size, "bytes": num_bytes, "lines": lines, "distinct": distinct},
        {"TOO_SHORT": TOO_SHORT, "SHORT": SHORT},
    )


def judge_line_ends(files: Sequence[LineEnds], level: str) -> Finding:
    """Whether there is one kind or several; training makes them equal, except at byte level."""
    total = LineEnds(*map(sum, zip(*files, strict=True)))
    kinds = {"LF": total.lf, "CR LF": total.crlf, "CR": total.cr}
    present = [f"{kind} {count:,}" for kind, count in kinds.items() if count]
    text = ", ".join(present) or "none"
    severity, advice = "fine", ""
    if len(present) > 1 and level == "byte":
        severity, advice = (
            "note",
            ("bytes are read as they are: make the line ends the same (dos2unix)"),
        )
    elif level == "char" and (total.crlf or total.cr):
        text += "; training reads all of them as LF"
    return Finding("line ends", severity, text, (advice,) if advice else (), kinds)


def judge_lines(codes: Codes) -> Finding:
    """Whether lines have a length that people write."""
    ends = np.flatnonzero(codes == LF)
    edges = np.concatenate(([-1], ends, [len(codes)]))
    lengths = np.diff(edges) - 1
    longest = int(lengths.max())
    share = float(lengths[lengths > LONG_LINE].sum() / len(codes))
    is_long = share >= LONG_LINES
    text = f"the longest has {counted(longest, 'character')}"
    if is_long:
        text += f"; {percent(share)} of the text is in lines of more than {LONG_LINE:,}"
    advice = "did it lose its line ends, or did a program write it? Fine if this is intended"
    return Finding(
        "lines",
        "note" if is_long else "fine",
        text,
        (advice,) if is_long else (),
        {"longest": longest, "share": share},
        {"LONG_LINE": LONG_LINE, "LONG_LINES": LONG_LINES},
    )
