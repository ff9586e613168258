"""The commands in the README, the documents and the help pages work, on small data."""

import gzip
import lzma
import re
import shlex
from pathlib import Path
from shutil import copy

import pytest
from support import ROOT, TEXT, charrnn

from charrnn.runs.find import DEFAULT_FOLDER

ELSEWHERE = {
    "docs/sweeps.md": "test_sweeps.py",
    "docs/your-own-cell.md": "test_own_cell_runs.py",
    "docs/log.md": "what was tried; its commands take hours",
}
"""Documents whose commands are run by other tests, or by none."""

DOCUMENTS = sorted(
    {"README.md", "data/README.md"}
    | {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md")} - {*ELSEWHERE}
)

SMALL = {
    "--minutes 10": "--minutes 0.02",
    "--minutes 60": "--minutes 0.02",
    "train --epochs 6": "train corpus.txt --epochs 1 --hidden 8",
    "--epochs 10": "--epochs 1 --hidden 8",
    "resume checkpoints/corpus-1 --epochs 20": "resume corpus-3 --epochs 2",
    "resume checkpoints/corpus-1 --members 3": "resume corpus-4 --members 2",
    "corpus-1 --epochs 20": "corpus-2 --epochs 2",
    "--init-from corpus-1": "--init-from corpus-1 --epochs 1",
    "--test test.txt": "--test test.txt --epochs 1 --hidden 8",
    "--members 3": "--members 2 --epochs 1 --hidden 8",
    "--members 4": "--members 3",
    "--shards": "--epochs 1 --hidden 8 --shards",
    "-n 2 charrnn train corpus.txt": "-n 2 charrnn train corpus.txt --epochs 1 --hidden 8",
    "train data/reber-train.txt": "train data/reber-train.txt --epochs 1 --hidden 8",
    "train big.txt": "train big.txt --epochs 1 --hidden 8",
    "train books/": "train books/ --epochs 1 --hidden 8",
    "'books/**/*.txt'": "'books/**/*.txt' --epochs 1 --hidden 8",
    "dump.xz": "dump.xz --epochs 1 --hidden 8",
    "--hidden 192 --epochs 1 --threads 1 --out run": "--hidden 8 --epochs 1 --threads 1",
    "gradcheck": "gradcheck --cell rnn --layers 1",
    "'Once upon'": repr(TEXT[:4]),
    "'ROMEO:'": repr(TEXT[:4]),
    "'Once'": repr(TEXT[:4]),
    "-l 100000": "-l 2000",
    "--lines 20": "--lines 2",
    "RUN --neurons FILE": "corpus-1 --neurons look.txt",
    "checkpoints/pydoc.npz docs/": "shared.npz docs/",
    "--layers 2 --dropout 0.2": "--layers 2 --dropout 0.2 --epochs 1 --hidden 8",
    "--lines 20,new": "--lines 2,new",
    "--neurons corpus.txt": "--neurons look.txt",
    "'To be, or not to be'": repr(TEXT[:4]),
    "'To b' --next e": repr(TEXT[:4]) + f" --next {TEXT[4]}",
    " > play.txt": "",
}
"""Arguments that take minutes or other texts, and their fast replacements."""

TEXTS = {
    "look": TEXT * 4,
    "train": TEXT * 2,
    "valid": TEXT[::-1],
    "test": TEXT[::-1],
    "scene": TEXT[:20],
    "questions": "What is it ?\nWho was she ?\n",
    "plots": "a house by the sea\nnobody laughed\n",
    "sentences": "the cat sat\nfrom here to there\n",
}
"""The texts by name; others contain :data:`TEXT` twice."""

ROWS = (
    ("questions.tsv", "polarity-train.tsv", 90),
    ("new.tsv", "polarity-test.tsv", 30),
    ("others.tsv", "polarity-test.tsv", 30),
    ("names.conll", "spans-train.conll", 600),
    ("dates.tsv", "dates-train.tsv", 60),
    ("tunes.tsv", "tunes.tsv", 60),
    ("series.csv", "ar.csv", 200),
)
"""Files of rows: their names, and the files of data/ whose first lines they have."""

RUNS = {
    **dict.fromkeys(("corpus-1", "corpus-2", "corpus-3", "corpus-4"), "corpus.txt"),
    **dict.fromkeys(("plays-1", "plays-2", "run"), "corpus.txt"),
    "shakespeare-1": "corpus.txt --seq-len 4 --eval-every 2",  # has a curve
    **dict.fromkeys(("shakespeare-2", "marlowe-1"), "corpus.txt"),
    "names-1": "corpus.txt --lines",
    **dict.fromkeys(("questions-1", "questions-2"), "questions.tsv --task classify"),
    "genres-1": "genres.tsv --task classify,loss=sigmoid",
    "tagger-1": "names.conll --task tag",
    **dict.fromkeys(("dates-1", "dates-train-1"), "dates.tsv --task translate"),
    **dict.fromkeys(("ar-1", "series-1"), "series.csv --task forecast"),
    "tunes-1": "tunes.tsv --task generate",
}
"""Runs that the documents use, and what each is trained on."""


def commands() -> list[str]:
    """Every command line of charrnn, each once, without comments."""
    found: dict[str, None] = {}
    for name in DOCUMENTS:
        text = (ROOT / name).read_text(encoding="utf-8")
        for block in re.findall(r"^```(?:sh)?\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE):
            for line in block.splitlines():
                for part in line.partition(" #")[0].removeprefix("$ ").split("&&"):
                    if re.match(r"([^|]+\| )?(mpiexec .*)?charrnn \w", part.strip()):
                        found[part.strip()] = None
    help_pages = (ROOT / "tests/fixtures/help.txt").read_text(encoding="utf-8")
    found |= dict.fromkeys(re.findall(r"^  (charrnn \w.*)$", help_pages, flags=re.MULTILINE))
    return list(found)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all files and runs that the documents name."""
    place = tmp_path_factory.mktemp("documents")
    for folder in ("books/verse", "data", "docs", DEFAULT_FOLDER):
        (place / folder).mkdir(parents=True)
    names = ("corpus", "new", "other", "plays", "sonnets", "text", "verses", "sample", "big")
    for name in (*names, "book1", "book2", "books/one", "books/verse/two"):
        (place / f"{name}.txt").write_text(TEXT * 2, encoding="utf-8")
    for name, text in TEXTS.items():
        (place / f"{name}.txt").write_text(text, encoding="utf-8")
    (place / "part-1.txt.gz").write_bytes(gzip.compress(TEXT.encode()))
    (place / "dump.xz").write_bytes(lzma.compress(TEXT.encode()))
    for name, source, count in ROWS:
        lines = (ROOT / "data" / source).read_text(encoding="utf-8").splitlines(keepends=True)
        (place / name).write_text("".join(lines[:count]), encoding="utf-8")
    for path in (ROOT / "data").glob("*.*"):
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        (place / "data" / path.name).write_text("".join(lines[:801]), encoding="utf-8")
    rows = [line.split("\t") for line in (place / "new.tsv").read_text("utf-8").splitlines()]
    table = "".join(f'{label},{k},"{text}"\n' for k, (text, label) in enumerate(rows))
    (place / "new.csv").write_text(table, encoding="utf-8")
    kinds = "".join(f"{text}\t{label}{'|long' * (k % 2)}\n" for k, (text, label) in enumerate(rows))
    (place / "genres.tsv").write_text(kinds, encoding="utf-8")
    copy(ROOT / "checkpoints/pydoc.npz", place / DEFAULT_FOLDER)
    for run, line in RUNS.items():
        out = "run" if run == "run" else f"{DEFAULT_FOLDER}/{run}"
        small = ("--epochs", "1", "--hidden", "8", "--out", out)
        done = charrnn("train", *line.split(), *small, cwd=place)
        assert done.returncode == 0, (run, done.stderr)
    copy(place / DEFAULT_FOLDER / "plays-1" / "best.npz", place / "shared.npz")
    return place


@pytest.mark.parametrize("command", commands())
def test_a_command_runs_as_it_is_shown(command: str, place: Path) -> None:
    needs = re.search(r"\.(onnx|safetensors|pt|png)$", command)
    if needs:
        package = {"pt": "torch", "png": "matplotlib"}.get(needs[1], needs[1])
        pytest.importorskip(package, reason="an optional package")
    for shown, small in SMALL.items():
        command = command.replace(shown, small)
    if "--task " in command and "--epochs" not in command:
        command += " --epochs 1 --hidden 8"
    (place / DEFAULT_FOLDER / "latest").write_text("corpus-1\n", encoding="utf-8")
    given = b""
    for part in command.split(" | "):
        words = [file for word in shlex.split(part) for file in expanded(word, part, place)]
        if words[0] == "cat":
            given = (place / words[1]).read_bytes()
            continue
        done = charrnn(*words[words.index("charrnn") + 1 :], cwd=place, stdin=given)
        assert done.returncode == 0, done.stderr.decode()
        given = done.stdout


def expanded(word: str, part: str, place: Path) -> list[str]:
    """The files that an unquoted pattern matches in a shell."""
    if "*" in word and f"'{word}'" not in part:
        return [path.name for path in sorted(place.glob(word))]
    return [word]


def test_documents_contain_every_kind_of_command() -> None:
    """There are some of each kind, so the search for commands works."""
    found = commands()
    assert len(found) > 60
    for part in (" | charrnn", "mpiexec -n", "charrnn explain pydoc", "charrnn export --example"):
        assert any(part in command for command in found), part


def test_the_commands_run_elsewhere_are_run() -> None:
    for document, where in ELSEWHERE.items():
        if where.endswith(".py"):
            text = (ROOT / "tests" / where).read_text(encoding="utf-8")
            assert re.search(rf'"{Path(document).name}"|"{document}"', text), document
