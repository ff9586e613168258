"""Whether a baseline is better than the network, or only seems to be."""

import random
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support import charrnn

from charrnn.tasks.base import Paths
from charrnn.tasks.chance import beyond_chance
from charrnn.tasks.classify import ClassifyData
from charrnn.tasks.config import Config
from charrnn.tasks.labelled import which_is_better
from charrnn.tasks.measures import label_parts, micro_f1, share

TIE = "no difference beyond chance between the baseline and the network"
BEATS = "the baseline beats the network"
SMALL = ("--hidden", "8", "--epochs", "1", "--threads", "1")


def of_rows(right: Sequence[bool]) -> npt.NDArray[np.int64]:
    """The parts of rows that are right or wrong."""
    return np.array([(int(one), 1) for one in right])


@settings(deadline=None)
@example(b=24, c=12, same=0, wrong=2)  # a tie, which the last bits must not decide
@given(b=st.integers(0, 40), c=st.integers(0, 40), same=st.integers(0, 40), wrong=st.integers(0, 9))
def test_for_right_and_wrong_rows_chance_is_mcnemars_test(
    b: int, c: int, same: int, wrong: int
) -> None:
    if not b + c + same + wrong:
        return
    one = of_rows([True] * b + [False] * c + [True] * same + [False] * wrong)
    other = of_rows([False] * b + [True] * c + [True] * same + [False] * wrong)
    differ = (b - c) ** 2 > 4 * (b + c)
    assert beyond_chance(one, other) == beyond_chance(other, one) == differ
    assert share(one) - share(other) == pytest.approx((b - c) / len(one))


def test_the_chance_of_tokens_is_that_of_their_sentences() -> None:
    """Ten tokens of one sentence that go wrong together count once."""
    one = np.array([(10, 10)] * 3 + [(5, 10)] * 20)
    other = np.array([(0, 10)] * 3 + [(5, 10)] * 20)
    assert not beyond_chance(one, other)
    assert beyond_chance(np.repeat(one, 2, axis=0), np.repeat(other, 2, axis=0))


def test_a_higher_f1_may_have_fewer_right_answers() -> None:
    """The comparison is of the measure: a method that never says yes is right most often."""
    gold = np.zeros((300, 10), dtype=bool)
    gold[:, 0] = True
    never, often = np.zeros_like(gold), gold.copy()
    often[:, 1:3] = True
    assert (gold == never).mean() > (gold == often).mean()
    assert micro_f1(gold, often) == 0.5
    assert beyond_chance(label_parts(gold, often), label_parts(gold, never))


def test_without_anything_to_divide_by_there_is_no_difference() -> None:
    none = np.zeros((3, 2), dtype=np.int64)
    assert not beyond_chance(none, none)


@pytest.mark.parametrize(
    ("simple", "network", "begins"),
    [
        (4, 0, f"{TIE}: accuracy 0.6400 beside 0.6000"),
        (5, 0, "the baseline beats the network: accuracy 0.6500 beside 0.6000"),
        (12, 4, f"{TIE}: accuracy 0.7200 beside 0.6400"),
        (13, 4, "the baseline beats the network: accuracy 0.7300 beside 0.6400"),
        (4, 4, ""),
        (0, 9, ""),
    ],
)
def test_a_baseline_is_better_only_by_more_than_chance(
    simple: int, network: int, begins: str
) -> None:
    """Of 100 rows, these many are right by one of the two only, and 60 by both."""
    right = np.zeros((2, 100, 2), dtype=np.int64)
    right[:, :, 1] = 1
    right[:, :60, 0] = 1
    right[0, 60 : 60 + simple, 0] = 1
    right[1, 60 + simple : 60 + simple + network, 0] = 1
    said = which_is_better("accuracy", right[1], right[0])
    assert said.startswith(begins)
    assert bool(said) == bool(begins)
    assert said.endswith("on the validation rows") == (TIE in said)
    assert ("--method baseline" in said) == ("beats" in said)
    wrong = np.stack([right[..., 1] - right[..., 0], right[..., 1]], axis=-1)
    less = which_is_better("error", wrong[1], wrong[0], lower=True)
    assert less.partition(": ")[0] == said.partition(": ")[0]
    alone = which_is_better("accuracy", right[1], right[0], predicts=False)
    assert alone == said.partition(";")[0]


def test_sums_need_not_be_whole_numbers() -> None:
    """The nats of texts."""
    assert share(np.array([(0.25, 1), (0.5, 2)])) == 0.25


@pytest.mark.parametrize(
    ("task", "measure"),
    [("tag", "token accuracy"), ("classify", "accuracy"), ("classify,loss=sigmoid", "micro-F1")],
)
def test_two_validation_rows_do_not_prove_that_a_baseline_is_better(
    tmp_path: Path, task: str, measure: str
) -> None:
    rows = {"tag": ["one A\ntwo B\n\n", "two B\none A\n\n"], "classify": ["one\tA\n", "two\tB\n"]}
    rows["classify,loss=sigmoid"] = ["the first\tA\n", "the other\tB|C\n"]
    for name, count in (("many", 40), ("few", 1)):
        (tmp_path / name).write_text("".join(rows[task]) * count, encoding="utf-8")
    said = []
    for val in ("few", "many"):
        flags = ("--task", f"{task},wide=0", "--lr", "0", "--out", f"with-{val}", *SMALL)
        done = charrnn("train", "many", "--val", val, "--test", "many", *flags, cwd=tmp_path)
        lines = done.stderr.decode().splitlines()
        said.append(next(line for line in lines if line.startswith((TIE, BEATS))))
    assert said[0].startswith(f"{TIE}: {measure} 1.0000 beside 0.")
    assert said[1].startswith(f"{BEATS}: {measure} 1.0000 beside 0.")


@pytest.mark.parametrize(
    ("task", "measure", "ends"),
    [
        ("translate", "character error rate", "; charrnn predict --method baseline uses it"),
        ("generate", "bits per character", ""),
    ],
)
def test_nor_do_two_rows_where_less_is_better(
    tmp_path: Path, task: str, measure: str, ends: str
) -> None:
    rows = [f"{'ab'[k % 2]}{k}\t{'xy'[k % 2] * 5}\n" for k in range(40)]
    if task == "generate":
        rows = [f"{'AB'[k % 2]}\t{'xy'[k % 2] * 5}\n" for k in range(40)]
    for name, count in (("many", 40), ("few", 2)):
        (tmp_path / name).write_text("".join(rows[:count]), encoding="utf-8")
    figures = rf"{measure} (\d\.\d{{4}}) beside (\d\.\d{{4}}) on the validation rows"
    for val, verdict, end in (("few", TIE, ""), ("many", BEATS, ends)):
        flags = ("--task", task, "--lr", "0", "--out", f"with-{val}", *SMALL)
        done = charrnn("train", "many", "--val", val, "--test", "many", *flags, cwd=tmp_path)
        said = " ".join(done.stderr.decode().split())
        found = re.search(f"{verdict}: {figures}{end} best: .*? {measure} ([\\d.]+)", said)
        assert found, said
        simple, network, best = found.groups()
        assert float(simple) < float(network) == float(best)


@pytest.mark.parametrize(
    ("answer", "begins", "ends"),
    [
        ("n", "the network answers 'n' for every validation text", "validation text"),
        ("y", f"{BEATS}: accuracy ", "on the validation rows"),  # predict has naive Bayes only
    ],
)
def test_always_the_commonest_label_is_a_baseline(
    answer: str, begins: str, ends: str, tmp_path: Path
) -> None:
    """The texts tell nothing, so naive Bayes is worse than that, and so is any other answer."""
    draw = random.Random(3)
    rows = [
        f"{''.join(draw.choices('abcdefgh', k=9))}\t{draw.choice('nnny')}\n" for _ in range(600)
    ]
    (tmp_path / "rows.tsv").write_text("".join(rows), encoding="utf-8")
    config = Config.of("classify", hidden=4, wide=0)
    data = ClassifyData(Paths((str(tmp_path / "rows.tsv"),)), config)
    spec = data.spec()
    task = data.task(spec, config, spec.model(config), 1)
    weights = task.model.init(np.random.default_rng(0))
    weights["head.b"]["ny".index(answer)] = 9
    outcome = task.test(weights)
    task.engine.close()
    assert outcome is not None
    assert outcome.verdict.startswith(begins)
    assert outcome.verdict.endswith(ends)
    naive, always = outcome.baselines.values()
    accuracy = outcome.score.measures["accuracy"]
    assert naive < always == pytest.approx(accuracy if answer == "n" else 1 - accuracy)
