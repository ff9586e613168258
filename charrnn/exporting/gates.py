"""A layer's weights as other libraries arrange them: rows are outputs, gates in their order.

    here    LSTM  i, f, o, g    GRU  r, z, n    x·W       one bias; a GRU with reset after has b_hn
    there   another order                       W·x       two biases, of the input and of the state

A GRU that writes, h = (1-z)⊙h_prev + z⊙n, becomes one that keeps, h = z⊙h_prev + (1-z)⊙n, by 1 -
σ(a) = σ(-a): the weights and biases of z are negated.
"""

from typing import Any, NamedTuple

import numpy as np

from charrnn.nn.cells import GRU, Cell
from charrnn.nn.products import by_gate
from charrnn.nn.types import Array, Weights

__all__ = ["Stacked", "stacked"]

LETTERS = {"rnn": "a", "lstm": "ifog", "gru": "rzn"}
"""The gates in the order of the weights."""


class Stacked(NamedTuple):
    """Gates below each other, float32 and contiguous."""

    W: Array  # (G·H, D)
    R: Array  # (G·H, H)
    b: Array  # (G·H,)  added to W·x; zeros without biases
    b_h: Array  # (G·H,)  added to R·h; zeros but for a GRU's candidate, reset after


def stacked(cell: Cell[Any], w: Weights, order: str) -> Stacked:
    """The weights of a layer whose gates read the state only through ``W_h``.

    Args:
        cell: a cell in :data:`LETTERS`.
        w: the layer's: ``W_x`` (D, G·H), ``W_h`` (H, G·H), and with biases ``b``, ``b_hn``.
        order: the gates' letters, in the order of the other library.
    """
    size, letters = cell.hidden_size, LETTERS[cell.name]
    negated = "z" if isinstance(cell, GRU) and cell.update == "write" else ""
    nothing = np.zeros(len(letters) * size, dtype=np.float32)
    b, b_h = w.get("b", nothing), nothing.copy()
    if "b_hn" in w:
        b_h[letters.index("n") * size :] = w["b_hn"]

    def in_order(W: Array) -> Array:
        blocks = dict(zip(letters, by_gate(W, size), strict=True))
        rows = [-blocks[gate].T if gate in negated else blocks[gate].T for gate in order]
        return np.ascontiguousarray(np.concatenate(rows))

    return Stacked(
        in_order(w["W_x"]), in_order(w["W_h"]), in_order(b[None])[:, 0], in_order(b_h[None])[:, 0]
    )
