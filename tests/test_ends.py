"""Labelled texts whose end fits their beginning: of several, one is kept by how well it fits."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import charrnn

import charrnn as package
from charrnn.nn.conditional import Conditional, Labelled
from charrnn.nn.ensemble import Generators, together
from charrnn.nn.models import SequenceModel
from charrnn.nn.workspace import Workspace
from charrnn.runs.draft import Draft
from charrnn.runs.model import Model
from charrnn.sampling.voices import log_softmax
from charrnn.tasks import generate, writing
from charrnn.tasks.base import Paths
from charrnn.tasks.config import Config
from charrnn.tasks.ends import CANDIDATES, FEWEST, OPENING, drawn, ends_fit, log_weights, split
from charrnn.tasks.generate import LONG, GenerateData, GenerateSpec
from charrnn.tasks.writing import Wanted
from charrnn.text.alphabet import END, START, Alphabet
from charrnn.training.loop import Step

HOW: dict[str, Any] = {
    "task": "generate",
    "cell": "gru",
    "hidden": 32,
    "dropout": 0.0,
    "lr": 0.02,
    "epochs": 8,
    "batch_size": 4,
    "threads": 1,
}
LENGTH = 80


def rows(count: int, *, fitting: bool) -> list[str]:
    """Texts of a field and random letters; the last is P, Q or R as the first one is, or any."""
    rng = np.random.default_rng(7)
    texts = []
    for _ in range(count):
        inner = "abcdabcd" + "".join(rng.choice(list("abcd"), LENGTH))
        first = rng.choice(list("pqr"))
        last = first if fitting else rng.choice(list("pqr"))
        texts.append(f"k\tK:k\\n{first}{inner}{last.upper()}\n")
    return texts


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("ends")
    for name, fitting in (("round", True), ("other", False)):
        (place / f"{name}.tsv").write_text("".join(rows(300, fitting=fitting)))
        package.train(place / f"{name}.tsv", out=place / name, **HOW).finish()
    return place


@pytest.fixture(scope="module")
def model(folder: Path) -> Model:
    return package.load(folder / "round")


def fitting(texts: list[str]) -> float:
    """The share of the texts whose last letter is their first."""
    return float(np.mean([text[4:5].upper() == text[-1:] for text in texts]))


# What is compared


@pytest.mark.parametrize(
    ("text", "before"),
    [
        ("abc", ""),
        ("K:D\nabc def ghi", "K:D\n"),
        ("M:C|\nK: D Major\n\n|:abc", "M:C|\nK: D Major\n\n"),
        ("Title: x\r\nabc", "Title: x\r\n"),
        ("he said: x\nabc", ""),
        ("K:D abc", ""),  # nothing but a field
        ("12:30\nabc", ""),
        ("GAB:|\nabc", ""),
        ("http://x\nabc", ""),
        ("\n\n", ""),
    ],
)
def test_an_opening_begins_after_fields_and_blank_lines(text: str, before: str) -> None:
    alphabet = Alphabet.of("char", [text])
    parts = split(alphabet.encode(text), alphabet)
    assert alphabet.decode(parts[0]) == before
    assert len(parts[1]) == min(OPENING, len(text) - len(before))
    assert "".join(map(alphabet.decode, parts)) == text


def test_openings_of_bytes_are_of_bytes() -> None:
    alphabet = Alphabet.of("byte", [])
    parts = split(alphabet.encode("ä:ö\nüüüüüü"), alphabet)
    assert tuple(map(len, parts)) == (6, OPENING, 12 - OPENING)
    odd = np.r_[alphabet.encode("k:\n"), 3 + 0xFF, 3 + 0xC3, alphabet.encode("abcdefgh")]
    parts = split(odd, alphabet)
    assert tuple(map(len, parts)) == (3, OPENING, 2)
    np.testing.assert_array_equal(np.concatenate(parts), odd)


def test_the_weights_are_probabilities_of_openings(model: Model) -> None:
    """By the model's own steps: after the end of a text without its opening, and in place."""
    alphabet, texts = model.spec.alphabet, ["K:k\npabcdabcdabcQ", "", "K:k\nqabc", "abcdQ"]

    def cost(read: list[int], asked: list[int]) -> float:
        state = model.network.initial_state(model.parameters, np.array([0]))
        ids = np.array([*read, *asked])[:, None]
        y, *_ = model.network.generator.forward(model.parameters, ids, state, Workspace())
        log_p = log_softmax(y[:, 0])
        return -float(sum(log_p[len(read) - 1 + k, asked[k]] for k in range(len(asked))))

    wanted = []
    for text in texts:
        parts = split(alphabet.encode(text), alphabet)
        before, opening, rest = (part.tolist() for part in parts)
        in_place = cost([START, *before], opening)
        wanted.append(in_place - cost([START, *before, *rest, END], opening))

    def nats(batch: Labelled) -> Any:
        return model.network.sum_loss(model.parameters, batch, Workspace()).total

    read = [alphabet.encode(text) for text in texts]
    found = log_weights(read, np.zeros(4, dtype=np.intp), alphabet, nats)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)
    weigh = model.author(Wanted(label="k")).weigh
    assert weigh is not None
    np.testing.assert_allclose(weigh(read), found, rtol=1e-4)


def test_losses_may_be_those_of_the_last_steps() -> None:
    """They add up to those of all steps, also in parts and in an average's networks."""
    network = Conditional(SequenceModel(7, 7, package.cell("gru", 5)), 2)
    parameters = network.init(np.random.default_rng(0))
    ids = np.random.default_rng(1).integers(0, 7, (10, 3))
    batch = Labelled(np.array([0, 1, 1]), ids[:-1], ids[1:], np.array([9, 8, 4]), True)

    def losses(batch: Labelled) -> Any:
        return network.sum_loss(parameters, batch, Workspace()).total

    since = np.array([3, 0, 4])
    last = losses(replace(batch, since=since))
    np.testing.assert_allclose(last[[1, 2]], [losses(batch)[1], 0.0], rtol=1e-6)
    first = replace(batch, x=ids[:3], targets=ids[1:4], lengths=np.array([3, 3, 3]))
    np.testing.assert_allclose(last[0] + losses(first)[0], losses(batch)[0], rtol=1e-5)
    both = together(network, [parameters, parameters])
    averaged = Generators(network, 2).sum_loss(both, replace(batch, since=since), Workspace())
    np.testing.assert_allclose(averaged.total, last, rtol=1e-5)
    part = network.part(replace(batch, since=since), slice(1, 3))
    np.testing.assert_allclose(losses(part), last[1:], rtol=1e-6)


# When texts are chosen


def test_the_validation_texts_decide(folder: Path) -> None:
    one, other = (package.load(folder / name) for name in ("round", "other"))
    assert (one.spec.opening, one.spec.fits) == (OPENING, True)
    assert (other.spec.opening, other.spec.fits) == (OPENING, False)
    assert one.author(Wanted(label="k")).weigh is not None
    assert other.author(Wanted(label="k")).weigh is None


def test_ends_fit_if_openings_are_likelier_after_their_own_text() -> None:
    """Than in place, and than after another text with the same label; if there are enough."""
    texts = [f"{k % 10}{'abc'[k % 3] * 20}" for k in range(2 * FEWEST)]
    alphabet, labels = Alphabet.of("char", texts), np.arange(2 * FEWEST) % 2

    def decided(
        own: float,
        other: float,
        place: float,
        odd: float = 0.0,
        count: int = len(texts),
        labels: Any = labels,
    ) -> bool:
        def nats(batch: Labelled) -> Any:
            """What a network might say, by what it reads."""
            found = []
            for lane, length in enumerate(batch.lengths):
                read = [int(batch.x[0, lane]), *batch.targets[:length, lane].tolist()]
                opening, rest = read[-OPENING:], read[1 : -OPENING - 1]
                mine = own + odd * (opening[0] % 2)
                found.append(place if not rest else mine if rest[0] == opening[1] else other)
            return np.array(found)

        return ends_fit([alphabet.encode(t) for t in texts[:count]], labels[:count], alphabet, nats)

    assert decided(1.0, 2.0, 2.0)
    assert not decided(1.0, 2.0, 1.0)
    assert not decided(1.0, 1.0, 2.0)
    assert not decided(1.0, 2.0, 2.0, odd=1.9)
    assert not decided(np.nan, np.nan, np.nan)
    assert decided(1.0, 2.0, 2.0, count=FEWEST)
    assert not decided(1.0, 2.0, 2.0, count=FEWEST - 1)
    assert not decided(1.0, 2.0, 2.0, count=0)
    alike = np.arange(len(texts)) % 3  # the ends of a label's texts are all the same
    assert not decided(1.0, 2.0, 2.0, labels=alike)
    some = np.r_[np.zeros(FEWEST - 1), np.arange(1, FEWEST + 2)].astype(np.intp)
    assert not decided(1.0, 2.0, 2.0, labels=some)
    assert decided(1.0, 2.0, 2.0, labels=np.r_[0, some[:-1]])


def test_texts_from_all_over_the_validation_part_decide(
    folder: Path, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what they decide is part of a run's state."""
    data = GenerateData(Paths((str(folder / "round.tsv"),)), model.config)
    task = data.task(replace(model.spec, fits=False), model.config, model.network, 1)
    known = task.arrays()
    seen: list[Any] = []

    def judged(texts: list[Any], *_: object) -> bool:
        seen.append(texts)
        return True

    monkeypatch.setattr(generate, "ends_fit", judged)
    for most, step in ((128, 1), (30, 1), (29, 2), (8, 4), (1, 30)):
        monkeypatch.setattr(generate, "JUDGED", most)
        task.validate(model.parameters)
        wanted = [model.spec.alphabet.encode(row.right) for row in data.rows.val[::step]]
        assert [ids.tolist() for ids in seen.pop()] == [ids.tolist() for ids in wanted]
    assert task.spec.fits
    task.restore(known)
    assert not task.spec.fits


def test_only_long_texts_go_on_with_their_opening(tmp_path: Path) -> None:
    for length, opening in ((LONG, 0), (LONG + 1, OPENING)):
        (tmp_path / "t.tsv").write_text(
            "".join(f"k\t{k % 10}{'a' * (length - 1)}\n" for k in range(30))
        )
        config = Config.of("generate", batch_size=4)
        data = GenerateData(Paths((str(tmp_path / "t.tsv"),)), config)
        spec = data.spec()
        assert spec.opening == opening
        assert set(data.lengths(config)) == {length + 1 + opening}
        task = data.task(spec, config, spec.model(config), 1)
        batch, count = task.batch(np.arange(4), None)
        assert count == batch.lengths.sum() == 4 * (length + 1 + opening)
        read = np.concatenate([batch.x[:1], batch.targets])[:, 0]
        assert read[length + 1] == END
        np.testing.assert_array_equal(read[length + 2 :], read[1 : 1 + opening])


def test_the_validation_loss_is_that_of_the_texts_alone(folder: Path, model: Model) -> None:
    config = replace(model.config, seed=0)
    data = GenerateData(Paths((str(folder / "round.tsv"),)), config)
    task = data.task(model.spec, config, model.network, 1)
    score = task.validate(model.parameters)
    assert score is not None
    total = count = 0.0
    for row in data.rows.val:
        ids = np.r_[START, model.spec.alphabet.encode(row.right), END][:, None]
        state = model.network.initial_state(model.parameters, np.array([0]))
        y, *_ = model.network.generator.forward(model.parameters, ids[:-1], state, Workspace())
        log_p = log_softmax(y[:, 0])
        total -= float(log_p[np.arange(len(ids) - 1), ids[1:, 0]].sum())
        count += len(ids) - 1
    assert score.loss == pytest.approx(total / count, rel=1e-5)


# What is written


def test_the_ends_of_texts_fit_more_often(model: Model) -> None:
    """Those that are written, without any that would not have been written otherwise."""
    plain = model.sample(label="k", n=100, seed=1, best_of=1)
    chosen = model.sample(label="k", n=100, seed=1)
    assert fitting(plain) < 0.75
    assert fitting(chosen) > 0.9
    assert set(chosen) <= set(model.sample(label="k", n=100 * CANDIDATES, seed=1, best_of=1))


def test_a_text_does_not_depend_on_how_many_there_are(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    several = model.sample(label="k", n=5, seed=3)
    assert model.sample(label="k", seed=3) == several[0]
    assert model.sample(label="k", n=2, seed=3) == several[:2]
    length = model.author(Wanted(label="k")).length
    monkeypatch.setattr(writing, "MOST_TOGETHER", 2 * CANDIDATES * length)
    assert model.sample(label="k", n=5, seed=3) == several


def test_one_is_drawn_by_the_weights() -> None:
    weights, ended = np.log([1.0, 3.0, 4.0]), [True, True, True]
    assert [drawn(weights, ended, u) for u in (0.0, 0.12, 0.13, 0.49, 0.51, 0.99)] == [
        0,
        0,
        1,
        1,
        2,
        2,
    ]
    assert [drawn(weights, [True, False, True], u) for u in (0.19, 0.21)] == [0, 2]
    assert drawn(weights, [False] * 3, 0.9) == 0
    assert drawn(np.array([np.nan, 0.0, -np.inf]), ended, 0.9) == 1
    assert drawn(np.full(3, np.nan), ended, 0.9) == 0
    assert drawn(np.array([-2000.0, -2001.0]), [True, True], 0.9) == 1


def test_plain_texts_can_be_asked_for(folder: Path, model: Model) -> None:
    """With a number of texts, at temperature 0, of lines, and in turns; all as they are drawn."""
    author = model.author(Wanted(label="k"))
    for how, count in (
        ({}, CANDIDATES),
        ({"best_of": 1}, 1),
        ({"best_of": 3}, 3),
        ({"lines": 2}, 1),
        ({"stop": ("P",)}, 1),
        ({"choice": replace(Wanted().choice, temperature=0.0)}, 1),
        ({"length": writing.MOST_TOGETHER // 8}, CANDIDATES),
        ({"length": writing.MOST_TOGETHER // 8 + 1}, 1),
    ):
        assert writing.candidates(author, Wanted(label="k", **how)) == count, how
    for best_of in (1, None):
        drafts = [Draft(model, 1, label="k"), Draft(model, 1, label="k", best_of=best_of)]
        for draft in drafts:
            list(draft.go_on("characters", 300))
        assert (drafts[0].text == drafts[1].text) == (best_of == 1)
    line = ("sample", "round", "--label", "k", "--seed", "1")
    plain, chosen = charrnn(*line, "--best-of", "1", cwd=folder), charrnn(*line, cwd=folder)
    assert plain.stdout.decode() == model.sample(label="k", seed=1, best_of=1) + "\n"
    assert chosen.stdout.decode() == model.sample(label="k", seed=1) + "\n"
    assert b"one of 8 texts, by how well its end fits" in chosen.stderr
    assert b"fits" not in plain.stderr
    in_turns = charrnn(*line, "--interactive", cwd=folder, stdin=b"K:k\n")
    assert in_turns.returncode == 0
    assert b"fits" not in in_turns.stderr


def test_empty_texts_can_be_among_the_candidates(model: Model) -> None:
    """A high temperature ends some texts at once."""
    many = model.sample(label="k", n=100, seed=2, temperature=4.0, best_of=1)
    assert "" in many
    assert len(model.sample(label="k", n=20, seed=2, temperature=4.0)) == 20


def test_a_prime_is_part_of_what_is_weighed(model: Model) -> None:
    """All texts begin with it, so its letter decides which ends fit."""
    texts = model.sample("K:k\nq", label="k", n=40, seed=1)
    assert np.mean([text.endswith("Q") for text in texts]) > 0.9
    plain = model.sample("K:k\nq", label="k", n=40, seed=1, best_of=1)
    assert np.mean([text.endswith("Q") for text in plain]) < 0.75


def test_only_complete_texts_are_kept_if_there_are_any(model: Model) -> None:
    """Half of the texts are longer than ``length``."""
    plain = model.sample(label="k", n=200, seed=4, best_of=1)
    how: dict[str, Any] = {"label": "k", "seed": 4, "length": int(np.median([*map(len, plain)]))}
    cut = {text for text in model.sample(n=200, best_of=1, **how) if text not in plain}
    assert len(cut) > 50
    assert not cut & set(model.sample(n=25, **how))


def test_texts_that_are_cut_off_are_the_plain_ones(model: Model) -> None:
    for length in (0, 1, 9):
        how: dict[str, Any] = {"label": "k", "seed": 2, "length": length}
        assert model.sample(**how) == model.sample(best_of=1, **how)
    assert model.sample("K:k\nq", label="k", length=0) == "K:k\nq"


# What is kept


def test_the_choice_is_part_of_a_model(model: Model) -> None:
    spec = model.spec
    assert GenerateSpec.from_header(json.loads(json.dumps(spec.to_header()))) == spec
    before = {k: v for k, v in spec.to_header().items() if k not in ("opening", "fits")}
    assert GenerateSpec.from_header(before) == replace(spec, opening=0, fits=False)
    for wrong in ({"opening": 3}, {"opening": 8.0}, {"fits": 1}, {"opening": 0}):
        with pytest.raises(ValueError, match="openings"):
            GenerateSpec.from_header({**spec.to_header(), **wrong})


def test_each_text_is_weighed_by_its_label(tmp_path: Path) -> None:
    """Whatever else is weighed with it; in an average, too, whose own validation decides."""
    texts = [row.split("\t")[1] for row in rows(80, fitting=True)]
    (tmp_path / "two.tsv").write_text("".join(f"{'mn'[k % 2]}\t{t}" for k, t in enumerate(texts)))
    how = {**HOW, "epochs": 1, "members": 2}
    model = package.train(tmp_path / "two.tsv", out=tmp_path / "two", **how).finish()
    data = GenerateData(Paths((str(tmp_path / "two.tsv"),)), model.config)
    for fits in (False, True):
        spec = replace(model.spec, fits=fits)
        task = data.task(spec, model.config, model.network, 1)
        task.validate(model.parameters)
        assert task.spec == model.spec
    alphabet = model.spec.alphabet
    read = [alphabet.encode(text) for text in ("K:m\npabc", "K:m\nqabcdabcdabcdR", "abcdabcdabcQ")]
    object.__setattr__(model, "spec", replace(model.spec, fits=True))
    weighs = [model.author(Wanted(label=label)).weigh for label in "mn"]
    one, other = ([float(w([own])[0]) for own in read] for w in weighs if w is not None)
    assert not np.allclose(one, other, atol=1e-3)

    def nats(batch: Labelled) -> Any:
        return model.network.sum_loss(model.parameters, batch, Workspace()).total

    mixed = log_weights(read * 2, np.array([0, 1, 0, 1, 0, 1]), alphabet, nats)
    wanted = [one[0], other[1], one[2], other[0], one[1], other[2]]
    np.testing.assert_allclose(mixed, wanted, rtol=1e-3, atol=1e-4)


def test_an_average_has_its_own_decision(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of two members is validated once, and then the average."""
    found = iter([False, False, True])
    monkeypatch.setattr(generate, "ends_fit", lambda *_: next(found))
    how = {**HOW, "epochs": 0.2, "members": 2, "eval_every": 1000}
    run = package.train(folder / "round.tsv", out=tmp_path / "two", **how)
    run.finish()
    assert next(found, None) is None
    assert package.load(tmp_path / "two").spec.fits


def test_a_run_begun_from_another_generator_learns_openings(
    folder: Path, model: Model, tmp_path: Path
) -> None:
    """From one that knows none, as before, and from one that does."""
    short = [
        f"k\tK:k\\n{''.join(row)}\n"
        for row in np.random.default_rng(0).choice([*"abcdpqrPQR"], (60, 9))
    ]
    (tmp_path / "short.tsv").write_text("".join(short))
    package.train(tmp_path / "short.tsv", out=tmp_path / "short", **{**HOW, "epochs": 1}).finish()
    assert package.load(tmp_path / "short").spec.opening == 0
    for start in (tmp_path / "short", folder / "round"):
        out = tmp_path / f"from-{start.name}"
        how = {
            k: v
            for k, v in HOW.items()
            if k in ("task", "lr", "epochs", "batch_size", "threads", "dropout")
        }
        found = package.train(folder / "round.tsv", init_from=start, out=out, **how).finish()
        assert (found.spec.opening, found.spec.fits) == (OPENING, True), start.name


def test_a_resumed_run_goes_on_with_the_same_choice(folder: Path, tmp_path: Path) -> None:
    """Stopped between two validations, and compared with one that was not stopped."""
    how = {**HOW, "epochs": 6, "eval_every": 150}
    whole = package.train(folder / "round.tsv", out=tmp_path / "whole", **how)
    whole.finish()
    run = package.train(folder / "round.tsv", out=tmp_path / "part", **how)
    for event in run:
        if isinstance(event, Step) and event.number == 310:
            run.stop()
    package.resume(tmp_path / "part").finish()
    one, two = (package.load(tmp_path / name / "last.npz") for name in ("whole", "part"))
    np.testing.assert_array_equal(one.parameters.flat, two.parameters.flat)
    assert one.spec == two.spec
    assert one.header["history"] == two.header["history"]
    assert one.spec.fits
