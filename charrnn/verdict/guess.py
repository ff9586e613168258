"""In which encoding a text may be: measured by charset-normalizer, which is optional."""

import codecs
import unicodedata
from dataclasses import dataclass
from math import inf

__all__ = ["COHERENCE", "DISORDER", "INSTALL", "MARGIN", "Decoding", "guess_encoding"]

DISORDER = 0.1
"""The most chaos and misplaced characters, added up, of a decoding that is offered."""
MARGIN = 0.1
"""By how much less doubtful than any other it must be."""
COHERENCE = 0.3
"""What coherence counts against disorder: doubt is disorder less so much of it."""

INSTALL = "python -m pip install charset-normalizer"

SAMPLE, END = 1 << 13, 1 << 10  # bytes of each half of a text: for the whole, and to judge it alone
WITHIN_WORDS = "’·"
ENCODINGS = (  # the first that reads a text is offered; rare ones, lest their texts be misread
    *("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258"),
    *("shift_jis", "cp932", "euc_jp", "gb18030", "big5", "euc_kr", "cp949", "koi8-r", "koi8-u"),
    *("iso8859-2", "iso8859-5", "iso8859-7", "iso8859-15", "cp866", "cp850", "cp852", "cp437"),
    *("cp874", "mac_roman", "mac_cyrillic", "mac_latin2", "latin-1", "iso8859-3", "iso8859-4"),
    *("iso8859-6", "iso8859-8", "iso8859-9", "iso8859-10", "iso8859-13", "iso8859-14"),
    *("iso8859-16", "cp720", "cp737", "cp775", "cp855", "cp857", "cp860", "cp861", "cp862"),
    *("cp863", "cp864", "cp865", "cp869", "mac_greek", "mac_turkish", "mac_iceland", "hp_roman8"),
    *("koi8-t", "ptcp154", "shift_jis_2004", "big5hkscs", "johab"),
)


@dataclass
class Decoding:
    """A sample of a text as one or more encodings have it.

    Attributes:
        chaos: charset-normalizer's measure of disorder; 0 is none.
        coherence: its measure of how like a language's the frequencies of the letters are; to 1.
        misplaced: the part of the characters beyond ASCII that stand where none would.
    """

    encodings: list[str]
    text: str
    chaos: float
    coherence: float
    misplaced: float

    @property
    def doubt(self) -> float:
        """The less, the likelier."""
        return self.chaos + self.misplaced - COHERENCE * self.coherence


def guess_encoding(data: bytes) -> tuple[list[str], list[Decoding]]:
    """Measure lines with bytes beyond ASCII, of which there is one at least, from both halves.

    Returns:
        An encoding if it is clear, two if the halves are clear and differ, else none; and all
        decodings of a sample, the least doubtful first.

    Raises:
        ImportError: charset-normalizer is missing.
    """
    lines = [line for line in data.splitlines() if not line.isascii()]
    middle = (len(lines) + 1) // 2
    both = [
        b"\n".join(half[:SAMPLE]) for half in (lines[:middle], lines[: middle - 1 : -1]) if half
    ]
    whole = _decodings([half[:SAMPLE] for half in both])
    ends = [_decodings([half[:END]]) for half in both]
    if all(map(_is_clear, ends)) and _contradicts(ends[-1], ends[0][0].encodings[0]):
        return [end[0].encodings[0] for end in ends], whole
    for encoding in whole[0].encodings if _is_clear(whole) else ():
        if _round_trips(data, encoding):
            return [] if any(_contradicts(end, encoding) for end in ends) else [encoding], whole
    return [], whole


def _decodings(samples: list[bytes]) -> list[Decoding]:
    from charset_normalizer import from_bytes

    found: dict[str, Decoding] = {}
    for encoding in ENCODINGS:
        decoder = codecs.getincrementaldecoder(encoding)  # the last character may be cut off
        try:
            text = "\n".join(decoder().decode(sample) for sample in samples)
            raw = text.encode(encoding)
        except UnicodeError:
            continue
        if text in found:
            found[text].encodings.append(encoding)
        elif raw and (
            measured := from_bytes(
                raw,
                steps=1,  # all of it
                chunk_size=len(raw),
                threshold=1.0,  # however bad
                language_threshold=0.0,
                cp_isolation=[encoding],
                preemptive_behaviour=False,
                enable_fallback=False,
            ).best()
        ):
            chaos, coherence = measured.chaos, measured.coherence
            found[text] = Decoding([encoding], text, chaos, coherence, _misplaced(text))
    return sorted(found.values(), key=lambda one: one.doubt)


def _is_clear(found: list[Decoding]) -> bool:
    """Whether the first is good and no other comes near it."""
    if not found or found[0].chaos + found[0].misplaced > DISORDER:
        return False
    return len(found) == 1 or found[1].doubt >= found[0].doubt + MARGIN


def _contradicts(found: list[Decoding], encoding: str) -> bool:
    """Whether another decoding is clearly better than this encoding's."""
    doubt = next((one.doubt for one in found if encoding in one.encodings), inf)
    return bool(found) and doubt >= found[0].doubt + MARGIN


def _misplaced(text: str) -> float:
    """Signs within words or instead of letters, and capitals after small letters."""
    beyond = odd = 0
    for before, c, after in zip(" " + text, text, text[1:] + " ", strict=False):
        if c > "\x7f":
            beyond += 1
            kind = unicodedata.category(c)
            if kind[0] in "LM":
                odd += kind == "Lu" and before.islower()
            else:
                within = before.isalpha() and after.isalpha() and c not in WITHIN_WORDS
                odd += within or kind[0] not in "PZ"
    return odd / max(1, beyond)


def _round_trips(data: bytes, encoding: str) -> bool:
    try:
        return data.decode(encoding).encode(encoding) == data
    except UnicodeError:
        return False
