"""Texts of two or four bytes a character, recognised by NUL bytes and escapes."""

import codecs
import string
from unicodedata import category

from charrnn.text.decoding import BOMS

__all__ = [
    "CONTROLS",
    "END",
    "FEWER",
    "FEW_NULS",
    "LETTERS",
    "NULS",
    "UNASSIGNED",
    "controls",
    "escaped_encoding",
    "first_error",
    "joined_to_wide",
    "wide_encoding",
]

CONTROLS = 0.1
"""The part of control characters from which on a file is UTF-16, or not text."""
UNASSIGNED = 0.02
"""The part of the distinct characters that may be unassigned, or private, in UTF-16 or UTF-32."""
NULS, FEWER = 0.01, 0.9
"""For UTF-16: the part of the high bytes that are NUL; and the number of distinct high bytes for
each distinct low byte."""

END, LETTERS, FEW_NULS = 64, 0.7, 8
"""Bytes without NUL at either end, and the part of them that are ASCII letters or spaces, from
which on this end is not UTF-16; and the fewest NUL bytes that mean anything."""

CHUNK = 1 << 23
CONTROL = bytes((*range(9), *range(14, 32)))
LETTER = (string.ascii_letters + " \n").encode()
ESCAPES = ((b"\x1b$", "iso2022_jp"), (b"~{", "hz"))


def wide_encoding(data: bytes) -> str | None:
    """The encoding of 16 or 32 bits a character that the NUL bytes of a file without a mark show.

    Most values are impossible in UTF-32, so nothing else can be decoded as UTF-32. In UTF-16 the
    high bytes are of fewer kinds than the low ones, and NUL in spaces, line ends and all of ASCII.
    """
    places = data[::2], data[1::2]
    kinds = [len(set(place)) for place in places]
    high = int(kinds[1] < kinds[0])
    likely = ["utf-32-le", "utf-32-be"]
    if kinds[high] < FEWER * kinds[not high] and places[high].count(0) >= NULS * len(places[high]):
        likely.append(("utf-16-be", "utf-16-le")[high])
    for encoding in likely:
        if first_error(data, encoding) is None:
            text = data.decode(encoding)
            distinct = set(text)
            odd = sum(category(one) in ("Cn", "Co") for one in distinct)
            spoilt = "\0" in distinct or odd > UNASSIGNED * len(distinct)
            return None if spoilt or controls(text.encode()) >= CONTROLS else encoding
    return None


def joined_to_wide(data: bytes) -> str | None:
    """What to say of a file whose beginning or end has fewer bytes a character than the rest.

    That part has no NUL and is UTF-8, or mostly ASCII letters; the rest is UTF-16 or UTF-32.
    """
    first, last = data.find(b"\0"), data.rfind(b"\0")
    if data.count(0) < FEW_NULS:
        return None
    head, tail = data[: data.rfind(b"\n", 0, first) + 1], data[last + 1 :]
    if _is_narrow(head) and (wide := _named(data[len(head) :])):
        line = head.count(b"\n") + 1
        return f"from line {line:,} on it is {wide}: two files joined"
    if _is_narrow(tail) and (wide := _named(data[: last + 1])):
        return f"only up to offset {last:,} is it {wide}: two files joined"
    return None


def _named(data: bytes) -> str | None:
    if len(data) < END:
        return None
    mark = next((name for bom, name in BOMS[1:] if data.startswith(bom)), None)
    found = mark or wide_encoding(data[: len(data) & ~1])
    return found and found.upper()


def _is_narrow(part: bytes) -> bool:
    """Whether an end of a file that has no NUL is a text of its own."""
    if len(part) < END:
        return False
    if sum(map(part.count, LETTER)) >= LETTERS * len(part):
        return True
    return not part.isascii() and first_error(part, "utf-8") is None


def escaped_encoding(data: bytes) -> str | None:
    """The encoding whose escapes switch from ASCII to characters of two bytes; None without any."""
    for escape, encoding in ESCAPES:
        if escape in data and first_error(data, encoding) is None:
            text = data.decode(encoding)
            if text.encode(encoding) == data and not text.isascii():
                return encoding
    return None


def controls(data: bytes) -> float:
    """The part of its bytes that are control characters which no text has."""
    return sum(map(data.count, CONTROL)) / len(data)


def first_error(data: bytes, encoding: str) -> int | None:
    """The offset of the first byte that does not decode; None if all do."""
    decoder = codecs.getincrementaldecoder(encoding)()
    for start in range(0, len(data), CHUNK):
        chunk = data[start : start + CHUNK]
        try:
            decoder.decode(chunk, final=start + CHUNK >= len(data))
        except UnicodeDecodeError as error:
            # The decoder's input began with what an earlier chunk had left over.
            return start + error.start - (len(error.object) - len(chunk))
        except UnicodeError:
            return start
    return None
