"""Sharing lanes out: the sums equal the batch's, whichever process computes which lanes."""

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import cross_entropy

from charrnn.engine import LEAST_LANES, MOST_SHARDS, Engine, shards
from charrnn.gradcheck import check_outputs
from charrnn.nn import products
from charrnn.nn.cells import CELLS, Cell, all_variants, parse_cell
from charrnn.nn.models import SequenceModel
from charrnn.nn.parameters import Parameters
from charrnn.nn.products import StepProduct, Tile, by_gate, choose_tile
from charrnn.nn.stepper import Stepper
from charrnn.nn.types import Array, State
from charrnn.nn.workspace import Workspace

VOCAB = 7
every_variant = pytest.mark.parametrize(
    "cell",
    [cell for kind in CELLS.values() for cell in all_variants(kind, 4)],
    ids=lambda cell: cell.label,
)


@pytest.fixture
def small_panels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Divide matrices of four rows and columns into panels, whatever this machine's library is."""
    monkeypatch.setattr(products, "choose_tile", lambda *sizes: Tile(2, 2))


def batch(
    model: SequenceModel, batch_size: int, seq_len: int = 5
) -> tuple[Parameters, Array, State]:
    rng = np.random.default_rng(3)
    parameters = model.init(rng, np.float64)
    text = rng.integers(VOCAB, size=(seq_len + 1, batch_size))
    state = tuple(
        tuple(rng.standard_normal(part.shape) for part in layer)
        for layer in model.zero_state(batch_size)
    )
    return parameters, text, state


def assert_close(actual: Array, expected: Array) -> None:
    np.testing.assert_allclose(actual, expected, rtol=1e-11, atol=1e-12)


# How lanes are cut


@given(st.integers(1, 5000))
def test_shards_are_all_lanes_in_order(batch_size: int) -> None:
    parts = shards(batch_size)
    assert [lane for part in parts for lane in range(batch_size)[part]] == list(range(batch_size))
    sizes = [part.stop - part.start for part in parts]
    assert max(sizes) - min(sizes) <= 1
    assert len(parts) in (1, 2, 4, MOST_SHARDS)
    assert len(parts) == 1 or min(sizes) >= LEAST_LANES


@pytest.mark.parametrize(
    ("batch_size", "count"),
    [(1, 1), (23, 1), (24, 2), (32, 2), (64, 2), (65, 4), (128, 4), (129, 8), (5000, 8)],
)
def test_the_number_of_shards_follows_from_the_batch_size(batch_size: int, count: int) -> None:
    assert len(shards(batch_size)) == count


@given(st.integers(1, 300), st.integers(1, 64))
def test_a_number_of_shards_may_be_given(batch_size: int, wanted: int) -> None:
    parts = shards(batch_size, wanted)
    assert len(parts) == min(batch_size, wanted)
    assert [lane for part in parts for lane in range(batch_size)[part]] == list(range(batch_size))
    sizes = [part.stop - part.start for part in parts]
    assert max(sizes) - min(sizes) <= 1


# What is computed


@pytest.mark.parametrize("layers", [0, 1, 2])
@pytest.mark.parametrize("batch_size", [3, 24, 70, 200])
def test_shards_add_up_to_the_batch(batch_size: int, layers: int) -> None:
    """Loss, gradients and states: of 1, 2, 4 and 8 shards; also when asked again for fewer."""
    model = SequenceModel(VOCAB, VOCAB, parse_cell("lstm", 4), layers)
    with Engine(model) as engine:
        for size in (batch_size, batch_size, 3):
            parameters, text, state = batch(model, size)
            expected, actual = parameters.zeros_like(), parameters.zeros_like()
            actual.flat[:] = 7.0  # overwritten, not added to
            total, final = model.cross_entropy(
                parameters, text[:-1], text[1:], state, Workspace(), gradients=expected
            )
            nats, end = cross_entropy(
                engine, parameters, text[:-1], text[1:], state, gradients=actual
            )
            assert nats == pytest.approx(total, rel=1e-13)
            assert_close(actual.flat, expected.flat)
            assert len(end) == layers
            for ours, theirs in zip(end, final, strict=True):
                for one, other in zip(ours, theirs, strict=True):
                    assert_close(one, other)
            alone, _ = cross_entropy(engine, parameters, text[:-1], text[1:], state)
            assert alone == pytest.approx(total, rel=1e-13)
            assert engine.threads == 1
            assert not engine.lost


def test_gradients_are_added_in_one_order() -> None:
    """Floating-point sums depend on the order, which is from the first shard to the last."""
    model = SequenceModel(VOCAB, VOCAB, parse_cell("lstm", 8), 2)
    parameters, text, state = batch(model, 70)
    parameters = parameters.astype(np.float32)
    state = tuple(tuple(p.astype(np.float32) for p in layer) for layer in state)
    terms = []
    for lanes in shards(70):
        gradients = parameters.zeros_like()
        part = tuple(tuple(p[lanes] for p in layer) for layer in state)
        x, targets = text[:-1, lanes], text[1:, lanes]
        model.cross_entropy(parameters, x, targets, part, Workspace(), gradients=gradients)
        terms.append(gradients.flat)
    assert len(terms) == 4
    expected = ((terms[0] + terms[1]) + terms[2]) + terms[3]
    assert (expected != ((terms[3] + terms[2]) + terms[1]) + terms[0]).any()
    total = parameters.zeros_like()
    with Engine(model) as engine:
        cross_entropy(engine, parameters, text[:-1], text[1:], state, gradients=total)
    np.testing.assert_array_equal(total.flat, expected)


def test_each_shard_drops_units_of_its_own() -> None:
    """Two shards with the same lanes drop different units; the same seed drops the same ones."""
    model = SequenceModel(VOCAB, VOCAB, parse_cell("rnn", 16), 1, dropout=0.5)
    parameters, text, state = batch(model, 12)
    text, state = np.tile(text, 2), tuple(tuple(np.tile(p, (2, 1)) for p in s) for s in state)
    with Engine(model) as engine:

        def loss(seed: int) -> float:
            rng = np.random.default_rng(seed)
            return float(cross_entropy(engine, parameters, text[:-1], text[1:], state, rng=rng)[0])

        half = model.cross_entropy(
            parameters,
            text[:-1, :12],
            text[1:, :12],
            tuple(tuple(p[:12] for p in s) for s in state),
            Workspace(),
            rng=np.random.default_rng(int(np.random.default_rng(5).integers(2**63, size=2)[0])),
        )[0]
        assert loss(5) == loss(5) != loss(6)
        assert loss(5) != pytest.approx(2 * half, rel=1e-9)


def test_a_bad_symbol_in_any_shard_is_refused() -> None:
    model = SequenceModel(VOCAB, VOCAB, parse_cell("gru", 4))
    parameters, text, state = batch(model, 24)
    text[2, -1] = VOCAB
    with Engine(model) as engine, pytest.raises(ValueError, match=r"must be in 0\.\.6"):
        cross_entropy(engine, parameters, text[:-1], text[1:], state)


# The panels


@pytest.mark.parametrize("tile", [Tile(6, 8), Tile(3, 8), Tile(6, 2), Tile(2, 4), Tile(1, 1)])
@pytest.mark.parametrize("halved", [0, 1, 3])
def test_panels_equal_the_matrix(monkeypatch: pytest.MonkeyPatch, tile: Tile, halved: int) -> None:
    """However it is divided, at every number of lanes; and it is a copy."""
    monkeypatch.setattr(products, "choose_tile", lambda *sizes: tile)
    rng = np.random.default_rng(0)
    joined = rng.standard_normal((6, 3 * 8))
    W = by_gate(joined, 8)
    np.testing.assert_array_equal(W[1], joined[:, 8:16])
    scale = np.where(np.arange(3) < halved, 0.5, 1.0)[:, None, None]
    for batch_size in (1, 2, 5):
        product = StepProduct(W, batch_size, Workspace(), "W", halved=halved)
        before, joined[...] = joined.copy(), np.nan
        joined[...], x = before, rng.standard_normal((batch_size, 6))
        assert_close(product.of_each(x), scale * (x @ W))
        d, out = rng.standard_normal((3, batch_size, 6)), np.empty((batch_size, 8))
        product.sum(d, out)
        assert_close(out, (scale * (d @ W)).sum(axis=0))
        joined[...] = np.nan
        assert_close(product.of_each(x), scale * (x @ by_gate(before, 8)))
        joined[...] = before


def test_panels_follow_from_the_sizes_of_the_product(monkeypatch: pytest.MonkeyPatch) -> None:
    """Below a million multiplications, if the library has a routine for that; never very narrow."""
    monkeypatch.setattr(products, "_has_small_products", lambda: True)
    assert choose_tile(128, 128, 25) == (128, 64)
    assert choose_tile(256, 256, 32) == (256, 32)
    assert choose_tile(512, 512, 32) == (256, 32)
    assert choose_tile(544, 544, 32) == (136, 32)
    assert choose_tile(300, 300, 32) == (300, 300)  # columns that are no multiple of 32
    assert choose_tile(256, 256, 5) == (256, 256)  # too few lanes
    assert choose_tile(256, 256, 128) == (256, 256)  # a panel would be too much for it
    assert choose_tile(257, 257, 32) == (257, 257)  # a prime: rows of one
    assert choose_tile(4, 4, 32) == (4, 4)
    monkeypatch.setattr(products, "_has_small_products", lambda: False)
    assert choose_tile(256, 256, 32) == (256, 256)


@pytest.mark.usefixtures("small_panels")
@every_variant
def test_the_gradient_check_passes_on_panels(cell: Cell[Any]) -> None:
    """Several panels deep and wide, in the code that trains."""
    model = SequenceModel(4, 3, cell, 2)
    check = check_outputs(model, cell.label, rng=np.random.default_rng(0), methods=("complex",))
    assert check.passed
    assert len(check.tensors) >= len(model.shapes())


@pytest.mark.usefixtures("small_panels")
@every_variant
def test_panels_change_nothing(cell: Cell[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    model = SequenceModel(VOCAB, VOCAB, cell, 2)
    parameters, text, state = batch(model, 5)
    results = []
    for tile in (Tile(2, 2), Tile(4, 2), Tile(4, 4)):
        monkeypatch.setattr(products, "choose_tile", lambda *sizes, tile=tile: tile)
        gradients = parameters.zeros_like()
        nats, _ = model.cross_entropy(
            parameters, text[:-1], text[1:], state, Workspace(), gradients=gradients
        )
        results.append(np.append(gradients.flat, nats))
    assert_close(results[0], results[2])
    assert_close(results[1], results[2])


# Symbols


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32])
@pytest.mark.parametrize("vocab_size", [7, 250])
def test_symbols_may_be_narrow_integers(dtype: type, vocab_size: int) -> None:
    """With a table larger or smaller than what is read, no product overflows."""
    model = SequenceModel(vocab_size, 3, parse_cell("lstm", 4))
    parameters = model.init(np.random.default_rng(0), np.float64)
    text = np.random.default_rng(1).integers(vocab_size, size=(6, 5))
    text[0, 0] = vocab_size - 1
    expected = model.forward(parameters, text, model.zero_state(5, np.float64))[0]
    y = model.forward(parameters, text.astype(dtype), model.zero_state(5, np.float64))[0]
    np.testing.assert_array_equal(y, expected)


def test_a_large_vocabulary_is_not_copied() -> None:
    """Reading a few of fifty thousand rows does not copy the whole table."""
    model = SequenceModel(50_000, 3, parse_cell("lstm", 16))
    parameters = model.init(np.random.default_rng(0))
    text = np.random.default_rng(1).integers(50_000, size=(5, 8))
    tracemalloc.start()
    model.forward(parameters, text, model.zero_state(8))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < parameters["body.0.W_x"].nbytes / 20


# One step at a time


def test_a_stepper_of_a_tied_model_equals_the_model() -> None:
    model = SequenceModel(VOCAB, VOCAB, parse_cell("gru", 6), 2, 6, tied=True)
    parameters, text, state = batch(model, 3)
    expected, _, _ = model.forward(parameters, text, state)
    stepper = Stepper(model, parameters, state, 3)
    for symbols, y in zip(text, expected, strict=True):
        assert_close(stepper.step(symbols), y)


@pytest.mark.parametrize("embedding_size", [0, 3])
@pytest.mark.parametrize("num_layers", [0, 1, 3])
@pytest.mark.parametrize("batch_size", [1, 5])
@every_variant
def test_a_stepper_equals_the_model(
    cell: Cell[Any], batch_size: int, num_layers: int, embedding_size: int
) -> None:
    """Its outputs after every symbol, from a non-zero state, which it does not change."""
    model = SequenceModel(VOCAB, VOCAB, cell, num_layers, embedding_size)
    parameters, text, state = batch(model, batch_size)
    parameters.flat[:] += 0.1  # no bias is zero
    before = [part.copy() for layer in state for part in layer]
    expected, _, _ = model.forward(parameters, text, state)
    stepper = Stepper(model, parameters, state, batch_size)
    for symbols, y in zip(text, expected, strict=True):
        assert_close(stepper.step(symbols), y)
    after = [part for layer in state for part in layer]
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)
