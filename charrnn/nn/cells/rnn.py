"""The vanilla recurrent network."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from charrnn.nn.cells.base import Cell, Saved
from charrnn.nn.ops import relu, rows
from charrnn.nn.types import Array, LayerState, Weights
from charrnn.nn.workspace import Workspace

__all__ = ["RNN"]


@dataclass(frozen=True)
class RNN(Cell[Saved]):
    """A hidden layer that also reads itself.

        h = φ(x·W_x + h_prev·W_h + b)        φ = tanh or ReLU

    Elman (1990), "Finding structure in time". Note 001 (tanh, no biases: ``bias=False``), note 002
    (tanh, with them), note 003 (either activation).
    """

    activation: str = "tanh"

    name: ClassVar[str] = "rnn"
    num_gates: ClassVar[int] = 1
    choices: ClassVar[dict[str, tuple[str, ...]]] = {"activation": ("tanh", "relu")}

    def begin(self, a: Array, state: LayerState, workspace: Workspace) -> Saved:
        s = Saved(**self._buffers(a, workspace))
        (s.h[0],) = state
        return s

    def forward(self, w: Weights, s: Saved, steps: range) -> None:
        activate = np.tanh if self.activation == "tanh" else relu
        for t in steps:
            np.matmul(s.h[t], w["W_h"], out=s.p)
            s.a[t] += s.p
            activate(s.a[t], out=s.h[t + 1])

    def backward(self, w: Weights, s: Saved, dy: Array, steps: range) -> None:
        for t in steps:
            h, da = s.h[t + 1], s.a[t]
            s.dh += dy[t]
            # h = φ(a)
            if self.activation == "tanh":
                np.multiply(h, h, out=s.slope)
                np.subtract(1, s.slope, out=s.slope)
            else:
                np.greater(h, 0, out=s.slope)
            np.multiply(s.dh, s.slope, out=da)
            # a = ... + h_prev·W_h
            np.matmul(da, s.transposed["W_h"], out=s.dh)

    def weight_gradients(self, s: Saved, g: Weights) -> None:
        np.matmul(rows(s.h[:-1]).T, rows(s.a), out=g["W_h"])
