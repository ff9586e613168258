"""Features of the places in a text that a unit of a network may follow.

Each feature is a number for every character, and depends only on the text up to it: a network that
has read so far could know it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Feature", "features"]

Codes = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.int64]


class Feature(NamedTuple):
    """A feature with a name."""

    name: str
    remembered: bool
    """Whether knowing it takes more than the last character."""
    values: npt.NDArray[np.float32]
    """``(N,)`` its value at each character."""


def features(codes: Codes) -> list[Feature]:
    """All features of a text.

    Args:
        codes: ``(N,)`` code points or bytes.
    """
    text = _Text(codes)
    return [
        Feature(name, remembered, of(text).astype(np.float32))
        for name, (remembered, of) in NAMED.items()
    ]


class _Text:
    """A text and where its characters of each kind are, ``(N,)``."""

    def __init__(self, codes: Codes) -> None:
        self.codes = codes
        distinct, number = np.unique(codes, return_inverse=True)
        characters = [chr(code) for code in distinct.tolist()]

        def are(kind: Callable[[str], bool]) -> Mask:
            return np.array([kind(c) for c in characters], dtype=bool)[number]

        self.upper, self.letter = are(str.isupper), are(str.isalpha)
        self.digit, self.blank = are(str.isdigit), are(lambda c: c in " \t")
        self.newline = self.are("\n")
        self.word = self.letter | self.digit | self.are("_")
        self.punctuation = ~(self.word | self.blank | self.newline)

    def are(self, characters: str) -> Mask:
        """Where one of these characters is."""
        return np.isin(self.codes, [ord(c) for c in characters])

    @property
    def paragraph(self) -> Mask:
        """Where an empty line ends."""
        return self.newline & _after(self.newline)

    def nested(self, opening: str, closing: str) -> Numbers:
        """How many brackets are open in this paragraph."""
        steps = self.are(opening).astype(np.int64) - self.are(closing)
        depth = _within(steps, self.paragraph)
        # Each paragraph is shifted far below the one before, so that the lowest so far is its own.
        floor = -len(steps) * 2 * np.cumsum(self.paragraph)
        lowest = np.minimum.accumulate(np.minimum(depth, 0) + floor) - floor
        inside: Numbers = depth - lowest
        return inside

    def inside(self, quote: str) -> Mask:
        """After an odd number of quotation marks in this paragraph.

        An apostrophe between two letters does not count, which only the next character shows.
        """
        marks = self.are(quote)
        marks &= ~(_after(self.letter) & np.append(self.letter[1:], False))
        return np.equal(_within(marks.astype(np.int64), self.paragraph) % 2, 1)

    def leading(self) -> Mask:
        """Where the line has had only blanks so far."""
        return ~self.since(~self.blank & ~self.newline)

    def since(self, marks: Mask) -> Mask:
        """Whether the line has had one of these marks."""
        return np.greater(_within(marks.astype(np.int64), self.newline), 0)


def _after(marks: Mask) -> Mask:
    """Where the character before is marked."""
    return np.append(False, marks[:-1])


def _within(steps: Numbers, begins: Mask) -> Numbers:
    """Sums since the last of ``begins``, which itself counts as 0."""
    sums = np.cumsum(np.where(begins, 0, steps))
    # Sums may fall, so the place of the last beginning is carried on, not its sum.
    last = np.maximum.accumulate(np.where(begins, np.arange(len(sums)), -1))
    before: Numbers = np.where(last >= 0, sums[last], 0)
    return sums - before


def _run(marks: Mask) -> Numbers:
    """How many marked characters in a row end here."""
    return _within(np.ones(len(marks), np.int64), ~marks)


NAMED: dict[str, tuple[bool, Callable[[_Text], npt.NDArray[Any]]]] = {
    "a letter": (False, lambda t: t.letter),
    "an upper-case letter": (False, lambda t: t.upper),
    "a vowel": (False, lambda t: t.are("aeiouAEIOU")),
    "a digit": (False, lambda t: t.digit),
    "a space": (False, lambda t: t.are(" ")),
    "a sign (punctuation)": (False, lambda t: t.punctuation),
    "after a newline": (False, lambda t: t.newline),
    "after an empty line": (True, lambda t: t.paragraph),
    "position in the line": (True, lambda t: _run(~t.newline)),
    "lines since an empty line": (
        True,
        lambda t: _within(t.newline.astype(np.int64), t.paragraph),
    ),
    "indentation of the line": (
        True,
        lambda t: _within((t.leading() & t.blank).astype(np.int64), t.newline),
    ),
    "in the indentation": (True, lambda t: t.leading()),
    "length of the word so far": (True, lambda t: _run(t.word)),
    "words in the line so far": (
        True,
        lambda t: _within((t.word & ~_after(t.word)).astype(np.int64), t.newline),
    ),
    "length of the sentence so far": (True, lambda t: _run(~t.are(".!?"))),
    "in a word of capitals": (True, lambda t: _run(t.upper) > 1),
    "spaces in a row": (True, lambda t: _run(t.are(" "))),
    'inside "..."': (True, lambda t: t.inside('"')),
    "inside '...'": (True, lambda t: t.inside("'")),
    "inside “...”": (True, lambda t: t.nested("“", "”") > 0),
    "depth of brackets": (True, lambda t: t.nested("([{", ")]}")),
    "inside (...)": (True, lambda t: t.nested("(", ")") > 0),
    "inside [...]": (True, lambda t: t.nested("[", "]") > 0),
    "inside {...}": (True, lambda t: t.nested("{", "}") > 0),
    "after # in the line": (True, lambda t: t.since(t.are("#"))),
    "after : in the line": (True, lambda t: t.since(t.are(":"))),
    "after = in the line": (True, lambda t: t.since(t.are("="))),
}
