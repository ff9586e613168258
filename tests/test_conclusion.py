"""The end of a training: how good the model is, how the loss went, and commands that work."""

import json
import re
import shlex
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import typer
from support import charrnn

from charrnn.cli import app, conclusion
from charrnn.cli.errors import fold
from charrnn.cli.train import _again
from charrnn.runs.history import Validation, lowest
from charrnn.tasks.config import Config
from charrnn.training.outlook import outlook
from charrnn.training.task_plan import may_differ

WORDS = "the old man and the sea went down to the shore to see the boats come in\n"
NAMES = ["anna", "bella", "carla", "dora", "emma", "fiona", "gina", "hanna", "ida", "julia"]
SMALL = ("--hidden", "8", "--batch-size", "8", "--threads", "1", "--quiet")

DATA = {
    "lm": WORDS * 40,
    "classify": "".join(
        f"{n}{k}\t{'ab'[(k * ord(n[2]) + len(n)) % 5 % 2]}\n" for k in range(6) for n in NAMES
    ),
    "tag": "".join(f"{n} A\n{n}s B\n\n" for n in NAMES * 4),
    "translate": "".join(f"{n}{k}\t{n[::-1]}\n" for k in range(6) for n in NAMES),
    "generate": "".join(f"{'ab'[k % 2]}\t{n}{k}\n" for k in range(6) for n in NAMES),
    "forecast": "x\n" + "".join(f"{np.sin(k / 3):.4f}\n" for k in range(300)),
}


def trained(place: Path, task: str, *more: str) -> list[str]:
    """The lines that a training ends with, from the best model on."""
    (place / "data.txt").write_text(DATA[task], encoding="utf-8")
    flags = ("--task", task, "--out", "run", *SMALL, *more)
    done = charrnn("train", "data.txt", *flags, cwd=place)
    assert done.returncode == 0, done.stderr
    lines = done.stderr.decode().splitlines()
    return lines[next(k for k, line in enumerate(lines) if line.startswith(("best: ", "this"))) :]


def commands(lines: Sequence[str]) -> dict[str, list[str]]:
    """The suggested commands by their purpose, as a shell parses them."""
    found = (re.fullmatch(r"  (\S.*?)  +charrnn (.*)", line) for line in lines)
    return {one[1]: shlex.split(one[2]) for one in found if one}


def parses(words: Sequence[str]) -> bool:
    """Whether the command line is accepted."""
    group = typer.main.get_command(app)
    name, *rest = words
    command = group.get_command(None, name)  # type: ignore[attr-defined]
    return bool(command.make_context(name, [word for word in rest if word != "<"]).params)


@pytest.mark.parametrize("task", DATA)
def test_a_training_ends_with_commands_that_work(tmp_path: Path, task: str) -> None:
    lines = trained(tmp_path, task, "--epochs", "2")
    said = commands(lines)
    perfect = "no answer on the validation set is wrong" in lines
    assert 2 - perfect <= len(said) <= 3
    assert [*said][-1] == "use it"
    assert all(map(parses, said.values()))
    assert lines[-1] == f"saved in run: {size_of(tmp_path / 'run')}, is all that a friend needs"
    assert lines[0].startswith("best: ")
    judged = [line for line in lines if "validation" in line and not line.startswith("test")]
    assert len(judged) <= 1  # how the loss went
    if "train longer" in said:
        assert charrnn(*said["train longer"], cwd=tmp_path).returncode == 0
    if "score with n-grams" in said:
        assert charrnn(*said["score with n-grams"], cwd=tmp_path).returncode == 0


def size_of(run: Path) -> str:
    return f"best.npz, {-(-(run / 'best.npz').stat().st_size // 1000)} kB"


def test_a_language_model_is_compared_with_the_best_baseline(tmp_path: Path) -> None:
    lines = trained(tmp_path, "lm", "--epochs", "2", "--cell", "gru")
    best = r"best: [\d.]+ nats/char \([\d.]+ bits\) at step \d+; the \S+ baseline is better, with"
    assert re.match(best, lines[0])
    assert lines[1] == "the validation loss was still falling: longer training would help"
    chosen = commands(lines)["let charrnn choose"]  # for ten updates are few
    assert chosen == ["train", "data.txt", "--task", "lm", "--minutes", "10"]
    assert len(lines) <= 6


def test_without_a_validation_set_there_is_no_trend(tmp_path: Path) -> None:
    lines = trained(tmp_path, "lm", "--epochs", "1", "--val-fraction", "0")
    assert lines[0].startswith("this run has no validation set")
    assert commands(lines).keys() == {"score it", "use it"}
    assert all(map(parses, commands(lines).values()))


def test_a_run_that_was_short_of_minutes_is_offered_more(tmp_path: Path) -> None:
    (tmp_path / "my text.txt").write_text(WORDS * 300, encoding="utf-8")
    flags = ("--minutes", "0.03", "--hidden", "96", "--members", "1", "--seed", "3", "-q")
    done = charrnn("train", "my text.txt", *flags, cwd=tmp_path)
    lines = done.stderr.decode().splitlines()
    said = commands(lines)
    assert all(map(parses, said.values()))
    first = next(iter(said.values()))
    if "train longer" in said:  # what else it says depends on how fast the machine is
        assert first[:2] == ["train", "my text.txt"]
        assert first[2:-2] == ["--hidden", "96", "--members", "1", "--seed", "3"]
        assert first[-2:] == ["--minutes", "0.09"]


def test_a_model_behind_a_bigram_should_train_longer(tmp_path: Path) -> None:
    """One validation does not show a trend, and a few do not show its end."""
    lines = trained(tmp_path, "lm", "--epochs", "0.2")
    assert "a bigram is still better: longer training would help" in lines
    chosen = commands(lines)["let charrnn choose"]
    assert chosen == ["train", "data.txt", "--task", "lm", "--minutes", "10"]


def test_an_average_is_offered_another_member() -> None:
    level = [(k, 2.0, 2.0) for k in (1, 2, 3, 4, 1, 2, 3, 4)]
    lines, said = ended("lm", level, members=2)
    assert said == {"average networks": "charrnn train --resume run --members 4"}
    assert not lines


def test_an_average_of_undertrained_networks_should_train_longer(tmp_path: Path) -> None:
    lines = trained(tmp_path, "lm", "--epochs", "1", "--members", "2")
    longer = commands(lines)["train longer"]
    assert longer[:2] == ["train", "data.txt"]
    assert longer[-4:] == ["--members", "2", "--epochs", "2"]
    assert "average networks" not in commands(lines)
    assert "a bigram is still better: longer training would help" in lines
    _, said = ended("lm", [(1, 3.0, 3.0)] * 3, members=3, minutes=1.0)
    assert said == {"train longer": "charrnn train --members 3 --minutes 3"}


def test_only_the_first_member_of_an_average_shows_a_trend() -> None:
    worse = [(epoch, train + 0.2, val + 0.2) for epoch, train, val in FALLING]
    _, said = ended("lm", FALLING + worse, members=2)
    assert said == {"train longer": "charrnn train --members 2 --epochs 20"}


def test_an_average_without_a_validation_set_says_so() -> None:
    lines, said = ended("lm", [(1, 3.0, None), (1, 3.0, None)], members=2)
    assert lines == [
        "this run has no validation set, so it is not known how good it is on new data"
    ]
    assert said == {"score it": "charrnn eval run FILE"}


def test_a_run_that_overfits_is_not_to_train_longer() -> None:
    falling = [(1, 2.0, 3.0), (2, 1.8, 2.6), (3, 1.6, 2.3), (4, 1.53, 2.2)]
    lines, said = ended("lm", falling)
    assert lines == [
        "the training loss, 1.5300, is far below the validation loss: more data would help most"
    ]
    assert said == {"let charrnn choose": "charrnn train --minutes 10"}


@pytest.mark.parametrize("steps", [(1,), (0, 1)])
def test_a_run_of_few_updates_should_train_longer(steps: tuple[int, ...]) -> None:
    """The only validation shows no trend, and no update has improved on the map of n-grams yet."""
    lines, said = ended("classify", [(k, 0.5, 0.3) for k in steps], minutes=1.0)
    assert said == {"train longer": "charrnn train --minutes 3"}
    assert lines[0].startswith("note: 21 updates are few to learn from")
    lines, said = ended("classify", [(k, 0.5, 0.3) for k in steps], minutes=1.0, updates=500)
    assert not said
    assert not any("few" in line for line in lines)


@pytest.mark.parametrize("train", [1.0, 2.0])
def test_a_run_of_few_updates_that_overfits_is_not_told_to_train_longer(train: float) -> None:
    rising = [(1, train, 2.0), (2, train, 2.2), (3, train, 2.5), (4, train, 2.9)]
    lines, _ = ended("lm", rising, minutes=1.0)
    assert len(lines) == 1
    assert "more data would help most" in lines[0]


FALLING = [(1, 3.0, 3.0), (2, 2.5, 2.5), (3, 2.2, 2.2), (4, 2.0, 2.0)]


def test_a_network_that_made_all_planned_epochs_is_offered_more_of_them() -> None:
    """More minutes would go to other networks."""
    _, said = ended("lm", FALLING, 500, minutes=1.0, epochs=5.0, capped=True)
    assert said == {"train longer": "charrnn train --minutes 1 --epochs 10"}


def test_a_few_updates_of_given_settings_are_better_chosen() -> None:
    _, said = ended("lm", FALLING)
    assert said == {"let charrnn choose": "charrnn train --minutes 10"}
    _, said = ended("lm", FALLING, 500)
    assert said == {"train longer": "charrnn train --resume run --epochs 20"}


@pytest.mark.parametrize(("begun", "worse"), [(1.9, True), (2.1, False)])
def test_a_run_that_made_its_first_weights_worse_says_so(begun: float, worse: bool) -> None:
    level = [(k, 2.0, 2.0) for k in (1, 2, 3, 4)]
    lines, said = ended(
        "lm", level, 500, minutes=1.0, ancestor={}, inherited=SimpleNamespace(error=begun)
    )
    line = "the weights that it began with are better on the validation set: 1.9000 nats/char"
    assert (line in lines) == worse
    assert not said  # no average: other members would begin with random weights


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ([3.0, 2.5, 2.2, 2.0], "the validation loss was still falling: longer training would help"),
        ([2.0, 2.5, 2.7, 2.9], "the validation error rose after step 3: it overfits; more data"),
    ],
)
def test_an_error_that_rises_while_the_loss_falls_is_no_overfitting(
    tmp_path: Path, losses: list[float], expected: str
) -> None:
    errors = [0.5, 0.45, 0.4, 0.41]
    records = [
        json.dumps({"event": "validation", "step": k, "loss": loss})
        for k, loss in enumerate(losses, start=1)
    ]
    (tmp_path / "metrics.jsonl").write_text("\n".join(records) + "\n", encoding="utf-8")
    found = [
        (k, loss, error) for k, (loss, error) in enumerate(zip(losses, errors, strict=True), 1)
    ]
    (line,), _ = ended("translate", found, 500, folder=tmp_path)
    assert line.startswith(expected)


def ended(
    task: str,
    found: Sequence[tuple[int, float, float | None]],
    updates: int = 21,
    *,
    capped: bool = False,
    ancestor: dict[str, Any] | None = None,
    inherited: Any = None,
    folder: Path = Path("run"),
    **settings: Any,
) -> tuple[list[str], dict[str, str]]:
    """The sentence on how a run went, if there is one, and the commands except for the last.

    Args:
        found: epoch, training loss and validation error of each validation.
        updates: how many each network has made.
        capped: whether it made all the epochs that its plan considers enough.
        ancestor, inherited: the checkpoint that it began with, and how good that was.
        folder: its folder, which may have a log.
    """
    history = [
        Validation(step, epoch, train, val)
        for step, (epoch, train, val) in enumerate(found, start=found[0][0])
    ]
    best = lowest(history)
    run: Any = SimpleNamespace(
        config=Config.of(task, hidden=8, **settings),
        history=history,
        best=best,
        best_score=None,
        compared={},
        settling=0,
        task=SimpleNamespace(held_out=1000),
        trainer=SimpleNamespace(total=updates),
        capped=capped,
        ancestor=ancestor,
        inherited=inherited,
        folder=SimpleNamespace(path=folder),
        data=SimpleNamespace(paths=SimpleNamespace(train=("data.txt",))),
    )
    members = {"members": run.config.members} if run.config.members > 1 else {}
    what, went = conclusion._went(run)
    said = dict(conclusion._next(run, went, partial(_again, members), 60.0))
    del said["use it"]
    return [*conclusion._judged(run, what, went)], said


def test_the_command_of_another_run_keeps_the_data_options(tmp_path: Path) -> None:
    lines = trained(tmp_path, "classify", "--epochs", "1", "--columns", "1,2", "--lr", "1e-3")
    words = ["train", "data.txt", "--task", "classify", "--columns", "1,2", "--minutes", "10"]
    assert sorted(commands(lines)["let charrnn choose"]) == sorted(words)


def test_the_command_of_another_run_trains_the_same_model(tmp_path: Path) -> None:
    """Without a corpus, the task and the data are those of the checkpoint that is named."""
    trained(tmp_path, "classify", "--epochs", "1")
    flags = ("--epochs", "1", "--threads", "1", "--quiet")
    done = charrnn("train", "--init-from", "run", *flags, "--out", "next", cwd=tmp_path)
    said = commands(done.stderr.decode().splitlines())["let charrnn choose"]
    assert said == ["train", "--init-from", "run", "--minutes", "10"]
    data = ("--task", "classify", "--columns", "1,2", "--seed", "0")
    words = ["data.txt", "--init-from", "run", *data, *flags, "--out", "again"]
    done = charrnn("train", *words, cwd=tmp_path)
    said = commands(done.stderr.decode().splitlines())["let charrnn choose"]
    words = ["train", "data.txt", "--init-from", "run", *data, "--minutes", "10"]
    assert sorted(said) == sorted(words)
    more = trained(tmp_path, "classify", "--epochs", "3", "--members", "2", "--out", "two")
    assert "--members 2" in " ".join(commands(more)["let charrnn choose"])


def test_the_last_run_is_named_in_the_command_of_another(tmp_path: Path) -> None:
    """By then, latest is the run that has just ended."""
    (tmp_path / "data.txt").write_text(DATA["classify"], encoding="utf-8")
    charrnn("train", "data.txt", "--task", "classify", *SMALL, "--epochs", "1", cwd=tmp_path)
    flags = ("--epochs", "1", "--threads", "1", "--quiet")
    done = charrnn("train", "--init-from", "latest", *flags, cwd=tmp_path)
    said = commands(done.stderr.decode().splitlines())["let charrnn choose"]
    assert said == ["train", "--init-from", "checkpoints/data-1", "--minutes", "10"]


def test_a_command_that_reads_standard_input_says_so() -> None:
    flags = {"corpus": ["a.tsv"], "task": "classify", "val": "-", "cell": "mine.py:Cell"}
    ten = {"minutes": 10.0}
    said = _again(flags, ten, True)
    assert said == "charrnn train a.tsv --task classify --val - --minutes 10 < TEXT"
    said = _again({"init_from": "run", "cell": "mine.py:Cell", "lr": 0.1}, ten, True)
    assert said == "charrnn train --init-from run --cell mine.py:Cell --minutes 10"


def test_charrnn_is_offered_to_choose_only_where_it_has_not(tmp_path: Path) -> None:
    """A plan of a forecast keeps the network and the epochs of a forecast by default."""
    assert "let charrnn choose" in commands(trained(tmp_path, "forecast"))
    flags = ("--task", "forecast", "--seed", "1", "--threads", "1", "--quiet")
    done = charrnn("train", "data.txt", *flags, "--out", "usual", cwd=tmp_path)
    said = done.stderr.decode().splitlines()
    offered = {*commands(said)}
    assert "use it" in offered, said
    assert offered <= {"train longer", "use it"}, said  # whether the loss was still falling


@pytest.mark.parametrize(
    ("task", "given", "may"),
    [
        ("forecast", {}, False),
        ("forecast", {"seed": 3, "columns": "x", "base": "last", "epochs": 5}, False),
        ("forecast", {"hidden": 8}, True),
        ("forecast", {"lr": 1e-3}, True),
        ("generate", {}, True),
        ("generate", {"optimizer": "sgd"}, True),
        ("classify", {}, True),
        ("tag", {}, True),
        ("translate", {}, True),
    ],
)
def test_a_plan_may_differ_from_the_settings(task: str, given: dict[str, Any], may: bool) -> None:
    assert may_differ(Config.of(task, **given)) == may


@pytest.mark.parametrize(
    ("errors", "went"),
    [
        ([], "unknown"),
        ([3.0], "unknown"),
        ([3.0, 2.0], "falling"),
        ([3.0, 2.9999], "level"),
        ([2.0, 3.0], "rising"),
        ([4, 3, 2, 1.9, 1.8, 1.7, 1.6, 1.5], "falling"),
        ([4, 3, 2, 1.5, 1.4, 1.4, 1.399, 1.398], "level"),
        ([4, 3, 2, 1.5, 1.2, 1.3, 1.4, 1.5], "rising"),
        ([4, 3, 2, 1.5, 1.2, 1.3, 1.4, 1.1], "falling"),
        ([0.0, 0.0, 0.0], "level"),
    ],
)
def test_the_trend_of_the_error(errors: list[float], went: str) -> None:
    assert outlook(list(enumerate(errors, 1))) == went


def test_chance_is_not_a_trend() -> None:
    points = [(1, 0.30), (2, 0.28), (3, 0.27), (4, 0.29)]
    assert outlook(points) == "rising"
    assert outlook(points, chance=0.03) == "level"


def test_a_figure_keeps_its_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    line = "step 1/2, epoch 1.00: train 0.4689 ½ squared error/row, validation 3.1555 nats/char"
    for width in range(40, 100):
        monkeypatch.setenv("COLUMNS", str(width))
        shown = fold(line)
        assert shown.replace("\n  ", " ") == line
        assert "0.4689 ½ squared" in shown
        assert "validation 3.1555 nats/char" in shown


def test_nothing_is_suggested_where_no_answer_is_wrong(tmp_path: Path) -> None:
    lines = trained(tmp_path, "tag", "--epochs", "2")
    assert "no answer on the validation set is wrong" in lines
    assert [*commands(lines)] == ["use it"]
    draw = np.random.default_rng(0)
    rows = [f"{n}{k}\t{draw.choice(['a', 'b'])}\n" for k in range(6) for n in NAMES]
    (tmp_path / "data.txt").write_text("".join(rows), encoding="utf-8")
    flags = ("--task", "classify", "--out", "chance", *SMALL, "--epochs", "3")
    said = charrnn("train", "data.txt", *flags, cwd=tmp_path).stderr.decode().splitlines()
    assert "no answer on the validation set is wrong" not in said
    assert len(commands(said)) > 1


@pytest.mark.parametrize(
    ("steps", "best"), [((0, 5, 10), "map"), ((5, 10), "rising"), ((0,), "unknown")]
)
def test_the_map_by_itself_may_be_best(steps: tuple[int, ...], best: str) -> None:
    """It was validated at step 0, and no validation after that found a lower error."""
    history = [Validation(k, k, 0.1, 0.2 + 0.03 * k) for k in steps]
    run: Any = SimpleNamespace(
        config=Config.of("classify"),
        history=history,
        best=history[0],
        best_score=None,
        compared={},
        settling=0,
        task=SimpleNamespace(held_out=1000),
        folder=SimpleNamespace(path=Path("nowhere")),
    )
    what, went = conclusion._went(run)
    assert (what, went) == ("validation error", best)
    added_nothing = "the recurrent layers added nothing" in conclusion._course(run, what, went)
    assert added_nothing == (best == "map")
