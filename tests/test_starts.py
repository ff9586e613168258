"""How a text without a prime begins: like a later line or paragraph."""

import re
from pathlib import Path

import numpy as np
import pytest
from support import charrnn

import charrnn as library
from charrnn.nn.cells import parse_cell
from charrnn.nn.models import SequenceModel
from charrnn.nn.stepper import Stepper
from charrnn.runs.model import Model
from charrnn.sampling import opening
from charrnn.tasks.lm import opening_of

WORDS = ("river", "stone", "garden", "window", "letter", "winter", "summer", "yellow", "quiet")
QUICK = ("--hidden", "48", "--epochs", "4", "--batch-size", "8", "--threads", "1", "--lr", "0.01")
FIXTURES = Path(__file__).parent / "fixtures"


def lines(rng: np.random.Generator, count: int) -> list[str]:
    return [" ".join(rng.choice(WORDS, size=rng.integers(3, 7))) for _ in range(count)]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two trained runs: ``prose`` of lines, ``cards`` of records that begin with a number."""
    folder = tmp_path_factory.mktemp("starts")
    rng = np.random.default_rng(0)
    (folder / "prose.txt").write_text("\n".join(lines(rng, 800)) + "\n", encoding="utf-8")
    cards = [f"N:{k % 10}\n" + "\n".join(lines(rng, 3)) for k in range(250)]
    (folder / "cards.txt").write_text("\n\n".join(cards) + "\n", encoding="utf-8")
    for name in ("prose", "cards"):
        done = charrnn("train", f"{name}.txt", *QUICK, "--out", name, cwd=folder)
        assert done.returncode == 0, done.stderr
        (folder / f"{name}.log").write_bytes(done.stdout)
    return folder


def texts(folder: Path, run: str) -> list[str]:
    done = charrnn("sample", run, "-n", "200", "-l", "60", "--seed", "1", cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode().split("\n---\n")


def first_words(found: list[str]) -> tuple[float, float]:
    """The shares of words among the first words of texts, and of their later whole lines."""
    begun = [one.split() for one in found]
    first = [bool(words) and words[0] in WORDS for words in begun]
    later = [
        line.split()[0] in WORDS for one in found for line in one.split("\n")[1:-1] if line.strip()
    ]
    assert len(later) > 50
    return float(np.mean(first)), float(np.mean(later))


def test_the_first_word_is_distributed_as_those_of_later_lines(runs: Path) -> None:
    first, later = first_words(texts(runs, "prose"))
    assert later > 0.6
    assert first > later - 0.05


def test_a_text_begins_as_a_paragraph_does_where_these_begin_alike(runs: Path) -> None:
    """And not as in the middle of one."""
    found = texts(runs, "cards")
    assert np.mean([one.startswith("N:") for one in found]) > 0.95


def test_samples_that_are_shown_in_training_begin_alike(runs: Path) -> None:
    previews = re.split(r"(?m)^--- step \d+ -+\n", (runs / "cards.log").read_text())[1:]
    assert len(previews) >= 3
    assert previews[-1].startswith("N:")


def test_the_library_writes_what_the_command_writes(runs: Path) -> None:
    model = library.load(runs / "prose")
    found = model.sample(seed=1, length=60, n=200)
    assert "\n---\n".join(found) == "\n---\n".join(texts(runs, "prose")).removesuffix("\n")
    assert model.sample(seed=1, length=60) == model.sample(seed=1, length=60)


def test_a_score_begins_where_a_sample_does(runs: Path) -> None:
    """-ln p of what follows a line end read in the opening state."""
    model = library.load(runs / "cards")
    text = "N:7\nriver stone"
    ids = model.vocabulary.encode_text("\n" + text).astype(np.intp)
    y, _, _ = model.network.forward(model.parameters, ids[:-1, None], opening_of(model))
    y = y[:, 0].astype(np.float64)
    log_p = y - np.logaddexp.reduce(y, axis=1, keepdims=True)
    expected = -log_p[np.arange(len(text)), ids[1:]]
    np.testing.assert_allclose(model.score(text).nats, expected, rtol=1e-4, atol=1e-5)
    first_three = np.exp(-model.score("N:7").total)
    assert 0.02 < first_three < 0.5  # one of ten digits, after what always comes


def test_only_the_prime_is_read(runs: Path) -> None:
    """From the zero state, as before: texts with a prime are unchanged."""
    model = library.load(runs / "prose")
    ids = model.vocabulary.encode_text("river ").astype(np.intp)
    zero = model.network.zero_state(1)
    y, _, _ = model.network.forward(model.parameters, ids[:, None], zero)
    likeliest = model.vocabulary.decode(y[-1].argmax(axis=-1)).decode()
    assert model.sample("river ", length=1, temperature=0) == "river " + likeliest


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_a_stepper_returns_the_state_of_its_texts(cell: str) -> None:
    model = SequenceModel(5, 5, parse_cell(cell, 4), num_layers=2)
    weights = model.init(np.random.default_rng(0), np.float64)
    ids = np.random.default_rng(1).integers(5, size=(6, 3))
    stepper = Stepper(model, weights, model.zero_state(3, np.float64), 3)
    for symbols in ids:
        stepper.step(symbols)
    _, expected, _ = model.forward(weights, ids, model.zero_state(3, np.float64))
    for found, wanted in zip(stepper.state, expected, strict=True):
        np.testing.assert_allclose(found, wanted)
    stepper.state[0][0][...] = 0  # a view: from what is written there the next step goes on
    assert not stepper.state[0][0].any()


def test_an_opening_is_a_state_of_one_text_and_the_same_again() -> None:
    model = library.load(FIXTURES / "old-lm.npz")
    found = opening(model.network, model.parameters, model.vocabulary.start)
    again = opening(model.network, model.parameters, model.vocabulary.start)
    (h,), (h_again,) = found[0], again[0]
    assert h.shape == (1, model.config.hidden)
    assert h.dtype == np.float32
    assert h.any()
    np.testing.assert_array_equal(h, h_again)
    assert opening_of(model) is opening_of(model)


def test_a_network_without_layers_has_an_empty_opening() -> None:
    model = SequenceModel(5, 5, parse_cell("rnn", 4), num_layers=0)
    assert opening(model, model.init(np.random.default_rng(0)), 0) == ()


@pytest.mark.parametrize("never", [True, False])
def test_a_text_without_line_ends_has_an_opening(never: bool) -> None:
    """The symbol before a text may be one that the model never writes."""
    model = SequenceModel(5, 5, parse_cell("gru", 4))
    weights = model.init(np.random.default_rng(0))
    weights["head.b"][0] = -1e4 if never else 0
    ((h,),) = opening(model, weights, 0)
    assert h.any()


def test_a_model_whose_outputs_are_not_finite_has_the_zero_state() -> None:
    """Sampling then reports that; the opening itself is not an error."""
    model = SequenceModel(5, 5, parse_cell("rnn,activation=relu", 4))
    weights = model.init(np.random.default_rng(0))
    weights["body.0.W_h"][...] = 1e20
    ((h,),) = opening(model, weights, 0)
    assert h.shape == (1, 4)
    assert not h.any()


def test_old_checkpoints_begin_well_too() -> None:
    """Those of the shipped model: only the weights are needed."""
    model: Model = library.load()
    found = model.sample(n=100, length=30, seed=0)
    assert np.mean([one[:1].isupper() or one[:1] in " \n" for one in found]) > 0.8


def test_the_lines_of_a_text_may_be_read_instead() -> None:
    """If all lines are equal, the opening is the state after any of them."""
    model = SequenceModel(5, 5, parse_cell("gru", 4))
    weights = model.init(np.random.default_rng(0), np.float64)
    line = np.array([1, 2, 3, 4, 0])
    text = np.tile(line, 40)
    ((found,),) = opening(model, weights, 0, text)
    x = np.tile(line, 40)[:-1, None]
    _, ((h,),), _ = model.forward(weights, x, model.zero_state(1, np.float64))
    np.testing.assert_allclose(found, h, atol=1e-6)
    ((without,),) = opening(model, weights, 0, text[text > 0])
    assert not without.any()
