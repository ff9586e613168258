"""The language model's own rules: which characters are trained on, and when a lane is reset."""

from typing import Any

import numpy as np
import pytest

from charrnn.engine import Losses
from charrnn.errors import InputError
from charrnn.nn.cells import LSTM
from charrnn.nn.models import SequenceModel, Sequences
from charrnn.nn.parameters import Parameters
from charrnn.tasks.carried import RUNAWAY
from charrnn.tasks.config import Config
from charrnn.tasks.lm import LanguageModelTask
from charrnn.text.held_out import HeldOut
from charrnn.training.speed import text_like


def build(
    cell: LSTM, length: int = 200, val_fraction: float = 0.1, *, reset: int = 0, seed: int = 0
) -> LanguageModelTask:
    ids = np.random.default_rng(0).integers(5, size=length).astype(np.uint8)
    model = SequenceModel(5, 5, cell)
    train = HeldOut(val_fraction).part(ids).start
    return LanguageModelTask(
        model, ids, split=train, batch_size=3, seq_len=4, reset=reset, seed=seed
    )


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


def resets(task: LanguageModelTask, count: int) -> list[list[bool]]:
    """Which lanes begin an update from the zero state, for each of ``count`` updates."""
    weights, found = task.model.init(np.random.default_rng(0)), []
    compute = task.engine.losses

    def look(parameters: Parameters, batch: Sequences, **others: Any) -> Losses:
        zero = np.stack([(part == 0).all(axis=1) for parts in batch.state or () for part in parts])
        assert (zero == zero[0]).all()  # c as well as h
        found.append(zero[0].tolist())
        return compute(parameters, batch, **others)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(task.engine, "losses", look)
        for number in range(count):
            task.gradients(weights, weights.zeros_like(), number, None)
    return found


def test_lanes_are_reset_as_often_as_asked() -> None:
    """At random places, which depend on the seed and the number of updates made, and only on it."""
    task = build(LSTM(4), length=30_000, reset=16)
    found = resets(task, 2000)
    assert all(found[0])  # an epoch begins
    assert np.mean(found[1:]) == pytest.approx(4 / 16, abs=0.02)
    assert len({tuple(one) for one in found}) == 2**3  # each lane by itself
    assert resets(task, 50) == found[:50]
    assert resets(build(LSTM(4), length=30_000, reset=16, seed=1), 50) != found[:50]


@pytest.mark.parametrize(("reset", "expected"), [(0, False), (3, True), (4, True)])
def test_lanes_are_never_or_always_reset(reset: int, expected: bool) -> None:
    found = resets(build(LSTM(4), length=30_000, reset=reset), 50)
    assert found == [[True] * 3] + [[expected] * 3] * 49


def test_new_runs_reset_lanes_and_earlier_ones_do_not() -> None:
    assert Config.of("lm").reset == 256
    assert Config.from_json({"task": "lm"}).reset == 0
    assert Config.of(**Config.parse({"task": "lm,reset=0"})).reset == 0
    with pytest.raises(InputError, match="--task lm,reset=-1: must be 0 or more"):
        Config.of(**Config.parse({"task": "lm,reset=-1"}))
    with pytest.raises(InputError, match="forecast has no variant 'reset'"):
        Config.parse({"task": "forecast,reset=16"})


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
