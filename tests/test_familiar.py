"""A model that knows a kind of text learns another text of it more gently."""

from pathlib import Path

import numpy as np
import pytest
from support import charrnn

from charrnn.runs.model import Model, load_model
from charrnn.training.familiar import familiar

WORDS = "the old man and the sea went down to the shore to see the boats come in\n"
NUMBERS = "".join(f"{k * 7919 % 997:03d}+{k * 104729 % 991:03d};" for k in range(3000))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """It knows the words, and only that there are digits."""
    folder = tmp_path_factory.mktemp("model")
    (folder / "words.txt").write_text(WORDS * 100 + "0123456789+;", encoding="utf-8")
    line = ("--cell", "gru", "--hidden", "32", "--epochs", "20", "--lr", "0.02", "--out", "run")
    done = charrnn("train", "words.txt", *line, "--threads", "1", cwd=folder)
    assert done.returncode == 0, done.stderr
    return load_model(folder / "run" / "best.npz")


def codes_of(text: str) -> np.ndarray:
    return np.array(list(map(ord, text)), np.uint32)


@pytest.mark.parametrize(("text", "known"), [(WORDS * 30, True), (NUMBERS, False)])
@pytest.mark.parametrize("validated", [True, False])
def test_a_kind_of_text_is_known_by_its_loss(
    text: str, known: bool, validated: bool, model: Model
) -> None:
    codes = codes_of(text)
    start = len(codes) * 9 // 10 if validated else len(codes)
    assert familiar(model, codes, start) == known


@pytest.mark.parametrize("size", [0, 1, 2, 9])
def test_a_text_with_nothing_to_score_is_not_known(size: int, model: Model) -> None:
    assert not familiar(model, codes_of(WORDS)[:size], size)


@pytest.mark.parametrize(("text", "known"), [(WORDS * 30, True), (NUMBERS, False)])
def test_the_plan_says_that_the_learning_rate_is_lower(
    text: str, known: bool, model: Model, tmp_path: Path
) -> None:
    (tmp_path / "new.txt").write_text(text, encoding="utf-8")
    line = ("new.txt", "--init-from", str(model.path), "--minutes", "0.05", "--threads", "1")
    rates = {}
    for out, given in (("planned", ()), ("given", ("--lr", "0.003"))):
        done = charrnn("train", *line, *given, "--out", out, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        said = "the model knows this kind of text" in done.stderr.decode()
        assert said == (known and not given)
        rates[out] = load_model(tmp_path / out / "last.npz").config.lr
    assert (rates["planned"] < 0.005) == known
    assert rates["given"] == 0.003
