"""Choosing the next symbol, and writing symbol by symbol."""

from typing import Any, cast

import numpy as np
import pytest

from charrnn.nn.cells import parse_cell
from charrnn.nn.models import SequenceModel
from charrnn.nn.parameters import Parameters
from charrnn.nn.types import Array
from charrnn.sampling import Choice, Scratch, Streams, sample, voices

DRAWS = 100_000
P = np.array([0.05, 0.4, 0.0, 0.25, 0.2, 0.1])
with np.errstate(divide="ignore"):
    LOGITS = np.log(P) + 700.0  # large, as they may be: e^700 is still a number, its square is not


def frequencies(choice: Choice, logits: Array = LOGITS) -> Array:
    rng = np.random.default_rng(0)
    drawn = choice.draw(np.tile(logits, (DRAWS, 1)), rng)
    assert drawn.shape == (DRAWS,)
    return np.bincount(drawn, minlength=len(logits)) / DRAWS


def assert_distributed(found: Array, expected: Array) -> None:
    """χ² over the possible symbols is below its 0.999 quantile; the others never occur."""
    expected = expected / expected.sum()
    assert not found[expected == 0].any()
    seen = expected > 0
    statistic = DRAWS * float(((found - expected)[seen] ** 2 / expected[seen]).sum())
    assert statistic < {1: 1e-9, 2: 10.8, 3: 13.8, 4: 16.3, 5: 18.5, 6: 20.6}[int(seen.sum())]


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5])
def test_temperature_sharpens_and_flattens(temperature: float) -> None:
    """p ∝ e^(y/τ), so p ∝ p₁^(1/τ)."""
    assert_distributed(frequencies(Choice(temperature)), P ** (1 / temperature))


@pytest.mark.parametrize("k", [1, 2, 3, 5, 6, 100])
def test_top_k_draws_among_the_likeliest(k: int) -> None:
    p = np.array([0.05, 0.4, 0.02, 0.25, 0.18, 0.1])
    expected = np.where(np.argsort(np.argsort(-p)) < k, p, 0)
    assert_distributed(frequencies(Choice(top_k=k), np.log(p)), expected)


def test_top_k_draws_among_k_even_where_more_are_equally_likely() -> None:
    """The first of them are kept; k = 1 is greedy."""
    equal = np.zeros(10)
    assert_distributed(frequencies(Choice(top_k=1), equal), np.eye(10)[0])
    equal[4] = 1
    expected = np.zeros(10)
    expected[[0, 1, 4]] = 1, 1, np.e
    assert_distributed(frequencies(Choice(top_k=3), equal), expected)


@pytest.mark.parametrize(
    ("top_p", "kept"),
    [(1e-9, [1]), (0.39, [1]), (0.41, [1, 3]), (0.64, [1, 3]), (0.66, [1, 3, 4]), (0.86, [0])],
)
def test_top_p_draws_among_the_fewest_that_reach_it(top_p: float, kept: list[int]) -> None:
    """The symbol that reaches the limit is kept: 0.64 needs 0.4 and 0.25."""
    kept = [1, 3, 4, 5] if kept == [0] else kept
    expected = np.where(np.isin(np.arange(6), kept), P, 0)
    assert_distributed(frequencies(Choice(top_p=top_p)), expected)


@pytest.mark.parametrize(("top_p", "kept"), [(0.25, 1), (0.5, 2), (0.75, 3), (1.0, 4)])
def test_symbols_that_reach_top_p_exactly_are_enough(top_p: float, kept: int) -> None:
    """Two of four equally likely symbols have a probability of 0.5; a third is not needed."""
    choice = Choice(top_p=top_p)
    assert_distributed(frequencies(choice, np.zeros(4)), (np.arange(4) < kept).astype(float))


def test_top_p_is_of_what_temperature_and_top_k_leave() -> None:
    """Of the three likeliest at τ = 1/2 (0.16 : 0.0625 : 0.04) the first two have 85 %."""
    choice = Choice(temperature=0.5, top_k=3, top_p=0.8)
    assert_distributed(frequencies(choice), np.array([0, 0.16, 0, 0.0625, 0, 0]))


@pytest.mark.parametrize(
    ("min_p", "kept"), [(0.0, [1, 3, 4, 5, 0]), (0.2, [1, 3, 4, 5]), (0.55, [1, 3]), (1.0, [1])]
)
def test_min_p_draws_among_those_near_the_likeliest(min_p: float, kept: list[int]) -> None:
    """0.1 is a quarter of 0.4, 0.05 an eighth."""
    expected = np.where(np.isin(np.arange(6), kept), P, 0)
    assert_distributed(frequencies(Choice(min_p=min_p)), expected)


def test_symbols_exactly_at_min_p_are_kept() -> None:
    """Equally likely symbols are all kept, or none is."""
    logits = -np.log(2) * np.array([1, 0, 1, 2, 0])
    kept = np.array([0.5, 1, 0.5, 0, 1])
    assert_distributed(frequencies(Choice(min_p=0.5), logits), kept)
    assert_distributed(frequencies(Choice(min_p=1), logits), (kept == 1).astype(float))


def defined(logits: Array, choice: Choice) -> Array:
    """The definitions of docs/sampling.md, in the same order, symbol by symbol."""
    heights = [float(y) / choice.temperature for y in logits]
    p = [np.exp(y - max(heights)) for y in heights]
    ranks = sorted(range(len(p)), key=lambda s: (-logits[s], s))
    kept = set(ranks[: choice.top_k or len(p)])
    whole = sum(p[s] for s in kept)
    enough, fewest = 0.0, set()
    for s in ranks:
        if s in kept and (enough < choice.top_p * whole or choice.top_p == 1):
            fewest.add(s)
            enough += p[s]
    kept = {s for s in fewest if p[s] >= choice.min_p * max(p)}
    return np.array([p[s] if s in kept else 0.0 for s in range(len(p))])


@pytest.mark.parametrize("seed", range(12))
def test_combined_filters_follow_their_definitions(seed: int) -> None:
    """Logits on a coarse grid, so that there are ties at the limit of every filter."""
    rng = np.random.default_rng(seed)
    logits = rng.integers(-3, 3, size=6) * np.log(2)
    choice = Choice(
        temperature=float(rng.choice([0.5, 1.0, 2.0])),
        top_k=int(rng.integers(0, 6)),
        top_p=float(rng.choice([0.4, 0.75, 0.9, 1.0])),
        min_p=float(rng.choice([0.0, 0.25, 0.5])),
    )
    assert_distributed(frequencies(choice, logits), defined(logits, choice))


@pytest.mark.parametrize("temperature", [0.0, 5e-324, 1e-300, 1e-12])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_temperature_zero_takes_the_likeliest(temperature: float, dtype: type) -> None:
    """Without a division by zero, an overflow or a warning."""
    logits: Array = np.random.default_rng(0).normal(0, 50, (200, 30)).astype(dtype)
    before = logits.copy()
    drawn = Choice(temperature).draw(logits, np.random.default_rng(1))
    assert (drawn == logits.argmax(axis=-1)).all()
    assert (logits == before).all()
    drawn = Choice(temperature, top_k=5, top_p=0.5).draw(logits, np.random.default_rng(1))
    assert (drawn == logits.argmax(axis=-1)).all()


def test_each_row_is_drawn_by_its_own_logits() -> None:
    logits = np.full((3, 4), -50.0)
    logits[[0, 1, 2], [3, 0, 2]] = 50
    for choice in (Choice(), Choice(top_k=2), Choice(top_p=0.9), Choice(0.0)):
        assert choice.draw(logits, np.random.default_rng(0)).tolist() == [3, 0, 2]


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_a_common_prime_is_read_once(cell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five equal primes are read as one; the texts are the same as if each had been read."""
    model = SequenceModel(6, 6, parse_cell(cell, 8), 2)
    parameters = model.init(np.random.default_rng(0), np.float64)
    prime = np.random.default_rng(1).integers(6, size=(300, 1))
    other = np.concatenate([prime[1:], prime[:1]])
    widths = []
    forward = SequenceModel.forward

    def recorded(self: SequenceModel, p: Parameters, x: Array, *rest: Any) -> Any:
        widths.append(x.shape[1])
        return forward(self, p, x, *rest)

    monkeypatch.setattr(SequenceModel, "forward", recorded)

    def write(primes: Array) -> Array:
        rng = np.random.default_rng(2)
        return np.array(list(sample(model, parameters, primes, 30, rng, Choice(0.0))))

    equal = write(np.tile(prime, 5))
    assert set(widths) == {1}
    mixed = write(np.concatenate([np.tile(prime, 5), other], axis=1))
    assert set(widths) == {1, 6}
    assert (equal == mixed[:, :5]).all()


def test_scratch_memory_does_not_change_draws() -> None:
    """It is reused many times, by choices of every kind."""
    logits = np.random.default_rng(0).normal(0, 2, (50, 9, 30)).astype(np.float32)
    rest = (Choice(1.3, top_p=0.8), Choice(min_p=0.1), Choice(0.8, 9, 0.9, 0.05))
    for choice in (Choice(0.0), Choice(0.7), Choice(top_k=4), *rest):
        scratch, one, other = Scratch((9, 30)), *map(np.random.default_rng, (1, 1))
        for y in logits:
            drawn = choice.draw(y, one, scratch)
            assert drawn is scratch.symbols
            assert (drawn == choice.draw(y, other)).all()


@pytest.mark.parametrize("mark", [0.0, 1 - 2.0**-53])
def test_the_ends_of_the_unit_interval_are_symbols_too(mark: float) -> None:
    """The smallest and largest number of a generator do not draw an impossible symbol."""

    class Fixed:
        def random(self, out: Array) -> None:
            out[...] = mark

    rng = cast(np.random.Generator, Fixed())
    logits = np.random.default_rng(0).normal(0, 3, (5000, 7))
    logits[:, [0, 6]] = -np.inf
    drawn = Choice().draw(logits, rng)
    assert (drawn == (1 if mark == 0 else 5)).all()


@pytest.mark.parametrize(
    "values",
    [
        {"temperature": -0.1},
        {"temperature": float("nan")},
        {"temperature": float("inf")},
        {"top_k": -1},
        {"top_p": 0.0},
        {"top_p": -1.0},
        {"top_p": 1.1},
        {"top_p": float("nan")},
        {"min_p": -0.1},
        {"min_p": 1.1},
        {"min_p": float("nan")},
    ],
)
def test_choices_out_of_range_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(values))):
        Choice(**values)


# Writing


def network(cell: str = "lstm") -> tuple[SequenceModel, Parameters]:
    model = SequenceModel(7, 7, parse_cell(cell, 8), 2)
    parameters = model.init(np.random.default_rng(3), np.float64)
    parameters.flat *= 2  # livelier: the likeliest symbol should change
    return model, parameters


GREEDY = Choice(0.0)


def written(prime: Array, length: int, choice: Choice = GREEDY, seed: int = 0) -> Array:
    model, parameters = network()
    rng = np.random.default_rng(seed)
    return np.stack(list(sample(model, parameters, prime, length, rng, choice)))


PRIME = np.random.default_rng(0).integers(0, 7, (40, 3)).astype(np.uint8)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "lstm,gates=cell,output=identity"])
def test_greedy_text_equals_one_long_forward_pass(cell: str) -> None:
    """Symbol by symbol with the state carried equals all at once, as in training."""
    model, parameters = network(cell)
    rng = np.random.default_rng(0)
    text = np.stack(list(sample(model, parameters, PRIME, 60, rng, Choice(0.0))))
    assert text.shape == (60, 3)
    whole = np.concatenate([PRIME, text]).astype(np.intp)
    y, _, _ = model.forward(parameters, whole, model.zero_state(3, np.float64))
    assert (y.argmax(axis=-1)[len(PRIME) - 1 : -1] == text).all()
    assert len(np.unique(text)) > 2


def test_streams_do_not_mix() -> None:
    """A text does not depend on the texts written beside it."""
    together = written(PRIME, 50)
    for n in range(3):
        assert (written(PRIME[:, n : n + 1], 50)[:, 0] == together[:, n]).all()
    assert not (together[:, 0] == together[:, 1]).all()


@pytest.mark.parametrize("size", [1, 2, 13, 38, 39, 40])
def test_long_primes_are_read_in_pieces(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    whole = written(PRIME, 50)
    monkeypatch.setattr(voices, "PRIME_CHUNK", size)
    assert (written(PRIME, 50) == whole).all()


def test_all_of_the_prime_is_read() -> None:
    """A change of any one symbol, even the first, can change what follows."""
    choice = Choice(1.0)
    base = written(PRIME[:4], 200, choice)
    for at in range(4):
        changed = PRIME[:4].copy()
        changed[at] = (changed[at] + 1) % 7
        assert not (written(changed, 200, choice) == base).all()


def test_seeds_decide_the_result() -> None:
    choice = Choice(1.0)
    assert (written(PRIME, 100, choice, 5) == written(PRIME, 100, choice, 5)).all()
    assert not (written(PRIME, 100, choice, 5) == written(PRIME, 100, choice, 6)).all()


def test_what_was_yielded_does_not_change() -> None:
    model, parameters = network()
    texts = list(sample(model, parameters, PRIME, 30, np.random.default_rng(0), Choice(1.0)))
    copies = []
    for symbols in sample(model, parameters, PRIME, 30, np.random.default_rng(0), Choice(1.0)):
        copies.append(symbols.copy())
        symbols[:] = 0  # nor does what is done to it
    assert all((a == b).all() for a, b in zip(texts, copies, strict=True))


def test_no_length_writes_nothing() -> None:
    model, parameters = network()
    assert list(sample(model, parameters, PRIME, 0, np.random.default_rng(0))) == []


def test_the_number_of_texts_changes_no_text() -> None:
    """Also beyond the block of numbers that are drawn at once."""
    choice, length = Choice(1.0), 3 * Streams.BLOCK // 2
    together = written(PRIME, length, choice)
    assert (written(PRIME[:, :1], length, choice)[:, 0] == together[:, 0]).all()
    assert (written(PRIME[:, :2], length, choice) == together[:, :2]).all()
    alike = written(np.repeat(PRIME[:, :1], 3, axis=1), length, choice)
    assert not (alike[:, 0] == alike[:, 1]).all()
    assert not (alike[:, 1] == alike[:, 2]).all()
