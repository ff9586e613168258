"""Wrong calls raise at once, and do not change their arguments."""

import numpy as np
import pytest

from charrnn.nn.cells import GRU, LSTM
from charrnn.nn.layers import Recurrent
from charrnn.nn.linear import affine
from charrnn.nn.models import SequenceModel
from charrnn.nn.parameters import Parameters
from charrnn.nn.stack import Dropout
from charrnn.nn.workspace import StaleBackwardError, Workspace


def build(num_layers: int = 1, embedding_size: int = 0) -> tuple[SequenceModel, Parameters]:
    model = SequenceModel(5, 5, GRU(4), num_layers, embedding_size)
    return model, model.init(np.random.default_rng(0), np.float64)


SYMBOLS = np.array([[0, 1], [2, 3], [4, 0]])


@pytest.mark.parametrize("target", [-1, 5])
def test_a_target_out_of_range_is_refused(target: int) -> None:
    """NumPy would read -1 as the last symbol and train on it."""
    model, p = build()
    targets = SYMBOLS.copy()
    targets[1, 1] = target
    with pytest.raises(ValueError, match=r"0\.\.4"):
        model.cross_entropy(p, SYMBOLS, targets, model.zero_state(2, p.dtype), Workspace())


def test_a_stale_backward_is_refused_without_layers_too() -> None:
    """The embedded input is a reused buffer as well."""
    model, p = build(num_layers=0, embedding_size=3)
    workspace = Workspace()
    y, _, saved = model.forward(p, SYMBOLS, (), workspace)
    dy = np.ones_like(y)
    model.forward(p, (SYMBOLS + 1) % 5, (), workspace)
    with pytest.raises(StaleBackwardError):
        model.backward(p, p.zeros_like(), dy, None, saved)


def test_a_refused_backward_writes_no_gradient() -> None:
    model, p = build()
    workspace, g = Workspace(), p.zeros_like()
    y, _, saved = model.forward(p, SYMBOLS, model.zero_state(2, p.dtype), workspace)
    model.forward(p, SYMBOLS, model.zero_state(2, p.dtype), workspace)
    with pytest.raises(StaleBackwardError):
        model.backward(p, g, np.ones_like(y), None, saved)
    assert not g.flat.any()


def test_the_parameters_dtype_decides_without_layers() -> None:
    model = SequenceModel(3, 2, GRU(4), 0, input="vectors")
    p = model.init(np.random.default_rng(0), np.float64)
    y, _, saved = model.forward(p, np.ones((2, 1, 3), np.float32), ())
    dx, _ = model.backward(p, p.zeros_like(), np.ones_like(y), None, saved)
    assert dx is not None
    assert dx.dtype == np.float64


@pytest.mark.parametrize("shape", [(0, 2), (3, 0)])
def test_empty_input_is_refused(shape: tuple[int, int]) -> None:
    model, p = build()
    x = np.zeros(shape, dtype=np.intp)
    with pytest.raises(ValueError, match="at least one step"):
        model.forward(p, x, model.zero_state(shape[1], p.dtype))


def test_states_that_do_not_fit_are_refused() -> None:
    """A state of one sequence would be broadcast to all without notice."""
    model, p = build(num_layers=2)
    one, two = model.zero_state(1, p.dtype), model.zero_state(2, p.dtype)
    for state in (one, two[:1], two + two[:1], SequenceModel(5, 5, LSTM(4), 2).zero_state(2)):
        with pytest.raises(ValueError, match=r"carries|layers were given"):
            model.forward(p, SYMBOLS, state)


def test_a_result_that_cannot_be_written_in_place_is_refused() -> None:
    """The result would be written to a copy, and lost."""
    out = np.zeros((4, 2, 5)).transpose(2, 1, 0)
    with pytest.raises(ValueError, match="contiguous"):
        affine(np.ones((3, 4)), None, np.ones((5, 2, 3)), out)


@pytest.mark.parametrize("rate", [-0.1, 1.0, float("nan")])
def test_dropout_rates_are_checked(rate: float) -> None:
    with pytest.raises(ValueError, match="dropout"):
        Dropout(rate)


def test_impossible_networks_are_refused() -> None:
    with pytest.raises(ValueError, match="not a network"):
        SequenceModel(5, 5, GRU(4), -1)
    with pytest.raises(ValueError, match="not a network"):
        SequenceModel(0, 5, GRU(4))
    with pytest.raises(ValueError, match="symbols"):
        SequenceModel(5, 5, GRU(4), input="words")
    with pytest.raises(ValueError, match="bias"):
        GRU(4, bias="false")  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(2, 2, 4), (3, 1, 4), (4, 2, 4)])
def test_a_gradient_of_another_shape_than_the_outputs_is_refused(shape: tuple[int, ...]) -> None:
    """One too short would leave gates in place of gradients; one row would be broadcast."""
    layer = Recurrent(GRU(4), 5)
    rng = np.random.default_rng(0)
    w = layer.init(rng)
    g = {name: np.zeros_like(value) for name, value in w.items()}
    _, _, saved = layer.forward(w, SYMBOLS, (np.zeros((2, 4)),), Workspace())
    with pytest.raises(ValueError, match="dy must be"):
        layer.backward(w, g, np.ones(shape), None, saved)
    layer.backward(w, g, np.ones((3, 2, 4)), None, saved)  # the refusal did not use it up


def test_a_gradient_by_another_state_is_refused() -> None:
    model, p = build(num_layers=2)
    y, _, saved = model.forward(p, SYMBOLS, model.zero_state(2, p.dtype))
    one, two = model.zero_state(1, p.dtype), model.zero_state(2, p.dtype)
    for dstate in (one, two[:1], two + two[:1]):
        y, _, saved = model.forward(p, SYMBOLS, two)
        with pytest.raises(ValueError, match=r"dstate must be|layers were given"):
            model.backward(p, p.zeros_like(), np.ones_like(y), dstate, saved)


def test_targets_of_another_shape_are_refused() -> None:
    """Transposed, they would train on the wrong pairs."""
    model, p = build()
    for targets in (SYMBOLS.T, SYMBOLS[:2], np.concatenate([SYMBOLS, SYMBOLS])):
        with pytest.raises(ValueError, match=r"targets must be \(3, 2\)"):
            model.cross_entropy(p, SYMBOLS, targets, model.zero_state(2, p.dtype), Workspace())
