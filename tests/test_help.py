"""Help pages: equal to the stored ones, in lines that fit, without text for programs."""

import re
from pathlib import Path

import pytest
from support import ROOT, charrnn, environment

from charrnn.cli import complete
from charrnn.nn.cells import CELLS
from charrnn.tasks.kinds import KINDS

COMMANDS = ("train", "sample", "eval", "predict", "gradcheck", "inspect", "explain", "export")
GOLDEN = ROOT / "tests/fixtures/help.txt"
AGAIN = "if this is meant: python tests/fixtures/make_help.py"


def page(command: str, width: int, place: Path) -> str:
    arguments = [command] * bool(command) + ["--help"]
    done = charrnn(*arguments, cwd=place, env=environment(COLUMNS=str(width)))
    assert done.returncode == 0
    return done.stdout.decode()


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_a_help_page_equals_the_stored_one(command: str, tmp_path: Path) -> None:
    pages = dict(re.findall(r"=== (\w*)\n(.*?)(?==== |\Z)", GOLDEN.read_text("utf-8"), re.DOTALL))
    assert page(command, 80, tmp_path) == pages[command], AGAIN


@pytest.mark.parametrize("command", ["", *COMMANDS])
@pytest.mark.parametrize("width", [60, 80, 120])
def test_lines_fit_and_paragraphs_flow(command: str, width: int, tmp_path: Path) -> None:
    text = page(command, width, tmp_path)
    lines = [line for line in text.splitlines() if not line.startswith(("  charrnn ", "Usage"))]
    assert max(map(len, lines)) <= width
    assert max(map(len, text.splitlines())) <= max(80, width)  # an example is pasted, and is short
    told = text.partition("\n\n")[2]  # without the usage
    assert not re.search(r"<(bool|int|str|float)|[<>]=x|\[dim|\.\.\.$", told, re.MULTILINE)
    assert not re.search(r"default:\n", text)
    assert "Show this message and exit." in text


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_an_option_is_explained_in_three_lines(command: str, tmp_path: Path) -> None:
    pages = dict(re.findall(r"=== (\w*)\n(.*?)(?==== |\Z)", GOLDEN.read_text("utf-8"), re.DOTALL))
    section = ""
    for line in pages[command].splitlines():
        if line.endswith(":") and not line.startswith(" "):
            section, lines = line, 0
        elif section and re.match(r"  \S", line):  # an option, with its text or without
            lines = int(re.search(r"\S  +\S", line[2:]) is not None)
        elif section and line.strip():
            lines += 1
        assert not section or lines <= 3, line


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_a_default_stays_on_the_line_of_its_value(command: str, tmp_path: Path) -> None:
    for width in (80, 120):
        assert not re.search(r"\[default:\s*$", page(command, width, tmp_path), re.MULTILINE)


def test_what_a_shell_completes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert {"tag", "translate"} <= {*complete.tasks("t")} <= {*KINDS}
    assert complete.tasks("cl") == ["classify"]
    assert complete.cells("") == sorted(CELLS)
    assert complete.cells("") == ["gru", "lstm", "rnn"]
    for name in ("plays-1", "plays-2", "empty"):
        (tmp_path / "checkpoints" / name).mkdir(parents=True)
    for name in ("plays-1", "plays-2"):
        (tmp_path / "checkpoints" / name / "last.npz").touch()
    monkeypatch.chdir(tmp_path)
    assert complete.runs("pl") == ["plays-1", "plays-2"]
    assert complete.runs("checkpoints/plays-2") == ["checkpoints/plays-2"]
    assert complete.runs("other") == []
