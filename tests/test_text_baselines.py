"""Baselines of texts against plain versions of themselves, and what they reach on real corpora."""

import lzma
from collections import Counter
from math import inf, log
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charrnn.baselines.compressors import compressed_nats
from charrnn.baselines.ngrams import KneserNey, _distinct
from charrnn.baselines.scores import MOST_TRAINING, SPEED, affordable, baselines
from charrnn.text.corpora import read_corpus
from charrnn.text.escapes import ESCAPE, KNOWN_NATS, SCALAR_VALUES, UNKNOWN_NATS, escape
from charrnn.text.vocab import Vocabulary

V = 4
symbols = st.lists(st.integers(0, V - 1), max_size=40)


class PlainKneserNey:
    """The equations, computed for one n-gram at a time."""

    def __init__(self, text: list[int], order: int) -> None:
        occurrences = [
            [tuple(text[k : k + n]) for k in range(len(text) - n + 1)] for n in range(order + 2)
        ]
        self.counts: list[Counter[tuple[int, ...]]] = [Counter()]
        highest = max((n for n in range(1, order + 1) if occurrences[n]), default=0)
        for n in range(1, highest + 1):
            before = set(occurrences[n + 1]) if n < highest else None
            self.counts.append(
                Counter(occurrences[n]) if before is None else Counter(gram[1:] for gram in before)
            )
        self.discounts = [0.0]
        for counts in self.counts[1:]:
            once, twice = (sum(c == k for c in counts.values()) for k in (1, 2))
            self.discounts.append(once / (once + 2 * twice) if once and twice else 0.5)

    def __call__(self, context: tuple[int, ...], symbol: int) -> tuple[float, int]:
        """The probability, and how much of the context was seen."""
        p, seen = 1 / V, 0
        for n in range(1, len(self.counts)):
            if n - 1 > len(context):
                break
            h = context[len(context) - n + 1 :]
            after = {gram: c for gram, c in self.counts[n].items() if gram[:-1] == h}
            if after:
                total, discount = sum(after.values()), self.discounts[n]
                own = max(after.get((*h, symbol), 0) - discount, 0)
                p = (own + discount * len(after) * p) / total
                seen = n - 1
        return p, seen


# N-grams


@settings(max_examples=150, deadline=None)
@given(symbols, symbols, st.integers(1, 5), st.integers(0, 8))
def test_probabilities_follow_the_equations(
    train: list[int], text: list[int], order: int, start: int
) -> None:
    start = min(start, len(text))
    plain = PlainKneserNey(train, order)
    found, matched = KneserNey(np.array(train, int), V, order).probabilities(
        np.array(text, int), start
    )
    for k, (p, length) in enumerate(zip(found, matched, strict=True), start=start):
        context = tuple(text[max(0, k - order + 1) : k])
        expected, seen = plain(context, text[k])
        assert p == pytest.approx(expected, rel=1e-12)
        assert length == seen


@settings(max_examples=60, deadline=None)
@given(symbols, st.lists(st.integers(0, V - 1), max_size=6), st.integers(1, 5))
def test_ngram_probabilities_sum_to_one_after_any_context(
    train: list[int], context: list[int], order: int
) -> None:
    model = KneserNey(np.array(train, dtype=np.uint8), V, order)
    after = [
        model.probabilities(np.array([*context, s], dtype=np.uint8), len(context))[0][0]
        for s in range(V)
    ]
    assert sum(after) == pytest.approx(1, abs=1e-12)
    assert min(after) > 0


def test_a_model_includes_all_lower_orders(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long text that is scored in pieces loses no context between them."""
    rng = np.random.default_rng(1)
    ids = rng.integers(V, size=500)
    large = KneserNey(ids[:400], V, 5)
    for order in range(1, 6):
        own, lengths = KneserNey(ids[:400], V, order).probabilities(ids, 400)
        for at_once in (1 << 20, 7):
            monkeypatch.setattr("charrnn.baselines.ngrams.AT_ONCE", at_once)
            p, matched = large.probabilities(ids, 400, order=order)
            np.testing.assert_array_equal(p, own)
            np.testing.assert_array_equal(matched, lengths)


@pytest.mark.parametrize(("phrased", "order"), [(False, 3), (True, 8)])
def test_the_order_is_chosen_by_the_end_of_the_training_text(phrased: bool, order: int) -> None:
    """By the losses of models of the text before it; then the whole text is counted."""
    rng = np.random.default_rng(3 if phrased else 1)
    phrases = [rng.integers(V, size=12) for _ in range(20)]
    ids = np.concatenate([phrases[k] for k in rng.integers(20, size=150)])
    if not phrased:  # only the symbol before says anything
        ids = np.cumsum(rng.integers(2, size=1800)) % V
    chosen = KneserNey(ids, V)
    cut = len(ids) - len(ids) // 20
    for n, loss in enumerate(chosen.losses, start=1):
        p, _ = KneserNey(ids[:cut], V, n).probabilities(ids, cut)
        assert loss == pytest.approx(-np.log(p).mean(), rel=1e-12)
    assert chosen.order == 1 + int(np.argmin(chosen.losses)) == order
    whole, _ = KneserNey(ids, V, chosen.order).probabilities(ids[:99])
    np.testing.assert_array_equal(chosen.probabilities(ids[:99])[0], whole)
    # Of a text that is too short to choose by, the usual one.
    short = KneserNey(ids[:999], V)
    assert (short.order, short.losses) == (5, [])


def test_numbers_too_large_to_sort_with_their_places_are_sorted_nevertheless() -> None:
    rng = np.random.default_rng(1)
    values = rng.integers(50, size=1000)
    expected = [*_distinct(values.copy())]
    ascending, places, numbers, counts = _distinct(values + (1 << 60))
    np.testing.assert_array_equal(values[places], expected[0])
    np.testing.assert_array_equal(ascending - (1 << 60), expected[0])
    np.testing.assert_array_equal(numbers, expected[2])
    np.testing.assert_array_equal(counts, expected[3])
    assert expected[3].sum() == 1000


def test_invalid_orders_and_symbols_are_refused() -> None:
    ids = np.array([0, 1, 2])
    for order, size in ((0, 3), (1, 0)):
        with pytest.raises(ValueError, match="no model"):
            KneserNey(ids, size, order)
    model = KneserNey(ids, 3, 2)
    for order in (0, 3):
        with pytest.raises(ValueError, match="order must be from 1 to 2"):
            model.probabilities(ids, order=order)
    for wrong in (3, -1):
        with pytest.raises(ValueError, match="symbols must be in"):
            model.probabilities(np.array([wrong]))


# Unknown characters


def test_escaping_is_a_code() -> None:
    """The probabilities of all characters, known or not, sum to one."""
    vocabulary = Vocabulary.of("char", np.array([ord(c) for c in "\nabc"]))
    text = escape(vocabulary, np.array([ord(c) for c in "aéb𝄞c"]))
    assert text.unknown.tolist() == [False, True, False, True, False]
    assert text.ids.tolist() == [1, 0, 2, 0, 3]
    known = np.full(5, log(4))
    charged = text.charge(known)
    assert charged[1] == charged[3] == pytest.approx(-log(ESCAPE / 1_112_064), rel=1e-12)
    assert charged[[0, 2, 4]] == pytest.approx(log(4) - log(1 - ESCAPE), rel=1e-12)
    assert SCALAR_VALUES * np.exp(-UNKNOWN_NATS) + np.exp(-KNOWN_NATS) == pytest.approx(1, rel=1e-9)
    np.testing.assert_array_equal(text.charge(known[2:], 2), charged[2:])
    # What the model makes of a symbol that stands for another has no say.
    np.testing.assert_array_equal(text.charge(np.where(text.unknown, np.nan, known)), charged)


def test_bytes_are_all_known() -> None:
    text = escape(Vocabulary.of("byte", np.array([], int)), np.arange(256))
    assert not text.unknown.any()
    np.testing.assert_array_equal(text.charge(np.ones(256)), 1)


# Compressors


def letters(count: int, seed: int) -> bytes:
    return np.random.default_rng(seed).integers(97, 113, count, dtype=np.uint8).tobytes()


def words(count: int, seed: int) -> bytes:
    """Random words from a hundred."""
    known = [letters(8, seed) for seed in range(100)]
    return b" ".join(known[k] for k in np.random.default_rng(seed).integers(100, size=count))


@pytest.mark.parametrize(
    ("name", "distance", "seen"),
    [
        ("gzip", 0, True),
        ("gzip", 29_000, True),
        ("gzip", 40_000, False),
        ("bz2", 0, True),
        ("bz2", 600_000, True),
        ("bz2", 1_200_000, False),
        ("xz", 0, True),
        ("xz", 300_000, True),
    ],
)
def test_how_far_back_each_compressor_looks(name: str, distance: int, seen: bool) -> None:
    text, digits = words(300, 1), bytes(c - 49 for c in letters(distance, 2))
    alone = compressed_nats(name, digits, text)
    cost = compressed_nats(name, text + digits, text)
    assert (cost < 0.8 * alone) is seen
    assert seen or cost == alone


def test_a_compressors_cost_is_the_added_size() -> None:
    train, text = words(500, 1), words(100, 2)
    added = len(lzma.compress(train + text)) - len(lzma.compress(train))
    assert compressed_nats("xz", train, text) == pytest.approx(8 * added * log(2))
    # One that is longer than a block knows nothing of what is before it.
    long = letters(1_000_000, 1)
    assert compressed_nats("bz2", long, long) == compressed_nats("bz2", b"", long)


# All of them


def test_what_each_baseline_needs() -> None:
    """Nothing is known of random letters but their number."""
    codes = np.frombuffer(letters(60_000, 1), dtype=np.uint8)
    vocabulary = Vocabulary.of("char", codes)
    found = dict(baselines(codes[:50_000], codes[50_000:], vocabulary))
    assert list(found) == ["unigram", "bigram", "gzip", "bz2", "xz"]
    assert found["unigram"] == pytest.approx(log(16), abs=1e-3)
    assert found["bigram"] == pytest.approx(log(16), abs=1e-2)
    assert all(log(16) - 1e-3 < nats < 1.2 * log(16) for nats in found.values())
    # A text that follows the pattern of what is before it is no news to contexts.
    pattern = np.tile(codes[:16], 1000)
    found = dict(baselines(pattern[:8000], pattern[8000:], vocabulary))
    (name,) = (name for name in found if name.endswith("-gram"))
    assert found[name] < 0.05 < 1 < found["unigram"]


def test_the_first_character_is_predicted_after_the_text_before() -> None:
    train = np.array([ord(c) for c in "ab" * 200])
    vocabulary = Vocabulary.of("char", train)
    (_, after_b, *_) = baselines(train, train[:1], vocabulary)
    (_, after_a, *_) = baselines(train, train[:1], vocabulary, before=train[:1])
    assert after_b.nats < 0.1 < 2 < after_a.nats


def test_unknown_characters_cost_what_the_rule_states() -> None:
    train = np.array([ord(c) for c in "abcab\n" * 50])
    text = np.array([ord(c) for c in "abé"])
    vocabulary = Vocabulary.of("char", train)
    found = dict(baselines(train, text, vocabulary))
    known = dict(baselines(train, text[:2], vocabulary))
    for name in ("unigram", "bigram", "5-gram"):  # of a text so short
        assert 3 * found[name] - 2 * known[name] == pytest.approx(UNKNOWN_NATS, rel=1e-9)
    # Bytes do not know what a character is.
    byte = baselines(train, np.array([0xC3, 0xA9]), Vocabulary.of("byte", train))
    assert all(np.isfinite(nats) for _, nats in byte)
    assert byte[0].nats < UNKNOWN_NATS


def test_only_the_end_of_a_long_training_text_is_used() -> None:
    rng = np.random.default_rng(1)
    train, text = rng.integers(97, 101, 1000), rng.integers(97, 101, 50)
    vocabulary = Vocabulary.of("char", train)
    whole = baselines(train, text, vocabulary)
    capped = baselines(train, text, vocabulary, most=300)
    assert capped == baselines(train[-300:], text, vocabulary)
    assert capped != whole


def test_the_training_text_is_limited_by_the_time() -> None:
    assert affordable(1000, inf) == (1000, 1000 / SPEED)
    assert affordable(10 * MOST_TRAINING, inf)[0] == MOST_TRAINING
    assert affordable(10 * SPEED, 4.0) == (4 * SPEED, 4.0)
    assert affordable(1000, 0.0)[0] == 1


@pytest.mark.parametrize("size", [1, 2, 3])
def test_baselines_of_tiny_texts_are_finite(size: int) -> None:
    codes = np.arange(97, 97 + size + 1)
    found = baselines(codes[:size], codes[size:], Vocabulary.of("char", codes))
    assert all(np.isfinite(nats) for _, nats in found)


def test_figures_of_real_corpora(corpora: Path) -> None:
    for path, order, expected in (
        ("tinyshakespeare/input.txt", 6, [3.3473, 2.4844, 1.5580, 2.15, 1.57, 1.74]),
        ("tang-poems-zh/tang300.txt", 8, [6.4607, 5.4105, 5.2412, 7.81, 5.87, 6.93]),
        ("irish-abc/irish.abc", 10, [3.3750, 2.4245, 1.6985, 1.66, 1.42, 1.38]),
    ):
        codes = read_corpus([str(corpora / path)]).codes
        split = len(codes) - round(len(codes) / 10)
        found = baselines(codes[:split], codes[split:], Vocabulary.of("char", codes))
        assert found[2].name == f"{order}-gram"
        nats = [one.nats for one in found]
        assert nats[:3] == pytest.approx(expected[:3], abs=1e-4)
        assert nats[3:] == pytest.approx(expected[3:], abs=0.02)  # by the compressors' versions
