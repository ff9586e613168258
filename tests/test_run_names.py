"""Which run is meant: by a path, by its name, or by nothing; and the list of all."""

import json
import os
import pty
import re
import subprocess
from pathlib import Path
from shutil import copytree

import pytest
from support import ROOT, TEXT, charrnn, command, environment

from charrnn.text.corpora import read_corpus

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
    """A copy of them, with the same times."""
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
        (["eval"], b"rows-1/best.npz on the test part of rows.tsv"),
        (["train", "--resume", "latest"], b"run: checkpoints/rows-1"),
    ],
)
def test_without_a_name_the_last_suitable_run_is_used(
    place: Path, command: list[str], found: bytes
) -> None:
    """The very last run is a classifier, which cannot write."""
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
    done = charrnn("eval", cwd=tmp_path)  # the shipped model's text comes with one Python only
    if read_corpus([]).sha256.startswith("71f2ff5d99bd"):
        assert b"pydoc.npz on the validation set of the help topics of Python" in done.stdout
    else:
        assert done.returncode == 2
        assert b"has changed since this run was trained on it" in done.stderr


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
def test_a_wrong_name_lists_the_existing_runs(place: Path, command: list[str]) -> None:
    done = charrnn(*command, cwd=place)
    assert done.returncode == 2
    assert b"the runs here are rows-1, novel-2, novel-1" in done.stderr


def test_a_text_given_as_a_checkpoint_is_explained(place: Path) -> None:
    done = charrnn("sample", "Once upon a time", cwd=place)
    error, hint = done.stderr.decode().splitlines()
    assert (done.returncode, error) == (2, "error: 'Once upon a time' is not a checkpoint")
    assert "charrnn sample --prime 'Once upon a time'" in hint
    done = charrnn("sample", "Once", cwd=place)
    assert b"'Once' does not exist" in done.stderr
    assert b"charrnn sample --prime Once" in done.stderr
    assert b"--prime" not in charrnn("sample", "a/b.npz", cwd=place).stderr
    done = charrnn(
        "sample", "--temp", "0.5", "--stop", "x", "--stop", "y", "-n2", "Once", cwd=place
    )
    wanted = b": charrnn sample --number 2 --temp 0.5 --stop x --stop y --prime Once; the runs"
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
    for line, measure in zip(lines, (" accuracy ", " nats/char ", " nats/char "), strict=True):
        assert measure in line


@pytest.mark.parametrize("width", [60, 80, 100])
def test_the_list_fits_a_terminal(place: Path, width: int) -> None:
    """A narrow terminal gets fewer columns; no figure is cut off."""
    primary, secondary = pty.openpty()
    size = environment(COLUMNS=str(width), TERM="xterm", NO_COLOR="1")
    subprocess.run(command("inspect", "runs"), cwd=place, env=size, stdout=secondary, check=True)
    page = re.sub(r"\x1b\[[0-9;]*m", "", os.read(primary, 1 << 16).decode())
    os.close(primary)
    os.close(secondary)
    head, *rows = page.splitlines()
    assert max(map(len, (head, *rows))) <= width
    assert [row.split()[0] for row in rows] == ["rows-1", "novel-2", "novel-1"]
    assert "…" not in page
    assert ("minutes" in head, "cell" in head) == (width > 80, width > 60)
    loss = json.loads(charrnn("inspect", "runs", "--json", cwd=place).stdout)[0]["loss"]
    assert f" {1 - loss:.3f}  accuracy " in rows[0]


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
    assert both.startswith("their average ")
    assert b"different texts" not in done.stderr
    alone = json.loads(charrnn("eval", "novel-2", "--json", cwd=place).stdout)
    both = json.loads(charrnn("eval", "novel-1", "novel-2", "--json", cwd=place).stdout)
    assert both[1]["network"] == alone["network"]
    (place / "other.txt").write_text("another text\n" * 9, encoding="utf-8")
    done = charrnn("eval", "novel-1", "novel-2", "other.txt", cwd=place)
    assert done.stdout.count(b"other.txt") == 3
    flags = ("--val-fraction", "0.3", "--out", "less")
    assert charrnn("train", "novel.txt", *SMALL, *flags, cwd=place).returncode == 0
    assert (
        b"these models were scored on different texts"
        in charrnn("eval", "less", "novel-1", cwd=place).stderr
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            "inspect runs",
            "error: there are no runs here yet\nhint: to make one: charrnn train CORPUS",
        ),
        (
            "inspect checkpoints",
            "error: there are no runs here yet\nhint: to make one: charrnn train CORPUS",
        ),
        (
            "train --resume latest",
            "hint: there are no runs here yet; to make one: charrnn train CORPUS",
        ),
        ("sample latest", "there are no runs here yet; to make one: charrnn train CORPUS"),
    ],
)
def test_a_fresh_folder_has_no_runs(tmp_path: Path, words: str, said: str) -> None:
    for made in (False, True):
        done = charrnn(*words.split(), cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, b"")
        assert said in done.stderr.decode()
        if not made:
            (tmp_path / "checkpoints").mkdir()


def test_a_folder_of_runs_names_them(place: Path) -> None:
    done = charrnn("sample", "checkpoints", cwd=place)
    assert done.returncode == 2
    assert b"the runs here are rows-1, novel-2, novel-1" in done.stderr
    (place / "checkpoints").rename(place / "old")
    done = charrnn("sample", "old", cwd=place)
    assert b"the runs here are old/rows-1, old/novel-2, old/novel-1" in done.stderr


def test_a_slash_at_the_end_of_a_name_is_ignored(place: Path) -> None:
    texts = [
        charrnn("sample", name, "-l", "9", "--seed", "1", cwd=place).stdout
        for name in ("novel-1", "novel-1/")
    ]
    assert texts[0] == texts[1] != b""


def test_two_models_are_compared_by_eval(place: Path) -> None:
    done = charrnn("inspect", "novel-1", "novel-2", cwd=place)
    assert done.returncode == 2
    assert b"hint: to compare models: charrnn eval novel-1 novel-2\n" in done.stderr


@pytest.mark.parametrize(
    "words", ["eval other.txt", "sample other.txt", "eval other.txt novel-1", "explain other.txt"]
)
def test_a_text_given_as_a_model_is_recognised(place: Path, words: str) -> None:
    (place / "other.txt").write_text("день и ночь\n" * 999, encoding="utf-8")
    done = charrnn(*words.split(), cwd=place)
    error, hint = done.stderr.decode().splitlines()
    assert done.returncode == 2
    assert error == "error: 'other.txt' is a text, not a model"
    assert "charrnn eval rows-1 other.txt" in hint
    assert "charrnn train other.txt" in hint
    for data in (b"PK\x03\x04 damaged", b"\0\1", b"\xff" * 9, b""):
        (place / "other.txt").write_bytes(data)
        assert b"is a text" not in charrnn(*words.split(), cwd=place).stderr


def test_the_shipped_model_has_a_name(tmp_path: Path) -> None:
    for words in (["sample", "pydoc", "-l", "5"], ["explain", "pydoc"], ["inspect", "pydoc"]):
        done = charrnn(*words, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")
    done = charrnn("eval", "pydoc", "text.txt", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert b"checkpoints/pydoc.npz on text.txt" in done.stdout
    assert charrnn("explain", "pydoc", cwd=ROOT).stdout.startswith(b"checkpoints/pydoc.npz: ")
    (tmp_path / "pydoc").write_text("a text of that name\n", encoding="utf-8")
    assert b"'pydoc' is a text" in charrnn("sample", "pydoc", cwd=tmp_path).stderr
