"""The statements of the README and the other documents are true."""

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from support import ROOT, TEXT, charrnn, environment

PAGES = sorted((ROOT / "docs").glob("*.md"))
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = ("train", "sample", "eval", "predict", "gradcheck", "inspect", "explain", "export")
PARTS = ("charrnn", "docs", "benchmarks", "data")
DOCUMENTS = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "docs/notebooks/README.md"]
DOCUMENTS += [f"docs/{path.name}" for path in PAGES]


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_the_readme_is_short() -> None:
    lines = README.splitlines()
    assert len(lines) <= 130
    assert max(map(len, lines)) <= 100
    assert len(README.split()) <= 900


def run_as_written(code: str, place: Path) -> str:
    """What Python prints, in a folder with data, where minutes are short."""
    (place / "corpus.txt").write_text(TEXT * 3, encoding="utf-8")
    rows = [
        f"what is {'ab' * (k % 5)} {k} ?\t{'thing' if k % 2 else 'person'}\n" for k in range(80)
    ]
    (place / "questions.tsv").write_text("".join(rows), encoding="utf-8")
    (place / "script.py").write_text(code.replace("minutes=5", "minutes=0.03"), encoding="utf-8")
    run = [sys.executable, "script.py"]
    return subprocess.run(
        run, capture_output=True, text=True, check=True, cwd=place, env=environment()
    ).stdout


def test_the_front_pages_python_runs_as_written(tmp_path: Path) -> None:
    (code,) = blocks("python")
    assert "bits a character" in run_as_written(code, tmp_path)


def test_the_library_document_runs_as_written(tmp_path: Path) -> None:
    text = (ROOT / "docs/library.md").read_text(encoding="utf-8")
    pieces = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    assert len([line for line in pieces[-1].splitlines() if line and "import" not in line]) <= 12
    shown = run_as_written("".join(pieces), tmp_path)
    assert "there is no setting 'hiden' - did you mean 'hidden'?" in shown
    assert float(shown.splitlines()[-1].split()[0]) < 0.5


def test_the_output_of_the_first_command_is_shown(tmp_path: Path) -> None:
    first, shown = re.findall(r"^(charrnn sample .*?)  +#.*\n# (.*)$", README, re.MULTILINE)[0]
    done = charrnn(*shlex.split(first)[1:], cwd=tmp_path)
    assert done.stdout.decode().rstrip("\n") == shown


def test_the_gradient_check_is_shown_unchanged(tmp_path: Path) -> None:
    """Its lines, except for what is rounding, which depends on the processor."""
    (block,) = re.findall(r"```\n\$ (charrnn gradcheck.*?)```", README, flags=re.DOTALL)
    command, *lines = block.splitlines()
    done = charrnn(*shlex.split(command)[1:], cwd=tmp_path, env=environment(COLUMNS="80"))
    printed = {without_figures(line) for line in (done.stdout + done.stderr).decode().splitlines()}
    assert [line for line in lines if without_figures(line) not in printed] == ["..."]


def without_figures(line: str) -> str:
    """Without the two errors, and the tensor that has the larger one: a matter of rounding."""
    return " ".join(re.sub(r"(\d\.\de-\d\d  ){2}\S+", "", line).split())


@pytest.mark.parametrize(
    "document", sorted({"README.md", *(f"docs/{path.name}" for path in PAGES)} - {"docs/log.md"})
)
def test_the_options_that_a_document_names_exist(document: str) -> None:
    """Wherever a command stands in it, also in a sentence; the help knows its options."""
    commands = "|".join(COMMANDS)
    text = (ROOT / document).read_text(encoding="utf-8")
    code = re.findall(r"```.*?```|`[^`]+`", text, flags=re.DOTALL)
    shown: dict[str, set[str]] = {}
    for piece in code:
        for command, rest in re.findall(rf"charrnn ({commands})\b([^|#&>\n]*)", piece):
            shown.setdefault(command, set()).update(re.findall(r"(?<=\s)--[a-z-]+", rest))
    if document == "README.md":
        assert set(shown) == set(COMMANDS)
    for command, options in shown.items():
        page = charrnn(command, "--help", cwd=ROOT).stdout.decode()
        assert options <= set(re.findall(r"--[a-z-]+", page)), command


INSTALLS_CHARRNN = re.compile(
    r"""install\s(?:[^&;|`)\n]*[\s'"=])?charrnn(?![\w./])"""  # as in: pip install -U charrnn
    r"""|charrnn(?:-numpy)?\\*\[(?:plot|test|dev)"""  # as in: charrnn[plot]
)


def test_no_text_installs_charrnn_from_pypi(tmp_path: Path) -> None:
    """There the name belongs to another project. This one is installed from a clone."""
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
    assert "python -m pip install matplotlib" in " ".join(texts["inspect --help"].split())
    for path in [*ROOT.glob("*.*"), *(p for f in PARTS for p in (ROOT / f).rglob("*.*"))]:
        if path.suffix in (".md", ".py", ".sh"):
            texts[str(path)] = path.read_text(encoding="utf-8")
    assert len(texts) > 100
    assert [name for name, text in texts.items() if INSTALLS_CHARRNN.search(text)] == []


def test_the_distribution_has_a_name_of_its_own() -> None:
    """Its extras are installed from it, not from PyPI's charrnn."""
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


def test_the_log_begins_with_a_page_of_conclusions() -> None:
    """Each with a link to an entry below, which is there."""
    log = (ROOT / "docs/log.md").read_text(encoding="utf-8")
    page, _, entries = log.partition("\n## All entries\n")
    assert len(page.splitlines()) <= 70
    links = re.findall(r"\]\(#(.*?)\)", log)
    assert len(links) > 20
    headings = re.findall(r"^## (.*)$", entries, flags=re.MULTILINE)
    assert set(links) <= {
        re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in headings
    }


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, todo = set[Path](), [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        if page not in reached and page.suffix == ".md":
            reached.add(page)
            links = re.findall(r"\]\(([\w./-]+)[)#]", page.read_text(encoding="utf-8"))
            todo += [(page.parent / link).resolve() for link in links]
    assert {*PAGES, ROOT / "ARCHITECTURE.md", ROOT / "docs/notebooks/README.md"} <= reached


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
