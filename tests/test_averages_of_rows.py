"""Classifiers, taggers and generators as the average of several networks."""

import json
from pathlib import Path

import numpy as np
import pytest
from support import charrnn

from charrnn.nn.losses import log_probabilities
from charrnn.runs.model import Model, load_model
from charrnn.tasks.classification import classify
from charrnn.tasks.tag import tag

ROWS = "".join(f"{'ab'[k % 2]} {'xyz'[k % 3]}{k}\t{'yes' if k % 2 else 'no'}\n" for k in range(60))
SENTENCES = "".join(f"a{k}\tx\nb{k % 7}\ty\n\n" for k in range(60))


def probabilities(model: Model, loss: str) -> np.ndarray:
    if model.config.task == "tag":
        (y,) = tag(model, [["a1", "b2", "a3"]])
    else:
        y = classify(model, ["a x1", "b z9"])
    return np.exp(log_probabilities(loss, y))


@pytest.mark.parametrize(
    ("task", "loss", "rows"),
    [
        ("classify,wide=0", "softmax", ROWS),  # one map of n-grams would be all of both
        ("classify,wide=0", "sigmoid", ROWS),
        ("tag", "chain", SENTENCES),
        ("tag", "sigmoid", SENTENCES),
    ],
)
def test_probabilities_are_averaged(tmp_path: Path, task: str, loss: str, rows: str) -> None:
    (tmp_path / "rows.txt").write_text(rows, encoding="utf-8")
    line = ["--members", "2", "--hidden", "3", "--epochs", "3", "--batch-size", "8"]
    done = charrnn(
        *("train", "rows.txt", "--task", f"{task},loss={loss}", *line, "--out", "run"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    model = load_model(tmp_path / "run" / "best.npz")
    assert model.members == 2
    found, first, second = (
        probabilities(one, loss) for one in (model, model.member(1), model.member(2))
    )
    assert np.abs(first - second).max() > 1e-4
    np.testing.assert_allclose(found, (first + second) / 2, atol=1e-5)


def test_each_member_may_be_the_map_by_itself(tmp_path: Path) -> None:
    """Every member is validated before its first update, not only the first."""
    (tmp_path / "rows.txt").write_text(ROWS, encoding="utf-8")
    line = ["--members", "3", "--hidden", "3", "--epochs", "2", "--batch-size", "8", "--lr", "1"]
    done = charrnn(
        *("train", "rows.txt", "--task", "classify", *line, "--out", "run"), cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    records = [
        json.loads(line)
        for line in (tmp_path / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    scored = [record for record in records if record["event"] == "validation"]
    first = {one["member"]: one for one in reversed(scored)}
    assert set(first) == {1, 2, 3}
    assert first[1]["step"] == 0
    assert first[2]["step"] == max(r["step"] for r in records if r.get("member") == 1)
    assert first[1]["loss"] == first[2]["loss"] == first[3]["loss"]


def test_generators_are_averaged(tmp_path: Path) -> None:
    rows = "".join(f"{'ab'[k % 2]}\t{'abcdefgh'[k % 5 :]}{k}\n" for k in range(60))
    (tmp_path / "rows.tsv").write_text(rows, encoding="utf-8")
    line = ["--task", "generate", "--members", "2", "--hidden", "8", "--epochs", "2"]
    done = charrnn("train", "rows.tsv", *line, "--out", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    model = load_model(tmp_path / "run" / "best.npz")
    x, labels = np.array([[1, 1], [4, 5], [5, 6]]), np.array([0, 1])
    found = []
    for one in (model, model.member(1), model.member(2)):
        state = one.network.initial_state(one.parameters, labels)
        y, _, _ = one.network.generator.forward(one.parameters, x, state)
        found.append(np.exp(log_probabilities("softmax", y)))
    assert np.abs(found[1] - found[2]).max() > 1e-4
    np.testing.assert_allclose(found[0], (found[1] + found[2]) / 2, atol=1e-5)
    for label in "ab":
        written = charrnn("sample", "run", "--label", label, "--seed", "1", cwd=tmp_path)
        assert written.returncode == 0
        assert written.stdout.decode() == model.sample(label=label, seed=1) + "\n"
    scored = charrnn("eval", "run", "rows.tsv", cwd=tmp_path)
    assert scored.returncode == 0, scored.stderr
