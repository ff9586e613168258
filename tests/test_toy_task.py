"""A task that is not part of charrnn: written in one file, registered by one line."""

import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import toy_task

import charrnn
from charrnn.cli import app
from charrnn.errors import InputError
from charrnn.tasks.kinds import KINDS
from charrnn.training.loop import Step


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    words = ["".join(letters) for n in (2, 3, 4) for letters in product("abed", repeat=n)]
    rows = [f"{word}\t{sum(word.count(vowel) for vowel in 'ae')}\n" for word in words]
    Path("words.tsv").write_text("".join(rows), encoding="utf-8")
    toy_task.begin()
    yield
    del KINDS["vowels"]


def command(*arguments: str) -> None:
    app([*arguments], standalone_mode=False)


def test_the_toy_task_trains_and_predicts(capsys: pytest.CaptureFixture[str]) -> None:
    command("train", "words.tsv", "--task", "vowels", "--threads", "1", "--out", "run")
    shown = capsys.readouterr()
    assert "settings: hidden 12, epochs 30, lr 0.02" in shown.err
    assert "test: " in shown.err
    assert "charrnn predict run WORD" in shown.err
    command("predict", "run", "abba", "dd", "--format", "jsonl")
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["word"] for one in found] == ["abba", "dd"]
    assert [round(one["vowels"]) for one in found] == [2, 0]
    model = charrnn.load("run")
    assert [one.vowels for one in model.predict(["abba"])] == [found[0]["vowels"]]  # type: ignore[attr-defined]


def test_the_toy_task_is_inspected(capsys: pytest.CaptureFixture[str]) -> None:
    charrnn.train("words.tsv", task="vowels", epochs=2, out="run", threads=1).finish()
    command("inspect", "run")
    shown = capsys.readouterr().out
    assert "task              vowels" in shown
    assert "squared error, validated at step" in shown
    assert "training loss, ½ squared error/word" in shown
    command("inspect", "--gradient-flow", "run", "--json")
    assert json.loads(capsys.readouterr().out)[0]["label"] == "lstm"


def test_the_toy_task_resumes_exactly() -> None:
    charrnn.train("words.tsv", task="vowels", epochs=3, out="whole", threads=1).finish()
    run = charrnn.train("words.tsv", task="vowels", epochs=3, out="parts", threads=1)
    for event in run:
        if isinstance(event, Step) and event.number == 7:
            run.stop()
    assert not run.complete
    charrnn.resume("parts").finish()
    one, other = (charrnn.load(f"{run}/last.npz") for run in ("whole", "parts"))
    np.testing.assert_array_equal(one.parameters.flat, other.parameters.flat)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"task": "vowels,noise=0.1"}, "vowels has no variant 'noise'"),
        ({"task": "vowels", "seq_len": 5}, "seq-len does not apply to --task vowels"),
        ({"task": "vowel"}, "choose from classify, forecast, generate, lm, tag, translate, vowels"),
    ],
)
def test_settings_that_do_not_apply_to_the_toy_task_are_refused(
    settings: dict[str, str], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        charrnn.train("words.tsv", **settings)  # type: ignore[arg-type]
