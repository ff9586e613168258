"""The mean of several networks' probabilities, and its gradient."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from charrnn.engine import Engine
from charrnn.nn.cells import LSTM
from charrnn.nn.conditional import Conditional, Labelled
from charrnn.nn.ensemble import Ensemble, Generators, Translators, average_of, log_mean, together
from charrnn.nn.models import SequenceModel, Sequences
from charrnn.nn.parameters import Parameters
from charrnn.nn.stepper import stepper
from charrnn.nn.translator import Translations, Translator
from charrnn.nn.workspace import Workspace
from charrnn.own_cells import make_cell


def ensemble_of(
    count: int, loss: str = "softmax", cell: str = "gru", layers: int = 1
) -> tuple[Ensemble, list[Parameters], Parameters]:
    member = SequenceModel(7, 7, make_cell(cell, 5), layers, loss=loss)
    parts = [member.init(np.random.default_rng(k), np.float64) for k in range(count)]
    return Ensemble(member, count), parts, together(member, parts)


def probabilities(y: Any, loss: str) -> Any:
    p = 1 / (1 + np.exp(-y)) if loss == "sigmoid" else np.exp(y)
    return p / p.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("loss", ["softmax", "sigmoid"])
@pytest.mark.parametrize("layers", [0, 1, 2])
def test_its_probabilities_are_the_mean_of_the_members(loss: str, layers: int) -> None:
    """In each of the functions that return them."""
    ensemble, parts, weights = ensemble_of(3, loss, "lstm", layers)
    member, rng = ensemble.member, np.random.default_rng(9)
    x, targets = rng.integers(7, size=(2, 6, 4))
    state = ensemble.zero_state(4, np.float64)
    own = [
        member.forward(w, x, s, Workspace())
        for w, s in zip(parts, ensemble.states(state), strict=True)
    ]
    expected = np.mean([probabilities(y, loss) for y, _, _ in own], axis=0)
    y, final, _ = ensemble.forward(weights, x, state)
    np.testing.assert_allclose(np.exp(y), expected, rtol=1e-12)
    assert np.array_equal(final, [layer for _, after, _ in own for layer in after])
    batch = Sequences(x, targets, state, each=True)
    found = ensemble.sum_loss(weights, batch, Workspace()).total
    each = np.take_along_axis(expected, targets[..., None], axis=-1)[..., 0]
    np.testing.assert_allclose(found, -np.log(each), rtol=1e-12)
    reading = stepper(ensemble, weights, state, 4)
    for step in range(6):
        np.testing.assert_allclose(np.exp(reading.step(x[step])), expected[step], rtol=1e-12)
    np.testing.assert_allclose(np.array(reading.state), np.array(final), rtol=1e-12)


def test_its_gradient_weighs_each_target() -> None:
    ensemble, _, weights = ensemble_of(2)
    rng = np.random.default_rng(0)
    x, targets = rng.integers(7, size=(2, 3, 2))
    w = rng.random((3, 2))
    gradients, theta = weights.zeros_like(), weights.astype(np.complex128)
    batch = Sequences(x, targets, ensemble.zero_state(2, np.float64), weights=w)
    found = ensemble.sum_loss(weights, batch, Workspace(), gradients=gradients)
    each = ensemble.sum_loss(weights, replace(batch, each=True), Workspace())
    assert found.total == pytest.approx((each.total * w).sum(), rel=1e-12)
    _, after, _ = ensemble.forward(weights, x, batch.state)
    assert np.array_equal(found.final, after)
    assert np.array_equal(each.final, after)
    state = ensemble.zero_state(2, np.complex128)
    for at in rng.integers(theta.flat.size, size=20):
        theta.flat[at] += 1e-30j
        moved = Sequences(x, targets, state, weights=w)
        slope = ensemble.sum_loss(theta, moved, Workspace()).total.imag / 1e-30
        theta.flat[at] = weights.flat[at]
        assert slope == pytest.approx(gradients.flat[at], rel=1e-9, abs=1e-14)


def test_a_member_that_is_wrongly_sure_does_no_harm() -> None:
    y = np.array([[[0.0, 0.0]], [[500.0, -500.0]]], np.float32)
    np.testing.assert_allclose(log_mean(y, "softmax"), np.log([[0.75, 0.25]]), rtol=1e-6)


def test_processes_make_no_difference() -> None:
    ensemble, _, weights = ensemble_of(2)
    x, targets = np.random.default_rng(0).integers(7, size=(2, 3, 24))
    batch = Sequences(x, targets, ensemble.zero_state(24, np.float64), each=True)
    found: list[tuple[Any, ...]] = []
    for threads in (1, 2):
        gradients = weights.zeros_like()
        with Engine(ensemble, threads) as engine:
            losses = engine.losses(weights, batch, gradients=gradients)
            found.append((losses.each, gradients.flat, np.array(losses.final)))
            assert not engine.lost
    assert all(np.array_equal(a, b) for a, b in zip(*found, strict=True))
    assert found[0][0].shape == (3, 24)


def test_impossible_averages_are_refused() -> None:
    cell = make_cell("gru", 5)
    for member, count in (
        (SequenceModel(7, 7, cell), 0),
        (SequenceModel(7, 7, cell, loss="squared"), 2),
    ):
        with pytest.raises(ValueError, match="cannot be averaged"):
            Ensemble(member, count)


# Generators


def test_generators_write_by_the_mean_of_their_probabilities() -> None:
    """Each from its own state for the label; and the loss is that of this mean."""
    member = Conditional(SequenceModel(6, 6, LSTM(4), 2, 3), 3)
    parts = [member.init(np.random.default_rng(k), np.float64) for k in range(3)]
    average, weights = average_of(member, 3), together(member, parts)
    assert isinstance(average, Generators)
    rng, labels, lengths = np.random.default_rng(9), np.array([2, 0]), np.array([5, 3])
    x, targets = rng.integers(6, size=(2, 5, 2))
    expected = np.zeros((5, 2, 6))
    for w in parts:
        y, _, _ = member.generator.forward(w, x, member.initial_state(w, labels))
        expected += np.exp(y) / np.exp(y).sum(axis=-1, keepdims=True) / 3
    state = average.initial_state(weights, labels)
    for step, symbols in enumerate(x):
        y, state, _ = average.generator.forward(weights, symbols[None], state)
        np.testing.assert_allclose(np.exp(y[0]), expected[step], rtol=1e-12)
    each = -np.log(np.take_along_axis(expected, targets[..., None], axis=-1)[..., 0])
    of_texts = [each[:5, 0].sum(), each[:3, 1].sum()]
    batch = Labelled(labels, x, targets, lengths)
    for threads in (1, 2):
        with Engine(average, threads, shards=2) as engine:
            assert engine.losses(weights, batch).total == pytest.approx(sum(of_texts), rel=1e-12)
            found = engine.losses(weights, replace(batch, each=True))
            assert [*np.concatenate([loss.total for loss in found])] == pytest.approx(of_texts)
    with pytest.raises(ValueError, match="no gradients"):
        average.sum_loss(weights, batch, Workspace(), gradients=weights.zeros_like())


# Translators


def test_translators_write_by_the_mean_of_their_probabilities() -> None:
    """Step by step as all at once, and the loss is that of this mean."""
    member = Translator(6, 5, LSTM(4), 2, 3)
    parts = [member.init(np.random.default_rng(k), np.float64) for k in range(3)]
    average, weights = average_of(member, 3), together(member, parts)
    assert isinstance(average, Translators)
    rng, lengths = np.random.default_rng(9), np.array([5, 3])
    source, (previous, targets) = rng.integers(6, size=(5, 2)), rng.integers(5, size=(2, 4, 2))
    shown = np.array([[1.0, 1], [1, 1], [1, 0], [1, 0]])
    expected, losses = np.zeros((4, 2, 5)), []
    for w in parts:
        memory, state, _ = member.encode(w, source, lengths, Workspace())
        y, _ = member.decode(w, previous, state, memory, lengths, Workspace())
        expected += np.exp(y) / np.exp(y).sum(axis=-1, keepdims=True) / 3
    memory, state, _ = average.encode(weights, source, lengths, Workspace())
    for step, symbols in enumerate(previous):
        y, state = average.decode(weights, symbols[None], state, memory, lengths, Workspace())
        np.testing.assert_allclose(np.exp(y[0]), expected[step], rtol=1e-12)
    each = -np.log(np.take_along_axis(expected, targets[..., None], axis=-1)[..., 0])
    batch = Translations(source, lengths, previous, targets, shown)
    for threads in (1, 2):
        with Engine(average, threads) as engine:
            losses.append(engine.losses(weights, batch).total)
    assert losses == pytest.approx([(each * shown).sum()] * 2, rel=1e-12)
    with pytest.raises(ValueError, match="no gradients"):
        average.sum_loss(weights, batch, Workspace(), gradients=weights.zeros_like())
