"""Dynamic evaluation: a model that learns from each part of a text after scoring it.

Krause, Kahembwe, Murray and Renals (2018), "Dynamic evaluation of neural sequence models". A text
is read in segments. Each segment is scored with the current weights, and only then does its
gradient change them, so that every prediction uses only the text before it:

    θ ← θ - η·g / (RMS + ε) + min(λ·RMS / mean(RMS), 1)·(θ₀ - θ)

g is the gradient of the segment's mean loss, RMS the root of its mean square on the training text,
θ₀ the trained weights. Weights with a large RMS move less and return sooner.
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
"""The last characters of the training text, whose gradients are measured."""

LEAST_SEGMENTS = 4
"""The fewest segments in a lane, of which only the first begins without a state."""


@dataclass(frozen=True)
class Adaptation:
    """How a model learns from the text that it is scored on.

    Args:
        rate: η.
        decay: λ, how fast weights return to the trained ones.
        segment: characters between two updates, through which gradients also reach back.
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

    The training text is read in lanes, which gives the sum of the gradients of a batch of B
    segments. Near a minimum they are independent, so the square of their sum is B times that of
    one.

    Args:
        reader: reads with the model.
        train: ``(N,)`` symbols, at least two; only the last of many are used.
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
    """The cost of each symbol under a model that has learnt from all segments before it.

    Args:
        reader: reads with the model.
        parameters: θ₀; they are not changed.
        rms: from :func:`gradient_rms`.
        ids: ``(N,)`` symbols.
        start: the first symbol to score, at least 1; up to 256 before it are read first.
        known: ``(N,)`` which symbols to learn from; if not given, all.
        advance: called with how many more symbols have been scored.

    Returns:
        ``(N - start,)`` nats, float32.
    """
    trained = parameters.flat
    mean = float(rms.mean()) or 1.0  # avoids a division by zero
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
