"""What each symbol of a text costs, by how much of what stands before it the network has read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.engine import Engine, final_state
from charrnn.nn.models import Loss, SequenceModel, Sequences
from charrnn.nn.parameters import Parameters
from charrnn.nn.types import Array, State
from charrnn.nn.workspace import Workspace

__all__ = ["LANES", "WARM_UP", "Reader", "carried", "log_loss", "resets", "windowed_nats"]

WARM_UP = 256
LANES = 64
CHUNK = 256
LOGITS = 1 << 21
"""The outputs of all lanes and steps that stand in memory together."""

EXACT = 1 << 17
EXACT_PRODUCTS = 1 << 35
"""A text of no more characters, times weights, is read in one lane: in some ten seconds."""


class Reader:
    """A language model that reads a text and says what each symbol costs.

    Args:
        model: of symbols.
        threads: how many processes compute; that changes no bit of the result.
    """

    def __init__(self, model: SequenceModel, threads: int = 1) -> None:
        self.model = model
        self._engine = Engine(_SymbolLosses(model), threads)

    def close(self) -> None:
        """Let the other processes go."""
        self._engine.close()

    def read(
        self,
        parameters: Parameters,
        ids: npt.NDArray[Any],
        at: npt.NDArray[Any],
        state: State,
        *,
        weights: Array | None = None,
        gradients: Parameters | None = None,
    ) -> tuple[Array, State]:
        """Read on from a state.

        Args:
            ids: ``(N,)`` symbols.
            at: ``(T, B)`` places of those to score, at least 1; the one before each is what the
                network reads to predict it.
            state: of B lanes.
            weights: ``(T, B)``, of each symbol in the gradients.
            gradients: overwritten by those of the weighted sum.

        Returns:
            ``(T, B)`` nats, and the state.
        """
        x, targets = ids[at - 1].astype(np.intp), ids[at].astype(np.intp)
        batch = Sequences(x, targets, state, weights=weights)
        losses = self._engine.losses(parameters, batch, gradients=gradients)
        return np.concatenate([loss.total for loss in losses], axis=1), final_state(losses)


@dataclass(frozen=True)
class _SymbolLosses:
    """A network for the engine, whose loss is not summed: ``(T, B)`` nats."""

    model: SequenceModel

    def part(self, batch: Sequences, lanes: slice) -> Sequences:
        return self.model.part(batch, lanes)

    def sum_loss(
        self,
        parameters: Parameters,
        batch: Sequences,
        workspace: Workspace,
        *,
        gradients: Parameters | None = None,
        rng: np.random.Generator | None = None,
    ) -> Loss:
        y, final, saved = self.model.forward(parameters, batch.x, batch.state, workspace, rng)
        nats = log_loss(y, batch.targets)
        if gradients is not None:
            steps, lanes = map(np.arange, batch.targets.shape)
            y[steps[:, None], lanes, batch.targets] -= 1  # softmax - one-hot: dE/dy
            if batch.weights is not None:
                y *= batch.weights[..., None]
            self.model.backward(parameters, gradients, y, None, saved)
        return Loss(nats, final, ())


def log_loss(y: Array, targets: npt.NDArray[Any]) -> Array:
    """-ln softmax(y)[target] of each row; ``y`` becomes the softmax.

    Args:
        y: ``(..., V)`` logits.
        targets: ``(...)`` integers in ``[0, V)``.
    """
    y -= y.max(axis=-1, keepdims=True)
    chosen = np.take_along_axis(y, targets[..., None], axis=-1)[..., 0]
    np.exp(y, out=y)
    total = y.sum(axis=-1, keepdims=True)
    y /= total
    nats: Array = np.log(total[..., 0]) - chosen
    return nats


def resets(start: int, end: int, width: int) -> list[int]:
    """The edges of windows of ``width`` characters."""
    return [*range(start, end, width), end]


def carried(start: int, end: int, num_weights: int) -> list[int]:
    """The edges of as few windows as make for a bearable time: one for a text that is not long.

    Args:
        num_weights: of the model.
    """
    count = end - start
    if count <= EXACT and count * num_weights <= EXACT_PRODUCTS:
        return [start, end]
    # What has less before it than a lane's warm-up is a window by itself.
    first = max(start, WARM_UP + 1)
    width = max(1, (end - first) // LANES)
    return sorted({start, *range(min(first, end), end, width), end})


def windowed_nats(
    reader: Reader,
    parameters: Parameters,
    ids: npt.NDArray[Any],
    edges: Sequence[int],
    *,
    warm_up: int = 0,
    advance: Callable[[int], object] = lambda count: None,
) -> Array:
    """What each symbol costs in windows that know nothing of each other.

    A window begins with the zero state. The network reads the symbol before its first one, and
    before that up to ``warm_up`` more, which are not scored here.

    Args:
        reader: of the model.
        parameters: its weights.
        ids: ``(N,)`` symbols.
        edges: ascending, the first at least 1: window k is ``ids[edges[k]:edges[k + 1]]``.
        advance: told how many more symbols have been scored.

    Returns:
        ``(edges[-1] - edges[0],)`` nats, float32.
    """
    start = edges[0]
    nats = np.empty(edges[-1] - start, dtype=np.float32)
    alike: dict[tuple[int, int], list[int]] = {}
    for first, end in pairwise(edges):
        alike.setdefault((end - first, min(warm_up, first - 1)), []).append(first)
    for (length, before), firsts in alike.items():
        for k in range(0, len(firsts), LANES):
            lanes = np.array(firsts[k : k + LANES])
            state = reader.model.zero_state(len(lanes), parameters.dtype)
            steps = max(1, min(CHUNK, LOGITS // (len(lanes) * reader.model.output_size)))
            for begin, end in pairwise(
                [*range(-before, 0, steps), *range(0, length, steps), length]
            ):
                at = lanes + np.arange(begin, end)[:, None]
                found, state = reader.read(parameters, ids, at, state)
                if begin >= 0:
                    nats[at - start] = found
                    advance(at.size)
    return nats
