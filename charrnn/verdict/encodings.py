"""Whether a file's bytes are what they are read as.

Nothing is guessed silently: what seems likely is shown, with the option that reads it so and a
piece of the text so read, for a person to judge.
"""

import codecs
from typing import NamedTuple

from charrnn.verdict.candidates import (
    DOUBTED,
    PLAUSIBLE,
    WIDE_PLAUSIBLE,
    Candidate,
    candidates,
    doubtful,
    first_error,
)
from charrnn.verdict.findings import Finding

__all__ = ["DAMAGED", "judge_encoding"]

DAMAGED = 0.1
"""Of the characters beyond ASCII, the part that may be damaged where the rest is UTF-8."""

CHUNK = 1 << 23
RULES = {
    "DAMAGED": DAMAGED,
    "DOUBTED": DOUBTED,
    "PLAUSIBLE": PLAUSIBLE,
    "WIDE_PLAUSIBLE": WIDE_PLAUSIBLE,
}
PLAUSIBILITY = ("PLAUSIBLE", "WIDE_PLAUSIBLE")

SIGNATURES = (
    (b"%PDF", "a PDF", "pdftotext FILE"),
    (b"PK\x03\x04", "a zip archive, as .docx, .odt and .epub are", "save it as plain text"),
    (b"\xd0\xcf\x11\xe0", "an old Office document", "save it as plain text"),
    (b"{\\rtf", "an RTF document", "save it as plain text"),
    (b"\x1f\x8b", "compressed by gzip", "gunzip -c FILE | charrnn inspect -"),
    (b"BZh", "compressed by bzip2", "bunzip2 -c FILE | charrnn inspect -"),
    (b"\xfd7zXZ", "compressed by xz", "xz -dc FILE | charrnn inspect -"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd", "zstd -dc FILE | charrnn inspect -"),
)
BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark begins this one
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class Diagnosis(NamedTuple):
    """A finding in the making."""

    severity: str
    text: str
    advice: tuple[str, ...] = ()
    offered: tuple[Candidate, ...] = ()
    rules: tuple[str, ...] = ()


def judge_encoding(name: str, data: bytes, encoding: str, *, decoded: bool) -> Finding:
    """Whether a file's bytes are what they are read as, and else what they may be.

    Args:
        name: of the file.
        data: its bytes, at least one.
        encoding: the one asked for; where that is UTF-8, a byte order mark decides.
        decoded: whether it could be read so.
    """
    mark = next((marked for bom, marked in BOMS if data.startswith(bom)), None)
    read_as = encoding.lower().replace("_", "-").replace("utf8", "utf-8")
    if mark and read_as == "utf-8":
        read_as = mark
    found = _kind_of_file(data)
    if found is None:
        found = (_of_decoded if decoded else _of_undecoded)(data, read_as, mark)
    return Finding(
        check="encoding",
        severity=found.severity,
        text=f"{name!r} {found.text}",
        advice=found.advice,
        measured={
            "name": name,
            "bytes": len(data),
            "byte_order_mark": mark,
            "decoded": decoded,
            "candidates": [one._asdict() for one in found.offered],
        },
        rules={name: RULES[name] for name in found.rules},
    )


def _kind_of_file(data: bytes) -> Diagnosis | None:
    for signature, kind, mend in SIGNATURES:
        if data.startswith(signature):
            return Diagnosis("mend", f"is {kind}", (f"make a text of it: {mend}",))
    return None


def _of_decoded(data: bytes, read_as: str, mark: str | None) -> Diagnosis:
    """It could be read; is it what was meant?"""
    if mark and not read_as.startswith(mark):
        text = f"was read as {read_as}, but begins with the byte order mark of {mark.upper()}"
        return Diagnosis("mend", text, ("leave --encoding out: the mark decides",))
    ascii_text, is_wide = data.isascii(), read_as.startswith(("utf-16", "utf-32"))
    if not is_wide and doubtful(data) and (offered := tuple(candidates(data))):
        text = f"can be read as {read_as.upper()}, but seems to be {offered[0].encoding.upper()}"
        return Diagnosis("mend", text, _offers(offered), offered, ("DOUBTED", "WIDE_PLAUSIBLE"))
    if not (read_as.startswith("utf-") or ascii_text) and first_error(data, "utf-8") is None:
        text = f"was read as {read_as}, but is UTF-8: other encodings look so by chance only"
        return Diagnosis("mend", text, ("leave --encoding out",))
    text = "is ASCII" if ascii_text and not is_wide else f"is {read_as.upper()}"
    text += " with a byte order mark, which goes" if mark else ""
    return Diagnosis("fine", text, rules=("DOUBTED",))


def _of_undecoded(data: bytes, read_as: str, mark: str | None) -> Diagnosis:
    """It could not be read; what may it be?"""
    problem = f"is not {read_as.upper()}"
    offset = first_error(data, read_as)
    if offset is not None and offset < len(data):
        line = data.count(b"\n", 0, offset) + 1
        problem += f": byte 0x{data[offset]:02x} at offset {offset:,} (line {line:,})"
    if read_as != "utf-8":
        if mark and not read_as.startswith(mark):
            text = f"{problem}; it begins with the byte order mark of {mark.upper()}"
            return Diagnosis("mend", text, ("leave --encoding out: the mark decides",))
        if first_error(data, "utf-8") is None:
            return Diagnosis("mend", f"{problem}; it is UTF-8", ("leave --encoding out",))
    damaged, beyond = _not_utf8(data)
    drop: tuple[str, ...] = ()
    if damaged <= max(1, DAMAGED * beyond):
        problem += f"; {'this' if damaged == 1 else f'{damaged:,} places'} apart, it is UTF-8"
        drop = ("mend it there, or drop what is damaged: iconv -c -f UTF-8 -t UTF-8 FILE > NEW",)
        if damaged <= DAMAGED * beyond:
            return Diagnosis("mend", problem, drop, rules=("DAMAGED",))
    offered = tuple(candidates(data))
    if not offered and not drop:
        hint = "if it is text, name its encoding (--encoding); --level byte reads any file"
        problem += "; in no encoding does it look like text"
        return Diagnosis("mend", problem, (hint,), rules=PLAUSIBILITY)
    return Diagnosis("mend", problem, (*drop, *_offers(offered)), offered, PLAUSIBILITY)


def _offers(offered: tuple[Candidate, ...]) -> tuple[str, ...]:
    """The likeliest first."""
    if not offered:
        return ()
    first, *others = (f"--encoding {one.encoding} reads {one.excerpt!r}" for one in offered)
    return (f"name its encoding: {first}", *(f"or {other}" for other in others))


def _not_utf8(data: bytes) -> tuple[int, int]:
    """How many places are not UTF-8, and how many characters beyond ASCII there are with them."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    damaged, beyond = -data.count("\ufffd".encode()), 0
    for start in range(0, len(data), CHUNK):
        text = decoder.decode(data[start : start + CHUNK], final=start + CHUNK >= len(data))
        damaged += text.count("\ufffd")
        beyond += len(text) - len(text.encode("ascii", errors="ignore"))
    return damaged, beyond
