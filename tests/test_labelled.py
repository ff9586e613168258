"""``charrnn eval`` of tasks: new labelled data, or the test part, measured as a training does."""

import json
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pytest
from support import charrnn

import charrnn as library
from charrnn.tasks.figures import figure
from charrnn.tasks.measures import by_kind, by_label, figures, macro_f1, span_f1

SMALL = ("--hidden", "8", "--epochs", "1", "--threads", "1", "-q")


def words(count: int, seed: int = 0) -> list[str]:
    """Distinct words, different for each seed, in random order."""
    draw, found = np.random.default_rng(seed), dict[str, None]()
    while len(found) < count:
        size = draw.integers(2, 8) + 6 * seed
        found["".join(draw.choice(list("abcdefgh"), size))] = None
    return list(found)


def series(count: int, start: int = 0) -> str:
    steps = range(start, start + count)
    return "x,y\n" + "".join(f"{np.sin(0.3 * k):.4f},{np.cos(0.2 * k):.4f}\n" for k in steps)


def data_of(task: str, count: int = 60, seed: int = 0) -> str:
    own = words(count, seed)
    if task == "forecast":
        return series(4 * count, 1000 * seed)
    if task == "tag":
        tags = {"a": "B-X", "b": "I-X", "c": "B-Y"}
        lines = [f"{w}\t{tags.get(w[0], 'O')}\n" for w in own]
        return "\n".join("".join(lines[k : k + 3]) for k in range(0, count, 3))
    rows = {
        "classify": lambda w: f"{w}\t{'even' if len(w) % 2 == 0 else 'odd'}\n",
        "translate": lambda w: f"{w}\t{w[::-1]}\n",
        "generate": lambda w: f"{'pqr'[ord(w[0]) % 3]}\t{w}\n",
    }
    return "".join(map(rows[task], own))


FIRST = ("the baseline ", "a baseline ", "no difference beyond chance ")
"""The beginnings of a verdict."""

TASKS = ("classify", "tag", "translate", "generate", "forecast")
every_task = pytest.mark.parametrize("task", TASKS)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of each task a run, ``TASK``, and the report of its test, ``TASK.report``.

    Tests change files only in copies.
    """
    folder = tmp_path_factory.mktemp("labelled")
    for task in TASKS:
        (folder / f"{task}.txt").write_text(data_of(task), encoding="utf-8")
        (folder / f"{task}.new").write_text(data_of(task, 40, seed=1), encoding="utf-8")
        flags = ("--task", task, "--out", task, *SMALL)
        done = charrnn("train", f"{task}.txt", *flags, cwd=folder)
        assert done.returncode == 0, done.stderr
        lines = done.stderr.decode().splitlines()
        verdict = [line for line in lines if line.startswith(FIRST)]
        best, at = (
            next(k for k, line in enumerate(lines) if line.startswith(start))
            for start in ("best: ", "test: ")
        )
        assert all(lines.index(line) < best for line in verdict)  # what matters most comes first
        table = takewhile(lambda line: line.startswith("  "), lines[at + 1 :])
        report = "\n".join([*verdict, lines[at], *table])
        (folder / f"{task}.report").write_text(report, encoding="utf-8")
    return folder


@pytest.fixture
def place(made: Path, tmp_path: Path) -> Path:
    return Path(copytree(made, tmp_path / "place"))


def shown(*arguments: str, cwd: Path, stdin: bytes | None = None) -> tuple[list[str], list[str]]:
    """The lines of ``eval`` on standard output and on standard error."""
    done = charrnn("eval", *arguments, cwd=cwd, stdin=stdin)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode().splitlines(), done.stderr.decode().splitlines()


def facts(*arguments: str, cwd: Path, stdin: bytes | None = None) -> dict[str, Any]:
    lines, _ = shown(*arguments, "--json", cwd=cwd, stdin=stdin)
    found: dict[str, Any] = json.loads("\n".join(lines))
    return found


def failure(*arguments: str, cwd: Path) -> str:
    done = charrnn("eval", *arguments, cwd=cwd)
    assert (done.returncode, done.stdout) == (2, b""), done.stderr
    return done.stderr.decode()


# The report


@every_task
def test_without_a_file_eval_repeats_the_report_of_the_training(made: Path, task: str) -> None:
    (head, *report), notes = shown(task, cwd=made)
    assert head.startswith(f"{task}/best.npz on the test part of {task}.txt")
    assert report == (made / f"{task}.report").read_text(encoding="utf-8").splitlines()
    assert notes == []


@pytest.mark.parametrize("task", TASKS[:-1])
def test_a_file_is_measured_as_the_training_would(place: Path, task: str) -> None:
    """Whether given as --test in training or afterwards: the same figures and baselines."""
    (place / "val").write_text(data_of(task, 30, seed=2), encoding="utf-8")
    flags = ("--val", "val", "--test", f"{task}.new", "--task", task, "--out", "run", *SMALL)
    done = charrnn("train", f"{task}.txt", *flags, cwd=place)
    assert done.returncode == 0, done.stderr
    first, *lines = done.stderr.decode().partition("test: ")[2].splitlines()
    report = [first, *takewhile(lambda line: line.startswith("  "), lines)]
    ((head, *later), _), ((own, *again), _) = (
        shown("run", f"{task}.new", cwd=place),
        shown("run", cwd=place),
    )
    assert head == own == f"run/best.npz on {task}.new"
    assert later == again
    later = [line for line in later if not line.startswith(FIRST)]
    assert later[0].removeprefix("test: ") == report[0]
    assert later[1:] == report[1:]


@every_task
def test_json_has_every_figure(made: Path, task: str) -> None:
    found = facts(task, f"{task}.new", cwd=made)
    (head, *lines), _ = shown(task, f"{task}.new", cwd=made)
    line = next(one for one in lines if one.startswith("test: "))
    assert head == f"{found['checkpoint']} on {found['data']}"
    assert (found["task"], found["data"]) == (task, f"{task}.new")
    for name, value in found["measures"].items():
        assert f"{name} {figure(value)}" in line
    assert f"{found['loss']:.4f} {found['unit']}" in line
    assert f"({found['method']})" in line
    assert found["baselines"]
    own = {
        "classify": {"labels", "confusion"},
        "tag": {"tags", "spans"},
        "forecast": {"columns"},
    }
    usual = "checkpoint task data unit loss measures method baselines unknown notes"
    assert found.keys() == {*usual.split()} | own.get(task, set())


def test_figures_of_each_label(made: Path) -> None:
    """They are those of the predictions of ``charrnn predict``."""
    found = facts("classify", "classify.new", cwd=made)
    rows = [line.split("\t") for line in data_of("classify", 40, seed=1).splitlines()]
    done = charrnn("predict", "classify", *(text for text, _ in rows), cwd=made)
    predicted = done.stdout.decode().split()
    gold = [label for _, label in rows]
    labels = ["even", "odd"]
    assert found["confusion"]["labels"] == labels
    assert found["confusion"]["counts"] == [
        [sum(pair == (a, b) for pair in zip(gold, predicted, strict=True)) for b in labels]
        for a in labels
    ]
    for label in labels:
        right = sum(a == b == label for a, b in zip(gold, predicted, strict=True))
        own = found["labels"][label]
        assert own["support"] == gold.count(label)
        assert own["recall"] == pytest.approx(right / gold.count(label))
        assert own["precision"] * predicted.count(label) == pytest.approx(right)
    mean = np.mean([own["F1"] for own in found["labels"].values()])
    assert mean == pytest.approx(found["measures"]["macro-F1"])


def test_figures_of_each_tag_and_kind(made: Path) -> None:
    found = facts("tag", "tag.new", cwd=made)
    gold = [line.split("\t")[1] for line in data_of("tag", 40, seed=1).splitlines() if line]
    assert {tag: own["support"] for tag, own in found["tags"].items() if own["support"]} == {
        tag: gold.count(tag) for tag in set(gold)
    }
    assert sum(own["support"] for own in found["spans"].values()) > 0
    assert {*found["spans"]} <= {"X", "Y"}


def test_standard_input_and_several_files(made: Path) -> None:
    new = (made / "classify.new").read_bytes()
    alone = facts("classify", "classify.new", cwd=made)
    piped = facts("classify", "-", cwd=made, stdin=new)
    assert piped == alone | {"data": "standard input"}
    twice = facts("classify", "classify.new", "-", cwd=made, stdin=new)
    assert twice["method"].startswith("80 texts")
    assert twice["measures"]["accuracy"] == alone["measures"]["accuracy"]


# What cannot be known


def test_labels_that_the_model_lacks_count_as_missed(place: Path) -> None:
    new = place / "classify.new"
    alone = facts("classify", "classify.new", cwd=place)
    new.write_text(new.read_text(encoding="utf-8") + "ab\tmeh\nab\tmeh\ncd\twow\n")
    found = facts("classify", "classify.new", cwd=place)
    right = alone["measures"]["accuracy"] * 40
    assert found["measures"]["accuracy"] == pytest.approx(right / 43)
    assert found["unknown"] == {"meh": 2, "wow": 1}
    assert found["confusion"]["labels"] == ["even", "odd", "meh", "wow"]
    assert sum(found["confusion"]["counts"][2]) == 2
    assert found["labels"]["meh"] == {"precision": 0, "recall": 0, "F1": 0, "support": 2}
    assert found["loss"] == pytest.approx((alone["loss"] * 40 + 3 * 30 * np.log(10)) / 43)
    note = found["notes"][0]
    assert "3 of 43 rows have a label that the model does not know, and count as errors" in note
    assert "'meh' 2, 'wow' 1" in note


def test_tags_that_the_model_lacks_count_as_missed(place: Path) -> None:
    (place / "odd").write_text("ab\tB-X\ncd\tB-Z\n\ned\tO\n", encoding="utf-8")
    found = facts("tag", "odd", cwd=place)
    assert found["unknown"] == {"B-Z": 1}
    assert "1 of 2 sentences has a tag that the model does not know" in found["notes"][0]
    assert found["spans"]["Z"]["recall"] == 0
    assert found["measures"]["token accuracy"] <= 2 / 3


def test_a_model_of_spans_measures_spans_on_any_data(place: Path) -> None:
    """The measure is that of the model, whatever the new tags are."""
    (place / "flat").write_text("ab\tO\ncd\tO\n", encoding="utf-8")
    assert "span F1" in facts("tag", "flat", cwd=place)["measures"]
    (place / "tag.txt").unlink()
    assert "span F1" in facts("tag", "flat", cwd=place)["measures"]


@pytest.mark.parametrize(
    ("task", "rows", "message"),
    [
        ("classify", "ab\tmeh\ncd\twow\n", "no row has a label that the model knows"),
        ("tag", "ab\tX\ncd\tZ\n\ned\tX\n", "no sentence has a tag that the model knows"),
    ],
)
def test_rows_without_a_known_label_cannot_be_scored(
    place: Path, task: str, rows: str, message: str
) -> None:
    """They are those of another file or column."""
    (place / "other").write_text(rows, encoding="utf-8")
    assert message in failure(task, "other", cwd=place)


def test_texts_of_an_unknown_label_cannot_be_scored(place: Path) -> None:
    new = place / "generate.new"
    alone = facts("generate", "generate.new", cwd=place)
    new.write_text(new.read_text(encoding="utf-8") + "zzz\tab\n", encoding="utf-8")
    found = facts("generate", "generate.new", cwd=place)
    assert (found["loss"], found["unknown"]) == (alone["loss"], {"zzz": 1})
    assert (
        "1 of 41 rows has a label that the model does not know, and are left out"
        in (found["notes"][0])
    )
    new.write_text("zzz\tab\n", encoding="utf-8")
    assert "no row has a label that the model knows" in failure("generate", str(new), cwd=place)


@every_task
def test_training_data_are_recognised(place: Path, task: str) -> None:
    """All of the data, a part of them, or under another name."""
    where = "that the model was trained on" if task != "forecast" else "trained on this series"
    for name in (f"{task}.txt", "moved"):
        if name == "moved":
            (place / f"{task}.txt").rename(place / name)
        _, notes = shown(task, name, cwd=place)
        assert where in notes[0], name
    (place / "moved").rename(place / f"{task}.txt")
    if task == "forecast":
        rows = (place / "forecast.txt").read_text(encoding="utf-8").splitlines(keepends=True)
        (place / "part").write_text("".join(rows[:20]), encoding="utf-8")
        assert where in shown(task, "part", cwd=place)[1][0]
        (place / "part").write_text(rows[0] + "".join(rows[-20:]), encoding="utf-8")
        assert shown(task, "part", cwd=place)[1] == []  # it was held out to test with


def test_rows_seen_in_training_are_counted(place: Path) -> None:
    old = data_of("classify").splitlines(keepends=True)
    (place / "mixed").write_text(old[0] + "xyxy\teven\n" + old[1], encoding="utf-8")
    whole = facts("classify", "classify.txt", cwd=place)
    assert whole["method"] == "60 texts, 54 of them trained on"
    found = facts("classify", "mixed", cwd=place)
    assert found["method"] in [f"3 texts, {n} of them trained on" for n in (1, 2)]
    assert "will do worse on others" in found["notes"][0]


def test_missing_training_data_are_reported(place: Path) -> None:
    with_it = facts("classify", "classify.new", cwd=place)
    assert "none of them trained on" in with_it["method"]
    kept = (place / "classify.txt").read_text(encoding="utf-8")
    for change in ("gone", "changed"):
        if change == "changed":
            (place / "classify.txt").write_text(kept + "zz\todd\n", encoding="utf-8")
        else:
            (place / "classify.txt").unlink()
        found = facts("classify", "classify.new", cwd=place)
        assert found["measures"] == with_it["measures"]
        assert found["baselines"] == {}
        assert "whether the model was trained on them is unknown" in found["method"]
        wanted = (
            "is not there" if change == "gone" else "has changed since this run was trained on it"
        )
        assert wanted in found["notes"][0]
        assert "(--train FILE)" in found["notes"][0]
        error = failure("classify", cwd=place)
        assert wanted in error
        assert "charrnn eval classify/best.npz FILE" in error
    (place / "elsewhere").write_text(kept, encoding="utf-8")
    assert facts("classify", "classify.new", "--train", "elsewhere", cwd=place) == with_it
    report = (place / "classify.report").read_text(encoding="utf-8").splitlines()
    assert shown("classify", "--train", "elsewhere", cwd=place)[0][1:] == report


def test_a_model_without_its_run_does_not_know_its_data(place: Path) -> None:
    """A file without its run's folder does not say what it was trained on."""
    (place / "classify" / "best.npz").rename(place / "alone.npz")
    found = facts("alone.npz", "classify.new", cwd=place)
    assert "alone.npz does not say what it was trained on" in found["notes"][0]
    assert "does not say what it was trained on" in failure("alone.npz", cwd=place)
    wrong = failure("alone.npz", "--train", "translate.txt", cwd=place)
    assert "--train translate.txt: " in wrong


def test_data_seen_by_earlier_weights_are_reported(place: Path) -> None:
    flags = ("--init-from", "classify", "--out", "second", *SMALL)
    done = charrnn("train", "classify.new", "--task", "classify", *flags, cwd=place)
    assert done.returncode == 0, done.stderr
    assert "started from weights trained on classify.txt" in shown("second", cwd=place)[1][-1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["classify", "nowhere"], "'nowhere' does not exist"),
        (["classify", "bad"], "row 1"),
        (["tag", "bad"], "row 1"),
        (["forecast", "bad"], "column"),
        (["forecast", "forecast.new", "forecast.txt"], "one series, got 2"),
        (["classify", "translate", "classify.new"], "different tasks: classify, translate"),
        (["classify", "classify", "-"], "only one run can read standard input"),
        (["classify", "classify.new", "--mix"], "--mix is for language models"),
        (["classify", "--adapt", "--adapt-rate", "1"], "--adapt is for language models"),
        (["held"], "this run has no test part of classify.txt; classify.new was used to choose"),
    ],
)
def test_mistakes_are_reported(place: Path, arguments: list[str], message: str) -> None:
    (place / "bad").write_text("z\n1\n2\n", encoding="utf-8")
    if arguments == ["held"]:
        flags = ("--task", "classify", "--val", "classify.new", "--out", "held", *SMALL)
        assert charrnn("train", "classify.txt", *flags, cwd=place).returncode == 0
    lines = failure(*arguments, cwd=place).splitlines()
    assert message in lines[0]
    assert len(lines) <= 2


def laid_out(task: str, rows: str) -> tuple[str, str]:
    """The data in another layout without a header; and the columns for ``--columns``."""
    if task == "forecast":
        body = [line.split(",") for line in rows.splitlines()[1:]]
        return "u,n,v\n" + "".join(f"{y},7,{x}\n" for x, y in body), "v,u"
    lines = [line.split("\t") for line in rows.splitlines()]
    text = "".join(f"{one[1]}\tid\tx\t{one[0]}\n" if len(one) > 1 else "\n" for one in lines)
    return text, "4,1"


@every_task
def test_columns_find_the_data_in_another_layout(place: Path, task: str) -> None:
    """They apply to the given files, not to the training data."""
    text, columns = laid_out(task, (place / f"{task}.new").read_text(encoding="utf-8"))
    (place / "other").write_text(text, encoding="utf-8")
    wanted = facts(task, f"{task}.new", cwd=place)
    found = facts(task, "other", "--columns", columns, cwd=place)
    for name in ("loss", "measures", "baselines", "unknown"):
        assert found[name] == wanted[name], name
    if task != "tag":  # whose rows may have any columns
        assert len(failure(task, "other", cwd=place).splitlines()) <= 2
    model = library.load(place / task)
    measured = model.evaluate(str(place / "other"), columns=columns)
    assert dict(measured.outcome.score.measures) == wanted["measures"]
    assert measured.outcome.score.loss == wanted["loss"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["classify"], "--columns needs a file"),
        (["forecast", "forecast.new"], "--columns 2,1,1: the model reads 2 columns, not 3"),
        (["lm"], "--columns is for tables; lm/best.npz is a language model"),
        (["lm", "forecast.new"], "--columns is for tables; lm/best.npz is a language model"),
        (["lm", "--show"], "--columns does not go with --show"),
    ],
)
def test_columns_that_do_not_apply_are_refused(
    made: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    place = made
    if arguments[0] == "lm":
        place = tmp_path
        (place / "lm.txt").write_text(data_of("classify"), encoding="utf-8")
        (place / "forecast.new").write_text("x", encoding="utf-8")
        assert charrnn("train", "lm.txt", "--out", "lm", *SMALL, cwd=place).returncode == 0
    error, *hint = failure(*arguments, "--columns", "2,1,1", cwd=place).splitlines()
    assert message in error
    assert len(hint) <= 1


def test_runs_are_compared(place: Path) -> None:
    flags = ("--task", "classify", "--seed", "5", "--out", "other", *SMALL)
    assert charrnn("train", "classify.txt", *flags, cwd=place).returncode == 0
    (head, *rows), notes = shown("classify", "other", "classify.new", cwd=place)
    assert head.split() == ["nats/text", "accuracy", "macro-F1", "data"]
    alone = [facts(run, "classify.new", cwd=place) for run in ("classify", "other")]
    for row, found in zip(rows, alone, strict=True):
        name, *figures_, data = row.split()
        assert (name, data) == (found["checkpoint"], "classify.new")
        wanted = [found["loss"], *found["measures"].values()]
        assert [float(figure) for figure in figures_] == pytest.approx(wanted, rel=1e-5)
    assert notes == []
    done = charrnn("eval", "classify", "other", "classify.new", "--json", cwd=place)
    assert json.loads(done.stdout) == alone


def test_the_library_evaluates_as_well(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(made)
    found = library.load("classify").evaluate("classify.new")
    assert (
        dict(found.outcome.score.measures)
        == facts("classify", "classify.new", cwd=made)["measures"]
    )
    with pytest.raises(library.InputError, match="is a language model"):
        library.load().evaluate()


# The measures


def tags_of(*sentences: str) -> Sequence[Sequence[str]]:
    return [sentence.split() for sentence in sentences]


@pytest.fixture
def pairs() -> tuple[list[str], list[str]]:
    draw = np.random.default_rng(1)
    return [*draw.choice(list("abc"), 50)], [*draw.choice(list("abd"), 50)]


def test_figures_of_labels_by_hand(pairs: tuple[list[str], list[str]]) -> None:
    assert figures(2, 4, 8) == {"precision": 0.5, "recall": 0.25, "F1": 1 / 3, "support": 8}
    assert figures(0, 0, 0) == {"precision": 0, "recall": 0, "F1": 0, "support": 0}
    found = by_label([*"aabb"], [*"abbb"], [*"abc"])
    assert found["a"] == {"precision": 1, "recall": 0.5, "F1": 2 / 3, "support": 2}
    assert found["b"] == {"precision": 2 / 3, "recall": 1, "F1": 0.8, "support": 2}
    assert found["c"] == {"precision": 0, "recall": 0, "F1": 0, "support": 0}
    mean = np.mean([own["F1"] for own in by_label(*pairs, [*"abcd"]).values()])
    assert mean == pytest.approx(macro_f1(*pairs, [*"abcd"]))


def test_figures_of_kinds_by_hand() -> None:
    gold = tags_of("B-X I-X O B-Y", "O B-X")
    predicted = tags_of("B-X I-X O B-X", "O B-X")
    found = by_kind(gold, predicted)
    assert found == {
        "X": {"precision": 2 / 3, "recall": 1, "F1": 0.8, "support": 2},
        "Y": {"precision": 0, "recall": 0, "F1": 0, "support": 1},
    }
    assert span_f1(gold, predicted) == pytest.approx(2 * 2 / (3 + 3))
