"""Characters that are seldom intended in a text, and signs of an earlier decoding error."""

import unicodedata
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.verdict.findings import Finding
from charrnn.verdict.tallies import Tallies
from charrnn.verdict.words import character, first_few

__all__ = ["MOJIBAKE", "ODD", "UNCOMPOSED", "judge_odd"]

ODD = 1
"""Occurrences from which on an odd character is reported."""
MOJIBAKE = 3
"""Sequences that look like UTF-8 read as Latin-1 or Windows-1252, from which on they count."""
UNCOMPOSED = 10
"""Characters written as letter and accent, from which on they are reported."""

PIECE = 1 << 20
Codes = npt.NDArray[Any]


def _category(*names: str) -> Callable[[int], bool]:
    return lambda code: unicodedata.category(chr(code)) in names


def _is(*codes: int) -> Callable[[int], bool]:
    return frozenset(codes).__contains__


# The first kind that a character belongs to counts. Joiners (U+200C, U+200D) are normal in
# Persian, in the scripts of India and in emoji; U+3000 is the space of Chinese and Japanese.
KINDS: tuple[tuple[str, str, Callable[[int], bool], str], ...] = (
    ("NUL", "mend", _is(0), "is this text? --level byte reads any file"),
    (
        "replacement character",
        "mend",
        _is(0xFFFD),
        "a conversion lost characters: convert the original again",
    ),
    ("byte order mark inside the text", "note", _is(0xFEFF), "drop it: joining files left it here"),
    ("line or page separator", "note", _is(0x0B, 0x0C, 0x85, 0x2028, 0x2029), "make it '\\n'"),
    ("joiner", "fine", _is(0x200C, 0x200D), ""),
    ("soft hyphen", "note", _is(0xAD), "drop it: it is invisible within words"),
    ("carriage return", "note", _is(13), "a CR is a symbol of its own here"),
    ("ordinary space", "fine", _is(9, 10, 32, 0x3000), ""),
    ("odd space", "note", _category("Zs"), "make it ' ', unless it is intended"),
    ("control character", "note", _category("Cc"), "drop it: it cannot be seen"),
    ("invisible format character", "note", _category("Cf"), "drop it: it cannot be seen"),
    ("private use", "note", _category("Co"), "it means something in one font only: replace it"),
    ("unassigned", "note", _category("Cn", "Cs"), "no such character: was the encoding right?"),
)


def judge_odd(codes: Codes, tallies: Tallies) -> Iterator[Finding]:
    """Findings on ``(N,)`` code points: odd ones by kind, mojibake, letters that are not composed;
    or that there are none."""
    found = [*_odd_kinds(tallies), *_mojibake(codes), *_uncomposed(codes, tallies)]
    rules = {"ODD": ODD, "MOJIBAKE": MOJIBAKE, "UNCOMPOSED": UNCOMPOSED}
    yield from found or [Finding("odd characters", "fine", "none", (), {}, rules)]


def _odd_kinds(tallies: Tallies) -> Iterator[Finding]:
    total = tallies.total
    by_kind: dict[str, list[tuple[int, int]]] = {}
    for code, count in zip(tallies.codes.tolist(), total.tolist(), strict=True):
        kind = next((name for name, _, belongs, _ in KINDS if belongs(code)), None)
        if kind is not None:
            by_kind.setdefault(kind, []).append((code, count))
    for name, severity, _, advice in KINDS:
        characters = sorted(by_kind.get(name, []), key=lambda one: -one[1])
        count = sum(count for _, count in characters)
        if severity != "fine" and count >= ODD:
            listed = first_few([f"{character(code)} {count:,}" for code, count in characters])
            yield Finding(
                "odd characters",
                severity,
                f"{name}: {listed}",
                (advice,),
                {
                    "kind": name,
                    "count": count,
                    "characters": {f"U+{code:04X}": count for code, count in characters},
                },
                {"ODD": ODD},
            )


def _mojibake_classes() -> npt.NDArray[np.uint8]:
    """The UTF-8 byte that each code point was read from, if any: 0x80 to 0xF4, else 0."""
    classes = np.zeros(0x110000, dtype=np.uint8)
    for byte in range(0x80, 0xF5):
        classes[byte] = byte
        character = bytes([byte]).decode("cp1252", errors="ignore")
        if character:
            classes[ord(character)] = byte
    return classes


def _mojibake(codes: Codes) -> Iterator[Finding]:
    """``Ã©`` for ``é``: the bytes of UTF-8, each read as a character."""
    if codes.max(initial=0) < 0xC2:
        return
    classes, count, examples = _mojibake_classes(), 0, dict[str, int]()
    for start in range(0, len(codes), PIECE):
        was = classes[codes[start : start + PIECE + 2]]
        following = (was >= 0x80) & (was < 0xC0)
        # Sequences of two bytes for Latin, Greek and Cyrillic letters; nearly all of three bytes.
        two = np.isin(was[:-1], (0xC2, 0xC3, 0xC4, 0xC5, 0xCE, 0xCF, 0xD0, 0xD1)) & following[1:]
        three = (was[:-2] >= 0xE1) & (was[:-2] < 0xF0) & following[1:-1] & following[2:]
        for hits, length in ((two[:PIECE], 2), (three[:PIECE], 3)):
            places = np.flatnonzero(hits)
            count += len(places)
            for place in places[:1000]:
                written = "".join(map(chr, codes[start + place : start + place + length].tolist()))
                examples[written] = examples.get(written, 0) + 1
    if count < MOJIBAKE:
        return
    meant = {
        written: bytes(classes[[ord(c) for c in written]].tolist()).decode("utf-8", "replace")
        for written in sorted(examples, key=lambda one: -examples[one])
    }
    listed = first_few([f"{written!r} for {was!r}" for written, was in meant.items()])
    yield Finding(
        "mojibake",
        "mend",
        f"{count:,} times what looks like UTF-8 read in another encoding: {listed}",
        (
            "read the file in its own encoding; if it was saved this way: iconv -f UTF-8 -t "
            "CP1252 FILE > NEW",
        ),
        {"count": count, "examples": dict(list(meant.items())[:20])},
        {"MOJIBAKE": MOJIBAKE},
    )


def _uncomposed(codes: Codes, tallies: Tallies) -> Iterator[Finding]:
    """Letters with separate accents: for a model ``é`` and ``e`` with an accent are different."""
    if not any(_may_compose(code) for code in tallies.codes.tolist()):
        return
    count = 0
    for start in range(0, len(codes), PIECE):
        text = "".join(map(chr, codes[start : start + PIECE].tolist()))
        if not unicodedata.is_normalized("NFC", text):
            composed = unicodedata.normalize("NFC", text)
            count += max(1, len(text) - len(composed))
    if count >= UNCOMPOSED:
        yield Finding(
            "composition",
            "note",
            f"{count:,} characters are written in parts (letter, accent) that Unicode has whole",
            (
                'compose them (NFC), so that each letter is one symbol: python -c "import '
                "sys, unicodedata as u; sys.stdout.write(u.normalize('NFC', "
                'sys.stdin.read()))" < FILE > NEW',
            ),
            {"count": count},
            {"UNCOMPOSED": UNCOMPOSED},
        )


def _may_compose(code: int) -> bool:
    """Whether normalising can change a text because of this character."""
    text = chr(code)
    return (
        unicodedata.combining(text) > 0
        or not unicodedata.is_normalized("NFC", text)
        or (
            0x1161 <= code < 0x11C3  # parts of Hangul syllables
        )
    )
