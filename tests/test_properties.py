"""What a gradient check cannot see: a backward pass agrees with a wrong forward pass just as well.

The notes' own equations and examples, laws that hold whatever the weights, and the small parts
that the networks are made of. The notes write columns (W·x), the code rows (x·W): hence ``.T``.
"""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from charrnn.nn import head
from charrnn.nn.cells import CELLS, GRU, LSTM, RNN, Cell, UnknownCellError, all_variants, parse_cell
from charrnn.nn.init import glorot, orthogonal
from charrnn.nn.layers import Layer, Recurrent
from charrnn.nn.losses import LOSSES, softmax, softmax_cross_entropy
from charrnn.nn.models import SequenceModel
from charrnn.nn.ops import gather_rows, relu, scatter_rows, sigmoid
from charrnn.nn.parameters import Parameters
from charrnn.nn.stack import Dropout, Stack
from charrnn.nn.types import Array, LayerState, State
from charrnn.nn.workspace import StaleBackwardError, Workspace

AnyCell = Cell[Any]

VARIANTS = [cell for kind in CELLS.values() for cell in all_variants(kind, 4)]
every_cell = pytest.mark.parametrize("cell", VARIANTS, ids=lambda cell: cell.label)


def random_weights(layer: Layer, seed: int = 0) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    return {name: 0.6 * rng.standard_normal(shape) for name, shape in layer.shapes().items()}


def random_state(cell: AnyCell, batch_size: int, seed: int = 1) -> LayerState:
    rng = np.random.default_rng(seed)
    return tuple(rng.standard_normal((batch_size, cell.hidden_size)) for _ in cell.state_names)


def random_parameters(model: SequenceModel, seed: int = 0) -> Parameters:
    parameters = Parameters(model.shapes(), np.float64)
    parameters.flat[:] = 0.6 * np.random.default_rng(seed).standard_normal(parameters.flat.size)
    return parameters


def outputs(
    layer: Recurrent, w: dict[str, Array], x: Array, state: LayerState
) -> tuple[Array, LayerState]:
    y, final, _ = layer.forward(w, x, state, Workspace())
    return y.copy(), final


def logistic(a: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-a)))


# Time


@every_cell
def test_the_past_does_not_see_the_future(cell: AnyCell) -> None:
    """Changing x at t changes nothing before t, to the last bit, and something from t on."""
    rng = np.random.default_rng(0)
    layers = Stack((Recurrent(cell, 3), Recurrent(cell, 4)), Dropout(0.0))
    w = tuple(random_weights(layer, seed) for seed, layer in enumerate(layers.layers))
    state = (random_state(cell, 2, 1), random_state(cell, 2, 2))
    x = rng.standard_normal((6, 2, 3))
    before = layers.forward(w, x, state, Workspace(), None)[0].copy()
    for t in range(6):
        changed = x.copy()
        changed[t] += 10 * rng.standard_normal((2, 3))
        after = layers.forward(w, changed, state, Workspace(), None)[0]
        assert np.array_equal(after[:t], before[:t])
        assert not np.array_equal(after[t], before[t])


@every_cell
def test_the_past_is_not_forgotten_at_once(cell: AnyCell) -> None:
    """The other half of causality: x at 0 and the initial state affect the last output."""
    rng = np.random.default_rng(0)
    layer, state = Recurrent(cell, 3), random_state(cell, 2)
    w, x = random_weights(layer), rng.standard_normal((4, 2, 3))
    last = outputs(layer, w, x, state)[0][-1]
    changed = x.copy()
    changed[0] += 1
    assert not np.allclose(outputs(layer, w, changed, state)[0][-1], last, atol=1e-6)
    for part in range(len(state)):
        moved = tuple(s + (k == part) for k, s in enumerate(state))
        assert not np.allclose(outputs(layer, w, x, moved)[0][-1], last, atol=1e-6)


# The notes


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("reset", ["before", "after"])
def test_gru_write_is_keep_with_the_update_gate_negated(reset: str, bias: bool) -> None:
    """1 - σ(a) = σ(-a): note 000's GRU and note 003's are one model under another sign."""
    keep = Recurrent(GRU(4, bias=bias, reset=reset, update="keep"), 3)
    write = Recurrent(GRU(4, bias=bias, reset=reset, update="write"), 3)
    w, state = random_weights(keep), random_state(keep.cell, 2)
    x = np.random.default_rng(2).standard_normal((5, 2, 3))
    negated = {name: array.copy() for name, array in w.items()}
    for name in ("W_x", "W_h", "b") if bias else ("W_x", "W_h"):
        negated[name][..., 4:8] *= -1
    y = outputs(keep, w, x, state)[0]
    np.testing.assert_allclose(outputs(write, negated, x, state)[0], y, rtol=1e-12, atol=1e-14)
    assert not np.allclose(outputs(write, w, x, state)[0], y, atol=0.1)


@pytest.mark.parametrize("reset", ["before", "after"])
def test_an_open_update_gate_keeps_or_writes(reset: str) -> None:
    """Note 000: z ≈ 1 copies the old state out; note 003: Γu ≈ 1 writes the candidate."""
    state = random_state(GRU(4), 2)
    x = np.random.default_rng(2).standard_normal((1, 2, 3))
    keep = Recurrent(GRU(4, reset=reset, update="keep"), 3)
    w = random_weights(keep)
    w["b"][4:8] = 60.0
    np.testing.assert_allclose(outputs(keep, w, x, state)[0][0], state[0], rtol=1e-12)
    written = outputs(Recurrent(GRU(4, reset=reset, update="write"), 3), w, x, state)[0][0]
    w["b"][4:8] = -60.0
    candidate = outputs(keep, w, x, state)[0][0]
    np.testing.assert_allclose(written, candidate, rtol=1e-12)
    assert np.abs(candidate).max() < 1
    assert np.abs(state[0]).max() > 1


def joined(w: dict[str, Array], past: str, rows: slice, columns: slice) -> Array:
    """[W_h : W_x] of one gate as the notes write it, to multiply [h′; x] from the left."""
    return np.hstack([w[past][:, rows].T, w["W_x"][:, columns].T])


def test_note_003_gru_with_joined_weights() -> None:
    """Candidate, Γu, Γr, memory cell, a = c: line by line, with w[c′, x]."""
    size = 4
    layer = Recurrent(GRU(size, reset="before", update="write"), 3)
    w, state = random_weights(layer), random_state(layer.cell, 1)
    x = np.random.default_rng(3).standard_normal((5, 1, 3))
    at_r, at_u, at_c = (slice(k * size, (k + 1) * size) for k in range(3))
    w_r, w_u, w_c = (joined(w, "W_h", at, at) for at in (at_r, at_u, at_c))
    assert w_c.shape == (size, size + 3)
    b_r, b_u, b_c = w["b"][at_r], w["b"][at_u], w["b"][at_c]

    (c,), expected = (part[0] for part in state), []
    for x_t in x[:, 0]:
        gamma_r = logistic(w_r @ np.concatenate([c, x_t]) + b_r)
        gamma_u = logistic(w_u @ np.concatenate([c, x_t]) + b_u)
        candidate = np.tanh(w_c @ np.concatenate([gamma_r * c, x_t]) + b_c)
        c = gamma_u * candidate + (1 - gamma_u) * c
        a = c
        expected.append(a)
    y, (final,) = outputs(layer, w, x, state)
    np.testing.assert_allclose(y[:, 0], expected, rtol=1e-12)
    np.testing.assert_allclose(final[0], c, rtol=1e-12)


def test_note_003_lstm_with_joined_weights() -> None:
    """Γu, Γf, Γo read [c′, x], the candidate alone [a′, x], and a = Γo∘c without a tanh."""
    size = 4
    layer = Recurrent(LSTM(size, gates="cell", output="identity"), 3)
    w, state = random_weights(layer), random_state(layer.cell, 1)
    x = np.random.default_rng(3).standard_normal((5, 1, 3))
    at_u, at_f, at_o, at_c = (slice(k * size, (k + 1) * size) for k in range(4))
    w_u, w_f, w_o = (joined(w, "W_c", at, at) for at in (at_u, at_f, at_o))
    w_c = joined(w, "W_h", slice(None), at_c)
    b_u, b_f, b_o, b_c = (w["b"][at] for at in (at_u, at_f, at_o, at_c))

    a, c = (part[0] for part in state)
    expected = []
    for x_t in x[:, 0]:
        candidate = np.tanh(w_c @ np.concatenate([a, x_t]) + b_c)
        gamma_u = logistic(w_u @ np.concatenate([c, x_t]) + b_u)
        gamma_f = logistic(w_f @ np.concatenate([c, x_t]) + b_f)
        gamma_o = logistic(w_o @ np.concatenate([c, x_t]) + b_o)
        c = gamma_u * candidate + gamma_f * c
        a = gamma_o * c
        expected.append(a)
    y, final = outputs(layer, w, x, state)
    np.testing.assert_allclose(y[:, 0], expected, rtol=1e-12)
    np.testing.assert_allclose(final[1][0], c, rtol=1e-12)


def test_note_002_lstm_with_joined_weights() -> None:
    """f, i, C̃ and o all read [h′, x]; h = o⊙tanh(C)."""
    size = 4
    layer = Recurrent(LSTM(size), 3)
    w, state = random_weights(layer), random_state(layer.cell, 1)
    x = np.random.default_rng(3).standard_normal((5, 1, 3))
    at = [slice(k * size, (k + 1) * size) for k in range(4)]
    w_i, w_f, w_o, w_c = (joined(w, "W_h", part, part) for part in at)
    b_i, b_f, b_o, b_c = (w["b"][part] for part in at)

    h, c = (part[0] for part in state)
    expected = []
    for x_t in x[:, 0]:
        seen = np.concatenate([h, x_t])
        f, i = logistic(w_f @ seen + b_f), logistic(w_i @ seen + b_i)
        candidate, o = np.tanh(w_c @ seen + b_c), logistic(w_o @ seen + b_o)
        c = f * c + i * candidate
        h = o * np.tanh(c)
        expected.append(h)
    y, final = outputs(layer, w, x, state)
    np.testing.assert_allclose(y[:, 0], expected, rtol=1e-12)
    np.testing.assert_allclose(final[1][0], c, rtol=1e-12)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_note_003_deep_rnn_with_joined_weights(activation: str) -> None:
    """a[l]_t = g(w[l]·[a[l]_{t-1}, a[l-1]_t] + b[l]), a[0] = x; ŷ from the last layer."""
    model = SequenceModel(3, 2, RNN(4, activation=activation), num_layers=3)
    p = random_parameters(model)
    x = np.random.default_rng(3).standard_normal((5, 1, 3))
    state = tuple(random_state(model.cell, 1, seed) for seed in range(3))
    w_a = [joined(p.scope(f"body.{k}"), "W_h", slice(None), slice(None)) for k in range(3)]

    a = [layer[0][0] for layer in state]
    expected = []
    for below in x[:, 0]:
        for k in range(3):
            z = w_a[k] @ np.concatenate([a[k], below]) + p[f"body.{k}.b"]
            a[k] = below = np.tanh(z) if activation == "tanh" else np.where(z > 0, z, 0)
        expected.append(p["head.W"].T @ below + p["head.b"])
    y, _, _ = model.forward(p, x, state)
    np.testing.assert_allclose(y[:, 0], expected, rtol=1e-12)


def test_note_001_forward_recursion_gives_the_same_gradients() -> None:
    """Section 2: ∂s_t/∂W from ∂s_{t-1}/∂W, forward in time, against our backward pass.

    s_t = tanh(U·x_t + W·s_{t-1}), ŷ_t = softmax(V·s_t), E the cross-entropy, no biases.
    """
    k, m, num_steps = 4, 5, 6
    model = SequenceModel(3, m, RNN(k, bias=False))
    p = random_parameters(model)
    p["head.b"][...] = 0
    rng = np.random.default_rng(4)
    x, targets = rng.standard_normal((num_steps, 1, 3)), rng.integers(m, size=(num_steps, 1))
    state = (random_state(model.cell, 1),)
    gradients = p.zeros_like()
    loss, _ = model.cross_entropy(p, x, targets, state, Workspace(), gradients=gradients)

    U, W, V = p["body.0.W_x"].T, p["body.0.W_h"].T, p["head.W"].T
    s = state[0][0][0]
    ds_dW = np.zeros((k, k, k))  # [i, p, q]: of s[i] by W[p, q]
    dE_dW, dE_dV, E = np.zeros_like(W), np.zeros_like(V), 0.0
    for t in range(num_steps):
        dh_dW = np.einsum("ip,q->ipq", np.eye(k), s)  # h_t = U·x_t + W·s_{t-1}, s_{t-1} held
        s = np.tanh(U @ x[t, 0] + W @ s)
        ds_dh = np.diag(1 - s**2)
        ds_dW = np.tensordot(ds_dh, dh_dW + np.tensordot(W, ds_dW, 1), 1)
        y_hat = np.exp(V @ s) / np.exp(V @ s).sum()
        E -= np.log(y_hat[targets[t, 0]])
        dE_dz = y_hat - np.eye(m)[targets[t, 0]]
        dE_dV += np.outer(dE_dz, s)
        dE_dW += np.tensordot(dE_dz @ V, ds_dW, 1)
    assert loss == pytest.approx(E, rel=1e-13, abs=0)
    np.testing.assert_allclose(gradients["body.0.W_h"], dE_dW.T, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(gradients["head.W"], dE_dV.T, rtol=1e-11, atol=1e-13)


def note_002() -> tuple[SequenceModel, Parameters]:
    """The network of the worked example: one input, two hidden units, one output."""
    model = SequenceModel(1, 1, RNN(2))
    p = Parameters(model.shapes(), np.float64)
    p["body.0.W_x"][...] = np.array([[0.5], [0.1]]).T
    p["body.0.W_h"][...] = np.array([[0.4, 0.2], [0.3, 0.7]]).T
    p["head.W"][...] = np.array([[1.0, -1.0]]).T
    return model, p


def test_note_002_worked_example() -> None:
    """Digit for digit: h₁ = [tanh 0.5, tanh 0.1] and y₁ = tanh 0.5 - tanh 0.1."""
    model, p = note_002()
    y, ((h,),), _ = model.forward(p, np.ones((1, 1, 1)), model.zero_state(1, np.float64))
    assert h[0].tolist() == pytest.approx(
        [0.46211715726000976, 0.09966799462495582], rel=1e-15, abs=0
    )
    assert y.item() == pytest.approx(0.36244916263505394, rel=1e-15, abs=0)
    assert h[0].tolist() == pytest.approx([math.tanh(0.5), math.tanh(0.1)], rel=1e-15, abs=0)


def test_note_002_worked_example_a_step_further() -> None:
    """The example's h₀ is zero and cannot tell W_h from its transpose; h₁ can."""
    model, p = note_002()
    x = np.array([1.0, 2.0]).reshape(2, 1, 1)
    y, ((h,),), _ = model.forward(p, x, model.zero_state(1, np.float64))
    h_1 = [math.tanh(0.5), math.tanh(0.1)]
    h_2 = [
        math.tanh(0.5 * 2 + 0.4 * h_1[0] + 0.2 * h_1[1]),
        math.tanh(0.1 * 2 + 0.3 * h_1[0] + 0.7 * h_1[1]),
    ]
    assert h[0].tolist() == pytest.approx(h_2, rel=1e-14, abs=0)
    assert y[1].item() == pytest.approx(h_2[0] - h_2[1], rel=1e-14, abs=0)


@pytest.mark.parametrize("symbols", [False, True], ids=["vectors", "symbols"])
def test_no_layers_are_note_000s_softmax_regression(symbols: bool) -> None:
    """The closed form of its gradient: Xᵀ(p - y), and Σ (p - y) for the bias."""
    model = SequenceModel(6, 4, RNN(1), num_layers=0)
    assert set(model.shapes()) == {"head.W", "head.b"}
    p, rng = random_parameters(model), np.random.default_rng(5)
    ids = rng.integers(6, size=(7, 3))
    X = np.eye(6)[ids.ravel()] if symbols else rng.standard_normal((21, 6))
    targets = rng.integers(4, size=(7, 3))
    gradients = p.zeros_like()
    x = ids if symbols else X.reshape(7, 3, 6)
    loss, state = model.cross_entropy(p, x, targets, (), Workspace(), gradients=gradients)

    exp = np.exp(X @ p["head.W"] + p["head.b"])
    probabilities = exp / exp.sum(axis=1, keepdims=True)
    error = probabilities - np.eye(4)[targets.ravel()]
    assert state == ()
    assert loss == pytest.approx(-np.log(probabilities[range(21), targets.ravel()]).sum())
    np.testing.assert_allclose(gradients["head.W"], X.T @ error, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(gradients["head.b"], error.sum(axis=0), rtol=1e-12, atol=1e-13)


def test_no_layers_give_the_gradient_by_vectors() -> None:
    """dy·Wᵀ: without layers, the head returns the gradient by its input."""
    model = SequenceModel(6, 4, RNN(1), num_layers=0)
    p, rng = random_parameters(model), np.random.default_rng(5)
    x, dy = rng.standard_normal((7, 3, 6)), rng.standard_normal((7, 3, 4))
    _, _, saved = model.forward(p, x, ())
    dx, dstate = model.backward(p, p.zeros_like(), dy, None, saved)
    assert dx is not None
    assert dstate == ()
    np.testing.assert_allclose(dx, dy @ p["head.W"].T, rtol=1e-12)


# Dropout


def test_dropout_keeps_the_mean_and_drops_at_its_rate() -> None:
    """A quarter of 200 000 are zero within four standard deviations, the rest ⁴⁄₃ as large.

    One mask serves all steps.
    """
    x = np.full((3, 200, 1000), 2.0)
    y, mask = Dropout(0.25, "sequence").forward(x, np.random.default_rng(0), Workspace())
    assert mask is not None
    assert set(np.unique(mask)) == {0.0, 1 / 0.75}
    assert mask.shape == (1, 200, 1000)
    each, drawn = Dropout(0.25).forward(x, np.random.default_rng(0), Workspace())
    assert drawn is not None
    assert drawn.shape == x.shape
    assert abs(np.mean(drawn == 0) - 0.25) < 0.01
    assert not np.array_equal(each[0], each[1])
    np.testing.assert_array_equal(y[0], y[1])
    np.testing.assert_array_equal(y, x * mask)
    deviation = math.sqrt(0.25 * 0.75 / mask.size)
    assert abs(np.mean(mask == 0) - 0.25) < 4 * deviation
    assert abs(y.mean() - 2.0) < 4 * 2 * deviation / 0.75
    for axis in (1, 2):  # no sequence and no feature is spared or lost
        shares = np.mean(mask == 0, axis=tuple(k for k in range(3) if k != axis))
        assert 0.1 < shares.min() < shares.max() < 0.4
    dy = np.full_like(x, 3.0)
    Dropout(0.25).backward(dy, mask)
    np.testing.assert_array_equal(dy, np.broadcast_to(3.0 * mask, x.shape))


def test_there_is_no_dropout_without_a_generator() -> None:
    """In evaluation it returns the same array, and no mask."""
    x, rng = np.random.default_rng(0).standard_normal((3, 2, 4)), np.random.default_rng(1)
    for rate, generator in ((0.5, None), (0.0, rng)):
        y, mask = Dropout(rate).forward(x, generator, Workspace())
        assert y is x
        assert mask is None
    dy = x.copy()
    Dropout(0.5).backward(dy, None)
    np.testing.assert_array_equal(dy, x)


@pytest.mark.parametrize("dtype", [np.float32, np.complex128])
def test_one_seed_gives_one_mask_in_every_dtype(dtype: type[np.generic]) -> None:
    """A network drops the same units when checked in float64 as when trained in float32."""
    masks = []
    for kind in (dtype, np.float64):
        x = np.ones((20, 4, 8), dtype=kind)
        y, mask = Dropout(0.4).forward(x, np.random.default_rng(7), Workspace())
        assert mask is not None
        assert y.dtype == mask.dtype == x.dtype
        masks.append(mask)
    np.testing.assert_array_equal(masks[0] == 0, masks[1] == 0)
    assert 0 < np.mean(masks[1] == 0) < 1
    other = Dropout(0.4).forward(np.ones((20, 4, 8)), np.random.default_rng(8), Workspace())[1]
    assert other is not None
    assert not np.array_equal(other, masks[1])


def test_gradients_go_through_the_masks() -> None:
    """The complex step, with the same masks in every evaluation."""
    model = SequenceModel(5, 5, LSTM(4), num_layers=2, dropout=0.5)
    p, rng = random_parameters(model), np.random.default_rng(6)
    x, targets = rng.integers(5, size=(2, 6, 2))
    state: State = (random_state(model.cell, 2, 1), random_state(model.cell, 2, 2))

    def run(parameters: Parameters, gradients: Parameters | None = None) -> Any:
        masks = np.random.default_rng(9)
        workspace = Workspace()
        return model.cross_entropy(
            parameters, x, targets, state, workspace, gradients=gradients, rng=masks
        )[0]

    gradients = p.zeros_like()
    assert run(p, gradients) == run(p)
    plain, _ = model.cross_entropy(p, x, targets, state, Workspace())
    assert abs(run(p) - plain) > 0.01
    numeric = np.empty(p.flat.size)
    for k in range(p.flat.size):
        moved = p.astype(np.complex128)
        moved.flat[k] += 1e-30j
        numeric[k] = run(moved).imag / 1e-30
    np.testing.assert_allclose(gradients.flat, numeric, rtol=1e-10, atol=1e-13)


def test_dropout_is_between_layers_and_not_through_time() -> None:
    """Zaremba et al. (2014): the state that a layer carries to its next step is not dropped."""
    model = SequenceModel(3, 2, GRU(50), num_layers=2, dropout=0.5)
    p = random_parameters(model)
    x = np.random.default_rng(6).standard_normal((6, 2, 3))
    state = model.zero_state(2, np.float64)
    _, whole, _ = model.forward(p, x, state)
    _, dropped, saved = model.forward(p, x, state, rng=np.random.default_rng(1))
    np.testing.assert_array_equal(dropped[0][0], whole[0][0])
    assert not np.allclose(dropped[1][0], whole[1][0])
    assert 0.4 < np.mean(saved.features == 0) < 0.6, "the head reads what dropout left"


# Initial weights


def test_new_networks_remember() -> None:
    """Forget gates start open (b = 1), every other bias at zero."""
    layer = Recurrent(LSTM(3), 5)
    b = layer.init(np.random.default_rng(0))["b"]
    np.testing.assert_array_equal(b, [0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0])
    p = SequenceModel(5, 5, LSTM(3), num_layers=2).init(np.random.default_rng(0))
    np.testing.assert_array_equal(p["body.1.b"], b)
    assert not p["head.b"].any()


@every_cell
def test_initial_weights_by_gate(cell: AnyCell) -> None:
    """Recurrent blocks are orthogonal; inputs fill Glorot's range of one gate; biases as said."""
    cell = replace(cell, hidden_size=20)
    layer = Recurrent(cell, 30)
    values = layer.init(np.random.default_rng(0))
    assert {name: value.shape for name, value in values.items()} == layer.shapes()
    for name in values.keys() - {"W_x", "b", "b_hn"}:
        for gate in np.split(values[name], values[name].shape[1] // 20, axis=1):
            np.testing.assert_allclose(gate.T @ gate, np.eye(20), atol=1e-13)
    limit = math.sqrt(6 / (30 + 20))
    for gate in np.split(values["W_x"], cell.num_gates, axis=1):
        assert 0.98 * limit < np.abs(gate).max() <= limit
        assert abs(gate.mean()) < 0.1 * limit
    if cell.bias:
        np.testing.assert_array_equal(values["b"], cell.init_bias())
    if "b_hn" in values:
        assert not values["b_hn"].any()


def test_orthogonal_blocks_differ_and_have_both_signs() -> None:
    """Copies of one block, or blocks of one sign, would also be orthogonal."""
    first, second = np.split(orthogonal(np.random.default_rng(0), 5, 2), 2, axis=1)
    assert not np.allclose(first, second)
    rng = np.random.default_rng(1)
    corners = [orthogonal(rng, 3)[0, 0] for _ in range(200)]
    assert 70 < sum(corner > 0 for corner in corners) < 130


def test_glorot_counts_one_gate() -> None:
    """Equation 16 of Glorot and Bengio (2010), without the joined width."""
    rng = np.random.default_rng(0)
    assert 0.99 < np.abs(glorot(rng, (100, 50))).max() / math.sqrt(6 / 150) <= 1
    assert 0.99 < np.abs(glorot(rng, (100, 200), 4)).max() / math.sqrt(6 / 150) <= 1


def test_initial_weights_of_a_model() -> None:
    """The head is Glorot's, an embedding's numbers are of order one, and the generator decides."""
    model = SequenceModel(200, 40, GRU(30), embedding_size=50)
    p = model.init(np.random.default_rng(0))
    assert p.dtype == p.flat.dtype == np.float32
    limit = math.sqrt(6 / 70)
    assert 0.98 * limit < np.abs(p["head.W"]).max() <= limit * (1 + 1e-6)
    assert p["embedding.W"].std() == pytest.approx(1, abs=0.03)
    np.testing.assert_array_equal(model.init(np.random.default_rng(0)).flat, p.flat)
    assert not np.array_equal(model.init(np.random.default_rng(1)).flat, p.flat)
    exact = model.init(np.random.default_rng(0), np.float64)
    np.testing.assert_array_equal(exact.flat.astype(np.float32), p.flat)


def test_a_one_hot_input_is_as_large_as_the_state() -> None:
    """Each step reads one row of W_x: its fan-in is one, not the number of symbols."""
    symbols = SequenceModel(200, 40, GRU(30)).init(np.random.default_rng(0))
    assert symbols["body.0.W_x"].std() == pytest.approx(1, abs=0.03)
    vectors = SequenceModel(200, 40, GRU(30), input="vectors").init(np.random.default_rng(0))
    assert np.abs(vectors["body.0.W_x"]).max() <= math.sqrt(6 / 230)
    deep = SequenceModel(200, 40, GRU(30), num_layers=2).init(np.random.default_rng(0))
    assert np.abs(deep["body.1.W_x"]).max() <= math.sqrt(6 / 60)


# Parameters


SHAPES = {"a.W": (2, 3), "a.b": (3,), "ab.W": (3, 2), "ab.b": (2,)}


def test_views_alias_the_flat_vector() -> None:
    """The optimiser writes the vector, the layers read the views: they are one memory."""
    p = Parameters(SHAPES, np.float64)
    assert p.flat.tolist() == [0.0] * 17
    p.flat[:] = np.arange(17)
    assert p["a.W"].tolist() == [[0, 1, 2], [3, 4, 5]]
    p["a.b"][...] = -1
    assert p.flat[12:15].tolist() == [-1, -1, -1]
    assert all(np.shares_memory(view, p.flat) for view in p.values())
    given = np.ones(17)
    assert Parameters(SHAPES, np.float64, given).flat is given


def test_matrices_come_before_vectors() -> None:
    """So that weight decay, which spares biases, is one slice."""
    p = Parameters(SHAPES, np.float64)
    for name, view in p.items():
        view[...] = 2 if name.endswith("W") else 1
    assert p.num_matrix == 12
    assert p.flat.tolist() == [2.0] * 12 + [1.0] * 5
    assert list(p) == list(SHAPES)
    assert len(p) == 4


def test_a_scope_is_one_layers_views() -> None:
    """Whole names up to the dot: ``a`` is not the beginning of ``ab``."""
    p = Parameters(SHAPES, np.float64)
    scope = p.scope("a")
    assert scope.keys() == {"W", "b"}
    scope["W"][...] = 5
    assert p["a.W"].tolist() == [[5, 5, 5], [5, 5, 5]]
    assert not p["ab.W"].any()
    assert p.scope("b") == {}


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.complex128])
def test_parameters_in_another_dtype_are_a_copy(dtype: type[np.generic]) -> None:
    """Also in the same dtype: a checked copy must not change with the trained one."""
    p = Parameters(SHAPES, np.float64, np.arange(17.0))
    other = p.astype(dtype)
    assert {other.dtype, other.flat.dtype, other["ab.W"].dtype} == {np.dtype(dtype)}
    np.testing.assert_array_equal(other.flat, p.flat)
    other.flat[:] = 0
    assert p.flat.tolist() == list(range(17))
    zeros = p.zeros_like()
    assert zeros.flat.tolist() == [0.0] * 17
    assert zeros.dtype == p.dtype
    assert zeros.shapes == p.shapes


@pytest.mark.parametrize(
    "flat",
    [
        np.zeros(16),
        np.zeros(18),
        np.zeros(17, dtype=np.float32),
        np.zeros((17, 1)),
        np.zeros(34)[::2],
    ],
    ids=["short", "long", "dtype", "matrix", "strided"],
)
def test_a_vector_that_does_not_fit_is_refused(flat: Array) -> None:
    """Training a view into a copy would have no effect."""
    with pytest.raises(ValueError, match="contiguous vector of 17 float64"):
        Parameters(SHAPES, np.float64, flat)


# Functions and losses


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sigmoid_and_relu_at_extreme_values(dtype: type[np.floating[Any]]) -> None:
    """σ saturates without overflow; ReLU cuts at zero; both write to ``out``."""
    a = np.array([-1e4, -1.0, 0.0, 1.0, 1e4], dtype=dtype)
    out = np.empty_like(a)
    sigmoid(a, out=out)
    middle = [1 / (1 + math.e), 0.5, 1 / (1 + math.exp(-1))]
    np.testing.assert_allclose(out, [0, *middle, 1], rtol=1e-6 if dtype is np.float32 else 1e-15)
    relu(a, out=out)
    assert out.tolist() == [0, 0, 0, 1, 1e4]
    assert a.tolist() == [-1e4, -1, 0, 1, 1e4]


@pytest.mark.parametrize("vocab_size", [5, 256, 257, 400])
def test_scattered_rows_are_sums(vocab_size: int) -> None:
    """On both sides of the limit between the two methods; rows without a symbol are zero."""
    rng = np.random.default_rng(0)
    ids = rng.integers(vocab_size - 1, size=40)
    ids[:3] = 0
    d, out = rng.standard_normal((40, 6)), np.full((vocab_size, 6), np.nan)
    scatter_rows(ids, d, out)
    expected = np.zeros((vocab_size, 6))
    np.add.at(expected, ids, d)
    np.testing.assert_allclose(out, expected, rtol=1e-13, atol=1e-14)
    assert not out[-1].any()
    gathered = np.empty((40, 6))
    gather_rows(out, ids, gathered)
    np.testing.assert_array_equal(gathered, out[ids])
    scatter_rows(ids[:0], d[:0], out)
    assert not out.any()


def some_logits(rows: int = 8, columns: int = 5) -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    return 3 * rng.standard_normal((rows, columns)), rng.integers(columns, size=rows)


def test_cross_entropy_by_its_definition() -> None:
    """-Σ w·ln p[target] and w·(p - one-hot), against the plain formulas."""
    logits, targets = some_logits()
    weights = np.linspace(0.1, 2, 8)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    probabilities = logits.copy()
    softmax(probabilities)
    np.testing.assert_allclose(probabilities, p, rtol=1e-13)
    gradient = logits.copy()
    loss = softmax_cross_entropy(gradient, targets, weights)
    assert loss == pytest.approx(-(weights * np.log(p[range(8), targets])).sum(), rel=1e-13, abs=0)
    expected = weights[:, None] * (p - np.eye(5)[targets])
    np.testing.assert_allclose(gradient, expected, rtol=1e-12, atol=1e-15)
    plain, ones = logits.copy(), logits.copy()
    assert softmax_cross_entropy(plain, targets) == softmax_cross_entropy(ones, targets, np.ones(8))
    np.testing.assert_array_equal(plain, ones)


def test_targets_of_weight_zero_do_not_count() -> None:
    """Padding: its logits and target affect neither the loss nor a gradient."""
    logits, targets = some_logits()
    weights = np.array([1.0, 0, 1, 1, 0, 0, 1, 1])
    kept = weights > 0
    alone, padded = logits[kept], logits.copy()
    expected = softmax_cross_entropy(alone, targets[kept])
    padded[~kept] = 1e3
    assert softmax_cross_entropy(padded, targets, weights) == pytest.approx(
        expected, rel=1e-14, abs=0
    )
    np.testing.assert_allclose(padded[kept], alone, rtol=1e-13, atol=1e-15)
    assert not padded[~kept].any()


def test_shards_add_up() -> None:
    """Sums, not means: the batch split over workers gives the batch's loss and gradients."""
    logits, targets = some_logits(rows=9)
    whole, first, second = logits.copy(), logits[:2].copy(), logits[2:].copy()
    total = softmax_cross_entropy(whole, targets)
    parts = softmax_cross_entropy(first, targets[:2]), softmax_cross_entropy(second, targets[2:])
    assert sum(parts) == pytest.approx(total, rel=1e-14, abs=0)
    np.testing.assert_allclose(np.concatenate([first, second]), whole, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extreme_logits_stay_finite(dtype: type[np.floating[Any]]) -> None:
    """e^10000 overflows every float; the shifted sum does not."""
    logits = np.array([[1e4, -1e4, 0], [-1e4, 1e4, 0], [1e4, 1e4, 1e4], [-1e4] * 3], dtype=dtype)
    probabilities = logits.copy()
    softmax(probabilities)
    third = [1 / 3] * 3
    expected = np.array([[1.0, 0, 0], [0, 1, 0], third, third])
    np.testing.assert_allclose(probabilities, expected, rtol=1e-6)
    loss = softmax_cross_entropy(logits, np.array([0, 0, 1, 2]))
    assert loss == pytest.approx(0 + 2e4 + 2 * math.log(3), rel=1e-7)
    assert loss.dtype == np.float64
    expected -= np.eye(3)[[0, 0, 1, 2]]
    np.testing.assert_allclose(logits, expected, rtol=1e-6)


def test_many_small_losses_add_up_in_float64() -> None:
    """A float32 sum over a long text would lose its last digits."""
    loss = softmax_cross_entropy(np.zeros((300_000, 3), np.float32), np.zeros(300_000, np.int64))
    assert loss == pytest.approx(300_000 * float(np.log(np.float32(3))), rel=1e-12)


# The model


@pytest.mark.parametrize("elements", [1, 30, 45, 10**9])
@pytest.mark.parametrize(
    ("num_layers", "embedding_size", "symbols"),
    [(2, 0, True), (1, 3, True), (0, 0, True), (0, 3, True), (0, 0, False), (1, 0, False)],
)
def test_the_head_in_pieces_equals_the_whole_head(
    monkeypatch: pytest.MonkeyPatch,
    elements: int,
    num_layers: int,
    embedding_size: int,
    symbols: bool,
) -> None:
    """Computing a large vocabulary's logits in pieces changes no number."""
    model = SequenceModel(5, 5, LSTM(4), num_layers=num_layers, embedding_size=embedding_size)
    p, rng = random_parameters(model), np.random.default_rng(1)
    targets, ids = rng.integers(5, size=(2, 7, 3))
    x = ids if symbols else rng.standard_normal((7, 3, 5))
    state = tuple(random_state(model.cell, 3, seed) for seed in range(num_layers))

    # The plain way: all outputs at once, their loss, and back.
    expected = p.zeros_like()
    y, final, saved = model.forward(p, x, state)
    dy = y.reshape(-1, 5).copy()
    loss = softmax_cross_entropy(dy, targets.ravel())
    model.backward(p, expected, dy.reshape(7, 3, 5), None, saved)

    monkeypatch.setattr(head, "HEAD_ELEMENTS", elements)
    gradients = p.zeros_like()
    gradients.flat[:] = 7.0
    actual, last = model.cross_entropy(p, x, targets, state, Workspace(), gradients=gradients)
    assert actual == pytest.approx(loss, rel=1e-13, abs=0)
    assert all(view.any() for view in expected.values())
    np.testing.assert_allclose(gradients.flat, expected.flat, rtol=1e-11, atol=1e-13)
    alone, _ = model.cross_entropy(p, x, targets, state, Workspace())
    assert alone == actual
    for layer, other in zip(last, final, strict=True):
        np.testing.assert_array_equal(layer, other)


def test_pieces_of_the_head_are_as_small_as_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the test above would prove nothing, and memory would not be saved."""
    sizes = []

    def recording(logits: Array, targets: Array, weights: Array | None, *, each: bool) -> Any:
        sizes.append(len(logits))
        return softmax_cross_entropy(logits, targets, weights, each=each)

    monkeypatch.setattr(head, "HEAD_ELEMENTS", 30)
    monkeypatch.setitem(LOSSES, "softmax", recording)
    model = SequenceModel(5, 5, RNN(4))
    x = np.zeros((7, 3), dtype=np.int64)
    model.cross_entropy(
        random_parameters(model), x, x, model.zero_state(3, np.float64), Workspace()
    )
    assert sizes == [6, 6, 6, 3]


@pytest.mark.parametrize("wrong", [-1, 5])
@pytest.mark.parametrize("dtype", [np.int64, np.int32])
@pytest.mark.parametrize(("num_layers", "embedding_size"), [(1, 0), (1, 3), (0, 0)])
def test_symbols_out_of_range_are_refused(
    num_layers: int, embedding_size: int, dtype: type[np.integer[Any]], wrong: int
) -> None:
    """NumPy would read -1 as the last row, and the clipping gather anything as some row."""
    model = SequenceModel(5, 5, GRU(4), num_layers=num_layers, embedding_size=embedding_size)
    p, state = random_parameters(model), model.zero_state(2, np.float64)
    x = np.zeros((3, 2), dtype=dtype)
    x[1, 1] = wrong
    with pytest.raises(ValueError, match=r"symbols must be in 0\.\.4"):
        model.forward(p, x, state)
    with pytest.raises(ValueError, match=r"symbols must be in 0\.\.4"):
        model.cross_entropy(p, x, abs(x) % 5, state, Workspace())
    x[1, 1] = 4
    assert np.isfinite(model.forward(p, x, state)[0]).all()


def test_a_new_state_is_zero() -> None:
    """Nothing read yet: (h,) or (h, c) for each layer, in the dtype asked for."""
    for cell, parts in ((RNN(4), 1), (GRU(4), 1), (LSTM(4), 2)):
        state = SequenceModel(5, 5, cell, num_layers=3).zero_state(2, np.float64)
        assert [len(layer) for layer in state] == [parts] * 3
        for part in (part for layer in state for part in layer):
            assert part.shape == (2, 4)
            assert part.dtype == np.float64
            assert not part.any()


def test_a_stale_model_raises() -> None:
    """The workspace belongs to the last forward pass, loss or outputs alike."""
    model = SequenceModel(5, 5, GRU(4), num_layers=2)
    p, workspace = random_parameters(model), Workspace()
    x, state = np.zeros((3, 2), dtype=np.int64), model.zero_state(2, np.float64)
    y, _, saved = model.forward(p, x, state, workspace)
    dy = np.ones(y.shape)
    model.cross_entropy(p, x, x, state, workspace)
    with pytest.raises(StaleBackwardError):
        model.backward(p, p.zeros_like(), dy, None, saved)
    y, _, saved = model.forward(p, x, state, workspace)
    model.backward(p, p.zeros_like(), dy, None, saved)
    with pytest.raises(StaleBackwardError):
        model.backward(p, p.zeros_like(), dy, None, saved)


def test_a_workspace_reuses_its_memory() -> None:
    """A workspace hands out one memory per name, and grows or shrinks with the chunk."""
    workspace = Workspace()
    first = workspace.array("a", (3, 4), np.dtype(np.float64))
    assert np.shares_memory(workspace.array("a", (2, 4), np.dtype(np.float64)), first)
    assert not np.shares_memory(workspace.array("b", (3, 4), np.dtype(np.float64)), first)
    assert not np.shares_memory(workspace.array("a", (4, 4), np.dtype(np.float64)), first)
    assert workspace.array("a", (3, 4), np.dtype(np.float32)).dtype == np.float32
    assert workspace.child("0") is workspace.child("0")
    assert workspace.child("0") is not workspace.child("1")


# Names


@pytest.mark.parametrize("hidden_size", [1, 7])
@pytest.mark.parametrize("kind", CELLS)
def test_labels_of_cells_are_parsed_back(kind: str, hidden_size: int) -> None:
    """A checkpoint keeps the label: it must name the cell and all of its variants."""
    cells = all_variants(CELLS[kind], hidden_size)
    assert len(cells) == 2 * math.prod(len(words) for words in CELLS[kind].choices.values())
    assert len({cell.label for cell in cells}) == len(cells)
    assert cells[0] == CELLS[kind](hidden_size)
    assert cells[0].label == kind
    for cell in cells:
        assert parse_cell(cell.label, hidden_size) == cell


def test_cells_are_parsed_from_their_names() -> None:
    """Defaults may be spelt out, order, case and spaces do not matter."""
    written = "GRU, update=write ,reset=before,bias=TRUE"
    assert parse_cell(written, 4) == GRU(4, reset="before", update="write")
    assert parse_cell("lstm,gates=cell,output=identity,bias=false", 4) == LSTM(
        4, bias=False, gates="cell", output="identity"
    )
    assert parse_cell("rnn,activation=relu", 4).label == "rnn,activation=relu"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "unknown cell ''.*rnn, lstm, gru"),
        ("elman", "unknown cell 'elman'.*rnn, lstm, gru"),
        ("lstm,reset=before", r"no variant 'reset=before'.*gates=hidden\|cell.*bias=true\|false"),
        ("gru,reset=never", r"no variant 'reset=never'.*reset=after\|before, update=keep"),
        ("gru,reset", "no variant 'reset'"),
        ("gru,", "no variant ''"),
        ("gru,hidden_size=3", "no variant 'hidden_size=3'"),
        ("rnn,bias=maybe", "no variant 'bias=maybe'"),
        ("gru,reset=before,reset=after", "'reset' is given twice"),
        ("rnn,bias=true,bias=true", "'bias' is given twice"),
    ],
)
def test_unknown_cells_are_refused(text: str, message: str) -> None:
    """The message lists the valid ones."""
    with pytest.raises(UnknownCellError, match=message):
        parse_cell(text, 4)


def test_cells_check_their_arguments() -> None:
    """Also when they are not made from a name."""
    with pytest.raises(ValueError, match="hidden_size must be at least 1, got 0"):
        RNN(0)
    with pytest.raises(ValueError, match="activation='sigmoid' is not one of tanh, relu"):
        RNN(3, activation="sigmoid")
    with pytest.raises(ValueError, match="reset='never'"):
        GRU(3, reset="never")
