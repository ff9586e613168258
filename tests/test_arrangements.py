"""Ranks and processes, however many of each: the same ``last.npz``, byte for byte.

The first cases are made everywhere, in few updates; ``-m slow`` makes 200 with every cell and task.
"""

import os
import signal
import subprocess
from hashlib import sha256
from pathlib import Path
from time import monotonic

import pytest
from mpiexec import mpiexec, needs_mpi, pids_of_rank, ranks
from support import TEXT, charrnn, environment
from test_tasks import MAKE, written

from charrnn.checkpoint import read_checkpoint
from charrnn.nn.cells import all_variants, parse_cell

ARRANGEMENTS = ((1, 1), (1, 2), (2, 1), (2, 2))
"""How many ranks, with how many processes each."""

CELLS = [
    cell.label
    for name in ("rnn", "lstm", "gru")
    for cell in all_variants(type(parse_cell(name, 1)), 1)
]
SMALL = ("--hidden", "16", "--dropout", "0.2", "--shards", "4")
OF_TEXT = ("corpus.txt", "--batch-size", "24", "--seq-len", "8")
LANES = 24 * 8 * 20 + 1
"""Characters of which 90 % make 18 updates."""


def trained(folder: Path, count: int, threads: int, *arguments: str) -> str:
    """The hash of what a training with this many ranks finally saves."""
    out = f"{count}x{threads}"
    command = ("train", *arguments, *SMALL, "--threads", str(threads), "--out", out)
    if count > 1:
        done = ranks(count, *command, cwd=folder)
        assert done.returncode == 0, done.stderr
        assert f"threads: {threads} on each of {count} ranks" in done.stderr
    else:
        alone = charrnn(*command, cwd=folder)
        assert alone.returncode == 0, alone.stderr
    return sha256((folder / out / "last.npz").read_bytes()).hexdigest()


def same_everywhere(folder: Path, *arguments: str, least: int) -> None:
    """Train in all arrangements and compare the files."""
    hashes = {trained(folder, *one, *arguments) for one in ARRANGEMENTS}
    assert len(hashes) == 1
    step = read_checkpoint(folder / "1x1" / "last.npz")[0]["training"]["step"]
    assert step >= least


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a text."""
    needs_mpi()
    (tmp_path / "corpus.txt").write_text((TEXT * 100)[:LANES], encoding="utf-8")
    return tmp_path


def test_all_arrangements_save_the_same_file(place: Path) -> None:
    same_everywhere(place, *OF_TEXT, "--epochs", "1", least=15)


@pytest.mark.slow
@pytest.mark.parametrize("cell", CELLS)
def test_all_arrangements_save_the_same_file_after_200_updates(place: Path, cell: str) -> None:
    same_everywhere(place, *OF_TEXT, "--cell", cell, "--epochs", "12", least=200)


@pytest.mark.slow
@pytest.mark.parametrize("task", MAKE)
def test_all_arrangements_save_the_same_file_for_every_task(place: Path, task: str) -> None:
    path = written(place, MAKE[task]())
    steps = ("--seq-len", "8") * (task == "forecast")
    how = ("--epochs", "80", "--batch-size", "8", *steps)
    same_everywhere(place, path, "--task", task, *how, least=200)


@pytest.mark.skipif(not Path("/proc").exists(), reason="a rank is found in Linux's /proc")
def test_a_killed_rank_costs_one_interval(place: Path) -> None:
    """The other rank ends, the save is kept; another number of ranks resumes to the same file."""
    how = (*OF_TEXT, "--epochs", "40", "--eval-every", "20")
    expected = trained(place, 1, 1, *how)
    command = mpiexec(2, "train", *how, *SMALL, "--threads", "1", "--out", "killed")
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=place,
        env=environment(CHARRNN_TEST=str(place)),
    ) as process:  # fmt: skip
        assert process.stderr is not None
        seen = next(line for line in process.stderr if line.startswith("step 40/"))
        (pid,) = pids_of_rank(1, str(place))
        os.kill(pid, signal.SIGKILL)
        begun = monotonic()
        process.stderr.read()
        process.wait(20)
        assert monotonic() - begun < 10
    assert seen
    step = read_checkpoint(place / "killed" / "last.npz")[0]["training"]["step"]
    assert 20 <= step < 720
    done = ranks(3, "train", "--resume", "killed", cwd=place)
    assert done.returncode == 0, done.stderr
    assert sha256((place / "killed" / "last.npz").read_bytes()).hexdigest() == expected
