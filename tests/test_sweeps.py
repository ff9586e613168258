"""The document on sweeps runs as written, on a short text and with few trials."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT, TEXT, environment

SWEEPS = (ROOT / "docs/sweeps.md").read_text(encoding="utf-8")


def run_block(language: str, place: Path, command: list[str]) -> str:
    """The output of the document's first block in that language."""
    (place / "corpus.txt").write_text(TEXT * 3, encoding="utf-8")
    (block,) = re.findall(rf"```{language}\n(.*?)```", SWEEPS, flags=re.DOTALL)[:1]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        [*command, block.replace("n_trials=20", "n_trials=3")],
        capture_output=True, text=True, cwd=place, env=environment(PATH=path),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_shell_loop(tmp_path: Path) -> None:
    table = run_block("sh", tmp_path, ["bash", "-euc"])
    for run in ("lstm-64", "lstm-128", "gru-64", "gru-128"):
        assert re.search(rf"^sweep/{run}/best.npz +\d\.\d+", table, flags=re.MULTILINE)


def test_optuna(tmp_path: Path) -> None:
    pytest.importorskip("optuna", reason="needs optuna: pip install optuna")
    shown = run_block("python", tmp_path, [sys.executable, "-c"])
    assert re.fullmatch(r"\{'cell': '(lstm|gru)', 'hidden': \d+, 'lr': [\d.]+\} [\d.]+\n", shown)
    assert len(list((tmp_path / "sweep").glob("trial-*/best.npz"))) == 3
