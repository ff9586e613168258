"""Numeric derivatives of a function of one flat vector, and their comparison with analytic ones."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from charrnn.nn.types import Array

__all__ = ["BOUNDS", "METHODS", "TRAINED_BOUNDS", "Problem", "TensorCheck", "compare"]

METHODS = ("complex", "central")
BOUNDS = {"complex": 1e-12, "central": 1e-7}
TRAINED_BOUNDS = {"complex": 1e-9, "central": 1e-5}
"""At trained weights gates saturate: σ near 1e-10 is ½ + ½·tanh with an absolute error of 1e-16,
so a millionth of it is noise, in the forward pass and the backward pass alike."""

COMPLEX_STEP = 1e-30
ELEMENT_STEP, DIRECTION_STEP = 1e-5, 1e-4  # a direction of length 1 is spread over many weights
EVERY_ELEMENT_UP_TO = 5000
NUM_DIRECTIONS = 32


@dataclass(frozen=True)
class TensorCheck:
    """One tensor's analytic gradient against one numeric method.

    ``error`` is ‖analytic - numeric‖ / ‖numeric‖, or, where the numeric gradient is zero to within
    the bound, the absolute difference: ``zero`` says so.
    """

    tensor: str
    size: int
    directions: int  # random directions tried; 0 where every element was
    method: str
    error: float
    bound: float
    zero: bool

    @property
    def passed(self) -> bool:
        return self.error <= self.bound  # a NaN does not pass


@dataclass(frozen=True)
class Problem:
    """A function of one flat vector, and its analytic gradient there.

    ``bind(point)`` returns a function of no arguments that evaluates at whatever ``point`` holds
    then: perturbing it in place costs no copies.
    """

    slices: dict[str, slice]
    point: Array  # float64
    gradient: Array  # float64
    bind: Callable[[Array], Callable[[], Any]]


def compare(
    problem: Problem, methods: Sequence[str], bounds: dict[str, float], rng: np.random.Generator
) -> Iterator[TensorCheck]:
    """Check every tensor of the problem by every method; ``rng`` draws the random directions."""
    for name, part in problem.slices.items():
        size = part.stop - part.start
        directions = _directions(size, problem.point.size, rng)
        analytic = problem.gradient[part]
        if directions is not None:
            analytic = directions @ analytic
        for method in methods:
            numeric = _numeric(problem, part, directions, method)
            scale = float(np.linalg.norm(numeric))
            error = float(np.linalg.norm(analytic - numeric))
            zero = scale <= bounds[method]
            yield TensorCheck(
                name,
                size,
                0 if directions is None else len(directions),
                method,
                error if zero else error / scale,
                bounds[method],
                zero,
            )


def _directions(size: int, total: int, rng: np.random.Generator) -> Array | None:
    """Unit vectors to differentiate along; nothing where every element is tried by itself."""
    if total <= EVERY_ELEMENT_UP_TO or size <= NUM_DIRECTIONS:
        return None
    directions: Array = rng.standard_normal((NUM_DIRECTIONS, size))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return directions


def _numeric(problem: Problem, part: slice, directions: Array | None, method: str) -> Array:
    """Derivatives of the problem by one tensor, element by element or along directions."""
    point = problem.point.astype(np.complex128 if method == "complex" else np.float64)
    value, tensor = problem.bind(point), point[part]
    base = tensor.copy()
    if directions is None:
        moves: Any = range(base.size)
        step = ELEMENT_STEP
    else:
        moves, step = directions, DIRECTION_STEP

    def shifted(move: Any, by: complex) -> Any:
        if directions is None:
            tensor[move] += by
        else:
            tensor[...] += by * move
        result = value()
        tensor[...] = base
        return result

    if method == "complex":
        return np.array([shifted(v, 1j * COMPLEX_STEP).imag for v in moves]) / COMPLEX_STEP
    return np.array([shifted(v, step) - shifted(v, -step) for v in moves]) / (2 * step)
