"""A model must approach the entropy of the embedded Reber grammar, but not fall below it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
from data_modules import DATA, reber
from support import reader_of

from charrnn.evaluation.validation import evaluate
from charrnn.runs.model import load_model

BITS_AROUND_THE_FLOOR = 0.01
"""Of both signs: a thousand strings cost a model of the source a little more or less than it."""


def test_an_lstm_reaches_the_entropy_and_remembers_the_second_letter(tmp_path: Path) -> None:
    """Strings that were not in training; forgetting the second letter would cost 0.042 bits more,
    and guess half of the letters that repeat it."""
    run = tmp_path / "run"
    command = [sys.executable, "-m", "charrnn", "train", str(DATA / "reber-train.txt"), "--quiet"]
    command += ["--hidden", "64", "--batch-size", "16", "--lr", "0.01", "--out", str(run)]
    subprocess.run(command, check=True, cwd=tmp_path, timeout=240)
    trained = load_model(run / "best.npz")

    text = (DATA / "reber-test.txt").read_text(encoding="utf-8")
    strings = text.split()
    assert not set(strings) & set((DATA / "reber-train.txt").read_text(encoding="utf-8").split())
    ids = trained.vocabulary.encode_text("\n" + text)
    score = evaluate(reader_of(trained.network), trained.parameters, ids, 1, lanes=1)
    floor = float(reber.bits_of(strings).per_character)
    assert score.count == len(text)
    assert abs(score.bits - floor) <= BITS_AROUND_THE_FLOOR

    symbols = ids.astype(np.intp)[:, None]
    y, _, _ = trained.network.forward(
        trained.parameters, symbols[:-1], trained.network.zero_state(1)
    )
    where = reber.long_range_positions(strings)
    right = y[where, 0].argmax(axis=-1) == symbols[1:][where, 0]
    assert len(right) == 1000
    assert right.mean() >= 0.99
