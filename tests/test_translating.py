"""The length limits of translations, and the memory of a beam search."""

import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charrnn.errors import DivergedError, InputError
from charrnn.nn.cells import GRU
from charrnn.nn.losses import log_probabilities
from charrnn.nn.parameters import Parameters
from charrnn.nn.translator import Translator
from charrnn.nn.workspace import Workspace
from charrnn.runs.folder import RunFolder
from charrnn.runs.model import load_model
from charrnn.tasks import translate as module
from charrnn.tasks.base import Paths, Trained
from charrnn.tasks.baselines import NearestNeighbour
from charrnn.tasks.beam import beam_search
from charrnn.tasks.config import Config
from charrnn.tasks.examples import MOST_STEPS, largest_of_its_kind
from charrnn.tasks.measures import character_error_rate, share
from charrnn.tasks.translate import (
    TranslateData,
    TranslateSpec,
    Translation,
    fewest_corrections,
    predict,
    translate,
)
from charrnn.text.alphabet import END, START, UNKNOWN, Alphabet
from charrnn.text.pairs import Pair
from charrnn.training.run import Run

CONFIG = Config.of("translate", hidden=8, embedding=4)
SHORT = "".join(f"red cat {k}\tred dog {k}\n" for k in range(100))
LONG = "abc " * 1000 + "d"
SPEC = TranslateSpec(Alphabet.of("char", ["xyz"]), Alphabet.of("char", ["abc"]), 40, 2.0)
DATES = Path(__file__).parent.parent / "data" / "dates-train.tsv"


def data_of(folder: Path, more: str) -> TranslateData:
    """Short training rows and some more; other rows validate."""
    (folder / "train.tsv").write_text(SHORT + more)
    (folder / "val.tsv").write_text("".join(f"red cow {k}\tred cow {k}\n" for k in range(30)))
    return TranslateData(Paths((str(folder / "train.tsv"),), str(folder / "val.tsv")), CONFIG)


def endless(spec: TranslateSpec, seed: int = 0) -> Trained:
    """A model that never ends a translation."""
    model = spec.model(CONFIG)
    parameters = model.init(np.random.default_rng(seed))
    parameters["head.b"][END] = -1e4
    return Trained(model, parameters, spec, CONFIG)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of lanes in each step of a decoder."""
    taken: list[int] = []
    decode = Translator.decode

    def counted(self: Translator, parameters: Parameters, previous: Any, *rest: Any) -> Any:
        taken.append(previous.shape[1])
        return decode(self, parameters, previous, *rest)

    monkeypatch.setattr(Translator, "decode", counted)
    return taken


# How long


def test_one_very_long_target_does_not_lengthen_the_others(
    tmp_path: Path, steps: list[int]
) -> None:
    data = data_of(tmp_path, f"x y\t{LONG}\n")
    spec = data.spec()
    assert spec.longest == 8 * len("red dog 10")
    assert spec.ratio == 8.0
    trained = endless(spec)
    task = data.task(spec, CONFIG, trained.network, 1)
    task.validate(trained.parameters)
    assert len(steps) == 2 * spec.longest + 1 == spec.most(len("red cow 10"))


def test_a_long_source_costs_a_beam_no_more_than_a_translation(steps: list[int]) -> None:
    (found,) = translate(endless(SPEC), ["xyz" * 2000], beam=4)
    assert steps == [1] * SPEC.most(6000) + [4] * SPEC.most(6000)
    assert len(found.text) == SPEC.most(6000) == 81


@pytest.mark.parametrize(
    ("values", "largest"),
    [
        ([3], 3),
        ([1] * 99 + [8], 8),
        ([1] * 99 + [9], 8),
        ([9] + [1] * 99, 8),
        ([1, 9], 8),
        ([5] * 90 + [100] * 10, 100),  # a tenth of all rows is no exception
        ([0.5] * 30 + [2.25], 2.25),
    ],
)
def test_the_largest_length_without_outliers(values: list[float], largest: float) -> None:
    assert largest_of_its_kind(values) == largest


def test_ordinary_rows_allow_the_longest_of_them(tmp_path: Path) -> None:
    """As before: a training on ordinary rows gives the same bits."""
    for data in (data_of(tmp_path, ""), TranslateData(Paths((str(DATES),)), CONFIG)):
        spec, rows = data.spec(), data.rows.train
        assert spec.longest == max(len(row.right) for row in rows)
        assert spec.ratio == max(len(row.right) / len(row.left) for row in rows)
        assert len(data.describe(spec, CONFIG)) == 2


def test_a_checkpoint_keeps_its_length_limits(steps: list[int]) -> None:
    header = {**SPEC.to_header(), "longest": 300, "ratio": 300.0}
    spec = TranslateSpec.from_header(header)
    assert (spec.longest, spec.ratio) == (300, 300.0)
    (found,) = translate(endless(spec), ["x"])
    assert len(found.text) == len(steps) == 601


def test_rows_that_will_be_cut_off_are_named(tmp_path: Path) -> None:
    data = data_of(tmp_path, f"x y\t{LONG}\n")
    *_, note = data.describe(data.spec(), CONFIG)
    assert note == (
        "note: row 101 has a target of 4,001 characters for a source of 3: "
        "a translation of this source stops after 59"
    )
    (found,) = translate(endless(data.spec()), ["x y"])
    assert len(found.text) == 59
    data = data_of(tmp_path, f"x y\t{LONG}\nxy\t{LONG} e\n")
    *_, note = data.describe(data.spec(), CONFIG)
    assert "row 102 has a target of 4,003" in note
    assert "(2 rows like this)" in note


def test_the_longest_row_keeps_its_place_in_the_order(tmp_path: Path) -> None:
    """Sources of equal length are sorted by target, even if that exceeds the limit."""
    more = "".join(f"x {k}\t{'y' * size}\n" for k, size in enumerate((900, 1000)))
    data = data_of(tmp_path, more + "xy z\tu\n")
    spec = data.spec()
    assert spec.longest < 900
    task = data.task(spec, CONFIG, spec.model(CONFIG), 1)
    for number in range(task.steps_per_epoch):
        rows = [data.rows.train[k] for k in task._order.batch(number)]
        sizes = [(len(row.left), len(row.right)) for row in rows]
        assert sizes == sorted(sizes, reverse=True)


# What a beam keeps


def copying(
    model: Translator, parameters: Parameters, source: Any, lengths: Any, most: Any, beam: int
) -> list[list[tuple[list[int], float]]]:
    """The same search in plain lists: every beginning is copied at every step."""
    count = source.shape[1]
    memory, state, _ = model.encode(parameters, source, lengths, Workspace())
    lanes = np.repeat(np.arange(count), beam)
    memory, lengths = memory[:, lanes], lengths[lanes]
    state = tuple(tuple(part[lanes] for part in layer) for layer in state)
    kept: list[list[tuple[tuple[int, ...], float]]]
    kept = [[((), 0.0 if k == 0 else -np.inf) for k in range(beam)] for _ in range(count)]
    previous, stepping = np.full(count * beam, START), Workspace()
    for step in range(max(most)):
        y, state = model.decode(parameters, previous[None], state, memory, lengths, stepping)
        logp = log_probabilities("softmax", y[0])
        parents = []
        for lane in range(count):
            ways = []
            for k, (text, score) in enumerate(kept[lane]):
                if END in text or step >= most[lane]:
                    ways.append((score, k, END))
                    continue
                row = logp[lane * beam + k]
                ways += [
                    (score + row[v], k, v) for v in range(len(row)) if v not in (UNKNOWN, START)
                ]
            ways = sorted(ways, key=lambda way: -way[0])[:beam]
            parents += [lane * beam + k for _, k, _ in ways]
            kept[lane] = [((*kept[lane][k][0], v), score) for score, k, v in ways]
        previous = np.array([text[-1] for some in kept for text, _ in some])
        state = tuple(tuple(part[parents] for part in layer) for layer in state)
    found = []
    for lane, some in enumerate(kept):
        whole = [(t, s) for t, s in some if END in t[: most[lane]]] or some
        found.append([([int(v) for v in text], float(score)) for text, score in whole])
    return found


@pytest.mark.parametrize("beam", [1, 2, 4])
@pytest.mark.parametrize("bias", [-2.0, 0.5, 2.0])
def test_a_beam_finds_what_copying_every_beginning_finds(beam: int, bias: float) -> None:
    """Bit for bit: symbols and probabilities, for sources with their own limits."""
    for seed in range(4):
        rng = np.random.default_rng(seed)
        model = Translator(6, 7, GRU(6), directions="both")
        parameters = model.init(rng)
        parameters.flat[:] *= 3
        parameters["head.b"][END] += bias
        lengths, most = np.array([9, 6, 2]), np.array([14, 3, 8])
        source = rng.integers(3, 6, (9, 3))
        found = beam_search(model, parameters, source, lengths, most, beam)
        plain = copying(model, parameters, source, lengths, most, beam)
        for targets, others in zip(found, plain, strict=True):
            for (symbols, score), (same, its_score) in zip(targets, others, strict=True):
                assert symbols.tolist() == same[: len(symbols)]
                assert set(same[len(symbols) :]) <= {END}
                assert score == its_score


def test_written_symbols_are_not_copied_at_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """The temporary memory of a step is the same after 400 steps as at the beginning."""
    scratch: list[int] = []
    decode: Callable[..., Any] = Translator.decode
    before = 0

    def watched(*arguments: Any) -> Any:
        nonlocal before
        now, peak = tracemalloc.get_traced_memory()
        scratch.append(peak - before)
        before = now
        tracemalloc.reset_peak()
        return decode(*arguments)

    monkeypatch.setattr(Translator, "decode", watched)
    trained = endless(replace(SPEC, longest=200, ratio=200.0))
    tracemalloc.start()
    try:
        translate(trained, ["xyz"], beam=4)
    finally:
        tracemalloc.stop()
    late, early = scratch[-50:], scratch[-390:-340]
    assert len(scratch) == 2 * 401
    assert np.median(late) < np.median(early) + 1000


@pytest.mark.parametrize("beam", [1, 4])
def test_sources_in_a_batch_are_limited_by_the_memory_to_write(
    monkeypatch: pytest.MonkeyPatch, beam: int
) -> None:
    """Two numbers for each symbol, 64 MiB in all; reading is limited as in training."""
    shapes: list[tuple[int, int, int]] = []

    def noted(*arguments: Any) -> Any:
        *_, source, _, most, width = arguments
        shapes.append((len(source), int(most.max()), source.shape[1] * width))
        return [[(np.array([END]), 0.0)]] * source.shape[1]

    def lanes_for(longest: int, texts: list[str]) -> int:
        shapes.clear()
        translate(endless(replace(SPEC, longest=longest, ratio=float(longest))), texts, beam=beam)
        assert sum(lanes for *_, lanes in shapes) == 70 * (1 if beam == 1 else 1 + beam)
        for read, most, lanes in shapes:
            assert read * lanes <= MOST_STEPS
            assert 16 * most * lanes <= 1 << 26
        return max(lanes for *_, lanes in shapes[:2])

    monkeypatch.setattr(module, "beam_search", noted)
    short = ["xyz" * (1 + k % 3) for k in range(70)]
    assert lanes_for(40, short) == lanes_for(2000, short) == 64
    assert lanes_for(150_000, short) == 8
    assert lanes_for(40, ["xyz" * 2000] * 70) == 8


# Which of those that it keeps


def test_the_text_that_should_need_the_fewest_corrections() -> None:
    """Not always the likeliest: three that differ by a letter outweigh one that stands alone."""
    written = {"dogs": log(0.4), "cats": log(0.3), "cat": log(0.2), "bats": log(0.1)}
    assert fewest_corrections(written) == "cats"
    assert fewest_corrections({**written, "dogs": log(0.9)}) == "dogs"
    assert (
        fewest_corrections({"a": -2.0, "b": -1.0}) == fewest_corrections({"b": -1, "a": -2}) == "b"
    )
    small = {text: nats - 2000 for text, nats in written.items()}
    assert fewest_corrections(small) == "cats"


@pytest.mark.parametrize("beam", [1, 4])
def test_a_spoilt_model_is_found_by_its_numbers(beam: int) -> None:
    trained = endless(SPEC)
    trained.parameters["head.b"][...] = np.nan
    with pytest.raises(DivergedError, match="not finite"):
        predict(trained, ["xy", "z"], beam=beam)


# The baseline


def test_the_nearest_neighbour_can_predict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = data_of(tmp_path, "a\tb c\n")
    with Run.begin(CONFIG, data, RunFolder(tmp_path / "run", resume=False), threads=1) as run:
        model = run.finish()
    asked = ["a red cat 7", "red cats 12", "a"]
    rows = data.rows.train
    simple = NearestNeighbour().fit([row.left for row in rows], [row.right for row in rows])
    found = model.predict(asked, method="baseline")
    assert [one.text for one in found if isinstance(one, Translation)] == simple.predict(asked)
    assert simple.predict(asked) == ["red dog 7", "red dog 12", "b c"]
    assert [*found[2].lines("text"), *found[2].lines("tsv"), *found[2].lines("jsonl")] == [
        "b c",
        "a\tb c\t",
        '{"source": "a", "target": "b c", "log_probability": null}',
    ]
    assert model.predict([], method="baseline") == []
    with pytest.raises(InputError, match="beam 2: the baseline looks translations up"):
        model.predict(asked, method="baseline", beam=2)
    (tmp_path / "train.tsv").write_text("other\tdata\n", encoding="utf-8")
    with pytest.raises(InputError, match="the baseline needs the training data"):
        load_model(tmp_path / "run" / "best.npz").predict(asked, method="baseline")


def test_the_verdict_is_on_the_sources_that_chose_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each counts once, however many targets it has."""
    given: list[Any] = []
    monkeypatch.setattr(module, "MOST_VALIDATED", 8)

    def noted(*some: Any, lower: bool) -> str:
        assert lower
        given.extend(some)
        return ""

    monkeypatch.setattr(module, "which_is_better", noted)
    paths = data_of(tmp_path, "").paths
    pairs = [(f"red cow {k}", [f"red dog {k}", f"a cow {k}"]) for k in range(9)]
    text = "".join(f"{source}\t{target}\n" for source, some in pairs for target in some)
    (tmp_path / "more.tsv").write_text(text, encoding="utf-8")
    data = TranslateData(replace(paths, val=str(tmp_path / "more.tsv"), test=paths.val), CONFIG)
    trained = endless(data.spec())
    task = data.task(trained.spec, CONFIG, trained.network, 1)
    task.test(trained.parameters)
    measure, network, simple = given
    score = task.validate(trained.parameters)
    assert score is not None
    assert score.measures[measure] == next(iter(score.measures.values())) == share(network)
    assert len(network) == len(simple) == 8
    rows = data.rows.train
    nearest = NearestNeighbour().fit([row.left for row in rows], [row.right for row in rows])
    answers = nearest.predict([source for source, _ in pairs[:8]])
    assert share(simple) == character_error_rate(answers, [some for _, some in pairs[:8]])


# Several as one


def test_translators_are_trained_and_saved_as_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is written has the probability that their mean gives it."""
    monkeypatch.chdir(tmp_path)
    data, config = data_of(tmp_path, ""), replace(CONFIG, epochs=8.0, lr=0.03, members=2)
    with Run.begin(config, data, RunFolder(tmp_path / "run", resume=False), threads=1) as run:
        model = run.finish()
    assert model.members == 2
    (found,) = model.predict("red cow", beam=3)
    assert isinstance(found, Translation)
    task = data.task(model.spec, config, model.network, 1)
    (pair,) = [task._encode(Pair(1, "red cow", found.text), config)]
    batch, count = task._batch([pair], None)
    loss = model.network.sum_loss(model.parameters, batch, Workspace()).total
    assert found.log_probability == pytest.approx(-loss, rel=1e-5)
    assert found.per_character == pytest.approx(-loss / count, rel=1e-5)
    one, other = (model.member(k).predict("red cow", beam=3)[0] for k in (1, 2))
    assert isinstance(one, Translation)
    assert one.log_probability != getattr(other, "log_probability", 0.0)
