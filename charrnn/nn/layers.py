"""A cell over time, in one direction or both.

``forward(x, state) -> y, state, saved`` and ``backward(dy, dstate, saved) -> dx, dstate``. There is
no tape: ``saved`` has all that the backward pass needs. Truncated backpropagation through time
means not passing ``dstate`` on; an encoder whose last state begins a decoder passes it on. Weights
come in as named views ``w``, gradients go out through views ``g``; a backward pass overwrites
``g``, it does not add to it.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from charrnn.nn.cells import Cell, Saved
from charrnn.nn.init import glorot, unit_rows
from charrnn.nn.inputs import project, project_backward
from charrnn.nn.types import Array, LayerState, Weights
from charrnn.nn.workspace import Ticket, Workspace

__all__ = [
    "Bidirectional",
    "Layer",
    "Recurrent",
    "check_lengths",
    "running",
    "turned",
]


def check_lengths(lengths: Array | None, num_steps: int, batch_size: int) -> None:
    """Raise ValueError unless lengths ``(B,)`` are in 1..num_steps, longest first."""
    if lengths is None:
        return
    if lengths.shape != (batch_size,):
        raise ValueError(f"expected {batch_size} lengths, got shape {lengths.shape}")
    if np.any(np.diff(lengths) > 0):
        raise ValueError("sequences of different lengths must stand longest first")
    if lengths[-1] < 1 or lengths[0] > num_steps:
        raise ValueError(f"lengths must be in 1..{num_steps}, got {lengths.tolist()}")


def running(lengths: Array, num_steps: int) -> tuple[int, ...]:
    """How many sequences of lengths ``(B,)`` are still running at each of ``num_steps`` steps."""
    return tuple((lengths > np.arange(num_steps)[:, None]).sum(axis=1).tolist())


def turned(x: Array, lengths: Array | None) -> Array:
    """``x`` (T, B, ...) with each sequence reversed within its own length; its own inverse."""
    if lengths is None:
        return x[::-1]
    t = np.arange(len(x))[:, None]
    steps = np.where(t < lengths, lengths - 1 - t, t)
    return np.asarray(x[steps, np.arange(len(lengths))])


class Layer(Protocol):
    """A layer of a stack: :class:`Recurrent` or :class:`Bidirectional`."""

    @property
    def output_size(self) -> int: ...
    @property
    def state_names(self) -> tuple[str, ...]: ...
    def shapes(self) -> dict[str, tuple[int, ...]]: ...
    def init(self, rng: np.random.Generator) -> dict[str, Array]: ...
    def zero_state(self, batch_size: int, dtype: np.dtype[Any]) -> LayerState: ...
    def forward(
        self,
        w: Weights,
        x: Array,
        state: LayerState,
        workspace: Workspace,
        lengths: Array | None = None,
    ) -> tuple[Array, LayerState, Any]: ...
    def backward(
        self, w: Weights, g: Weights, dy: Array, dstate: LayerState | None, saved: Any
    ) -> tuple[Array | None, LayerState]: ...


@dataclass(frozen=True)
class RecurrentSaved:
    """What :meth:`Recurrent.forward` saves for :meth:`Recurrent.backward`."""

    x: Array  # (T, B, D), or (T, B) symbols
    cell: Saved
    workspace: Workspace
    ticket: Ticket


@dataclass(frozen=True)
class Recurrent:
    """One cell over time: a = x·W_x + b for all steps in one product, then the recurrence.

    Args:
        cell: the recurrence.
        input_size: D, or the number of symbols where the input is integers.
        input: ``"vectors"`` or ``"symbols"``, which decides the input matrix's initial values.
    """

    cell: Cell[Any]
    input_size: int
    input: str = "vectors"

    @property
    def output_size(self) -> int:
        """H."""
        return self.cell.hidden_size

    @property
    def state_names(self) -> tuple[str, ...]:
        """The parts of the state: those of the cell."""
        return self.cell.state_names

    def zero_state(self, batch_size: int, dtype: np.dtype[Any]) -> LayerState:
        """The state before anything has been read."""
        return self.cell.zero_state(batch_size, dtype)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of the tensors by name: ``W_x``, the cell's own, ``b``."""
        width = self.cell.num_gates * self.cell.hidden_size
        shapes: dict[str, tuple[int, ...]] = {"W_x": (self.input_size, width)}
        shapes |= self.cell.checked_shapes()
        if self.cell.bias:
            shapes["b"] = (width,)
        return shapes

    def init(self, rng: np.random.Generator) -> dict[str, Array]:
        """Initial values of :meth:`shapes`, float64."""
        shape = (self.input_size, self.cell.num_gates * self.cell.hidden_size)
        values = {
            "W_x": unit_rows(rng, shape)
            if self.input == "symbols"
            else glorot(rng, shape, self.cell.num_gates)
        }
        return values | self.cell.checked_init(rng)

    def forward(
        self,
        w: Weights,
        x: Array,
        state: LayerState,
        workspace: Workspace,
        lengths: Array | None = None,
    ) -> tuple[Array, LayerState, RecurrentSaved]:
        """Run over all steps.

        Args:
            w: views of :meth:`shapes`.
            x: ``(T, B, D)``, or integers ``(T, B)``; T and B at least 1. It is kept, not copied: do
                not change it before :meth:`backward` is done.
            state: the initial state, ``(B, H)`` each; not kept.
            workspace: owns the buffers; see :mod:`charrnn.nn.workspace`.
            lengths: ``(B,)``, longest first; all T if not given. What ``x`` holds beyond the end of
                a sequence must be finite (a symbol must be in range), and makes no difference.

        Returns:
            The outputs ``(T, B, H)`` (a view, valid until the next forward pass with this
            workspace), copies of each sequence's final state, and what :meth:`backward` needs.
            Beyond the end of a sequence the output is that of its last step.

        Raises:
            ValueError: nothing to read, a symbol out of range, lengths out of order, or a state
                that does not fit.
        """
        num_steps, batch_size = x.shape[:2]
        if not (num_steps and batch_size):
            raise ValueError(f"expected at least one step of one sequence, got shape {x.shape}")
        expected = [(batch_size, self.cell.hidden_size)] * len(self.cell.state_names)
        if [part.shape for part in state] != expected:
            raise ValueError(
                f"{self.cell.name} carries {', '.join(self.cell.state_names)} of shape "
                f"{expected[0]}, got {[part.shape for part in state]}"
            )
        check_lengths(lengths, num_steps, batch_size)
        ticket = workspace.ticket()
        cell = self.cell
        shape = (cell.num_gates, num_steps, batch_size, cell.hidden_size)
        a = workspace.array("a", shape, w["W_x"].dtype)
        project(w["W_x"], w.get("b"), x, a, workspace, halved=cell.num_sigmoids)
        run = None if lengths is None else running(lengths, num_steps)
        s = cell.begin(a, state, workspace, run)
        cell.prepare(w, s, workspace)
        cell.forward(w, s, range(num_steps))
        return s.h[1:], s.state(num_steps), RecurrentSaved(x, s, workspace, ticket)

    def backward(
        self,
        w: Weights,
        g: Weights,
        dy: Array,
        dstate: LayerState | None,
        saved: RecurrentSaved,
    ) -> tuple[Array | None, LayerState]:
        """Undo :meth:`forward`, once.

        Args:
            w: the weights that :meth:`forward` used.
            g: views that the gradients are written into.
            dy: ``(T, B, H)``, the gradient by the outputs; beyond the end of a sequence it is
                ignored.
            dstate: the gradient by the final state; None means zero.
            saved: from :meth:`forward`.

        Returns:
            The gradient by ``x`` (None where ``x`` was symbols; else a view that the workspace
            owns) and by the initial state.

        Raises:
            ValueError: the shape of a gradient is wrong.
            StaleBackwardError: the workspace has been used since the forward pass.
        """
        s, workspace = saved.cell, saved.workspace
        outputs = (*saved.x.shape[:2], self.cell.hidden_size)
        if dy.shape != outputs:
            raise ValueError(f"dy must be {outputs}, as the outputs, got {dy.shape}")
        expected = [part.shape for part in s.dstate()]
        if dstate is not None and [part.shape for part in dstate] != expected:
            raise ValueError(
                f"dstate must be {expected}, as the state, got {[part.shape for part in dstate]}"
            )
        saved.ticket.redeem()
        for running, final in zip(s.dstate(), dstate or (0,) * len(s.dstate()), strict=True):
            running[...] = final
        self.cell.transpose(w, s, workspace)
        self.cell.backward(w, s, dy, range(len(dy) - 1, -1, -1))
        self.cell.weight_gradients(s, g)
        dx = None
        if saved.x.dtype.kind not in "iu":
            dx = workspace.array("dx", saved.x.shape, s.a.dtype)
        project_backward(w["W_x"], g["W_x"], g.get("b"), saved.x, s.a, dx, workspace)
        return dx, tuple(d.copy() for d in s.dstate())


@dataclass(frozen=True)
class BidirectionalSaved:
    """What :meth:`Bidirectional.forward` saves for :meth:`Bidirectional.backward`."""

    ahead: RecurrentSaved
    back: RecurrentSaved
    lengths: Array | None


@dataclass(frozen=True)
class Bidirectional:
    """Two layers over the same input, one of which reads it from the end to the beginning.

        y_t = [→h_t, ←h_t],  →h_t = cell(x_t, →h_{t-1}),  ←h_t = cell(x_t, ←h_{t+1})

    Schuster and Paliwal (1997), "Bidirectional recurrent neural networks"; note 001, section 3.
    Each direction has its own weights, ``ahead.*`` and ``back.*``; the state consists of the parts
    of one, then those of the other. A shorter sequence is read backwards from its own end.

    Args:
        layer: the layer of each direction.
    """

    layer: Recurrent

    @property
    def output_size(self) -> int:
        """2H."""
        return 2 * self.layer.output_size

    @property
    def state_names(self) -> tuple[str, ...]:
        """The parts of the state: ``h``, ``c`` ahead, then ``h_back``, ``c_back``."""
        names = self.layer.state_names
        return names + tuple(f"{name}_back" for name in names)

    def zero_state(self, batch_size: int, dtype: np.dtype[Any]) -> LayerState:
        """The initial states of both directions."""
        return 2 * self.layer.zero_state(batch_size, dtype)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of the tensors of both directions."""
        shapes = self.layer.shapes().items()
        return {f"{way}.{name}": shape for way in ("ahead", "back") for name, shape in shapes}

    def init(self, rng: np.random.Generator) -> dict[str, Array]:
        """Initial values of :meth:`shapes`, float64."""
        return {
            f"{way}.{name}": value
            for way in ("ahead", "back")
            for name, value in self.layer.init(rng).items()
        }

    def forward(
        self,
        w: Weights,
        x: Array,
        state: LayerState,
        workspace: Workspace,
        lengths: Array | None = None,
    ) -> tuple[Array, LayerState, BidirectionalSaved]:
        """As :meth:`Recurrent.forward`; the outputs are ``(T, B, 2H)``.

        The final state of the backward direction is the one at the first step.
        """
        check_lengths(lengths, *x.shape[:2])
        parts = len(self.layer.state_names)
        size = self.layer.output_size
        ahead, final, ahead_saved = self.layer.forward(
            _scope(w, "ahead"), x, state[:parts], workspace.child("ahead"), lengths
        )
        back, first, back_saved = self.layer.forward(
            _scope(w, "back"), turned(x, lengths), state[parts:], workspace.child("back"), lengths
        )
        y = workspace.array("both", (*ahead.shape[:2], 2 * size), ahead.dtype)
        y[..., :size] = ahead
        y[..., size:] = turned(back, lengths)
        return y, final + first, BidirectionalSaved(ahead_saved, back_saved, lengths)

    def backward(
        self,
        w: Weights,
        g: Weights,
        dy: Array,
        dstate: LayerState | None,
        saved: BidirectionalSaved,
    ) -> tuple[Array | None, LayerState]:
        """As :meth:`Recurrent.backward`."""
        parts, size = len(self.layer.state_names), self.layer.output_size
        if dy.shape[-1] != 2 * size:
            raise ValueError(f"dy must be {2 * size} wide, as the outputs, got {dy.shape}")
        dahead, dback = (None, None) if dstate is None else (dstate[:parts], dstate[parts:])
        dx, dinitial = self.layer.backward(
            _scope(w, "ahead"), _scope(g, "ahead"), dy[..., :size], dahead, saved.ahead
        )
        dx_back, dlast = self.layer.backward(
            _scope(w, "back"),
            _scope(g, "back"),
            turned(dy[..., size:], saved.lengths),
            dback,
            saved.back,
        )
        if dx is not None and dx_back is not None:
            dx += turned(dx_back, saved.lengths)
        return dx, dinitial + dlast


def _scope(w: Weights, way: str) -> Weights:
    """The weights of one direction."""
    head = way + "."
    return {name[len(head) :]: w[name] for name in w if name.startswith(head)}
