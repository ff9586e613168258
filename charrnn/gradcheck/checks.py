"""The functions that are differentiated, and at which weights."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import numpy as np

from charrnn.engine import Engine
from charrnn.gradcheck.networks import (
    AnyNetwork,
    draw_batch,
    draw_lengths,
    draw_state,
)
from charrnn.gradcheck.numeric import BOUND, METHODS, Problem, TensorCheck, compare
from charrnn.nn.cells import Cell
from charrnn.nn.conditional import Conditional
from charrnn.nn.models import SequenceModel
from charrnn.nn.parameters import Parameters
from charrnn.nn.types import Array, State
from charrnn.nn.workspace import Workspace

__all__ = ["KINK_MARGIN", "ModelCheck", "check_loss", "check_outputs"]

KINK_MARGIN = 1e-4
MAX_DRAWS = 2000
SMALLER = "check fewer steps (--seq-len) or hidden units"


@dataclass(frozen=True)
class ModelCheck:
    """The checks of all tensors of one model."""

    label: str
    num_layers: int
    draws: int  # how often weights and inputs were drawn to avoid ReLU's kink
    tensors: tuple[TensorCheck, ...]
    sizes: dict[str, int]  # T and B
    cell: Cell[Any] = field(repr=False)  # the cell of all its layers
    problem: Problem | None = field(repr=False)  # if a tensor is wrong
    again: Callable[[int], "ModelCheck"] | None = field(default=None, repr=False)  # with another T

    @property
    def passed(self) -> bool:
        return all(tensor.passed for tensor in self.tensors)

    def worst(self, method: str) -> TensorCheck | None:
        """The tensor closest to (or furthest beyond) its bound, NaN first."""
        tensors = [tensor for tensor in self.tensors if tensor.method == method]
        return max(
            tensors, key=lambda t: np.nan_to_num(t.error / t.bound, nan=np.inf), default=None
        )


def _split(vector: Array, shapes: dict[str, tuple[int, ...]]) -> dict[str, Array]:
    views, start = {}, 0
    for name, shape in shapes.items():
        views[name] = vector[start : start + prod(shape)].reshape(shape)
        start += prod(shape)
    return views


def _named_state(model: SequenceModel, state: State) -> dict[str, Array]:
    return {
        f"{name}0.{layer}": array
        for layer, arrays in enumerate(state)
        for name, array in zip(model.body.state_names, arrays, strict=True)
    }


def _slices(parameters: Parameters, others: dict[str, Array]) -> dict[str, slice]:
    """The place of each tensor in the vector [parameters, others]."""
    slices, start = dict(parameters.slices), parameters.flat.size
    for name, array in others.items():
        slices[name] = slice(start, start + array.size)
        start += array.size
    return slices


def _kink_distance(network: AnyNetwork, workspace: Workspace) -> float:
    """The smallest distance of a ReLU's pre-activation from 0; infinite without ReLU."""
    if getattr(network.cell, "activation", None) != "relu":
        return np.inf
    return min((float(np.abs(a).min()) for a in workspace.find("a")), default=np.inf)


def _away_from_kinks(
    network: AnyNetwork, draw: Callable[[Workspace], Any], hint: str
) -> tuple[Any, int]:
    """The result of ``draw``, drawn again until its forward pass avoids kinks."""
    for draws in range(1, MAX_DRAWS + 1):
        workspace = Workspace()
        drawn = draw(workspace)
        if _kink_distance(network, workspace) > KINK_MARGIN:
            return drawn, draws
    raise ValueError(
        f"in {MAX_DRAWS} draws some ReLU always stood within {KINK_MARGIN} of its kink: " + hint
    )


def check_outputs(
    model: SequenceModel,
    label: str,
    *,
    rng: np.random.Generator,
    parameters: Parameters | None = None,
    seq_len: int = 5,
    batch_size: int = 4,
    ragged: bool = False,
    methods: Sequence[str] = METHODS,
    bound: float = BOUND,
    every_element: bool = True,
) -> ModelCheck:
    """Check a model through all its outputs and its final state.

    Args:
        model: without embedding or dropout; its input consists of random vectors, so that the
            gradient by the input is checked too.
        label: names the check in the report.
        rng: draws weights, input, initial state and the functional.
        parameters: the weights to check at; if not given, initial weights with random biases.
        seq_len, batch_size: T and B.
        ragged: whether the sequences are of different lengths.
        methods: methods in :data:`METHODS`.
        bound: the largest relative error of the complex step.
        every_element: see :func:`charrnn.gradcheck.numeric.compare`.

    Raises:
        ValueError: no draw avoids ReLU's kink.
    """
    model = replace(model, embedding_size=0, dropout=0.0, input="vectors")
    lengths = draw_lengths(seq_len, batch_size, rng) if ragged else None

    def draw(workspace: Workspace) -> Any:
        at = _draw_parameters(model, rng) if parameters is None else parameters.astype(np.float64)
        x = rng.standard_normal((seq_len, batch_size, model.input_size))
        state = draw_state(model, batch_size, rng)
        return (at, x, state, *model.forward(at, x, state, workspace, lengths=lengths))

    (at, x, state, y, final, saved), draws = _away_from_kinks(model, draw, SMALLER)
    weigh_y = rng.standard_normal(y.shape)
    if lengths is not None:
        weigh_y[np.arange(seq_len)[:, None] >= lengths] = 0  # outputs beyond an end do not count
    weigh_final = tuple(tuple(rng.standard_normal(part.shape) for part in s) for s in final)
    gradients = at.zeros_like()
    dx, dstate = model.backward(at, gradients, weigh_y, weigh_final, saved)
    if dx is None:
        raise ValueError("a check through the outputs needs vectors as input")

    others = {"x": x, **_named_state(model, state)}
    shapes = {name: array.shape for name, array in others.items()}
    d_others = {"x": dx, **_named_state(model, dstate)}

    def bind(point: Array) -> Callable[[], Any]:
        theta = Parameters(at.shapes, point.dtype, point[: at.flat.size])
        views = _split(point[at.flat.size :], shapes)
        parts = iter([views[name] for name in views if name != "x"])
        start = tuple(tuple(next(parts) for _ in layer) for layer in state)
        workspace = Workspace()

        def value() -> Any:
            y, final, _ = model.forward(theta, views["x"], start, workspace, lengths=lengths)
            total = (y * weigh_y).sum()
            for layer, weights in zip(final, weigh_final, strict=True):
                for part, weight in zip(layer, weights, strict=True):
                    total += (part * weight).sum()
            return total

        return value

    problem = Problem(
        _slices(at, others),
        at.shapes | shapes,
        np.concatenate([at.flat, *(array.ravel() for array in others.values())]),
        np.concatenate([gradients.flat, *(d_others[name].ravel() for name in others)]),
        bind,
    )
    tensors = tuple(compare(problem, methods, bound, rng, every_element=every_element))
    sizes = {"T": seq_len, "B": batch_size}
    return _check_of(label, model.num_layers, draws, tensors, sizes, model.cell, problem)


def check_loss(
    network: AnyNetwork,
    label: str,
    *,
    rng: np.random.Generator,
    parameters: Parameters | None = None,
    seq_len: int = 5,
    batch_size: int = 4,
    methods: Sequence[str] = METHODS,
    bound: float = BOUND,
    every_element: bool = True,
    shared_out: bool = False,
) -> ModelCheck:
    """Check a network through the mean loss that it trains on, dropout included.

    Arguments, result and errors as in :func:`check_outputs`.

    Args:
        shared_out: whether the gradient is an engine's, the sum over shards of the batch; the loss
            that is differentiated numerically is that of the whole batch. Without dropout.
    """
    mask_seed = int(rng.integers(2**32))  # every evaluation must drop the same units

    def draw(workspace: Workspace) -> Any:
        at = _draw_parameters(network, rng) if parameters is None else parameters.astype(np.float64)
        make, count = draw_batch(network, seq_len, batch_size, rng)
        masks = np.random.default_rng(mask_seed)
        network.sum_loss(at, make(np.float64), workspace, rng=masks)
        return at, make, count

    (at, make, count), draws = _away_from_kinks(network, draw, SMALLER)

    def loss(theta: Parameters, batch: Any, gradients: Parameters | None, ws: Workspace) -> Any:
        masks = np.random.default_rng(mask_seed)
        return network.sum_loss(theta, batch, ws, gradients=gradients, rng=masks).total / count

    gradients = at.zeros_like()
    if shared_out:
        Engine(network).losses(at, make(np.float64), gradients=gradients)
    else:
        loss(at, make(np.float64), gradients, Workspace())
    gradients.flat /= count

    def bind(point: Array) -> Callable[[], Any]:
        theta = Parameters(at.shapes, point.dtype, point)
        batch, workspace = make(point.dtype), Workspace()
        return lambda: loss(theta, batch, None, workspace)

    problem = Problem(_slices(at, {}), at.shapes, at.flat, gradients.flat, bind)
    tensors = tuple(compare(problem, methods, bound, rng, every_element=every_element))
    layers = network.generator if isinstance(network, Conditional) else network
    sizes = {"T": seq_len, "B": batch_size}
    return _check_of(label, layers.num_layers, draws, tensors, sizes, layers.cell, problem)


def _check_of(*parts: Any) -> ModelCheck:
    """A ModelCheck without the problem, which holds much memory, if no tensor is wrong."""
    check = ModelCheck(*parts)
    return replace(check, problem=None) if check.passed else check


def _draw_parameters(model: AnyNetwork, rng: np.random.Generator) -> Parameters:
    """Initial weights, with random biases instead of zeros, so that nothing is special."""
    parameters = model.init(rng, np.float64)
    parameters.flat[parameters.num_matrix :] += 0.1 * rng.standard_normal(
        parameters.flat.size - parameters.num_matrix
    )
    if "attention.W_a" in parameters:
        # At first all inputs get nearly the same share, and the gradient by what decides on it is
        # lost in the rounding of a difference.
        parameters.flat[: parameters.num_matrix] *= 2
    return parameters
