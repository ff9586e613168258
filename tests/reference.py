"""The networks as the papers and notes write them: one sequence, one step, one gate at a time.

Nothing here is shared with the production code but the names and the block order of the weights.
It is slow, allocates at will, and is what the fast code is held against.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "binary_cross_entropy",
    "captions",
    "cross_entropy",
    "linear_head",
    "luong_attention",
    "read_last",
    "read_max",
    "read_mean",
    "read_spans",
    "run_both",
    "run_both_stack",
    "run_layer",
    "run_stack",
    "sigmoid",
    "softmax",
    "squared_error",
    "translate",
]

Numbers = npt.NDArray[Any]
Tensors = Mapping[str, Numbers]
States = tuple[Numbers, ...]
Step = Callable[..., States]


def sigmoid(a: Numbers) -> Numbers:
    """Note 000: 1 / (1 + e^-a)."""
    return np.asarray(1.0 / (1.0 + np.exp(-a)))


def block(W: Numbers, number: int, size: int) -> Numbers:
    """The columns of one gate; for a bias, its entries."""
    return W[..., number * size : (number + 1) * size]


def bias_of(w: Tensors, number: int, size: int) -> Numbers:
    """One gate's bias; zero in a network without biases."""
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


STEPS: dict[str, Step] = {
    "rnn": rnn_step,
    "lstm": lstm_step,
    "gru": gru_step,
    "plainlstm": partial(lstm_step, gates="hidden", output="tanh"),
}


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


def run_both(
    name: str,
    options: Mapping[str, str],
    ahead: Tensors,
    back: Tensors,
    xs: Numbers,
    first: States,
    last: States,
) -> tuple[Numbers, States, States]:
    """Schuster and Paliwal (1997); note 001, section 3: y_t = [→h_t, ←h_t].

    →h reads x_1, x_2, ... from the state ``first``, ←h reads ..., x_2, x_1 from ``last``.

    Returns:
        The outputs (T, 2H), →'s state after the last step and ←'s after the first.
    """
    state, to_right = first, []
    for t in range(len(xs)):
        state = STEPS[name](ahead, xs[t], state, **options)
        to_right.append(state[0])
    other, to_left = last, {}
    for t in range(len(xs) - 1, -1, -1):
        other = STEPS[name](back, xs[t], other, **options)
        to_left[t] = other[0]
    ys = [np.concatenate([to_right[t], to_left[t]]) for t in range(len(xs))]
    return np.array(ys), state, other


def run_both_stack(
    name: str,
    options: Mapping[str, str],
    layers: Sequence[tuple[Tensors, Tensors]],
    xs: Numbers,
    states: Sequence[tuple[States, States]],
) -> tuple[Numbers, list[tuple[States, States]]]:
    """Both directions of a layer read both directions of the one below."""
    final = []
    for (ahead, back), (first, last) in zip(layers, states, strict=True):
        xs, end, beginning = run_both(name, options, ahead, back, xs, first, last)
        final.append((end, beginning))
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


def binary_cross_entropy(ys: Numbers, targets: Numbers) -> float:
    """Note 003: Σ -t·ln p - (1-t)·ln(1-p) with p = σ(y), each output by itself."""
    total = 0.0
    for y, t in zip(np.ravel(ys), np.ravel(targets), strict=True):
        p = float(sigmoid(y))
        total -= t * np.log(p) + (1 - t) * np.log(1 - p)
    return float(total)


def squared_error(ys: Numbers, targets: Numbers) -> float:
    """Note 000: Σ ½·(y - t)²."""
    return sum(
        0.5 * float(y - t) ** 2 for y, t in zip(np.ravel(ys), np.ravel(targets), strict=True)
    )


# What the head reads of one sequence's outputs (T, F)


def read_spans(ys: Numbers, spans: Sequence[tuple[int, int]], *, both: bool) -> Numbers:
    """One row for each token from step ``first`` to ``last``: →h at its end, ←h at its start."""
    size = ys.shape[1] // 2
    return np.array(
        [
            np.concatenate([ys[last][:size], ys[first][size:]]) if both else ys[last]
            for first, last in spans
        ]
    )


def read_last(ys: Numbers, *, both: bool) -> Numbers:
    """What each direction knows when it has read everything."""
    return np.asarray(read_spans(ys, [(0, len(ys) - 1)], both=both)[0])


def read_mean(ys: Numbers) -> Numbers:
    """(y_1 + ... + y_T) / T."""
    return np.asarray(sum(ys) / len(ys))


def read_max(ys: Numbers) -> Numbers:
    """The largest value that each feature takes."""
    return np.array([max(column) for column in ys.T])


# Encoder and decoder, one pair of sequences


def luong_attention(w: Tensors, hs: Numbers, memory: Numbers) -> tuple[Numbers, Numbers]:
    """Luong et al. (2015), global, score "general".

    Args:
        w: W_a (H, F), W_k (F, H), W_h (H, H), b.
        hs: the decoder's states (T, H).
        memory: the encoder's outputs (S, F).

    Returns:
        tanh([k; h]·[W_k; W_h] + b) of each step (T, H), and the shares (T, S).
    """
    outputs, shares = [], []
    for h in hs:
        share = softmax(np.array([h @ w["W_a"] @ m for m in memory]))
        context = sum(part * m for part, m in zip(share, memory, strict=True))
        joined = np.concatenate([np.asarray(context), h])
        outputs.append(np.tanh(joined @ np.vstack([w["W_k"], w["W_h"]]) + w["b"]))
        shares.append(share)
    return np.array(outputs), np.array(shares)


def scope(p: Tensors, prefix: str) -> Tensors:
    """The tensors below a name."""
    head = prefix + "."
    return {name.removeprefix(head): p[name] for name in p if name.startswith(head)}


def embed(p: Tensors, symbols: Sequence[int], size: int) -> Numbers:
    """Each symbol's vector: a row of the table, or a one-hot row where there is none."""
    table = p.get("embedding.W", np.eye(size))
    return np.array([table[symbol] for symbol in symbols])


def translate(
    name: str,
    options: Mapping[str, str],
    p: Tensors,
    sizes: tuple[int, int, int],
    source: Sequence[int],
    previous: Sequence[int],
    *,
    num_layers: int,
    both: bool,
) -> Numbers:
    """Sutskever et al. (2014), Cho et al. (2014): the decoder begins where the encoder ended.

    With two directions, layer by layer, its first state is the two last ones side by side.

    Args:
        p: the tensors of encoder, decoder, head and, if there is any, attention.
        sizes: symbols of the source, symbols of the target, the decoder's width.

    Returns:
        Scores (T, V) after each of the symbols ``previous``.
    """
    num_sources, num_targets, size = sizes
    encoder, decoder = scope(p, "encoder"), scope(p, "decoder")
    parts = 2 if name == "lstm" else 1
    xs = embed(encoder, source, num_sources)
    first: list[States] = []
    if both:
        zeros = (np.zeros(size // 2),) * parts
        pairs = [
            (scope(encoder, f"body.{k}.ahead"), scope(encoder, f"body.{k}.back"))
            for k in range(num_layers)
        ]
        memory, ends = run_both_stack(name, options, pairs, xs, [(zeros, zeros)] * num_layers)
        for end, beginning in ends:
            first.append(tuple(np.concatenate([end[k], beginning[k]]) for k in range(parts)))
    else:
        layers = [scope(encoder, f"body.{k}") for k in range(num_layers)]
        zeros = (np.zeros(size),) * parts
        memory, first = run_stack(name, options, layers, xs, [zeros] * num_layers)
    layers = [scope(decoder, f"body.{k}") for k in range(num_layers)]
    hs, _ = run_stack(name, options, layers, embed(decoder, previous, num_targets), first)
    if attention := scope(p, "attention"):
        hs, _ = luong_attention(attention, hs, memory)
    return linear_head(p["head.W"], p["head.b"], hs)


def captions(
    name: str,
    options: Mapping[str, str],
    p: Tensors,
    num_symbols: int,
    label: int,
    symbols: Sequence[int],
    *,
    num_layers: int,
) -> Numbers:
    """Note 003, one to many: the label's rows of the tables are the first states; scores (T, V)."""
    parts = ("h", "c") if name == "lstm" else ("h",)
    first = [tuple(p[f"condition.{k}.{part}"][label] for part in parts) for k in range(num_layers)]
    layers = [scope(p, f"body.{k}") for k in range(num_layers)]
    hs, _ = run_stack(name, options, layers, embed(p, symbols, num_symbols), first)
    return linear_head(p["head.W"], p["head.b"], hs)
