"""What characters cost that a vocabulary lacks, so that scores remain comparable.

With probability :data:`ESCAPE` a character is unknown, and then it is any of Unicode's scalar
values, all equally likely. So an unknown character costs ln(1/ε) + ln(1,112,064) nats, and a known
one -ln(1 - ε) more than the model says, whether or not the text has unknown ones. The probabilities
of all possible characters sum to at most one, as in a code. Bytes are always known, and never
escaped. So the scores of different models and of n-grams can be compared in one table.
"""

from dataclasses import dataclass
from math import log, log1p
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.text.vocab import Vocabulary

__all__ = ["ESCAPE", "KNOWN_NATS", "SCALAR_VALUES", "UNKNOWN_NATS", "Escaped", "escape"]

ESCAPE = 1e-6
SCALAR_VALUES = 0x110000 - 0x800  # all code points except surrogates
UNKNOWN_NATS = log(1 / ESCAPE) + log(SCALAR_VALUES)
KNOWN_NATS = -log1p(-ESCAPE)


@dataclass(frozen=True)
class Escaped:
    """A text as a model reads it.

    Attributes:
        ids: ``(N,)`` symbols; the vocabulary's start symbol in place of each unknown character.
        unknown: ``(N,)`` whether each character is unknown.
        byte_level: whether the text is bytes, which are always known.
    """

    ids: npt.NDArray[Any]
    unknown: npt.NDArray[np.bool_]
    byte_level: bool

    def charge(self, nats: npt.NDArray[Any], start: int = 0) -> npt.NDArray[np.float64]:
        """The cost of the characters from ``start`` on, given the model's cost of known ones.

        Args:
            nats: ``(n,)`` by the model, for up to N - start characters; entries of unknown
                characters are ignored.
        """
        if self.byte_level:
            return nats.astype(np.float64)
        unknown = self.unknown[start : start + len(nats)]
        return np.where(unknown, UNKNOWN_NATS, nats + KNOWN_NATS)


def escape(vocabulary: Vocabulary, codes: npt.NDArray[Any]) -> Escaped:
    """Symbols of code points or bytes, whether or not the vocabulary has them."""
    unknown = np.zeros(len(codes), dtype=np.bool_)
    missing = vocabulary.unknown(codes)
    if missing:
        unknown = np.isin(codes, missing)
        start = vocabulary.codes[vocabulary.start]
        codes = np.where(unknown, np.array(start, dtype=np.int64), codes)
    return Escaped(vocabulary.encode(codes), unknown, vocabulary.level == "byte")
