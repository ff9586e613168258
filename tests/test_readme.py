"""What the README and the other documents say must be so."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
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
        run = [sys.executable, "-m", "charrnn", command, "--help"]
        page = subprocess.run(run, capture_output=True, text=True, check=True, cwd=ROOT).stdout
        assert options <= set(re.findall(r"--[a-z-]+", page)), command


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
