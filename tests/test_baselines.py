"""Baselines against plain versions of themselves, and what they reach on real corpora."""

import random
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from math import log, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charrnn.baselines.ngrams import KneserNey
from charrnn.tasks.baselines import (
    NaiveBayes,
    NearestNeighbour,
    TagBaseline,
    autoregression_errors,
    labelled_ngrams,
)
from charrnn.tasks.baselines.naive_bayes import tenth
from charrnn.tasks.baselines.numbering import NGrams
from charrnn.tasks.baselines.texts import Texts
from charrnn.tasks.measures import accuracy, character_error_rate, share

texts = st.text("abcé𝄞", max_size=6)
some_texts = st.lists(texts, min_size=1, max_size=6)


def grams(text: str, n: int) -> list[str]:
    """The n-grams of a text, a line break at both ends."""
    padded = f"\n{text}\n"
    return [padded[k : k + n] for k in range(len(padded) - n + 1)]


def test_every_tenth_example_is_set_aside() -> None:
    assert tenth(range(21)) == ([*range(9), *range(10, 19), 20], [9, 19])
    assert tenth("abcdefghi") == ([*"abcdefghi"], [])


@settings(max_examples=60)
@given(some_texts, st.lists(texts, max_size=6), st.integers(1, 4))
def test_ngrams_are_numbered_one_to_one(known: list[str], others: list[str], order: int) -> None:
    """Equal n-grams have equal numbers, different ones do not, and unknown ones have none."""
    ngrams = NGrams(known, order)
    for n, learned, asked in zip(
        range(1, order + 1), ngrams.numbers(known), ngrams.numbers(others), strict=True
    ):
        numbers: dict[str, int] = {}
        occurrences = [(k, gram) for k, text in enumerate(known) for gram in grams(text, n)]
        assert [k for k, _ in occurrences] == learned[0].tolist()
        for (_, gram), number in zip(occurrences, learned[1].tolist(), strict=True):
            assert numbers.setdefault(gram, number) == number
        assert sorted(numbers.values()) == [*range(ngrams.sizes[n - 1])]
        expected = [(k, g) for k, text in enumerate(others) for g in grams(text, n) if g in numbers]
        assert [k for k, _ in expected] == asked[0].tolist()
        assert [numbers[gram] for _, gram in expected] == asked[1].tolist()


# Naive Bayes


def plain_scores(
    known: list[str], labels: list[str], query: str, order: int, smoothing: float
) -> dict[str, float]:
    scores = {}
    for label in sorted(set(labels)):
        scores[label] = log(labels.count(label) / len(labels))
        for n in range(1, order + 1):
            there_are = {gram for text in known for gram in grams(text, n)}
            counts = Counter(
                gram
                for text, its in zip(known, labels, strict=True)
                if its == label
                for gram in grams(text, n)
            )
            total = counts.total() + smoothing * len(there_are)
            scores[label] += sum(
                log((counts[gram] + smoothing) / total)
                for gram in grams(query, n)
                if gram in there_are
            )
    return scores


@settings(max_examples=60)
@given(
    st.lists(st.tuples(texts, st.sampled_from("xyz")), min_size=1, max_size=7),
    texts,
    st.integers(1, 3),
    st.sampled_from([0.1, 1.0]),
)
def test_naive_bayes_follows_its_equation(
    examples: list[tuple[str, str]], query: str, order: int, smoothing: float
) -> None:
    known, labels = [text for text, _ in examples], [label for _, label in examples]
    model = NaiveBayes(order, smoothing).fit(known, labels)
    expected = plain_scores(known, labels, query, order, smoothing)
    assert model.labels == list(expected)
    np.testing.assert_allclose(model._scores([query], smoothing)[-1][0], list(expected.values()))
    assert expected[model.predict([query])[0]] == pytest.approx(max(expected.values()))


def test_without_evidence_the_frequent_label_is_likeliest() -> None:
    """The texts of both labels have equally many n-grams, so unknown n-grams do not count."""
    model = NaiveBayes(2, 1.0).fit(["ab", "cd", "ef", "gh"], ["z", "a", "z", "z"])
    assert model.predict(["", "ÿ", "cd"]) == ["z", "z", "a"]
    assert NaiveBayes(2, 1.0).fit(["ab", "ab"], ["z", "a"]).predict(["ab", "x"]) == ["a", "a"]


def test_one_class_is_always_predicted() -> None:
    model = NaiveBayes().fit(["ab"] * 12, ["x"] * 12)
    assert model.predict(["ab", "", "zzz"]) == ["x", "x", "x"]


def test_no_texts_give_no_predictions() -> None:
    assert NaiveBayes(1, 1.0).fit(["a", ""], ["x", "y"]).predict([]) == []
    assert NaiveBayes(3, 1.0).fit(["", ""], ["x", "y"]).predict([""]) == ["x"]
    tagger = TagBaseline().fit([(["a"], ["x"])])
    assert tagger.predict([[], []], TagBaseline.WORD) == [[], []]
    assert NearestNeighbour().fit(["a"], ["x"]).predict([]) == []


def test_the_order_is_chosen_where_it_matters() -> None:
    """The labels have the same letters, but different pairs, and longer n-grams do not repeat."""
    rng = random.Random(1)

    def text(label: str) -> str:
        pairs = ["ab", "cd"] if label == "x" else ["ba", "dc"]
        return "-".join(rng.choice(pairs) for _ in range(5))

    labels = [rng.choice("xy") for _ in range(200)]
    known = [text(label) for label in labels]
    model = NaiveBayes().fit(known, labels)
    assert model.order == 2
    asked = [rng.choice("xy") for _ in range(50)]
    assert model.predict([text(label) for label in asked]) == asked
    for order in (1, 4):
        assert NaiveBayes(order).fit(known, labels).order == order
    assert NaiveBayes(smoothing=0.7).fit(known, labels).smoothing == 0.7
    # Learning anew forgets what was chosen before.
    assert model.fit(known[:9], labels[:9]).order == NaiveBayes().fit(known[:9], labels[:9]).order


def test_after_the_choice_all_examples_are_learned() -> None:
    """Including the tenth, whose label and letters occur only there."""
    model = NaiveBayes().fit([*["ab"] * 9, "cd"], [*"x" * 9, "y"])
    assert model.predict(["cd", "ab"]) == ["y", "x"]


def test_the_test_part_does_not_affect_the_choice() -> None:
    """Predicting does not change what was learned."""
    known, labels = ["aab", "abb", "ba", "b"] * 5, ["x", "x", "y", "y"] * 5
    model = NaiveBayes().fit(known, labels)
    chosen = model.order, model.smoothing
    before = model._scores(["ab"], 0.1)[-1].copy()
    model.predict(["bbbb", "zz"])
    assert (model.order, model.smoothing) == chosen
    np.testing.assert_array_equal(model._scores(["ab"], 0.1)[-1], before)


@pytest.mark.parametrize("model", [NaiveBayes, NearestNeighbour])
def test_text_baselines_refuse_invalid_arguments(
    model: type[NaiveBayes] | type[NearestNeighbour],
) -> None:
    with pytest.raises(ValueError, match="order must be"):
        model(order=0)
    with pytest.raises(ValueError, match="fit comes before"):
        model().predict(["a"])
    with pytest.raises(ValueError, match="to learn from"):
        model().fit([], [])
    with pytest.raises(ValueError, match=r"2 .* 1 "):
        model().fit(["a", "b"], ["x"])


@pytest.mark.parametrize("smoothing", [0.0, -1.0, float("nan"), float("inf")])
def test_smoothing_must_be_above_0(smoothing: float) -> None:
    with pytest.raises(ValueError, match="smoothing must be"):
        NaiveBayes(smoothing=smoothing)


# Tags

SENTENCES = [
    (["a", "flight", "from", "boston"], ["D", "N", "P", "X"]),
    (["book", "a", "flight"], ["V", "D", "N"]),
    (["a", "book", "from", "boston"], ["D", "N", "P", "X"]),
    (["book", "the", "flight"], ["V", "D", "N"]),
    (["a", "book"], ["D", "N"]),
    (["book", "boston"], ["V", "X"]),
]


def test_each_word_has_its_most_frequent_tag() -> None:
    model = TagBaseline().fit([*SENTENCES, (["book"], ["V"])])
    asked = [["the", "book", "from", "nowhere"], ["boston"]]
    # book: V 4, N 2; overall: D 5, N 5.
    assert model.predict(asked, TagBaseline.WORD) == [["D", "V", "P", "D"], ["X"]]


def test_neighbours_decide_first_and_are_backed_off_from() -> None:
    model = TagBaseline().fit(SENTENCES)
    way = TagBaseline.NEIGHBOURS

    def tag(sentence: str, at: int) -> str:
        return model.predict([sentence.split()], way)[0][at]

    assert tag("a book from boston", 1) == "N"  # as it stood
    assert tag("the book from here", 1) == "N"  # "book from" did
    assert tag("a book book", 1) == "N"  # "a book" did
    assert tag("go book that", 1) == "V"  # "book" did, V 3 to N 2
    assert tag("to book boston", 1) == "V"  # the word after goes before the word before
    assert tag("one night", 1) == "N"  # "-ght" did
    assert tag("wxyz", 0) == "D"  # nothing did: D 5, N 5


def test_the_next_word_has_priority_over_the_one_before() -> None:
    sentences = [(["l", "w", "x"], ["o", "A", "o"]), (["y", "w", "r"], ["o", "B", "o"])]
    assert TagBaseline().fit(sentences).predict([["l", "w", "r"]], TagBaseline.NEIGHBOURS) == [
        ["o", "B", "o"]
    ]


def test_the_longest_suffix_decides() -> None:
    sentences = [(["xxing"], ["A"]), (["ring"], ["B"]), (["bring"], ["B"]), (["wing"], ["B"])]
    model = TagBaseline().fit([(words, tags) for words, tags in sentences])
    predicted = model.predict([["zxing"], ["zing"], ["g"]], TagBaseline.NEIGHBOURS)
    assert predicted == [["A"], ["B"], ["B"]]


def test_among_equally_frequent_tags_the_first_alphabetically_is_taken() -> None:
    for tags in (["B", "A"], ["A", "B"]):
        model = TagBaseline().fit([(["w"], [tag]) for tag in tags])
        for way in TagBaseline.WAYS:
            assert model.predict([["w"], ["unseen"]], way) == [["A"], ["A"]]


def test_the_edges_of_a_sentence_are_not_words() -> None:
    sentences = [(["w"], ["A"])] * 2 + [(["v", "w"], ["B", "B"])] * 3
    assert TagBaseline().fit(sentences).predict([["w"]], TagBaseline.NEIGHBOURS) == [["A"]]


def test_one_tag_is_always_predicted() -> None:
    model = TagBaseline().fit([(["w", "v"], ["A", "A"])] * 20)
    for way in TagBaseline.WAYS:
        assert model.predict([["w", "unseen", ""]], way) == [["A", "A", "A"]]


def test_the_tag_baseline_refuses_invalid_arguments() -> None:
    model = TagBaseline()
    with pytest.raises(ValueError, match="fit comes before"):
        model.predict([["a"]], TagBaseline.WORD)
    with pytest.raises(ValueError, match="no words"):
        model.fit([([], [])])
    with pytest.raises(ValueError, match="2 words, but 1"):
        model.fit([(["a", "b"], ["A"])])
    with pytest.raises(ValueError, match="no way 'best'"):
        model.fit(SENTENCES).predict([["a"]], "best")


# The nearest neighbour


def plain_similarities(sources: list[str], query: str, order: int) -> list[float]:
    def bag(text: str) -> Counter[str]:
        return Counter(gram for n in range(1, order + 1) for gram in grams(text, n))

    bags = [bag(source) for source in sources]
    frequency = Counter(gram for its in bags for gram in its)

    def vector(its: Counter[str]) -> dict[str, float]:
        weights = {
            gram: (1 + log(count)) * log(len(sources) / frequency[gram])
            for gram, count in its.items()
            if gram in frequency
        }
        length = sqrt(sum(weight**2 for weight in weights.values()))
        return {gram: weight / (length or 1) for gram, weight in weights.items()}

    asked = vector(bag(query))
    return [
        sum(weight * asked.get(gram, 0) for gram, weight in vector(its).items()) for its in bags
    ]


@settings(max_examples=100)
@given(some_texts, st.lists(texts, min_size=1, max_size=4), st.integers(1, 3))
def test_the_nearest_neighbour_is_the_most_similar(
    sources: list[str], queries: list[str], order: int
) -> None:
    model = NearestNeighbour(order).fit(sources, sources)
    for query, found in zip(queries, model.nearest(queries), strict=True):
        similar = plain_similarities(sources, query, order)
        assert similar[found] == pytest.approx(max(similar), abs=1e-9)


def test_a_training_source_finds_its_own_target() -> None:
    sources = ["go", "run!", "who?", "wow!", "run", "go"]
    model = NearestNeighbour().fit(sources, ["a", "b", "c", "d", "e", "f"])
    assert model.predict(["who?", "run", "go", "run!!!"]) == ["c", "e", "a", "b"]


def test_queries_without_known_ngrams_get_the_first_answer() -> None:
    model = NearestNeighbour().fit(["go", "run"], ["a", "b"])
    assert model.predict(["", "ÿÿ", "run"]) == ["a", "a", "b"]
    assert NearestNeighbour().fit(["go"], ["a"]).predict(["stay"]) == ["a"]


# Series


def oscillation(
    length: int, noise: float = 0.0
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """x[t] = 1 + 1.5·x[t - 1] - 0.9·x[t - 2], two of them."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((length, 2))
    for t in range(2, length):
        x[t] = 1 + 1.5 * x[t - 1] - 0.9 * x[t - 2] + noise * rng.standard_normal(2)
    return x


def autoregression(train: npt.ArrayLike, test: npt.ArrayLike, *orders: Sequence[int]) -> float:
    """The mean squared error."""
    return float((autoregression_errors(train, test, *orders) ** 2).mean())


def test_an_autoregression_learns_one_exactly() -> None:
    x = oscillation(60)
    assert autoregression(x[:50], x[50:]) < 1e-20
    assert autoregression(x[:50, 0], x[50:, 0]) < 1e-20
    assert autoregression(x[:50, 0], x[50:, 0], [1]) > 1e-3


def test_an_autoregression_of_order_1_is_a_line() -> None:
    x = oscillation(60, noise=0.5)[:, 0]
    slope, intercept = np.polyfit(x[:49], x[1:50], 1)
    expected = np.mean((x[50:] - slope * x[49:-1] - intercept) ** 2)
    assert autoregression(x[:50], x[50:], [1]) == pytest.approx(expected)


def test_the_first_test_value_follows_the_end_of_the_training_part() -> None:
    x = oscillation(60)
    assert autoregression(x[:50], x[50:51]) < 1e-20


def test_the_order_is_the_best_of_the_last_tenth() -> None:
    """And not on the test, which follows another law."""
    x = oscillation(100, noise=0.1)
    for test in (x[90:], np.zeros((5, 2)), 100 * np.eye(2)):
        assert autoregression(x[:90], test, [1, 2]) == pytest.approx(
            autoregression(x[:90], test, [2])
        )


def test_a_constant_series_is_predicted_exactly() -> None:
    assert autoregression(np.full(30, 7.0), np.full(5, 7.0)) == pytest.approx(0, abs=1e-20)


def test_orders_too_long_for_the_series_are_skipped() -> None:
    x = oscillation(60)[:, 0]
    # Of 10 values 9 are learned: with p = 4 there are 5 equations of 5 unknowns, with 5 too few.
    assert autoregression(x[:10], x[10:], [2, 5, 8]) == autoregression(x[:10], x[10:], [2])
    assert autoregression(x[:10], x[10:], [4]) >= 0
    with pytest.raises(ValueError, match="too short for the orders"):
        autoregression(x[:10], x[10:], [5])


def test_series_baselines_refuse_invalid_arguments() -> None:
    x = oscillation(20)
    with pytest.raises(ValueError, match="finite"):
        autoregression([1.0, np.nan], [1.0])
    with pytest.raises(ValueError, match="shape"):
        autoregression(np.zeros((2, 2, 2)), x)
    for test in (x[:0], x[:, :1]):
        with pytest.raises(ValueError, match="cannot predict"):
            autoregression(x, test)
    for orders in ([], [0, 1]):
        with pytest.raises(ValueError, match="orders must be"):
            autoregression(x, x, orders)


# Real corpora


def test_naive_bayes_classifies_real_questions(corpora: Path) -> None:
    def read(name: str) -> tuple[list[str], list[str]]:
        lines = (corpora / "trec-question-class" / name).read_text("latin-1").splitlines()
        pairs = [line.split(" ", 1) for line in lines]
        return [text for _, text in pairs], [label.partition(":")[0] for label, _ in pairs]

    asked, gold = read("test.txt")
    assert accuracy(gold, NaiveBayes().fit(*read("train.txt")).predict(asked)) > 0.8


def test_naive_bayes_tells_the_nationality_of_real_names(corpora: Path) -> None:
    pairs = {
        (name.strip(), file.stem)
        for file in (corpora / "names-nationality").glob("*.txt")
        for name in file.read_text("utf-8").splitlines()
    }
    examples = random.Random(0).sample(sorted(pairs), len(pairs))
    names, labels = [name for name, _ in examples], [label for _, label in examples]
    cut = len(examples) // 5
    predicted = NaiveBayes().fit(names[cut:], labels[cut:]).predict(names[:cut])
    assert accuracy(labels[:cut], predicted) > 0.79


def test_frequent_tags_fit_a_real_treebank(corpora: Path) -> None:
    def read(part: str) -> list[tuple[list[str], list[str]]]:
        file = corpora / "ud-english-atis-pos" / f"en_atis-ud-{part}.conllu"
        sentences = []
        for block in file.read_text("utf-8").strip().split("\n\n"):
            rows = [line.split("\t") for line in block.splitlines() if line[0].isdigit()]
            sentences.append(([row[1] for row in rows], [row[3] for row in rows]))
        return sentences

    model = TagBaseline().fit(read("train"))
    test = read("test")
    gold = [tag for _, tags in test for tag in tags]
    right = {
        way: accuracy(gold, list(chain(*model.predict([words for words, _ in test], way))))
        for way in TagBaseline.WAYS
    }
    assert right[TagBaseline.WORD] == pytest.approx(0.960, abs=0.002)
    assert right[TagBaseline.NEIGHBOURS] > 0.985


def _labelled(seed: int, count: int, *, told: bool) -> tuple[list[npt.NDArray[np.intp]], Any]:
    """Texts over {3, ..., 8} between 1 and 2; ``told``: those of label k are multiples of k."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(1, 3, size=count)
    steps = labels if told else rng.integers(1, 3, size=count)
    texts = [
        np.array([1, *(3 + (start + step * np.arange(length)) % 6), 2])
        for step, start, length in zip(
            steps, rng.integers(6, size=count), rng.integers(1, 12, size=count), strict=True
        )
    ]
    return texts, labels


def test_label_ngrams_help_where_labels_are_informative() -> None:
    for told, least, most in ((True, 0.05, 0.2), (False, -0.02, 0.03)):
        train, val, test = (_labelled(k, n, told=told) for k, n in ((1, 400), (2, 80), (3, 80)))
        name, *parts = labelled_ngrams(train, val, test, 9)
        nats = share(parts[1])
        everything = KneserNey(np.concatenate(train[0]), 9)
        part = Texts(*test)
        assert part.written.sum() == sum(len(text) - 1 for text in test[0])
        alone = -np.log(everything.probabilities(part.ids)[0][part.written]).mean()
        assert least < alone - nats < most
        assert name.endswith("-gram of all texts")
        if told:
            assert name.startswith("n-grams of each label, mixed with the ")
        for (texts, _), own in zip((val, test), parts, strict=True):
            assert own[:, 1].tolist() == [len(text) - 1 for text in texts]
    # A label that nothing trains with says nothing.
    test = test[0], np.full(len(test[0]), 7)
    *_, unknown = labelled_ngrams(train, val, test, 9)
    assert share(unknown) == pytest.approx(alone, abs=0.05)


def test_the_parts_of_texts_are_in_the_order_given() -> None:
    """Whatever the order of their labels is."""
    texts = [np.array(ids) for ids in ([1, 3, 2], [1, 4, 5, 2], [1, 2], [1, 5, 2])]
    labels = np.array([2, 1, 2, 1])
    ours = Texts(texts, labels)
    assert ours.ids.tolist() == [1, 4, 5, 2, 1, 5, 2, 1, 3, 2, 1, 2]
    p = np.exp(-ours.ids)
    p[~ours.written] = 0
    assert ours.parts(p).tolist() == [[5, 2], [11, 3], [2, 1], [7, 2]]


def test_nearest_neighbours_translate_real_sentences(corpora: Path) -> None:
    lines = (corpora / "tatoeba-eng-fra" / "eng-fra.tsv").read_text("utf-8").splitlines()
    french: dict[str, list[str]] = {}
    pairs = [tuple(line.split("\t")[:2]) for line in lines]
    for english, translation in sorted(pairs, key=lambda pair: len("".join(pair)))[:20_000]:
        french.setdefault(english, []).append(translation)
    sources = random.Random(0).sample(sorted(french), len(french))
    asked, learned = sources[:300], sources[1300:]
    pairs = [(source, target) for source in learned for target in french[source]]
    model = NearestNeighbour().fit([s for s, _ in pairs], [t for _, t in pairs])
    rate = character_error_rate(model.predict(asked), [french[source] for source in asked])
    assert 0.40 < rate < 0.50
