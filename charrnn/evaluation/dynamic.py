"""Dynamic evaluation: a model that learns from what it has just been scored on.

Krause, Kahembwe, Murray and Renals (2018), "Dynamic evaluation of neural sequence models". A text
is read in segments. Each is scored by the weights as they are, and only then are they moved by its
gradient, so that every prediction rests on what came before it alone:

    θ ← θ - η·g / (RMS + ε) + min(λ·RMS / mean(RMS), 1)·(θ₀ - θ)

g is the gradient of the segment's mean loss, RMS the root of its mean square on the training text,
θ₀ the weights that were trained: what mattered little there moves far and comes back slowly.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.evaluation.windows import LANES, WARM_UP, Reader
from charrnn.nn.parameters import Parameters
from charrnn.nn.types import Array

__all__ = ["Adaptation", "adapted_nats", "gradient_rms"]

STATISTICS = 1 << 18
"""Characters of the training text, its last ones, whose gradients are looked at."""

LEAST_SEGMENTS = 4
"""A lane is at least so many segments long: only the first begins without a state."""


@dataclass(frozen=True)
class Adaptation:
    """How a model learns from the text that it is scored on.

    Args:
        rate: η.
        decay: λ, at which weights go back to those that were trained.
        segment: characters between two updates, and how far back gradients go.
        epsilon: ε, as a part of the mean RMS.

    Raises:
        ValueError: a number is out of range.
    """

    rate: float = 3e-4
    decay: float = 1e-3
    segment: int = 16
    epsilon: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.rate < np.inf or not 0 <= self.decay < np.inf:
            raise ValueError(
                f"rate and decay must be finite and at least 0, got {self.rate:g} and "
                f"{self.decay:g}"
            )
        if self.segment < 1 or not 0 < self.epsilon < np.inf:
            raise ValueError(
                "segment must be 1 or more, and epsilon above 0, got "
                f"{self.segment}, {self.epsilon}"
            )


def gradient_rms(
    reader: Reader, parameters: Parameters, train: npt.NDArray[Any], segment: int
) -> Array:
    """The root of the mean square of a segment's gradient, for each weight.

    The training text is read in lanes, and of a batch of B segments the gradients' sum is known.
    Near a minimum they point anywhere, so the square of their sum is B times that of one.

    Args:
        reader: of the model.
        train: ``(N,)`` symbols, at least two; of many, the last.
        segment: T.

    Returns:
        A vector like ``parameters.flat``.

    Raises:
        ValueError: there are fewer than two symbols.
    """
    if len(train) < 2:
        raise ValueError("a training text of one character has no gradient")
    train = train[-STATISTICS - 1 :]
    count = len(train) - 1
    num_lanes = max(1, min(LANES, count // (LEAST_SEGMENTS * segment)))
    length = count // num_lanes
    length -= length % segment if length > segment else 0
    lanes = 1 + length * np.arange(num_lanes)
    state = reader.network.zero_state(len(lanes), parameters.dtype)
    gradients = parameters.zeros_like()
    squares = np.zeros_like(parameters.flat)
    edges = [*range(0, length, segment), length]
    for begin, end in pairwise(edges):
        at = lanes + np.arange(begin, end)[:, None]
        _, state = reader.read(parameters, train, at, state, gradients=gradients)
        gradients.flat /= end - begin
        squares += gradients.flat**2 / len(lanes)
    return np.sqrt(squares / (len(edges) - 1))


def adapted_nats(
    reader: Reader,
    parameters: Parameters,
    rms: Array,
    ids: npt.NDArray[Any],
    start: int,
    adaptation: Adaptation,
    *,
    known: npt.NDArray[np.bool_] | None = None,
    advance: Callable[[int], object] = lambda count: None,
) -> Array:
    """What each symbol costs a model that has learnt from all segments before it.

    Args:
        reader: of the model.
        parameters: θ₀; not changed.
        rms: from :func:`gradient_rms`.
        ids: ``(N,)`` symbols.
        start: the first to score, at least 1; up to 256 before it are read first.
        known: ``(N,)`` which to learn from; all if not given.
        advance: told how many more symbols have been scored.

    Returns:
        ``(N - start,)`` nats, float32.
    """
    trained = parameters.flat
    mean = float(rms.mean()) or 1.0  # of a model that nothing moves
    step = (adaptation.rate / (rms + adaptation.epsilon * mean)).astype(trained.dtype)
    back = np.minimum(adaptation.decay * rms / mean, 1).astype(trained.dtype)
    weights = parameters.astype(parameters.dtype)
    gradients = weights.zeros_like()
    state = reader.network.zero_state(1, weights.dtype)
    if start > 1:
        before = np.arange(max(1, start - WARM_UP), start)[:, None]
        _, state = reader.read(weights, ids, before, state)
    nats = np.empty(len(ids) - start, dtype=np.float32)
    for begin in range(start, len(ids), adaptation.segment):
        at = np.arange(begin, min(begin + adaptation.segment, len(ids)))[:, None]
        learnt = np.ones(at.shape, weights.dtype) if known is None else known[at]
        found, state = reader.read(weights, ids, at, state, gradients=gradients, weights=learnt)
        nats[begin - start : begin - start + len(at)] = found[:, 0]
        gradients.flat *= step / max(1, np.count_nonzero(learnt))
        weights.flat += back * (trained - weights.flat) - gradients.flat
        advance(len(at))
    return nats
