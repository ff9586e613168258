"""Units of a trained network whose activation follows a feature with a name.

For each feature, the unit is chosen whose activation has the highest |correlation| with it on the
first half of a text. The reported correlation is that on the second half, which played no part in
the choice.
"""

from collections.abc import Callable, Iterator
from itertools import chain, pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from charrnn.errors import InputError
from charrnn.evaluation.windows import LANES, WARM_UP
from charrnn.looking.features import features
from charrnn.nn.products import one_thread
from charrnn.nn.runaway import CHUNK, restart_runaways
from charrnn.nn.types import Array, State
from charrnn.nn.workspace import Workspace
from charrnn.runs.model import Model
from charrnn.text.escapes import escape

__all__ = ["LEAST", "MOST", "Follows", "Unit", "activation", "follow"]

LEAST = 2000
"""The fewest characters of a text."""

MOST = 1 << 20
"""The most characters that are read, from the beginning."""

EXAMPLE = 300
"""The length of an example in characters; up to twice as many where lines are long."""

RARE = 20
"""The fewest places in each half where a feature must differ from its most common value."""

Codes = npt.NDArray[Any]


class Unit(NamedTuple):
    """One number in a network's state."""

    layer: int  # from 0
    part: str  # "h", or "c", the memory cell of an LSTM
    number: int  # from 0
    mean: float
    deviation: float


class Follows(NamedTuple):
    """A feature, and the unit that follows it best."""

    feature: str
    remembered: bool
    unit: Unit
    found: float
    """The correlation on the first half, by which the unit was chosen."""
    held: float
    """The correlation on the second half."""
    example: tuple[int, int]
    """Some lines of the second half in which the feature varies most: from here to there."""


def follow(
    model: Model, codes: Codes, advance: Callable[[int], object] = lambda count: None
) -> list[Follows]:
    """For each feature that varies in a text, the unit that follows it.

    Args:
        model: a language model with recurrent layers.
        codes: ``(N,)`` code points or bytes.
        advance: called with how many more characters have been read, of N.

    Returns:
        The units, the highest |correlation| on the second half first.

    Raises:
        InputError: the text is too short, or the model has no recurrent layer.
    """
    if model.members > 1:
        raise InputError(
            f"{model.path} is the average of {model.members} networks",
            "look at one of them: model.member(1)",
        )
    if not model.config.layers:
        raise InputError(f"{model.path} has no recurrent layer, so it has no units to look at")
    codes = codes[:MOST]
    count, half = len(codes), len(codes) // 2
    if count < LEAST:
        raise InputError(f"{count:,} characters are too few", f"give {LEAST:,} or more")
    named = [one for one in features(codes) if _varies(one.values[:half], one.values[half:])]
    values = np.stack([one.values for one in named])
    halves = _Sums(values[:, :half]), _Sums(values[:, half:])
    ids = escape(model.vocabulary, codes).ids.astype(np.intp)
    for at, states in _states(model, ids):
        for sums, rows in zip(halves, (at < half, at >= half), strict=True):
            if rows.any():
                sums.add(states[rows], values[:, at[rows]])
        advance(len(at))
    first, second = (sums.correlations() for sums in halves)
    size = model.config.hidden
    names = [(layer, part) for layer in range(model.config.layers) for part in _parts(model)]
    windows = _windows(codes, half)
    found = []
    for row, one in enumerate(named):
        best = int(np.argmax(np.abs(first[:, row])))
        layer, part = names[best // size]
        unit = Unit(layer, part, best % size, *halves[0].of_unit(best))
        example = _most_varied(one.values, windows)
        correlations = float(first[best, row]), float(second[best, row])
        found.append(Follows(one.name, one.remembered, unit, *correlations, example))
    return sorted(found, key=lambda one: -abs(one.held))


def activation(model: Model, codes: Codes, unit: Unit, begin: int, end: int) -> Array:
    """``(end - begin,)`` the activation of a unit after each character, in standard deviations."""
    first = max(0, begin - WARM_UP)
    ids = escape(model.vocabulary, codes[first:end]).ids.astype(np.intp)
    column = unit.layer * len(_parts(model)) + _parts(model).index(unit.part)
    column = column * model.config.hidden + unit.number
    found = np.empty(len(ids))
    for at, states in _states(model, ids, lanes=1):
        found[at] = states[:, column]
    return (found[begin - first :] - unit.mean) / (unit.deviation or 1)


class _Sums:
    """The sums from which the correlations of U units with F features follow."""

    def __init__(self, values: Array) -> None:
        self.count = values.shape[1]
        self.mean = values.mean(axis=1, dtype=np.float64)
        self.deviation = values.std(axis=1, dtype=np.float64)
        self.units: Any = 0.0
        self.squares: Any = 0.0
        self.products: Any = 0.0

    def add(self, states: Array, values: Array) -> None:
        """Add ``(n, U)`` activations and ``(F, n)`` features."""
        states = states.astype(np.float64)
        self.units = self.units + states.sum(axis=0)
        self.squares = self.squares + np.einsum("ij,ij->j", states, states)
        self.products = self.products + states.T @ (values.T - self.mean)

    def of_unit(self, unit: int) -> tuple[float, float]:
        """A unit's mean and standard deviation."""
        mean = self.units[unit] / self.count
        return float(mean), float(np.sqrt(max(0.0, self.squares[unit] / self.count - mean**2)))

    def correlations(self) -> Array:
        """``(U, F)``; 0 where something never changes."""
        mean = self.units / self.count
        deviation = np.sqrt(np.maximum(self.squares / self.count - mean**2, 0))
        scale = deviation[:, None] * self.deviation
        found: Array = np.zeros(scale.shape)
        np.divide(self.products / self.count, scale, where=scale > 0, out=found)
        return found


def _varies(*halves: Array) -> bool:
    """Whether a feature differs from its most common value often enough."""
    counts = [np.unique(half, return_counts=True)[1] for half in halves]
    return all(count.sum() - count.max() >= RARE for count in counts)


def _parts(model: Model) -> tuple[str, ...]:
    """The parts of a layer's state."""
    return tuple(model.network.cell.state_names)


def _states(model: Model, ids: Codes, lanes: int | None = None) -> Iterator[tuple[Codes, Array]]:
    """``(n,)`` places and ``(n, U)`` all states after reading there, by layer and part.

    A long text is read in lanes; each but the first begins with a warm-up on the text before it.
    """
    lanes = lanes or max(1, min(LANES, len(ids) // (2 * WARM_UP)))
    network, workspace = model.network, Workspace()
    length = len(ids) // lanes
    begins = len(ids) - length * np.arange(lanes, 0, -1)
    begins[0] = 0
    ends = np.append(begins[1:], len(ids))
    longest = int((ends - begins).max())
    state: State = network.zero_state(lanes, model.parameters.dtype)
    for start in range(-WARM_UP * (lanes > 1), longest, CHUNK):
        at = ends - longest + np.arange(start, min(start + CHUNK, longest))[:, None]
        if start == 0:  # there is no text before the first lane
            for part in chain(*state):
                part[0] = 0
        with one_thread(), np.errstate(all="ignore"):
            _, state, saved = network.body.forward(
                model.parameters, ids[np.maximum(at, 0)], state, workspace
            )
        parts = [part[1:] for layer in saved.stack.layers for part in layer.cell.states]
        states = np.concatenate(parts, axis=-1)
        model.check_finite(states)
        restart_runaways(network.cell, state)
        wanted = at >= begins
        if wanted.any():
            yield at[wanted], states[wanted]


def _windows(codes: Codes, half: int) -> list[int]:
    """The edges of pieces of the second half: of whole lines, if these are not too long."""
    ends = np.append(np.flatnonzero(codes == ord("\n")) + 1, len(codes))
    edges = [half]
    while edges[-1] < len(codes):
        least = edges[-1] + EXAMPLE
        row = min(int(np.searchsorted(ends, least)), len(ends) - 1)
        edges.append(min(int(ends[row]), least + EXAMPLE, len(codes)))
    return edges


def _most_varied(values: Array, edges: list[int]) -> tuple[int, int]:
    spread = [float(values[begin:end].std()) for begin, end in pairwise(edges)]
    best = int(np.argmax(spread))
    return edges[best], edges[best + 1]
