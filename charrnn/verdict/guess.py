"""Guessing the encoding of a text with chardet, which is optional."""

import codecs
import re
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["BEYOND", "CONFIDENCE", "INSTALL", "Decoding", "guess_encoding"]

CONFIDENCE = 0.15
"""chardet's confidence from which on an encoding is suggested."""
BEYOND = 5
"""The fewest bytes beyond ASCII; with fewer, chardet is confident by chance."""

OLDEST = (7, 4)  # before 7 it was another program; 7.0 to 7.3 made more errors
INSTALL = "python -m pip install 'chardet>=7.4'"

SAMPLE, END = 200, 20  # lines from all over a text; of its beginning, of its end
LONGEST = 600  # bytes of such a line: chardet looks at 200,000 bytes in all
CONTROL = re.compile("[\x80-\x9f]")  # where Windows has letters and quotes, and ISO 8859 nothing


@dataclass
class Decoding:
    """A sample of a text in one or more encodings that give the same, with chardet's confidence."""

    encodings: list[str]
    text: str
    confidence: float


def guess_encoding(data: bytes) -> tuple[list[str], list[Decoding]]:
    """Guess from lines with bytes beyond ASCII, of which there must be one.

    Returns:
        One encoding if it is clear; two if both ends are clear and differ; else none; and all
        decodings of a sample, the likeliest first.

    Raises:
        ImportError: chardet is missing, or too old.
    """
    beyond = list(dict.fromkeys(line for line in data.splitlines() if not line.isascii()))
    lines = [line for line in beyond if len(line) <= LONGEST] or [beyond[0][: LONGEST * SAMPLE]]
    of_each = {byte: line for line in reversed(lines) for byte in set(line) if byte > 127}
    spread = lines[:: 1 + (len(lines) - 1) // SAMPLE]
    sample = list(dict.fromkeys((*spread, *of_each.values())))
    whole = _decodings(sample)
    middle = (len(lines) + 1) // 2
    ends = [
        (end, decodings[0].encodings[0])
        for end in (lines[:middle][:END], lines[middle:][-END:])
        if _is_clear(end, decodings := _decodings(end))
    ]
    if len(ends) == 2 and not any(_same(end, ends[0][1], ends[1][1]) for end, _ in ends):
        return [encoding for _, encoding in ends], whole
    candidates = whole[0].encodings if _is_clear(sample, whole) else []
    rest = b"\n".join(beyond)
    readings = [(one, text) for one in candidates if (text := _reading(rest, one)) is not None]
    if not readings or not all(_same(end, readings[0][0], encoding) for end, encoding in ends):
        return [], whole
    named, text = readings[0]
    # Others decode the sample alike, but perhaps not the whole text. Encodings of several bytes a
    # character differ in a few signs at most; those of one byte may differ in letters.
    alike = len(text) < len(rest) or all(other == text for _, other in readings)
    return [named] if alike else [], whole


def _decodings(lines: Sequence[bytes]) -> list[Decoding]:
    from chardet import __version__, detect_all

    if tuple(map(int, re.findall(r"\d+", __version__)[:2])) < OLDEST:
        raise ImportError(f"chardet {__version__} is too old")
    raw, found = b"\n".join(lines), dict[str, Decoding]()
    for one in detect_all(raw, ignore_threshold=True):
        try:
            encoding = codecs.lookup(one["encoding"] or "").name
            text = codecs.getincrementaldecoder(encoding)().decode(raw)  # a line may be cut off
        except (LookupError, UnicodeError):
            continue
        if "\n".encode(encoding) != b"\n":  # EBCDIC has other line ends
            continue
        decoding = found.setdefault(text, Decoding([], text, one["confidence"]))
        decoding.encodings.append(encoding)
    return list(found.values())


def _is_clear(lines: Sequence[bytes], found: Sequence[Decoding]) -> bool:
    beyond = sum(byte > 127 for line in lines for byte in line)
    return bool(found) and found[0].confidence >= CONFIDENCE and beyond >= BEYOND


def _same(lines: Sequence[bytes], *encodings: str) -> bool:
    """Whether two encodings give the same characters."""
    return len({b"\n".join(lines).decode(one, errors="replace") for one in encodings}) == 1


def _reading(data: bytes, encoding: str) -> str | None:
    """The characters, if there are no control characters and the bytes can be restored."""
    try:
        text = data.decode(encoding)
        return text if text.encode(encoding) == data and not CONTROL.search(text) else None
    except UnicodeError:
        return None
