"""Characters (or bytes) and their numbers."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from unicodedata import normalize

import numpy as np
import numpy.typing as npt

from charrnn.errors import InputError
from charrnn.text.view import View

__all__ = ["LEVELS", "UnknownCharacterError", "Vocabulary", "codes_of", "name_characters"]

LEVELS = ("char", "byte")
SHOWN = 10
NUM_CODE_POINTS = 0x110000

Codes = npt.NDArray[Any]


class UnknownCharacterError(InputError):
    """A text has characters that the vocabulary lacks.

    Attributes:
        known: if there is one, a way to write the text with known characters only, and that text.
    """

    known: tuple[str, str] | None = None


def codes_of(text: str, level: str, what: str = "the text") -> Codes:
    """``(N,)`` code points of a string; at byte level, its UTF-8 bytes.

    Raises:
        InputError: the text has lone surrogates, as from arguments that are not valid UTF-8.
    """
    try:
        if level == "byte":
            return np.frombuffer(text.encode("utf-8"), dtype=np.uint8)
        return np.frombuffer(text.encode("utf-32-le"), dtype="<u4")
    except UnicodeEncodeError as error:
        raise InputError(f"{what} is not valid UTF-8", "check the terminal's encoding") from error


ALIKE: tuple[Sequence[str], ...] = (
    "'‘’‚‛′ʼ`´",
    '"“”„‟″«»',
    "-‐‑‒–—―−",
    " \xa0\u2002\u2003\u2009\u202f",
    ("...", "…"),
)
"""Marks that keyboards and programs replace by one another, the plain one first."""

OPENING, CLOSING = "„‚“‘«", "”’»“‘"
"""The marks that open and close quotations, the more frequent first."""
SPACE_BEFORE = " \n\t\xa0([{"

FORMS: tuple[tuple[Literal["NFC", "NFD"] | None, str], ...] = (
    (None, ""),
    ("NFC", "letters composed (NFC)"),
    ("NFD", "letters in parts (NFD)"),
)
"""Ways to encode the same letters, chosen by a keyboard or a file system, not by a writer."""


def name_characters(codes: list[int]) -> str:
    """``'é' (U+00E9), '\\t' (U+0009)``: characters for a message, only the first few of many."""
    shown = ", ".join(f"{chr(code)!r} (U+{code:04X})" for code in codes[:SHOWN])
    return shown + (f" and {len(codes) - SHOWN} more" if len(codes) > SHOWN else "")


@dataclass(frozen=True)
class Vocabulary:
    """The symbols that a model knows, numbered by their place.

    Args:
        level: ``"char"``: symbols are Unicode code points, as they are in the text, unnormalised.
            ``"byte"``: symbols are the 256 bytes, so that nothing is ever unknown.
        codes: the symbols as integers, ascending, without repeats.

    Raises:
        ValueError: ``codes`` are not of that form.
    """

    level: str
    codes: tuple[int, ...]
    _table: Codes = field(init=False, repr=False, compare=False)
    _codes: Codes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        limit = NUM_CODE_POINTS if self.level == "char" else 256
        codes = np.array(self.codes, dtype=np.int64)
        if self.level not in LEVELS or not len(codes):
            raise ValueError(f"not a vocabulary: level {self.level!r}, {len(codes)} symbols")
        if codes[0] < 0 or codes[-1] >= limit or np.any(np.diff(codes) <= 0):
            raise ValueError("a vocabulary's symbols must be distinct, ascending code points")
        table = np.full(int(codes[-1]) + 1, -1, dtype=np.int32)
        table[codes] = np.arange(len(codes))
        object.__setattr__(self, "_table", table)
        object.__setattr__(self, "_codes", codes)

    @classmethod
    def of(cls, level: str, codes: Codes) -> "Vocabulary":
        """The vocabulary of a corpus: the characters that occur in it, or all 256 bytes."""
        if level == "byte":
            return cls("byte", tuple(range(256)))
        seen = np.zeros(NUM_CODE_POINTS, dtype=bool)
        seen[codes] = True
        return cls("char", tuple(np.flatnonzero(seen).tolist()))

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def shown(self) -> str:
        """All characters as one text; for bytes, how many there are."""
        return "all 256 bytes" if self.level == "byte" else "".join(map(chr, self.codes))

    def union(self, other: "Vocabulary") -> "Vocabulary":
        """The symbols of both, ascending, so the number of a symbol may change.

        Raises:
            ValueError: the two have different levels.
        """
        if other.level != self.level:
            raise ValueError("the vocabularies are of different levels")
        return Vocabulary(self.level, tuple(sorted({*self.codes, *other.codes})))

    @property
    def start(self) -> int:
        """The symbol read before a text without a beginning: a line end, else the first symbol."""
        return int(self._table[ord("\n")]) if not self.unknown(np.array([ord("\n")])) else 0

    def unknown(self, codes: Codes) -> list[int]:
        """The distinct codes that are not in the vocabulary, ascending."""
        distinct = np.unique(codes)
        inside = distinct < len(self._table)
        known = np.zeros(len(distinct), dtype=bool)
        known[inside] = self._table[distinct[inside]] >= 0
        return [int(code) for code in distinct[~known]]

    def encode(self, codes: Codes, what: str = "the text") -> Codes:
        """Numbers of code points or bytes, in the smallest unsigned dtype that holds them.

        Raises:
            UnknownCharacterError: some characters of ``what``, which the error names, are unknown.
        """
        self.check(codes, what)
        return self._table[codes].astype(np.min_scalar_type(len(self) - 1))

    def check(self, codes: Codes, what: str = "the text") -> None:
        """Raise UnknownCharacterError, as :meth:`encode` does, if some codes are unknown."""
        unknown = self.unknown(codes)
        if unknown:
            raise UnknownCharacterError(
                f"{what} has {len(unknown)} character{'s' * (len(unknown) > 1)} new to the "
                f"model: {name_characters(unknown)}",
                "remove them, or train on a text that has them",
            )

    def numbers(self, codes: Codes | View) -> Codes | View:
        """As :meth:`encode`, but with :attr:`start` in place of unknown codes."""
        table = np.full(NUM_CODE_POINTS, self.start, np.min_scalar_type(len(self) - 1))
        table[self._codes] = np.arange(len(self))
        return codes.through(table) if isinstance(codes, View) else table[codes]

    def encode_text(self, text: str, what: str = "the text") -> Codes:
        """Numbers of a string; at byte level, of its UTF-8 bytes.

        Raises:
            UnknownCharacterError: as :meth:`encode`.
            InputError: the text has lone surrogates, as from arguments that are not valid UTF-8.
        """
        try:
            return self.encode(codes_of(text, self.level, what), what)
        except UnknownCharacterError as error:
            known = self.known_form(text)
            if known is None:
                raise
            name, form = known
            again = UnknownCharacterError(
                str(error), f"with {name} the model knows all of it: {form!r}"
            )
            again.known = known
            raise again from None

    def known_form(self, text: str) -> tuple[str, str] | None:
        """A way to write a text so that every character is known: its name, and the text; or None.

        Letters are composed or decomposed, and unknown marks are replaced by similar known ones.
        """
        for form, name in FORMS:
            letters = text if form is None else normalize(form, text)
            written = self._with_known_marks(letters)
            if written not in (None, text):
                plain = {*written} <= {*letters, *map(chr, range(128))}
                marks = f"{'plain' if plain else 'typographic'} quotes and dashes"
                return ", ".join([name] * bool(name) + [marks] * (written != letters)), written
        return None

    def _with_known_marks(self, text: str) -> str | None:
        """Replace each unknown mark by a similar known one; None if there is none."""
        unknown, known = self.unknown(codes_of(text, self.level)), {*map(chr, self.codes)}
        if not unknown:
            return text

        def of_one(match: re.Match[str]) -> str:
            marks = next((marks for marks in ALIKE if match[0] in marks), ())
            opens = text[match.start() - 1 : match.start()] in SPACE_BEFORE
            usual = [one for one in (OPENING if opens else CLOSING) if one in marks]
            return next((one for one in (*marks[:1], *usual, *marks) if {*one} <= known), match[0])

        written = re.sub(f"[{re.escape(''.join(map(chr, unknown)))}]", of_one, text)
        return written if {*written} <= known else None

    def decode(self, ids: Codes) -> bytes:
        """UTF-8 bytes of symbols (at byte level, the bytes themselves)."""
        codes = self._codes[np.asarray(ids, dtype=np.intp)]
        if self.level == "byte":
            return codes.astype(np.uint8).tobytes()
        text: str = codes.astype("<u4").tobytes().decode("utf-32-le", errors="surrogatepass")
        return text.encode("utf-8", errors="surrogatepass")
