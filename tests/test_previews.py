"""The lines that show, while training, what a network does with validation examples."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from charrnn.tasks.base import Paths
from charrnn.tasks.config import Config
from charrnn.tasks.kinds import KINDS
from charrnn.tasks.previews import COLUMNS, fitted


@pytest.mark.parametrize("character", ["a", "字", "\t", "e\u0301"])
def test_a_line_of_a_preview_fits_a_terminal(character: str) -> None:
    wide = character * 90
    for texts in ((wide, wide, wide), (wide, "b", "c"), ("a", "b", wide)):
        line = fitted("{} → {} (for {})", *texts)
        columns = sum(0 if c == "\u0301" else 2 if c == "字" else 1 for c in line)
        assert 75 <= columns <= COLUMNS
        assert line.count("…") == texts.count(wide)
        assert "\t" not in line
    assert fitted("{} → {}", "short", "kurz") == "short → kurz"
    exact = "x" * (COLUMNS - len(" → b"))
    assert fitted("{} → {}", exact, "b") == f"{exact} → b"


@pytest.mark.parametrize("task", ["classify", "translate"])
def test_previews_fit_a_terminal(tmp_path: Path, task: str) -> None:
    path = tmp_path / "rows.tsv"
    path.write_text("".join(f"red cat {k}\t{'ab'[k % 2]}\n" for k in range(60)))
    config = Config.of(task, hidden=8, embedding=4)
    data = KINDS[task].read(Paths((str(path),)), config)
    val = tuple(replace(row, left=row.left * 30) for row in data.rows.val)
    spec = data.spec()
    model = spec.model(config)
    task_of = data.task(spec, config, model, 1)
    task_of._rows = replace(data.rows, val=val)
    parameters = model.init(np.random.default_rng(0))
    lines = task_of.preview(parameters, np.random.default_rng(0)).decode().splitlines()
    assert len(lines) >= 4
    assert all(len(line) == COLUMNS and "red cat " in line and "…" in line for line in lines)
