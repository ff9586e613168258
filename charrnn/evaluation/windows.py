"""The cost of each symbol of a text, depending on how much the network has read before it."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from tempfile import TemporaryFile
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.engine import Engine
from charrnn.nn.ensemble import LanguageNetwork
from charrnn.nn.losses import SCORED_BY
from charrnn.nn.models import Sequences
from charrnn.nn.parameters import Parameters
from charrnn.nn.runaway import CHUNK, restart_runaways
from charrnn.nn.types import Array, State

__all__ = ["LANES", "WARM_UP", "Reader", "carried", "in_lanes", "resets", "windowed_nats"]

WARM_UP = 256
LANES = 64

MOST_IN_MEMORY = 1 << 25
"""The most symbols whose costs are kept in memory; of more, in a temporary file."""

EXACT = 1 << 17
EXACT_PRODUCTS = 1 << 35
"""Characters times weights up to which a text is read in one lane: that takes some ten seconds."""


class Reader:
    """A language model that reads a text and returns the cost of each symbol.

    Args:
        engine: computes with the model; its number of processes does not change the result.
        loss: the cost of a symbol; by default -ln p of a distribution over all symbols, whatever
            the training loss is.
    """

    def __init__(self, engine: Engine, loss: str | None = None) -> None:
        self.engine = engine
        trained_by = self.network.loss
        self.loss = SCORED_BY.get(trained_by, trained_by) if loss is None else loss

    @property
    def network(self) -> LanguageNetwork:
        """The model."""
        network: LanguageNetwork = self.engine.model  # type: ignore[assignment]
        return network

    def read(
        self,
        parameters: Parameters,
        ids: npt.NDArray[Any],
        at: npt.NDArray[Any],
        state: State,
        *,
        weights: Array | None = None,
        gradients: Parameters | None = None,
        restart: bool = True,
    ) -> tuple[Array, State]:
        """Continue to read from a state.

        Args:
            ids: ``(N,)`` symbols.
            at: ``(T, B)`` places of the symbols to score, at least 1; to predict each, the network
                reads the symbol before it.
            state: the state of the B lanes.
            weights: ``(T, B)``, the weight of each symbol in the sum; if not given, ones.
            gradients: overwritten by the gradients of the sum.
            restart: whether a chunk ends here, and lanes whose state has run away are reset.

        Returns:
            ``(T, B)`` nats, and the state.
        """
        x, targets = ids[at - 1].astype(np.intp), ids[at].astype(np.intp)
        batch = Sequences(x, targets, state, weights=weights, each=True, loss=self.loss)
        losses = self.engine.losses(parameters, batch, gradients=gradients)
        after = losses.final
        if restart:
            restart_runaways(self.network.cell, after)
        return losses.each, after


def resets(start: int, end: int, width: int) -> list[int]:
    """The edges of windows of ``width`` characters."""
    return [*range(start, end, width), end]


def in_lanes(start: int, end: int, lanes: int, warm_up: int) -> list[int]:
    """The edges of ``lanes`` windows of equal length; the last one also has the remainder.

    Symbols with less text before them than a lane's warm-up form a window of their own.
    """
    first = start if lanes == 1 else max(start, min(warm_up + 1, end))
    length = (end - first) // lanes
    return sorted({start, *(first + lane * length for lane in range(lanes)), end})


def carried(start: int, end: int, num_weights: int) -> list[int]:
    """The edges of as few windows as take a reasonable time: one, unless the text is long.

    Args:
        num_weights: the number of the model's weights.
    """
    count = end - start
    exact = count <= EXACT and count * num_weights <= EXACT_PRODUCTS
    return [start, end] if exact else in_lanes(start, end, LANES, WARM_UP)


def windowed_nats(
    reader: Reader,
    parameters: Parameters,
    ids: npt.NDArray[Any],
    edges: Sequence[int],
    *,
    warm_up: int = 0,
    state: State | None = None,
    advance: Callable[[int], object] = lambda count: None,
) -> Array:
    """The cost of each symbol in windows that are independent of each other.

    A window begins with the zero state, or with ``state``. The network reads the symbol before the
    window, and before that up to ``warm_up`` more, which are not scored here.

    Args:
        reader: reads with the model.
        parameters: its weights.
        ids: ``(N,)`` symbols.
        edges: ascending, the first at least 1; window k is ``ids[edges[k]:edges[k + 1]]``.
        state: the state that each window begins with, ``(1, H)`` each.
        advance: called with how many more symbols have been scored.

    Returns:
        ``(edges[-1] - edges[0],)`` nats, of the dtype of the parameters.
    """
    start = edges[0]
    opening = reader.network.zero_state(1, parameters.dtype) if state is None else state
    nats = _room(edges[-1] - start, parameters.dtype)
    by_warm_up: dict[int, list[tuple[int, int]]] = {}
    for first, end in pairwise(edges):
        by_warm_up.setdefault(min(warm_up, first - 1), []).append((end - first, first))
    for before, windows in by_warm_up.items():
        windows.sort(reverse=True)  # those still running are in the leading rows
        for k in range(0, len(windows), LANES):
            lengths, lanes = np.array(windows[k : k + LANES]).T
            state = tuple(tuple(h.repeat(len(lanes), axis=0) for h in layer) for layer in opening)
            stops = {*lengths.tolist(), *range(0, int(lengths[0]), CHUNK)}
            for begin, end in pairwise([*range(-before, 0, CHUNK), *sorted(stops)]):
                running = int(np.count_nonzero(lengths > begin))
                state = tuple(tuple(part[:running] for part in layer) for layer in state)
                at = lanes[:running] + np.arange(begin, end)[:, None]
                # Not at the end of another lane: a window's score must not depend on others.
                whole = end % CHUNK == 0
                found, state = reader.read(parameters, ids, at, state, restart=whole)
                if begin >= 0:
                    nats[at - start] = found
                    advance(at.size)
    return nats


def _room(count: int, dtype: npt.DTypeLike) -> Array:
    """An array of ``(count,)`` to be filled."""
    if count <= MOST_IN_MEMORY:
        return np.empty(count, dtype=dtype)
    with TemporaryFile() as file:
        return np.asarray(np.memmap(file, dtype, "w+", shape=(count,)))
