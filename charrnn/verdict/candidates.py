"""In which encodings a file may be: told by what its bytes allow and its characters look like."""

import codecs
import re
from functools import partial
from math import log2
from typing import NamedTuple

from charrnn.verdict.letters import ALPHABETS, BLOCKS, WIDE, Alphabet

__all__ = [
    "DOUBTED",
    "PLAUSIBLE",
    "WIDE_PLAUSIBLE",
    "Candidate",
    "candidates",
    "doubtful",
    "first_error",
]

DOUBTED = 0.01
"""The part of NUL and control characters from which an encoding is doubted."""
PLAUSIBLE, WIDE_PLAUSIBLE = 0.25, 0.9
"""The part of its telling characters that must look right: see :func:`candidates`."""

RIVAL = 20.0  # bits more than the likeliest takes, and still worth showing
FLAT = 4  # how much alike the commonest letters are: a letter of rank k has the weight 1 / (k + 4)
NUM_SIGNS = 8000
OFFERED = 3
SAMPLE = 1 << 16
CHUNK = 1 << 23
EXCERPT = 40

CONTROL = bytes((*range(9), *range(14, 32)))
BEYOND_ASCII = re.compile(rb"[\x80-\xff]")


class Candidate(NamedTuple):
    """An encoding that can read a file."""

    encoding: str
    share: float  # of the telling characters, the part that looks right
    excerpt: str


def candidates(data: bytes) -> list[Candidate]:
    """The encodings in which a file's bytes look most like a text, the likeliest first.

    Text has NUL bytes in encodings of 16 and 32 bits, and only there. Of the others, the likeliest
    is the one in which the bytes beyond ASCII take the fewest bits, if a language's common
    letters are likely in the order of :data:`ALPHABETS`.
    """
    if b"\0" in data or doubtful(data):
        wide = (one for one in map(partial(_as_wide, data), WIDE) if one is not None)
        return sorted(wide, key=lambda one: -one.share)[:1]
    sample = _beyond_ascii(data)
    ranked: list[tuple[float, Candidate]] = []
    for alphabet in ALPHABETS:
        try:
            decoder = codecs.getincrementaldecoder(alphabet.encoding)()
            text = decoder.decode(sample, final=len(sample) == len(data))
        except UnicodeError:
            continue
        bits, share = _cost(text, alphabet)
        if share >= PLAUSIBLE and first_error(data, alphabet.encoding) is None:
            at = next(k for k, c in enumerate(text) if c > "\x7f")
            begin = max(text.rfind("\n", 0, at) + 1, at - EXCERPT // 2)
            shown = text[begin : begin + EXCERPT].strip()
            ranked.append((bits, Candidate(alphabet.encoding, share, shown)))
    ranked.sort(key=lambda told: told[0])
    found: dict[str, Candidate] = {}  # one for each reading
    told_by = len(BEYOND_ASCII.findall(sample))
    for bits, candidate in ranked:
        if (bits - ranked[0][0]) * told_by <= RIVAL:
            found.setdefault(candidate.excerpt, candidate)
    return list(found.values())[:OFFERED]


def doubtful(data: bytes) -> bool:
    """Whether it has more control characters than a text has."""
    sample = data[:SAMPLE]
    return sum(map(sample.count, CONTROL)) >= DOUBTED * len(sample)


def _as_wide(data: bytes, encoding: str) -> Candidate | None:
    if first_error(data, encoding) is not None:
        return None
    text = data[:SAMPLE].decode(encoding, errors="ignore")
    share = sum(any(a <= ord(c) < b for a, b in BLOCKS) for c in text) / max(1, len(text))
    shown = text.lstrip()[:EXCERPT].rstrip()
    return Candidate(encoding, share, shown) if share >= WIDE_PLAUSIBLE else None


def _cost(text: str, alphabet: Alphabet) -> tuple[float, float]:
    """Bits per byte that the characters beyond ASCII take, and the part of them that is common.

    A common character takes as many bits as its rank makes likely, any other as many as all that
    the encoding has. Letters where the language has none do not count as common.
    """
    ranks = {c: rank for rank, c in enumerate(dict.fromkeys(alphabet.common))}
    weights = sum(1 / (rank + FLAT) for rank in ranks.values())
    bits, common = 0.0, 0
    telling = []
    for before, c, after in zip(" " + text, text, text[1:] + " ", strict=False):
        if c > "\x7f":
            telling.append(c)
            if c in ranks and not (c.isalpha() and _misplaced(before, after, alphabet.kind)):
                bits += log2((ranks[c] + FLAT) * weights)
                common += 1
    others = len(telling) - common
    share = (common + 0.5) / (len(telling) + 1)
    repertoire = NUM_SIGNS if alphabet.kind == "signs" else 128
    bits += others * log2(repertoire / (1 - share)) - common * log2(share)
    size = len("".join(telling).encode(alphabet.encoding, errors="ignore"))
    return bits / max(1, size), common / max(1, len(telling))


def _misplaced(before: str, after: str, kind: str) -> bool:
    """Whether a letter beyond ASCII stands where none of such a language does."""
    if kind == "latin":
        return all(c > "\x7f" and c.isalpha() for c in (before, after))
    return kind == "other" and any(c <= "\x7f" and c.isalpha() for c in (before, after))


def _beyond_ascii(data: bytes) -> bytes:
    """Some of the lines with bytes beyond ASCII; no character of 8-bit encodings has a line end."""
    pieces, size, at = [], 0, 0
    while size < SAMPLE and (found := BEYOND_ASCII.search(data, at)):
        begin = max(data.rfind(b"\n", at, found.start()) + 1, at, found.start() - EXCERPT // 2)
        at = data.find(b"\n", found.start()) + 1 or len(data)
        pieces.append(data[begin : min(at, begin + SAMPLE - size)])
        size += len(pieces[-1])
    return b"".join(pieces)


def first_error(data: bytes, encoding: str) -> int | None:
    """The offset of the first byte that does not decode; None if all do."""
    decoder = codecs.getincrementaldecoder(encoding)()
    for start in range(0, len(data), CHUNK):
        chunk = data[start : start + CHUNK]
        try:
            decoder.decode(chunk, final=start + CHUNK >= len(data))
        except UnicodeDecodeError as error:
            # The decoder saw what an earlier chunk had left over in front of this one.
            return start + error.start - (len(error.object) - len(chunk))
        except UnicodeError:
            return start
    return None
