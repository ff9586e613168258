"""The notebooks of docs/notebooks run unchanged; their asserts prove their statements."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from support import ROOT, notebook_tools

NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
LARGEST = 150_000
"""Bytes of a notebook with its pictures."""

MACHINE = re.compile(r"/(?:tmp|home|root|work|usr|Users|private|var)/|[A-Z]:\\\\|site-packages")
"""A path that exists only on one machine."""


def code_cells(path: Path) -> list[dict[str, Any]]:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def test_there_is_one_for_each_note() -> None:
    assert [path.name[:3] for path in NOTEBOOKS] == ["000", "001", "002", "003"]
    page = (ROOT / "docs" / "notebooks" / "README.md").read_text(encoding="utf-8")
    assert all(f"({path.name})" in page for path in NOTEBOOKS)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_as_it_was_executed(path: Path) -> None:
    """From the first cell to the last, without an error, and small."""
    text, cells = path.read_text(encoding="utf-8"), code_cells(path)
    assert len(text.encode()) < LARGEST
    assert not MACHINE.search(text)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert {output["output_type"] for output in outputs} <= {"stream", "display_data"}
    assert not [output for output in outputs if output.get("name") == "stderr"]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    for cell in cells:
        source = "".join(cell["source"])
        assert bool(cell["outputs"]) == bool(re.search(r"print\(|display\(|plt\.show\(", source))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_has_equations_a_comparison_and_a_proof(path: Path) -> None:
    source = "\n".join("".join(cell["source"]) for cell in code_cells(path))
    assert "$$" in path.read_text(encoding="utf-8")
    assert "assert np.allclose(" in source
    proofs = re.findall(r"report = check_(?:outputs|loss)\(", source)
    assert 0 < len(proofs) == source.count("assert report.passed")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_unchanged(path: Path, tmp_path: Path) -> None:
    nbformat, nbclient = notebook_tools()
    pytest.importorskip("matplotlib", reason="the notebooks draw with matplotlib")
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=120, resources=resources).execute()
    assert not list(tmp_path.iterdir())  # it leaves nothing behind
    shown = [len(cell.get("outputs", ())) > 0 for cell in notebook.cells]
    stored = nbformat.read(path, as_version=4).cells
    assert shown == [len(cell.get("outputs", ())) > 0 for cell in stored]
