"""Scoring a text: the context of each character, adaptation, mixtures; and the command."""

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise
from math import exp, inf, log
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import TEXT, TINY, charrnn, environment, metrics

from charrnn.baselines.scores import baselines
from charrnn.engine import Engine
from charrnn.errors import DivergedError
from charrnn.evaluation.dynamic import Adaptation, adapted_nats, gradient_rms
from charrnn.evaluation.mixture import fit_weights, mixture
from charrnn.evaluation.report import Figure, Report, report
from charrnn.evaluation.validation import evaluate
from charrnn.evaluation.windows import Reader, carried, resets, windowed_nats
from charrnn.nn.cells import parse_cell
from charrnn.nn.models import SequenceModel
from charrnn.nn.parameters import Parameters
from charrnn.nn.types import Array
from charrnn.nn.workspace import Workspace
from charrnn.runs.model import load_model
from charrnn.runs.texts import _seen, find_texts
from charrnn.text.escapes import UNKNOWN_NATS
from charrnn.text.held_out import Parted
from charrnn.text.vocab import Vocabulary

V = 6
every_cell = pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])


def network(cell: str = "lstm", size: int = V) -> tuple[SequenceModel, Parameters]:
    """Weights large enough that a network's memory can be seen in its outputs."""
    model = SequenceModel(size, size, parse_cell(cell, 5), num_layers=2)
    w = model.init(np.random.default_rng(1), np.float64)
    w.flat *= 3
    return model, w


def some_text(count: int = 300) -> Array:
    return np.random.default_rng(2).integers(V, size=count, dtype=np.uint8)


def plain_nats(model: SequenceModel, w: Parameters, ids: Array, first: int, end: int) -> Array:
    """The nats from ``first`` on, reading ``ids[1:end]`` at once from the zero state."""
    x, targets = ids[: end - 1, None].astype(int), ids[1:end].astype(int)
    y, _, _ = model.forward(w, x, model.zero_state(1, w.dtype))
    p = np.exp(y[:, 0]) / np.exp(y[:, 0]).sum(axis=1, keepdims=True)
    nats: Array = -np.log(p[np.arange(len(targets)), targets])
    return nats[first - 1 :]


# Windows


@every_cell
@pytest.mark.parametrize("width", [1, 7, 64])
def test_a_window_reads_only_one_character_before_it(cell: str, width: int) -> None:
    model, w = network(cell)
    ids, start = some_text(), 50
    found = windowed_nats(Reader(Engine(model)), w, ids, resets(start, len(ids), width))
    expected = [
        plain_nats(model, w, ids[first - 1 :], 1, min(width, len(ids) - first) + 1)
        for first in range(start, len(ids), width)
    ]
    np.testing.assert_allclose(found, np.concatenate(expected), rtol=1e-5)


@pytest.mark.parametrize("warm_up", [0, 10, 1000])
def test_a_warmed_window_has_read_what_is_before_it(warm_up: int) -> None:
    model, w = network()
    ids, edges = some_text(), [5, 40, 75, 80, 300]
    found = windowed_nats(Reader(Engine(model)), w, ids, edges, warm_up=warm_up)
    expected = []
    for first, end in pairwise(edges):
        begin = max(0, first - 1 - warm_up)
        expected.append(plain_nats(model, w, ids[begin:], first - begin, end - begin))
    np.testing.assert_allclose(found, np.concatenate(expected), rtol=1e-5)


def test_chunks_lanes_and_processes_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    model, w = network()
    ids = some_text(700)
    edges = resets(1, 700, 10)
    seen: list[int] = []
    whole = windowed_nats(Reader(Engine(model)), w, ids, edges, advance=seen.append)
    assert sum(seen) == 699
    reader = Reader(Engine(model, 2))
    np.testing.assert_array_equal(windowed_nats(reader, w, ids, edges), whole)
    reader.engine.close()
    for name, value in (("LANES", 5), ("CHUNK", 3)):
        monkeypatch.setattr(f"charrnn.evaluation.windows.{name}", value)
        again = windowed_nats(Reader(Engine(model)), w, ids, edges)
        np.testing.assert_allclose(again, whole, rtol=1e-6)


@pytest.mark.parametrize("start", [1, 200, 257, 5000])
def test_carried_windows_cover_the_text(start: int) -> None:
    assert carried(start, 6000, 100) == [start, 6000]
    for end in (start + 1, start + 70, start + 300, 200_000):
        edges = carried(start, end, 1 << 40)
        assert edges[0] == start
        assert edges[-1] == end
        assert all(a < b for a, b in pairwise(edges))
        if end == 200_000:  # none of few lanes is much longer than the others
            assert len(edges) - 1 <= 64 + 2
            assert max(np.diff(edges)) < (end - max(start, 257)) // 64 + 64
    assert len(carried(start, start + (1 << 17) + 1, 1)) > 60


def test_eval_with_the_state_carried_equals_validation() -> None:
    model, w = network()
    w.flat /= 3  # so that it forgets within a lane's warm-up
    ids, start = some_text(3000), 100
    exact = evaluate(Reader(Engine(model)), w, ids, start, lanes=1, warm_up=256).nats
    one = windowed_nats(Reader(Engine(model)), w, ids, carried(start, 3000, 1), warm_up=256)
    many = windowed_nats(Reader(Engine(model)), w, ids, carried(start, 3000, 1 << 40), warm_up=256)
    assert one.mean(dtype=float) == pytest.approx(exact, rel=1e-6)
    assert many.mean(dtype=float) == pytest.approx(exact, rel=1e-5)


# Dynamic evaluation


def plain_adaptation(
    model: SequenceModel, w: Parameters, rms: Array, ids: Array, start: int, a: Adaptation
) -> list[float]:
    """The update by its equation, one weight at a time."""
    theta = w.flat.copy()
    nats: list[float] = []
    state = model.zero_state(1, np.float64)
    now = Parameters(w.shapes, np.float64, theta)
    g = w.zeros_like()
    if start > 1:
        x = ids[: start - 1, None].astype(int)
        _, state, _ = model.forward(now, x, state)
    for begin in range(start, len(ids), a.segment):
        end = min(begin + a.segment, len(ids))
        x, targets = ids[begin - 1 : end - 1, None].astype(int), ids[begin:end, None].astype(int)
        for k in range(1, end - begin):
            total, _ = model.cross_entropy(now, x[:k], targets[:k], state, Workspace())
            nats.append(float(total) - sum(nats[len(nats) - k + 1 :]))
        total, state = model.cross_entropy(now, x, targets, state, Workspace(), gradients=g)
        nats.append(float(total) - sum(nats[len(nats) - (end - begin) + 1 :]))
        for i in range(len(theta)):
            gradient = g.flat[i] / (end - begin)
            back = min(a.decay * rms[i] / rms.mean(), 1) * (w.flat[i] - theta[i])
            theta[i] += back - a.rate * gradient / (rms[i] + a.epsilon * rms.mean())
    return nats


@pytest.mark.parametrize("decay", [0.0, 0.3, 100.0])
def test_an_adaptation_updates_as_the_paper_says(decay: float) -> None:
    model, w = network("gru")
    ids, adaptation = some_text(60), Adaptation(rate=0.02, decay=decay, segment=8, epsilon=0.1)
    rms = np.random.default_rng(3).random(w.flat.size)
    before = w.flat.copy()
    seen: list[int] = []
    found = adapted_nats(Reader(Engine(model)), w, rms, ids, 7, adaptation, advance=seen.append)
    np.testing.assert_allclose(
        found, plain_adaptation(model, w, rms, ids, 7, adaptation), rtol=1e-5
    )
    np.testing.assert_array_equal(w.flat, before)
    assert sum(seen) == 53


def test_gradients_are_measured_segment_by_segment() -> None:
    """In one lane the statistics follow their definition; in many they are close to it."""
    model, w = network()
    ids, segment = some_text(65), 16
    state, squares, g = model.zero_state(1, np.float64), np.zeros_like(w.flat), w.zeros_like()
    for begin in range(0, 64, segment):
        x, targets = (ids[k : k + segment, None].astype(int) for k in (begin, begin + 1))
        _, state = model.cross_entropy(w, x, targets, state, Workspace(), gradients=g)
        squares = squares + (g.flat / segment) ** 2
    found = gradient_rms(Reader(Engine(model)), w, ids, segment)
    np.testing.assert_allclose(found, np.sqrt(squares / 4), rtol=1e-9)


def test_many_lanes_estimate_what_one_would() -> None:
    """A trained model's gradients are nearly independent, so their squares add up."""
    rng = np.random.default_rng(4)
    model = SequenceModel(V, V, parse_cell("gru", 5))
    w = model.init(rng, np.float64)
    w["head.W"][...] = 0  # as good as can be on a random text
    ids = rng.integers(V, size=64 * 8 * 40 + 1)
    many = gradient_rms(Reader(Engine(model)), w, ids, 8)
    squares, g = [], w.zeros_like()
    for k in range(0, 64 * 8 * 40, 64):
        x, targets = (ids[j : j + 8, None] for j in (k, k + 1))
        model.cross_entropy(
            w, x, targets, model.zero_state(1, np.float64), Workspace(), gradients=g
        )
        squares.append((g["head.b"] / 8) ** 2)
    plain = np.sqrt(np.mean(squares, axis=0))
    np.testing.assert_allclose(many[w.slices["head.b"]], plain, rtol=0.3)


def test_an_adaptation_does_not_see_the_future() -> None:
    model, w = network()
    ids, adaptation = some_text(200), Adaptation(0.01, 0.01, 16)
    rms = gradient_rms(Reader(Engine(model)), w, ids, 16)
    base = adapted_nats(Reader(Engine(model)), w, rms, ids, 1, adaptation)
    for place in (3, 16, 17, 100, 199):
        other = ids.copy()
        other[place] = (other[place] + 1) % V
        changed = adapted_nats(Reader(Engine(model)), w, rms, other, 1, adaptation)
        np.testing.assert_array_equal(changed[: place - 1], base[: place - 1])
        assert changed[place - 1] != base[place - 1]


def test_an_adaptation_without_a_step_equals_the_plain_score() -> None:
    model, w = network()
    ids = some_text(200)
    rms = gradient_rms(Reader(Engine(model)), w, ids, 16)
    still = adapted_nats(Reader(Engine(model)), w, rms, ids, 30, Adaptation(0.0, 0.5))
    plain = windowed_nats(Reader(Engine(model)), w, ids, [30, 200], warm_up=256)
    np.testing.assert_allclose(still, plain, rtol=1e-5)


def test_an_adaptation_learns_a_text_of_its_own_kind() -> None:
    model, w = network()
    ids = np.tile(some_text(10), 100)
    rms = gradient_rms(Reader(Engine(model)), w, some_text(), 16)
    nats = adapted_nats(Reader(Engine(model)), w, rms, ids, 1, Adaptation(3e-2, 1e-3))
    still = windowed_nats(Reader(Engine(model)), w, ids, [1, 1000])
    assert nats[-100:].mean() < 0.7 * still[-100:].mean()


def test_unknown_characters_are_not_learnt() -> None:
    """Whatever symbol replaces them, the weights do not learn it."""
    model, w = network()
    ids, known = some_text(100), np.ones(100, dtype=np.bool_)
    known[99] = False
    known[20:36] = False  # a whole segment: nothing to learn from, and no division by zero
    rms = gradient_rms(Reader(Engine(model)), w, ids, 16)
    first = adapted_nats(Reader(Engine(model)), w, rms, ids, 20, Adaptation(0.01), known=known)
    plain = windowed_nats(Reader(Engine(model)), w, ids, [20, 100], warm_up=256)
    np.testing.assert_allclose(first[:32], plain[:32], rtol=1e-5)
    assert np.abs(first[32:48] - plain[32:48]).max() > 1e-3


def test_a_segments_gradient_is_the_mean_over_known_characters() -> None:
    model, w = network()
    ids, known, g = some_text(33), np.ones(33, dtype=np.bool_), w.zeros_like()
    known[9:17] = False
    x, targets = ids[:32, None].astype(int), ids[1:, None].astype(int)
    zero, rms = model.zero_state(1, np.float64), np.ones_like(w.flat)
    model.cross_entropy(w, x[:8], targets[:8], zero, Workspace(), gradients=g)
    _, state, _ = model.forward(w, x[:16], zero)
    moved = Parameters(w.shapes, np.float64, w.flat - 0.5 / (1 + 0.1) * g.flat / 8)
    expected, _ = model.cross_entropy(moved, x[16:], targets[16:], state, Workspace())
    found = adapted_nats(Reader(Engine(model)), w, rms, ids, 1, Adaptation(0.5, 0.0), known=known)
    assert found[16:].sum() == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize(
    "wrong", [{"rate": -1.0}, {"decay": float("nan")}, {"segment": 0}, {"epsilon": 0.0}]
)
def test_settings_of_an_adaptation_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"must be finite and at least 0|segment must be"):
        Adaptation(**wrong)


# Mixture


def test_weights_make_the_text_likeliest() -> None:
    rng = np.random.default_rng(5)
    network_p, ngram_p, matched = rng.random(4000), rng.random(4000), rng.integers(3, size=4000)
    network_p[matched == 2] **= 3  # which is worse there
    weights = fit_weights(network_p, ngram_p, matched, 4)

    def nats(w: Any) -> float:
        return float(-np.log(mixture(network_p, ngram_p, matched, w)).sum())

    best = nats(weights)
    for length in range(3):
        for other in np.linspace(0, 1, 21):
            moved = weights.copy()
            moved[length] = other
            assert nats(moved) > best - 0.1
    assert weights[2] < weights[0] - 0.1
    assert weights[3] == 0.5  # nothing to go by


def test_weights_stay_between_the_models() -> None:
    ones = np.ones(50)
    (weight,) = fit_weights(ones, 1e-9 * ones, np.zeros(50, int), 1)
    assert 0.97 < weight < 1
    (weight,) = fit_weights(0 * ones, ones, np.zeros(50, int), 1)
    assert 0 < weight < 0.03


# The report


def codes_of(text: str) -> Array:
    return np.array([ord(c) for c in text])


def reported(text: str, train: str | None = TEXT, **more: Any) -> Report:
    vocabulary = Vocabulary.of("char", codes_of(TEXT))
    model, w = network(size=len(vocabulary))
    known = None if train is None else codes_of(train)
    return report(Reader(Engine(model)), w, vocabulary, codes_of(text), 1, train=known, **more)


def test_unknown_characters_are_counted_and_charged() -> None:
    """A line end replaces them, and nothing else differs."""
    plain, odd = reported(TEXT[:100] + "\n" + TEXT[:99]), reported(TEXT[:100] + "Ω" + TEXT[:99])
    assert (plain.unknown, plain.unknown_nats) == (0, 0)
    assert (odd.unknown, odd.count) == (1, 199)
    assert odd.unknown_nats == pytest.approx(UNKNOWN_NATS / 199)
    for with_it, without in zip(odd.network, plain.network, strict=True):
        assert with_it.nats > without.nats
        (model, w), vocabulary = network(size=13), Vocabulary.of("char", codes_of(TEXT))
        assert len(vocabulary) == 13
        ids = vocabulary.encode(codes_of(TEXT[:100] + "\n"))
        own = plain_nats(model, w, ids, 100, 101)[0]
        if with_it.name == "state carried":
            assert 199 * (with_it.nats - without.nats) == pytest.approx(
                UNKNOWN_NATS - own, rel=1e-4
            )
    first_odd = reported("ΩΩ" + TEXT[:50])
    assert (first_odd.unknown, first_odd.count) == (1, 51)  # the very first is read, not scored


def test_figures_are_means_in_three_units() -> None:
    found = reported(TEXT[:200])
    assert [one.name for one in found.network] == [
        "state carried",
        "reset every 64",
        "reset every 256",
    ]
    for one in found.network:
        assert one.bits == pytest.approx(one.nats / log(2))
        assert one.perplexity == pytest.approx(exp(one.nats))
    codes = codes_of(TEXT)
    beside = baselines(codes, codes[1:200], Vocabulary.of("char", codes), before=codes[:1])
    assert [tuple(one) for one in found.baselines] == [tuple(one) for one in beside]
    assert reported(TEXT[:200], None).baselines == []
    with pytest.raises(ValueError, match="need the training text"):
        reported(TEXT[:200], None, mix=True)


@pytest.mark.parametrize("adaptation", [None, Adaptation()])
def test_weights_are_fitted_on_the_first_half_alone(adaptation: Adaptation | None) -> None:
    rng = np.random.default_rng(6)
    first, second, other = ("".join(rng.choice(list(TEXT), 100)) for _ in range(3))
    found, changed = (
        reported(first + end, mix=True, adaptation=adaptation).mixed for end in (second, other)
    )
    assert found is not None
    assert changed is not None
    assert found.fitted_on == 99
    assert found.weights == changed.weights
    assert all(a.nats != b.nats for a, b in zip(found.figures, changed.figures, strict=True))
    turned = reported(other + second, mix=True, adaptation=adaptation).mixed
    assert turned is not None
    assert turned.weights != found.weights


def test_the_second_half_is_what_is_reported() -> None:
    whole = reported(TEXT[:201], mix=True)
    assert whole.mixed is not None
    names = ["5-gram", "state carried", "state carried + 5-gram"]
    assert [one.name for one in whole.mixed.figures] == names
    first = reported(TEXT[:101])
    for k, own in ((0, whole.baselines[2]), (1, whole.network[0])):
        beginning = (first.baselines[2], first.network[0])[k]
        expected = (200 * own.nats - 100 * beginning.nats) / 100
        assert whole.mixed.figures[k].nats == pytest.approx(expected, rel=1e-5)


def test_outputs_that_are_not_finite_are_found() -> None:
    vocabulary = Vocabulary.of("char", codes_of(TEXT))
    model, w = network(size=len(vocabulary))
    w["head.b"][0] = np.inf
    codes = codes_of(TEXT)
    with np.errstate(all="ignore"), pytest.raises(DivergedError, match="damaged"):
        report(Reader(Engine(model)), w, vocabulary, codes, 1)
    model, w = network(size=len(vocabulary))
    wild = Adaptation(rate=1e300)
    with np.errstate(all="ignore"), pytest.raises(DivergedError, match="smaller --adapt-rate"):
        report(Reader(Engine(model)), w, vocabulary, codes, 1, train=codes, adaptation=wild)


# The command

BRIEF = ("--epochs", "2", "--threads", "1", "--quiet")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with runs. The commands tested in it must not change it."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "corpus.txt").write_text(TEXT, encoding="utf-8")
    (folder / "other.txt").write_text(TEXT[300:] + "Ω" + TEXT[:200], encoding="utf-8")
    (folder / "one.txt").write_text("a", encoding="utf-8")
    (folder / "two.txt").write_text("ab", encoding="utf-8")
    (folder / "bytes.bin").write_bytes(bytes(range(256)))
    rows = (f"{'ab'[k % 2] * (k % 7 + 1)}{k}\t{'xy'[k % 2]}\n" for k in range(60))
    (folder / "rows.tsv").write_text("".join(rows), encoding="utf-8")
    (folder / "damaged.npz").write_bytes(b"PK\x03\x04 not quite")
    runs: dict[str, Sequence[str]] = {
        "run": ["corpus.txt", *TINY],
        "bytes": ["corpus.txt", *TINY, "--level", "byte"],
        "all": ["corpus.txt", *TINY, "--val-fraction", "0"],
        "piped": ["-", *TINY],
        "classify": ["rows.tsv", "--task", "classify", "--hidden", "8"],
    }
    for out, arguments in runs.items():
        done = charrnn("train", *arguments, *BRIEF, "--out", out, cwd=folder, stdin=TEXT.encode())
        assert done.returncode == 0, done.stderr
    (folder / "alone.npz").write_bytes((folder / "run" / "best.npz").read_bytes())
    return folder


def facts(place: Path, *arguments: str, stdin: bytes | None = None) -> dict[str, Any]:
    done = charrnn("eval", *arguments, "--json", cwd=place, stdin=stdin)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_without_a_file_the_validation_set_is_scored(place: Path) -> None:
    found = facts(place, "run")
    best = min(entry["nats"] for entry in metrics(place / "run") if entry["event"] == "validation")
    assert found["scored"] == 60
    assert found["network"]["state carried"]["nats"] == pytest.approx(best, abs=1e-5)
    assert list(found["yardsticks"]) == ["unigram", "bigram", "5-gram", "gzip", "bz2", "xz"]
    assert (found["unknown"], found["mixture"], found["unit"]) == (0, None, "char")
    assert found["text"] == "the validation set of corpus.txt"
    assert found["notes"] == []


def test_the_training_text_itself_is_never_scored(place: Path) -> None:
    end = facts(place, "run")
    for arguments in (["run", "corpus.txt"], ["alone.npz", "corpus.txt", "--train", "corpus.txt"]):
        found = facts(place, *arguments)
        assert any("its validation set" in note for note in found["notes"])
        assert found["network"] == end["network"]
        assert found["yardsticks"] == end["yardsticks"]


def test_another_text_is_read_from_its_beginning(place: Path) -> None:
    found = facts(place, "run", "other.txt")
    text = (place / "other.txt").read_text(encoding="utf-8")
    assert found["scored"] == len(text) - 1
    assert found["unknown"] == 1
    model = load_model(place / "run" / "best.npz")
    ids = model.vocabulary.encode_text(text.replace("Ω", "\n"))
    nats = plain_nats(model.network, model.parameters, ids, 1, len(ids))
    nats[len(TEXT) - 300 - 1] = UNKNOWN_NATS
    assert found["network"]["state carried"]["nats"] == pytest.approx(nats.mean(), rel=1e-5)
    assert facts(place, "run", "-", stdin=text.encode())["network"] == found["network"]
    twice = facts(place, "run", "other.txt", "other.txt")
    assert twice["scored"] == 2 * len(text) - 1


def test_a_byte_level_model_knows_all_bytes(place: Path) -> None:
    found = facts(place, "bytes", "other.txt")
    assert (found["unknown"], found["unit"]) == (0, "byte")
    assert found["scored"] == len((place / "other.txt").read_bytes()) - 1


def test_the_training_text_may_be_named(place: Path) -> None:
    for checkpoint in ("alone.npz", "piped"):
        done = charrnn("eval", checkpoint, "other.txt", "--json", cwd=place)
        assert done.returncode == 0
        assert b"--train TEXT" in done.stderr
        assert len(done.stderr.splitlines()) == 1
        plain = json.loads(done.stdout)
        assert plain["yardsticks"] == {}
        named = facts(place, checkpoint, "other.txt", "--train", "corpus.txt")
        assert named["network"] == plain["network"]
        assert named["yardsticks"] == facts(place, "run", "other.txt")["yardsticks"]
    assert (
        facts(place, "alone.npz", "--train", "corpus.txt")["network"]
        == (facts(place, "run")["network"])
    )


def test_the_validation_set_is_never_training_text(place: Path) -> None:
    """Nor does a baseline change, whichever text it is compared on."""
    model, corpus = load_model(place / "run" / "best.npz"), str(place / "corpus.txt")
    for files in ([], [corpus], [str(place / "other.txt")]):
        scored = find_texts(model, files, [corpus])
        np.testing.assert_array_equal(scored.train, codes_of(TEXT)[:540])
        assert scored.start == (1 if "other" in scored.what else 540)


def test_a_changed_training_text_is_not_used(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place / "run", tmp_path / "run")
    (tmp_path / "corpus.txt").write_text(TEXT + "a", encoding="utf-8")
    done = charrnn("eval", "run", cwd=tmp_path)
    assert done.returncode == 2
    assert b"corpus.txt has changed since this run was trained on it" in done.stderr
    (tmp_path / "corpus.txt").unlink()
    done = charrnn("eval", "run", cwd=tmp_path)
    assert done.returncode == 2
    assert b"does not exist" in done.stderr
    # What stands beside a checkpoint may be of another run.
    shutil.copy(place / "bytes" / "best.npz", tmp_path / "run" / "best.npz")
    done = charrnn("eval", "run", str(place / "other.txt"), cwd=tmp_path)
    assert done.returncode == 0
    assert b"does not say what it was trained on" in done.stderr
    other = load_model(tmp_path / "run" / "best.npz")
    assert find_texts(other, [str(place / "other.txt")], []).train is None


def test_eval_reports_adaptation_and_mixture(place: Path) -> None:
    kept = hashlib.sha256((place / "run" / "best.npz").read_bytes()).hexdigest()
    found = facts(place, "run", "other.txt", "--adapt", "--mix")
    assert list(found["network"])[-1] == "adapted"
    assert found["network"]["adapted"]["nats"] != found["network"]["state carried"]["nats"]
    assert found["mixture"]["fitted_on"] + found["mixture"]["reported_on"] == found["scored"]
    assert list(found["mixture"]["figures"]) == [
        "5-gram",
        "state carried",
        "state carried + 5-gram",
        "adapted",
        "adapted + 5-gram",
    ]
    assert [len(own) for own in found["mixture"]["weights"].values()] == [5, 5]
    again = facts(place, "run", "other.txt", "--adapt", "--mix", "--threads", "2")
    assert again == found
    bold = facts(place, "run", "other.txt", "--adapt", "--adapt-rate", "0.01")
    assert bold["network"]["adapted"] != found["network"]["adapted"]
    assert hashlib.sha256((place / "run" / "best.npz").read_bytes()).hexdigest() == kept


def test_eval_prints_every_figure_on_its_page(place: Path) -> None:
    arguments = ("run", "other.txt", "--adapt", "--mix")
    found = facts(place, *arguments)
    for encoding in ("utf-8", "ascii"):
        env = environment(PYTHONIOENCODING=encoding, PYTHONUTF8="0")
        done = charrnn("eval", *arguments, cwd=place, env=env)
        assert done.returncode == 0, done.stderr
        worse = found["network"]["adapted"]["nats"] > found["network"]["state carried"]["nats"]
        assert worse  # of so small a model
        assert done.stderr == b"note: adapting made the loss worse; try a smaller --adapt-rate\n"
        page = done.stdout.decode()
        for part in (found["network"], found["yardsticks"], found["mixture"]["figures"]):
            for name, figure in part.items():
                line = f"{name} {figure['nats']:.4f} {figure['bits']:.4f}"
                assert line in " ".join(page.split()), line
        assert "500 characters scored, state carried\n" in page
        assert "1 of them are new to the model; at 27.7 nats" in page


def test_a_narrow_terminal_does_not_cut_numbers(place: Path) -> None:
    pages = [
        charrnn("eval", "run", "--mix", cwd=place, env=environment(COLUMNS=columns)).stdout
        for columns in ("30", "200")
    ]
    assert pages[0] == pages[1]
    assert pages[0]


def test_the_training_text_is_recognised_in_another_form(place: Path, tmp_path: Path) -> None:
    other, more, piece = (tmp_path / name for name in ("crlf.txt", "more.txt", "piece.txt"))
    other.write_bytes(TEXT.replace("\n", "\r\n").encode("utf-16"))
    end = facts(place, "run")
    assert "\n" in TEXT
    dressed = facts(place, "run", str(other))
    assert dressed["network"] == end["network"]
    more.write_text("More. " + TEXT + " And more.", encoding="utf-8")
    piece.write_text(TEXT[100:200], encoding="utf-8")
    for path in (more, piece):
        assert any(
            "was trained on this text" in note for note in facts(place, "run", str(path))["notes"]
        )
    piece.write_text(TEXT[100:103], encoding="utf-8")  # stands in any text
    for name in ("other.txt", str(piece)):
        assert not any("trained on" in note for note in facts(place, "run", name)["notes"])


def test_a_few_characters_are_not_an_overlap() -> None:
    long, short = (np.frombuffer((TEXT * 3)[:end].encode(), np.uint8) for end in (200, 3))
    for text, other, seen in ((long, long, True), (short, long, False), (long, short, False)):
        found = _seen(text, Parted(other, len(other)), "byte", by_lines=False)
        assert bool(found) == seen


def test_a_perplexity_beyond_all_floats_is_infinite() -> None:
    assert Figure("lost", 800.0).perplexity == inf
    assert Figure("sure", log(2)).perplexity == pytest.approx(2)


def test_eval_whose_reader_has_gone_ends_silently(place: Path) -> None:
    line = f"{sys.executable} -m charrnn eval run | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", line], cwd=place, env=environment(), capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nowhere"], 2, "does not exist"),
        (["run", "nowhere.txt"], 2, "does not exist"),
        (["run", "one.txt"], 2, "a text of one character"),
        (["run", "-"], 2, "empty"),
        (["run", "--train", "nowhere.txt"], 2, "does not exist"),
        (["run", "--adapt-rate", "1"], 2, "--adapt-rate goes with --adapt"),
        (["run", "other.txt", "--train", "one.txt", "--adapt"], 2, "too short for --adapt"),
        (["run", "two.txt", "--mix"], 2, "--mix fits on one half"),
        (["run", "corpus.txt", "--train", "other.txt"], 2, "but --train names another"),
        (["run", "bytes.bin"], 2, "the model was trained on utf-8"),
        (["run", "--adapt", "--adapt-rate", "inf"], 2, "rate and decay"),
        (["run", "--adapt", "--adapt-rate", "1e39"], 1, "smaller --adapt-rate"),
        (["alone.npz"], 2, "does not say what it was trained on"),
        (["piped"], 2, "trained on standard input"),
        (["all"], 2, "trained on all of corpus.txt"),
        (["alone.npz", "other.txt", "--mix"], 2, "--mix needs the training text"),
        (["classify", "other.txt"], 2, "no tab between text and label"),
        (["classify", "nowhere.tsv"], 2, "does not exist"),
        (["classify", "--mix"], 2, "--mix is for language models; this model's task is classify"),
        (["classify", "rows.tsv", "--adapt"], 2, "--adapt is for language models"),
        (["run", "classify"], 2, "different tasks: classify, lm"),
        (["damaged.npz", "other.txt"], 1, "not a readable checkpoint"),
    ],
)
def test_mistakes_take_two_lines(
    place: Path, arguments: list[str], code: int, message: str
) -> None:
    done = charrnn("eval", *arguments, cwd=place)
    assert done.returncode == code, done.stderr
    *notes, first, last = [b"", *done.stderr.splitlines()]
    assert message in done.stderr.decode()
    assert b"error: " in first + last
    assert all(note == b"" or note.startswith(b"note: ") for note in notes)
    assert not done.stdout
