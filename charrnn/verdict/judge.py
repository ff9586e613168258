"""Checking a text before anything is trained on it, by named rules.

Each file has one kind of check: a function from a text to findings, with the constants that it
judges by above it.
"""

from collections import Counter
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.errors import InputError
from charrnn.text.corpora import read_corpus
from charrnn.text.decoding import BOMS, decode_text
from charrnn.text.held_out import HeldOut, whole_lines
from charrnn.verdict.encodings import judge_encoding
from charrnn.verdict.findings import SEVERITIES, Finding, Verdict
from charrnn.verdict.items import judge_items
from charrnn.verdict.lines import (
    count_line_ends,
    judge_line_ends,
    judge_lines,
    judge_size,
    with_plain_line_ends,
)
from charrnn.verdict.odd import judge_odd
from charrnn.verdict.repeats import judge_repeats
from charrnn.verdict.tallies import judge_held_out, judge_rare, tally

__all__ = ["HELD_OUT", "SEVERITIES", "Finding", "Verdict", "judge"]

HELD_OUT = 0.1
"""The part of the text at its end that is the validation set by default."""

MARKS = tuple(mark for mark, _ in BOMS)
"""The byte order marks: a file that consists of one is empty."""

Codes = npt.NDArray[Any]


def judge(
    sources: Sequence[tuple[str, bytes]],
    *,
    level: str = "char",
    encoding: str = "utf-8",
    held_out: float = HELD_OUT,
    lines: bool = False,
) -> Verdict:
    """Check files as a training that joins them would read them.

    Args:
        sources: names and bytes, in order.
        level: ``"char"`` or ``"byte"``.
        encoding: the files' encoding; if it is UTF-8, a byte order mark overrides it.
        held_out: the part of the text at its end that is the validation set.
        lines: each line is an item; the validation set is that part of the lines, drawn at random.

    Returns:
        The findings; if a file cannot be decoded, only those about encodings.

    Raises:
        InputError: there are no bytes, or the encoding is unknown.
    """
    decode_text("", b"", encoding)  # raises if it is unknown
    names = tuple(name for name, _ in sources)
    whole = [(name, data) for name, data in sources if data not in (b"", *MARKS)]
    if not whole:
        raise InputError(f"the corpus is empty ({', '.join(names)})")
    read = [_read(data, level, encoding) for _, data in whole]
    findings: list[Finding] = []
    if level == "char":
        findings += _together(
            [
                judge_encoding(name, data, encoding, codes)
                for (name, data), codes in zip(whole, read, strict=True)
            ]
        )
    texts = [codes for codes in read if codes is not None]
    if any(one.severity == "mend" for one in findings) or len(texts) < len(whole):
        return Verdict(names, level, encoding, 0, 0, tuple(findings))  # the rest needs characters
    findings.append(judge_line_ends([count_line_ends(codes) for codes in texts], level))
    if level == "char":
        texts = [with_plain_line_ends(codes) for codes in texts]
    if lines:
        texts = [whole_lines(codes)[0] for codes in texts]
    codes, train = HeldOut(held_out, 0 if lines else None).part(np.concatenate(texts))
    del read, texts
    tallies = tally(codes, train)
    distinct = len(tallies.codes)
    what = "character" if level == "char" else "byte"
    findings.append(judge_size(codes, distinct, sum(len(data) for _, data in whole), what))
    if level == "char":
        findings += [judge_rare(tallies), *judge_odd(codes, tallies)]
    findings += [judge_lines(codes), judge_items(codes, train, level)]
    findings += [*judge_repeats(codes, train), judge_held_out(tallies)]
    return Verdict(names, level, encoding, len(codes), distinct, tuple(findings))


def _read(data: bytes, level: str, encoding: str) -> Codes | None:
    """The characters, with their line ends; None if the bytes are not in this encoding."""
    if level == "byte":
        return np.frombuffer(data, dtype=np.uint8)
    try:
        corpus = read_corpus(["-"], encoding=encoding, keep_newlines=True, stdin=BytesIO(data))
    except InputError:
        return None
    return corpus.codes


def _together(findings: list[Finding]) -> list[Finding]:
    """Join the findings on many files that are all fine into one."""
    flagged = [one for one in findings if one.severity != "fine"]
    if flagged or len(findings) == 1:
        return flagged or findings
    kinds = Counter(one.text.rpartition("' is ")[2] for one in findings)
    text = f"{len(findings)} files: " + "; ".join(f"{n} {kind}" for kind, n in kinds.items())
    measured = {"files": [one.measured for one in findings]}
    return [Finding("encoding", "fine", text, (), measured, findings[0].rules)]
