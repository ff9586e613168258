"""Two of the built-in cells as plain cells, which must give the same numbers."""

from typing import Any

import numpy as np

from charrnn.nn.cells import PlainCell
from charrnn.nn.ops import sigmoid
from charrnn.nn.types import Array, Weights

__all__ = ["PlainLSTM", "PlainRNN"]


class PlainRNN(PlainCell):
    """h = tanh(a + h_prev·W_h)"""

    def step(self, w: Weights, a: Array, h_prev: Array) -> Any:
        h = np.tanh(a[0] + h_prev @ w["W_h"])
        return h, (h_prev, h)

    def step_back(self, w: Weights, dw: dict[str, Array], kept: Any, dh: Array) -> Any:
        h_prev, h = kept
        da = dh * (1 - h**2)
        dw["W_h"] += h_prev.T @ da
        return da, da @ w["W_h"].T


class PlainLSTM(PlainCell):
    """The default LSTM, its forget gate's bias included."""

    gate_names = ("i", "f", "o", "g")
    state_names = ("h", "c")

    def init_bias(self) -> Array:
        b = np.zeros((4, self.hidden_size))
        b[1] = 1
        return b.ravel()

    def step(self, w: Weights, a: Array, h_prev: Array, c_prev: Array) -> Any:
        i, f, o, g = a + np.split(h_prev @ w["W_h"], 4, axis=1)
        i, f, o, g = sigmoid(i), sigmoid(f), sigmoid(o), np.tanh(g)
        c = f * c_prev + i * g
        return (o * np.tanh(c), c), (h_prev, c_prev, i, f, o, g, c)

    def step_back(self, w: Weights, dw: dict[str, Array], kept: Any, dh: Array, dc: Array) -> Any:
        h_prev, c_prev, i, f, o, g, c = kept
        do = dh * np.tanh(c)
        dc = dc + dh * o * (1 - np.tanh(c) ** 2)
        di, df, dg = dc * g, dc * c_prev, dc * i
        da = (di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * (1 - g**2))
        joined = np.concatenate(da, axis=1)
        dw["W_h"] += h_prev.T @ joined
        return da, (joined @ w["W_h"].T, dc * f)
