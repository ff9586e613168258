"""Characters that a vocabulary lacks: what they cost, so that a text's score stays that of a code.

With probability :data:`ESCAPE` a character is none that is known, and then it is any of Unicode's
scalar values, all equally likely. So an unknown character costs ln(1/ε) + ln(1,112,064) nats, and
a known one -ln(1 - ε) more than the model says, whether or not the text has unknown ones: the
probabilities of all that may come sum to at most one. Bytes are all known, and none is escaped. So
the scores of different models and of n-grams may stand in one table.
"""

from dataclasses import dataclass
from math import log, log1p
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.text.vocab import Vocabulary

__all__ = ["ESCAPE", "KNOWN_NATS", "SCALAR_VALUES", "UNKNOWN_NATS", "Escaped", "escape"]

ESCAPE = 1e-6
SCALAR_VALUES = 0x110000 - 0x800  # all code points but the surrogates
UNKNOWN_NATS = log(1 / ESCAPE) + log(SCALAR_VALUES)
KNOWN_NATS = -log1p(-ESCAPE)


@dataclass(frozen=True)
class Escaped:
    """A text as a model reads it.

    Attributes:
        ids: ``(N,)`` symbols; the vocabulary's start symbol in the place of each unknown character.
        unknown: ``(N,)`` where those are.
        byte_level: nothing is ever unknown.
    """

    ids: npt.NDArray[Any]
    unknown: npt.NDArray[np.bool_]
    byte_level: bool

    def charge(self, nats: npt.NDArray[Any], start: int = 0) -> npt.NDArray[np.float64]:
        """What the characters from ``start`` on cost, given what they do if all are known.

        Args:
            nats: ``(n,)`` by the model, up to N - start; what stands for unknown characters is not
                read.
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
