"""Derivatives without calculus, and how far an analytic gradient may be from them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from charrnn.nn.types import Array

__all__ = [
    "BOUND",
    "METHODS",
    "TRAINED_BOUND",
    "Problem",
    "TensorCheck",
    "central",
    "compare",
    "complex_step",
    "derivatives",
    "noise",
]

METHODS = ("complex", "central")
BOUND = 1e-12
"""The largest relative error of the complex step; a central difference has its own bound."""

TRAINED_BOUND = 1e-9
"""The bound at trained weights, where gates saturate: σ near 1e-10 is ½ + ½·tanh with an absolute
error of 1e-16, so a millionth of it is noise, in the forward and backward pass alike."""

SMALL_SHARE = 1e-2
"""If a tensor's gradient is less than this share of the whole gradient, it is mostly a sum of
terms that cancel, and has fewer digits: its error is then taken relative to that share."""

COMPLEX_STEP = 1e-30
STEPS = (2e-4, 2e-3, 2e-5)  # of central differences: the second and third if the first is poor
POOR = 1e-7
EVERY_ELEMENT_UP_TO = 5000
FEW = {"complex": 2, "central": 1}  # random directions: one shows any error
MANY = {"complex": 32, "central": 4}  # instead of elements, if there are too many of them
TRUNCATION_SAFETY, ROUNDING_SAFETY = 3.0, 20.0
NOISE_POINTS, NOISE_STEP = 16, 1e-8


@dataclass(frozen=True)
class TensorCheck:
    """One tensor's analytic gradient against one numeric method.

    ``error`` is ‖analytic - numeric‖ / ‖numeric‖. If the numeric gradient is less than
    ``SMALL_SHARE`` of the gradient by all tensors, the divisor is that share, and ``zero`` says so.
    Along random directions, which may all be orthogonal to the gradient, the divisor is at least
    the expected length.
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

    ``bind(point)`` returns a function without arguments that evaluates at whatever ``point`` holds
    at the time: perturbing it in place needs no copies.
    """

    slices: dict[str, slice]
    shapes: dict[str, tuple[int, ...]]
    point: Array  # float64
    gradient: Array  # float64
    bind: Callable[[Array], Callable[[], Any]]


def compare(
    problem: Problem,
    methods: Sequence[str],
    bound: float,
    rng: np.random.Generator,
    *,
    every_element: bool = True,
) -> Iterator[TensorCheck]:
    """Check every tensor of the problem by every method; ``rng`` draws the random directions.

    Args:
        bound: the largest relative error of the complex step.
        every_element: whether the complex step tries each element of a problem with at most 5,000,
            and many random directions in each tensor of a larger one; otherwise only a few.
    """
    values = {method: _bound_to(problem, method) for method in methods}
    rounding = noise(*values["central"], rng) if "central" in methods else 0.0
    whole = float(np.linalg.norm(problem.gradient))
    few_elements = problem.point.size <= EVERY_ELEMENT_UP_TO
    number = MANY if every_element and not few_elements else FEW
    for name, part in problem.slices.items():
        size = part.stop - part.start
        for method, (value, point) in values.items():
            every = every_element and few_elements and method == "complex"
            moves = None if every else _directions(size, number[method], rng)
            gradient = problem.gradient[part]
            analytic = gradient if moves is None else moves @ gradient
            share = np.sqrt(len(analytic) / size)  # of a vector's length, along random directions
            floor = float(SMALL_SHARE * whole * share)
            least = floor if moves is None else max(floor, float(np.linalg.norm(gradient) * share))
            if method == "complex":
                numeric, allowed = complex_step(value, point[part], moves), 0.0
            else:
                numeric, allowed = central(value, point[part], moves, rounding, least)
            length = float(np.linalg.norm(numeric))
            scale = max(length, least) or 1.0
            yield TensorCheck(
                name,
                size,
                0 if moves is None else len(moves),
                method,
                float(np.linalg.norm(analytic - numeric)) / scale,
                bound if method == "complex" else allowed / scale,
                length < floor or not length,
            )


def derivatives(problem: Problem, name: str, method: str, moves: Array | None = None) -> Array:
    """The derivatives by every element of one tensor, or along ``moves``."""
    value, point = _bound_to(problem, method)
    tensor = point[problem.slices[name]]
    if method == "complex":
        return complex_step(value, tensor, moves)
    return central(value, tensor, moves, float(np.finfo(np.float64).eps), 0.0)[0]


def _bound_to(problem: Problem, method: str) -> tuple[Callable[[], Any], Array]:
    """The function, and the point at which it is evaluated."""
    point = problem.point.astype(np.complex128 if method == "complex" else np.float64)
    return problem.bind(point), point


def _directions(size: int, number: int, rng: np.random.Generator) -> Array | None:
    """Unit vectors to differentiate along; None where every element is tried."""
    if size <= number:
        return None
    directions: Array = rng.standard_normal((number, size))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return directions


def _at(value: Callable[[], Any], tensor: Array, moves: Array | None, by: complex) -> Array:
    """The function's values, the tensor moved ``by`` along each element or each of ``moves``."""
    base, results = tensor.copy(), []
    for move in range(base.size) if moves is None else moves:
        if moves is None:
            tensor[move] += by
        else:
            tensor += by * move
        results.append(value())
        tensor[...] = base
    return np.array(results)


def complex_step(value: Callable[[], Any], tensor: Array, moves: Array | None = None) -> Array:
    """Derivatives by each element of ``tensor`` (complex128), or along ``moves``: exact."""
    return np.asarray(_at(value, tensor, moves, 1j * COMPLEX_STEP).imag / COMPLEX_STEP)


def noise(value: Callable[[], Any], point: Array, rng: np.random.Generator) -> float:
    """The standard deviation of the rounding error of ``value()``.

    At points so close together that the function is a straight line, its third differences would be
    zero; what remains is rounding, and for independent errors of variance σ² it has the variance (1
    + 9 + 9 + 1)·σ² (Moré and Wild, 2011, "Estimating computational noise"). Where a function is too
    flat to show any, it is half a unit in the last place.
    """
    base = point.copy()
    move = rng.standard_normal(point.size)
    move *= NOISE_STEP / np.linalg.norm(move)
    results = []
    for k in range(NOISE_POINTS):
        point[...] = base + k * move
        results.append(value())
    point[...] = base
    third = np.diff(results, 3)
    measured = float(np.sqrt(np.mean(third**2) / 20))
    return max(measured, 0.5 * float(np.finfo(np.float64).eps) * float(np.max(np.abs(results))))


def central(
    value: Callable[[], Any], tensor: Array, moves: Array | None, noise: float, floor: float
) -> tuple[Array, float]:
    """Derivatives by differences alone, and a bound on their error as a vector.

    With D(h) = (f(h) - f(-h)) / 2h along a direction, Taylor's series gives

        D(h)   = f' + h²/6·f''' + O(h⁴)
        D(h/2) = f' + h²/24·f''' + O(h⁴)

    so R = (4·D(h/2) - D(h)) / 3 = f' + O(h⁴) (Richardson, 1911), and |R - D(h/2)|, which is the
    error of D(h/2), is a bound on the error of R that needs no third derivative. It is h⁻² times
    too large, which also covers what the series leaves out.

    The even part shows whether there is a series at all. With S(h) = f(h) - 2·f(0) + f(-h),

        S(h) - 4·S(h/2) = h⁴/16·f'''' + ...

    divided by 2h, is of the same small order. If there is a kink of slope s at a distance p < h/2
    (a ReLU, a maximum), it is s·|h - 3p| / 2h, R is wrong by s·|1/2 - 7p/6h|, and |R - D(h/2)| is
    s·p/6h: twice the sum of the two is never less than R's error. The factor used is three.

    Rounding: if σ is the standard deviation of the rounding error of one value (:func:`noise`), R
    has √(16·2/h² + 2/4h²)/3·σ < 2·σ/h of it. Ten times that is allowed.

    The bound is the sum of the three, as norms over all directions. The first of :data:`STEPS` is
    used or, if its bound is poor, the one with the smallest bound.

    Args:
        value: the function, evaluated at whatever ``tensor`` holds.
        tensor: ``(n,)`` float64, moved and restored.
        moves: ``(k, n)`` unit vectors; if not given, each element.
        noise: σ of one value.
        floor: a gradient smaller than this need not have all its digits.

    Returns:
        ``(k,)`` or ``(n,)`` derivatives, and the bound on the norm of their error.
    """
    middle = value()
    results = []
    for h in STEPS:
        ahead, back, near, far = (_at(value, tensor, moves, by) for by in (h, -h, h / 2, -h / 2))
        half = (near - far) / h
        derivative = (4 * half - (ahead - back) / (2 * h)) / 3
        even = (ahead - 2 * middle + back) - 4 * (near - 2 * middle + far)
        truncation = np.linalg.norm(derivative - half) + np.linalg.norm(even) / (2 * h)
        rounding = noise / h * np.sqrt(len(half))
        bound = float(TRUNCATION_SAFETY * truncation + ROUNDING_SAFETY * rounding)
        results.append((bound, derivative))
        if bound <= POOR * max(float(np.linalg.norm(derivative)), floor):
            break
    bound, derivative = min(results, key=lambda result: result[0])
    return derivative, bound
