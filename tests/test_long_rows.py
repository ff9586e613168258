"""Rows much longer than the others: what they cost, and how they are cut."""

from pathlib import Path

import numpy as np
import pytest
from support import charrnn

import charrnn as package
from charrnn.tasks.base import Paths
from charrnn.tasks.classify import ClassifyData
from charrnn.tasks.config import Config
from charrnn.tasks.examples import MOST_STEPS, together
from charrnn.tasks.supervised import Shuffled, lanes_of

SHORT = "".join(
    f"{'good' if k % 2 else 'bad'} day {k}\t{'pos' if k % 2 else 'neg'}\n" for k in range(80)
)
LONG = "good word " * 2000


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.tsv"
    path.write_text(SHORT + LONG + "\tpos\n" + SHORT.replace("day", "night"))
    return path


def test_batches_have_a_limited_number_of_steps() -> None:
    assert [lanes_of(length, 64) for length in (1, 1024, 1025, 2048, 2049, 20_000, 1 << 20)] == [
        64,
        64,
        32,
        32,
        16,
        2,
        1,
    ]


def test_every_example_comes_once_an_epoch_in_batches_that_are_bounded() -> None:
    rng = np.random.default_rng(0)
    lengths = [*rng.integers(1, 200, 300).tolist(), 2000, 3000, 5000, 20_000, 200_000]
    order = Shuffled(lengths, 64, seed=3)
    for epoch in range(3):
        batches = [order.batch(epoch * len(order) + k) for k in range(len(order))]
        assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
        for batch in batches:
            steps = [lengths[k] for k in batch]
            assert steps == sorted(steps, reverse=True)
            assert len(batch) == 1 or len(batch) * steps[0] <= MOST_STEPS
    assert len(order) == 5 + 4 + 1  # of the short ones; 2000 | 3000 | 5000 | 20,000; 200,000


def test_texts_computed_together_are_limited_as_well() -> None:
    lengths = [5, 70_000, 3, 2000, *[10] * 100, 2000]
    parts = list(together(lengths))
    assert sorted(k for part in parts for k in part) == list(range(len(lengths)))
    assert [len(part) for part in parts[:2]] == [1, 32]
    assert all(len(part) == 1 or len(part) * lengths[part[0]] <= MOST_STEPS for part in parts)


def test_a_long_row_is_named(rows: Path) -> None:
    data = ClassifyData(Paths((str(rows),)), Config.of("classify"))
    (note,) = data.notes
    assert note.startswith("row 81 has 20,001 steps (about one a character); half")
    assert "--task classify,longest=N" in note


def test_texts_are_cut_if_asked(rows: Path) -> None:
    done = charrnn(
        "train",
        "rows.tsv",
        "--task",
        "classify,longest=8",
        "--hidden",
        "8",
        "--epochs",
        "1",
        "--threads",
        "1",
        "--out",
        "run",
        cwd=rows.parent,
    )
    assert done.returncode == 0, done.stderr
    assert b"161 texts are read up to their first 8 characters" in done.stderr
    model = package.load(rows.parent / "run")
    one, other = model.predict(["good day and more", "good day"])
    assert one.probabilities == other.probabilities  # type: ignore[attr-defined]
    assert model.predict("good da")[0].probabilities != one.probabilities  # type: ignore[attr-defined]
