"""The networks as the papers and notes write them: one sequence, one step, one gate at a time.

Nothing here is shared with the production code but the names and the block order of the weights.
It is slow, allocates at will, and is what the fast code is held against.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["cross_entropy", "linear_head", "run_layer", "run_stack", "softmax"]

Numbers = npt.NDArray[Any]
Tensors = Mapping[str, Numbers]
States = tuple[Numbers, ...]
Step = Callable[..., States]


def sigmoid(a: Numbers) -> Numbers:
    """Note 000: 1 / (1 + e^-a)."""
    return np.asarray(1.0 / (1.0 + np.exp(-a)))


def block(W: Numbers, number: int, size: int) -> Numbers:
    """The columns of one gate; of a bias, its entries."""
    return W[..., number * size : (number + 1) * size]


def bias_of(w: Tensors, number: int, size: int) -> Numbers:
    """One gate's bias; zero in a network without."""
    return block(w["b"], number, size) if "b" in w else np.zeros(size)


def rnn_step(w: Tensors, x: Numbers, state: States, activation: str) -> States:
    """Elman (1990): h = φ(x·W_x + h'·W_h + b)."""
    (h_prev,) = state
    a = x @ w["W_x"] + h_prev @ w["W_h"] + bias_of(w, 0, len(h_prev))
    if activation == "tanh":
        return (np.tanh(a),)
    return (np.array([value if value > 0 else 0.0 for value in a]),)


def lstm_step(w: Tensors, x: Numbers, state: States, gates: str, output: str) -> States:
    """Hochreiter and Schmidhuber (1997) with the forget gate of Gers et al. (2000); note 003.

    W_x and b: blocks i, f, o, g. gates="hidden": W_h has the same four. gates="cell": W_c has
    i, f, o, which read c', and W_h is g's alone.
    """
    h_prev, c_prev = state
    size = len(h_prev)
    seen, W_s = (h_prev, w["W_h"]) if gates == "hidden" else (c_prev, w["W_c"])
    W_g = block(w["W_h"], 3, size) if gates == "hidden" else w["W_h"]

    i = sigmoid(x @ block(w["W_x"], 0, size) + seen @ block(W_s, 0, size) + bias_of(w, 0, size))
    f = sigmoid(x @ block(w["W_x"], 1, size) + seen @ block(W_s, 1, size) + bias_of(w, 1, size))
    o = sigmoid(x @ block(w["W_x"], 2, size) + seen @ block(W_s, 2, size) + bias_of(w, 2, size))
    g = np.tanh(x @ block(w["W_x"], 3, size) + h_prev @ W_g + bias_of(w, 3, size))

    c = f * c_prev + i * g
    h = o * np.tanh(c) if output == "tanh" else o * c
    return h, c


def gru_step(w: Tensors, x: Numbers, state: States, reset: str, update: str) -> States:
    """Cho et al. (2014), reset before the product; or after it, as cuDNN. Blocks r, z, n."""
    (h_prev,) = state
    size = len(h_prev)
    W_x, W_h = w["W_x"], w["W_h"]

    r = sigmoid(x @ block(W_x, 0, size) + h_prev @ block(W_h, 0, size) + bias_of(w, 0, size))
    z = sigmoid(x @ block(W_x, 1, size) + h_prev @ block(W_h, 1, size) + bias_of(w, 1, size))
    if reset == "before":
        past = (r * h_prev) @ block(W_h, 2, size)
    else:
        past = r * (h_prev @ block(W_h, 2, size) + w.get("b_hn", np.zeros(size)))
    n = np.tanh(x @ block(W_x, 2, size) + bias_of(w, 2, size) + past)

    if update == "keep":
        return (z * h_prev + (1 - z) * n,)
    return ((1 - z) * h_prev + z * n,)


STEPS: dict[str, Step] = {"rnn": rnn_step, "lstm": lstm_step, "gru": gru_step}


def run_layer(
    name: str, options: Mapping[str, str], w: Tensors, xs: Numbers, state: States
) -> tuple[Numbers, States]:
    """One layer over one sequence.

    Args:
        name: a key of :data:`STEPS`.
        options: the cell's variant, by the names of its arguments.
        w: the layer's weights.
        xs: (T, D).
        state: (H,) each.

    Returns:
        The outputs (T, H) and the last state.
    """
    outputs = []
    for x in xs:
        state = STEPS[name](w, x, state, **options)
        outputs.append(state[0])
    return np.array(outputs), state


def run_stack(
    name: str,
    options: Mapping[str, str],
    layers: Sequence[Tensors],
    xs: Numbers,
    states: Sequence[States],
) -> tuple[Numbers, list[States]]:
    """Note 003, "Deep RNN": each layer reads the outputs of the one below."""
    final = []
    for w, state in zip(layers, states, strict=True):
        xs, last = run_layer(name, options, w, xs, state)
        final.append(last)
    return xs, final


def linear_head(W: Numbers, b: Numbers, hs: Numbers) -> Numbers:
    """y_t = h_t·W + b, (T, K)."""
    return np.array([h @ W + b for h in hs])


def softmax(y: Numbers) -> Numbers:
    """Note 000: e^y / Σ e^y, of one vector."""
    return np.asarray(np.exp(y) / np.sum(np.exp(y)))


def cross_entropy(ys: Numbers, targets: Sequence[int]) -> float:
    """-Σ_t ln softmax(y_t)[target_t]."""
    return float(-sum(np.log(softmax(y)[k]) for y, k in zip(ys, targets, strict=True)))
