"""The commands that the README and the documents show run, on small data in a short time."""

import re
import shlex
from pathlib import Path

import pytest
from support import ROOT, TEXT, charrnn

from charrnn.runs.find import DEFAULT_FOLDER

DOCUMENTS = ("README.md", "docs/training.md", "docs/evaluating.md")

SMALL = {
    "--minutes 10": "--minutes 0.02",
    "--minutes 60": "--minutes 0.02",
    "train --epochs 6": "train corpus.txt --epochs 1 --hidden 8",
    "--epochs 10": "--epochs 1 --hidden 8",
    "corpus-1 --epochs 20": "corpus-2 --epochs 2",
    "--init-from corpus-1": "--init-from corpus-1 --epochs 1",
    "--test test.txt": "--test test.txt --epochs 1 --hidden 8",
    "--members 3": "--members 2 --epochs 1 --hidden 8",
    "--members 4": "--members 3",
    "gradcheck": "gradcheck --cell rnn --layers 1",
    "'Once upon'": repr(TEXT[:4]),
}
"""What would take minutes, and what takes a second."""


def commands() -> list[str]:
    """Every command of charrnn, each once, without the comment behind it."""
    found: dict[str, None] = {}
    for name in DOCUMENTS:
        text = (ROOT / name).read_text(encoding="utf-8")
        for block in re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL):
            for line in block.splitlines():
                for part in line.partition(" #")[0].split("&&"):
                    if part.strip().startswith("charrnn "):
                        found[part.strip()] = None
    return list(found)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all the files that are named, and the runs that others go on with."""
    place = tmp_path_factory.mktemp("documents")
    corpus = TEXT * 2
    for name in ("corpus", "new", "other", "train"):
        (place / f"{name}.txt").write_text(corpus, encoding="utf-8")
    for name in ("valid", "test"):
        (place / f"{name}.txt").write_text(TEXT[::-1], encoding="utf-8")
    for name, source, lines in (
        ("questions.tsv", "polarity-train.tsv", 90),
        ("new.tsv", "polarity-test.tsv", 30),
        ("names.conll", "spans-train.conll", 600),
        ("dates.tsv", "dates-train.tsv", 60),
        ("tunes.tsv", "tunes.tsv", 60),
        ("series.csv", "ar.csv", 200),
    ):
        text = (ROOT / "data" / source).read_text(encoding="utf-8").splitlines(keepends=True)
        (place / name).write_text("".join(text[:lines]), encoding="utf-8")
    small = ("--epochs", "1", "--hidden", "8")
    for run in ("corpus-1", "corpus-2"):
        done = charrnn("train", "corpus.txt", *small, "--out", f"{DEFAULT_FOLDER}/{run}", cwd=place)
        assert done.returncode == 0, done.stderr
    line = ("train", "questions.tsv", "--task", "classify", *small)
    assert charrnn(*line, "--out", f"{DEFAULT_FOLDER}/questions-1", cwd=place).returncode == 0
    return place


@pytest.mark.parametrize("command", commands())
def test_a_command_runs_as_it_is_shown(command: str, place: Path) -> None:
    for shown, small in SMALL.items():
        command = command.replace(shown, small)
    if "--task " in command and "--epochs" not in command:
        command += " --epochs 1 --hidden 8"
    words = shlex.split(command)[1:]
    done = charrnn(*words, cwd=place)
    assert done.returncode == 0, done.stderr.decode()


def test_there_are_such_commands() -> None:
    assert len(commands()) > 25
