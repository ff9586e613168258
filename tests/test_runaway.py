"""A state that runs away is reset by the same rule in training, scoring and writing."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from charrnn.engine import Engine
from charrnn.evaluation.windows import Reader, windowed_nats
from charrnn.nn.cells import GRU, LSTM, RNN
from charrnn.nn.cells.base import Cell
from charrnn.nn.models import SequenceModel
from charrnn.nn.parameters import Parameters
from charrnn.nn.runaway import CHUNK, RUNAWAY, restart_runaways
from charrnn.sampling import Choice, sample
from charrnn.tasks.base import Trained
from charrnn.tasks.config import Config
from charrnn.tasks.forecast import ForecastSpec, forecast, one_step

CELLS: list[Cell[Any]] = [
    RNN(3),
    RNN(3, activation="relu"),
    GRU(3),
    GRU(3, reset="before"),
    LSTM(3),
    LSTM(3, gates="cell"),
    LSTM(3, output="identity"),
    LSTM(3, gates="cell", output="identity"),
]


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.label)
def test_a_cell_knows_whether_it_bounds_its_state(cell: Cell[Any]) -> None:
    """With weights so large that everything that can grow does."""
    model, rng = SequenceModel(4, 4, cell), np.random.default_rng(0)
    parameters = model.init(rng, np.float64)
    parameters.flat[:] = 4 * rng.standard_normal(parameters.flat.size)
    x = rng.integers(4, size=(100, 5))
    with np.errstate(all="ignore"):
        _, ((h, *_),), _ = model.forward(parameters, x, model.zero_state(5, np.float64))
    assert bool((np.abs(h) <= 1).all()) == cell.bounded


def test_only_lanes_that_ran_away_are_set_to_zero_in_all_layers() -> None:
    def lanes() -> tuple[tuple[Any, ...], ...]:
        state = tuple((np.ones((4, 3)), np.full((4, 3), 1e6)) for _ in range(2))
        state[1][0][0, 2] = -1.01 * RUNAWAY
        state[0][0][1, 0] = np.nan
        state[0][0][2, 1] = 0.99 * RUNAWAY
        return state

    state = lanes()
    restart_runaways(LSTM(3, output="identity"), state)
    for layer, before in zip(state, lanes(), strict=True):
        for part, was in zip(layer, before, strict=True):
            assert not part[:2].any()
            assert (part[2:] == was[2:]).all()
    state = lanes()
    restart_runaways(LSTM(3), state)  # as if it could not be: not looked at
    for layer, before in zip(state, lanes(), strict=True):
        for part, was in zip(layer, before, strict=True):
            np.testing.assert_array_equal(part, was)


def growing(model: SequenceModel) -> Parameters:
    """Weights of a ReLU network whose state grows by a fifth at every step, whatever it reads."""
    parameters = model.init(np.random.default_rng(1))
    parameters["body.0.W_h"][...] = 1.2 * np.eye(4)
    parameters["body.0.W_x"][...] = np.abs(parameters["body.0.W_x"])
    parameters["body.0.b"][...] = 0.1
    parameters["head.W"][...] *= 0.01
    return parameters


MODEL = SequenceModel(5, 5, RNN(4, activation="relu"))


def test_scoring_resets_a_runaway_state_at_the_end_of_a_chunk() -> None:
    parameters = growing(MODEL)
    ids = np.random.default_rng(2).integers(5, size=3 * CHUNK + 1)
    reader, edges = Reader(Engine(MODEL)), [*range(1, len(ids) + 1, CHUNK)]
    found = windowed_nats(reader, parameters, ids, [1, len(ids)])
    apart = [windowed_nats(reader, parameters, ids, [*edge]) for edge in pairwise(edges)]
    np.testing.assert_allclose(found, np.concatenate(apart), rtol=1e-6)
    assert np.ptp(found[CHUNK - 8 : CHUNK]) > 10 * np.ptp(found[CHUNK : CHUNK + 8])


def test_a_window_is_scored_alike_whatever_is_read_beside_it() -> None:
    """A window beside it that ends earlier must not end its chunk."""
    parameters, reader = growing(MODEL), Reader(Engine(MODEL))
    ids = np.random.default_rng(6).integers(5, size=300)
    edges = [1, 160, 200, 300]
    found = windowed_nats(reader, parameters, ids, edges)
    apart = [windowed_nats(reader, parameters, ids, [*edge]) for edge in pairwise(edges)]
    np.testing.assert_allclose(found, np.concatenate(apart), rtol=1e-6)


def written(prime: Any, length: int, drawn: int = 0, **more: Any) -> Any:
    rng = np.random.default_rng(3)
    rng.random(drawn)
    prime = prime[:, None]
    symbols = sample(MODEL, growing(MODEL), prime, length, rng, Choice(1.0), **more)
    return np.array(list(symbols))[:, 0]


def test_writing_resets_a_runaway_state_as_scoring_does() -> None:
    text = written(np.array([2]), 3 * CHUNK)
    for begin in (CHUNK, 2 * CHUNK):
        again = written(text[begin - 1 : begin], CHUNK, drawn=begin)
        assert (text[begin : begin + CHUNK] == again).all()
    kept = written(np.array([2]), 3 * CHUNK, restart=False)
    assert (kept[:CHUNK] == text[:CHUNK]).all()
    assert len(np.unique(kept[CHUNK:])) < len(np.unique(text[CHUNK:]))


def test_a_long_prime_is_read_by_the_same_rule() -> None:
    prime = np.random.default_rng(4).integers(5, size=2 * CHUNK + 20)
    assert (written(prime, 20) == written(prime[2 * CHUNK :], 20)).all()


def test_a_forecast_resets_a_runaway_state_by_the_same_rule() -> None:
    config = Config.of(task="forecast", cell="rnn,activation=relu", hidden=4)
    spec = ForecastSpec(columns=("a",), mean=(0.0,), deviation=(1.0,))
    model = spec.model(config)
    values = np.random.default_rng(5).standard_normal((3 * CHUNK + 1, 1))
    trained = Trained(model, growing(model), spec, config)
    whole = one_step(trained, values)
    for begin in (CHUNK, 2 * CHUNK):
        part = one_step(trained, values[begin : begin + CHUNK + 1])
        np.testing.assert_allclose(whole[begin : begin + CHUNK], part, rtol=1e-5)
    ahead = forecast(trained, values[:1], 3 * CHUNK)
    for begin in (CHUNK, 2 * CHUNK):
        again = forecast(trained, ahead[begin - 1 : begin], CHUNK)
        np.testing.assert_allclose(ahead[begin : begin + CHUNK], again, rtol=1e-5)
