"""Generators of long texts begin with cells that remember to a text's end."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import charrnn
from test_steering import SIZE

import charrnn as package
from charrnn.nn.cells import GRU, LSTM
from charrnn.nn.conditional import Conditional
from charrnn.nn.models import SequenceModel
from charrnn.runs.draft import Draft
from charrnn.tasks.config import Config
from charrnn.tasks.generate import LONG, GenerateSpec
from charrnn.text.alphabet import Alphabet


def test_half_of_the_cells_remember_for_up_to_reach_steps() -> None:
    """A memory of u steps keeps 1 - 1/u of itself in each step."""
    size, reach = 8, 100
    i, f, o, g = LSTM(size).patient_bias(reach).reshape(4, size)
    kept = 1 / (1 + np.exp(-f))
    assert 1 / (1 - kept[0]) == pytest.approx(1 + np.e)
    assert 1 / (1 - kept[size // 2 - 1]) == pytest.approx(reach)
    assert (np.diff(kept[: size // 2]) > 0).all()
    np.testing.assert_allclose(i[: size // 2], 1 - f[: size // 2])
    usual = LSTM(size).init_bias().reshape(4, size)
    np.testing.assert_array_equal(np.stack([i, f, o, g])[:, size // 2 :], usual[:, size // 2 :])
    assert not o.any()
    assert not g.any()
    assert np.isfinite(LSTM(1).patient_bias(1)).all()


@pytest.mark.parametrize("cell", [LSTM(8), LSTM(8, bias=False), LSTM(8, gates="cell"), GRU(8)])
def test_only_the_biases_of_long_memories_differ_initially(cell: LSTM | GRU) -> None:
    model = SequenceModel(SIZE, SIZE, cell, 2)
    usual, patient = (
        Conditional(model, 3, reach).init(np.random.default_rng(0)) for reach in (0, 200)
    )
    differ = {name for name in usual if not np.array_equal(usual[name], patient[name])}
    lasting = isinstance(cell, LSTM) and cell.bias
    assert differ == ({"body.0.b", "body.1.b"} if lasting else set())


def test_the_longest_text_decides_how_long_cells_remember() -> None:
    alphabet = Alphabet.of("char", ["ab"])
    for longest, reach in ((LONG, 0), (LONG + 1, LONG + 1)):
        spec = GenerateSpec(("a",), alphabet, longest)
        assert spec.model(Config.of("generate")).reach == reach


def test_long_texts_are_written_at_a_lower_temperature(tmp_path: Path) -> None:
    """From Python, on the command line and interactively; 0.8 for short texts, or if asked for."""
    for length, usual in ((LONG, 0.8), (LONG + 1, 0.5)):
        place = tmp_path / f"{length}.tsv"
        rows = [f"k\t{k % 10}{'ab' * LONG}"[: length + 2] for k in range(20)]
        place.write_text("\n".join(rows) + "\n")
        how: dict[str, Any] = {"hidden": 4, "epochs": 1.0, "batch_size": 4, "threads": 1}
        package.train(place, task="generate", out=tmp_path / str(length), **how).finish()
        writer = package.load(tmp_path / str(length))
        assert writer.temperature == usual
        assert Draft(writer, 1, label="k").temperature == usual
        text = writer.sample(label="k", seed=1, length=99)
        assert text == writer.sample(label="k", seed=1, length=99, temperature=usual)
        many = {t: writer.sample(label="k", seed=1, n=30, temperature=t) for t in (0.5, 0.8)}
        assert many[0.5] != many[0.8]
        assert writer.sample(label="k", seed=1, n=30) == many[usual]
        flags = ("sample", str(length), "--label", "k", "--seed", "1", "-l", "99")
        assert charrnn(*flags, cwd=tmp_path).stdout.decode() == text + "\n"
        several = charrnn(*flags[:6], "-n", "30", cwd=tmp_path).stdout.decode()
        assert several.split("\n---\n") == [*many[usual][:-1], many[usual][-1] + "\n"]
        other = charrnn(*flags, "-t", "0", cwd=tmp_path).stdout.decode()
        assert other == writer.sample(label="k", seed=1, length=99, temperature=0) + "\n"
        assert charrnn(*flags, "--greedy", cwd=tmp_path).stdout.decode() == other
