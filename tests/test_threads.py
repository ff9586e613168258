"""The number of processes: measured before the first step, reported, kept, and changed."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import TEXT, begin, corpus_of, reader_of, run_until, text_data, text_task

from charrnn import library
from charrnn.engine import Engine, shards
from charrnn.evaluation.validation import evaluate
from charrnn.runs.folder import RunFolder
from charrnn.tasks.config import Config
from charrnn.training import threads
from charrnn.training.events import Alone, Measured
from charrnn.training.run import Run
from charrnn.training.threads import Timing, fastest, time_threads, worth_timing

WIDE: dict[str, Any] = {"batch_size": 65, "seq_len": 4, "epochs": 1.0}  # four shards
LONG = TEXT * 3


Start = Callable[..., Run]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start runs that are closed after the test."""
    runs: list[Run] = []

    def new(name: str = "run", **settings: Any) -> Run:
        runs.append(begin(tmp_path / name, corpus_of(tmp_path, LONG), **settings))
        return runs[-1]

    yield new
    for run in runs:
        run.close()


@pytest.fixture
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> dict[int, float]:
    """Steps take a given time for each number of processes, and are not computed."""
    seconds = {1: 8.0, 2: 4.0, 4: 5.0}
    monkeypatch.setattr(threads, "available_cores", lambda: 8)
    monkeypatch.setattr(threads, "_step", lambda task, _: seconds[task.engine.threads])
    return seconds


def test_the_fastest_is_chosen(start: Start, eight_cores: dict[int, float]) -> None:
    run = start(**WIDE)
    timings = time_threads(text_task(run), run.trainer.parameters)
    assert timings == [Timing(n, s) for n, s in eight_cores.items()]  # no more than shards
    assert fastest(timings).threads == 2
    assert fastest([Timing(1, 3.0), Timing(2, 3.0)]).threads == 1
    assert fastest([]).threads == 1


def test_more_cores_use_more_shards_if_that_is_clearly_faster(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """32 lanes have two shards; eight cores try four and eight, six cores four and six."""
    seconds = {(1, 1): 9.0, (1, 2): 8.0, (2, 2): 4.0, (4, 4): 2.5, (6, 6): 2.4, (8, 8): 2.0}
    monkeypatch.setattr(
        threads,
        "_step",
        lambda task, _: seconds[
            task.engine.threads, len(shards(task.batch_size, task.engine.shards))
        ],
    )
    run = start(batch_size=32, seq_len=4)
    task, parameters = text_task(run), run.trainer.parameters
    for cores, found in ((8, [1, 2, 4, 8]), (6, [1, 2, 4, 6]), (2, [1, 2])):
        monkeypatch.setattr(threads, "available_cores", lambda cores=cores: cores)
        timings = time_threads(task, parameters, recut=True)
        assert [t.threads for t in timings] == found
        assert [t.shards for t in timings] == [0, 0, *found[2:]]
        assert fastest(timings) == timings[-1]
    assert [t.shards for t in time_threads(task, parameters)] == [0, 0]  # nobody asked
    narrow = start("narrow", batch_size=16, seq_len=4)  # one shard, which two cores leave whole
    assert len(time_threads(text_task(narrow), narrow.trainer.parameters, recut=True)) == 1
    close = [Timing(2, 1.0), Timing(4, 0.96, 4)]
    assert fastest(close) == close[0]  # not worth other bits


@pytest.mark.parametrize(("cores", "asked"), [(1, 0), (2, 1)])
def test_one_process_computes_a_single_shard_if_that_is_clearly_faster(
    start: Start, monkeypatch: pytest.MonkeyPatch, cores: int, asked: int
) -> None:
    """On a single core, or where one process is asked for; in a plan, which may choose."""
    seconds = {1: 7.0, 2: 8.0}
    monkeypatch.setattr(threads, "available_cores", lambda: cores)
    monkeypatch.setattr(
        threads, "_step", lambda task, _: seconds[len(shards(32, task.engine.shards))]
    )
    run = start(batch_size=32, seq_len=4)
    task, parameters = text_task(run), run.trainer.parameters
    timings = time_threads(task, parameters, asked, recut=True)
    assert timings == [Timing(1, 8.0), Timing(1, 7.0, 1)]
    assert fastest(timings).shards == 1
    assert time_threads(task, parameters, asked) == [Timing(1, 8.0)]
    assert time_threads(task, parameters, 2, recut=True) == [Timing(2, 8.0)]


def test_more_ranks_use_more_shards_too(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has one process, whatever cores rank 0 has; two ranks keep the usual shards."""
    seconds = {2: 4.0, 4: 2.0, 8: 3.0}
    monkeypatch.setattr(
        threads, "_step", lambda task, _: seconds[len(shards(32, task.engine.shards))]
    )
    run = start(batch_size=32, seq_len=4)
    task, parameters = text_task(run), run.trainer.parameters
    for ranks, cores, cuts in ((8, 2, [4, 8]), (4, 1, [4]), (2, 16, [])):
        monkeypatch.setattr(threads, "available_cores", lambda cores=cores: cores)
        monkeypatch.setattr(Engine, "ranks", ranks)
        timings = time_threads(task, parameters, recut=True)
        assert timings == [Timing(1, seconds[cut or 2], cut) for cut in (0, *cuts)]
        assert fastest(timings).shards == (4 if cuts else 0)
        worth = [worth_timing(task, parameters, 1000, recut=recut) for recut in (True, False)]
        assert worth == [bool(cuts), False]  # who may not cut has nothing to choose
        assert [t.shards for t in time_threads(task, parameters, 3, recut=True)] == [0]


def test_a_measured_number_of_shards_is_kept(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is reported, is in the settings and affects the bits; a resumed run keeps it."""
    monkeypatch.setattr(threads, "available_cores", lambda: 4)
    monkeypatch.setattr(threads, "WORTHWHILE", 0.0)
    monkeypatch.setattr(threads, "_step", lambda task, _: 1.0 / task.engine.threads)
    settings: dict[str, Any] = {"batch_size": 32, "seq_len": 4, "epochs": 1.0}
    corpus, config = corpus_of(tmp_path, LONG), Config(hidden=8, eval_every=10, **settings)
    folder = RunFolder(tmp_path / "measured", resume=False)
    run = Run.begin(config, text_data(corpus), folder, threads=0)
    measured = [event for event in run.events() if isinstance(event, Measured)]
    assert [(event.threads, event.shards) for event in measured] == [(4, 4)]
    assert run.config.shards == run.model.config.shards == 4
    alike, usual = start("given", shards=4, **settings), start("usual", **settings)
    run_until(alike)
    run_until(usual)
    run.close()
    weights = run.trainer.parameters.flat
    np.testing.assert_array_equal(weights, alike.trainer.parameters.flat)
    assert (weights != usual.trainer.parameters.flat).any()
    np.testing.assert_allclose(weights, usual.trainer.parameters.flat, atol=1e-3)


@pytest.mark.parametrize(("shards", "said"), [(1, True), (2, False)])
def test_a_resumed_run_says_that_a_single_shard_leaves_one_process(
    start: Start, shards: int, said: bool
) -> None:
    run = start(batch_size=32, seq_len=4, epochs=0.5, shards=shards)
    run_until(run, 3)
    run.close()
    for count in (1, 2):
        with library.resume(run.folder.path, threads=count) as again:
            noted = "one process computes, since the run has a single shard" in again.notes
            assert noted is (said and count > 1)
            assert again.threads == min(count, shards)


@pytest.mark.usefixtures("eight_cores")
def test_nothing_is_measured_without_a_choice(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A training of one step, a single shard, or a single core."""
    run = start(**WIDE)
    parameters = run.trainer.parameters
    assert not worth_timing(text_task(run), parameters, 1)
    assert worth_timing(text_task(run), parameters, 1000)
    narrow = start("narrow")
    assert not worth_timing(narrow.task, narrow.trainer.parameters, 1000)
    monkeypatch.setattr(threads, "available_cores", lambda: 1)
    assert not worth_timing(text_task(run), parameters, 1000)


def test_a_process_that_dies_while_it_is_timed_is_not_timed(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start(**WIDE)

    def step(task: object, parameters: object) -> float:
        text_task(run).engine.lost = text_task(run).engine.threads > 1
        return 9.0

    monkeypatch.setattr(threads, "available_cores", lambda: 8)
    monkeypatch.setattr(threads, "_step", step)
    assert time_threads(text_task(run), run.trainer.parameters) == [Timing(1, 9.0)]
    assert not text_task(run).engine.lost


def test_timing_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither weights nor state nor random draws; and the run first reports the result."""
    monkeypatch.setattr(threads, "available_cores", lambda: 2)
    monkeypatch.setattr(threads, "WORTHWHILE", 0.0)
    corpus, config = corpus_of(tmp_path, LONG), Config(**{"hidden": 8, "dropout": 0.3, **WIDE})
    weights = []
    for number in (1, 0):
        folder = RunFolder(tmp_path / str(number), resume=False)
        run = Run.begin(config, text_data(corpus), folder, threads=number)
        assert run.threads == number
        seen = run_until(run)
        run.close()
        weights.append(run.trainer.parameters.flat)
        measured = [event for event in seen if isinstance(event, Measured)]
        assert len(measured) == (number == 0)
        if measured:
            assert seen[0] is measured[0]
            assert [timing.threads for timing in measured[0].timings] == [1, 2]
            assert run.threads == measured[0].threads in (1, 2)
    np.testing.assert_array_equal(weights[0], weights[1])


def test_a_run_keeps_its_number_and_may_be_given_another(tmp_path: Path) -> None:
    corpus, config = corpus_of(tmp_path, LONG), Config(**{"hidden": 8, **WIDE})
    folder = tmp_path / "run"
    run = Run.begin(config, text_data(corpus), RunFolder(folder, resume=False), threads=2)
    run_until(run, 2)
    run.close()
    for given, expected in ((None, 2), (1, 1), (1000, 4), (0, 0)):
        held = RunFolder(folder, resume=True)
        again = Run.resume(held.load_last()[0], text_data(corpus), held, given)
        assert again.threads == expected
        assert again.task.engine.threads == max(expected, 1)
        again.close()


def test_losing_the_other_processes_is_reported_once(start: Start) -> None:
    run = start()
    seen = []
    for event in run.events():
        seen.append(event)
        if run.trainer.number == 5:
            text_task(run).engine.lost = True
    alone = [event for event in seen if isinstance(event, Alone)]
    assert alone == [Alone(6)] or alone == [Alone(5)]


def test_closing_a_run_closes_its_engine(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    run = start()
    closed = []
    with monkeypatch.context() as patch:
        patch.setattr(text_task(run).engine, "close", lambda: closed.append(True))
        run.close()
    assert closed


def test_a_validation_is_shared_out_too(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the training's engine."""
    run = start()
    calls = []
    compute = Engine.losses

    def counted(self: Engine, *arguments: object, **named: object) -> object:
        calls.append(self)
        return compute(self, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Engine, "losses", counted)
    text_task(run).validate(run.trainer.parameters)
    assert calls
    assert set(calls) == {text_task(run).engine}
    evaluate(reader_of(run.network), run.trainer.parameters, np.asarray(text_task(run).ids), 100)
    assert set(calls) != {text_task(run).engine}
