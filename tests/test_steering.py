"""Texts that end, go back and avoid passages, symbol by symbol."""

from typing import Any

import numpy as np
import pytest

from charrnn.errors import StuckError
from charrnn.nn.cells import parse_cell
from charrnn.nn.models import SequenceModel
from charrnn.nn.parameters import Parameters
from charrnn.nn.types import Array
from charrnn.sampling import Choice, retreat
from charrnn.sampling import texts as texts_module
from charrnn.sampling.again import Refusal
from charrnn.sampling.choice import streams
from charrnn.sampling.passages import Passages, sorted_windows
from charrnn.sampling.repeats import LEAST, MOST, REMEMBERED, Repeats
from charrnn.sampling.text import Text
from charrnn.sampling.texts import FURTHEST, Steering, write
from charrnn.sampling.voices import MixedVoice, ModelVoice, Voice, log_softmax

SIZE = 5
CHI2 = 27.9  # the 0.999 quantile for nine degrees of freedom, and more than those for fewer


class Table:
    """A voice that only depends on the last symbol: row s of P has the probabilities after s."""

    def __init__(self, p: Any) -> None:
        with np.errstate(divide="ignore"):
            self.log_p = np.log(np.array(p, dtype=float))

    @property
    def size(self) -> int:
        return len(self.log_p)

    @property
    def states(self) -> list[Array]:
        return []

    def begin(self, prime: Array) -> "Table":
        return self

    def keep(self, rows: Any) -> None:
        """There is nothing to keep."""

    def step(self, symbols: Array) -> Array:
        y: Array = self.log_p[symbols]
        return y


def network(seed: int = 3, size: int = SIZE) -> ModelVoice:
    """A small network whose state matters."""
    model = SequenceModel(size, size, parse_cell("gru", 8), 2)
    parameters = model.init(np.random.default_rng(seed), np.float64)
    parameters.flat *= 3
    return ModelVoice(model, parameters)


def written(
    voice: Voice,
    length: int,
    count: int = 1,
    choice: Choice = Choice(),  # noqa: B008 - it is frozen
    seed: int = 0,
    prime: Any = (0,),
    **steering: Any,
) -> list[Text]:
    """The texts when all have ended."""
    start = np.tile(np.array(prime)[:, None], count)
    numbers = streams(np.random.default_rng(seed), count)
    *_, texts = write(voice, start, length, numbers, choice, Steering(**steering))
    return texts


def symbols(text: Text) -> list[int]:
    """The written symbols, up to the end."""
    return text.symbols[text.first : text.end].tolist()


def assert_distributed(drawn: Any, expected: Any) -> None:
    """χ² is below its 0.999 quantile, and excluded symbols do not occur."""
    expected = np.array(expected) / np.sum(expected)
    found = np.bincount(drawn, minlength=len(expected))
    assert not found[expected == 0].any()
    seen = expected > 0
    wanted = expected[seen] * found.sum()
    assert ((found[seen] - wanted) ** 2 / wanted).sum() < CHI2


P = [0.1, 0.3, 0.2, 0.25, 0.15]


def test_excluded_symbols_leave_the_others_unchanged() -> None:
    """Also for the filters that follow, which see what is left."""
    voice = Table([P] * 5)
    for choice, expected in (
        (Choice(), [0.1, 0, 0.2, 0.25, 0]),
        (Choice(top_k=2), [0, 0, 0.2, 0.25, 0]),
        (Choice(top_p=0.8), [0, 0, 0.2, 0.25, 0]),
        (Choice(min_p=0.5), [0, 0, 0.2, 0.25, 0]),
    ):
        texts = written(voice, 100, 1000, choice, never=(1, 4))
        assert_distributed([s for text in texts for s in symbols(text)], expected)


# The repeat penalty


def lowered(text: list[int], size: int, penalty: float) -> list[float]:
    """The divisor of a probability, as docs/sampling.md defines it."""
    last = text[-REMEMBERED:]
    divisors = []
    for symbol in range(size):
        longest = 0
        for at in range(1, len(last)):
            if last[at] == symbol:
                m = 0
                while m < min(at, MOST) and last[at - 1 - m] == last[len(last) - 1 - m]:
                    m += 1
                longest = max(longest, m)
        divisors.append(penalty ** max(longest - LEAST + 1, 0))
    return divisors


@pytest.mark.parametrize("length", [1, 4, 30, 499, 500, 501, 1400])
def test_the_repeat_penalty_follows_its_definition(length: int) -> None:
    """Compared with the definition on growing texts, with and without loops."""
    rng = np.random.default_rng(length)
    texts = rng.integers(3, size=(length, 4))
    texts[:, 1] = np.arange(length) % 7 % 3
    texts[:, 2] = 2
    expected = [lowered(text, 3, 1.5) for text in texts.T.tolist()]
    assert (np.array(expected) > 1).any() == (length > 20)
    for begun in (1, length):
        repeats = Repeats(texts[:begun])
        for row in texts[begun:]:
            repeats.push(row)
        y = np.zeros((4, 3))
        repeats.lower(y, 1.5)
        np.testing.assert_allclose(np.exp(-y), expected)


def test_a_text_under_the_repeat_penalty_is_drawn_as_defined() -> None:
    """10⁵ draws after the same text, where symbols would continue passages of 4, 5 and 6."""
    prime = [0, 1, 2, 3, 4, 9, 8, 1, 2, 3, 4, 0, 7, 2, 3, 4, 9, 6, 1, 2, 3, 4]
    divisors = lowered(prime, 10, 1.3)
    assert len(set(divisors)) > 1
    p = np.linspace(1, 2, 10)
    y = np.log(p)[None]
    Repeats(np.array(prime)[:, None]).lower(y, 1.3)
    drawn = Choice(0.5).draw(np.tile(y, (100_000, 1)), np.random.default_rng(0))
    assert_distributed(drawn, (p / divisors) ** 2)
    voice, choice = Table(np.tile(p, (10, 1))), Choice(0.5)
    texts = written(voice, 1, 10_000, choice, prime=prime, penalty=1.3)
    assert_distributed([symbols(text)[0] for text in texts], (p / divisors) ** 2)


# Stops


def test_a_text_ends_before_what_stops_it() -> None:
    voice = Table([P] * 5)
    texts = written(voice, 200, 50, stops=((1, 2), (3, 3, 3)))
    whole = written(voice, 200, 50)
    for text, other in zip(texts, whole, strict=True):
        full = symbols(other)
        ends = [k for k in range(200) if full[k : k + 2] == [1, 2] or full[k : k + 3] == [3] * 3]
        assert symbols(text) == full[: min(ends)]
        assert text.ended
    (text,) = written(voice, 20, stops=((1, 1, 1, 1, 1, 1, 1),))
    assert not text.ended
    assert len(symbols(text)) == 20


def test_the_prime_stops_nothing() -> None:
    """A stop must be written completely."""
    voice = Table(np.eye(5)[[1, 2, 3, 4, 0]])
    (text,) = written(voice, 20, prime=(0, 1), stops=((1, 2),))
    assert symbols(text) == [2, 3, 4, 0]


# Passages that must not stand in a text


def test_windows_have_the_hashes_that_a_growing_text_has() -> None:
    rng = np.random.default_rng(0)
    text = rng.integers(4, size=70_000)
    for length in (2, 3, 5, 8, 21):
        windows = sorted_windows([text, text[:1], text[:0]], 6, length)
        assert len(windows) == len(text) - length + 1
        assert (np.diff(windows.astype(object)) >= 0).all()
        places = [0, 100, 65_530, len(text) - length]
        own = [np.array(text[k : k + length]) for k in places] + [np.full(length, 5)]
        (*found, other) = [
            Passages([], 6, length, windows, 0) and _refuses(windows, passage, length)
            for passage in own
        ]
        assert all(found)
        assert not other


def _refuses(windows: Any, passage: Array, length: int) -> bool:
    text = Text(passage[:-1])
    passages = Passages([text.symbols], 6, length, windows, 0)
    text.symbols.append(int(passage[-1]))
    return passages.refused([0], [text.symbols]) == [0]


def copies(text: list[int], train: list[int], length: int) -> int:
    windows = {tuple(train[k : k + length]) for k in range(len(train) - length + 1)}
    return sum(tuple(text[k : k + length]) in windows for k in range(len(text) - length + 1))


def repeated(text: list[int], length: int) -> int:
    windows = [tuple(text[k : k + length]) for k in range(len(text) - length + 1)]
    return len(windows) - len(set(windows))


@pytest.mark.parametrize("choice", [Choice(), Choice(0.0), Choice(0.5, top_k=2)])
def test_no_passage_is_copied_and_the_text_continues(choice: Choice) -> None:
    """The symbols of the prime count as well."""
    voice, length = network(), 6
    train = [s for seed in range(9) for s in symbols(written(voice, 400, seed=seed)[0])]
    windows = sorted_windows([np.array(train)], SIZE + 1, length)
    prime = train[:5]
    assert copies(prime + symbols(written(voice, 300, prime=prime)[0]), train, length) > 100
    steering: dict[str, Any] = {"max_copy": length, "windows": windows}
    texts = written(voice, 300, 3, choice, prime=prime, **steering)
    for text in texts:
        assert len(symbols(text)) == 300
        assert copies(prime + symbols(text), train, length) == 0
    (alone,) = written(voice, 300, 1, choice, prime=prime, **steering)
    assert symbols(alone) == symbols(texts[0])


@pytest.mark.parametrize("length", [5, 12, 80])
def test_no_passage_is_repeated(length: int) -> None:
    """As long as that is possible: there are 3125 sequences of five symbols."""
    voice, full = network(), 200 if length == 5 else 1500
    for choice in (Choice(), Choice(0.0)):
        texts = written(voice, full, 2, choice, max_repeat=length)
        for text in texts:
            assert len(symbols(text)) == full
            assert repeated([0, *symbols(text)], length) == 0
    assert repeated(symbols(written(voice, 2000, choice=Choice(0.0))[0]), length) > 1000


def test_symbols_taken_back_leave_no_trace() -> None:
    """Each symbol costs what it does when the final text is read, including the penalty."""
    voice = network()
    prime = [1, 2, 3]
    for text in written(
        voice, 400, 3, Choice(0.3), prime=prime, max_repeat=7, penalty=1.1, guesses=True
    ):
        whole = np.array([*prime, *symbols(text)])[:, None]
        y, _, _ = voice.model.forward(
            voice.parameters, whole[:-1], voice.model.zero_state(1, np.float64)
        )
        log_p = log_softmax(y[:, 0])[2:]
        costs = log_p[np.arange(400), symbols(text)]
        np.testing.assert_allclose(text.costs, costs, rtol=1e-9)
        assert [guess.log_probability for guess in text.guesses] == text.costs.tolist()
        entropies = -(np.exp(log_p) * log_p).sum(axis=1)
        np.testing.assert_allclose([g.entropy for g in text.guesses], entropies, rtol=1e-9)
        best = [g.best for g in text.guesses]
        assert [[s for s, _ in row] for row in best] == np.argsort(-log_p, axis=1).tolist()
        np.testing.assert_allclose([[c for _, c in row] for row in best], -np.sort(-log_p, axis=1))


def test_symbols_taken_back_do_not_count_as_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    """The repeat penalty uses the current text."""
    made: list[Repeats] = []

    class Recorded(Repeats):
        def __init__(self, prime: Any) -> None:
            super().__init__(prime)
            made.append(self)

    monkeypatch.setattr(texts_module, "Repeats", Recorded)
    monkeypatch.setattr(texts_module, "FULL", 0)  # both are computed to the end
    start, numbers = np.zeros((1, 2), dtype=int), streams(np.random.default_rng(0), 2)
    rules, lengths = Steering(penalty=1.2, max_repeat=7), [0]
    for texts in write(network(), start, 300, numbers, Choice(0.3), rules):
        lengths.append(len(texts[0].symbols))
        for row, text in enumerate(texts):
            last = text.symbols[-20:].tolist()
            ends = made[0]._ends[row, : made[0]._end].tolist()
            assert text.end is not None or ends[-len(last) :] == last
    assert (np.diff(lengths) < 0).any()


def test_a_text_goes_back_to_the_most_promising_place() -> None:
    """0 1 2 3 is already there: 2 was the least certain, so another symbol replaces it."""
    p = np.full((5, 5), 0.02)
    for symbol, (after, sure) in enumerate([(1, 0.92), (2, 0.6), (3, 0.9), (0, 0.92), (0, 0.92)]):
        p[symbol] = (1 - sure) / 4
        p[symbol, after] = sure
    p[1, 4] = 0.25
    train = np.array([0, 1, 2, 3])
    windows = sorted_windows([train], 6, 4)
    (text,) = written(
        Table(p), 4, choice=Choice(0.0), prime=(4,), max_copy=4, windows=windows, scored=True
    )
    assert symbols(text) == [0, 1, 4, 0]


def test_an_excluded_symbol_may_follow_another_beginning() -> None:
    """After 0 1, neither 3 nor 0 is allowed; once 2 replaces 1, 3 is."""
    p = np.full((5, 5), 0.03)
    p[4, 0] = 0.88
    p[0, [1, 2]] = 0.6, 0.31
    p[1, [3, 0]] = 0.5, 0.41
    p[2, 3] = 0.88
    windows = sorted_windows([np.array([0, 1, 3]), np.array([0, 1, 0])], 6, 3)
    (text,) = written(Table(p), 3, choice=Choice(0.0), prime=(4,), max_copy=3, windows=windows)
    assert symbols(text) == [0, 2, 3]


def test_a_dead_end_is_reported() -> None:
    """Only one symbol is possible; or a passage is forbidden whatever comes."""
    with pytest.raises(StuckError, match="without the passages"):
        written(Table(np.eye(5)[[0] * 5]), 50, max_repeat=5)
    with pytest.raises(StuckError, match="without the passages"):
        written(Table([P] * 5), 100, max_repeat=2)


def test_the_search_for_a_text_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """If there is a continuation, but only after many attempts."""
    monkeypatch.setattr(retreat, "PATIENCE", 10)
    with pytest.raises(StuckError, match="without the passages"):
        written(network(), 200, 2, Choice(0.0), max_repeat=5)


def test_refused_symbols_do_not_count_as_written() -> None:
    """2 3 was at the end of a copy that was taken back: it may occur elsewhere."""
    train = np.array([0, 1, 2, 3])
    text = Text(np.array([4, 0, 1, 2]))
    passages = Passages([text.symbols], 6, 4, sorted_windows([train], 6, 4), 2)
    text.symbols.append(3)
    assert passages.refused([0], [text.symbols]) == [0]
    text.cut(4)
    passages.take_back(0, 4, refused=True)
    for symbol in (4, 2, 3):
        text.symbols.append(symbol)
        assert passages.refused([0], [text.symbols]) == []
    text.symbols.append(4)
    assert passages.refused([0], [text.symbols]) == []
    text.symbols.append(0)  # as at the beginning
    assert passages.refused([0], [text.symbols]) == [0]


@pytest.mark.parametrize("steering", [{}, {"max_repeat": 9}, {"stops": ((1, 2, 1),)}])
def test_settled_text_never_changes(steering: dict[str, Any]) -> None:
    """Although texts go back, or end before what has been written."""
    voice, choice = network(), Choice(0.3)
    rules = Steering(**steering)
    start, numbers = np.zeros((1, 4), dtype=int), streams(np.random.default_rng(1), 4)
    said: list[list[int]] = [[] for _ in range(4)]
    behind = 0
    for texts in write(voice, start, 300, numbers, choice, rules):
        for text, known in zip(texts, said, strict=True):
            upto = text.certain(rules.held)
            now = text.symbols[text.first : upto].tolist()
            assert now[: len(known)] == known
            known[:] = now
            behind = max(behind, 0 if text.end is not None else len(text.symbols) - upto)
    assert [symbols(text) for text in texts] == said
    assert behind == {"max_repeat": 5, "stops": 2}.get(next(iter(steering), ""), 0)
    assert Steering(max_copy=1000).places == FURTHEST


def test_all_steering_is_independent_of_the_number_of_texts() -> None:
    voice = network()
    train = symbols(written(voice, 2000, seed=9)[0])
    windows = sorted_windows([np.array(train)], SIZE + 1, 8)
    steering: dict[str, Any] = {
        "never": (4,),
        "stops": ((3, 3, 3, 3, 3, 3),),
        "penalty": 1.2,
        "max_copy": 8,
        "windows": windows,
        "max_repeat": 11,
        "scored": True,
    }
    choice = Choice(0.9, top_k=4, top_p=0.98, min_p=0.01)
    together = written(voice, 250, 5, choice, **steering)
    for count in (1, 2):
        fewer = written(voice, 250, count, choice, **steering)
        assert [symbols(a) for a in fewer] == [symbols(b) for b in together[:count]]
    assert len({tuple(symbols(text)) for text in together}) == 5


def test_texts_that_have_ended_are_no_longer_computed() -> None:
    """Symbol 0 ends a text; the others must not change with that."""
    seen: list[int] = []

    class Counted(Table):
        def step(self, symbols: Array) -> Array:
            seen.append(len(symbols))
            return super().step(symbols)

    texts = written(Counted([P] * 5), 300, 200, stops=((0,),), prime=(1,))
    lengths = np.array([len(symbols(text)) for text in texts])
    for step, count in enumerate(seen):
        going = (lengths >= step).sum()
        assert going <= count <= going / texts_module.FULL + 1
    assert len(seen) == lengths.max() + 1
    assert seen[-1] < 5


WAYS: dict[str, dict[str, Any]] = {
    "plain": {},
    "penalty": {"penalty": 1.3},
    "passages": {
        "max_repeat": 9,
        "max_copy": 8,
        "windows": sorted_windows([np.arange(300) * 7 // 3 % SIZE], SIZE + 1, 8),
    },
    "items": {"refusal": Refusal({0}, 1, 30, lambda item: len(item) in (2, 5, 6))},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("mixed", [False, True])
def test_texts_are_the_same_when_others_are_dropped(
    way: str, mixed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their states, random numbers, places and passages remain theirs."""
    voice: Voice = network()
    if mixed:
        table, known = np.arange(SIZE), np.ones(SIZE, dtype=bool)
        voice = MixedVoice([network(), network(4)], [table] * 2, [known] * 2, [0.5, 0.5])
    steering = {"stops": ((0,),), "scored": True, "guesses": True, **WAYS[way]}
    alike = written(voice, 200, 40, Choice(0.9), prime=(1,), **steering)
    monkeypatch.setattr(texts_module, "FULL", 0)
    for text, whole in zip(
        alike, written(voice, 200, 40, Choice(0.9), prime=(1,), **steering), strict=True
    ):
        assert symbols(text) == symbols(whole)
        assert (text.ended, text.copies, text.end) == (whole.ended, whole.copies, whole.end)
        np.testing.assert_allclose(text.costs, whole.costs, rtol=1e-9)
        assert [guess.best[0][0] for guess in text.guesses] == [
            guess.best[0][0] for guess in whole.guesses
        ]
    assert len({len(text.symbols) for text in alike}) > 5


# Several voices as one


def test_voices_together_give_the_mean_of_their_probabilities() -> None:
    """The second model lacks symbols 1 and 3: it reads symbol 0 instead, and predicts neither."""
    one, other = network(1, 5), network(2, 3)
    tables = [np.arange(5), np.array([0, 0, 1, 0, 2])]
    known = [np.ones(5, dtype=bool), np.array([1, 0, 1, 0, 1], dtype=bool)]
    mixed = MixedVoice([one, other], tables, known, [0.75, 0.25])
    text = np.array([[0, 3], [3, 1], [2, 4], [1, 0], [4, 2]])
    reading = mixed.begin(text[:2])
    for at in range(1, 5):
        found = np.exp(reading.step(text[at]))
        p = np.zeros((2, 5))
        for voice, table, knows, weight in zip(
            mixed.voices, tables, known, (0.75, 0.25), strict=True
        ):
            assert isinstance(voice, ModelVoice)
            whole, state = table[text[: at + 1]], voice.model.zero_state(2, np.float64)
            y, _, _ = voice.model.forward(voice.parameters, whole, state)
            own = np.exp(log_softmax(y[-1]))
            p[:, knows] += weight * own
        np.testing.assert_allclose(found, p, rtol=1e-9)
        np.testing.assert_allclose(found.sum(axis=1), 1)
    assert len(reading.states) == 4


def test_voices_together_can_go_back_too() -> None:
    one, other = network(1), network(2)
    table, known = np.arange(SIZE), np.ones(SIZE, dtype=bool)
    mixed = MixedVoice([one, other], [table] * 2, [known] * 2, [0.5, 0.5])
    for text in written(mixed, 500, 2, Choice(0.0), max_repeat=8):
        assert repeated([0, *symbols(text)], 8) == 0
        assert len(symbols(text)) == 500
    (same,) = written(MixedVoice([one, one], [table] * 2, [known] * 2, [0.3, 0.7]), 300)
    (alone,) = written(one, 300)
    assert symbols(same) == symbols(alone)


def test_a_damaged_model_is_detected() -> None:
    from charrnn.errors import DivergedError

    voice = network()
    spoilt = Parameters(voice.model.shapes(), np.float64)
    spoilt.fill(voice.parameters)
    spoilt.flat[:] = np.nan
    with pytest.raises(DivergedError):
        written(ModelVoice(voice.model, spoilt), 5)
