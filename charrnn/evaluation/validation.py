"""How well a model predicts a text: every character is scored once, with the state carried."""

from dataclasses import dataclass
from math import log
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.evaluation.windows import LANES, WARM_UP, Reader, in_lanes, windowed_nats
from charrnn.nn.parameters import Parameters
from charrnn.text.escapes import Escaped

__all__ = ["Score", "evaluate"]

LANE = 512
"""The shortest length of a lane."""


@dataclass(frozen=True)
class Score:
    """Mean negative log-likelihood of ``count`` characters or bytes.

    ``own`` is the mean of the training loss, where that is another loss.
    """

    nats: float
    count: int
    lanes: int
    warm_up: int
    unit: str = "nats/char"
    own: float | None = None

    @property
    def bits(self) -> float:
        """Bits per character."""
        return self.nats / log(2)

    @property
    def loss(self) -> float:
        """The mean in the unit of the training loss."""
        return self.nats if self.own is None else self.own

    @property
    def error(self) -> float:
        """The error that selects the best model."""
        return self.loss

    @property
    def text(self) -> str:
        """The score in a line for the user."""
        text = f"{self.nats:.4f} {self.unit} ({self.bits:.4f} bits)"
        return text if self.own is None else f"{text}, training loss {self.own:.4f}"

    @property
    def numbers(self) -> dict[str, float]:
        """The score as the log has it."""
        numbers = {"nats": self.nats, "bits": self.bits}
        return numbers if self.own is None else numbers | {"loss": self.own}


def evaluate(
    reader: Reader,
    parameters: Parameters,
    ids: npt.NDArray[Any],
    start: int,
    *,
    lanes: int | None = None,
    warm_up: int = WARM_UP,
    unit: str = "nats/char",
    escaped: Escaped | None = None,
) -> Score:
    """Score ``ids[start:]``, each character predicted from all characters before it.

    A recurrent network reads one character after the other, and many at a time are much faster. So
    the text is cut into lanes, and each lane starts from the state that the ``warm_up`` characters
    before it leave: they are read but not scored. With ``lanes=1`` only the beginning is
    approximated.

    Args:
        reader, parameters: the model to score, without dropout.
        ids: ``(N,)`` symbols.
        start: the first character to score, at least 1, since one must come before it.
        lanes: the number of lanes; if not given, it depends on the length.
        warm_up: characters read before each lane (fewer where the text begins).
        unit: the unit of the score, in words.
        escaped: the text that begins with ``ids``, if it may have unknown characters: they cost
            what :mod:`charrnn.text.escapes` says.

    Raises:
        ValueError: there is nothing to score.
    """
    count = len(ids) - start
    if start < 1 or count < 1:
        raise ValueError(f"nothing to score from {start} in a text of {len(ids)} characters")
    lanes = max(1, min(LANES, count // LANE)) if lanes is None else lanes
    edges = in_lanes(start, len(ids), lanes, warm_up)
    nats = windowed_nats(reader, parameters, ids, edges, warm_up=warm_up)
    if escaped is not None:
        nats = escaped.charge(nats, start)
    return Score(
        float(nats.mean(dtype=np.float64)), count, lanes, min(warm_up, edges[-2] - 1), unit
    )
