"""The cost of each character of a text under a language model."""

from dataclasses import dataclass
from math import exp, log

import numpy as np
import numpy.typing as npt

from charrnn.engine import Engine
from charrnn.errors import InputError
from charrnn.evaluation.windows import Reader, windowed_nats
from charrnn.nn.ensemble import LanguageNetwork
from charrnn.nn.parameters import Parameters
from charrnn.nn.types import State
from charrnn.text.escapes import escape
from charrnn.text.vocab import Vocabulary, codes_of

__all__ = ["Characters", "score_text"]


@dataclass(frozen=True, eq=False)
class Characters:
    """A text's score.

    Attributes:
        text: the text that was scored.
        nats: ``(N,)`` -ln p of each character (for a model of bytes, of each byte), given all
            before it.
    """

    text: str
    nats: npt.NDArray[np.float64]

    @property
    def total(self) -> float:
        """Nats of the whole text."""
        return float(self.nats.sum())

    @property
    def bits(self) -> float:
        """Bits a character."""
        return self.total / len(self.nats) / log(2)

    @property
    def perplexity(self) -> float:
        """The number of equally likely characters among which the choice would be as hard."""
        return exp(self.total / len(self.nats))

    def __repr__(self) -> str:
        return f"<{len(self.nats):,} characters: {self.total:.2f} nats, {self.bits:.3f} bits each>"


def score_text(
    network: LanguageNetwork,
    parameters: Parameters,
    vocabulary: Vocabulary,
    text: str,
    state: State | None = None,
) -> Characters:
    """Score a text from its first character on, which is predicted after a line end.

    Args:
        network, parameters, vocabulary: the model.
        text: the text to score.
        state: the state before that line end, ``(1, H)`` each; if not given, zero.

    Raises:
        InputError: the text is empty, or has lone surrogates.
    """
    codes = codes_of(text, vocabulary.level)
    if not len(codes):
        raise InputError("an empty text has no score")
    start = vocabulary.codes[vocabulary.start]
    escaped = escape(vocabulary, np.concatenate([[start], codes]))
    reader = Reader(Engine(network))
    nats = windowed_nats(reader, parameters, escaped.ids, [1, len(codes) + 1], state=state)
    return Characters(text, escaped.charge(nats, 1))
