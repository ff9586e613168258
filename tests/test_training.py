"""Updates, learning rates, scores and runs: what a training computes, stopped or not."""

import errno
import inspect
import json
import math
import os
import re
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np
import pytest
import typer
from support import (
    TEXT,
    begin,
    charrnn,
    corpus_of,
    fingerprint,
    metrics,
    names,
    reader_of,
    resume,
    run_until,
    text_data,
    text_task,
    vocabulary_of,
)

from charrnn import checkpoint
from charrnn.cli import app
from charrnn.cli.train import train
from charrnn.errors import CheckpointError, DivergedError, InputError, RunError
from charrnn.evaluation.validation import Score, evaluate
from charrnn.nn.cells import parse_cell
from charrnn.nn.models import SequenceModel
from charrnn.nn.parameters import Parameters
from charrnn.nn.types import Array
from charrnn.optim import optimizers as optim
from charrnn.optim.optimizers import OPTIMIZERS, clip_by_global_norm, make_optimizer
from charrnn.optim.schedules import SCHEDULES, learning_rate
from charrnn.runs import folder as runs
from charrnn.runs.folder import RunFolder
from charrnn.runs.model import load_model
from charrnn.tasks import carried, lm
from charrnn.tasks.carried import RUNAWAY
from charrnn.tasks.config import GIVEN_IN, Config
from charrnn.tasks.kinds import KINDS
from charrnn.tasks.lm import LanguageModelTask
from charrnn.text.corpora import Corpus
from charrnn.training.course import MOST_LOWERED
from charrnn.training.events import (
    Finished,
    Preview,
    RolledBack,
    SaveFailed,
    Settled,
    Stopped,
    Validated,
)
from charrnn.training.loop import Step
from charrnn.training.run import Run
from charrnn.training.state import Snapshot, capture


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in another folder, since a run writes checkpoints/latest; show short samples."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(lm, "PREVIEW_LENGTH", 20)


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return corpus_of(tmp_path)


# Optimisers

SHAPES = {"W": (150, 120), "b": (120,), "U": (33, 9), "d": (7,)}
IS_MATRIX = np.arange(150 * 120 + 120 + 33 * 9 + 7) < 150 * 120 + 33 * 9
RATES = (0.1, 0.03, 0.2, 0.05)


def drawn(seed: int) -> Array:
    return np.random.default_rng(seed).standard_normal(len(IS_MATRIX))


def by_formula(name: str, decay: float) -> Iterator[Array]:
    """The parameters after each update, computed on whole vectors as in the papers."""
    theta = drawn(0)
    m = v = np.zeros_like(theta)
    for k, rate in enumerate(RATES, start=1):
        g = drawn(k)
        if name == "adamw":
            theta = theta - rate * decay * theta * IS_MATRIX
        else:
            g = g + decay * theta * IS_MATRIX
        if name == "sgd":
            theta = theta - rate * g
        elif name == "momentum":
            v = 0.9 * v + g
            theta = theta - rate * v
        elif name == "rmsprop":
            v = 0.95 * v + 0.05 * g**2
            theta = theta - rate * g / (np.sqrt(v) + 1e-8)
        else:
            m = 0.9 * m + 0.1 * g
            v = 0.99 * v + 0.01 * g**2
            m_hat, v_hat = m / (1 - 0.9**k), v / (1 - 0.99**k)
            theta = theta - rate * m_hat / (np.sqrt(v_hat) + 1e-8)
        yield theta


@pytest.mark.parametrize("size", [1 << 14, 1 << 20, 997])
@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_updates_follow_the_formulas(
    monkeypatch: pytest.MonkeyPatch, name: str, decay: float, size: int
) -> None:
    """In slices that end within a matrix, at its end, where the biases begin, and after."""
    monkeypatch.setattr(optim, "SLICE", size)
    parameters = Parameters(SHAPES, np.float64, drawn(0))
    optimizer = make_optimizer(name, parameters, decay)
    for k, expected in enumerate(by_formula(name, decay), start=1):
        optimizer.step(parameters, Parameters(SHAPES, np.float64, drawn(k)), RATES[k - 1])
        np.testing.assert_allclose(parameters.flat, expected, rtol=1e-11, atol=1e-13)
        assert optimizer.number == k


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_biases_do_not_decay(name: str) -> None:
    """With a zero gradient, only decay moves a weight, towards zero."""
    parameters = Parameters(SHAPES, np.float64, drawn(0))
    make_optimizer(name, parameters, 0.5).step(parameters, parameters.zeros_like(), 0.1)
    assert (parameters.flat[~IS_MATRIX] == drawn(0)[~IS_MATRIX]).all()
    moved = parameters.flat - drawn(0)
    assert (np.sign(moved[IS_MATRIX]) == -np.sign(drawn(0)[IS_MATRIX])).all()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_some_tensors_can_be_left_as_they_are(name: str) -> None:
    """They do not decay, they do not count in the norm, and the others move as without them."""
    for left in SHAPES:
        parameters = Parameters(SHAPES, np.float64, drawn(0))
        gradients = Parameters(SHAPES, np.float64, drawn(1))
        others = {key: shape for key, shape in SHAPES.items() if key != left}
        rest, of_rest = (Parameters(others, np.float64) for _ in range(2))
        rest.fill({key: parameters[key] for key in others})
        of_rest.fill({key: gradients[key] for key in others})
        parts = parameters.parts_without([left])
        assert sum(part.stop - part.start for part in parts) == rest.flat.size
        kept = gradients[left].copy()
        norm = clip_by_global_norm(gradients, 0.5, parts)
        assert norm == pytest.approx(clip_by_global_norm(of_rest, 0.5), rel=1e-12)
        np.testing.assert_array_equal(gradients[left], kept)
        make_optimizer(name, parameters, 0.3).step(parameters, gradients, 0.1, parts)
        make_optimizer(name, rest, 0.3).step(rest, of_rest, 0.1)
        for key in SHAPES:
            expected = rest[key] if key in others else Parameters(SHAPES, np.float64, drawn(0))[key]
            np.testing.assert_allclose(parameters[key], expected, rtol=1e-12)
    assert parameters.parts_without(list(SHAPES)) == []
    assert parameters.parts_without([]) == [slice(0, parameters.flat.size)]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_updates_keep_the_dtype(name: str) -> None:
    parameters = Parameters(SHAPES, np.float32)
    optimizer = make_optimizer(name, parameters, 0.1)
    gradients = Parameters(SHAPES, np.float32, drawn(1).astype(np.float32))
    optimizer.step(parameters, gradients, 0.1)
    assert parameters.flat.dtype == np.float32
    assert all(memory.dtype == np.float32 for memory in optimizer.memory.values())


@pytest.mark.parametrize("size", [1 << 14, 100])
def test_clipping_scales_all_gradients_equally(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(optim, "SLICE", size)
    g = drawn(0)
    norm = math.sqrt(float((g**2).sum()))
    for limit in (norm / 7, norm * 1.001, 0.0):
        gradients = Parameters(SHAPES, np.float64, g.copy())
        assert clip_by_global_norm(gradients, limit) == pytest.approx(norm, rel=1e-12)
        scale = 1 / 7 if limit == norm / 7 else 1
        np.testing.assert_allclose(gradients.flat, g * scale, rtol=1e-12)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_clipping_does_not_hide_infinite_gradients(bad: float) -> None:
    gradients = Parameters(SHAPES, np.float64, drawn(0))
    gradients.flat[-1] = bad
    assert not math.isfinite(clip_by_global_norm(gradients, 1.0))
    assert not np.isfinite(gradients.flat[-1])


# Schedules


def rates(name: str, total: int, warmup: float, final: float = 0.01) -> list[float]:
    return [
        learning_rate(name, number, total, peak=2.0, warmup=warmup, final=final)
        for number in range(total)
    ]


@pytest.mark.parametrize("total", [1, 2, 3, 10, 101])
@pytest.mark.parametrize("warmup", [0.0, 0.05, 0.3, 1.0])
@pytest.mark.parametrize("name", SCHEDULES)
def test_learning_rates_climb_then_fall(name: str, warmup: float, total: int) -> None:
    climb = int(warmup * total)
    curve = rates(name, total, warmup)
    steps = np.diff([0.0, *curve[:climb], 2.0])
    np.testing.assert_allclose(steps, 2.0 / (climb + 1), rtol=1e-9)  # equal steps up to the peak
    assert all(a >= b > 0 for a, b in zip(curve[climb:], curve[climb + 1 :], strict=False))
    if climb < total:
        assert curve[climb] == pytest.approx(2.0)
    if climb < total - 1:
        assert curve[-1] == pytest.approx(2.0 if name == "constant" else 0.02)


def test_learning_rates_between_the_ends() -> None:
    """101 updates: half-way is the 51st."""
    assert rates("cosine", 101, 0.0)[50] == pytest.approx(2.0 * (0.01 + 0.99 / 2))
    assert rates("cosine", 101, 0.0)[25] == pytest.approx(
        2.0 * (0.01 + 0.99 * (1 + math.sqrt(0.5)) / 2)
    )
    assert rates("exponential", 101, 0.0)[50] == pytest.approx(0.2)
    stairs = rates("step", 8, 0.0, final=0.001)
    np.testing.assert_allclose(stairs, [2, 2, 0.2, 0.2, 0.02, 0.02, 0.002, 0.002], rtol=1e-9)
    assert rates("cosine", 11, 0.0, final=0.0)[-1] == pytest.approx(0.0, abs=1e-15)


# Settings


def test_the_command_lines_defaults_are_the_settings_defaults() -> None:
    """They are defined twice; --help must show the same numbers."""
    options = inspect.signature(train).parameters
    config = Config()
    variants = {name for kind in KINDS.values() for name in kind.own}
    variants |= {*GIVEN_IN, "named"}  # that is found, not given
    assert not variants & set(options)  # given with the task's name, the schedule's, ...
    settings = {**config.to_json(), "members": config.members}  # which a file names if there are
    for name, value in settings.items():
        if name not in variants:
            assert options[name].default == value, name
            assert type(options[name].default) is type(value), name
    assert set(options) - set(settings) == {
        "val",
        "test",
        "threads",
        "ctx",
        "corpus",
        "out",
        "resume_from",
        "init_from",
        "quiet",
        "no_cache",
    }


def test_the_command_lines_words_are_the_settings_words() -> None:
    hints = get_type_hints(train)
    for setting in Config.__dataclass_fields__.values():
        words = setting.metadata.get("words")
        if setting.name in ("task", "schedule", "optimizer") or setting.name not in hints:
            continue  # words with variants; or itself a variant
        literal = hints[setting.name] if get_origin(hints[setting.name]) is not None else None
        assert (get_args(literal) if literal else None) == words, setting.name


@pytest.mark.parametrize(
    ("given", "settings"),
    [
        ({"encoding": "latin-1,newlines=keep"}, {"encoding": "latin-1", "keep_newlines": True}),
        ({"encoding": "utf-8, newlines=change"}, {"encoding": "utf-8", "keep_newlines": False}),
        ({"optimizer": "sgd,clip=0.5"}, {"optimizer": "sgd", "clip": 0.5}),
        ({"schedule": "step,warmup=0.5"}, {"schedule": "step", "warmup": 0.5}),
    ],
)
def test_settings_are_given_as_variants_of_others(
    given: dict[str, str], settings: dict[str, Any]
) -> None:
    assert Config.parse(given) == settings


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"encoding": "utf-8,newlines=foo"}, "newlines is keep or change"),
        ({"encoding": "utf-8,lines=keep"}, "utf-8 has no variant 'lines'"),
        ({"optimizer": "adamax,clip=1"}, "--optimizer adamax: choose from sgd, momentum"),
        ({"optimizer": "sgd,clip=much"}, "clip=much is not a number"),
        ({"optimizer": "sgd,clip=1,clip=2"}, "clip is given twice"),
        ({"optimizer": "sgd,clip=1", "clip": 2.0}, "--optimizer sgd,clip=1: clip is given twice"),
        ({"task": "lm,reset=5", "reset": 6}, "--task lm,reset=5: reset is given twice"),
    ],
)
def test_a_wrong_variant_is_reported(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        Config.parse(given)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dropout": 1.0}, "--dropout 1: must be 0.95 or less"),
        ({"lr": -0.5}, "--lr -0.5: must be 0 or more"),
        ({"minutes": float("nan")}, "--minutes nan: must be 0 or more"),
        ({"minutes": 2e6}, "--minutes 2000000: must be 1000000 or less"),
        ({"patience": -1}, "--patience -1: must be 0 or more"),
        ({"eval_every": 1 << 41}, "--eval-every 2199023255552: must be 1099511627776 or less"),
    ],
)
def test_the_limit_that_a_setting_breaks_is_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message) + "$"):
        Config.of(**settings)


def test_train_has_thirty_options_members_shards_and_no_cache() -> None:
    group = typer.main.get_command(app)
    options = [p for p in group.commands["train"].params if p.name != "corpus"]  # type: ignore[attr-defined]
    assert 20 < len(options) <= 33


OUT_OF_RANGE: list[tuple[str, Any]] = [
    ("val_fraction", 0.91),
    ("val_fraction", -0.01),
    ("layers", -1),
    ("layers", 65),
    ("hidden", 0),
    ("hidden", 1 << 16),
    ("embedding", -1),
    ("dropout", 1.0),
    ("dropout", float("nan")),
    ("seq_len", 0),
    ("batch_size", 0),
    ("epochs", 0.0),
    ("epochs", float("inf")),
    ("lr", -1e-9),
    ("lr", float("nan")),
    ("lr", float("inf")),
    ("warmup", 1.1),
    ("lr_final", 1.1),
    ("clip", -1.0),
    ("clip", float("inf")),
    ("weight_decay", 2.0),
    ("seed", -1),
    ("seed", 10**400),
    ("eval_every", -1),
    ("sample_every", -1),
    ("level", "word"),
    ("optimizer", "adamax"),
    ("schedule", "linear"),
    ("cell", "transformer"),
    ("cell", "gru,gates=cell"),
    ("cell", ""),
]


@pytest.mark.parametrize(("name", "value"), OUT_OF_RANGE, ids=lambda v: str(v)[:20])
def test_settings_out_of_range_are_refused(name: str, value: Any) -> None:
    with pytest.raises(InputError) as caught:
        Config(**{name: value})
    option = {"warmup": "schedule cosine,warmup=", "lr_final": "schedule cosine,final="}
    option["clip"] = "optimizer adamw,clip="
    assert "--" + option.get(name, name.replace("_", "-") + " ") in str(caught.value)
    assert caught.value.exit_code == 2


def test_settings_can_be_restored_from_json() -> None:
    config = Config(hidden=7, lr=0.1 + 0.2, cell="gru,reset=before", seed=2**127, dropout=0.5)
    assert Config.from_json(json.loads(json.dumps(config.to_json()))) == config
    assert Config.from_json({"epochs": 3}) == Config(epochs=3)


@pytest.mark.parametrize(
    "data",
    [{"hiden": 3}, {"hidden": 3.0}, {"hidden": True}, {"lr": "1"}, {"cell": None}, {"lr": True}],
)
def test_settings_of_the_wrong_kind_are_refused(data: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        Config.from_json(data)


# Evaluation


def network(cell: str, layers: int = 2) -> tuple[SequenceModel, Parameters, Array]:
    model = SequenceModel(5, 5, parse_cell(cell, 6), layers)
    parameters = model.init(np.random.default_rng(0), np.float64)
    return model, parameters, np.random.default_rng(1).integers(0, 5, 400).astype(np.uint8)


def naive(
    model: SequenceModel, parameters: Parameters, ids: Array, begin: int, start: int, stop: int
) -> tuple[float, int]:
    """The summed nats of ids[start:stop], read from ``begin`` on, one character at a time."""
    state, nats, count = model.zero_state(1, np.float64), 0.0, 0
    for at in range(begin, stop - 1):
        y, state, _ = model.forward(parameters, np.array([[ids[at]]], dtype=np.intp), state)
        if at + 1 >= start:
            logits = y[0, 0]
            nats += math.log(np.exp(logits).sum()) - float(logits[ids[at + 1]])
            count += 1
    return nats, count


CELLS = ("rnn", "lstm", "gru")


@pytest.mark.parametrize("start", [1, 2, 40, 257, 399])
@pytest.mark.parametrize("cell", CELLS)
def test_one_lane_equals_the_naive_loop(cell: str, start: int) -> None:
    model, parameters, ids = network(cell)
    nats, count = naive(model, parameters, ids, 0, start, 400)
    score = evaluate(reader_of(model), parameters, ids, start, lanes=1)
    assert score.count == count == 400 - start
    assert score.nats == pytest.approx(nats / count, rel=1e-12)
    assert score.bits == pytest.approx(nats / count / math.log(2), rel=1e-12)


def test_a_warm_up_is_read_and_not_scored() -> None:
    model, parameters, ids = network("lstm")
    for warm_up in (0, 1, 10, 63, 64, 65):
        nats, count = naive(model, parameters, ids, 300 - warm_up - 1, 300, 400)
        score = evaluate(reader_of(model), parameters, ids, 300, lanes=1, warm_up=warm_up)
        assert (score.count, score.lanes, score.warm_up) == (100, 1, warm_up)
        assert score.nats == pytest.approx(nats / count, rel=1e-12)


@pytest.mark.parametrize("lanes", [2, 3, 7, 64, 399])
def test_lanes_score_every_character_once(lanes: int) -> None:
    """Without a warm-up, each lane equals a naive loop; the last lane reads the rest."""
    model, parameters, ids = network("gru")
    length = 399 // lanes
    total, count = 0.0, 0
    for lane in range(lanes):
        first = 1 + lane * length
        stop = 400 if lane == lanes - 1 else first + length
        nats, n = naive(model, parameters, ids, first - 1, first, stop)
        total, count = total + nats, count + n
    score = evaluate(reader_of(model), parameters, ids, 1, lanes=lanes, warm_up=0)
    assert score.count == count == 399
    assert score.nats == pytest.approx(total / count, rel=1e-12)


@pytest.mark.parametrize("start", [1, 2, 30, 100, 101])
def test_no_lane_starts_cold_where_there_is_text_before_it(start: int) -> None:
    """Near the beginning of a text, only the first lane has little text before it."""
    model, parameters, ids = network("lstm")
    nats, count = naive(model, parameters, ids, 0, start, 400)
    score = evaluate(reader_of(model), parameters, ids, start, lanes=7, warm_up=100)
    assert score.count == count == 400 - start
    assert score.nats == pytest.approx(nats / count, abs=1e-6)
    everything = evaluate(reader_of(model), parameters, ids, start, lanes=3, warm_up=1000)
    assert everything.nats == pytest.approx(nats / count, rel=1e-12)


def test_warmed_lanes_come_close_to_one() -> None:
    model, parameters, ids = network("lstm")
    one = evaluate(reader_of(model), parameters, ids, 200, lanes=1).nats
    cold, warm = (
        abs(evaluate(reader_of(model), parameters, ids, 200, lanes=13, warm_up=w).nats - one)
        for w in (0, 100)
    )
    assert warm < 1e-6  # what this network still remembers after a hundred characters
    assert cold > 1000 * warm


def test_scores_do_not_depend_on_chunks_and_workspaces(monkeypatch: pytest.MonkeyPatch) -> None:
    model, parameters, ids = network("lstm")
    whole = evaluate(reader_of(model), parameters, ids, 100, lanes=4, warm_up=30)
    for chunk in (1, 7, 1000):
        monkeypatch.setattr("charrnn.evaluation.windows.CHUNK", chunk)
        again = evaluate(reader_of(model), parameters, ids, 100, lanes=4, warm_up=30)
        assert again.nats == pytest.approx(whole.nats, rel=1e-12)


@pytest.mark.parametrize("start", [0, 400, 401])
def test_an_empty_score_is_refused(start: int) -> None:
    model, parameters, ids = network("rnn")
    with pytest.raises(ValueError, match="nothing to score"):
        evaluate(reader_of(model), parameters, ids, start)


def test_the_validation_set_is_not_trained_on(corpus: Corpus) -> None:
    run = begin(Path("run"), corpus, val_fraction=0.25)
    task = text_task(run)
    assert (task.split, task.lanes.left_over) == (450, 1)
    score = task.validate(run.trainer.parameters)
    assert score is not None
    assert score.count == 150
    read = {(int(a), int(b)) for k in range(len(task.lanes)) for a, b in pairs(task, k)}
    bigrams = {(int(a), int(b)) for a, b in zip(task.ids[:450], task.ids[1:450], strict=False)}
    assert read <= bigrams
    run.folder.close()


def pairs(task: LanguageModelTask, index: int) -> Iterator[tuple[int, int]]:
    x, y = task.lanes.chunk(index)
    return zip(x.ravel().tolist(), y.ravel().tolist(), strict=True)


def test_the_state_is_carried_and_reset_for_each_epoch(corpus: Corpus) -> None:
    """Two chunks equal one of their joint length; the first of an epoch starts from zero."""
    run = begin(Path("run"), corpus)
    task, theta = text_task(run), run.trainer.parameters
    g = theta.zeros_like()
    first, n = task.gradients(theta, g, 0, None)
    second, m = task.gradients(theta, g, 1, None)
    again, _ = task.gradients(theta, g, 0, None)
    assert again == first
    (x0, y0), (x1, y1) = task.lanes.chunk(0), task.lanes.chunk(1)
    x, y = np.concatenate([x0, x1]), np.concatenate([y0, y1])
    state = run.network.zero_state(x.shape[1])
    logits, _, _ = run.network.forward(theta, x, state)
    picked = np.take_along_axis(logits, y[..., None], -1)[..., 0]
    nats = np.log(np.exp(logits).sum(-1)) - picked
    assert first + second == pytest.approx(float(nats.sum()), rel=1e-5)
    assert n + m == x.size
    run.folder.close()


def test_every_epoch_reads_every_chunk_in_order(corpus: Corpus) -> None:
    run = begin(Path("run"), corpus)
    gradients, read = text_task(run).gradients, []

    def noted(theta: Any, g: Any, number: int, rng: Any) -> tuple[float, int]:
        read.append(number % text_task(run).steps_per_epoch)
        return gradients(theta, g, number, rng)

    text_task(run).gradients = noted  # type: ignore[method-assign, assignment]
    run_until(run)
    assert read == [*range(17)] * 3


def test_a_lane_whose_state_ran_away_is_reset(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only that lane, in all its layers; a state that is not a number counts as run away."""
    run = begin(Path("run"), corpus, layers=2, cell="lstm,output=identity")
    task, theta = text_task(run), run.trainer.parameters
    task.gradients(theta, theta.zeros_like(), 0, None)
    before = [[part.copy() for part in layer] for layer in task.state]
    task.state[1][0][2, 3] = -RUNAWAY * 1.01
    task.state[0][0][0, 0] = np.nan
    task.state[0][0][1, 0] = RUNAWAY * 0.99
    task._restart_runaways()
    for layer, old in zip(task.state, before, strict=True):
        for part, was in zip(layer, old, strict=True):
            assert not part[[0, 2]].any()
            assert (part[3] == was[3]).all()
            assert part[1].any()
    monkeypatch.setattr(carried, "RUNAWAY", 1e-9)
    task.gradients(theta, theta.zeros_like(), 1, None)
    assert not any(part.any() for layer in task.state for part in layer)
    run.folder.close()


# Stopping and going on

SETTINGS: dict[str, dict[str, Any]] = {
    "lstm-adamw-dropout": {"cell": "lstm", "dropout": 0.3, "layers": 2, "weight_decay": 0.01},
    "gru-adam": {"cell": "gru", "optimizer": "adam", "sample_every": 7},
    "rnn-momentum-embedding": {"cell": "rnn", "optimizer": "momentum", "lr": 0.05, "embedding": 4},
    "003-rmsprop": {"cell": "lstm,gates=cell,output=identity", "optimizer": "rmsprop"},
    "softmax-sgd-no-validation": {"layers": 0, "optimizer": "sgd", "lr": 1.0, "val_fraction": 0.0},
}
POINTS = (1, 9, 10, 11, 17, 18, 30, 47, 50)
every_setting = pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)


def unstopped(corpus: Corpus, settings: dict[str, Any]) -> tuple[dict[str, str], Any]:
    run_until(begin(Path("whole"), corpus, **settings))
    return fingerprint(Path("whole")), metrics(Path("whole"))


@every_setting
def test_a_stopped_and_resumed_run_equals_an_uninterrupted_one(
    corpus: Corpus, settings: dict[str, Any]
) -> None:
    """Bit for bit: mid-epoch, at the edges of epochs, and before, at and after validations."""
    expected, log = unstopped(corpus, settings)
    for point in POINTS:
        folder = Path(f"stopped-{point}")
        events = run_until(begin(folder, corpus, **settings), point)
        assert isinstance(events[-1], Stopped)
        assert max(record["step"] for record in metrics(folder) or [{"step": 0}]) <= point
        again = resume(folder, corpus)
        rest = run_until(again)
        steps = [event.number for event in rest if isinstance(event, Step)]
        assert steps == list(range(point + 1, again.trainer.total + 1))
        assert isinstance(rest[-1], Finished)
        assert fingerprint(folder) == expected, point
        assert metrics(folder) == log, point


def test_a_run_stopped_many_times_equals_an_uninterrupted_one(corpus: Corpus) -> None:
    expected, log = unstopped(corpus, SETTINGS["lstm-adamw-dropout"])
    run_until(begin(Path("run"), corpus, **SETTINGS["lstm-adamw-dropout"]), 1)
    for point in range(2, 51):
        run_until(resume(Path("run"), corpus), point)
    run_until(resume(Path("run"), corpus))
    assert fingerprint(Path("run")) == expected
    assert metrics(Path("run")) == log


@every_setting
def test_a_killed_and_resumed_run_equals_an_uninterrupted_one(
    corpus: Corpus, settings: dict[str, Any]
) -> None:
    """A kill only loses what came after the last save, and no random draws of samples."""
    expected, log = unstopped(corpus, settings)
    for point in (11, 20, 35):
        folder = Path(f"killed-{point}")
        run_until(begin(folder, corpus, **settings), point, killed=True)
        rest = run_until(resume(folder, corpus))
        assert next(e.number for e in rest if isinstance(e, Step)) == (point - 1) // 10 * 10 + 1
        assert metrics(folder) == log, point
        assert fingerprint(folder)["best.npz"] == expected["best.npz"], point
        assert fingerprint(folder)["last.npz"] == expected["last.npz"], point


def test_a_kill_just_after_a_save_leaves_the_log_complete(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log line of a validation must not be lost."""
    _, log = unstopped(corpus, {})
    run = begin(Path("run"), corpus)
    save_last = run.folder.save_last

    def killed(header: Any, arrays: Any) -> None:
        save_last(header, arrays)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run.folder, "save_last", killed)
        with pytest.raises(KeyboardInterrupt):
            run_until(run)
    run_until(resume(Path("run"), corpus))
    assert metrics(Path("run")) == log


def test_the_log_is_cut_back_where_a_kill_left_it_ahead(corpus: Corpus) -> None:
    expected, log = unstopped(corpus, {"eval_every": 17})
    run_until(begin(Path("run"), corpus, eval_every=17), 33, killed=True)
    ahead = metrics(Path("run"))
    assert ahead[-1]["step"] == 30
    with Path("run/metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"step": 31, "schema"')  # and half a line
    run_until(resume(Path("run"), corpus))
    assert metrics(Path("run")) == log
    assert fingerprint(Path("run"))["best.npz"] == expected["best.npz"]


def weights_and_memory(folder: str) -> dict[str, Array]:
    header, arrays = checkpoint.read_checkpoint(Path(folder) / "last.npz")
    return arrays | {"history": np.array([list(entry.values()) for entry in header["history"]])}


def same(folder: str, other: str) -> None:
    """Assert that two runs learnt the same, whatever samples they showed."""
    ours, theirs = weights_and_memory(folder), weights_and_memory(other)
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not np.array_equal(ours[name], theirs[name])] == []


def test_showing_samples_changes_nothing(corpus: Corpus) -> None:
    """Weights, optimiser, lanes, losses: dropout and samples draw from different generators."""
    for name, every in (("often", 1), ("never", 1000)):
        events = run_until(begin(Path(name), corpus, dropout=0.5, sample_every=every))
        previews = [event.step for event in events if isinstance(event, Preview)]
        assert previews == (list(range(1, 52)) if every == 1 else [51])
    same("often", "never")


def test_seeds_decide_the_result(corpus: Corpus) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        run_until(begin(Path(name), corpus, seed=seed, dropout=0.2))
    assert fingerprint(Path("a")) == fingerprint(Path("b"))
    assert fingerprint(Path("a")) != fingerprint(Path("c"))


def test_a_run_learns_and_keeps_the_best(corpus: Corpus) -> None:
    """best.npz is from the step that it names, and has the score that it names."""
    run = begin(Path("run"), corpus, lr=0.05, epochs=12.0)
    events = run_until(run)
    scores = {e.step: e.score.error for e in events if isinstance(e, Validated) and e.score}
    assert list(scores) == [*range(10, 204, 10), 204]
    best = min(scores, key=lambda step: scores[step])
    assert best != 204  # it learns by heart: the last is not the best
    assert [e.step for e in events if isinstance(e, Validated) and e.best][-1] == best
    saved = load_model(Path("run/best.npz"))
    assert saved.header["history"][-1]["step"] == best
    again = evaluate(
        reader_of(saved.network),
        saved.parameters,
        np.asarray(text_task(run).ids),
        text_task(run).split,
    )
    assert again.nats == pytest.approx(scores[best], rel=1e-6)
    assert scores[best] < scores[10]
    losses = [e.nats for e in events if isinstance(e, Step)]
    assert losses[-1] < 0.9 * math.log(len(vocabulary_of(run))) < losses[0]
    assert "training" not in saved.header  # best.npz can be given away
    assert [e.val for e in run.history] == list(scores.values())


# Weights of another run


def test_a_new_run_can_begin_with_anothers_weights(corpus: Corpus, tmp_path: Path) -> None:
    """It keeps their symbols in the same order, although its own text has fewer."""
    run_until(begin(Path("first"), corpus))
    initial = load_model(Path("first/best.npz"))
    symbols, weights = initial.vocabulary, initial.parameters.flat.copy()
    fewer = corpus_of(tmp_path, "hg\n" * 200)
    folder = RunFolder(Path("second"), resume=False)
    run = Run.begin(initial.config, text_data(fewer), folder, initial)
    assert (run.trainer.parameters.flat == weights).all()
    assert vocabulary_of(run) == symbols
    assert vocabulary_of(run).decode(np.asarray(text_task(run).ids)) == b"hg\n" * 200
    run_until(run, 5)
    assert load_model(Path("second/last.npz")).vocabulary == symbols


# What goes wrong


def spoil(run: Run, at: int, what: Callable[[Run], None]) -> None:
    """Change the gradients of one step."""
    gradients = text_task(run).gradients

    def spoiled(*arguments: Any) -> tuple[float, int]:
        result = gradients(*arguments)
        if run.trainer.number + 1 == at:
            what(run)
            arguments[1].flat[0] = np.nan
        return result

    text_task(run).gradients = spoiled  # type: ignore[method-assign, assignment]


def test_a_gradient_that_is_not_finite_is_rolled_back(corpus: Corpus) -> None:
    """Once, at step 25: back to the save of step 20, with half the learning rate."""
    run = begin(Path("run"), corpus)
    kept: list[Snapshot] = []
    task, gradients = text_task(run), text_task(run).gradients
    spoilt: list[bool] = []

    def spoiled(*arguments: Any) -> tuple[float, int]:
        result = gradients(*arguments)
        if run.trainer.number == 20 and not kept:
            kept.append(capture(run).copy())
        if run.trainer.number == 24 and not spoilt:
            spoilt.append(True)
            arguments[1].flat[0] = np.nan
        return result

    task.gradients = spoiled  # type: ignore[method-assign, assignment]
    events = run_until(run)
    (back,) = [event for event in events if isinstance(event, RolledBack)]
    assert (back.step, back.to, back.lr) == (24, 20, 0.5 * run.config.lr)
    steps = [event for event in events if isinstance(event, Step)]
    assert [step.number for step in steps] == [*range(1, 25), *range(21, 52)]
    assert steps[24].lr == 0.5 * steps[20].lr
    assert steps[24].nats == steps[20].nats  # from the very weights and state of that step
    assert isinstance(events[-1], Finished)
    assert [record["step"] for record in metrics(Path("run")) if record["event"] == "rolled back"]


def test_a_run_that_was_rolled_back_resumes_exactly(corpus: Corpus) -> None:
    """The lowered learning rate is saved."""
    wild: dict[str, Any] = {"cell": "rnn,activation=relu", "optimizer": "sgd"}
    wild |= {"lr": 100.0, "clip": 0.0}
    events = run_until(begin(Path("whole"), corpus, **wild))
    assert any(isinstance(event, RolledBack) for event in events)
    assert isinstance(events[-1], Finished)
    for step in (13, 27, 44):
        folder = Path(f"run-{step}")
        run_until(begin(folder, corpus, **wild), step)
        run_until(resume(folder, corpus))
        same(str(folder), "whole")


def test_a_run_stopped_before_a_divergence_rolls_back_the_same(corpus: Corpus) -> None:
    """A stop does not save a good state: the last regular save is one, and is kept with it."""
    wild: dict[str, Any] = {"cell": "rnn,activation=relu", "optimizer": "sgd"}
    wild |= {"lr": 100.0, "clip": 0.0, "warmup": 0.0}
    events = run_until(begin(Path("whole"), corpus, **wild))
    backs = [event for event in events if isinstance(event, RolledBack)]
    assert backs
    for step in range(1, backs[0].step + 1):
        folder = Path(f"run-{step}")
        run_until(begin(folder, corpus, **wild), step)
        run_until(resume(folder, corpus))
        same(str(folder), "whole")


def test_a_text_that_becomes_harder_does_not_end_a_run(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    hard = "".join(rng.choice(list("cdefghijklmnop"), 3000))
    text = corpus_of(tmp_path, "ab" * 3000 + hard)
    settings: dict[str, Any] = {"batch_size": 1, "seq_len": 16, "val_fraction": 0.0, "epochs": 1.0}
    events = run_until(begin(Path("run"), text, **settings))
    assert isinstance(events[-1], Finished)
    assert sum(isinstance(event, RolledBack) for event in events) <= 2


def test_a_learning_rate_thirty_times_too_high_still_learns(tmp_path: Path) -> None:
    """At 0.15, on a text with something to learn: below the entropy of its characters."""
    rng = np.random.default_rng(3)
    words = ["lorem ", "ipsum ", "dolor ", "sit, ", "amet. ", "ut\n"]
    text = corpus_of(tmp_path, "".join(rng.choice(words, 600)))
    for cell in ("rnn", "lstm", "gru"):
        run = begin(Path(cell), text, cell=cell, lr=0.15, epochs=6.0, eval_every=50)
        run_until(run)
        _, counts = np.unique(text.codes, return_counts=True)
        unigram = float(-(counts / counts.sum() * np.log(counts / counts.sum())).sum())
        assert run.best is not None
        assert run.best.val is not None
        assert run.best.val < 0.6 * unigram, cell


def test_a_hopeless_learning_rate_is_detected_at_once(tmp_path: Path) -> None:
    """Lost before anything was learnt: it is worse than guessing."""
    text = corpus_of(tmp_path, "the cat sat on the mat, and the rat. " * 150)
    sizes: dict[str, Any] = {"hidden": 32, "batch_size": 8, "seq_len": 16, "epochs": 4.0}
    for cell, lr in (("gru", 10.0), ("lstm", 10.0)):
        run = begin(Path(f"{cell}-{lr}"), text, cell=cell, lr=lr, **sizes)
        events = run_until(run)
        assert any(isinstance(event, RolledBack) for event in events)
        assert run.best is not None
        assert run.best.val < 0.3 * np.log(len(vocabulary_of(run)))


def test_a_divergence_after_a_good_validation_keeps_its_weights(corpus: Corpus) -> None:
    """The run rolls back to before that validation, but the file stays."""
    run = begin(Path("run"), corpus, eval_every=5)
    errors = iter([3.0, 2.0, 9.0, 8.0, 7.0])
    validate = text_task(run).validate

    def validated(parameters: Parameters) -> Score:
        score = validate(parameters)
        assert score is not None
        return replace(score, nats=next(errors, 7.0))

    text_task(run).validate = validated  # type: ignore[method-assign]
    spoilt: list[bool] = []

    gradients = text_task(run).gradients

    def spoiled(*arguments: Any) -> tuple[float, int]:
        result = gradients(*arguments)
        if run.trainer.number == 12 and not spoilt:
            spoilt.append(True)
            arguments[1].flat[0] = np.nan
        return result

    text_task(run).gradients = spoiled  # type: ignore[method-assign, assignment]
    events: list[Any] = []
    for event in run.events():
        events.append(event)
        if isinstance(event, Validated) and event.step == 10 and len(events) < 20:
            kept = (Path("run") / "best.npz").read_bytes()
    run.close()
    (back,) = [event for event in events if isinstance(event, RolledBack)]
    assert (back.step, back.to) == (12, 0)
    assert run.best is not None
    assert (run.best.step, run.best.val) == (10, 2.0)
    assert (Path("run") / "best.npz").read_bytes() == kept
    assert not any(e.best for e in events[events.index(back) :] if isinstance(e, Validated))
    again = resume(Path("run"), corpus)
    assert again.best == run.best
    again.close()


def test_a_training_that_always_diverges_is_given_up(corpus: Corpus) -> None:
    run = begin(Path("run"), corpus)
    spoil(run, 25, lambda run: None)
    events: list[Any] = []
    with pytest.raises(DivergedError, match="diverged at step 25") as caught:
        events.extend(run.events())
    run.folder.close()
    assert caught.value.hint.startswith("the last good weights are kept; try --lr")
    assert sum(isinstance(event, RolledBack) for event in events) == MOST_LOWERED
    assert run.trainer.number == 20
    folder = RunFolder(Path("run"), resume=True)
    saved, why = folder.load_last()
    folder.close()
    assert (saved.header["training"]["step"], why) == (20, None)
    assert (run.trainer.parameters.flat == saved.parameters.flat).all()


def test_weights_that_are_not_finite_are_never_saved(corpus: Corpus) -> None:
    run = begin(Path("run"), corpus)
    events = run.events()
    for event in events:
        if isinstance(event, Validated) and event.step == 20:
            break
    before = fingerprint(Path("run"))
    run.trainer.parameters["head.b"][0] = np.inf
    with pytest.raises(DivergedError):
        run._save(best=True)
    run.folder.close()
    assert fingerprint(Path("run")) == before


def test_previous_npz_replaces_a_damaged_last_npz(corpus: Corpus) -> None:
    expected, log = unstopped(corpus, {})
    for damage in (b"", b"junk", None):
        folder = Path(f"run-{damage!r}")
        run_until(begin(folder, corpus), 30)
        (folder / "last.npz").unlink() if damage is None else (folder / "last.npz").write_bytes(
            damage
        )
        held = RunFolder(folder, resume=True)
        saved, why = held.load_last()
        assert saved.path.name == "previous.npz"
        assert why is not None
        assert "last.npz" in why
        assert "continuing from" in why
        run_until(Run.resume(saved, text_data(corpus), held))
        assert fingerprint(folder)["best.npz"] == expected["best.npz"]
        assert metrics(folder) == log
        same(str(folder), "whole")


def test_without_a_good_file_there_is_nothing_to_resume(corpus: Corpus) -> None:
    run_until(begin(Path("run"), corpus), 30)
    for name in ("last.npz", "previous.npz"):
        Path("run", name).write_bytes(b"junk")
    folder = RunFolder(Path("run"), resume=True)
    with pytest.raises(CheckpointError):
        folder.load_last()
    folder.close()


def test_another_text_is_refused(corpus: Corpus, tmp_path: Path) -> None:
    run_until(begin(Path("run"), corpus), 5)
    other = corpus_of(tmp_path, TEXT[:-1] + "\n\n")
    folder = RunFolder(Path("run"), resume=True)
    with pytest.raises(InputError, match=corpus.sha256[:12]) as caught:
        Run.resume(folder.load_last()[0], text_data(other), folder)
    folder.close()
    assert other.sha256[:12] in str(caught.value)
    assert "--init-from" in caught.value.hint


@pytest.mark.parametrize(
    "change",
    [
        lambda h, a: h.pop("training"),
        lambda h, a: h["training"].pop("step"),
        lambda h, a: h["training"].update(step="many"),
        lambda h, a: h["training"]["generators"].pop("dropout"),
        lambda h, a: h["training"]["generators"].update(dropout={"bit_generator": "MT19937"}),
        lambda h, a: h["training"]["generators"]["preview"]["state"].update(state=2**200),
        lambda h, a: h["training"].update(interval=[1.0]),
        lambda h, a: h["training"].update(interval=["1", 1]),
        lambda h, a: h["training"].update(interval=[1.0, 10**30]),
        lambda h, a: h["training"].update(step=10**30),
        lambda h, a: h["training"].update(step=h["training"]["pace"][-1][0] + 1),
        lambda h, a: h["training"].update(pace=[[0, 0.0], [1000, h["training"]["pace"][-1][1]]]),
        lambda h, a: h["training"].update(pace=[[n, float(n)] for n in range(100_001)]),
        lambda h, a: h["training"].update(pace=[[0, 0.0], [10**30, 51.0]]),
        lambda h, a: h["training"].update(pace=[[0, 0.0], [51, 1e300]]),
        lambda h, a: h["training"].update(pace=[[0, 0.0], [51, "51"]]),
        lambda h, a: h["training"].update(pace=[]),
        lambda h, a: h["training"].update(settling=6),
        lambda h, a: h["training"].update(lowered=2.0),
        lambda h, a: h["training"].update(lowered=0.0),
        lambda h, a: h["training"]["watch"].update(mean="low"),
        lambda h, a: h["training"]["watch"].update(seen=0.5),
        lambda h, a: h["training"]["watch"].update(mean=None),
        lambda h, a: h["training"]["good"].update(pace=[[0, 0.0], [10**30, 51.0]]),
        lambda h, a: a.pop("good.optimizer.m"),
        lambda h, a: a.update({"good.head.W": a["good.head.W"][:1]}),
        lambda h, a: a.update({"good.head.W": a["good.head.W"] * np.float32("nan")}),
        lambda h, a: h.update(history=[{"step": 1, "epoch": 1.0, "train": "1", "val": None}]),
        lambda h, a: h.update(history=7),
        lambda h, a: h.update(history=[7]),
        lambda h, a: a.pop("optimizer.m"),
        lambda h, a: a.update({"optimizer.m": a["optimizer.m"][:-1]}),
        lambda h, a: a.update({"optimizer.m": a["optimizer.m"][:1]}),  # would broadcast
        lambda h, a: a.pop("state.0.c"),
        lambda h, a: a.update({"state.0.c": a["state.0.c"][:-1]}),
    ],
)
def test_an_incomplete_training_state_is_refused(
    corpus: Corpus, change: Callable[[dict[str, Any], dict[str, Array]], Any]
) -> None:
    run_until(begin(Path("run"), corpus), 5)
    header, arrays = checkpoint.read_checkpoint(Path("run/last.npz"))
    change(header, arrays)
    checkpoint.write_checkpoint(Path("run/last.npz"), header, arrays)
    folder = RunFolder(Path("run"), resume=True)
    try:
        with pytest.raises(CheckpointError):
            Run.resume(folder.load_last()[0], text_data(corpus), folder)
    finally:
        folder.close()


@pytest.mark.parametrize(
    ("pace", "step", "fine"),
    [
        ([[0, 0.0], [2, 2.0], [100, 51.0]], 5, True),
        ([[0, 0.0], [2, 2.0], [5, 5.0], [100, 51.0]], 5, True),
        ([[0, 0.0], [6, 6.0], [100, 51.0]], 5, False),  # changed in the future
        ([[n, n / 2000] for n in range(100_001)], 5, False),
        ([[0, 0.0], [300_000, 51.0]], 5, True),
        ([[0, 0.0], [300_001, 51.0]], 5, False),  # in three seconds
        ([[0, 0.0], [10**12, 51.0]], 10**12 - 1, False),
    ],
)
def test_a_pace_impossible_for_the_minutes_is_refused(
    corpus: Corpus, pace: list[Any], step: int, fine: bool
) -> None:
    """The file could keep it busy for any time."""
    run_until(begin(Path("run"), corpus, minutes=0.05), 5)
    header, arrays = checkpoint.read_checkpoint(Path("run/last.npz"))
    header["training"].update(pace=pace, step=step)
    header["training"].pop("good")
    checkpoint.write_checkpoint(Path("run/last.npz"), header, arrays)
    folder = RunFolder(Path("run"), resume=True)
    with closing(folder), nullcontext() if fine else pytest.raises(CheckpointError):
        run = Run.resume(folder.load_last()[0], text_data(corpus), folder)
        assert run.trainer.total == pace[-1][0]


def test_best_npz_alone_cannot_be_resumed(corpus: Corpus) -> None:
    run_until(begin(Path("run"), corpus))
    Path("other").mkdir()
    Path("run/best.npz").rename("other/last.npz")
    folder = RunFolder(Path("other"), resume=True)
    with pytest.raises(CheckpointError, match="training state is damaged") as caught:
        Run.resume(folder.load_last()[0], text_data(corpus), folder)
    folder.close()
    assert "--init-from" in caught.value.hint


# Folders


def test_only_one_process_trains_in_a_folder(corpus: Corpus) -> None:
    run = begin(Path("run"), corpus)
    with pytest.raises(RunError, match=f"in use by process {os.getpid()} on") as caught:
        RunFolder(Path("run"), resume=False)
    assert caught.value.exit_code == 1
    run_until(run, 5)
    with pytest.raises(InputError, match="already holds a run") as refused:
        RunFolder(Path("run"), resume=False)
    assert "--resume" in refused.value.hint
    assert names(Path("run")) == ["last.npz", "metrics.jsonl"]


def test_a_released_lock_is_not_taken_twice(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One process ends between another's opening and taking the lock; then a third one starts."""
    fcntl = pytest.importorskip("fcntl")
    run_until(begin(Path("run"), corpus), 5)
    first = RunFolder(Path("run"), resume=True)
    flock = fcntl.flock

    def late(file: Any, operation: int) -> None:
        monkeypatch.setattr(fcntl, "flock", flock)
        first.close()
        flock(file, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    second = RunFolder(Path("run"), resume=True)
    try:
        with pytest.raises(RunError):
            RunFolder(Path("run"), resume=True).close()
    finally:
        second.close()


def test_a_folder_without_a_run_cannot_be_resumed(tmp_path: Path) -> None:
    for name in ("nowhere", "."):
        with pytest.raises(InputError, match="holds no run to resume"):
            RunFolder(Path(name), resume=True)
    assert names(tmp_path) == []


def test_a_folder_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    Path("file").write_bytes(b"")
    for path in ("file", "file/run", "/proc/run"):
        with pytest.raises(RunError, match=f"cannot write to {path}"):
            RunFolder(Path(path), resume=False)


def test_new_folders_are_numbered() -> None:
    names = []
    for _ in range(3):
        folder = runs.new_folder("a b/é\x1b.")
        folder.mkdir(parents=True)
        names.append(folder.as_posix())
    assert names == [f"checkpoints/a-b-é---{n}" for n in (1, 2, 3)]
    assert runs.new_folder("").name == "run-1"


def test_a_folder_name_never_looks_like_an_option() -> None:
    """A run called -x--1 could not be named on the command line."""
    assert runs.new_folder("[x]").name == "x--1"


def test_a_run_that_left_only_a_log_does_not_double_it(corpus: Corpus) -> None:
    """It diverged before its first save; the next run in its folder starts a new log."""
    run = begin(Path("run"), corpus, eval_every=30)
    spoil(run, 25, lambda run: None)
    with pytest.raises(DivergedError):
        run_until(run)
    run_until(begin(Path("run"), corpus))
    _, log = unstopped(corpus, {})
    assert metrics(Path("run")) == log


# A full disk


def full_disk(monkeypatch: pytest.MonkeyPatch, when: Callable[[Path], bool]) -> Callable[..., None]:
    write = checkpoint.write_checkpoint

    def written(path: Path, header: Any, arrays: Any) -> None:
        if when(path):
            raise CheckpointError(f"could not write {path}: {os.strerror(errno.ENOSPC)}")
        write(path, header, arrays)

    monkeypatch.setattr(runs, "write_checkpoint", written)
    return written


def test_a_save_that_fails_is_tried_again(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    expected, log = unstopped(corpus, {})
    run = begin(Path("run"), corpus)
    full_disk(monkeypatch, lambda path: run.trainer.number in (20, 30))
    events = run_until(run)
    assert [e.step for e in events if isinstance(e, SaveFailed)] == [20, 30]
    assert isinstance(events[-1], Finished)
    assert fingerprint(Path("run"))["last.npz"] == expected["last.npz"]
    assert metrics(Path("run")) == log


def test_a_last_save_that_fails_is_an_error(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begin(Path("run"), corpus)
    full_disk(monkeypatch, lambda path: run.trainer.number > 35)
    with pytest.raises(CheckpointError, match="No space left"):
        run_until(run)
    saved = load_model(Path("run/last.npz"))
    assert saved.header["training"]["step"] == 30


def test_best_npz_is_what_the_run_reports_as_best(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if the disk was full at the best validation."""
    run = begin(Path("run"), corpus)
    nats = iter([3.0, 2.0, 2.5, 2.7, 2.6, 2.8])
    monkeypatch.setattr(text_task(run), "validate", lambda theta: Score(next(nats), 60, 1, 0))
    full_disk(monkeypatch, lambda path: run.trainer.number == 20 and path.name == "best.npz")
    run_until(run)
    assert run.best is not None
    assert load_model(Path("run/best.npz")).header["history"][-1]["step"] == run.best.step


# Patience


def overfitted(folder: str, corpus: Corpus, **settings: Any) -> Run:
    """It memorises 600 random characters, so its validation loss only gets worse."""
    return begin(
        Path(folder),
        corpus,
        **{"hidden": 48, "epochs": 60.0, "lr": 0.02, "warmup": 0.0, **settings},
    )


def test_out_of_patience_a_run_settles_and_ends(corpus: Corpus) -> None:
    run = overfitted("run", corpus, patience=3)
    events = run_until(run)
    (settled,) = [event for event in events if isinstance(event, Settled)]
    scored = [event for event in events if isinstance(event, Validated)]
    best = min((e for e in scored if e.step <= settled.step), key=lambda e: e.score.nats)  # type: ignore[union-attr]
    assert settled.best == best.step
    assert settled.step == best.step + 3 * 10
    assert settled.total == settled.step + max(20, best.step // 2)
    steps = [event for event in events if isinstance(event, Step)]
    rates = [step.lr for step in steps if step.number > settled.step]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 0.1 * rates[0]
    assert isinstance(events[-1], Finished)
    assert run.complete
    again = resume(Path("run"), corpus)
    again.close()
    assert again.complete


def test_settling_begins_with_the_best_weights(corpus: Corpus) -> None:
    run = overfitted("run", corpus, patience=3)
    for event in run.events():
        if isinstance(event, Settled):
            break
    run.folder.close()
    assert (run.trainer.parameters.flat == load_model(Path("run/best.npz")).parameters.flat).all()


def test_patience_without_validations_is_refused(corpus: Corpus) -> None:
    with pytest.raises(InputError, match="patience needs a validation set"):
        begin(Path("run"), corpus, patience=3, val_fraction=0.0)


def test_a_run_without_patience_goes_to_its_end(corpus: Corpus) -> None:
    events = run_until(overfitted("run", corpus, epochs=30.0))
    assert not any(isinstance(event, Settled) for event in events)
    assert [e.number for e in events if isinstance(e, Step)][-1] == 30 * 17


def test_a_run_that_settles_resumes_exactly(corpus: Corpus) -> None:
    events = run_until(overfitted("whole", corpus, patience=3))
    (settled,) = [event for event in events if isinstance(event, Settled)]
    for step in (settled.step - 5, settled.step, settled.step + 7):
        folder = Path(f"run-{step}")
        run_until(overfitted(str(folder), corpus, patience=3), step)
        run_until(resume(folder, corpus))
        same(str(folder), "whole")


def test_a_short_text_is_validated_about_25_times(tmp_path: Path) -> None:
    """One update is an epoch of this text; a longer text is validated every epoch."""
    counted = {}
    for times in (1, 2, 11):
        corpus = corpus_of(tmp_path, TEXT * times)
        config = Config(hidden=4, seq_len=8, batch_size=32, epochs=60.0)
        folder = RunFolder(tmp_path / f"{times}", resume=False)
        run = Run.begin(config, text_data(corpus), folder, threads=1)
        every, an_epoch = run.validate_every, run.task.steps_per_epoch
        run.close()
        counted[an_epoch] = every
    assert counted == {2: 6, 5: 15, 24: 24}
    corpus_of(tmp_path)
    flags = ("--hidden", "4", "--threads", "1", "--out", "run")
    done = charrnn("train", "corpus.txt", *flags, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    events = [entry["event"] for entry in metrics(tmp_path / "run")]
    assert 20 <= events.count("validation") <= 30
    assert done.stdout.count(b"--- step ") <= 30
    assert len(done.stdout) < 20_000
