"""A language model as a PyTorch ``state_dict``: nn.Embedding, nn.RNN, nn.LSTM or nn.GRU, nn.Linear.

PyTorch's equations are those of its documentation (torch.nn.LSTM, torch.nn.GRU, torch.nn.RNN).
"""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from charrnn.errors import InputError
from charrnn.exporting.about import about
from charrnn.exporting.extras import missing
from charrnn.exporting.gates import stacked
from charrnn.files import write_whole
from charrnn.nn.cells import GRU, LSTM, RNN, Cell
from charrnn.nn.types import Array
from charrnn.runs.model import Model

__all__ = ["modules_of", "state_of", "write_torch"]

EXTRA_STATE = "_extra_state"
"""Where a ``state_dict`` has data other than tensors: ``torch.nn.Module.get_extra_state``."""

ORDERS = {"rnn": "a", "lstm": "ifgo", "gru": "rzn"}


def write_torch(model: Model, path: Path) -> None:
    """Write a language model whose cell PyTorch has.

    Raises:
        InputError: torch is missing, or PyTorch has no such cell.
        CheckpointError: the file cannot be written.
    """
    modules = modules_of(model)
    try:
        import torch
    except ImportError as error:
        raise missing("torch", ".pt", error) from error
    state: dict[str, Any] = {
        name: torch.from_numpy(array) for name, array in state_of(model).items()
    }
    if model.network.tied:
        state["head.weight"] = state["embedding.weight"]  # stored only once
    state[EXTRA_STATE] = {**about(model), "modules": modules}
    file = BytesIO()
    torch.save(state, file)
    write_whole(path, file.getvalue())


def modules_of(model: Model) -> dict[str, tuple[str, dict[str, Any]]]:
    """The modules by their names in the network: a class of ``torch.nn``, and its arguments.

    Raises:
        InputError: PyTorch has no such cell.
    """
    network, size = model.network, len(model.vocabulary)
    width = network.embedding_size or size
    modules: dict[str, tuple[str, dict[str, Any]]] = {}
    if network.embedding_size:
        modules["embedding"] = ("Embedding", {"num_embeddings": size, "embedding_dim": width})
    if network.num_layers:
        why = _foreign(network.cell)
        if why:
            raise InputError(
                f"{model.path}: PyTorch has no cell {network.cell.label}: {why}",
                "an .onnx file can hold the model",
            )
        arguments = {
            "input_size": width,
            "hidden_size": network.cell.hidden_size,
            "num_layers": network.num_layers,
            "bias": network.cell.bias,
        }
        if isinstance(network.cell, RNN):
            arguments["nonlinearity"] = network.cell.activation
        modules["rnn"] = (network.cell.name.upper(), arguments)
        width = network.cell.hidden_size
    modules["head"] = ("Linear", {"in_features": width, "out_features": size})
    return modules


def _foreign(cell: Cell[Any]) -> str:
    """Why PyTorch does not have a cell; empty if it does."""
    if isinstance(cell, GRU) and cell.reset == "before":
        return "its nn.GRU resets after the product"
    if isinstance(cell, LSTM) and cell.gates == "cell":
        return "the gates of its nn.LSTM read the hidden state"
    if isinstance(cell, LSTM) and cell.output == "identity":
        return "its nn.LSTM has output o⊙tanh(c)"
    return ""


def state_of(model: Model) -> dict[str, Array]:
    """The weights with PyTorch's names and in its layout: copies, float32."""
    network, w = model.network, model.parameters
    state: dict[str, Array] = {}
    if network.embedding_size:
        state["embedding.weight"] = w["embedding.W"].copy()
    for number in range(network.num_layers):
        layer = stacked(network.cell, w.scope(f"body.{number}"), ORDERS[network.cell.name])
        state[f"rnn.weight_ih_l{number}"] = layer.W
        state[f"rnn.weight_hh_l{number}"] = layer.R
        if network.cell.bias:
            state[f"rnn.bias_ih_l{number}"] = layer.b
            state[f"rnn.bias_hh_l{number}"] = layer.b_h
    head = network.head_weights(w)
    return state | {"head.weight": np.array(head["W"].T, order="C"), "head.bias": head["b"].copy()}
