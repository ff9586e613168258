"""What the README and the other documents say must be so."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from support import ROOT, charrnn, environment

README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = ("train", "sample", "eval", "predict", "gradcheck", "inspect")
PARTS = ("charrnn", "docs", "benchmarks", "data")
DOCUMENTS = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"]
DOCUMENTS += ["docs/equations.md", "docs/your-own-cell.md"]


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_the_library_in_twelve_lines_runs_and_learns() -> None:
    (code,) = blocks("python")
    assert len([line for line in code.splitlines() if line and "import" not in line]) <= 12
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert float(done.stdout.split()[0]) < 0.5


def test_the_commands_of_the_tour_exist() -> None:
    """Every option that the README shows is one that the command's help knows."""
    shown: dict[str, set[str]] = {}
    commands = "train|sample|predict|inspect|gradcheck"
    for line in "".join(blocks("sh")).splitlines():
        for command, rest in re.findall(
            r"charrnn (train|sample|predict|inspect|gradcheck)([^|#&>]*)", line
        ):
            shown.setdefault(command, set()).update(re.findall(r"(?<=\s)--[a-z-]+", rest))
    assert set(shown) == set(commands.split("|"))
    for command, options in shown.items():
        page = charrnn(command, "--help", cwd=ROOT).stdout.decode()
        assert options <= set(re.findall(r"--[a-z-]+", page)), command


INSTALLS_CHARRNN = re.compile(
    r"""install\s(?:[^&;|`)\n]*[\s'"=])?charrnn(?![\w./])"""  # as in: pip install -U charrnn
    r"""|charrnn(?:-numpy)?\\*\[(?:plot|test|dev)"""  # as in: charrnn[plot]
)


def test_no_text_installs_charrnn_from_pypi(tmp_path: Path) -> None:
    """There the name is a stranger's. This project is installed from its clone."""
    for line in (
        "pip install charrnn",
        "install -U 'charrnn'",
        "install\ncharrnn-numpy",
        "charrnn[plot]",
    ):
        assert INSTALLS_CHARRNN.search(line)
    assert not INSTALLS_CHARRNN.search("pip install -q . && .venv/bin/charrnn train")
    wide = environment(COLUMNS="400")
    texts = {
        f"{command} --help": charrnn(command, "--help", cwd=tmp_path, env=wide).stdout.decode()
        for command in COMMANDS
    }
    assert "python -m pip install matplotlib" in texts["inspect --help"]
    for path in [*ROOT.glob("*.*"), *(p for f in PARTS for p in (ROOT / f).rglob("*.*"))]:
        if path.suffix in (".md", ".py", ".sh"):
            texts[str(path)] = path.read_text(encoding="utf-8")
    assert len(texts) > 100
    assert [name for name, text in texts.items() if INSTALLS_CHARRNN.search(text)] == []


def test_the_distribution_has_a_name_of_its_own() -> None:
    """And its extras are taken from it, not from PyPI's charrnn."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["name"] == "charrnn-numpy"
    assert project["scripts"] == {"charrnn": "charrnn.cli:main"}
    wanted = [line for lines in project["optional-dependencies"].values() for line in lines]
    assert [line for line in wanted if line.startswith("charrnn")] == ["charrnn-numpy[test]"]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_files_that_a_document_names_are_there(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    paths = re.findall(r"`((?:charrnn|tests|docs|data|benchmarks)/[\w/.]*)`", text)
    paths += [name for name in re.findall(r"\]\(([\w./-]+)\)", text) if "://" not in name]
    missing = [
        path
        for path in paths
        if not (ROOT / path).exists() and not (ROOT / document).parent.joinpath(path).exists()
    ]
    assert not missing


def test_the_names_that_the_equations_point_to_exist() -> None:
    """``charrnn.nn.cells.lstm.LSTM.backward`` and the like are the reader's way into the code."""
    import importlib

    text = (ROOT / "docs/equations.md").read_text(encoding="utf-8")
    names = set(re.findall(r"`(charrnn(?:\.\w+)+)`", text))
    assert len(names) > 10
    for name in sorted(names):
        parts = name.split(".")
        for length in range(len(parts), 0, -1):
            try:
                found = importlib.import_module(".".join(parts[:length]))
            except ModuleNotFoundError:
                continue
            for attribute in parts[length:]:
                assert hasattr(found, attribute), name
                found = getattr(found, attribute)
            break
