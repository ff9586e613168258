"""The map of hashed n-grams beside the recurrence: its input, its output, its first weights."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import charrnn, fingerprint, run_until

from charrnn.engine import Engine
from charrnn.nn.cells import GRU
from charrnn.nn.models import SequenceModel, Sequences
from charrnn.nn.wide import Features, wide_backward, wide_forward
from charrnn.nn.workspace import Workspace
from charrnn.runs.folder import RunFolder
from charrnn.runs.model import load_model
from charrnn.tasks import wide
from charrnn.tasks.base import Paths
from charrnn.tasks.baselines import NaiveBayes, TagBaseline
from charrnn.tasks.classify import ClassifyData, ClassifySpec, classify
from charrnn.tasks.config import Config
from charrnn.tasks.fitted import (
    CERTAINTY,
    FIRST_SQUARES,
    QUICK,
    RATE,
    SMOOTHINGS,
    THOROUGH,
    FittedMap,
    Way,
    _Tried,
)
from charrnn.tasks.kinds import KINDS
from charrnn.tasks.shares import best_shares
from charrnn.tasks.tag import TagSpec
from charrnn.tasks.wide import SCALE, buckets_for, features_of, mapped, thinned
from charrnn.text import hashed
from charrnn.text.alphabet import Alphabet
from charrnn.training.run import Run

SMALL: dict[str, Any] = {"hidden": 4, "batch_size": 8, "epochs": 3.0}


def rows(count: int = 90) -> list[str]:
    """The label says whether there is an x anywhere."""
    draw = np.random.default_rng(0)
    words = ["".join(draw.choice(list("abcdef"), 6)) for _ in range(count)]
    words = [w[: k % 6] + "x" + w[k % 6 :] if k % 2 else w for k, w in enumerate(words)]
    return [f"{w}\t{'yes' if 'x' in w else 'no'}\n" for w in words]


def sentences(count: int = 60) -> list[str]:
    """A word's tag is the first letter of the next word."""
    draw = np.random.default_rng(0)
    made = ["".join(draw.choice(list("abc"), 3)) for _ in range(4 * count)]
    groups = [made[4 * k : 4 * k + 4] for k in range(count)]
    tagged = [zip(g, [*(w[0] for w in g[1:]), "end"], strict=True) for g in groups]
    return ["".join(f"{word}\t{name}\n" for word, name in group) + "\n" for group in tagged]


def test_a_hash_is_the_same_everywhere_and_always() -> None:
    assert hashed.hashed(*b"foobar") == 0x85944171F73967E8  # of the authors' own test vectors
    found = hashed.buckets_of(hashed.of_text("Ab"), 1 << 20).tolist()
    assert found == [
        504877,
        480355,
        497712,
        492173,
        480355,
        505050,
        426982,
        850119,
        232055,
        971206,
        789277,
        738810,
        479057,
        962629,
        873200,
        1003171,
        271431,
        397719,
        567479,
        657595,
        552866,
        137909,
        549621,
        631029,
        601712,
    ]
    (token,) = hashed.of_tokens(["Ab"])
    assert hashed.buckets_of(token, 1 << 20).tolist() == [
        368743,
        985726,
        891007,
        712631,
        416527,
        455643,
        515965,
        503491,
        769297,
        69115,
        511767,
        840938,
        550795,
        724625,
        638485,
        497521,
        578498,
        292095,
        742739,
    ]
    assert {*hashed.of_text("ab").tolist()} >= {
        hashed.hashed(1, *map(ord, gram)) for gram in (" ", "a", "ab", "\x02 ab ")
    }


def test_sentences_have_longer_ngrams_than_names_and_documents() -> None:
    assert hashed.longest_for(["Ng", "Featherstonehaugh", "x" * 77]) == 8
    assert hashed.longest_for(["Ng", "Featherstonehaugh", "x" * 76]) == 5
    assert hashed.longest_for(["", "x" * 2000]) == 8
    assert hashed.longest_for(["", "x" * 2001]) == hashed.longest_for([]) == 5
    by_length = [{*hashed.of_text("abcdefgh", n).tolist()} for n in (1, 5, 8)]
    assert by_length[0] < by_length[1] < by_length[2]
    assert {*hashed.of_text("abcdefgh").tolist()} == by_length[1]
    assert hashed.hashed(1, *b"abcdefgh") in by_length[2] - by_length[1]


def test_words_count_whatever_their_case_and_neighbours_in_order() -> None:
    def words(text: str) -> set[int]:
        family = [hashed._word(w) for w in hashed.WORD.findall(text.lower())]
        every = {hashed.hashed(2, w) for w in family}
        return every | {hashed.hashed(2, *pair) for pair in pairwise(family)}

    assert words("Not good, no") <= {*hashed.of_text("NOT GOOD, NO").tolist()}
    assert not words("good not") <= {*hashed.of_text("not good").tolist()}


@pytest.mark.parametrize("ahead", [True, False])
def test_a_tokens_features_include_later_tokens_if_allowed(ahead: bool) -> None:
    one, other = (
        [{*own.tolist()} for own in hashed.of_tokens(["a", "b", last, "d"], ahead=ahead)]
        for last in ("c", "Z9")
    )
    assert (one[0] == other[0], one[1] == other[1]) == (not ahead, not ahead)
    assert one[3] != other[3]


def dense(features: Features, size: int) -> np.ndarray[Any, Any]:
    x = np.zeros((features.count, size))
    np.add.at(x, (features.row, features.column), features.value)
    return x


def test_the_map_is_a_sparse_product() -> None:
    draw = np.random.default_rng(1)
    row = np.array([0, 0, 0, 2, 3, 3])
    features = Features(5, row, np.array([4, 4, 1, 6, 0, 1]), draw.standard_normal(6))
    W, dy = draw.standard_normal((7, 3)), draw.standard_normal((5, 3))
    x = dense(features, 7)
    y = wide_forward(W, features)
    np.testing.assert_allclose(y, x @ W, atol=1e-14)
    dW = np.full_like(W, 9.0)
    wide_backward(dW, dy, features)
    np.testing.assert_allclose(dW, x.T @ dy, atol=1e-14)
    for chosen in (slice(1, 4), np.array([True, False, False, True, True])):
        np.testing.assert_array_equal(dense(features.part(chosen), 7), x[chosen])
    with pytest.raises(ValueError, match="symbols must be in"):
        wide_forward(W[:6], features)


def test_a_network_adds_it_to_its_outputs() -> None:
    plain = SequenceModel(5, 3, GRU(4), readout="max")
    model = replace(plain, wide=7)
    parameters = model.init(np.random.default_rng(0), np.float64)
    assert not parameters["wide.W"].any()
    np.testing.assert_array_equal(
        parameters["body.0.W_h"], plain.init(np.random.default_rng(0), np.float64)["body.0.W_h"]
    )
    parameters["wide.W"][...] = np.arange(21).reshape(7, 3)
    features = Features(2, np.array([0, 1]), np.array([3, 6]), np.array([2.0, 1.0]))
    state, targets = model.zero_state(2, np.float64), np.array([0, 1])
    batch = Sequences(np.ones((3, 2), dtype=np.intp), targets, state, features=features)
    own = {name: parameters[name] for name in plain.shapes()}
    alone = plain.init(np.random.default_rng(0), np.float64)
    alone.fill(own)
    expected = plain.outputs(alone, batch, Workspace()) + np.array([[18, 20, 22], [18, 19, 20]])
    np.testing.assert_allclose(model.outputs(parameters, batch, Workspace()), expected)
    with pytest.raises(ValueError, match="sparse features of each of 2"):
        model.outputs(parameters, replace(batch, features=None), Workspace())


def test_processes_share_the_map_out() -> None:
    model = SequenceModel(5, 3, GRU(4), readout="max", wide=9)
    parameters = model.init(np.random.default_rng(0))
    draw = np.random.default_rng(1)
    parameters["wide.W"][...] = draw.standard_normal((9, 3))
    row = np.repeat(np.arange(40), 2)
    features = Features(40, row, draw.integers(9, size=80), draw.standard_normal(80))
    x, targets = draw.integers(5, size=(4, 40)), draw.integers(3, size=40)
    batch = Sequences(x, targets, model.zero_state(40), features=features)
    found = []
    for threads in (1, 2):
        gradients = parameters.zeros_like()
        with Engine(model, threads) as engine:
            total = float(engine.losses(parameters, batch, gradients=gradients).total)
        found.append((total, gradients.flat.tobytes()))
    assert found[0] == found[1]


def test_rows_of_features_have_equal_length_and_log_counts() -> None:
    features = features_of([hashed.of_text("aaaa"), hashed.of_text("a longer text")], 1 << 12)
    x = dense(features, 1 << 12)
    np.testing.assert_allclose(np.linalg.norm(x, axis=1), SCALE, rtol=1e-6)
    a = hashed.buckets_of(np.array([hashed.hashed(1, ord("a"))], dtype=np.uint64), 1 << 12)
    once = hashed.buckets_of(np.array([hashed.hashed(1, *b" aaaa")], dtype=np.uint64), 1 << 12)
    assert x[0, a] / x[0, once] == pytest.approx(1 + np.log(4))


def test_training_drops_features_and_whole_rows() -> None:
    features = features_of([hashed.of_text("some text " * 30)] * 400, 1 << 12)
    assert thinned(features, None) is features
    one, two = (thinned(features, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(one.column, two.column)
    x, every = dense(one, 1 << 12), dense(features, 1 << 12)
    there = x.any(axis=1)
    assert 0.4 < there.mean() < 0.6
    kept = np.count_nonzero(x[there]) / np.count_nonzero(every[there])
    assert kept == pytest.approx(0.5, abs=0.03)
    assert x[there].sum() / every[there].sum() == pytest.approx(1, abs=0.06)


def test_the_number_of_buckets_is_limited_by_features_and_weights() -> None:
    hashes = [np.arange(100 * k, 100 * k + 100, dtype=np.uint64) for k in range(10)]
    assert buckets_for(hashes, 2, 1 << 20) == 2048
    assert buckets_for(hashes, 3, 1000) == 256
    assert buckets_for(hashes, 2, 0) == 0


def words_of(count: int) -> list[str]:
    """Words of three letters."""
    draw = np.random.default_rng(2)
    return ["".join(draw.choice(list("abc"), 3)) for _ in range(count)]


def fitted(targets: Sequence[int]) -> FittedMap:
    """A map from those words to three labels."""
    words = words_of(len(targets))
    rows = [[hashed.of_text(word)] for word in words]
    gold = [np.array([k]) for k in targets]
    return FittedMap(rows.__getitem__, gold, 1 << 10, 3, "softmax", range(len(rows)))


def of_other_folds(found: FittedMap, way: Way) -> dict[int, Any]:
    """What the best maps of a way say of the rows that they were not fitted to."""
    best = found._best(way)
    assert best is not None
    said: dict[int, Any] = {}
    for (own, _), outputs in zip(found._folds, best.outputs, strict=True):
        said.update(zip(own.tolist(), outputs, strict=True))
    return said


def test_a_map_is_judged_on_rows_that_it_was_not_fitted_to() -> None:
    targets = [k % 3 for k in range(30)]
    changed = [(targets[0] + 1) % 3, *targets[1:]]
    one, other = (of_other_folds(fitted(own), Way(0.5)) for own in (targets, changed))
    same = [np.array_equal(one[row], other[row]) for row in range(30)]
    assert same[0]
    assert same.count(True) == 10  # its own fold


def test_rows_of_one_input_are_in_one_fold() -> None:
    rows = [[hashed.of_text(word)] for word in ("abc", "abc", "bca", "cab")]
    gold = [[np.array([k]) for k in own] for own in ((0, 1, 2, 0), (0, 2, 2, 0))]
    one, other = (
        of_other_folds(FittedMap(rows.__getitem__, own, 1 << 10, 3, "softmax", "aabc"), Way())
        for own in gold
    )
    np.testing.assert_array_equal(one[0], one[1])
    np.testing.assert_array_equal(one[0], other[0])


def best_number(found: FittedMap) -> int:
    """The number of epochs that is best."""
    best = found._best(Way())
    assert best is not None
    return best.number


def test_the_map_is_fitted_for_the_best_number_of_epochs() -> None:
    targets = np.random.default_rng(0).integers(3, size=60)
    draw = np.random.default_rng(2)
    words = ["".join(draw.choice(list("abcdefgh"), 8)) for _ in targets]
    found = []
    for first in ([""] * 60, [f"{k} " for k in targets]):
        hashes = [hashed.of_text(a + b) for a, b in zip(first, words, strict=True)]
        rows = [[one] for one in hashes]
        gold = list(targets[:, None])
        found.append(FittedMap(rows.__getitem__, gold, 1 << 12, 3, "softmax", range(60)))
    by_heart, learnt = found
    assert best_number(by_heart) < best_number(learnt)
    assert learnt.nats < 0.4


def test_a_map_by_counts_is_naive_bayes() -> None:
    """On rows of one length its weights add up to a share of log P(features | label)."""
    targets = np.array([0, 1, 2, 0, 1, 1])
    hashes = [
        np.array(own, dtype=np.uint64) for own in ([1, 2], [1, 3], [4, 2], [1, 5], [3, 4], [3, 1])
    ]
    found = FittedMap(lambda k: [hashes[k]], list(targets[:, None]), 64, 3, "softmax", range(6))
    W, chain = next(found._fits(np.arange(6), Way(counted=True)))
    having = np.array(
        [
            [sum(h in own for own in np.array(hashes)[targets == k]) for k in range(3)]
            for h in range(1, 6)
        ]
    )
    logs = np.log((having + SMOOTHINGS[0]) / (having + SMOOTHINGS[0]).sum(axis=0))
    for own in hashes:
        y = wide_forward(W, features_of([own], 64))[0]
        expected = logs[own.astype(int) - 1].sum(axis=0) * CERTAINTY * SCALE / np.sqrt(2)
        np.testing.assert_allclose(y - y.mean(), expected - expected.mean(), atol=1e-6)
    assert not chain.any()
    assert len(list(found._fits(np.arange(6), Way(counted=True)))) == len(SMOOTHINGS)


def test_tags_of_a_chain_are_counted_as_if_each_were_alone() -> None:
    every, counted = np.arange(40), Way(counted=True)
    (W, chain), (alone, _) = (
        next(tagged(loss=loss)._fits(every, counted)) for loss in ("chain", "softmax")
    )
    assert W.any()
    np.testing.assert_array_equal(W, alone)
    assert not chain.any()
    assert [one.way for one in tagged()._tried] == [*THOROUGH.ways]


def test_there_is_no_map_by_counts_for_several_labels() -> None:
    hashes = [np.arange(k, k + 3, dtype=np.uint64) for k in range(4)]
    gold = [np.array([[k % 2, 1]]) for k in range(4)]
    found = FittedMap(lambda k: [hashes[k]], gold, 64, 2, "sigmoid", range(4))
    assert found._best(Way(counted=True)) is None
    found.fit()
    assert all(not one.way.counted for one in found._tried)


def test_a_rare_feature_has_a_larger_factor() -> None:
    rows = [["a", "b"], ["a", "c"], ["a", "c"], ["a"]]
    hashes = [[np.array([ord(one) for one in row], dtype=np.uint64)] for row in rows]
    found = FittedMap(
        hashes.__getitem__, [np.array([k % 2]) for k in range(4)], 128, 2, "softmax", range(4)
    )
    factor = found._rarity(np.arange(4))
    always, twice, once = (factor[ord(one)] for one in "acb")
    assert always < twice < once
    assert factor.mean() == pytest.approx(1)
    assert once / always == pytest.approx(1 + np.log(5 / 2))


@pytest.mark.parametrize("way", THOROUGH.ways)
def test_what_a_map_says_of_other_folds_is_what_its_weights_say(way: Way) -> None:
    """Whatever the features are multiplied by while it is fitted."""
    found = fitted([k % 3 for k in range(30)])
    every = np.arange(30)
    assert sorted(of_other_folds(found, way)) == every.tolist()
    alone = FittedMap(found._hashes, found._targets, 1 << 10, 3, "softmax", [0] * 30)
    outputs = of_other_folds(alone, way)  # in one fold all are fitted to
    best = alone._best(way)
    assert best is not None
    W, _ = next(islice(found._fits(every, way), best.number - 1, None))
    np.testing.assert_allclose(
        np.array([outputs[row] for row in range(30)]),
        wide_forward(W, found._features(every)),
        atol=1e-6,
    )


def test_the_weights_of_rare_features_are_for_features_as_they_are() -> None:
    """The first update of Adagrad, from zero, on features times a factor."""
    targets = np.array([k % 3 for k in range(30)])
    found, every = fitted(targets.tolist()), np.arange(30)
    W, _ = next(found._fits(every, Way(rare=True)))
    x, factor = dense(found._features(every), 1 << 10), found._rarity(every)
    g = (x * factor).T @ (1 / 3 - np.eye(3)[targets])
    step = -RATE * g / np.sqrt(FIRST_SQUARES + g * g)
    np.testing.assert_allclose(W, factor[:, None] * step, atol=1e-5)


def partly_learnt() -> FittedMap:
    """A map of labels of which one in eight is wrong."""
    targets = ["abc".index(word[0]) for word in words_of(40)]
    return fitted([(k + (row % 8 == 0)) % 3 for row, k in enumerate(targets)])


def tagged(count: int = 40, loss: str = "chain") -> FittedMap:
    """A map of tags that words tell, and now and then the tag before."""
    words = words_of(count)
    rows = [[hashed.of_text(one) for one in word] for word in words]
    draw = np.random.default_rng(6)
    gold = [np.array(["abc".index(one) for one in word]) for word in words]
    for tags in gold:
        if draw.random() < 0.4:
            tags[1] = tags[0]
    return FittedMap(rows.__getitem__, gold, 1 << 8, 3, loss, range(count))


@pytest.mark.parametrize("of", [partly_learnt, tagged])
def test_the_map_is_the_sum_of_maps_in_their_shares(of: Callable[[], FittedMap]) -> None:
    found, every = of(), np.arange(40)
    W, chain = found.weights
    sums = [np.zeros_like(W), np.zeros_like(chain)]
    for one, share in zip(found._tried, found._shares, strict=True):
        fits = [(a.copy(), b.copy()) for a, b in islice(found._fits(every, one.way), one.number)]
        for total, own in zip(sums, fits[-1], strict=True):
            total += share * own
    assert np.count_nonzero(found._shares) > 1
    np.testing.assert_allclose(W, sums[0], atol=1e-6)
    np.testing.assert_allclose(chain, sums[1], atol=1e-6)
    assert chain.any() == (of is tagged)


def test_chains_are_those_of_the_best_epoch() -> None:
    found = tagged()
    best = found._best(Way())
    assert best is not None
    assert best.number < THOROUGH.epochs
    for (_, others), chain in zip(found._folds, best.chains, strict=True):
        _, expected = next(islice(found._fits(others, Way()), best.number - 1, None))
        np.testing.assert_array_equal(chain, expected)


def test_a_sum_that_is_worse_than_no_map_is_not_used() -> None:
    """The weak pull towards equal shares alone would keep it."""
    found = fitted([0, 1, 2, 0, 1, 2])
    worse = [0.1 * (np.arange(3) != found._gold(own)[:, None]) for own, _ in found._folds]
    found._tried = [_Tried(Way(), 1, worse, [np.zeros((3, 3)) for _ in worse])]
    assert best_shares(found._loss_of_sum(found._tried), 1) > 0
    assert not found.says_something
    assert not found.weights[0].any()


def test_an_empty_fold_is_left_out() -> None:
    """A map must not be judged on its own rows where there are others."""
    rows = [[hashed.of_text(word)] for word in ("abc", "cab")]
    found = FittedMap(rows.__getitem__, [np.array([k]) for k in (0, 1)], 64, 2, "softmax", "ab")
    assert [(own.tolist(), others.tolist()) for own, others in found._folds] in (
        [([0], [1]), ([1], [0])],
        [([1], [0]), ([0], [1])],
    )


def test_the_sum_is_better_than_each_map() -> None:
    """For rows that the maps were not fitted to, and with the share that is best for it."""
    found = partly_learnt()
    assert [one.way for one in found._tried] == [*THOROUGH.ways]
    for one in found._tried:
        objective = found._loss_of_sum([one])
        least = min(objective(np.array([share]))[0] for share in np.linspace(0, 2, 41))
        assert found.nats * 40 < least + 0.1  # a weak pull towards equal shares


@pytest.mark.parametrize("of", [partly_learnt, tagged])
def test_the_loss_of_a_sum_has_the_slope_of_its_differences(of: Callable[[], FittedMap]) -> None:
    found = of()
    objective, at = found._loss_of_sum(found._tried), 0.1 * np.arange(1, 1 + len(found._tried))
    _, slope = objective(at)
    for k, step in enumerate(1e-5 * np.eye(len(at))):
        difference = (objective(at + step)[0] - objective(at - step)[0]) / 2e-5
        assert slope[k] == pytest.approx(difference, rel=1e-5)


def test_the_features_of_few_rows_are_found_once() -> None:
    asked: list[int] = []

    def hashes(row: int) -> list[Any]:
        asked.append(row)
        return [hashed.of_text(words_of(30)[row])]

    found = FittedMap(hashes, [np.array([k % 3]) for k in range(30)], 256, 3, "softmax", range(30))
    found.fit()
    assert len(asked) == 60  # the other time to see how many there are


def test_a_map_that_is_worse_than_none_is_not_used() -> None:
    draw = np.random.default_rng(5)
    found = fitted(draw.integers(3, size=40).tolist())  # which no letter tells
    assert not found.says_something
    assert not found.weights[0].any()
    assert found.nats == pytest.approx(np.log(3))


def test_a_map_is_fitted_to_a_part_of_very_many_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    targets = ["abc".index(word[0]) for word in words_of(30)]
    monkeypatch.setattr("charrnn.tasks.fitted.MANY", 0)
    quick = fitted(targets)
    assert len(list(quick._fits(quick._rows, Way()))) == 1
    assert [one.way for one in quick._tried] == [*QUICK.ways]
    assert quick._rows.tolist() == [*range(30)]
    monkeypatch.setattr("charrnn.tasks.fitted.ENOUGH", 15 * quick._products)
    half = fitted(targets)
    assert half._rows.tolist() == [*range(0, 30, 2)]
    assert half.nats <= np.log(3)
    every = wide_forward(half.weights[0], half._features(np.arange(30)))
    assert every.shape == (30, 3)


@pytest.mark.parametrize(("task", "lines"), [("classify", rows()), ("tag", sentences())])
def test_a_network_begins_as_its_map(tmp_path: Path, task: str, lines: list[str]) -> None:
    run: Any = begin(tmp_path / "run", task, lines)
    parameters, fitted = run.trainer.parameters, run.data.fitted(run.spec, run.config)
    W, chain = fitted.weights
    assert W.any()
    np.testing.assert_array_equal(parameters["wide.W"], W.astype(np.float32))
    assert not parameters["head.W"].any()
    batch, _ = run.task.batch(np.arange(8), None)
    assert batch.alone
    if task == "tag":
        np.testing.assert_array_equal(parameters["chain.W"], chain.astype(np.float32))
    gradients = parameters.zeros_like()
    run.task.gradients(parameters, gradients, 0, None)
    assert not gradients["wide.W"].any()
    assert gradients["head.W"].any()
    run.close()


def test_a_models_map_learns_further_on_other_data(tmp_path: Path) -> None:
    run = begin(tmp_path / "first", "classify", rows(), epochs=1.0)
    for _ in run:
        pass
    run.close()
    model = load_model(tmp_path / "first" / "best.npz")
    for count in (90, 80):
        (tmp_path / "rows.txt").write_text("".join(rows(count)), encoding="utf-8")
        config = Config.of("classify", **SMALL)
        data = ClassifyData(Paths((str(tmp_path / "rows.txt"),)), config)
        folder = RunFolder(tmp_path / f"run-{count}", resume=False)
        again: Any = Run.begin(config, data, folder, model)
        gradients = model.parameters.zeros_like()
        again.task.gradients(again.trainer.parameters, gradients, 0, None)
        assert gradients["wide.W"].any()  # also on its own rows, which may be split otherwise
        assert (again.spec.fitted, again.spec.shares) == ("", None)
        again.close()


def begin(folder: Path, task: str, lines: Sequence[str], **settings: Any) -> Run:
    (folder.parent / "rows.txt").write_text("".join(lines), encoding="utf-8")
    config = Config.of(task, **{**SMALL, **settings})
    paths = Paths((str(folder.parent / "rows.txt"),))
    return Run.begin(config, KINDS[task].read(paths, config), RunFolder(folder, resume=False))


@pytest.mark.parametrize(("task", "lines"), [("classify", rows()), ("tag", sentences())])
def test_a_run_with_a_map_resumes_exactly(tmp_path: Path, task: str, lines: list[str]) -> None:
    whole = begin(tmp_path / "whole", task, lines)
    run_until(whole)
    run_until(begin(tmp_path / "broken", task, lines), 9)
    folder = RunFolder(tmp_path / "broken", resume=True)
    saved, _ = folder.load_last()
    assert saved.parameters["wide.W"].any()
    run_until(Run.resume(saved, whole.data, folder))
    assert fingerprint(tmp_path / "broken") == fingerprint(tmp_path / "whole")


def test_without_a_map_a_network_is_that_of_the_notes(tmp_path: Path) -> None:
    run = begin(tmp_path / "run", "classify", rows(), wide=0)
    assert "wide.W" not in run.trainer.parameters
    assert "buckets" not in run.spec.to_header()
    run.close()
    alphabet = Alphabet.of("char", ["ab"])
    for spec in (
        ClassifySpec(alphabet, ("a", "b"), False, 64, "0a"),
        TagSpec(alphabet, ("a", "b"), 64, "0a"),
    ):
        header = spec.to_header()
        assert type(spec).from_header(header) == spec
        assert (header.pop("buckets"), header.pop("fitted")) == (64, "0a")
        assert type(spec).from_header(header).buckets == 0  # as earlier versions wrote it
        for wrong in (-1, "64", 1.5, True):
            with pytest.raises(ValueError, match="buckets"):
                type(spec).from_header({**header, "buckets": wrong})


def test_a_checkpoint_names_its_longest_ngrams() -> None:
    """Five are not named, as in earlier versions, so that their runs remain the same."""
    alphabet = Alphabet.of("char", ["ab"])
    spec = ClassifySpec(alphabet, ("a", "b"), False, 64, "0a")
    assert "ngrams" not in spec.to_header()
    assert "ngrams" not in replace(spec, buckets=0, ngrams=8).to_header()
    header = replace(spec, ngrams=8).to_header()
    assert ClassifySpec.from_header(header) == replace(spec, ngrams=8)
    header.pop("ngrams")
    assert ClassifySpec.from_header(header) == spec
    for wrong in (0, "8", 1.5, True):
        with pytest.raises(ValueError, match="n-grams"):
            ClassifySpec.from_header({**header, "ngrams": wrong})


@pytest.mark.parametrize("longest", [5, 8])
def test_the_map_is_fitted_to_the_ngrams_that_it_reads(tmp_path: Path, longest: int) -> None:
    """So are its buckets, the shares of the validation and the predictions."""
    made = rows() if longest == 5 else [f"some words before it, and some {row}" for row in rows()]
    run: Any = begin(tmp_path / "run", "classify", made)
    task, parameters, spec, data = run.trainer.task, run.trainer.parameters, run.spec, run.data
    assert spec.ngrams == longest
    train, val = data.rows.train, data.rows.val
    hashes = [hashed.of_text(row.left, longest) for row in train]
    assert spec.buckets == buckets_for(hashes, len(spec.labels), run.config.wide)
    number = {label: k for k, label in enumerate(spec.labels)}
    W, _ = FittedMap(
        lambda row: [hashes[row]],
        [np.array([number[row.right]]) for row in train],
        spec.buckets,
        len(spec.labels),
        "softmax",
        [row.left for row in train],
    ).weights
    np.testing.assert_array_equal(parameters["wide.W"], W.astype(np.float32))
    expected = [hashed.of_text(row.left, longest) for row in val]
    for own, other in zip(task.hashes(val), expected, strict=True):
        np.testing.assert_array_equal(own, other)
    both = classify(task.trained(parameters), [row.left for row in val])
    network = task.outputs(parameters, val, alone=True)
    np.testing.assert_allclose(both - network, mapped(W, expected), rtol=1e-4, atol=1e-5)
    run.close()


@pytest.mark.parametrize("task", ["classify", "tag"])
def test_a_training_leaves_the_map_and_the_chain(tmp_path: Path, task: str) -> None:
    lines = rows() if task == "classify" else sentences()
    run: Any = begin(tmp_path / "run", task, lines, weight_decay=0.5, optimizer="adamw")
    before = {name: own.copy() for name, own in run.trainer.parameters.items()}
    run_until(run)
    for name, own in run.trainer.parameters.items():
        same = np.array_equal(own, before[name])
        assert same == (name in ("wide.W", "chain.W")), name
    assert before["wide.W"].any()
    assert task == "classify" or before["chain.W"].any()


def test_all_rows_count_where_there_are_not_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    hashes = [np.arange(100 * k, 100 * k + 150).astype(np.uint64) for k in range(12)]  # 1,250
    for sample in (1, 400, 10_000):
        monkeypatch.setattr(wide, "SAMPLE", sample)
        monkeypatch.setattr(wide, "SAMPLES", 12)
        assert buckets_for(hashes, 2, 1 << 20) == 4096
        assert buckets_for(hashes, 2, 1 << 11) == 1024
        assert buckets_for(hashes[:1], 2, 1 << 11) == 512
    monkeypatch.setattr(wide, "SAMPLE", 1)
    monkeypatch.setattr(wide, "SAMPLES", 2)
    assert buckets_for(hashes, 2, 1 << 20) == 512  # 250 in the first two


def test_the_baseline_can_predict(tmp_path: Path) -> None:
    (tmp_path / "rows.tsv").write_text("".join(rows()), encoding="utf-8")
    line = ["--hidden", "4", "--epochs", "1", "--lr", "0", "--seed", "1"]
    done = charrnn(
        "train", "rows.tsv", "--task", "classify,wide=0", *line, "--out", "r", cwd=tmp_path
    )
    said = " ".join(done.stderr.decode().split())
    assert "the baseline beats the network: accuracy" in said
    assert said.index("the baseline beats") < said.index("test:")
    asked = ["bxa", "bca", "aaaxaa"]
    found = charrnn("predict", "r", *asked, "--method", "baseline", "--top", "2", cwd=tmp_path)
    config = load_model(tmp_path / "r" / "best.npz").config
    train = ClassifyData(Paths((str(tmp_path / "rows.tsv"),)), config).rows.train
    simple = NaiveBayes().fit([row.left for row in train], [row.right for row in train])
    named = [text.split("|")[0] for text in found.stdout.decode().splitlines()]
    assert named == simple.predict(asked)
    (tmp_path / "rows.tsv").write_text("other\tdata\n", encoding="utf-8")
    gone = charrnn("predict", "r", "bxa", "--method", "baseline", cwd=tmp_path)
    assert gone.returncode == 2
    assert b"cannot be read, or has changed" in gone.stderr


def test_the_baseline_of_tags_can_predict(tmp_path: Path) -> None:
    (tmp_path / "rows.conll").write_text("".join(sentences()), encoding="utf-8")
    line = ["--hidden", "4", "--epochs", "1", "--out", "r"]
    assert charrnn("train", "rows.conll", "--task", "tag", *line, cwd=tmp_path).returncode == 0
    done = charrnn("predict", "r", "abc bca zzz", "--method", "baseline", cwd=tmp_path)
    words = [word.split("/") for word in done.stdout.decode().split()]
    assert [word for word, _ in words] == ["abc", "bca", "zzz"]
    counts = TagBaseline().fit([(["a", "a", "a"], ["x", "x", "y"])])
    (((name, part),),) = counts.answers([["a"]], TagBaseline.WORD)
    assert name == "x"
    assert part == pytest.approx(2 / 3)
