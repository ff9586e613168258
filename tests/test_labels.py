"""Several labels a row: how they are read, split, learnt, measured and predicted."""

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from support import charrnn

import charrnn as library
from charrnn.checkpoint import read_checkpoint, write_checkpoint
from charrnn.errors import CheckpointError, InputError
from charrnn.runs.folder import RunFolder
from charrnn.runs.model import load_model
from charrnn.tasks.base import Paths, TaskScore
from charrnn.tasks.baselines import LabelBayes
from charrnn.tasks.classify import ClassifyData, predict
from charrnn.tasks.config import Config
from charrnn.tasks.labels import confusion_table, label_table, labels_in, separator_of
from charrnn.tasks.measures import label_f1, micro_f1, several_labels
from charrnn.tasks.shares import without_shares
from charrnn.text.splits import split
from charrnn.training.run import Run

FIXTURES = Path(__file__).parent / "fixtures"
LETTERS = {"a": "vowel", "b": "lips", "s": "hiss"}
Yes = npt.NDArray[np.bool_]


def rows_of(number: int = 120, separator: str = "|") -> list[str]:
    """Words of three letters, with a label for each of a, b and s in the word."""
    rng = np.random.default_rng(0)
    rows = []
    for k in range(number):
        letters = [c for c in LETTERS if rng.random() < 0.4]
        word = "".join(rng.permutation([*letters, "x", "y"]))
        rows.append(f"{word} {k}\t{separator.join(LETTERS[c] for c in letters)}\n")
    return rows


def written(folder: Path, rows: list[str], name: str = "rows.tsv") -> str:
    (folder / name).write_text("".join(rows), encoding="utf-8", newline="")
    return str(folder / name)


def config_of(task: str = "classify,loss=sigmoid", **more: Any) -> Config:
    small = {"hidden": 8, "embedding": 4, "epochs": 1.0, "batch_size": 8, "dropout": 0.0}
    return Config.of(**{**small, **Config.parse({"task": task}), **more})


def data_of(folder: Path, rows: list[str], task: str = "classify,loss=sigmoid") -> ClassifyData:
    return ClassifyData(Paths((written(folder, rows),)), config_of(task))


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


# Reading


@pytest.mark.parametrize(
    ("cell", "task", "labels"),
    [
        ("a|b", "classify,loss=sigmoid", ("a", "b")),
        (" b | a|b||", "classify,loss=sigmoid", ("b", "a")),
        ("", "classify,loss=sigmoid", ()),
        ("a, b", "classify,loss=sigmoid", ("a, b",)),
        ("2,27|x", "classify,loss=sigmoid,separator=comma", ("2", "27|x")),
        ("a; b c", "classify,loss=sigmoid,separator=semicolon", ("a", "b c")),
        ("a  b", "classify,loss=sigmoid,separator=space", ("a", "b")),
        ("a|b", "classify", ("a|b",)),
    ],
)
def test_a_cell_holds_labels_by_one_rule(cell: str, task: str, labels: tuple[str, ...]) -> None:
    assert labels_in(cell, config_of(task)) == labels


@pytest.mark.parametrize(
    ("cells", "name"),
    [
        (["a|b", "b", "c|d"], None),  # more labels than cells: no sign of anything
        (["a|b", "b", "a", "b|a"], "bar"),
        (["1,2", "2,1", "1", "2,3", "3,1"], "comma"),
        (["Doe, J", "Roe, K", "Poe, L"], None),
        (["sci fi", "fi sci", "sci", "fi"], None),
        (["a", "b"], None),
    ],
)
def test_cells_that_look_like_several_labels(cells: list[str], name: str | None) -> None:
    assert separator_of(cells) == name


def test_a_row_may_have_any_number_of_labels(tmp_path: Path) -> None:
    rows = rows_of()
    data = data_of(tmp_path, rows)
    spec = data.spec()
    assert spec.labels == ("hiss", "lips", "vowel")
    assert spec.several
    without = sum(row.endswith("\t\n") for row in rows)
    assert without
    assert f"{without} of 120 rows have no label, which counts as a no to every label" in data.notes


def test_a_row_without_a_label_counts_as_several_labels(tmp_path: Path) -> None:
    rows = [f"word {k}\t{'odd' if k % 2 else ''}\n" for k in range(40)]
    spec = data_of(tmp_path, rows).spec()
    assert spec.several
    assert spec.labels == ("odd",)


def test_a_label_with_two_rows_is_trained_on(tmp_path: Path) -> None:
    """Wherever it is; no two rows have the same set of labels."""
    rows = [f"text {k}\t{k}|{(k + 1) % 31}\n" for k in range(31)]
    path = written(tmp_path, rows)
    for seed in range(5):
        data = ClassifyData(Paths((path,)), config_of(seed=seed, val_fraction=0.2))
        assert len(data.spec().labels) == 31


def test_one_label_a_row_does_not_count_as_several(tmp_path: Path) -> None:
    data = data_of(tmp_path, [f"word {k}\t{'odd' if k % 2 else 'even'}\n" for k in range(40)])
    assert not data.spec().several
    assert "several" not in data.spec().to_header()


def test_cells_that_look_like_several_labels_are_mentioned(tmp_path: Path) -> None:
    rows = [row for row in rows_of(separator=",") if not row.endswith("\t\n")]
    hint = "--task classify,loss=sigmoid,separator=comma"
    for task in ("classify", "classify,loss=sigmoid"):
        assert any(hint in note for note in data_of(tmp_path, rows, task).notes)
    assert not data_of(tmp_path, rows, hint.removeprefix("--task ")).notes


@pytest.mark.parametrize(
    ("task", "rows", "message"),
    [
        ("classify", ["a\tx\n", "b\t\n"], "row 2: the label is empty"),
        ("classify,loss=sigmoid", ["a\tx\n", "\tx\n"], "row 2: the text is empty"),
        ("classify,loss=sigmoid", [f"{k}\tx|y\n" for k in range(30)], "have the label 'x|y'"),
        ("classify,loss=sigmoid", [f"{k}\t\n" for k in range(30)], "all rows have no label"),
    ],
)
def test_rows_that_teach_nothing_are_refused(
    tmp_path: Path, task: str, rows: list[str], message: str
) -> None:
    with pytest.raises(InputError, match=message.replace("|", r"\|")):
        data_of(tmp_path, rows, task)


def test_a_label_that_is_not_trained_on_is_named(tmp_path: Path) -> None:
    train, val = written(tmp_path, rows_of()), written(tmp_path, ["q\tlips|new\n"], "val.tsv")
    with pytest.raises(InputError, match=r"val.tsv, row 1: no training row .* 'new'"):
        ClassifyData(Paths((train,), val=val), config_of())


def test_a_separator_needs_the_sigmoid(tmp_path: Path) -> None:
    path = written(tmp_path, rows_of())
    for task, message in (
        ("classify,separator=comma", "with loss=softmax each row has one label"),
        ("classify,loss=sigmoid,separator=/", "bar or comma or semicolon or space"),
    ):
        done = charrnn("train", path, "--task", task, cwd=tmp_path)
        assert done.returncode == 2
        assert message in done.stderr.decode()


def test_each_part_has_every_label() -> None:
    """Rows with several labels: training has every label, and all parts have the common ones."""
    rng = np.random.default_rng(1)
    chances = 0.4 / np.arange(1, 16)
    strata = [
        tuple(map(str, np.flatnonzero(rng.random(15) < chances))) or ("",) for _ in range(600)
    ]
    keys = [f"text {k}" for k in range(600)]
    parts = split(keys, strata, val=0.1, test=0.1, rng=np.random.default_rng(0))
    assert [len(part) for part in (parts.train, parts.val, parts.test)] == [480, 60, 60]
    total = Counter(name for own in strata for name in own)
    for part, share in ((parts.train, 0.8), (parts.val, 0.1), (parts.test, 0.1)):
        found = Counter(name for row in part for name in strata[row])
        common = [name for name, count in total.items() if count >= 15]
        assert len(common) == 14
        assert set(found) >= (set(total) if share > 0.5 else set(common))
        often = [name for name in common if total[name] >= 40]
        assert all(abs(found[name] / total[name] - share) < 0.08 for name in often)


def test_a_label_with_one_row_is_trained_on() -> None:
    strata = [("a", "b")] * 20 + [("a", "rare")]
    for seed in range(10):
        rng = np.random.default_rng(seed)
        parts = split([str(k) for k in range(21)], strata, val=0.2, test=0.2, rng=rng)
        assert 20 in parts.train


def test_rows_with_one_label_are_split_as_before() -> None:
    labels = list(np.random.default_rng(0).choice(list("xyz"), 100))
    keys = [str(k) for k in range(100)]
    first, second = (
        split(keys, strata, val=0.1, test=0.2, rng=np.random.default_rng(5))
        for strata in (labels, [(label,) for label in labels])
    )
    np.testing.assert_array_equal(first.test, second.test)
    np.testing.assert_array_equal(first.val, second.val)


# Measures


def test_measures_of_several_labels_by_counting() -> None:
    gold = np.array([[1, 0, 1, 0], [0, 0, 0, 0], [1, 1, 0, 0], [0, 1, 0, 0]], dtype=bool)
    predicted = np.array([[1, 0, 0, 0], [0, 0, 0, 0], [1, 1, 1, 0], [1, 0, 0, 0]], dtype=bool)
    # By hand: TP FP FN of the labels are 2 1 0, 1 0 1, 0 1 1 and 0 0 0.
    np.testing.assert_allclose(label_f1(gold, predicted), [4 / 5, 2 / 3, 0, np.nan])
    assert several_labels(gold, predicted) == {
        "micro-F1": pytest.approx(6 / 10),
        "macro-F1": pytest.approx((4 / 5 + 2 / 3 + 0) / 3),
        "exact match": 0.25,
        "Hamming loss": pytest.approx(4 / 16),
    }


def test_measures_without_any_label() -> None:
    none = np.zeros((3, 2), dtype=bool)
    found = several_labels(none, none)
    assert found == {"micro-F1": 0, "macro-F1": 0, "exact match": 1, "Hamming loss": 0}
    with pytest.raises(ValueError, match="nothing to compare"):
        micro_f1(none, none[:2])


def test_the_table_has_a_line_for_each_label() -> None:
    gold = np.array([[1, 0, 0], [1, 0, 1], [0, 0, 0]], dtype=bool)
    predicted = np.array([[1, 0, 0], [0, 0, 0], [1, 0, 0]], dtype=bool)
    assert label_table(gold, predicted, ["one", "unheard", "three"]) == (
        "label    precision  recall      F1  support",
        "one         0.5000  0.5000  0.5000        2",
        "unheard          -       -       -        0",
        "three            -  0.0000  0.0000        1",
    )
    many = np.zeros((60, 60), dtype=bool)
    many[np.arange(60), np.arange(60)] = True
    many[:, 59] = True
    lines = label_table(many, many, [f"label {k}" for k in range(60)])
    assert len(lines) == 52
    assert lines[-2].split() == ["label", "59", "1.0000", "1.0000", "1.0000", "60"]
    assert lines[-1] == "(10 rarer labels are left out)"


def test_a_label_of_two_lines_takes_one_line_in_a_table() -> None:
    yes = np.eye(2, dtype=bool)
    assert label_table(yes, yes, ["x\ny", "z"])[1].split()[0] == r"x\ny"
    assert confusion_table(["x\ny", "z"], ["x\ny", "z"], ["x\ny", "z"]) == (
        r"      x\ny     z   (taken for)",
        r"x\ny     1     0",
        r"z        0     1",
    )


def test_naive_bayes_of_each_label_follows_its_equation() -> None:
    """A plain version on strings: ln P(yes)/P(no) + Σ ln P(n-gram | yes)/P(n-gram | no)."""
    known = ["abba", "bab", "cab", "c", "acc"]
    yes = np.array([[1, 0], [1, 1], [0, 1], [0, 0], [1, 1]], dtype=bool)
    smoothing, query = 0.5, "abc"

    def grams(text: str, n: int) -> list[str]:
        padded = f"${text}$"
        return [padded[k : k + n] for k in range(len(padded) - n + 1)]

    expected = []
    for k in range(2):
        have = int(yes[:, k].sum())
        total = math.log((have + 1) / (len(known) - have + 1))
        for n in (1, 2):
            every = {g for text in known for g in grams(text, n)}
            counts = [
                Counter(g for t, own in zip(known, yes[:, k], strict=True) if own == side
                        for g in grams(t, n))
                for side in (True, False)
            ]  # fmt: skip
            for g in grams(query, n):
                if g in every:
                    p, q = (
                        (c[g] + smoothing) / (c.total() + smoothing * len(every)) for c in counts
                    )
                    total += math.log(p / q)
        expected.append(total)
    model = LabelBayes(2, smoothing).fit(known, yes)
    found = model._scores([query], smoothing)[-1][0]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert model.predict([query]).tolist() == [[total > 0 for total in found]]


def test_naive_bayes_of_single_characters_has_no_longer_n_grams() -> None:
    with np.errstate(all="raise"):
        model = LabelBayes(4, 0.5).fit(["a", "b"], np.array([[True], [False]]))
        assert model.predict(["a", "b", "ab"])[:2].tolist() == [[True], [False]]


def test_naive_bayes_learns_each_label_by_itself() -> None:
    rows = [row.rstrip("\n").split("\t") for row in rows_of(300)]
    texts = [text for text, _ in rows]
    yes = np.array([[name in cell.split("|") for name in LETTERS.values()] for _, cell in rows])
    model = LabelBayes().fit(texts[:200], yes[:200])
    assert micro_f1(yes[200:], model.predict(texts[200:])) > 0.95


# Training and testing


def score_of(data: ClassifyData, logits: list[float]) -> tuple[TaskScore, Any, Any]:
    """The validation of a model with the same answer to each text, and the task and weights."""
    spec = without_shares(data.spec())
    model = spec.model(data.config)
    task = data.task(spec, data.config, model, threads=1)
    weights = model.init(np.random.default_rng(0))
    weights["head.W"][...], weights["head.b"][...] = 0, logits
    score = task.validate(weights)
    assert score is not None
    return score, task, weights


@pytest.mark.parametrize("loss", ["softmax", "sigmoid"])
def test_the_largest_logit_decides_and_sets_the_loss(tmp_path: Path, loss: str) -> None:
    """Where σ in float32 is 1 for two labels, and 0 for the third."""
    rows = [f"{k}{label}\t{label}\n" for k in range(60) for label in "abbbcc"]
    rows = [f"{n} {row}" for n, row in enumerate(rows)]
    data = data_of(tmp_path, rows, f"classify,loss={loss}")
    y = [40.0, 41.0, -42.0]
    score, task, weights = score_of(data, y)
    gold = Counter(row.right for row in data.rows.val)
    nats = {}
    for k, name in enumerate("abc"):
        if loss == "softmax":
            nats[name] = 41 + math.log1p(math.exp(-1) + math.exp(-83)) - y[k]
        else:
            of_no = sum(v + math.log1p(math.exp(-v)) for v in y[:2]) + math.exp(y[2])
            nats[name] = of_no - y[k]
    count = sum(gold.values())
    expected = sum(nats[name] * n for name, n in gold.items()) / count
    assert score.loss == pytest.approx(expected, rel=1e-12)
    assert max(nats.values()) > 80
    assert score.measures["accuracy"] == gold["b"] / count
    assert task.preview(weights, np.random.default_rng(0)).decode().startswith("b ")


def test_several_labels_with_extreme_logits(tmp_path: Path) -> None:
    """Each is a yes from logit 0 on; the loss is the binary cross-entropy in Python's floats."""
    data = data_of(tmp_path, rows_of())
    y = [40.0, 0.0, -40.0]
    score, task, weights = score_of(data, y)
    (found,) = predict(task.trained(weights), ["any"])
    assert found.labels == ("hiss", "lips")
    assert found.probabilities["vowel"] == pytest.approx(math.exp(-40))
    total, right, said, there = 0.0, 0, 0, 0
    for row in data.rows.val:
        own = row.right.split("|")
        yes = [name in own for name in ("hiss", "lips", "vowel")]
        for t, v in zip(yes, y, strict=True):
            total += max(v, 0) + math.log1p(math.exp(-abs(v))) - t * v
            right, said, there = right + (t and v >= 0), said + (v >= 0), there + t
    assert score.loss == pytest.approx(total / len(data.rows.val), rel=1e-12)
    assert score.measures["micro-F1"] == pytest.approx(2 * right / (said + there))
    assert score.error == pytest.approx(1 - score.measures["micro-F1"], abs=0.01)


def test_several_labels_are_validated_by_the_training_loss(tmp_path: Path) -> None:
    path = written(tmp_path, rows_of())
    config = config_of(readout="last", wide=0)  # beside a row in training stands another map
    data = ClassifyData(Paths((path,), val=path), config)
    spec = data.spec()
    model = spec.model(config)
    task = data.task(spec, config, model, threads=1)
    weights = model.init(np.random.default_rng(0), np.float64)
    score = task.validate(weights)
    assert score is not None
    order = np.array(sorted(range(120), key=lambda k: -len(data.rows.train[k].left)))
    trained = task.mean_loss(weights, [task.batch(order, None)])
    assert score.loss == pytest.approx(trained, rel=1e-12)


def test_a_model_of_one_label_cannot_begin_a_run_of_several(tmp_path: Path) -> None:
    names = list(LETTERS.values())
    single = data_of(tmp_path, [f"{k}\t{names[k % 3]}\n" for k in range(60)])
    run = Run.begin(config_of(), single, RunFolder(tmp_path / "one", resume=False), threads=1)
    list(run.events())
    run.close()
    initial = load_model(tmp_path / "one" / "best.npz")
    folder = RunFolder(tmp_path / "two", resume=False)
    with pytest.raises(InputError, match="gives each text one label"):
        Run.begin(config_of(), data_of(tmp_path, rows_of()), folder, initial)
    folder.close()


# From the command line


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with a run of several labels, and the output of its training."""
    folder = tmp_path_factory.mktemp("labels")
    path = written(folder, rows_of(400))
    settings = "--hidden 16 --embedding 8 --epochs 20 --lr 0.02 --batch-size 16 --dropout 0"
    done = charrnn(
        "train", path, "--task", "classify,loss=sigmoid", *settings.split(), "--threads", "1",
        "--out", "run", cwd=folder,
    )  # fmt: skip
    assert done.returncode == 0
    return folder, done.stderr.decode()


def test_a_training_of_several_labels_says_how_good_each_is(trained: tuple[Path, str]) -> None:
    folder, said = trained
    assert "400 texts of 3 labels (1." in said
    test = said[said.index("test: ") :]
    header, *labels = [line.split() for line in test.splitlines()[2:6]]
    assert header == ["label", "precision", "recall", "F1", "support"]
    assert [line[0] for line in labels] == ["hiss", "lips", "vowel"]
    assert all(float(line[3]) > 0.9 for line in labels)
    assert "baseline: character n-gram naive Bayes of each label: micro-F1" in test
    log = [json.loads(line) for line in (folder / "run" / "metrics.jsonl").read_text().splitlines()]
    last = log[-1]
    assert last["event"] == "test"
    assert last["micro-F1"] > 0.9
    assert {"macro-F1", "exact match", "Hamming loss"} < set(last)
    validated = [one for one in log if one["event"] == "validation"]
    best = [one["loss"] for one in validated if one["best"]]
    assert best == sorted(best, reverse=True)
    assert best[-1] == min(one["loss"] for one in validated)


def lines_of(folder: Path, *more: str) -> list[str]:
    done = charrnn("predict", "run", *more, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode().splitlines()


def test_predict_gives_the_labels_that_are_likely(trained: tuple[Path, str]) -> None:
    folder, _ = trained
    texts = ("xaby 1", "yx 2", "sx 3")
    assert [set(line.split("|")) for line in lines_of(folder, *texts)] == [
        {"vowel", "lips"}, {""}, {"hiss"},
    ]  # fmt: skip
    first, second, _ = (line.split("\t") for line in lines_of(folder, *texts, "--format", "tsv"))
    assert first[0] == "xaby 1"
    chances = [float(p) for p in first[2].split("|")]
    assert chances == sorted(chances, reverse=True)
    assert second == ["yx 2", "", ""]
    one, two, _ = map(json.loads, lines_of(folder, *texts, "--format", "jsonl"))
    assert set(one["labels"]) == {"vowel", "lips"}
    assert list(one["probabilities"]) == ["hiss", "lips", "vowel"]
    assert two["labels"] == []
    again = library.load(folder / "run").predict("xaby 1")[0]
    assert "\t".join(first) == next(again.lines("tsv"))


def test_predict_limits_labels_by_number_or_probability(trained: tuple[Path, str]) -> None:
    folder, _ = trained
    top = json.loads(lines_of(folder, "xaby 1", "--top", "2", "--format", "jsonl")[0])
    assert set(top["labels"]) == {"vowel", "lips"}
    assert list(top["probabilities"]) == top["labels"]
    assert len(lines_of(folder, "xaby 1", "--top", "9")[0].split("|")) == 3
    assert len(lines_of(folder, "xaby 1", "--threshold", "0")[0].split("|")) == 3
    assert lines_of(folder, "xaby 1", "--threshold", "1") == [""]
    every = json.loads(lines_of(folder, "xaby 1", "--threshold", "0", "--format", "jsonl")[0])
    p = sorted(every["probabilities"].values())
    between = str((p[-1] + p[-2]) / 2)
    assert lines_of(folder, "xaby 1", "--threshold", between, "--top", "2") == every["labels"][:1]


def test_a_model_of_one_label_gives_several_if_asked(tmp_path: Path) -> None:
    model = library.load(FIXTURES / "old-classify.npz")
    text = "good film"

    def line(form: str, **how: Any) -> str:
        return next(model.predict(text, **how)[0].lines(form))

    assert line("tsv", top=2) == "good film\tnegative|positive\t0.6744|0.3256"
    assert line("tsv", threshold=0.5) == "good film\tnegative\t0.6744"
    assert line("tsv", threshold=0.7) == "good film\t\t"
    assert json.loads(line("jsonl", threshold=0.7))["labels"] == []
    assert json.loads(line("jsonl"))["label"] == "negative"
    for how in ({"top": 0}, {"top": 1.5}, {"threshold": 1.1}, {"threshold": -1}):
        with pytest.raises(InputError, match=next(iter(how))):
            line("tsv", **how)


@pytest.mark.parametrize("option", ["--top", "--threshold"])
def test_label_options_are_for_classifiers_only(tmp_path: Path, option: str) -> None:
    (tmp_path / "t.conll").write_text("".join(f"w{k}\tA\nv{k}\tB\n\n" for k in range(30)))
    settings = ("--hidden", "4", "--epochs", "0.1", "--threads", "1", "--out", "tags")
    assert charrnn("train", "t.conll", "--task", "tag", *settings, cwd=tmp_path).returncode == 0
    done = charrnn("predict", "tags", "w1", option, "1", cwd=tmp_path)
    assert done.returncode == 2
    assert f"{option} is for classify; this model's task is tag" in done.stderr.decode()
    with pytest.raises(InputError, match="has no top"):
        library.load(tmp_path / "tags").predict("w1", top=2)


# Old checkpoints, and spoilt ones


def test_an_old_classifier_by_sigmoids_answers_as_it_did() -> None:
    """Saved before there were several labels: its settings and its labels know nothing of it.

    By ``charrnn train`` on 200 rows of ``data/polarity-train.tsv`` with ``--task
    classify,loss=sigmoid --hidden 4 --embedding 4 --epochs 80 --lr 0.03``.
    """
    model = library.load(FIXTURES / "old-sigmoid.npz")
    assert "separator" not in model.header["config"]
    found = [next(one.lines("tsv")) for one in model.predict(["a good film", "the plot is poor"])]
    assert found == ["a good film\tpositive\t0.6156", "the plot is poor\tpositive\t0.4874"]
    line = next(model.predict("a good film")[0].lines("jsonl"))
    assert json.loads(line)["probabilities"] == pytest.approx(
        {"negative": 0.410238, "positive": 0.615643}, abs=2e-6
    )
    both = model.predict("a good film", threshold=0.4)[0]
    assert both.labels == ("positive", "negative")  # type: ignore[attr-defined]


def test_a_checkpoint_notes_whether_there_are_several_labels(tmp_path: Path) -> None:
    header, arrays = read_checkpoint(FIXTURES / "old-sigmoid.npz")
    header["spec"]["several"] = "yes"
    write_checkpoint(tmp_path / "odd.npz", header, arrays)
    with pytest.raises(CheckpointError, match="several labels must be true or false"):
        library.load(tmp_path / "odd.npz")
