"""Whether a file's encoding is the one that it is read in.

Certain signs come first: a byte order mark, UTF-16 by its NUL bytes, UTF-8 that is damaged or
joined to something else. Any other encoding is a guess, and is suggested only where it is clear,
with the option that selects it and a piece of the text in it, for a person to judge. chardet makes
the guess, from lines of the whole text and each byte beyond ASCII in them.
"""

import codecs
import re
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.text.decoding import BOMS
from charrnn.text.packed import document
from charrnn.verdict.findings import Finding
from charrnn.verdict.guess import BEYOND, CONFIDENCE, INSTALL, guess_encoding
from charrnn.verdict.wide import (
    CONTROLS,
    END,
    FEW_NULS,
    FEWER,
    LETTERS,
    NULS,
    UNASSIGNED,
    controls,
    escaped_encoding,
    first_error,
    joined_to_wide,
    wide_encoding,
)
from charrnn.verdict.words import SHOWN

__all__ = ["DAMAGED", "JOINED", "judge_encoding"]

DAMAGED = 0.05
"""The part of the bytes beyond ASCII that may be damaged if the rest is UTF-8."""
JOINED = 0.1
"""The part of them in UTF-8 lines that is too large for chance."""
EXCERPT = 40
MARK, SWAPPED, LINE_END = 0xFEFF, 0xFFFE, 10
DAMAGE = re.compile("[\udc80-\udcff]+")  # bytes that are not UTF-8, escaped as surrogates
EACH = "convert each part to UTF-8, then join them: iconv -f ENCODING -t UTF-8 PART > NEW"
DROP = "repair it there, or drop the damaged bytes: iconv -c -f UTF-8 -t UTF-8 FILE > NEW"
LOOK = "look at the file, or ask who made it, and name its encoding (--encoding)"
OR_BYTES = "if it is not text, or nobody knows, --level byte reads any file"

WIDE = {"CONTROLS": CONTROLS, "NULS": NULS, "FEWER": FEWER, "UNASSIGNED": UNASSIGNED}
ENDS = {"END": END, "LETTERS": LETTERS, "FEW_NULS": FEW_NULS}
PARTLY = {"DAMAGED": DAMAGED, "JOINED": JOINED}
GUESSED = {"CONFIDENCE": CONFIDENCE, "BEYOND": BEYOND}

Codes = npt.NDArray[Any]
_found = partial(Finding, "encoding")


def judge_encoding(name: str, data: bytes, encoding: str, codes: Codes | None) -> Finding:
    """Whether a file's bytes are in the encoding they are read in, and if not, what they may be.

    Args:
        name: the file's name.
        data: its bytes, at least one.
        encoding: the one asked for; if it is UTF-8, a byte order mark overrides it.
        codes: ``(N,)`` characters in that encoding; None if it could not be decoded.
    """
    mark = next((marked.removesuffix("-sig") for bom, marked in BOMS if data.startswith(bom)), None)
    read_as = codecs.lookup(encoding).name
    read_as = read_as if read_as.startswith("utf") else encoding.lower()
    read_as = mark if mark and read_as == "utf-8" else read_as
    if kind := document(data):
        found = _found("mend", f"is {kind[0]}, not a text", (f"convert it to text: {kind[1]}",))
    elif codes is None:
        found = _of_undecoded(data, read_as, mark)
    else:
        found = _of_decoded(data, read_as, mark, codes)
    of_file = {"name": name, "bytes": len(data), "byte_order_mark": mark}
    measured = {**of_file, "decoded": codes is not None, "candidates": [], **found.measured}
    return replace(found, text=f"{name!r} {found.text}", measured=measured)


def _of_decoded(data: bytes, read_as: str, mark: str | None, codes: Codes) -> Finding:
    """The finding on a file that could be decoded: is this the right encoding?"""
    if mark and (MARK in codes[:1] or not read_as.startswith(mark)):
        text = f"was read as {read_as}, but begins with the byte order mark of {mark.upper()}"
        return _found("mend", text, ("leave --encoding out: the mark decides",))
    is_wide, is_ascii = read_as.startswith(("utf-16", "utf-32")), data.isascii()
    if joined := joined_to_wide(data):
        return _found("mend", f"can be read as {read_as.upper()}, but {joined}", (EACH,), {}, ENDS)
    if is_wide and (swapped := np.flatnonzero(codes == SWAPPED)).size:
        line = np.count_nonzero(codes[: swapped[0]] == LINE_END) + 1
        text = f"is {read_as.upper()}, but its byte order changes at line {line:,}"
        return _found("mend", f"{text}: two files joined", (EACH,))
    escaped = escaped_encoding(data) if is_ascii and not is_wide else None
    if escaped and codecs.lookup(read_as) != codecs.lookup(escaped):
        text = f"can be read as {read_as.upper()}, but is {escaped.upper()}"
        return _offered(text, escaped, data.decode(escaped), {})
    if not is_wide and controls(data) >= CONTROLS and (wide := wide_encoding(data)):
        text = f"can be read as {read_as.upper()}, but is {wide.upper()} without a byte order mark"
        return _offered(text, wide, data.decode(wide), WIDE)
    if not (read_as.startswith("utf-") or is_ascii) and first_error(data, "utf-8") is None:
        text = f"was read as {read_as}, but is UTF-8: other encodings look like it only by chance"
        return _found("mend", text, ("leave --encoding out",))
    text = "is ASCII" if is_ascii and not is_wide else f"is {read_as.upper()}"
    text += " with a byte order mark, which is removed" if mark else ""
    return _found("fine", text, rules={"CONTROLS": CONTROLS})


def _of_undecoded(data: bytes, read_as: str, mark: str | None) -> Finding:
    """The finding on a file that could not be decoded: what may its encoding be?"""
    problem = f"is not {read_as.upper()}"
    offset = first_error(data, read_as)
    if offset is not None and offset < len(data):
        line = data.count(b"\n", 0, offset) + 1
        problem += f": byte 0x{data[offset]:02x} at offset {offset:,} (line {line:,})"
    if mark and not read_as.startswith(mark):
        text = f"{problem}; it begins with the byte order mark of {mark.upper()}"
        return _found("mend", text, ("leave --encoding out: the mark decides",))
    if joined := joined_to_wide(data):
        return _found("mend", f"{problem}; {joined}", (EACH,), {}, ENDS)
    if mark and mark != "utf-8":
        text = f"{problem}, though its byte order mark says so: it is damaged or cut off"
        return _found("mend", text, ("repair it there, or get the file again",))
    if first_error(data, "utf-8") is None:
        return _found("mend", f"{problem}; it is UTF-8", ("leave --encoding out",))
    if wide := wide_encoding(data):
        text = f"{problem}; it is {wide.upper()} without a byte order mark"
        return _offered(text, wide, data.decode(wide), WIDE)
    if b"\0" in data or controls(data) >= CONTROLS:
        return _found("mend", f"{problem}, and does not look like text", (OR_BYTES, LOOK), {}, WIDE)
    return _of_utf8_in_part(data, problem) or _of_unknown(data, problem)


def _of_utf8_in_part(data: bytes, problem: str) -> Finding | None:
    """UTF-8 with damaged places, or joined to something else; None if it is neither."""
    text = data.decode(errors="surrogateescape")
    damage, beyond = DAMAGE.findall(text), _beyond_ascii(text)
    bad, whole = list[str](), 0
    for number, line in enumerate(text.split("\n"), 1):
        if DAMAGE.search(line):
            bad.append(f"{number:,}")
        elif not line.isascii():
            whole += _beyond_ascii(line)
    places, share, in_lines = len(damage), sum(map(len, damage)) / beyond, whole / beyond
    lines = f"line{'s' * (len(bad) > 1)} {', '.join(bad[:SHOWN])}{' ...' * (len(bad) > SHOWN)}"
    measured = {"damaged_places": places, "damaged": share, "in_lines_of_utf8": in_lines}
    if share <= DAMAGED or (places == 1 and share < 1):
        apart = "this" if places == 1 else f"{places:,} places ({lines})"
        return _found(
            "mend", f"{problem}; apart from {apart}, it is UTF-8", (DROP,), measured, PARTLY
        )
    if in_lines >= JOINED:
        problem += f"; the rest is UTF-8, but not {lines}: two encodings joined, or much damage"
        return _found("mend", problem, (EACH, DROP), measured, PARTLY)
    return None


def _of_unknown(data: bytes, problem: str) -> Finding:
    """What chardet suggests, if that is clear."""
    unclear = f"{problem}; its encoding is not clear"
    try:
        named, decodings = guess_encoding(data)
    except ImportError as error:
        return _found("mend", unclear, (f"to have it guessed ({error}): {INSTALL}", LOOK, OR_BYTES))
    measured = {"decodings": [asdict(one) | {"text": _line(one.text)} for one in decodings[:SHOWN]]}
    if len(named) == 1:
        return _offered(problem, named[0], decodings[0].text, GUESSED, measured)
    if named:
        first, last = map(str.upper, named)
        problem += f"; its beginning looks like {first}, its end like {last}: two files joined?"
        return _found("mend", problem, (EACH,), measured, GUESSED)
    return _found("mend", unclear, (LOOK, OR_BYTES), measured, GUESSED)


def _offered(
    text: str, encoding: str, decoded: str, rules: dict[str, float], measured: Any = None
) -> Finding:
    shown = _line(decoded)
    advice = f"name its encoding: --encoding {encoding} reads {shown!r}"
    candidates = {"candidates": [{"encoding": encoding, "excerpt": shown}]}
    return _found("mend", text, (advice,), candidates | (measured or {}), rules)


def _line(text: str) -> str:
    """The line of the first character beyond ASCII, shortened around it."""
    at = next((k for k, c in enumerate(text) if c > "\x7f"), 0)
    begin = max(text.rfind("\n", 0, at) + 1, at - EXCERPT // 2)
    return text[begin : begin + EXCERPT].strip().partition("\n")[0]


def _beyond_ascii(text: str) -> int:
    """The number of its UTF-8 bytes beyond ASCII, including damaged ones."""
    return len(text.encode(errors="surrogateescape")) - len(text.encode("ascii", errors="ignore"))
