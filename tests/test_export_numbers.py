"""Exported models compute the same: in the libraries, and by the libraries' documentation."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exported_models import close, drawn, needs_onnx, needs_torch
from support import ROOT

import charrnn as library
from charrnn.errors import InputError
from charrnn.exporting.about import about
from charrnn.exporting.torch_file import modules_of, state_of
from charrnn.nn.cells import CELLS, all_variants
from charrnn.nn.types import Array, State
from charrnn.runs.model import Model

VARIANTS = [variant.label for cell in CELLS.values() for variant in all_variants(cell, 1)]
SETTINGS: dict[str, dict[str, Any]] = {label: {"cell": label, "layers": 2} for label in VARIANTS}
for name in ("rnn", "lstm", "lstm,gates=cell", "gru"):
    SETTINGS |= {
        f"{name}, one layer": {"cell": name},
        f"{name}, three layers": {"cell": name, "layers": 3, "hidden": 21},
        f"{name}, embedding": {"cell": name, "embedding": 5},
        f"{name}, tied head": {"cell": name, "head": "tied", "layers": 2},
        f"{name}, bytes": {"cell": name, "level": "byte"},
    }
SETTINGS |= {"no layer": {"layers": 0}, "no layer, embedding": {"layers": 0, "embedding": 5}}
every_model = pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
FOREIGN = {"reset=before": "resets after", "gates=cell": "the hidden state", "identity": "tanh(c)"}
STEPS, LANES = 200, 2


def reading(model: Model) -> tuple[Array, State, Array, State]:
    """Symbols (T, B), a state, and our results: log-probabilities and a state."""
    rng, network = np.random.default_rng(5), model.network
    x = rng.integers(len(model.vocabulary), size=(STEPS, LANES))
    state: State = tuple(
        tuple(rng.normal(0, 0.5, h.shape).astype(np.float32) for h in layer)
        for layer in network.zero_state(LANES)
    )
    y, after, _ = network.forward(model.parameters, x, state)
    return x, state, log_softmax(y), after


def log_softmax(y: Array) -> Array:
    y = y.astype(np.float64)
    y -= y.max(axis=-1, keepdims=True)
    y -= np.log(np.exp(y).sum(axis=-1, keepdims=True))
    assert y.min() < -4, "all symbols equally likely: nothing to compare"
    return y


def by_part(state: State) -> list[Array]:
    """h, then c, of all layers: (L, B, H)."""
    return [np.stack(parts) for parts in zip(*state, strict=True)]


# ONNX


@every_model
def test_onnx_runtime_computes_the_same(tmp_path: Path, settings: dict[str, Any]) -> None:
    runtime = needs_onnx()
    import onnx

    model = drawn(tmp_path, **settings)
    x, state, expected, after = reading(model)
    library.export(model, tmp_path / "m.onnx")
    onnx.checker.check_model(tmp_path / "m.onnx", full_check=True)
    session = runtime.InferenceSession(str(tmp_path / "m.onnx"))
    names = model.network.cell.state_names if model.network.num_layers else ()
    given = dict(zip(names, by_part(state), strict=True))
    log_p, *states = session.run(None, {"symbols": x, **given})
    close(log_p, expected)
    for part, ours in zip(states, by_part(after), strict=True):
        close(part, ours)


def test_a_trained_model_is_equally_accurate_in_onnx_runtime(tmp_path: Path) -> None:
    """Its numbers are larger, and so are the rounding errors, equally in both."""
    runtime = needs_onnx()
    model = library.load(ROOT / "checkpoints" / "pydoc.npz")
    library.export(model, tmp_path / "m.onnx")
    session = runtime.InferenceSession(str(tmp_path / "m.onnx"))
    x = np.random.default_rng(5).integers(len(model.vocabulary), size=(STEPS, 32))
    network, w = model.network, model.parameters
    given = by_part(network.zero_state(32))[0]
    theirs, _ = session.run(None, {"symbols": x, "h": given})
    ours, _, _ = network.forward(w, x, network.zero_state(32))
    wide = network.zero_state(32, np.float64)
    exact, _, _ = network.forward(w.astype(np.float64), x, wide)
    off_theirs, off_ours = (
        float(np.median(np.abs(y - log_softmax(exact)).max(axis=(0, 2))))
        for y in (theirs, log_softmax(ours))
    )
    assert 5e-6 < off_ours < 5e-5
    assert off_theirs < 2 * off_ours


def test_a_text_read_in_pieces_gives_the_same_result(tmp_path: Path) -> None:
    """By carrying the state; the length of a piece and the number of texts may vary."""
    runtime = needs_onnx()
    model = drawn(tmp_path, cell="lstm,gates=cell")
    library.export(model, tmp_path / "m.onnx")
    session = runtime.InferenceSession(str(tmp_path / "m.onnx"))
    x = reading(model)[0][:, :1]
    zero = dict(zip("hc", by_part(model.network.zero_state(1)), strict=True))
    whole, *_ = session.run(None, {"symbols": x, **zero})
    first, *after = session.run(None, {"symbols": x[:150], **zero})
    rest, *_ = session.run(None, {"symbols": x[150:], **dict(zip("hc", after, strict=True))})
    close(np.concatenate([first, rest]), whole)


# PyTorch


def sigmoid(a: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-a)))


def torchs_layer(kind: str, how: dict[str, Any], w: dict[str, Array], x: Array, s: Any) -> Array:
    """The documented equations of torch.nn.RNN, LSTM and GRU, one gate at a time."""
    h, *c = s
    none = np.zeros(len(w["weight_hh"]))
    W, R, b, b_h = (
        w["weight_ih"], w["weight_hh"], w.get("bias_ih", none), w.get("bias_hh", none)
    )  # fmt: skip
    outputs = []
    for x_t in x:
        own, rec = x_t @ W.T + b, h @ R.T + b_h
        if kind == "RNN":
            a = own + rec
            h = np.tanh(a) if how["nonlinearity"] == "tanh" else np.maximum(a, 0)
        elif kind == "LSTM":
            i, f, g, o = np.split(own + rec, 4, axis=-1)
            c = [sigmoid(f) * c[0] + sigmoid(i) * np.tanh(g)]
            h = sigmoid(o) * np.tanh(c[0])
        else:
            (r, z, n), (r_h, z_h, n_h) = (np.split(p, 3, axis=-1) for p in (own, rec))
            r, z = sigmoid(r + r_h), sigmoid(z + z_h)
            h = (1 - z) * np.tanh(n + r * n_h) + z * h
        outputs.append(h)
    return np.stack(outputs)


def why_foreign(settings: dict[str, Any]) -> str:
    """Why PyTorch does not have a cell; the first reason, if there are two."""
    cell = settings.get("cell", "lstm")
    return next((why for word, why in FOREIGN.items() if word in cell), "")


@every_model
def test_the_state_dict_follows_pytorchs_documentation(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    """By PyTorch's documented equations, whether it is installed or not."""
    model = drawn(tmp_path, **settings)
    if why_foreign(settings):
        with pytest.raises(InputError, match=re.escape(why_foreign(settings))) as error:
            library.export(model, tmp_path / "m.pt")
        assert "\n" not in str(error.value) + error.value.hint
        assert not (tmp_path / "m.pt").exists()
        return
    x, state, expected, _ = reading(model)
    found, modules = state_of(model), modules_of(model)
    y = np.eye(len(model.vocabulary))[x]
    if "embedding" in modules:
        y = y @ found["embedding.weight"]
    for k, of_layer in enumerate(state):
        own = {
            name[4:].removesuffix(f"_l{k}"): array
            for name, array in found.items()
            if name.startswith("rnn.") and name.endswith(f"_l{k}")
        }
        y = torchs_layer(*modules["rnn"], own, y, of_layer)
    close(log_softmax(y @ found["head.weight"].T + found["head.bias"]), expected)


@every_model
def test_pytorch_computes_the_same(tmp_path: Path, settings: dict[str, Any]) -> None:
    torch = needs_torch()
    if why_foreign(settings):
        return
    model = drawn(tmp_path, **settings)
    x, state, expected, after = reading(model)
    library.export(model, tmp_path / "m.pt")
    saved = torch.load(tmp_path / "m.pt", weights_only=True)
    said = saved.pop("_extra_state")
    assert {**said, "modules": None} == {**about(model), "modules": None}
    net = torch.nn.Module()
    for name, (kind, arguments) in said["modules"].items():
        net.add_module(name, getattr(torch.nn, kind)(**arguments))
    net.load_state_dict(saved)
    with torch.no_grad():
        y = torch.from_numpy(x)
        y = net.embedding(y) if "embedding" in said["modules"] else torch.eye(net_size(said))[y]
        if state:
            parts = [torch.from_numpy(part) for part in by_part(state)]
            y, last = net.rnn(y, parts[0] if len(parts) == 1 else tuple(parts))
            last = last if isinstance(last, tuple) else (last,)
            for part, ours in zip(last, by_part(after), strict=True):
                close(part.numpy(), ours)
        close(net.head(y).log_softmax(-1).numpy(), expected)


def net_size(said: Mapping[str, Any]) -> int:
    return len(said["vocabulary"]["codes"])
