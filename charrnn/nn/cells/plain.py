"""A cell written plainly: one step forward and one step back, in ordinary NumPy.

The built-in cells write into buffers and multiply in panels, for speed. This class is for trying
out an equation. What a cell returns is checked at every step, and an error in it is reported with
its line. docs/your-own-cell.md builds two cells with it.
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, dataclass_transform

import numpy as np

from charrnn.nn.cells.base import Cell, Saved
from charrnn.nn.cells.errors import CellError, place
from charrnn.nn.types import Array, LayerState, Weights
from charrnn.nn.workspace import Workspace

__all__ = ["PlainCell"]


@dataclass
class SavedPlain(Saved):
    """What a plain cell saves in addition. The first part of its state is ``h``."""

    parts: tuple[Array, ...]  # (T+1, B, H) each
    dparts: tuple[Array, ...]  # (B, H) each
    kept: list[Any]  # for each step, what it kept for the step back
    dw: dict[str, Array] = field(default_factory=dict)  # the gradients of the weights so far

    @property
    def states(self) -> tuple[Array, ...]:
        return self.parts

    def dstate(self) -> LayerState:
        return self.dparts


@dataclass_transform(frozen_default=True)
@dataclass(frozen=True)
class PlainCell(Cell[SavedPlain]):
    """Base class for a cell that defines :meth:`step` and :meth:`step_back`; it does the rest.

        class Elman(PlainCell):
            def step(self, w, a, h_prev):
                h = np.tanh(a[0] + h_prev @ w["W_h"])
                return h, (h_prev, h)

            def step_back(self, w, dw, kept, dh):
                h_prev, h = kept
                da = dh * (1 - h**2)
                dw["W_h"] += h_prev.T @ da
                return da, da @ w["W_h"].T

    The class attributes ``gate_names`` and ``state_names`` say how many pre-activations and how
    many parts of the state there are; the first part is the output. :meth:`Cell.shapes` names the
    weights, ``W_h`` (H, G·H) unless overridden. A subclass is a dataclass: an annotated attribute
    with an entry in ``choices`` is an option.

    All arrays are (n, H), where n ≤ B is the number of sequences that run at the step. They have
    the dtype of the parameters: float32 in training, float64 and complex128 in a gradient check.
    Arguments must not be written to, except ``dw``.

    Raises:
        CellError: a method of the subclass fails, or returns something that does not fit.
    """

    gate_names: ClassVar[tuple[str, ...]] = ("a",)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        dataclass(frozen=True)(cls)
        if "name" not in vars(cls):
            cls.name = cls.__name__.lower()
        for names in ("gate_names", "state_names"):
            if isinstance(getattr(cls, names), str):
                raise TypeError(f"{names} must be a tuple of names: ({getattr(cls, names)!r},)")
        cls.num_gates = len(cls.gate_names)
        for option in cls.choices.keys() - {option.name for option in fields(cls)}:
            default = cls.choices[option][0]
            raise TypeError(f"{option} has choices but no default: {option}: str = {default!r}")

    @abstractmethod
    def step(self, w: Weights, a: Array, *state: Any, **_: Any) -> tuple[Any, Any]:
        """Compute one step.

        Args:
            w: the layer's weights by name.
            a: (G, n, H), x·W_x + b for each gate.
            state: the parts of the last state, each as a separate argument.

        Returns:
            The new state, an array or a tuple with one for each part; and whatever
            :meth:`step_back` needs.
        """

    @abstractmethod
    def step_back(
        self, w: Weights, dw: dict[str, Array], kept: Any, *dstate: Any, **_: Any
    ) -> tuple[Any, Any]:
        """Undo a step. Add to the gradients of the weights: ``dw["W_h"] += h_prev.T @ da``.

        Args:
            w: the layer's weights by name.
            dw: the gradients of the cell's own weights, to which later steps have already added.
            kept: what :meth:`step` returned for this method.
            dstate: the whole gradient by each part of the new state; the first part includes the
                gradient by the output.

        Returns:
            The gradient by ``a``, an array or a tuple with one for each gate; and the gradient by
            the last state, an array or a tuple with one for each part.
        """

    def begin(
        self,
        a: Array,
        state: LayerState,
        workspace: Workspace,
        running: tuple[int, ...] | None = None,
    ) -> SavedPlain:
        buffers = self._buffers(a, workspace, running)
        others = self.state_names[1:]
        h, dh = buffers["h"], buffers["dh"]
        s = SavedPlain(
            **buffers,
            parts=(h, *(workspace.array(f"state {n}", h.shape, a.dtype) for n in others)),
            dparts=(dh, *(workspace.array(f"by {n}", dh.shape, a.dtype) for n in others)),
            kept=[None] * a.shape[1],
        )
        for part, first in zip(s.parts, state, strict=True):
            part[0] = first
        return s

    def matrices(self, w: Weights) -> dict[str, tuple[Array, int]]:
        return {}

    def forward(self, w: Weights, s: SavedPlain, steps: range) -> None:
        w = {name: _read_only(weight) for name, weight in w.items()}
        for t, n in s.ahead(steps):
            if not n:
                continue
            before = [_read_only(part[t, :n]) for part in s.parts]
            result = self.step(w, _read_only(s.a[:, t, :n]), *before)
            state, s.kept[t] = self._pair("step", result, "return h, kept")
            names = self.state_names
            for part, new in zip(
                s.parts, self._checked("step", state, names, before[0]), strict=True
            ):
                part[t + 1, :n] = new

    def backward(self, w: Weights, s: SavedPlain, dy: Array, steps: range) -> None:
        w = {name: _read_only(weight) for name, weight in w.items()}
        gates = [f"da of gate {name!r}" for name in self.gate_names]
        parts = [f"d{name}_prev" for name in self.state_names]
        for t, n in s.back(steps):
            if not n:
                continue
            dstate = [part[:n].copy() for part in s.dparts]
            dstate[0] += dy[t, :n]
            dw = dict(s.dw)
            result = self.step_back(w, dw, s.kept[t], *dstate)
            self._check_added(dw, s.dw)
            da, before = self._pair("step_back", result, "return da, dh_prev")
            for gate, new in zip(
                s.a[:, t, :n], self._checked("step_back", da, gates, dy[t, :n]), strict=True
            ):
                gate[...] = new
            for part, new in zip(
                s.dparts, self._checked("step_back", before, parts, dy[t, :n]), strict=True
            ):
                part[:n] = new

    def transpose(self, w: Weights, s: SavedPlain, workspace: Workspace) -> None:
        s.dw = {name: np.zeros(shape, s.a.dtype) for name, shape in self.shapes().items()}

    def weight_gradients(self, s: SavedPlain, g: Weights) -> None:
        for name, gradient in s.dw.items():
            g[name][...] = gradient

    def _wrong(self, method: str, message: str, hint: str = "") -> CellError:
        return CellError(f"{place(getattr(type(self), method))}: {method} {message}", hint)

    def _pair(self, method: str, result: Any, hint: str) -> tuple[Any, Any]:
        if not isinstance(result, tuple) or len(result) != 2:
            raise self._wrong(method, f"must return two things, got {_what(result)}", hint)
        return result

    def _checked(
        self, method: str, value: Any, names: Sequence[str], like: Array
    ) -> Sequence[Array]:
        """``value`` as one array for each of ``names``, of the shape and dtype of ``like``."""
        if len(names) == 1 and not isinstance(value, tuple | list):
            value = (value,)
        if not isinstance(value, tuple | list | np.ndarray) or len(value) != len(names):
            raise self._wrong(method, f"must return {', '.join(names)}, got {_what(value)}")
        for name, array in zip(names, value, strict=True):
            if not isinstance(array, np.ndarray):
                raise self._wrong(method, f"returned {name} as {_what(array)}, expected an array")
            if array.shape != like.shape:
                message = f"returned {name} with shape {array.shape}, expected {like.shape}"
                raise self._wrong(method, message)
            if array.dtype != like.dtype:
                raise self._wrong(
                    method,
                    f"returned {name} as {array.dtype}, expected {like.dtype}, as what came in",
                    "a gradient check makes steps in complex128: abs, real and .astype lose them"
                    if like.dtype.kind == "c"
                    else "numbers of Python and array.astype(h.dtype) keep a dtype; NumPy's own "
                    "numbers, as of np.sqrt(2), do not",
                )
        return list(value)

    def _check_added(self, dw: dict[str, Array], own: dict[str, Array]) -> None:
        for name, array in dw.items():
            if array is not own.get(name):
                raise self._wrong(
                    "step_back",
                    f"put a new array in dw[{name!r}]"
                    + ("" if name in own else ", which shapes() does not name"),
                    f"add to what other steps have left there: dw[{name!r}] += ..."
                    if name in own
                    else f"its tensors are {', '.join(own)}",
                )


def _read_only(x: Array) -> Array:
    view = x.view()
    view.flags.writeable = False
    return view


def _what(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    if isinstance(value, tuple | list):
        return f"{len(value)} values"
    return "None" if value is None else repr(type(value).__name__)
