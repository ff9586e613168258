"""The vanilla recurrent network."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from charrnn.nn.cells.base import Cell, Saved
from charrnn.nn.ops import relu, rows
from charrnn.nn.products import by_gate
from charrnn.nn.types import Array, LayerState, Weights
from charrnn.nn.workspace import Workspace

__all__ = ["RNN"]


@dataclass(frozen=True)
class RNN(Cell[Saved]):
    """A hidden layer that also reads its own last output.

        h = φ(x·W_x + h_prev·W_h + b)        φ = tanh or ReLU

    Elman (1990), "Finding structure in time". Note 001 (tanh, no biases: ``bias=False``), note 002
    (tanh, with them), note 003 (either activation).
    """

    activation: str = "tanh"

    name: ClassVar[str] = "rnn"
    num_gates: ClassVar[int] = 1
    choices: ClassVar[dict[str, tuple[str, ...]]] = {"activation": ("tanh", "relu")}

    @property
    def bounded(self) -> bool:
        return self.activation == "tanh"

    def begin(
        self,
        a: Array,
        state: LayerState,
        workspace: Workspace,
        running: tuple[int, ...] | None = None,
    ) -> Saved:
        s = Saved(**self._buffers(a, workspace, running))
        (s.h[0],) = state
        return s

    def matrices(self, w: Weights) -> dict[str, tuple[Array, int]]:
        return {"W_h": (by_gate(w["W_h"], self.hidden_size), 0)}

    def forward(self, w: Weights, s: Saved, steps: range) -> None:
        activate = np.tanh if self.activation == "tanh" else relu
        for t, n in s.ahead(steps):
            (a,) = s.a[:, t, :n]
            (p,) = s.products["W_h"].of_each(s.h[t, :n])
            a += p
            activate(a, out=s.h[t + 1, :n])

    def backward(self, w: Weights, s: Saved, dy: Array, steps: range) -> None:
        for t, n in s.back(steps):
            h, gates, dh = s.h[t + 1, :n], s.a[:, t, :n], s.dh[:n]
            (da,), (slope,) = gates, s.slope[:, :n]
            dh += dy[t, :n]
            # h = φ(a)
            if self.activation == "tanh":
                np.multiply(h, h, out=slope)
                np.subtract(1, slope, out=slope)
            else:
                np.greater(h, 0, out=slope)
            np.multiply(dh, slope, out=da)
            # a = ... + h_prev·W_h
            s.transposed["W_h"].sum(gates, out=dh)

    def weight_gradients(self, s: Saved, g: Weights) -> None:
        (da,) = s.a
        np.matmul(rows(s.h[:-1]).T, rows(da), out=g["W_h"])
