"""What every recurrent cell provides, and what it keeps between forward and backward.

A cell is a frozen description without arrays. The layer around it (:mod:`charrnn.nn.layers`) first
multiplies the whole input by ``W_x`` and gives the cell ``a = x·W_x + b`` for all steps, gate by
gate: ``a[k, t]`` is (B, H) and contiguous. The cell adds what depends on the step before. Forward
and backward take a range of steps: training runs them all, sampling one at a time. Where a sigmoid
follows, a and the cell's part are both halved (:func:`charrnn.nn.ops.to_unit`).

Sequences of different lengths are sorted longest first, so that those still running at a step are
the leading rows: a cell works on ``[:n]`` and needs no masks.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Generic, Self, TypeVar

import numpy as np

from charrnn.nn.cells.errors import CellError, place, report_errors
from charrnn.nn.init import orthogonal
from charrnn.nn.products import StepProduct
from charrnn.nn.types import Array, LayerState, Weights
from charrnn.nn.workspace import Workspace

__all__ = ["Cell", "Saved"]


@dataclass
class Saved:
    """What a cell saves of one run over time. States are offset by one: ``h[0]`` comes in.

    ``a`` changes its meaning: at first it has the pre-activations of the input alone, then the
    gates that :meth:`Cell.forward` makes of them, then their gradients ``da``.
    """

    a: Array  # (G, T, B, H)
    h: Array  # (T+1, B, H)
    d: Array  # (G, B, H)  scratch of one step: the gradients by the gates
    slope: Array  # (G, B, H)  scratch of one step: the derivative of each gate's function
    u: Array  # (B, H)  scratch of one step
    dh: Array  # (B, H)  the gradient by h that later steps have sent back
    running: tuple[int, ...]  # T numbers: how many sequences still run at each step
    products: dict[str, StepProduct]  # products with the recurrent matrices
    transposed: dict[str, StepProduct]  # products with their transposes

    @property
    def states(self) -> tuple[Array, ...]:
        """The states that are carried, (T+1, B, H) each."""
        return (self.h,)

    def state(self, t: int) -> LayerState:
        """Copies of the state after ``t`` steps."""
        return tuple(state[t].copy() for state in self.states)

    def carry(self) -> None:
        """Make the state after the first step the initial one."""
        for state in self.states:
            state[0] = state[1]

    def ahead(self, steps: range) -> Iterator[tuple[int, int]]:
        """Each of ``steps`` (ascending) with how many sequences run; others keep their state."""
        for t in steps:
            n = self.running[t]
            if n < len(self.u):
                for state in self.states:
                    state[t + 1, n:] = state[t, n:]
            yield t, n

    def back(self, steps: range) -> Iterator[tuple[int, int]]:
        """Each of ``steps`` (descending) with how many sequences run; the others get a zero da."""
        for t in steps:
            n = self.running[t]
            if n < len(self.u):
                self.clear(t, n)
            yield t, n

    def clear(self, t: int, n: int) -> None:
        """Let step ``t`` add nothing to the weights' gradients for sequences that have ended."""
        self.a[:, t, n:] = 0

    def dstate(self) -> LayerState:
        """The current gradient by the state: views, updated in place."""
        return (self.dh,)


S = TypeVar("S", bound=Saved)


@dataclass(frozen=True)
class Cell(ABC, Generic[S]):
    """One recurrence: ``forward`` and ``backward`` over a range of steps.

    Args:
        hidden_size: H.
        bias: whether the pre-activations have biases.
    """

    hidden_size: int
    bias: bool = True

    name: ClassVar[str]
    num_gates: ClassVar[int]  # G: the number of H-wide blocks in the pre-activations
    num_sigmoids: ClassVar[int] = 0  # how many of the first ones end in a sigmoid
    state_names: ClassVar[tuple[str, ...]] = ("h",)
    choices: ClassVar[dict[str, tuple[str, ...]]] = {}  # each option's variants, default first

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not cls.__module__.startswith("charrnn.nn."):
            report_errors(cls)

    def __post_init__(self) -> None:
        if self.hidden_size < 1:
            raise ValueError(f"hidden_size must be at least 1, got {self.hidden_size}")
        if not isinstance(self.bias, bool):
            raise ValueError(f"bias must be True or False, got {self.bias!r}")
        for option, words in self.choices.items():
            if getattr(self, option) not in words:
                raise ValueError(
                    f"{self.name}: {option}={getattr(self, option)!r} is not one of "
                    + ", ".join(words)
                )

    @property
    def bounded(self) -> bool:
        """Whether |h| ≤ 1 at every step from the zero state on, for all weights and inputs."""
        return False

    @property
    def label(self) -> str:
        """The cell and every variant that is not the default: ``gru,reset=before``."""
        parts = [self.name]
        for option in fields(self):
            value = getattr(self, option.name)
            if option.name != "hidden_size" and value != option.default:
                parts.append(f"{option.name}={str(value).lower()}")
        return ",".join(parts)

    def resized(self, hidden_size: int) -> Self:
        """The same cell with another H."""
        return replace(self, hidden_size=hidden_size)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of the cell's own tensors, besides the layer's ``W_x`` and ``b``, by name.

        A name is an identifier, a shape one or more positive integers.
        """
        return {"W_h": (self.hidden_size, self.num_gates * self.hidden_size)}

    def init(self, rng: np.random.Generator) -> dict[str, Array]:
        """Initial values of :meth:`shapes`: vectors zero, matrices of orthogonal blocks (H, H).

        A cell with a tensor of another shape overrides this.

        Raises:
            CellError: a tensor is neither a vector nor a matrix (H, k·H).
        """
        size, values = self.hidden_size, {}
        for name, shape in self.shapes().items():
            if len(shape) == 1:
                values[name] = np.zeros(shape)
            elif len(shape) == 2 and shape[0] == size and shape[1] % size == 0:
                values[name] = orthogonal(rng, size, shape[1] // size)
            else:
                raise CellError(
                    f"{place(type(self).shapes)}: shapes() gives {name} the shape {shape}; a cell "
                    "that does not define init() may have vectors, which begin as zeros, and "
                    f"matrices (H, k·H), which begin orthogonal; H is {size}",
                    "define init(self, rng), which returns the first values by name",
                )
        return values

    def init_bias(self) -> Array:
        """The initial ``b`` of the pre-activations, ``(G·H,)``."""
        return np.zeros(self.num_gates * self.hidden_size)

    def patient_bias(self, reach: int) -> Array:
        """:meth:`init_bias` for a cell that is to remember for ``reach`` steps; by default the same
        as :meth:`init_bias`.
        """
        del reach
        return self.init_bias()

    def checked_shapes(self) -> dict[str, tuple[int, ...]]:
        """:meth:`shapes`, checked, since the author of the cell may have made a mistake.

        Raises:
            CellError: a name or a shape is invalid, or the name belongs to the layer.
        """
        shapes: Any = self.shapes()
        where = f"{place(type(self).shapes)}: shapes()"
        if not isinstance(shapes, dict):
            raise CellError(
                f"{where} must return a dictionary of shapes by name, got {shapes!r}",
                "for example {'W_h': (self.hidden_size, self.hidden_size)}",
            )
        for name, shape in shapes.items():
            if not (isinstance(name, str) and name.isidentifier()) or name in ("W_x", "b"):
                raise CellError(
                    f"{where} names a tensor {name!r}; a name is letters, digits and _, and W_x "
                    "and b are the layer's own"
                )
            if not (
                isinstance(shape, tuple)
                and shape
                and all(isinstance(n, int | np.integer) and n > 0 for n in shape)
            ):
                raise CellError(
                    f"{where} gives {name} the shape {shape!r}; a shape is a tuple of positive "
                    "integers",
                    "a vector's is (H,), with the comma",
                )
        return shapes

    def checked_init(self, rng: np.random.Generator) -> dict[str, Array]:
        """:meth:`init`, and with biases :meth:`init_bias` as ``b``.

        Raises:
            CellError: their shapes differ from :meth:`checked_shapes`.
        """
        shapes, values = self.checked_shapes(), self.init(rng)
        where = f"{place(type(self).init)}: init()"
        if not isinstance(values, dict) or values.keys() != shapes.keys():
            got = list(values) if isinstance(values, dict) else repr(values)
            raise CellError(
                f"{where} must return a dictionary of {list(shapes)}, as shapes() does, got {got}"
            )
        for name, shape in shapes.items():
            self._check_initial(f"{where} returned {name}", values[name], shape)
        if self.bias:
            b, width = self.init_bias(), self.num_gates * self.hidden_size
            where = f"{place(type(self).init_bias)}: init_bias()"
            self._check_initial(f"{where} returned b", b, (width,))
            values = values | {"b": b}
        return values

    @staticmethod
    def _check_initial(what: str, value: Any, shape: tuple[int, ...]) -> None:
        array = np.asarray(value)
        if array.shape != shape:
            raise CellError(f"{what} with shape {array.shape}, expected {shape}")
        if array.dtype.kind not in "iuf" or not np.isfinite(array).all():
            raise CellError(f"{what} with elements that are not finite real numbers")

    def zero_state(self, batch_size: int, dtype: np.dtype[Any]) -> LayerState:
        """The state that stands for "nothing read yet": zeros, ``(B, H)`` each."""
        shape = (batch_size, self.hidden_size)
        return tuple(np.zeros(shape, dtype=dtype) for _ in self.state_names)

    @abstractmethod
    def begin(
        self,
        a: Array,
        state: LayerState,
        workspace: Workspace,
        running: tuple[int, ...] | None = None,
    ) -> S:
        """Allocate the buffers for ``a`` (G, T, B, H) and set the initial ``state``.

        Args:
            running: how many sequences run at each of the T steps, never increasing; if not given,
                all of them at every step.
        """

    @abstractmethod
    def matrices(self, w: Weights) -> dict[str, tuple[Array, int]]:
        """The recurrent matrices by the name of their product: views (G', H, H), one for each gate,
        and how many of the first gates end in a sigmoid.
        """

    @abstractmethod
    def forward(self, w: Weights, s: S, steps: range) -> None:
        """Compute the states of ``steps`` (ascending) from ``s.a``, which becomes the gates."""

    @abstractmethod
    def backward(self, w: Weights, s: S, dy: Array, steps: range) -> None:
        """Undo ``steps`` (descending); ``s.a`` becomes ``da`` and ``s.dstate()`` moves back.

        Args:
            dy: (T, B, H), the gradient by the outputs ``h[1:]``; for sequences that have ended it
                is ignored.
        """

    @abstractmethod
    def weight_gradients(self, s: S, g: Weights) -> None:
        """After the last ``backward``: write the gradients of :meth:`shapes` into ``g``."""

    def prepare(self, w: Weights, s: S, workspace: Workspace) -> None:
        """Prepare ``s.products`` for :meth:`forward`; again after each update of the weights."""
        for name, (W, halved) in self.matrices(w).items():
            s.products[name] = StepProduct(W, len(s.u), workspace, name, halved=halved)

    def transpose(self, w: Weights, s: S, workspace: Workspace) -> None:
        """Prepare ``s.transposed`` for :meth:`backward`."""
        for name, (W, _) in self.matrices(w).items():
            # In the same memory, since the forward pass has ended.
            s.transposed[name] = StepProduct(W.swapaxes(1, 2), len(s.u), workspace, name)

    def _buffers(
        self, a: Array, workspace: Workspace, running: tuple[int, ...] | None
    ) -> dict[str, Any]:
        """The fields that every cell's :class:`Saved` has."""
        gates, num_steps, *row = a.shape
        return {
            "a": a,
            "h": workspace.array("h", (num_steps + 1, *row), a.dtype),
            "d": workspace.array("d", (gates, *row), a.dtype),
            "slope": workspace.array("slope", (gates, *row), a.dtype),
            "u": workspace.array("u", (row[0], row[1]), a.dtype),
            "dh": workspace.array("dh", (row[0], row[1]), a.dtype),
            "running": running or (row[0],) * num_steps,
            "products": {},
            "transposed": {},
        }
