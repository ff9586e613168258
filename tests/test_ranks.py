"""Many machines: sharing changes no bit, and rank 0 reports what goes wrong elsewhere."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import pytest
from groups import Threads, in_threads
from mpiexec import mpiexec, needs_mpi, pids_of_rank, ranks
from support import ROOT, TEXT, begin, charrnn, corpus_of, environment, resume

from charrnn.checkpoint import read_checkpoint
from charrnn.cli.ranks import started_as
from charrnn.engine import Engine, shards
from charrnn.errors import RunError
from charrnn.nn.cells import parse_cell
from charrnn.nn.models import SequenceModel, Sequences
from charrnn.nn.parameters import Parameters
from charrnn.nn.types import Array
from charrnn.nn.workspace import Workspace
from charrnn.ranks import Follower, Order, RankedEngine, add_up, end
from charrnn.tasks.config import Config
from charrnn.training import recipe
from charrnn.training.planner import plan
from charrnn.training.speed import measure, text_like

MODEL = SequenceModel(7, 7, parse_cell("gru", 6), 2, dropout=0.3)
LANES = 70  # four shards

SMALL = ("--hidden", "16", "--seq-len", "8", "--batch-size", "24", "--dropout", "0.2")


def batch(lanes: int = LANES) -> tuple[Parameters, Sequences]:
    rng = np.random.default_rng(3)
    text = rng.integers(7, size=(6, lanes))
    return MODEL.init(rng), Sequences(text[:-1], text[1:], MODEL.zero_state(lanes))


def ask(engine: Engine, parameters: Parameters, one: Any) -> tuple[Any, Array, list[Array]]:
    """Loss, gradients and final states of a batch."""
    gradients = parameters.zeros_like()
    gradients.flat[:] = 7.0  # overwritten
    losses = engine.losses(parameters, one, gradients=gradients, rng=np.random.default_rng(4))
    return losses.total, gradients.flat, [part for layer in losses.final for part in layer]


# The exchange


@pytest.mark.parametrize("size", range(1, 8))
@pytest.mark.parametrize("count", [1, 2, 5, 8])
def test_slices_are_added_in_the_order_of_the_shards(size: int, count: int) -> None:
    """Also for vectors that do not divide evenly, or are shorter than the number of ranks."""
    for length in (3, 1001):
        rng = np.random.default_rng(length)
        scales = 10.0 ** rng.integers(8, size=(count, 1))
        terms = (rng.standard_normal((count, length)) * scales).astype(np.float32)
        expected = terms[0].copy()
        for term in terms[1:]:
            expected += term
        groups = Threads.make(size)

        def work(group: Threads, terms: Array = terms) -> None:
            own = list(terms[group.rank :: group.size])
            add_up(group, own, len(terms), terms[0], Workspace())

        in_threads(groups, work)
        np.testing.assert_array_equal(terms[0], expected)
        if count == size:  # a rank sends no more than its own gradient and a slice of the sum
            assert max(group.sent for group in groups) <= length + -(-length // size)


@pytest.mark.parametrize("size", range(1, 8))
def test_the_number_of_ranks_changes_no_bit(size: int) -> None:
    """Loss, gradients and states; with dropout; also when the weights change, and the batch."""
    parameters, wide = batch()
    narrow = batch(3)[1]  # fewer shards than ranks
    assert len(shards(LANES)) == 4
    other = Parameters(parameters.shapes, parameters.dtype, parameters.flat * 2)
    asked = [(parameters, wide), (parameters, narrow), (other, wide), (parameters, wide)]
    with Engine(MODEL) as engine:
        expected = [ask(engine, *one) for one in asked]

    def work(group: Threads) -> None:
        if group.rank:
            Follower(group, lambda line: None).follow()
            return
        engine = RankedEngine(Engine(MODEL), group)
        for one, (loss, gradients, states) in zip(asked, expected, strict=True):
            found = ask(engine, *one)
            assert found[0] == loss
            np.testing.assert_array_equal(found[1], gradients)
            for ours, theirs in zip(found[2], states, strict=True):
                np.testing.assert_array_equal(ours, theirs)
            alone = engine.losses(one[0], one[1])
            assert alone.total == Engine(MODEL).losses(one[0], one[1]).total
        assert not engine.failure
        assert group.whole
        end(group)

    in_threads(Threads.make(size), work)


def test_weights_are_sent_where_they_have_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    parameters, one = batch()
    shared = []
    share = Threads.share

    def counted(self: Threads, array: Array) -> None:
        shared.append(self.rank)
        share(self, array)

    monkeypatch.setattr(Threads, "share", counted)

    def work(group: Threads) -> None:
        if group.rank:
            Follower(group, lambda line: None).follow()
            return
        engine = RankedEngine(Engine(MODEL), group)
        for changed in (True, False, False, True):
            parameters.flat[-1] += changed
            before = shared.count(0)
            engine.losses(parameters, one)
            assert shared.count(0) - before == changed
        expected = ask(Engine(MODEL), parameters, one)
        np.testing.assert_array_equal(ask(engine, parameters, one)[1], expected[1])
        parameters.flat[-1] += 1
        expected = ask(Engine(MODEL), parameters, one)
        np.testing.assert_array_equal(ask(engine, parameters, one)[1], expected[1])
        assert engine.losses(parameters, one).total == Engine(MODEL).losses(parameters, one).total
        end(group)

    in_threads(Threads.make(2), work)


class Failing:
    """A model that fails at every other rank."""

    def __init__(self) -> None:
        self.here = True

    def __getstate__(self) -> dict[str, Any]:
        return {"here": False}

    def part(self, batch: Any, lanes: slice) -> Any:
        return MODEL.part(batch, lanes)

    def sum_loss(self, *arguments: Any, **named: Any) -> Any:
        if not self.here:
            raise MemoryError("no more")
        return MODEL.sum_loss(*arguments, **named)


def test_a_plan_times_networks_on_all_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    """So it has time for a larger one if they are faster together."""
    sample = text_like(4000, 20)
    config = Config(hidden=8, batch_size=24, seq_len=8)
    asked: list[int] = []
    monkeypatch.setattr(recipe, "LADDER", (recipe.Rung(1, 8, 1e-2), recipe.Rung(1, 16, 1e-2)))
    obey = Follower._obey

    def counted(self: Follower, order: Order) -> None:
        asked.append(order.count)
        obey(self, order)

    monkeypatch.setattr(Follower, "_obey", counted)

    def work(group: Threads) -> None:
        if group.rank:
            Follower(group, lambda line: None).follow()
            return
        assert measure(config, sample, sample.spec(), 0, group).threads == 1
        timed = len(asked)
        assert timed > 5
        found = plan(sample, 1.0, {}, group=group)
        assert found.threads == 1
        assert len(asked) > timed
        end(group)

    in_threads(Threads.make(2), work)


def test_failed_work_of_another_rank_is_done_at_the_first() -> None:
    """This is reported with the name of the rank; no rank waits forever."""
    parameters, one = batch()
    expected = ask(Engine(MODEL), parameters, one)

    def work(group: Threads) -> None:
        if group.rank:
            Follower(group, lambda line: None).follow()
            return
        engine = RankedEngine(Engine(Failing()), group)
        for _ in range(2):
            found = ask(engine, parameters, one)
            np.testing.assert_array_equal(found[1], expected[1])
        assert re.fullmatch(r"rank 1 on \S+: MemoryError no more", engine.failure)
        end(group)

    in_threads(Threads.make(3), work)


def test_a_signal_at_another_rank_is_raised_at_the_first() -> None:
    parameters, one = batch()
    received = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: received.append(number))
    told: list[str] = []

    def work(group: Threads) -> None:
        if group.rank:
            follower = Follower(group, told.append)
            follower._note(signal.SIGTERM, None)
            follower.follow()
            return
        engine = RankedEngine(Engine(MODEL), group)
        engine.losses(parameters, one)
        engine.losses(parameters, one)
        end(group)

    try:
        in_threads(Threads.make(2), work)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert received == [signal.SIGTERM]  # once
    assert re.fullmatch(r"rank 1 on \S+: SIGTERM, which stops all ranks", told[0])


def test_a_training_saves_and_ends_where_another_rank_fails(tmp_path: Path) -> None:
    run = begin(tmp_path / "run", corpus_of(tmp_path))
    run.task.engine.failure = "rank 1 on there: MemoryError"
    with pytest.raises(RunError, match="rank 1 on there: MemoryError") as error:
        list(run.events())
    run.close()
    assert error.value.hint.startswith("saved at step 1. To continue: charrnn train --resume ")
    assert error.value.exit_code == 1
    again = resume(tmp_path / "run", corpus_of(tmp_path))
    assert again.trainer.number == 1
    again.close()


# Commands


def test_rank_and_size_are_read_from_the_environment() -> None:
    assert started_as({}) == (0, 1)
    assert started_as({"PMI_RANK": "2", "PMI_SIZE": "4"}) == (2, 4)
    assert started_as({"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "3"}) == (1, 3)
    assert started_as({"PMI_RANK": "x", "PMI_SIZE": "4"}) == (0, 1)


def test_mpiexec_without_mpi4py_is_reported_on_one_line(tmp_path: Path) -> None:
    """The processes do not all train in one folder; only rank 0 reports the error."""
    (tmp_path / "mpi4py.py").write_text("raise ImportError('not here')\n")
    (tmp_path / "corpus.txt").write_text(TEXT, encoding="utf-8")
    for rank in ("0", "1"):
        path = os.pathsep.join([str(tmp_path), str(ROOT)])
        done = subprocess.run(
            [sys.executable, "-m", "charrnn", "train", "corpus.txt", "--out", "run"],
            capture_output=True, text=True, cwd=tmp_path,
            env=environment(PYTHONPATH=path, PMI_RANK=rank, PMI_SIZE="4"),
        )  # fmt: skip
        assert done.returncode == 2
        assert not (tmp_path / "run").exists()
        said = (
            "error: mpiexec has started 4 processes; they need mpi4py to work "
            "together\nhint: on every machine: python -m pip install mpi4py mpich\n"
        )
        assert done.stderr == said * (rank == "0")


def test_two_ranks_train_as_one_process(tmp_path: Path) -> None:
    """The same files; also after resuming with one process, and with two ranks."""
    needs_mpi()
    (tmp_path / "corpus.txt").write_text(TEXT * 4, encoding="utf-8")
    train = ("train", "corpus.txt", *SMALL, "--epochs", "4", "--threads", "1")
    alone = charrnn(*train, "--out", "alone", cwd=tmp_path)
    assert alone.returncode == 0, alone.stderr
    done = ranks(2, *train, "--out", "ranks", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "threads: 1 on each of 2 ranks\n" in done.stderr
    assert done.stderr.count("saved in ranks") == 1
    for name in ("best.npz", "last.npz"):
        assert (tmp_path / "alone" / name).read_bytes() == (tmp_path / "ranks" / name).read_bytes()
    more = ("--epochs", "6")
    assert charrnn("train", "--resume", "ranks", *more, cwd=tmp_path).returncode == 0
    assert ranks(2, "train", "--resume", "alone", *more, cwd=tmp_path).returncode == 0
    weights = [read_checkpoint(tmp_path / run / "last.npz")[1] for run in ("alone", "ranks")]
    for name, array in weights[0].items():
        np.testing.assert_array_equal(array, weights[1][name])
    scores = [
        charrnn("eval", "alone", cwd=tmp_path).stdout.decode(),
        ranks(2, "eval", "alone", cwd=tmp_path).stdout,
    ]
    assert scores[0] == scores[1] != ""


def test_errors_and_other_commands_end_all_ranks(tmp_path: Path) -> None:
    needs_mpi()
    done = ranks(2, "train", "nowhere.txt", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("error: ") == 1
    sample = ("sample", "--length", "5", "--seed", "1")
    done = ranks(2, *sample, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == charrnn(*sample, cwd=tmp_path).stdout.decode()


@pytest.mark.skipif(not Path("/proc").exists(), reason="a rank is found in Linux's /proc")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_to_another_rank_ends_all(tmp_path: Path, number: signal.Signals) -> None:
    """A signal that can be caught saves the last step; others leave the last save."""
    needs_mpi()
    (tmp_path / "corpus.txt").write_text(TEXT * 4, encoding="utf-8")
    train = ("train", "corpus.txt", *SMALL, "--epochs", "1000", "--eval-every", "20")
    with subprocess.Popen(
        mpiexec(2, *train, "--out", "run"),
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
        env=environment(CHARRNN_TEST=str(tmp_path)),
    ) as process:  # fmt: skip
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("step 40/"):
                break
        (pid,) = pids_of_rank(1, str(tmp_path))
        os.kill(pid, number)
        begun = monotonic()
        said = process.stderr.read()
        process.wait(20)
        assert monotonic() - begun < 10
    assert process.returncode != 0
    header, _ = read_checkpoint(tmp_path / "run" / "last.npz")
    if number == signal.SIGTERM:
        assert re.search(r"^rank 1 on \S+: SIGTERM, which stops all ranks$", said, re.MULTILINE)
        step = int(re.findall(r"saved at step (\d+) of", said)[0])
        assert header["training"]["step"] == step
    else:
        assert header["training"]["step"] >= 40
    done = charrnn("train", "--resume", "run", "--epochs", "0.1", cwd=tmp_path)
    assert done.returncode == 2  # it has made more
    assert b"this run has already made" in done.stderr
