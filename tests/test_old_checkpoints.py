"""Models that earlier versions of charrnn saved answer as they did then.

All but a text without a prime: it begins as later lines do, whatever the model's age, which no
version did when these were saved.

The fixtures are of version 0.1.0 before tasks registered themselves: ``charrnn train
reber-train.txt --hidden 6 --cell gru ...`` on 6,000 characters, and ``--task classify --hidden 4``
on 200 rows of ``data/polarity-train.tsv``.
"""

from pathlib import Path

from support import charrnn

import charrnn as library

FIXTURES = Path(__file__).parent / "fixtures"
TEXT = """BBVVEEE
BBPPSTVXSTTS
XSSVPTVEPE
BTBTSXVETEBSBTVETE
BPBVEPEBB"""
PRIMED = "BTBSVSBPPPVEEE\nBPVEPE\n\nSBBVVEPBT"


def test_a_language_model_writes_the_same_text(tmp_path: Path) -> None:
    done = charrnn("sample", str(FIXTURES / "old-lm.npz"), "--seed", "3", "-l", "60", cwd=tmp_path)
    assert done.stdout.decode() == TEXT + "\n"
    assert library.load(FIXTURES / "old-lm.npz").sample(seed=3, length=60) == TEXT


def test_an_old_language_model_continues_a_prime_as_it_did() -> None:
    found = library.load(FIXTURES / "old-lm.npz").sample("BT", seed=3, length=30)
    assert found == PRIMED


def test_a_classifier_gives_the_same_labels() -> None:
    """Its settings include some that do not apply to its task."""
    model = library.load(FIXTURES / "old-classify.npz")
    assert model.header["config"]["mask"] == "step"
    found = [line for one in model.predict(["good film", "bad"]) for line in one.lines("tsv")]
    assert found == ["good film\tnegative\t0.6744", "bad\tnegative\t0.6046"]


def test_the_shipped_model_writes_what_it_wrote() -> None:
    text = library.load().sample("The ", length=40, seed=1)
    assert text == "The must be determined by the instance of th"
