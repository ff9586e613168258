"""A language model as an ONNX graph, from symbols and a state to log-probabilities and a state.

symbols (T, B)  h, c (L, B, H)  ->  log_p (T, B, V)  h_after, c_after (L, B, H)
"""

from pathlib import Path
from typing import Any

import numpy as np

from charrnn import __version__
from charrnn.errors import InputError
from charrnn.exporting.about import metadata
from charrnn.exporting.extras import missing
from charrnn.exporting.onnx_layers import Graph, add_layer
from charrnn.files import write_whole
from charrnn.runs.model import Model

__all__ = ["write_onnx"]

OPSET, IR_VERSION = 17, 8
"""Versions from 2022, which most programs that read ONNX support."""

LARGEST = (1 << 31) - (1 << 24)
"""The most bytes of weights: a file is one Protocol Buffers message, which is below 2 GiB."""


def write_onnx(model: Model, path: Path) -> None:
    """Write a language model.

    Raises:
        InputError: onnx is missing, or the model is too large.
        CheckpointError: the file cannot be written.
    """
    if model.parameters.flat.nbytes > LARGEST:
        raise InputError(
            f"{model.path}: {model.parameters.flat.nbytes:,} bytes of weights are too many for an "
            f".onnx file; {LARGEST:,} are the most",
            "a .safetensors file can hold them",
        )
    try:
        from onnx.helper import make_model, make_opsetid, set_model_props
    except ImportError as error:
        raise missing("onnx", ".onnx", error) from error
    written = make_model(
        _graph(model),
        opset_imports=[make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="charrnn",
        producer_version=__version__,
    )
    set_model_props(written, metadata(model))
    write_whole(path, written.SerializeToString(deterministic=True))


def _graph(model: Model) -> Any:
    from onnx import TensorProto, numpy_helper
    from onnx.helper import make_graph, make_tensor_value_info

    network, size, w = model.network, len(model.vocabulary), model.parameters
    graph = Graph()
    if network.embedding_size:
        table = graph.weight("embedding.W", w["embedding.W"])
        x = graph.node("Gather", [table, "symbols"], ["embedded"])
    else:
        number = graph.weight("num_symbols", np.int64(size))
        values = graph.weight("off_and_on", np.array([0, 1], np.float32))
        x = graph.node("OneHot", ["symbols", number, values], ["one_hot"])
    parts = network.cell.state_names if network.num_layers else ()
    for part in parts:
        ones = graph.weight("ones", np.ones(network.num_layers, np.int64))
        layers = [f"{part}.{k}" for k in range(network.num_layers)]
        graph.node("Split", [part, ones], layers, axis=0)
    for k in range(network.num_layers):
        x = add_layer(graph, network.cell, w.scope(f"body.{k}"), k, x)
    for part in parts:
        layers = [f"{part}_after.{k}" for k in range(network.num_layers)]
        graph.node("Concat", layers, [f"{part}_after"], axis=0)
    if network.tied:
        W = graph.node("Transpose", ["embedding.W"], ["head.W"], perm=[1, 0])
    else:
        W = graph.weight("head.W", w["head.W"])
    product = graph.node("MatMul", [x, W], ["product"])
    y = graph.node("Add", [product, graph.weight("head.b", w["head.b"])], ["y"])
    graph.node("LogSoftmax", [y], ["log_p"], axis=-1)

    state = [network.num_layers, "B", network.cell.hidden_size]
    return make_graph(
        graph.nodes,
        "charrnn",
        [
            make_tensor_value_info("symbols", TensorProto.INT64, ["T", "B"]),
            *(make_tensor_value_info(part, TensorProto.FLOAT, state) for part in parts),
        ],
        [
            make_tensor_value_info("log_p", TensorProto.FLOAT, ["T", "B", size]),
            *(make_tensor_value_info(f"{part}_after", TensorProto.FLOAT, state) for part in parts),
        ],
        [numpy_helper.from_array(array, name) for name, array in graph.weights.items()],
    )
