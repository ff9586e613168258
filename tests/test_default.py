"""``charrnn train CORPUS`` and nothing else: a plan for ten minutes at most."""

import re
from pathlib import Path
from typing import Any

import pytest
from support import TEXT, charrnn

from charrnn import library
from charrnn.runs.model import load_model
from charrnn.tasks import lm
from charrnn.tasks.base import Paths
from charrnn.tasks.config import Config
from charrnn.training import planner, recipe
from charrnn.training.begin import MEMBERS, MINUTES, begin
from charrnn.training.run import Run
from charrnn.training.speed import Speed


@pytest.fixture(autouse=True)
def _slow_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which each network trains at the same speed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(lm, "PREVIEW_LENGTH", 20)
    monkeypatch.setattr(planner, "measure", lambda *_: Speed(1, 100.0))
    monkeypatch.setattr(recipe, "LADDER", (recipe.Rung(1, 8, 1e-2), recipe.Rung(1, 16, 1e-2)))
    Path("corpus.txt").write_text(TEXT, encoding="utf-8")


def begun(given: dict[str, Any], **more: Any) -> Run:
    """A run that has not trained."""
    run = begin(given, Paths(("corpus.txt",)), threads=1, **more)
    run.close()
    return run


def test_without_settings_a_plan_is_made_and_printed_in_one_line() -> None:
    done = charrnn("train", "corpus.txt", "--threads", "1", "--out", "run", cwd=Path())
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stderr.decode().splitlines() if line.startswith("plan:")]
    assert lines[0] == "plan: timing networks on this machine"
    assert re.fullmatch(
        r"plan: an average of 3 networks, each 1 × 16 gru, 20 epochs, about \d minutes; for a "
        "better model: --minutes 60; for one network: --members 1",
        lines[1],
    )
    assert len(lines) == 2
    model = load_model(Path("run/last.npz"))
    assert (model.config.minutes, model.config.epochs) == (MINUTES, 20)
    assert load_model(Path("run/best.npz")).members == model.config.members == MEMBERS
    again = charrnn("train", "--resume", "run", cwd=Path())
    assert b"this run is complete" in again.stderr


def test_one_network_can_be_asked_for() -> None:
    told: list[str] = []
    run = begun({"members": 1}, tell=told.append)
    line = r"plan: 1 × 16 gru, 10 epochs, about \d+ seconds; for a better model: --minutes 10"
    assert any(re.fullmatch(line, one) for one in told)
    assert (run.config.members, run.config.epochs) == (1, 10)
    assert run.timekeeper.deadline is not None
    assert run.timekeeper.deadline.most_members == 0


def test_who_asks_for_members_is_not_told_how_to_have_one() -> None:
    told: list[str] = []
    begun({"members": 2}, tell=told.append)
    assert any("an average of 2 networks" in line for line in told)
    assert not any("--members 1" in line for line in told)


def test_no_more_networks_are_averaged_than_a_first_try_is_worth() -> None:
    """``--minutes`` uses all of its time."""
    found, asked = begun({}), begun({"minutes": MINUTES})
    assert asked.config.members > found.config.members == MEMBERS
    for run, most in ((found, MEMBERS), (asked, planner.MOST_MEMBERS)):
        assert run.timekeeper.deadline is not None
        assert run.timekeeper.deadline.most_members == most


def test_minutes_print_all_choices() -> None:
    told: list[str] = []
    begun({"minutes": 20.0}, tell=told.append)
    assert any("dropout" in line for line in told)
    assert not any("for a better model" in line for line in told)


@pytest.mark.parametrize(
    "given",
    [
        {"task": "lm"},
        {"level": "byte"},
        {"encoding": "latin-1,newlines=keep"},
        {"val_fraction": 0.2},
        {"lines": True},
        {"members": 2},
        {"seed": 3},
        {"shards": 3},
        {"eval_every": 5},
        {"sample_every": 5},
    ],
)
def test_settings_not_about_the_network_keep_the_plan(given: dict[str, Any]) -> None:
    run = begun(given)
    assert (run.config.cell, run.config.minutes) == (recipe.CELL, MINUTES)
    assert run.timekeeper.deadline is not None
    kept = {name: value for name, value in given.items() if name != "encoding"}
    assert {name: getattr(run.config, name) for name in kept} == kept


@pytest.mark.parametrize(
    "given",
    [
        {"minutes": 0.0},
        {"epochs": 10.0},
        {"hidden": 256},
        {"layers": 1},
        {"cell": "lstm"},
        {"embedding": 4},
        {"dropout": 0.1},
        {"task": "lm,head=tied"},
        {"seq_len": 16},
        {"batch_size": 4},
        {"patience": 3},
        {"optimizer": "adam"},
        {"lr": 1e-3},
        {"schedule": "cosine,warmup=0.1"},
        {"weight_decay": 0.1},
    ],
)
def test_a_setting_of_the_network_turns_planning_off(
    given: dict[str, Any],
) -> None:
    """The defaults of a configuration decide: one cell, one size, ten epochs."""
    config = Config.of(**Config.parse(given))
    if "epochs" not in given:
        config = config.long_enough(round(0.9 * len(TEXT)))
    run = begun(given)
    assert run.config == config
    assert run.timekeeper.deadline is None


def test_ten_epochs_are_the_settings_of_earlier_versions() -> None:
    found = begun({"epochs": 10.0}).config
    assert (found.cell, found.layers, found.hidden, found.embedding) == ("lstm", 1, 256, 0)
    assert (found.batch_size, found.seq_len, found.epochs, found.minutes) == (32, 64, 10, 0)
    assert (found.optimizer, found.lr, found.schedule, found.warmup) == (
        *("adamw", 5e-3, "cosine", 0.05),
    )
    assert (found.lr_final, found.clip, found.weight_decay) == (0.01, 1.0, 0.0)
    assert (found.dropout, found.patience, found.val_fraction, found.seed) == (0, 0, 0.1, 0)


def test_initial_weights_decide_the_network() -> None:
    run = library.train("corpus.txt", out="old", threads=1, hidden=8, epochs=0.1)
    run.finish()
    assert begun({}, init_from="old").config.minutes == 0


def test_other_tasks_keep_their_defaults() -> None:
    rows = [f"{'yes' * (n % 5)}{n}\t{'even' if n % 2 else 'odd'}" for n in range(100)]
    Path("corpus.txt").write_text("\n".join(rows), encoding="utf-8")
    assert begun({"task": "classify"}).config.minutes == 0


def test_the_library_plans_as_the_command_does() -> None:
    run = library.train("corpus.txt", threads=1)
    run.close()
    assert run.config.minutes == MINUTES
    assert run.config == begun({}).config
