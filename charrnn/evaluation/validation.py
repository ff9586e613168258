"""How well a model predicts a text: every character once, state carried."""

from dataclasses import dataclass
from itertools import pairwise
from math import log
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.engine import Engine
from charrnn.nn.models import SequenceModel
from charrnn.nn.parameters import Parameters
from charrnn.nn.types import State

__all__ = ["Score", "evaluate"]

LANE = 512
MAX_LANES = 64
WARM_UP = 256
CHUNK = 64


@dataclass(frozen=True)
class Score:
    """Mean negative log-likelihood of ``count`` characters or bytes."""

    nats: float
    count: int
    lanes: int
    warm_up: int
    unit: str = "nats/char"

    @property
    def bits(self) -> float:
        """Bits per character."""
        return self.nats / log(2)

    @property
    def loss(self) -> float:
        """As the training's."""
        return self.nats

    @property
    def error(self) -> float:
        """What the best model has least of."""
        return self.nats

    @property
    def text(self) -> str:
        """For people."""
        return f"{self.nats:.4f} {self.unit} ({self.bits:.4f} bits)"

    @property
    def numbers(self) -> dict[str, float]:
        """For the log."""
        return {"nats": self.nats, "bits": self.bits}

    @property
    def method(self) -> str:
        """How it was measured, in words."""
        if self.lanes == 1:
            return "full pass, state carried throughout"
        return (
            f"full pass in {self.lanes} lanes, state carried, "
            f"each lane warmed on the {self.warm_up} {_plural(self.unit)} before it"
        )


def _plural(unit: str) -> str:
    return "bytes" if unit.endswith("byte") else "characters"


def evaluate(
    model: SequenceModel,
    parameters: Parameters,
    ids: npt.NDArray[Any],
    start: int,
    *,
    lanes: int | None = None,
    warm_up: int = WARM_UP,
    engine: Engine | None = None,
    unit: str = "nats/char",
) -> Score:
    """Score ``ids[start:]``, each character predicted from all that stands before it.

    A recurrent network reads one character after the other; many at a time are much faster. So the
    text is cut into lanes, and each lane starts from the state that the ``warm_up`` characters
    before it leave: they are read but not scored. With ``lanes=1`` nothing is approximated but the
    beginning.

    Args:
        model, parameters: what to score; nothing is dropped out.
        ids: ``(N,)`` symbols.
        start: the first to score, at least 1: something must come before it.
        lanes: how many; chosen by the length if not given.
        warm_up: characters read before each lane (fewer where the text has no more).
        engine: of this model, to share the work out; one process if not given.
        unit: of the score, in words.

    Raises:
        ValueError: there is nothing to score.
    """
    count = len(ids) - start
    if start < 1 or count < 1:
        raise ValueError(f"nothing to score from {start} in a text of {len(ids)} characters")
    lanes = max(1, min(MAX_LANES, count // LANE)) if lanes is None else lanes
    engine = engine or Engine(model)

    def read(lane_starts: npt.NDArray[Any], state: State, edges: list[int]) -> tuple[float, State]:
        """Read each lane from the first edge to the last, counted from its start."""
        total = 0.0
        for begin, end in pairwise(edges):
            at = lane_starts + np.arange(begin, end)[:, None]
            x, targets = ids[at - 1].astype(np.intp), ids[at].astype(np.intp)
            nats, state = engine.cross_entropy(parameters, x, targets, state)
            total += float(nats)
        return total, state

    def alone(state: State, begin: int, end: int) -> tuple[float, State]:
        """Read one lane from character ``begin`` to ``end``."""
        return read(np.zeros(1, dtype=np.intp), state, [*range(begin, end, CHUNK), end])

    total, first = 0.0, start
    if lanes > 1 and start <= warm_up:
        # The beginning has less before it than a lane wants: it is read by itself.
        first = min(warm_up + 1, len(ids))
        _, state = alone(model.zero_state(1, parameters.dtype), 1, start)
        total, _ = alone(state, start, first)
    warm_up = min(warm_up, first - 1)
    length, left_over = divmod(len(ids) - first, lanes)
    if first < len(ids):
        starts = first + length * np.arange(lanes)
        state = model.zero_state(lanes, parameters.dtype)
        _, state = read(starts, state, [*range(-warm_up, 0, CHUNK), 0])
        nats, state = read(starts, state, [*range(0, length, CHUNK), length])
        last = tuple(tuple(part[-1:] for part in layer) for layer in state)
        total += nats + alone(last, len(ids) - left_over, len(ids))[0]
    return Score(total / count, count, lanes, warm_up, unit)
