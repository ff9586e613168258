"""A recurrent layer as nodes of an ONNX graph.

ONNX's own nodes RNN, LSTM and GRU cover every cell but one: an LSTM whose gates read the memory
cell through full matrices (ONNX's peepholes are diagonal) is a Scan over its equations. The nodes'
equations are those of https://onnx.ai/onnx/operators/.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from charrnn.exporting.gates import stacked
from charrnn.nn.cells import GRU, LSTM, RNN, Cell
from charrnn.nn.types import Array, Weights

__all__ = ["Graph", "add_layer"]

ORDERS = {"rnn": "a", "lstm": "iofg", "gru": "zrn"}


@dataclass
class Graph:
    """The nodes and weights that have been added so far."""

    nodes: list[Any] = field(default_factory=list)
    weights: dict[str, Array] = field(default_factory=dict)

    def weight(self, name: str, array: Any) -> str:
        """Add a constant; return its name."""
        self.weights[name] = np.asarray(array)
        return name

    def node(self, kind: str, inputs: list[str], outputs: list[str], **attributes: Any) -> str:
        """Add a node; return the name of its first output."""
        from onnx.helper import make_node

        self.nodes.append(make_node(kind, inputs, outputs, **attributes))
        return outputs[0]


def add_layer(graph: Graph, cell: Cell[Any], w: Weights, k: int, x: str) -> str:
    """Add layer ``k``, with the final states ``h_after.k``, ``c_after.k`` (1, B, H).

    Args:
        graph: contains the initial states ``h.k`` and ``c.k`` (1, B, H).
        cell, w: the recurrence and its weights.
        x: the name of the input, (T, B, D).

    Returns:
        The name of the outputs, (T, B, H).
    """
    if isinstance(cell, LSTM) and cell.gates == "cell":
        return _scan(graph, cell, w, k, x)
    layer = stacked(cell, w, ORDERS[cell.name])
    b = np.concatenate([layer.b, layer.b_h])
    inputs = [
        x,
        graph.weight(f"body.{k}.W", layer.W[None]),
        graph.weight(f"body.{k}.R", layer.R[None]),
        graph.weight(f"body.{k}.B", b[None]) if cell.bias else "",
        "",  # no lengths: all are T
        *(f"{part}.{k}" for part in cell.state_names),
    ]
    outputs = [f"outputs.{k}", *(f"{part}_after.{k}" for part in cell.state_names)]
    graph.node(
        cell.name.upper(), inputs, outputs, hidden_size=cell.hidden_size, **_attributes(cell)
    )
    axis = graph.weight("axis_1", np.array([1], np.int64))  # the axis of the only direction
    return graph.node("Squeeze", [f"outputs.{k}", axis], [f"features.{k}"])


def _attributes(cell: Cell[Any]) -> dict[str, Any]:
    """The attributes that tell a node which variant it is."""
    if isinstance(cell, RNN):
        return {"activations": [cell.activation.capitalize()]}
    if isinstance(cell, GRU):
        return {"linear_before_reset": int(cell.reset == "after")}
    if isinstance(cell, LSTM) and cell.output == "identity":
        # The last one is applied to c before the output gate; alpha·c + beta is c.
        return {
            "activations": ["Sigmoid", "Tanh", "Affine"],
            "activation_alpha": [1.0],
            "activation_beta": [0.0],
        }
    return {}


def _scan(graph: Graph, cell: LSTM, w: Weights, k: int, x: str) -> str:
    """Add a layer of the LSTM whose gates read the memory cell, one step at a time.

    i, f, o = σ(a + c_prev·W_c), g = tanh(a + h_prev·W_h), with a = x·W_x + b computed for all steps
    before.
    """
    from onnx import TensorProto
    from onnx.helper import make_graph, make_tensor_value_info

    size, name = cell.hidden_size, f"body.{k}"
    W_c, W_h = (graph.weight(f"{name}.{own}", w[own]) for own in ("W_c", "W_h"))
    a = graph.node("MatMul", [x, graph.weight(f"{name}.W_x", w["W_x"])], [f"x_W_x.{k}"])
    if cell.bias:
        a = graph.node("Add", [a, graph.weight(f"{name}.b", w["b"])], [f"a.{k}"])
    step = Graph()
    parts = graph.weight("gates_and_candidate", np.array([3 * size, size], np.int64))
    gates = graph.weight("gates", np.array([size] * 3, np.int64))
    step.node("Split", ["a", parts], ["a_ifo", "a_g"], axis=1)
    step.node("MatMul", ["c_prev", W_c], ["p_ifo"])
    step.node("MatMul", ["h_prev", W_h], ["p_g"])
    step.node("Add", ["a_ifo", "p_ifo"], ["sum_ifo"])
    step.node("Add", ["a_g", "p_g"], ["sum_g"])
    step.node("Sigmoid", ["sum_ifo"], ["ifo"])
    step.node("Tanh", ["sum_g"], ["g"])
    step.node("Split", ["ifo", gates], ["i", "f", "o"], axis=1)
    step.node("Mul", ["f", "c_prev"], ["kept"])
    step.node("Mul", ["i", "g"], ["written"])
    step.node("Add", ["kept", "written"], ["c_t"])
    let_through = step.node("Tanh", ["c_t"], ["squashed"]) if cell.output == "tanh" else "c_t"
    step.node("Mul", ["o", let_through], ["h_t"])
    step.node("Identity", ["h_t"], ["features"])

    def infos(names: list[str], width: int) -> list[Any]:
        return [make_tensor_value_info(one, TensorProto.FLOAT, ["B", width]) for one in names]

    body = make_graph(
        step.nodes,
        f"step.{k}",
        [*infos(["h_prev", "c_prev"], size), *infos(["a"], 4 * size)],
        infos(["h_t", "c_t", "features"], size),
    )
    axis = graph.weight("axis_0", np.array([0], np.int64))
    before = [graph.node("Squeeze", [f"{p}.{k}", axis], [f"{p}_before.{k}"]) for p in "hc"]
    after = [f"{p}_last.{k}" for p in "hc"]
    graph.node("Scan", [*before, a], [*after, f"features.{k}"], body=body, num_scan_inputs=1)
    for part, last in zip("hc", after, strict=True):
        graph.node("Unsqueeze", [last, axis], [f"{part}_after.{k}"])
    return f"features.{k}"
