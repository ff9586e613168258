"""The equations of a step of each cell, in order, and the weights by their names in them."""

from collections.abc import Mapping
from typing import Any

from charrnn.explaining.equations import EQUATIONS, Equation
from charrnn.nn.cells import GRU, LSTM, RNN, Cell
from charrnn.nn.types import Array, Weights

__all__ = ["block_name", "blocks", "equations_of", "gates_of", "weights_of"]

GATES = {RNN: "", LSTM: "ifog", GRU: "rzn"}


def gates_of(cell: Cell[Any]) -> str | None:
    """The letters of a cell's blocks; empty for an RNN, None for your own cell."""
    return GATES.get(type(cell))


def equations_of(cell: Cell[Any]) -> tuple[list[Equation], list[Equation]]:
    """The equations of a built-in cell, forward, and backward from the gradient by h.

    Raises:
        KeyError: the cell is not built in.
    """
    names = {RNN: _rnn, LSTM: _lstm, GRU: _gru}[type(cell)](cell)  # type: ignore[operator]
    forward, backward = ([EQUATIONS[name] for name in way.split()] for way in names)
    backward += [EQUATIONS["layer.dW_x"]]
    if cell.bias:
        return forward, [*backward, EQUATIONS["layer.db"]]
    return [equation.without_biases() for equation in forward], backward


def _rnn(cell: RNN) -> tuple[str, str]:
    kind = cell.activation
    return f"rnn.a rnn.h.{kind}", f"rnn.slope.{kind} rnn.da rnn.dh_prev rnn.dW_h"


def _lstm(cell: LSTM) -> tuple[str, str]:
    gates, output = cell.gates, cell.output
    forward = " ".join(f"lstm.a_{k}.{gates} lstm.{k}" for k in "ifog")
    backward = " ".join(f"lstm.da_{k}" for k in "ifog")
    matrices = "lstm.dW_c lstm.dW_h.cell" if gates == "cell" else "lstm.dW_h.hidden"
    return (
        f"{forward} lstm.c lstm.q.{output} lstm.h",
        f"lstm.do lstm.dq lstm.dc.{output} lstm.di lstm.df lstm.dg {backward} lstm.da "
        f"lstm.dh_prev.{gates} lstm.dc_prev.{gates} {matrices}",
    )


def _gru(cell: GRU) -> tuple[str, str]:
    reset, update = cell.reset, cell.update
    through = {"after": "gru.dr.after gru.dm.after", "before": "gru.dm.before gru.dr.before"}
    bias = "gru.db_hn" if cell.bias and reset == "after" else ""
    return (
        f"gru.a_r gru.r gru.a_z gru.z gru.m.{reset} gru.a_n.{reset} gru.n gru.h.{update}",
        f"gru.dz.{update} gru.dn.{update} gru.dh_prev.{update} gru.da_n {through[reset]} "
        f"gru.da_r gru.da_z gru.da gru.back.{reset} "
        f"gru.dW_hr gru.dW_hz gru.dW_hn.{reset} {bias}",
    )


def weights_of(cell: Cell[Any], w: Weights) -> dict[str, Array]:
    """A layer's weights by their names in the equations, whole and gate by gate; vectors are rows.

    Args:
        w: the layer's views, as the network names them: ``W_x``, ``W_h``, ``b``, ...
    """
    found: dict[str, Array] = {}
    for name, array in w.items():
        letters = {"b_hn": "b_{hn}"}.get(name, name)
        found[letters] = array if array.ndim == 2 else array[None]
        found |= blocks(letters, found[letters], cell.hidden_size, gates_of(cell) or "")
    return found


def blocks(name: str, array: Array, size: int, gates: str) -> Mapping[str, Array]:
    """Blocks of ``size`` columns by name; empty if there is only one."""
    count = array.shape[1] // size
    if count < 2:
        return {}
    return {
        block_name(name, gate): array[:, k * size : (k + 1) * size]
        for k, gate in enumerate(gates[:count])
    }


def block_name(name: str, gate: str) -> str:
    """``W_x`` and i: ``W_{xi}``; ``b``: ``b_i``; ``da_t``: ``da_{i,t}``."""
    letters, _, index = name.partition("_")
    if index == "t":
        return f"{letters}_{{{gate},t}}"
    return f"{letters}_{{{index}{gate}}}" if index else f"{letters}_{gate}"
