"""Comparison with PyTorch's cells: forward, backward and over ten updates.

The stored numbers come from ``fixtures/make_torch_fixtures.py``.
"""

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charrnn.nn.cells import LSTM, parse_cell
from charrnn.nn.layers import Recurrent
from charrnn.nn.models import SequenceModel
from charrnn.nn.parameters import Parameters
from charrnn.nn.stack import Dropout, Stack
from charrnn.nn.types import Array, State
from charrnn.nn.workspace import Workspace

FIXTURES = Path(__file__).parent / "fixtures"
KINDS = ["rnn", "rnn,activation=relu", "lstm", "gru"]
CLOSE = 1e-10


def load(prefix: str) -> dict[str, Array]:
    """The stored arrays whose names start with ``prefix/``, without it."""
    with np.load(FIXTURES / "torch.npz") as stored:
        names = [name for name in stored.files if name.startswith(prefix + "/")]
        return {name[len(prefix) + 1 :]: stored[name] for name in names}


def state_of(case: dict[str, Array], name: str, num_layers: int) -> State:
    """``name/LAYER/PART`` as the tuples that a stack takes."""
    parts = 2 if f"{name}/0/1" in case else 1
    return tuple(
        tuple(case[f"{name}/{layer}/{part}"] for part in range(parts))
        for layer in range(num_layers)
    )


def assert_parity(kind: str, num_layers: int, case: dict[str, Array]) -> None:
    """Our outputs, final states and every gradient equal those of ``case``."""
    num_hidden = case["y"].shape[-1]
    cell = parse_cell(kind, num_hidden)
    widths = [case["x"].shape[-1]] + [num_hidden] * (num_layers - 1)
    stack = Stack(tuple(Recurrent(cell, width) for width in widths), Dropout(0.0))
    shapes = {
        f"{k}.{n}": s for k, layer in enumerate(stack.layers) for n, s in layer.shapes().items()
    }
    parameters = Parameters(shapes, np.float64)
    for name, view in parameters.items():
        view[...] = case[f"w/{name}"]
    gradients = parameters.zeros_like()
    w = tuple(parameters.scope(str(k)) for k in range(num_layers))
    g = tuple(gradients.scope(str(k)) for k in range(num_layers))

    initial = state_of(case, "state", num_layers)
    y, final, saved = stack.forward(w, case["x"], initial, Workspace(), None)
    actual = {"y": y.copy()}
    dfinal = state_of(case, "dfinal", num_layers)
    dx, dinitial = stack.backward(w, g, case["dy"].copy(), dfinal, saved)
    assert dx is not None
    actual |= {"dx": dx} | {f"dw/{name}": view for name, view in gradients.items()}
    for layer in range(num_layers):
        for part in range(len(cell.state_names)):
            actual[f"final/{layer}/{part}"] = final[layer][part]
            actual[f"dstate/{layer}/{part}"] = dinitial[layer][part]

    given = ("w/", "x", "state/", "dy", "dfinal/")
    assert actual.keys() == {name for name in case if not name.startswith(given)}
    for name, array in actual.items():
        assert np.abs(case[name]).max() > 1e-3, f"{name}: nothing to compare"
        np.testing.assert_allclose(array, case[name], rtol=0, atol=CLOSE, err_msg=name)


@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_stored_pytorch_runs_equal_ours(kind: str, num_layers: int) -> None:
    """Our own reference could share a misreading of the papers; this one does not."""
    assert_parity(kind, num_layers, load(f"{kind}/{num_layers}"))


@pytest.mark.parametrize("num_layers", [1, 2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_a_fresh_pytorch_run_equals_ours(kind: str, num_layers: int) -> None:
    """The same, against the installed PyTorch, if there is one."""
    pytest.importorskip("torch")
    script = runpy.run_path(str(FIXTURES / "make_torch_fixtures.py"))
    assert_parity(kind, num_layers, script["run_case"](kind, num_layers, seed=1234))


def test_ten_updates_give_the_same_losses() -> None:
    """Loss, gradients, carried state and updates together: an error would grow step by step."""
    trace: dict[str, Any] = load("trace")
    ids, losses = trace["ids"], trace["losses"]
    num_steps, batch_size = 8, ids.shape[1]
    model = SequenceModel(7, 7, LSTM(6))
    parameters = Parameters(model.shapes(), np.float64)
    for name, view in parameters.items():
        view[...] = trace[f"w/{name}"]
    gradients, workspace = parameters.zeros_like(), Workspace()

    state, actual = model.zero_state(batch_size, np.float64), []
    for start in range(0, len(ids) - 1, num_steps):
        x, targets = ids[start : start + num_steps], ids[start + 1 : start + num_steps + 1]
        total, state = model.cross_entropy(
            parameters, x, targets, state, workspace, gradients=gradients
        )
        parameters.flat -= 0.5 * gradients.flat / x.size
        actual.append(total / x.size)
    assert len(losses) == 10
    assert losses[-1] < losses[0] - 0.1, "it has to learn for the trace to mean something"
    np.testing.assert_allclose(actual, losses, rtol=0, atol=CLOSE)
