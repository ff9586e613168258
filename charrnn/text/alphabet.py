"""The characters of a task's texts, and three signs that no text contains."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.errors import InputError
from charrnn.text.vocab import LEVELS, NUM_CODE_POINTS, Vocabulary, codes_of

__all__ = ["END", "NUM_SIGNS", "START", "UNKNOWN", "Alphabet"]

UNKNOWN, START, END = 0, 1, 2
NUM_SIGNS = 3
"""How many signs come before the characters."""
REPLACEMENT = 0xFFFD
SURROGATES = range(0xD800, 0xE000)

Ids = npt.NDArray[Any]


@dataclass(frozen=True)
class Alphabet:
    """Numbers for texts one by one: 0 unknown, 1 start, 2 end, then the vocabulary's symbols.

    ``encode`` adds neither start nor end: the task decides where they belong.
    """

    vocabulary: Vocabulary
    _table: Ids = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        codes = np.array(self.vocabulary.codes, dtype=np.int64)
        size = len(self)
        # One place more than the largest code: all larger codes are looked up there.
        table = np.full(int(codes[-1]) + 2, UNKNOWN, dtype=np.min_scalar_type(size - 1))
        table[codes] = np.arange(NUM_SIGNS, size)
        table.setflags(write=False)
        object.__setattr__(self, "_table", table)

    @classmethod
    def of(cls, level: str, texts: Iterable[str]) -> "Alphabet":
        """The characters that occur in texts (``"char"``), or all 256 bytes (``"byte"``).

        Raises:
            InputError: the texts have no characters, or lone surrogates.
            ValueError: the level is neither of these.
        """
        if level not in LEVELS:
            raise ValueError(f"level {level!r} is not one of {', '.join(LEVELS)}")
        if level == "byte":
            return cls(Vocabulary("byte", tuple(range(256))))
        seen: set[str] = set()
        for text in texts:
            seen.update(text)
        if not seen:
            raise InputError("the texts have no characters")
        codes = sorted(map(ord, seen))
        if any(code in SURROGATES for code in codes):
            raise _not_text("a text")
        return cls(Vocabulary("char", tuple(codes)))

    def __len__(self) -> int:
        return NUM_SIGNS + len(self.vocabulary)

    @property
    def level(self) -> str:
        """``"char"`` or ``"byte"``."""
        return self.vocabulary.level

    def encode(self, text: str, what: str = "the text") -> Ids:
        """``(T,)`` numbers of a text's characters (or UTF-8 bytes), in the smallest unsigned dtype.

        A character that is not in the alphabet becomes ``UNKNOWN``; a byte is always known.

        Raises:
            InputError: the text has lone surrogates, as from arguments that are not valid UTF-8.
        """
        codes = codes_of(text, self.level, what)
        ids: Ids = self._table[np.minimum(codes, np.uint32(len(self._table) - 1))]
        return ids

    def decode(self, ids: npt.ArrayLike) -> str:
        """The text of ``(T,)`` numbers, up to the first ``END``.

        ``START`` is left out, ``UNKNOWN`` is U+FFFD, and so are bytes that are not UTF-8.

        Raises:
            ValueError: a number before ``END`` is not of this alphabet.
        """
        numbers = np.asarray(ids, dtype=np.intp).reshape(-1)
        ends = np.flatnonzero(numbers == END)
        if len(ends):
            numbers = numbers[: ends[0]]
        numbers = numbers[numbers != START]
        if np.any((numbers < 0) | (numbers >= len(self))):
            raise ValueError(f"numbers outside of an alphabet of {len(self)}")
        places = np.flatnonzero(numbers == UNKNOWN).tolist()
        starts, stops = [0, *(place + 1 for place in places)], [*places, len(numbers)]
        return chr(REPLACEMENT).join(
            self.vocabulary.decode(numbers[start:stop] - NUM_SIGNS).decode("utf-8", "replace")
            for start, stop in zip(starts, stops, strict=True)
        )

    def unknown(self, text: str) -> int:
        """How many of a text's characters, repeats counted, are not in the alphabet.

        Raises:
            InputError: as :meth:`encode`.
        """
        return int(np.count_nonzero(self.encode(text) == UNKNOWN))

    def to_json(self) -> dict[str, Any]:
        """``{"level": ..., "codes": [...]}``, which ``json`` can write."""
        return {"level": self.level, "codes": list(self.vocabulary.codes)}

    @classmethod
    def from_json(cls, value: object) -> "Alphabet":
        """The alphabet that :meth:`to_json` described.

        Raises:
            ValueError: the value cannot come from :meth:`to_json`.
        """
        if not isinstance(value, Mapping) or set(value) != {"level", "codes"}:
            raise ValueError("not an alphabet: level and codes are wanted")
        level, codes = value["level"], value["codes"]
        if level not in ("char", "byte") or not isinstance(codes, list):
            raise ValueError("not an alphabet: level or codes are of another kind")
        if not 0 < len(codes) <= NUM_CODE_POINTS or not all(type(code) is int for code in codes):
            raise ValueError("not an alphabet: codes must be integers")
        if not all(0 <= code < NUM_CODE_POINTS and code not in SURROGATES for code in codes):
            raise ValueError("not an alphabet: codes must be code points of characters")
        if level == "byte" and codes != list(range(256)):
            raise ValueError("not an alphabet: bytes are all 256")
        return cls(Vocabulary(level, tuple(codes)))


def _not_text(what: str) -> InputError:
    return InputError(f"{what} is not valid UTF-8", "check the terminal's encoding")
