"""Which run is meant: by a path, by its name, or by nothing; and the list of all."""

import json
import os
from pathlib import Path
from shutil import copytree

import pytest
from support import TEXT, charrnn

SMALL = ("--hidden", "8", "--epochs", "1", "--threads", "1", "-q")
ROWS = "".join(f"{'ab' * (k % 5)}a{k}\t{'yes' if k % 2 else 'no'}\n" for k in range(60))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs ``novel-1``, ``novel-2`` (language models), then ``rows-1`` (a classifier)."""
    folder = tmp_path_factory.mktemp("names")
    (folder / "novel.txt").write_text(TEXT, encoding="utf-8")
    (folder / "rows.tsv").write_text(ROWS, encoding="utf-8")
    for arguments in (["novel.txt"], ["novel.txt"], ["rows.tsv", "--task", "classify"]):
        done = charrnn("train", *arguments, *SMALL, cwd=folder)
        assert done.returncode == 0, done.stderr
    for age, name in enumerate(("novel-1", "novel-2", "rows-1")):
        for file in (folder / "checkpoints" / name).glob("*.npz"):
            os.utime(file, (1e9 + age, 1e9 + age))
    return folder


@pytest.fixture
def place(made: Path, tmp_path: Path) -> Path:
    """A copy of them, times and all."""
    return Path(copytree(made, tmp_path / "place"))


@pytest.mark.parametrize(
    "command",
    [
        ["sample", "novel-1", "-l", "5"],
        ["eval", "novel-1"],
        ["inspect", "novel-1"],
        ["predict", "rows-1", "abab"],
        ["train", "--resume", "novel-1"],
        ["train", "novel.txt", "--init-from", "novel-1", "--out", "new", *SMALL],
    ],
)
def test_a_run_has_a_name(place: Path, command: list[str]) -> None:
    done = charrnn(*command, cwd=place)
    assert done.returncode == 0, done.stderr
    assert b"novel-1" in done.stdout + done.stderr or command[0] == "predict"


@pytest.mark.parametrize(
    ("command", "found"),
    [
        (["sample", "-l", "5"], b"novel-2/best.npz (the run saved last)"),
        (["eval"], b"rows-1/best.npz on the rows of rows.tsv"),
        (["train", "--resume", "latest"], b"run: checkpoints/rows-1"),
    ],
)
def test_without_a_name_it_is_the_last_run_that_can(
    place: Path, command: list[str], found: bytes
) -> None:
    """The last of all is a classifier, which writes nothing."""
    done = charrnn(*command, cwd=place)
    assert done.returncode == 0, done.stderr
    assert found in done.stdout + done.stderr


def test_predict_without_anything_reads_texts_for_the_last_run_that_predicts(place: Path) -> None:
    done = charrnn("predict", cwd=place, stdin=b"abab\nab\n")
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 2), done.stderr


def test_a_label_asks_for_a_run_of_labelled_texts(place: Path, tmp_path: Path) -> None:
    done = charrnn("sample", "--label", "x", cwd=place)
    assert done.returncode == 2
    assert b"there is no run of --task generate here" in done.stderr
    done = charrnn("eval", cwd=tmp_path)  # the shipped model's text is not noted
    assert done.returncode == 2
    assert b"pydoc.npz does not say" in done.stderr


@pytest.mark.parametrize(
    "command",
    [
        ["sample", "novel"],
        ["eval", "novel"],
        ["inspect", "novel"],
        ["predict", "novel", "x"],
        ["train", "--init-from", "novel"],
        ["train", "--resume", "novel"],
    ],
)
def test_a_wrong_name_lists_those_that_there_are(place: Path, command: list[str]) -> None:
    done = charrnn(*command, cwd=place)
    assert done.returncode == 2
    assert b"there are the runs rows-1, novel-2, novel-1" in done.stderr


def test_a_text_in_the_place_of_a_checkpoint(place: Path) -> None:
    done = charrnn("sample", "Once upon a time", cwd=place)
    error, hint = done.stderr.decode().splitlines()
    assert (done.returncode, error) == (2, "error: 'Once upon a time' is no checkpoint")
    assert "charrnn sample --prime 'Once upon a time'" in hint
    done = charrnn("sample", "Once", cwd=place)
    assert b"'Once' does not exist" in done.stderr
    assert b"charrnn sample --prime Once" in done.stderr
    assert b"--prime" not in charrnn("sample", "a/b.npz", cwd=place).stderr
    done = charrnn(
        "sample", "--temp", "0.5", "--stop", "x", "--stop", "y", "-n2", "Once", cwd=place
    )
    wanted = b": charrnn sample --number 2 --temp 0.5 --stop x --stop y --prime Once; there are"
    assert wanted in done.stderr
    for flags in (["--prime", "a"], ["--label", "x"], ["novel-1"]):  # no run has labels
        assert b"begin with" not in charrnn("sample", "Once", *flags, cwd=place).stderr


@pytest.mark.parametrize("word", ["checkpoints", "runs"])
def test_all_runs_are_listed(place: Path, word: str) -> None:
    done = charrnn("inspect", word, cwd=place)
    assert done.returncode == 0, done.stderr
    head, *lines = done.stdout.decode().splitlines()
    columns = ("run", "data", "task", "cell", "best", "epochs", "minutes", "weights", "saved")
    assert head.split() == list(columns)
    assert [line.split()[0] for line in lines] == ["rows-1", "novel-2", "novel-1"]
    assert lines[1].split()[1:7] == ["novel.txt", "lm", "1", "×", "8", "lstm"]
    for line, measure in zip(lines, (" 1 - accuracy ", " nats/char ", " nats/char "), strict=True):
        assert measure in line


def test_all_runs_are_listed_as_json(place: Path) -> None:
    found = json.loads(charrnn("inspect", "runs", "--json", cwd=place).stdout)
    assert [run["name"] for run in found] == ["rows-1", "novel-2", "novel-1"]
    assert set(found[0]) >= {"data", "task", "cell", "loss", "epochs", "minutes", "size", "date"}
    one = json.loads(charrnn("inspect", "novel-1", "--json", cwd=place).stdout)
    assert found[2]["loss"] == one["best"]["val"]
    assert [run["measure"] for run in found] == [
        "1 - accuracy or micro-F1",
        "nats/char",
        "nats/char",
    ]
    assert found[2]["size"] == one["parameters"]
    assert found[2]["epochs"] == one["epochs"]
    assert found[2]["minutes"] > 0


def test_a_damaged_run_does_not_hide_the_others(place: Path) -> None:
    broken = place / "checkpoints" / "broken"
    broken.mkdir()
    (broken / "best.npz").write_bytes(b"PK")
    done = charrnn("inspect", "checkpoints", cwd=place)
    assert done.returncode == 0
    assert b"broken" in done.stdout
    assert b"cannot be read" in done.stdout
    assert b"novel-1" in done.stdout


def test_eval_compares_runs(place: Path) -> None:
    done = charrnn("eval", "novel-1", "novel-2", cwd=place)
    assert done.returncode == 0, done.stderr
    rows = done.stdout.decode().splitlines()[1:]
    *own, both = rows
    assert [row.split()[0] for row in own] == [f"checkpoints/novel-{k}/best.npz" for k in (1, 2)]
    assert both.startswith("as one ")
    assert b"different texts" not in done.stderr
    alone = json.loads(charrnn("eval", "novel-2", "--json", cwd=place).stdout)
    both = json.loads(charrnn("eval", "novel-1", "novel-2", "--json", cwd=place).stdout)
    assert both[1]["network"] == alone["network"]
    (place / "other.txt").write_text("another text\n" * 9, encoding="utf-8")
    done = charrnn("eval", "novel-1", "novel-2", "other.txt", cwd=place)
    assert done.stdout.count(b"other.txt") == 3
    flags = ("--val-fraction", "0.3", "--out", "less")
    assert charrnn("train", "novel.txt", *SMALL, *flags, cwd=place).returncode == 0
    assert b"these are different texts" in charrnn("eval", "less", "novel-1", cwd=place).stderr
