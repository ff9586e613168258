"""The language model's own rules: which characters are trained on, and when a lane is reset."""

import numpy as np
import pytest

from charrnn.errors import InputError
from charrnn.nn.cells import LSTM
from charrnn.nn.models import SequenceModel
from charrnn.tasks.carried import RUNAWAY
from charrnn.tasks.config import Config
from charrnn.tasks.lm import LanguageModelTask
from charrnn.text.held_out import HeldOut
from charrnn.training.speed import text_like


def build(cell: LSTM, length: int = 200, val_fraction: float = 0.1) -> LanguageModelTask:
    ids = np.random.default_rng(0).integers(5, size=length).astype(np.uint8)
    model = SequenceModel(5, 5, cell)
    train = HeldOut(val_fraction).part(ids).start
    return LanguageModelTask(model, ids, split=train, batch_size=3, seq_len=4)


def test_a_state_that_has_run_away_restarts_its_lane_alone() -> None:
    """If carried on, it would damage all later chunks."""
    task = build(LSTM(4, output="identity"))
    weights = task.model.init(np.random.default_rng(0))
    task.gradients(weights, weights.zeros_like(), 0, None)
    (h, c) = task.state[0]
    h[1, 2], c[1, 2] = 3 * RUNAWAY, 1000.0
    h[2, 0] = np.nan
    kept = h[0].copy(), c[0].copy()
    task._restart_runaways()
    assert not h[1:].any()
    assert not c[1:].any()
    np.testing.assert_array_equal(h[0], kept[0])
    np.testing.assert_array_equal(c[0], kept[1])
    assert kept[0].any()


def test_no_lane_restarts_where_a_tanh_closes_the_cell() -> None:
    """A memory cell may grow; its output cannot."""
    task = build(LSTM(4))
    weights = task.model.init(np.random.default_rng(0))
    task.gradients(weights, weights.zeros_like(), 0, None)
    task.state[0][1][...] = 1000.0
    task._restart_runaways()
    assert (task.state[0][1] == 1000.0).all()


def test_each_epoch_begins_from_the_zero_state() -> None:
    """The end of a lane is not the text before its beginning."""
    task = build(LSTM(4))
    weights = task.model.init(np.random.default_rng(0), np.float64)
    steps = task.steps_per_epoch
    results = []
    for number in range(2 * steps + 1):
        gradients = weights.zeros_like()
        loss, _ = task.gradients(weights, gradients, number, None)
        results.append((loss, gradients.flat.copy(), task.state[0][0].copy()))
        assert task.state[0][0].any()  # carried on to the next chunk
    for number in (steps, 2 * steps):
        for found, expected in zip(results[number], results[0], strict=True):
            np.testing.assert_array_equal(found, expected)
    assert results[1][0] != results[0][0]


def test_the_validation_set_is_the_end_and_scored_whole() -> None:
    task = build(LSTM(4))
    assert task.split == 180
    score = task.validate(task.model.init(np.random.default_rng(0)))
    assert score is not None
    assert score.count == 20
    trained = [task.lanes.chunk(k) for k in range(len(task.lanes))]
    assert sum(x.size for x, _ in trained) + task.lanes.left_over == 179


def test_texts_too_short_for_a_validation_set_are_refused() -> None:
    def trained_on(size: int, fraction: float) -> int:
        return text_like(size, 1).trained_on(Config(val_fraction=fraction))

    for size, fraction in ((4, 0.1), (3, 0.1), (2, 0.5), (1, 0.9)):
        with pytest.raises(InputError, match="too short for a validation set"):
            trained_on(size, fraction)
    assert trained_on(9, 0.1) == 8
    assert trained_on(9, 0.0) == 9
    whole = build(LSTM(4), length=9, val_fraction=0)
    assert whole.validate(whole.model.init(np.random.default_rng(0))) is None
