"""More epochs for a run that is complete, or that was stopped."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import TEXT, charrnn

import charrnn as library
from charrnn.errors import InputError
from charrnn.optim.schedules import learning_rate
from charrnn.runs.model import load_model
from charrnn.training.loop import Step

SMALL: dict[str, Any] = {"hidden": 8, "threads": 1, "epochs": 2, "seq_len": 16, "batch_size": 4}
FLAGS = ("--hidden", "8", "--threads", "1", "--seq-len", "16", "--batch-size", "4", "-q")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "corpus.txt").write_text(TEXT, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    done = charrnn("train", "corpus.txt", *FLAGS, "--epochs", "2", "--out", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    return tmp_path


def last(folder: Path) -> bytes:
    return (folder / "last.npz").read_bytes()


def test_more_epochs_by_the_command_that_a_complete_run_prints(place: Path) -> None:
    before = load_model(place / "run" / "last.npz").header["training"]["step"]
    done = charrnn("train", "--resume", "run", cwd=place)
    (hint,) = re.findall(r"(?m)^  charrnn (train --resume .*)$", done.stderr.decode())
    assert hint == "train --resume run --epochs 4"
    done = charrnn(*hint.split(), cwd=place)
    assert done.returncode == 0, done.stderr
    model = load_model(place / "run" / "last.npz")
    assert model.config.epochs == 4
    assert model.header["training"]["step"] == 2 * before
    lines = (place / "run" / "metrics.jsonl").read_text().splitlines()
    steps = [json.loads(line)["step"] for line in lines]
    assert steps == sorted(steps)
    assert b"this run is complete" in charrnn("train", "--resume", "run", cwd=place).stderr


def test_the_learning_rate_is_that_of_a_run_with_the_new_epochs(place: Path) -> None:
    run = library.resume("run", epochs=5)
    begun = run.trainer.number
    memory = {name: array.copy() for name, array in run.trainer.optimizer.memory.items()}
    assert all(array.any() for array in memory.values())  # the optimiser's state goes on
    steps = [event for event in run if isinstance(event, Step)]
    total = round(5 * run.task.steps_per_epoch)
    assert [step.number for step in steps] == list(range(begun + 1, total + 1))
    config = run.config
    for step in steps:
        expected = learning_rate(
            config.schedule,
            step.number - 1,
            total,
            peak=config.lr,
            warmup=config.warmup,
            final=config.lr_final,
        )
        assert step.lr == pytest.approx(expected)


def test_more_epochs_are_exact_when_stopped_halfway(place: Path) -> None:
    for name in ("b", "c"):
        library.train("corpus.txt", out=name, **SMALL).finish()
    library.resume("b", epochs=4).finish()
    run = library.resume("c", epochs=4)
    for event in run:
        if isinstance(event, Step) and event.number == run.trainer.total - 5:
            run.stop()
    assert last(place / "b") != last(place / "c")
    library.resume("c").finish()
    assert last(place / "b") == last(place / "c")


def test_a_run_that_was_stopped_may_get_more_epochs_too(place: Path) -> None:
    run = library.train("corpus.txt", out="d", **SMALL)
    for event in run:
        if isinstance(event, Step) and event.number == 3:
            run.stop()
    again = library.resume("d", epochs=3)
    assert (again.trainer.number, again.trainer.total) == (3, round(3 * again.task.steps_per_epoch))
    again.close()


def test_fewer_epochs_than_were_made_are_refused(place: Path) -> None:
    before = last(place / "run")
    for epochs in ("2", "1"):
        done = charrnn("train", "--resume", "run", "--epochs", epochs, cwd=place)
        assert done.returncode == 2
        assert f"--epochs {epochs}: this run has already made 2 epochs".encode() in done.stderr
        assert b"--epochs 4" in done.stderr
    done = charrnn("train", "--resume", "run", "--epochs", "nan", cwd=place)
    assert done.returncode == 2
    with pytest.raises(InputError, match="made 2 epochs"):
        library.resume("run", epochs=2)
    assert last(place / "run") == before


def test_the_best_model_stays_unless_it_is_bettered(place: Path) -> None:
    best = load_model(place / "run" / "best.npz").header["best"]["val"]
    library.resume("run", epochs=6).finish()
    after = load_model(place / "run" / "best.npz")
    assert after.header["best"]["val"] <= best
    assert np.isfinite(after.parameters.flat).all()
