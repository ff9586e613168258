"""Alterations that no test noticed before these: see ``mutation_drill.py``."""

from typing import Any

import numpy as np
import pytest

from charrnn.nn import head
from charrnn.nn.cells import GRU, LSTM, RNN, Cell
from charrnn.nn.layers import Recurrent
from charrnn.nn.losses import LOSSES, softmax_cross_entropy
from charrnn.nn.models import SequenceModel
from charrnn.nn.parameters import Parameters
from charrnn.nn.stack import Dropout, Stack
from charrnn.nn.types import Array, LayerState
from charrnn.nn.workspace import Workspace

NUM_STEPS, BATCH_SIZE, SIZE = 5, 2, 4


def draw(rng: np.random.Generator, layer: Recurrent) -> tuple[dict[str, Array], LayerState]:
    """Random weights and a random state, or gradients by them."""
    weights = {name: 0.6 * rng.standard_normal(shape) for name, shape in layer.shapes().items()}
    row = (BATCH_SIZE, layer.cell.hidden_size)
    return weights, tuple(rng.standard_normal(row) for _ in layer.cell.state_names)


def test_a_stack_of_different_cells_equals_its_layers_one_by_one() -> None:
    """If all layers had the same cell, the backward pass of any layer would fit all."""
    rng = np.random.default_rng(0)
    cells: list[Cell[Any]] = [LSTM(SIZE), GRU(SIZE, reset="before"), RNN(SIZE)]
    layers = [Recurrent(cell, SIZE) for cell in cells]
    w, state = zip(*(draw(rng, layer) for layer in layers), strict=True)
    _, dstate = zip(*(draw(rng, layer) for layer in layers), strict=True)
    x, dy = rng.standard_normal((2, NUM_STEPS, BATCH_SIZE, SIZE))

    stack = Stack(tuple(layers), Dropout(0.0))
    gradients = tuple({name: np.empty_like(array) for name, array in part.items()} for part in w)
    _, _, saved = stack.forward(w, x, state, Workspace(), None)
    dx, dinitial = stack.backward(w, gradients, dy.copy(), dstate, saved)
    assert dx is not None

    y, saves = x, []
    for k, layer in enumerate(layers):
        y, _, layer_saved = layer.forward(w[k], y, state[k], Workspace())
        saves.append(layer_saved)
    below: Array | None = dy
    for k in reversed(range(len(layers))):
        assert below is not None
        expected = {name: np.empty_like(array) for name, array in w[k].items()}
        below, initial = layers[k].backward(w[k], expected, below, dstate[k], saves[k])
        for name, array in expected.items():
            np.testing.assert_array_equal(gradients[k][name], array)
            assert array.any()
        for ours, plain in zip(dinitial[k], initial, strict=True):
            np.testing.assert_array_equal(ours, plain)
    assert below is not None
    np.testing.assert_array_equal(dx, below)


@pytest.mark.parametrize("parts", [1, 3])
def test_a_gradient_by_a_state_with_other_parts_is_refused(parts: int) -> None:
    """An LSTM carries h and c: a gradient by one of them alone is a mistake."""
    rng = np.random.default_rng(0)
    layer = Recurrent(LSTM(SIZE), SIZE)
    w, state = draw(rng, layer)
    y, _, saved = layer.forward(w, np.ones((NUM_STEPS, BATCH_SIZE, SIZE)), state, Workspace())
    dy = np.ones_like(y)
    with pytest.raises(ValueError, match="dstate must be"):
        layer.backward(w, w, dy, (state[0],) * parts, saved)


def test_the_head_alone_on_symbols_has_no_gradient_but_its_own() -> None:
    """Symbols have none, and without layers there is no state."""
    model = SequenceModel(5, 3, RNN(1), num_layers=0)
    p = Parameters(model.shapes(), np.float64)
    y, _, saved = model.forward(p, np.zeros((NUM_STEPS, BATCH_SIZE), dtype=np.intp), ())
    g = p.zeros_like()
    assert model.backward(p, g, np.ones_like(y), None, saved) == (None, ())
    assert g["head.b"].tolist() == [NUM_STEPS * BATCH_SIZE] * 3


def test_a_piece_of_the_head_is_at_least_one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """And not more, if a single row has more logits than the limit."""
    sizes = []

    def recording(logits: Array, targets: Array, weights: Array | None, *, each: bool) -> Any:
        sizes.append(len(logits))
        return softmax_cross_entropy(logits, targets, weights, each=each)

    monkeypatch.setattr(head, "HEAD_ELEMENTS", 1)
    monkeypatch.setitem(LOSSES, "softmax", recording)
    model = SequenceModel(5, 5, RNN(SIZE))
    x = np.zeros((NUM_STEPS, BATCH_SIZE), dtype=np.intp)
    state = model.zero_state(BATCH_SIZE, np.float64)
    model.cross_entropy(Parameters(model.shapes(), np.float64), x, x, state, Workspace())
    assert sizes == [1] * (BATCH_SIZE * NUM_STEPS)
