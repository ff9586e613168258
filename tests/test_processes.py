"""Several processes: the same bits, whatever happens to them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from support import ROOT, TEXT, charrnn, cross_entropy, environment, metrics
from threadpoolctl import threadpool_info, threadpool_limits

from charrnn.engine import Engine
from charrnn.nn.cells import parse_cell
from charrnn.nn.models import Loss, SequenceModel, Sequences
from charrnn.nn.parameters import Parameters
from charrnn.nn.types import Array, State

MODEL = SequenceModel(7, 7, parse_cell("lstm", 32), 2, dropout=0.25)
LANES = 70  # four shards, not all of one size
Outcome = tuple[float, Array, State]


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine(MODEL, threads=2) as engine:
        yield engine


def parameters() -> Parameters:
    return MODEL.init(np.random.default_rng(0))


def compute(engine: Engine, weights: Parameters, steps: int = 2) -> Outcome:
    text = np.random.default_rng(1).integers(7, size=(9, LANES))
    rng, state, gradients = np.random.default_rng(2), MODEL.zero_state(LANES), weights.zeros_like()
    total = 0.0
    for _ in range(steps):
        nats, state = cross_entropy(
            engine, weights, text[:-1], text[1:], state, gradients=gradients, rng=rng
        )
        total += nats
    return total, gradients.flat, state


def assert_same_bits(one: Outcome, other: Outcome) -> None:
    assert one[0] == other[0]
    np.testing.assert_array_equal(one[1], other[1])
    for ours, theirs in zip(one[2], other[2], strict=True):
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(a, b)


def alone() -> Outcome:
    with Engine(MODEL) as engine:
        return compute(engine, parameters())


def pids(engine: Engine) -> list[int]:
    return [process.pid or 0 for process, _ in engine._others]


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def ends(pid: int) -> bool:
    deadline = time.monotonic() + 120
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not is_alive(pid)


@pytest.mark.parametrize("threads", [2, 3, 9])
def test_the_number_of_processes_changes_no_bit(threads: int) -> None:
    """Loss, gradients, states and dropout masks; more processes than shards are not started."""
    with Engine(MODEL, threads) as engine:
        assert_same_bits(compute(engine, parameters()), alone())
        assert len(pids(engine)) == min(threads, 4) - 1
        assert not engine.lost


def test_parameters_are_read_again_each_time(engine: Engine) -> None:
    weights = parameters()
    compute(engine, weights)
    weights.flat *= 1.5
    with Engine(MODEL) as other:
        assert_same_bits(compute(engine, weights), compute(other, weights))


def test_an_engine_takes_more_shards_than_before(engine: Engine) -> None:
    """A validation has more lanes than the training, so the processes are started again."""
    text, weights = np.random.default_rng(1).integers(7, size=(4, 300)), parameters()

    def loss(of: Engine, lanes: int) -> float:
        x, state = text[:, :lanes], MODEL.zero_state(lanes)
        return float(cross_entropy(of, weights, x[:-1], x[1:], state)[0])

    with Engine(MODEL) as other:
        for lanes in (24, 300, 24):
            assert loss(engine, lanes) == loss(other, lanes)
    assert len(pids(engine)) == 1


def test_the_work_of_a_dead_process_is_done(engine: Engine) -> None:
    """Killed between two steps: this process does its work, with the same bits, and says so."""
    weights = parameters()
    compute(engine, weights)
    (pid,) = pids(engine)
    os.kill(pid, signal.SIGKILL)
    assert_same_bits(compute(engine, weights), alone())
    assert engine.lost
    assert engine.threads == 1
    assert ends(pid)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_signals_that_stop_a_training_do_not_stop_its_processes(engine: Engine, name: str) -> None:
    """A terminal sends Ctrl-C to all of them, and the step must be finished and saved."""
    weights = parameters()
    compute(engine, weights)
    (pid,) = pids(engine)
    os.kill(pid, getattr(signal, name))
    assert_same_bits(compute(engine, weights), alone())
    assert not engine.lost


def test_after_an_error_the_next_answer_is_not_an_old_one(engine: Engine) -> None:
    """Late answers of another process belong to the step that failed."""
    weights = parameters()
    compute(engine, weights)
    text, state = np.zeros((3, LANES), dtype=int), MODEL.zero_state(LANES)
    for lane in (0, LANES - 1, LANES // 3):
        wrong = text.copy()
        wrong[0, lane] = 99
        with pytest.raises(ValueError, match=r"must be in 0\.\.6"):
            cross_entropy(engine, weights, wrong[:-1], wrong[1:], state)
        assert (engine.lost, engine.threads) == (False, 2)
        assert_same_bits(compute(engine, weights), alone())


def test_a_training_works_without_processes_that_cannot_start(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too many processes or open files, or no shared memory."""

    def fail(arguments: object) -> None:
        raise OSError("Resource temporarily unavailable")

    monkeypatch.setattr("charrnn.engine._spawn", fail)
    assert_same_bits(compute(engine, parameters()), alone())
    assert (engine.lost, engine.threads, pids(engine)) == (True, 1, [])
    monkeypatch.undo()
    engine.threads = 2
    assert_same_bits(compute(engine, parameters()), alone())
    assert not engine.lost
    assert len(pids(engine)) == 1


def test_the_number_of_processes_may_change_between_two_calls(engine: Engine) -> None:
    compute(engine, parameters())
    (pid,) = pids(engine)
    engine.threads = 1
    assert ends(pid)
    assert_same_bits(compute(engine, parameters()), alone())
    assert pids(engine) == []
    engine.threads = 3
    assert_same_bits(compute(engine, parameters()), alone())
    assert len(pids(engine)) == 2


def test_an_engine_takes_parameters_of_another_dtype(engine: Engine) -> None:
    """The shared memory had the layout of the first dtype; it must be allocated again."""
    compute(engine, parameters())
    double = parameters().astype(np.float64)
    with Engine(MODEL) as other:
        expected = compute(other, double)
    assert_same_bits(compute(engine, double), expected)
    assert expected[1].dtype == np.float64


class Threads:
    """A model whose loss is the number of threads that a product may use."""

    part = MODEL.part

    def sum_loss(self, parameters: object, batch: Sequences, *_: object, **__: object) -> Loss:
        np.ones((2, 2)) @ np.ones((2, 2))
        threads = max((library["num_threads"] for library in threadpool_info()), default=1)
        return Loss(threads, batch.state, ())


@pytest.mark.parametrize("threads", [1, 2])
def test_every_product_is_made_on_one_thread(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process and in the other; afterwards the setting is restored."""
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    x = np.zeros((1, LANES), dtype=int)
    with threadpool_limits(2), Engine(cast(Any, Threads()), threads) as engine:
        before = [library["num_threads"] for library in threadpool_info()]
        assert cross_entropy(engine, parameters(), x, x, ())[0] == 4  # one for each shard
        assert [library["num_threads"] for library in threadpool_info()] == before
        assert not engine.lost


def test_closing_an_engine_ends_its_processes(engine: Engine) -> None:
    compute(engine, parameters())
    (pid,) = pids(engine)
    engine.close()
    assert ends(pid)
    assert_same_bits(compute(engine, parameters()), alone())


ABANDONED = """
import sys, time
from test_processes import MODEL, Engine, compute, parameters, pids
if __name__ == "__main__":
    engine = Engine(MODEL, 2)
    compute(engine, parameters())
    print(*pids(engine), flush=True)
    if sys.argv[1:] == ["wait"]:
        time.sleep(60)
"""


@pytest.mark.parametrize("killed", [True, False])
def test_no_process_outlives_its_parent(tmp_path: Path, killed: bool) -> None:
    """Neither if the parent is killed nor if it exits without closing anything."""
    script = tmp_path / "abandoned.py"
    script.write_text(ABANDONED)
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    with subprocess.Popen(
        [sys.executable, str(script), *(["wait"] if killed else [])],
        stdout=subprocess.PIPE,
        env=environment() | {"PYTHONPATH": paths},
    ) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        if killed:
            process.kill()
        assert process.wait(30) == (-signal.SIGKILL if killed else 0)
    assert ends(pid)


@pytest.mark.parametrize("cut", [(), ("--shards", "5")], ids=["usual", "five shards"])
def test_training_is_the_same_with_any_number_of_processes(
    tmp_path: Path, cut: tuple[str, ...]
) -> None:
    """From the command line: the same files with one process and with two; the log has how many."""
    (tmp_path / "corpus.txt").write_text(TEXT * 4, encoding="utf-8")
    small = ("--hidden", "16", "--seq-len", "8", "--batch-size", "24", "--dropout", "0.2")
    for threads in ("1", "2"):
        done = charrnn(
            "train", "corpus.txt", *small, *cut, "--epochs", "4", "--threads", threads,
            "--out", threads, cwd=tmp_path,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert f"threads: {threads}" in done.stderr.decode()
        assert ("each batch cut into 5 shards" in done.stderr.decode()) == bool(cut)
        noted = [one["threads"] for one in metrics(tmp_path / threads) if one["event"] == "threads"]
        assert noted == [int(threads)]
    for name in ("best.npz", "last.npz"):
        first, second = ((tmp_path / threads / name).read_bytes() for threads in ("1", "2"))
        assert first == second
