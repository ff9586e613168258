"""Both directions, heads, read-outs, attention, encoder and decoder, against references and laws.

What a gradient check cannot see: see ``test_properties.py``, which does it for the cells.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from math import exp, log1p
from typing import Any

import numpy as np
import pytest
import reference
from test_conformance import PoisonedWorkspace

from charrnn.engine import Engine, shards
from charrnn.nn import products
from charrnn.nn.attention import Attention
from charrnn.nn.cells import CELLS, GRU, LSTM, RNN, Cell, all_variants
from charrnn.nn.conditional import Conditional, Labelled
from charrnn.nn.layers import Bidirectional, Recurrent, running, turned
from charrnn.nn.losses import (
    LOSSES,
    log_probabilities,
    normalised_cross_entropy,
    sigmoid_cross_entropy,
    softmax_cross_entropy,
    squared_error,
)
from charrnn.nn.models import Loss, SequenceModel, Sequences
from charrnn.nn.parameters import Parameters
from charrnn.nn.products import Tile
from charrnn.nn.readouts import READOUTS, read_out, read_out_backward
from charrnn.nn.translator import Translations, Translator
from charrnn.nn.types import Array, LayerState
from charrnn.nn.workspace import Workspace
from charrnn.tasks.base import Trained
from charrnn.tasks.beam import beam_search
from charrnn.tasks.config import Config
from charrnn.tasks.measures import edit_distance
from charrnn.tasks.translate import TranslateSpec, translate
from charrnn.text.alphabet import END, START, Alphabet

AnyCell = Cell[Any]
Network = SequenceModel | Translator | Conditional

SYMBOLS, TARGETS, LABELS = 6, 5, 4
LENGTHS = np.array([5, 3, 3, 1])
EPSILON = 1e-30

every_cell = pytest.mark.parametrize(
    "cell",
    [cell for kind in CELLS.values() for cell in all_variants(kind, 4)],
    ids=lambda cell: cell.label,
)
every_kind = pytest.mark.parametrize("cell", [LSTM(4), GRU(4), RNN(4)], ids=lambda cell: cell.label)
every_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def random_parameters(network: Network, seed: int = 0, scale: float = 0.6) -> Parameters:
    parameters = Parameters(network.shapes(), np.float64)
    rng = np.random.default_rng(seed)
    parameters.flat[:] = scale * rng.standard_normal(parameters.flat.size)
    return parameters


def read(readout: str, cell: AnyCell | None = None, directions: str = "both") -> SequenceModel:
    return SequenceModel(
        SYMBOLS,
        TARGETS,
        cell or LSTM(4),
        num_layers=2,
        embedding_size=3,
        directions=directions,
        readout=readout,
    )


def vectors(loss: str, layers: int = 1) -> SequenceModel:
    cell = GRU(4, reset="before")
    return SequenceModel(3, 2, cell, layers, input="vectors", directions="both", loss=loss)


def translator(
    cell: AnyCell | None = None, directions: str = "both", attention: str = "luong", layers: int = 2
) -> Translator:
    return Translator(
        SYMBOLS, TARGETS, cell or LSTM(4), layers, 3, directions=directions, attention=attention
    )


def conditional(cell: AnyCell | None = None, layers: int = 2) -> Conditional:
    return Conditional(SequenceModel(TARGETS, TARGETS, cell or LSTM(4), layers), LABELS)


NETWORKS: dict[str, Network] = {
    **{f"read-out {readout}": read(readout) for readout in READOUTS},
    "forward, last": read("last", directions="forward"),
    "sigmoid": vectors("sigmoid"),
    "squared": vectors("squared"),
    "linear regression": vectors("squared", 0),
    "encoder-decoder": translator(directions="forward", attention="none"),
    "encoder-decoder, both": translator(LSTM(6), attention="none"),
    "encoder-decoder, attention": translator(),
    "one to many": conditional(),
    "tied": SequenceModel(SYMBOLS, SYMBOLS, GRU(4), 2, embedding_size=4, tied=True),
}
every_network = pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)


def spans_of(lengths: Array) -> Array:
    """Two tokens in each sequence, the second up to its end; one if there is only one step."""
    spans = []
    for lane, length in enumerate(lengths):
        spans.append((lane, 0, 0 if length > 1 else length - 1))
        if length > 1:
            spans.append((lane, 1, length - 1))
    return np.array(spans)


def batch_of(network: Network, lengths: Array = LENGTHS, extra: int = 1, seed: int = 1) -> Any:
    """A random batch, padded by ``extra`` steps beyond the longest, with weights if possible."""
    rng = np.random.default_rng(seed)
    size, steps = len(lengths), int(lengths[0]) + extra
    if isinstance(network, Conditional):
        x, targets = rng.integers(TARGETS, size=(2, steps, size))
        return Labelled(rng.integers(LABELS, size=size), x, targets, lengths)
    if isinstance(network, Translator):
        source = rng.integers(SYMBOLS, size=(steps, size))
        previous, targets = rng.integers(TARGETS, size=(2, 7, size))
        ends = rng.integers(1, 8, size=size)
        ends[0] = 7
        weights = (np.arange(7)[:, None] < ends).astype(np.float64)
        return Translations(source, lengths, previous, targets, weights)
    state = tuple(
        tuple(rng.standard_normal(part.shape) for part in layer)
        for layer in network.zero_state(size)
    )
    shape: tuple[int, ...] = (steps, size)
    x = rng.integers(SYMBOLS, size=shape)
    if network.input == "vectors":
        x = rng.standard_normal((*shape, network.input_size))
    spans = spans_of(lengths) if network.readout == "spans" else None
    if network.readout != "steps":
        shape = (size,) if spans is None else (len(spans),)
    targets = rng.integers(TARGETS, size=shape)
    if network.loss != "softmax":
        targets = rng.random((*shape, network.output_size))
    return Sequences(x, targets, state, lengths, spans, rng.uniform(0.5, 2, shape))


def loss_of(
    network: Network, p: Parameters, batch: Any, workspace: Workspace | None = None
) -> tuple[Loss, Parameters]:
    """The loss and the gradients, which are overwritten, not added to."""
    gradients = p.zeros_like()
    gradients.flat[:] = 7.0
    loss = network.sum_loss(p, batch, workspace or Workspace(), gradients=gradients)
    return loss, gradients


def assert_close(actual: Any, expected: Any) -> None:
    np.testing.assert_allclose(actual, expected, rtol=1e-11, atol=1e-12)


def options_of(cell: AnyCell) -> dict[str, str]:
    return {option: getattr(cell, option) for option in cell.choices}


def layer_of(cell: AnyCell, seed: int = 0) -> tuple[Bidirectional, dict[str, Array]]:
    layer, rng = Bidirectional(Recurrent(cell, 3)), np.random.default_rng(seed)
    return layer, {name: 0.6 * rng.standard_normal(s) for name, s in layer.shapes().items()}


def random_state(layer: Bidirectional, batch_size: int) -> LayerState:
    rng, size = np.random.default_rng(1), layer.layer.output_size
    return tuple(rng.standard_normal((batch_size, size)) for _ in layer.state_names)


def outputs(
    layer: Bidirectional, w: dict[str, Array], x: Array, state: LayerState, lengths: Array | None
) -> tuple[Array, LayerState]:
    y, final, _ = layer.forward(w, x, state, Workspace(), lengths)
    return y.copy(), final


# Every network


@every_network
def test_gradients_equal_the_complex_step(network: Network) -> None:
    """Along one random direction in each tensor, with weights and padding."""
    p, batch = random_parameters(network), batch_of(network)
    _, gradients = loss_of(network, p, batch)
    rng = np.random.default_rng(2)
    for name, gradient in gradients.items():
        direction = rng.standard_normal(gradient.shape)
        moved = p.astype(np.complex128)
        moved[name][...] += 1j * EPSILON * direction
        numeric = np.imag(network.sum_loss(moved, batch, Workspace()).total) / EPSILON
        scale = np.abs(gradient * direction).sum()
        assert abs((gradient * direction).sum() - numeric) <= 1e-12 * scale, name
        assert scale > 0, name


@every_network
@pytest.mark.parametrize("cut", [1, 3])
def test_losses_and_gradients_of_parts_add_up(network: Network, cut: int) -> None:
    """Loss and gradients of two parts of the lanes, whose longest sequences differ."""
    p, batch = random_parameters(network), batch_of(network)
    if cut == 3 and isinstance(batch, Sequences):
        batch = replace(batch, weights=None)
    whole, gradients = loss_of(network, p, batch)
    parts = [
        loss_of(network, p, network.part(batch, lanes)) for lanes in (slice(0, cut), slice(cut, 4))
    ]
    assert sum(loss.total for loss, _ in parts) == pytest.approx(whole.total, rel=1e-12, abs=0)
    assert_close(sum(g.flat for _, g in parts), gradients.flat)
    assert [network.part(batch, lanes).size for lanes in (slice(0, cut), slice(cut, 4))] == [
        cut,
        4 - cut,
    ]


@every_network
def test_padding_never_matters_to_a_network(network: Network) -> None:
    """Other symbols, targets and weights there, and buffers of NaN: the same bits."""
    p, batch = random_parameters(network), batch_of(network)
    loss, gradients = loss_of(network, p, batch)
    beyond = np.arange(int(LENGTHS[0]) + 1)[:, None] >= LENGTHS
    if isinstance(network, Translator):
        source, targets, previous = (
            a.copy() for a in (batch.source, batch.targets, batch.previous)
        )
        source[beyond] = (source[beyond] + 1) % SYMBOLS
        for array in (targets, previous):
            array[batch.weights == 0] = (array[batch.weights == 0] + 1) % TARGETS
        other: Any = replace(batch, source=source, targets=targets, previous=previous)
    else:
        x, targets = batch.x.copy(), batch.targets.copy()
        x[beyond] = (x[beyond] + 1) % TARGETS if x.dtype.kind == "i" else 1e100
        if targets.shape[:2] == beyond.shape:
            targets[beyond] = (targets[beyond] + 1) % TARGETS
        other = replace(batch, x=x, targets=targets)
    again, same = loss_of(network, p, other, PoisonedWorkspace())
    assert again.total == loss.total
    np.testing.assert_array_equal(same.flat, gradients.flat)


@every_network
def test_buffers_are_shared_by_batches_of_any_shape(network: Network) -> None:
    """One workspace for longer, shorter and narrower batches gives the same as a fresh one."""
    p, workspace = random_parameters(network), Workspace()
    for lengths in (LENGTHS, np.array([9, 8, 2, 2, 1]), np.array([2]), LENGTHS):
        batch = batch_of(network, lengths, extra=0)
        loss, gradients = loss_of(network, p, batch, workspace)
        expected, fresh = loss_of(network, p, batch)
        assert loss.total == expected.total
        np.testing.assert_array_equal(gradients.flat, fresh.flat)
        alone = network.sum_loss(p, batch, workspace)
        assert alone.total == expected.total
        assert alone.dinitial == ()


def buffers_of(workspace: Workspace) -> Iterator[Array]:
    yield from workspace._buffers.values()
    for child in workspace._children.values():
        yield from buffers_of(child)


@every_network
def test_float32_stays_float32(network: Network) -> None:
    """In every buffer, and in all results except the sum."""
    p = random_parameters(network).astype(np.float32)
    batch, workspace = batch_of(network), Workspace()
    if isinstance(batch, Sequences):
        state = tuple(tuple(part.astype(np.float32) for part in layer) for layer in batch.state)
        batch = replace(batch, state=state)
    loss, gradients = loss_of(network, p, batch, workspace)
    exact, expected = loss_of(network, random_parameters(network), batch)
    assert {buffer.dtype for buffer in buffers_of(workspace)} == {np.dtype(np.float32)}
    states = [part for layer in (*loss.final, *loss.dinitial) for part in layer]
    assert {part.dtype for part in states} <= {np.dtype(np.float32)}
    assert np.asarray(loss.total).dtype == np.float64
    assert loss.total == pytest.approx(exact.total, rel=1e-5)
    np.testing.assert_allclose(gradients.flat, expected.flat, rtol=1e-2, atol=1e-4)
    if isinstance(network, SequenceModel):
        assert network.outputs(p, batch, workspace).dtype == np.float32


@every_network
def test_a_batch_is_left_alone(network: Network) -> None:
    """Arrays of the caller are not changed."""
    p, batch = random_parameters(network), batch_of(network)
    arrays = [a for a in vars(batch).values() if isinstance(a, np.ndarray)] + [p.flat]
    if isinstance(batch, Sequences):
        arrays += [part for layer in batch.state for part in layer]
    before = [a.copy() for a in arrays]
    loss_of(network, p, batch)
    for array, copy in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize(
    "name", ["read-out spans", "encoder-decoder, attention", "one to many", "squared"]
)
def test_processes_change_no_bit_of_a_ragged_batch(name: str) -> None:
    """Shards computed one by one, by an engine alone, and by two processes; with dropout."""
    network: Any = NETWORKS[name]
    if isinstance(network, Conditional):
        network = replace(network, generator=replace(network.generator, dropout=0.3))
    else:
        network = replace(network, dropout=0.3)
    lengths = np.sort(np.random.default_rng(0).integers(1, 9, size=70))[::-1]
    batch, p = batch_of(network, lengths), random_parameters(network).astype(np.float32)
    if isinstance(batch, Sequences):
        state = tuple(tuple(part.astype(np.float32) for part in layer) for layer in batch.state)
        batch = replace(batch, state=state)
    seeds = np.random.default_rng(3).integers(2**63, size=len(shards(70)))
    totals, expected = [], p.zeros_like()
    for lanes, seed in zip(shards(70), seeds, strict=True):
        term = p.zeros_like()
        rng, part = np.random.default_rng(int(seed)), network.part(batch, lanes)
        totals.append(network.sum_loss(p, part, Workspace(), gradients=term, rng=rng).total)
        expected.flat += term.flat
    assert len(totals) == 4
    for threads in (1, 2):
        with Engine(network, threads) as engine:
            gradients = p.zeros_like()
            rng = np.random.default_rng(3)
            losses = engine.losses(p, batch, gradients=gradients, rng=rng)
            assert [loss.total for loss in losses] == totals
            np.testing.assert_array_equal(gradients.flat, expected.flat)
            assert not engine.lost


# Sequences of different lengths


def test_at_each_step_the_longer_sequences_run() -> None:
    """At each step, the sequences longer than its number."""
    assert running(LENGTHS, 6) == (4, 3, 3, 1, 1, 0)
    assert running(np.array([2, 2]), 2) == (2, 2)


def test_a_batch_turned_twice_is_as_before() -> None:
    """Each sequence is reversed within its own length; the padding stays in place."""
    x = np.arange(24).reshape(6, 4)
    once = turned(x, LENGTHS)
    for lane, length in enumerate(LENGTHS):
        np.testing.assert_array_equal(once[:length, lane], x[:length, lane][::-1])
        np.testing.assert_array_equal(once[length:, lane], x[length:, lane])
    np.testing.assert_array_equal(turned(once, LENGTHS), x)
    np.testing.assert_array_equal(turned(x, None), x[::-1])


@every_cell
def test_ragged_batches_on_panels_equal_those_without(
    cell: AnyCell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With fewer lanes than the product's buffers allow, and the matrix in several panels."""
    model = replace(read("mean", cell), embedding_size=0)
    p, batch = random_parameters(model), batch_of(model)
    results = []
    for tile in (Tile(4, 4), Tile(2, 2), Tile(1, 4)):
        monkeypatch.setattr(products, "choose_tile", lambda *sizes, tile=tile: tile)
        loss, gradients = loss_of(model, p, batch)
        results.append(np.append(gradients.flat, loss.total))
    assert_close(results[1], results[0])
    assert_close(results[2], results[0])


@pytest.mark.parametrize("lengths", [[5, 4, 4], [5] * 5, [4, 5, 4, 4], [6, 5, 4, 4], [5, 4, 4, 0]])
@pytest.mark.parametrize("layers", [0, 1])
@pytest.mark.parametrize("readout", ["steps", "mean"])
def test_wrong_lengths_are_refused_by_a_model(
    lengths: list[int], layers: int, readout: str
) -> None:
    """Also if there is no layer to check them."""
    model = SequenceModel(3, 2, RNN(4), layers, input="vectors", readout=readout)
    shape = (5, 4) if readout == "steps" else (4,)
    x, targets = np.ones((5, 4, 3)), np.zeros(shape, dtype=np.intp)
    batch = Sequences(x, targets, model.zero_state(4, np.float64), np.array(lengths))
    with pytest.raises(ValueError, match=r"length"):
        model.sum_loss(random_parameters(model), batch, Workspace())


# Both directions


@every_cell
def test_each_direction_sees_only_its_side(cell: AnyCell) -> None:
    """x at t changes only →h from t on and ←h up to t, in its own sequence, bit for bit."""
    layer, w = layer_of(cell)
    lengths, size = np.array([6, 4, 1]), cell.hidden_size
    state = random_state(layer, 3)
    x = np.random.default_rng(0).standard_normal((6, 3, 3))
    before, _ = outputs(layer, w, x, state, lengths)
    for lane, length in enumerate(lengths):
        others = [k for k in range(3) if k != lane]
        for t in range(length):
            changed = x.copy()
            changed[t, lane] += 10
            after, _ = outputs(layer, w, changed, state, lengths)
            ahead, back = after[:, lane, :size], after[:, lane, size:]
            assert np.array_equal(ahead[:t], before[:t, lane, :size])
            assert not np.array_equal(ahead[t], before[t, lane, :size])
            assert np.array_equal(back[t + 1 : length], before[t + 1 : length, lane, size:])
            assert not np.array_equal(back[t], before[t, lane, size:])
            assert np.array_equal(after[:, others], before[:, others])


@every_cell
def test_each_direction_reaches_the_other_end(cell: AnyCell) -> None:
    """The last x affects ←h at the first step, the first x →h at the last; so do the states."""
    layer, w = layer_of(cell, seed=2)
    lengths, size, parts = np.array([4, 3]), cell.hidden_size, len(cell.state_names)
    state = random_state(layer, 2)
    x = np.random.default_rng(0).standard_normal((4, 2, 3))
    before, _ = outputs(layer, w, x, state, lengths)
    for lane, length in enumerate(lengths):
        first, last = x.copy(), x.copy()
        first[0, lane] += 1
        last[length - 1, lane] += 1
        ends = outputs(layer, w, first, state, lengths)[0][length - 1, lane, :size]
        assert not np.allclose(ends, before[length - 1, lane, :size], atol=1e-6)
        begins = outputs(layer, w, last, state, lengths)[0][0, lane, size:]
        assert not np.allclose(begins, before[0, lane, size:], atol=1e-6)
    for part in range(2 * parts):
        moved = tuple(s + (k == part) for k, s in enumerate(state))
        after, _ = outputs(layer, w, x, moved, lengths)
        for half in range(2):
            columns = slice(half * size, (half + 1) * size)
            same = np.array_equal(after[..., columns], before[..., columns])
            assert same == (half != part // parts)


@every_cell
@pytest.mark.parametrize("lengths", [None, np.array([5, 3, 1])], ids=["equal", "ragged"])
def test_a_reversed_input_exchanges_the_directions(cell: AnyCell, lengths: Array | None) -> None:
    """With input, weights and states exchanged, outputs and states are exchanged, bit for bit."""
    layer, w = layer_of(cell)
    state, parts = random_state(layer, 3), len(cell.state_names)
    x = np.random.default_rng(0).standard_normal((5, 3, 3))
    y, final = outputs(layer, w, x, state, lengths)
    other = {"ahead": "back", "back": "ahead"}
    exchanged = {
        f"{other[name.split('.')[0]]}.{name.split('.')[1]}": view for name, view in w.items()
    }
    z, end = outputs(layer, exchanged, turned(x, lengths), state[parts:] + state[:parts], lengths)
    inside = np.arange(5)[:, None] < (np.full(3, 5) if lengths is None else lengths)
    expected = np.roll(turned(y, lengths), cell.hidden_size, axis=-1)
    np.testing.assert_array_equal(z[inside], expected[inside])
    for one, two in zip(end, final[parts:] + final[:parts], strict=True):
        np.testing.assert_array_equal(one, two)


@every_cell
def test_without_the_backward_direction_it_equals_the_layer(cell: AnyCell) -> None:
    """With zero weights and state, one half is zero and the other equals the plain layer."""
    layer, w = layer_of(cell)
    parts, size = len(cell.state_names), cell.hidden_size
    state = random_state(layer, 3)[:parts] + layer.zero_state(3, np.dtype(np.float64))[parts:]
    w = {name: view * name.startswith("ahead") for name, view in w.items()}
    x, lengths = np.random.default_rng(0).standard_normal((5, 3, 3)), np.array([5, 3, 1])
    y, final = outputs(layer, w, x, state, lengths)
    own = reference.scope(w, "ahead")
    plain, end, _ = layer.layer.forward(own, x, state[:parts], Workspace(), lengths)
    np.testing.assert_array_equal(y[..., :size], plain)
    assert not y[..., size:].any()
    for one, two in zip(final[:parts], end, strict=True):
        np.testing.assert_array_equal(one, two)


@every_kind
def test_the_state_of_both_directions_is_at_their_ends(cell: AnyCell) -> None:
    """→'s after the last step, ←'s at the first; equal to the outputs there."""
    layer, w = layer_of(cell)
    lengths, size = np.array([6, 4, 1]), cell.hidden_size
    x = np.random.default_rng(0).standard_normal((6, 3, 3))
    y, final = outputs(layer, w, x, random_state(layer, 3), lengths)
    lanes = np.arange(3)
    np.testing.assert_array_equal(final[0], y[lengths - 1, lanes, :size])
    np.testing.assert_array_equal(final[len(cell.state_names)], y[0, lanes, size:])
    back = tuple(f"{name}_back" for name in cell.state_names)
    assert layer.state_names == cell.state_names + back


@pytest.mark.parametrize(
    ("wide", "parts", "message"),
    [
        (4, 4, "dy must be 8 wide"),
        (9, 4, "dy must be 8 wide"),
        (8, 3, "dstate must be"),
        (8, 2, "dstate must be"),
        (8, 5, "dstate must be"),
    ],
)
def test_gradients_that_do_not_fit_both_directions_are_refused(
    wide: int, parts: int, message: str
) -> None:
    """Gradients by outputs of width 2H, and by h and c of each direction."""
    layer, w = layer_of(LSTM(4))
    state = random_state(layer, 2)
    _, _, saved = layer.forward(w, np.ones((3, 2, 3)), state, Workspace())
    dstate = (state + state)[:parts]
    with pytest.raises(ValueError, match=message):
        layer.backward(w, w, np.ones((3, 2, wide)), dstate, saved)


# What the head reads


def plain_features(
    model: SequenceModel, p: Parameters, x: Array, state: list[tuple[Array, ...]]
) -> Array:
    """The reference's features of one sequence, below the head."""
    options, parts = options_of(model.cell), len(model.cell.state_names)
    xs = reference.embed(p, x.tolist(), SYMBOLS)
    layers = [p.scope(f"body.{k}") for k in range(model.num_layers)]
    if model.directions == "forward":
        return reference.run_stack(model.cell.name, options, layers, xs, state)[0]
    return reference.run_both_stack(
        model.cell.name,
        options,
        [(reference.scope(w, "ahead"), reference.scope(w, "back")) for w in layers],
        xs,
        [(layer[:parts], layer[parts:]) for layer in state],
    )[0]


@every_kind
@pytest.mark.parametrize("directions", ["forward", "both"])
@pytest.mark.parametrize("readout", READOUTS)
def test_read_outs_equal_the_reference(cell: AnyCell, directions: str, readout: str) -> None:
    """From symbols to outputs and loss, each sequence by itself."""
    model, both = read(readout, cell, directions), directions == "both"
    p, batch = random_parameters(model), batch_of(model)
    rows, weights, targets = [], [], []
    for lane, length in enumerate(LENGTHS):
        state = [tuple(part[lane] for part in layer) for layer in batch.state]
        ys = plain_features(model, p, batch.x[:length, lane], state)
        own: Any = lane
        if readout == "steps":
            rows.append(ys)
            own = (slice(0, length), lane)
        elif readout == "spans":
            own = batch.spans[:, 0] == lane
            ends = [(int(first), int(last)) for _, first, last in batch.spans[own]]
            rows.append(reference.read_spans(ys, ends, both=both))
        elif readout == "last":
            rows.append(reference.read_last(ys, both=both)[None])
        else:
            plain = reference.read_mean if readout == "mean" else reference.read_max
            rows.append(plain(ys)[None])
        weights.append(np.ravel(batch.weights[own]))
        targets.append(np.ravel(batch.targets[own]))
    ys = reference.linear_head(p["head.W"], p["head.b"], np.concatenate(rows))
    actual = model.outputs(p, batch, Workspace())
    if readout == "steps":
        inside = np.arange(len(batch.x))[:, None] < LENGTHS
        by_lane = actual.reshape(*inside.shape, -1).swapaxes(0, 1)
        actual = by_lane[inside.T]
    assert_close(actual, ys)
    expected = sum(
        w * reference.cross_entropy(y[None], [int(k)])
        for w, y, k in zip(np.concatenate(weights), ys, np.concatenate(targets), strict=True)
    )
    assert model.sum_loss(p, batch, Workspace()).total == pytest.approx(expected, rel=1e-12, abs=0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("readout", READOUTS)
def test_a_read_out_and_its_backward_pass_are_adjoint(
    readout: str, both: bool, dtype: type[np.generic]
) -> None:
    """⟨dx, read(f)⟩ = ⟨back(dx), f⟩; beyond the ends values do not matter and have no gradient."""
    rng = np.random.default_rng(0)
    features = rng.standard_normal((6, 4, 8)).astype(dtype)
    inside = np.arange(6)[:, None] < LENGTHS
    if readout != "steps":
        features[~inside] = np.nan
    spans = spans_of(LENGTHS) if readout == "spans" else None
    x, reading = read_out(readout, features, LENGTHS, spans, both=both)
    dx = rng.standard_normal(x.shape).astype(dtype)
    dfeatures = np.full_like(features, np.nan)
    if readout == "steps":
        dfeatures = dx.reshape(features.shape).copy()
        inside[...] = True
    kept = dx.copy()
    read_out_backward(reading, dx, dfeatures)
    assert x.dtype == dfeatures.dtype == dtype
    np.testing.assert_array_equal(dx, kept)
    assert not dfeatures[~inside].any()
    tolerance = 1e-5 if dtype is np.float32 else 1e-12
    assert np.sum(dx * x) == pytest.approx(
        np.sum(dfeatures[inside] * features[inside]), rel=tolerance
    )
    if spans is not None:
        half = 4 if both else 8
        for row, (lane, first, last) in zip(x, spans, strict=True):
            np.testing.assert_array_equal(row[:half], features[last, lane, :half])
            np.testing.assert_array_equal(row[half:], features[first, lane, half:])


def test_the_largest_value_may_be_negative_and_is_read_once() -> None:
    """Zeros in the padding do not count; among two equal values one gets the gradient."""
    features = np.full((4, 2, 1), -3.0)
    features[1:, 1] = 5.0
    x, reading = read_out("max", features, np.array([4, 1]), None, both=False)
    assert x.ravel().tolist() == [-3, -3]
    dfeatures = np.empty_like(features)
    read_out_backward(reading, np.ones((2, 1)), dfeatures)
    assert dfeatures.sum(axis=0).ravel().tolist() == [1, 1]


@pytest.mark.parametrize(
    ("spans", "message"),
    [
        (None, "needs spans"),
        ([(0, 0, 5)], "outside"),
        ([(1, 2, 3)], "outside"),
        ([(0, -1, 0)], "outside"),
        ([(0, 2, 1)], "outside"),
        ([(4, 0, 0)], "outside"),
        ([(-1, 0, 0)], "outside"),
        ([(0, 0, 1), (0, 0, 2)], "same step"),
        ([(0, 0, 2), (0, 1, 2)], "same step"),
    ],
)
def test_wrong_spans_are_refused(spans: list[tuple[int, int, int]] | None, message: str) -> None:
    """There are values beyond an end, and lane -1 exists in NumPy: both are errors."""
    given = None if spans is None else np.array(spans)
    with pytest.raises(ValueError, match=message):
        read_out("spans", np.ones((5, 4, 2)), LENGTHS, given, both=True)


def test_a_batch_without_a_token_has_no_gradient() -> None:
    """A shard may have none: old values in its gradients must not be added."""
    model = read("spans")
    p, batch = random_parameters(model), batch_of(model)
    empty = replace(batch, spans=batch.spans[:0], targets=batch.targets[:0], weights=None)
    loss, gradients = loss_of(model, p, empty)
    assert loss.total == model.sum_loss(p, empty, Workspace()).total == 0
    assert not gradients.flat.any()


def test_parts_keep_their_own_spans() -> None:
    """Lanes are renumbered, in order, each with its target."""
    model = read("spans")
    batch = replace(batch_of(model), targets=np.arange(7))
    part = model.part(batch, slice(1, 3))
    assert part.spans is not None
    assert part.spans.tolist() == [[0, 0, 0], [0, 1, 2], [1, 0, 0], [1, 1, 2]]
    assert part.targets.tolist() == [2, 3, 4, 5]
    assert part.x.shape == (3, 2)
    np.testing.assert_array_equal(part.weights, batch.weights[2:6])


# Attention


def attention_case(
    seed: int = 0, sources: int = 5
) -> tuple[Attention, dict[str, Array], Array, Array]:
    rng, attention = np.random.default_rng(seed), Attention(4, 6)
    w = {name: 0.6 * rng.standard_normal(shape) for name, shape in attention.shapes().items()}
    return attention, w, rng.standard_normal((7, 4, 4)), rng.standard_normal((sources, 4, 6))


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["equal", "ragged"])
def test_attention_equals_the_reference(lengths: Array | None) -> None:
    attention, w, h, memory = attention_case()
    y, saved = attention.forward(w, h, memory, lengths, Workspace())
    for lane in range(4):
        length = 5 if lengths is None else lengths[lane]
        expected, shares = reference.luong_attention(w, h[:, lane], memory[:length, lane])
        assert_close(y[:, lane], expected)
        assert_close(saved.share[lane, :, :length], shares)


def test_attention_is_shared_within_the_source() -> None:
    """The shares of each step sum to one and are exactly zero beyond the end."""
    attention, w, h, memory = attention_case()
    y, saved = attention.forward(w, h, memory, LENGTHS, Workspace())
    beyond = np.arange(5) >= LENGTHS[:, None]
    assert_close(saved.share.sum(axis=-1), 1)
    assert (saved.share[np.broadcast_to(beyond[:, None], saved.share.shape)] == 0).all()
    assert (saved.share[np.broadcast_to(~beyond[:, None], saved.share.shape)] > 0).all()
    garbage = memory.copy()
    garbage[beyond.T] = 1e100
    again, _ = attention.forward(w, h, garbage, LENGTHS, PoisonedWorkspace())
    np.testing.assert_array_equal(again, y)


def test_attention_to_one_step_returns_that_step() -> None:
    """There is no choice: the context is the only memory step, and W_a has no gradient."""
    attention, w, h, memory = attention_case(sources=1)
    y, saved = attention.forward(w, h, memory, None, Workspace())
    assert (saved.share == 1).all()
    np.testing.assert_array_equal(saved.context, np.broadcast_to(memory, (7, 4, 6)))
    assert_close(y, np.tanh(memory @ w["W_k"] + h @ w["W_h"] + w["b"]))
    g = {name: np.full_like(view, 7.0) for name, view in w.items()}
    attention.backward(w, g, np.ones_like(y), saved)
    assert not g["W_a"].any()


def test_attention_does_not_depend_on_the_order_of_memory() -> None:
    """If the sources are permuted, so are the shares, and nothing else changes."""
    attention, w, h, memory = attention_case()
    order = np.array([3, 0, 4, 1, 2])
    y, saved = attention.forward(w, h, memory, None, Workspace())
    z, other = attention.forward(w, h, memory[order], None, Workspace())
    assert_close(other.share, saved.share[..., order])
    assert_close(z, y)
    assert np.ptp(saved.share, axis=-1).max() > 0.5, "equal shares prove nothing"


def test_attention_stays_finite_and_goes_where_the_score_is() -> None:
    """With scores of thousands, the whole share is on the best one."""
    attention, w, h, memory = attention_case()
    y, saved = attention.forward(w, h, 1e4 * memory, LENGTHS, Workspace())
    assert np.isfinite(y).all()
    score = np.einsum("tbh,hf,sbf->bts", h, w["W_a"], memory)
    score[np.broadcast_to((np.arange(5) >= LENGTHS[:, None])[:, None], score.shape)] = -np.inf
    np.testing.assert_array_equal(saved.share.argmax(axis=-1), score.argmax(axis=-1))
    assert np.median(saved.share.max(axis=-1)) == pytest.approx(1)


@pytest.mark.parametrize("dtype", [np.float32, np.complex128])
def test_attention_keeps_the_dtype(dtype: type[np.generic]) -> None:
    attention, w, h, memory = attention_case()
    w, g = ({name: view.astype(dtype) for name, view in w.items()} for _ in range(2))
    h, memory = h.astype(dtype), memory.astype(dtype)
    kept = h.copy(), memory.copy()
    y, saved = attention.forward(w, h, memory, LENGTHS, Workspace())
    dh, dmemory = attention.backward(w, g, np.ones_like(y), saved)
    assert {a.dtype for a in (*vars(saved).values(), y, dh, dmemory)} == {np.dtype(dtype)}
    assert dh.shape == h.shape
    assert dmemory.shape == memory.shape
    np.testing.assert_array_equal(h, kept[0])
    np.testing.assert_array_equal(memory, kept[1])


def test_attention_gradients_by_both_inputs() -> None:
    """The complex step by the decoder's states and the memory; none beyond an end."""
    attention, w, h, memory = attention_case()
    dy = np.random.default_rng(1).standard_normal(h.shape)

    def value(h: Array, memory: Array) -> Any:
        wide = {name: view.astype(np.complex128) for name, view in w.items()}
        return np.sum(dy * attention.forward(wide, h, memory, LENGTHS, Workspace())[0])

    _, saved = attention.forward(w, h, memory, LENGTHS, Workspace())
    g = {name: np.empty_like(view) for name, view in w.items()}
    dh, dmemory = attention.backward(w, g, dy.copy(), saved)
    numeric_h, numeric_memory = np.empty_like(h), np.empty_like(memory)
    for at in np.ndindex(h.shape):
        moved = h.astype(np.complex128)
        moved[at] += 1j * EPSILON
        numeric_h[at] = value(moved, memory.astype(np.complex128)).imag / EPSILON
    for at in np.ndindex(memory.shape):
        moved = memory.astype(np.complex128)
        moved[at] += 1j * EPSILON
        numeric_memory[at] = value(h.astype(np.complex128), moved).imag / EPSILON
    assert_close(dh, numeric_h)
    assert_close(dmemory, numeric_memory)
    assert not dmemory[np.arange(5)[:, None] >= LENGTHS].any()


# Encoder and decoder


@every_kind
@pytest.mark.parametrize("attention", ["none", "luong"])
@pytest.mark.parametrize("directions", ["forward", "both"])
@pytest.mark.parametrize(("layers", "embedding"), [(1, 0), (2, 3)])
def test_a_translator_equals_the_reference(
    cell: AnyCell, attention: str, directions: str, layers: int, embedding: int
) -> None:
    """Scores and loss, for each pair by itself."""
    model = Translator(
        SYMBOLS, TARGETS, cell, layers, embedding, directions=directions, attention=attention
    )
    p, batch = random_parameters(model), batch_of(model)
    memory, state, _ = model.encode(p, batch.source, LENGTHS, Workspace())
    y, _ = model.decode(p, batch.previous, state, memory, LENGTHS, Workspace())
    expected = 0.0
    for lane, length in enumerate(LENGTHS):
        scores = reference.translate(
            cell.name,
            options_of(cell),
            p,
            (SYMBOLS, TARGETS, cell.hidden_size),
            batch.source[:length, lane].tolist(),
            batch.previous[:, lane].tolist(),
            num_layers=layers,
            both=directions == "both",
        )
        assert_close(y[:, lane], scores)
        end = int(batch.weights[:, lane].sum())
        expected += reference.cross_entropy(scores[:end], batch.targets[:end, lane].tolist())
    assert model.sum_loss(p, batch, Workspace()).total == pytest.approx(expected, rel=1e-12, abs=0)


@pytest.mark.parametrize("attention", ["none", "luong"])
def test_a_translators_states_are_the_decoders_last_and_the_encoders_first(attention: str) -> None:
    """What a Loss contains besides its sum."""
    model = translator(LSTM(6), attention=attention)
    p, batch = random_parameters(model), batch_of(model)
    memory, state, _ = model.encode(p, batch.source, LENGTHS, Workspace())
    _, final = model.decode(p, batch.previous, state, memory, LENGTHS, Workspace())
    loss, _ = loss_of(model, p, batch)
    for layer, other in zip(loss.final, final, strict=True):
        assert_close(layer, other)
    shapes = [[part.shape for part in layer] for layer in loss.dinitial]
    assert shapes == [[(4, 3)] * 4] * 2
    assert all(part.any() for layer in loss.dinitial for part in layer)


@pytest.mark.parametrize(
    ("rows", "symbol", "message"),
    [(6, 0, "targets must be"), (7, -1, r"in 0\.\.4"), (7, TARGETS, r"in 0\.\.4")],
)
def test_targets_of_a_translator_that_do_not_fit_are_refused(
    rows: int, symbol: int, message: str
) -> None:
    """There must be one for each step of the decoder, of its symbols."""
    model = translator()
    batch = batch_of(model)
    targets = batch.targets[:rows].copy()
    targets[-1, 0] = symbol
    with pytest.raises(ValueError, match=message):
        model.sum_loss(random_parameters(model), replace(batch, targets=targets), Workspace())


@pytest.mark.parametrize("attention", ["none", "luong"])
def test_the_sources_padding_never_reaches_the_decoder(attention: str) -> None:
    """Other symbols beyond the ends give the same bits; more padding gives the same numbers."""
    model = translator(attention=attention)
    p, batch = random_parameters(model), batch_of(model)

    def scores(source: Array) -> Array:
        memory, state, _ = model.encode(p, source, LENGTHS, Workspace())
        return model.decode(p, batch.previous, state, memory, LENGTHS, Workspace())[0]

    other = batch.source.copy()
    beyond = np.arange(len(other))[:, None] >= LENGTHS
    other[beyond] = (other[beyond] + 1) % SYMBOLS
    np.testing.assert_array_equal(scores(other), scores(batch.source))
    assert_close(scores(np.vstack([other, other])), scores(batch.source))
    changed = batch.source.copy()
    changed[LENGTHS - 1, np.arange(4)] += 1
    changed %= SYMBOLS
    assert (scores(changed) != scores(batch.source)).any(axis=(0, 2)).all()


@pytest.mark.parametrize("attention", ["none", "luong"])
def test_the_decoder_does_not_see_its_target(attention: str) -> None:
    """Teacher forcing: the target of step t is read at t + 1, and does not affect earlier steps."""
    model = translator(attention=attention)
    p, batch = random_parameters(model), batch_of(model)
    memory, state, _ = model.encode(p, batch.source, LENGTHS, Workspace())

    def scores(previous: Array) -> Array:
        return model.decode(p, previous, state, memory, LENGTHS, Workspace())[0]

    before = scores(batch.previous)
    for t in range(len(batch.previous) - 1):
        changed = batch.previous.copy()
        changed[t + 1] = (changed[t + 1] + 1) % TARGETS
        after = scores(changed)
        np.testing.assert_array_equal(after[: t + 1], before[: t + 1])
        assert (after[t + 1] != before[t + 1]).any(axis=-1).all()


@pytest.mark.parametrize("attention", ["none", "luong"])
def test_writing_step_by_step_is_reading_what_was_written(attention: str) -> None:
    """The state is carried between calls."""
    model = translator(attention=attention)
    p, batch = random_parameters(model), batch_of(model)
    memory, state, _ = model.encode(p, batch.source, LENGTHS, Workspace())
    whole, final = model.decode(p, batch.previous, state, memory, LENGTHS, Workspace())
    whole, workspace, steps = whole.copy(), Workspace(), []
    for symbols in batch.previous:
        y, state = model.decode(p, symbols[None], state, memory, LENGTHS, workspace)
        steps.append(y[0].copy())
    assert_close(steps, whole)
    for layer, other in zip(state, final, strict=True):
        assert_close(layer, other)


# One to many


@every_kind
@pytest.mark.parametrize("layers", [1, 2])
def test_one_to_many_equals_the_reference(cell: AnyCell, layers: int) -> None:
    model = conditional(cell, layers)
    p, batch = random_parameters(model), batch_of(model)
    expected = 0.0
    for lane, length in enumerate(LENGTHS):
        scores = reference.captions(
            cell.name,
            options_of(cell),
            p,
            TARGETS,
            int(batch.labels[lane]),
            batch.x[:length, lane].tolist(),
            num_layers=layers,
        )
        expected += reference.cross_entropy(scores, batch.targets[:length, lane].tolist())
    assert model.sum_loss(p, batch, Workspace()).total == pytest.approx(expected, rel=1e-12, abs=0)


@every_kind
def test_a_label_depends_only_on_its_row(cell: AnyCell) -> None:
    """Labels of equal rows have equal losses; others have others."""
    model = conditional(cell)
    p, batch = random_parameters(model), batch_of(model)
    for name in p:
        if name.startswith("condition."):
            p[name][2] = p[name][1]
    losses = [
        model.sum_loss(p, replace(batch, labels=np.full(4, label)), Workspace()).total
        for label in range(LABELS)
    ]
    assert losses[1] == losses[2]
    assert len(set(losses)) == 3


@every_kind
def test_gradients_reach_the_rows_of_a_batchs_labels(cell: AnyCell) -> None:
    """And no other rows, for each part of each layer's initial state."""
    model = conditional(cell)
    p, batch = random_parameters(model), batch_of(model)
    _, gradients = loss_of(model, p, replace(batch, labels=np.array([3, 1, 3, 3])))
    tables = [view for name, view in gradients.items() if name.startswith("condition.")]
    assert len(tables) == 2 * len(cell.state_names)
    for table in tables:
        assert table.any(axis=1).tolist() == [False, True, False, True]


def test_each_labelled_sequence_has_its_own_loss() -> None:
    """Without the steps beyond its end; also in a part, and beside the same gradients."""
    network = conditional()
    p, batch = random_parameters(network), batch_of(network)
    (_, gradients), (each, same) = (
        loss_of(network, p, replace(batch, each=e)) for e in (False, True)
    )
    alone = [
        loss_of(network, p, network.part(batch, slice(lane, lane + 1)))[0].total
        for lane in range(batch.size)
    ]
    assert_close(each.total, alone)
    assert_close(same.flat, gradients.flat)
    part = network.part(replace(batch, each=True), slice(1, 3))
    assert_close(loss_of(network, p, part)[0].total, alone[1:3])


@pytest.mark.parametrize("label", [-1, LABELS])
def test_a_label_out_of_range_is_refused(label: int) -> None:
    model = conditional()
    batch = replace(batch_of(model), labels=np.array([0, 1, label, 2]))
    with pytest.raises(ValueError, match=r"must be in 0\.\.3"):
        model.sum_loss(random_parameters(model), batch, Workspace())


# Losses


def logits_of(loss: str, rows: int = 8) -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    logits = 3 * rng.standard_normal((rows, 5))
    one_each = loss in ("softmax", "normalised")
    targets = rng.integers(5, size=rows) if one_each else rng.random((rows, 5))
    return logits, targets


def test_sigmoid_cross_entropy_by_its_definition() -> None:
    """Σ w·(-t·ln p - (1-t)·ln(1-p)) and w·(p - t), against the plain formulas."""
    logits, targets = logits_of("sigmoid")
    y, p = logits.copy(), 1 / (1 + np.exp(-logits))
    assert sigmoid_cross_entropy(y, targets) == pytest.approx(
        reference.binary_cross_entropy(logits, targets), rel=1e-13, abs=0
    )
    assert_close(y, p - targets)
    weights, y = np.linspace(0.1, 2, 8), logits.copy()
    expected = sum(
        w * reference.binary_cross_entropy(row, t)
        for w, row, t in zip(weights, logits, targets, strict=True)
    )
    assert sigmoid_cross_entropy(y, targets, weights) == pytest.approx(expected, rel=1e-13, abs=0)
    assert_close(y, weights[:, None] * (p - targets))


def test_squared_error_by_its_definition() -> None:
    """Σ w·½‖y - t‖² and w·(y - t)."""
    outputs, targets = logits_of("squared")
    y = outputs.copy()
    assert squared_error(y, targets) == pytest.approx(
        reference.squared_error(outputs, targets), rel=1e-13, abs=0
    )
    np.testing.assert_array_equal(y, outputs - targets)
    weights, y = np.linspace(0.1, 2, 8), outputs.copy()
    expected = (weights[:, None] * 0.5 * (outputs - targets) ** 2).sum()
    assert squared_error(y, targets, weights) == pytest.approx(expected, rel=1e-13, abs=0)
    assert_close(y, weights[:, None] * (outputs - targets))


def test_sigmoid_cross_entropy_of_one_yes_among_noes() -> None:
    """An integer target means one yes and otherwise noes."""
    logits, _ = logits_of("sigmoid")
    index, weights = np.array([0, 4, 2, 2, 1, 3, 0, 4]), np.linspace(0.1, 2, 8)
    short, long = logits.copy(), logits.copy()
    expected = sigmoid_cross_entropy(long, np.eye(5)[index], weights)
    assert sigmoid_cross_entropy(short, index, weights) == expected
    np.testing.assert_array_equal(short, long)


def test_normalised_cross_entropy_by_its_definition() -> None:
    """-Σ w·ln (σ(y_t) / Σ σ(y_k)), and its gradient by central differences."""
    logits, targets = logits_of("normalised")
    weights = np.linspace(0.1, 2, 8)

    def plain(y: Array) -> float:
        p = 1 / (1 + np.exp(-y))
        q = p / p.sum(axis=1, keepdims=True)
        return float(-(weights * np.log(q[np.arange(8), targets])).sum())

    y = logits.copy()
    found = normalised_cross_entropy(y, targets, weights)
    assert found == pytest.approx(plain(logits), rel=1e-13, abs=0)
    each = normalised_cross_entropy(logits.copy(), targets, each=True)
    assert (weights * each).sum() == pytest.approx(found, rel=1e-13, abs=0)
    step = 1e-6
    for place in np.ndindex(*logits.shape):
        up, down = logits.copy(), logits.copy()
        up[place] += step
        down[place] -= step
        assert y[place] == pytest.approx((plain(up) - plain(down)) / (2 * step), abs=1e-8)


@every_dtype
def test_normalised_cross_entropy_stays_finite(dtype: type[np.floating[Any]]) -> None:
    """If every σ is rounded to 0 or 1, the likelier symbol is still known."""
    y = np.array([[1e4, -1e4, -1e4], [-1e4, -1e4 - 8, -1e4 - 8]], dtype=dtype)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        found = normalised_cross_entropy(y, np.array([1, 0]), each=True)
    np.testing.assert_allclose(found, [1e4, np.log(1 + 2 * np.exp(-8))], rtol=1e-4)
    np.testing.assert_allclose(y[0], [0, -1, 0], atol=1e-6)  # σ(10⁴) can grow no more
    assert y.dtype == dtype


@pytest.mark.parametrize("loss", ["softmax", "sigmoid"])
def test_log_probabilities_of_extreme_logits(loss: str) -> None:
    """At ±40, where σ in float32 is 0 or 1: as by the definition in Python's floats."""
    y = np.array([[40.0, -40.0, 39.0], [-40.0, 40.0, 800.0]], dtype=np.float32)
    found = log_probabilities(loss, y)
    assert found.dtype == np.float64
    if loss == "sigmoid":
        expected = [
            [-log1p(exp(-v)) if v > 0 else v - log1p(exp(v)) for v in r] for r in y.tolist()
        ]
    else:
        tops = [40 + log1p(exp(-80) + exp(-1)), 800.0]
        expected = [[v - top for v in r] for r, top in zip(y.tolist(), tops, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-14, atol=0)
    assert y[0, 0] == 40


@every_dtype
def test_sigmoid_cross_entropy_stays_finite(dtype: type[np.floating[Any]]) -> None:
    """e^10000 overflows every float: certain and right costs nothing, certain and wrong 10000."""
    y = np.array([[1e4, 1e4, 1e4, -1e4, -1e4, -1e4]], dtype=dtype)
    targets = np.array([[1, 0, 0.5, 0, 1, 0.25]], dtype=dtype)
    logits = y.copy()
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        loss = sigmoid_cross_entropy(logits, targets)
    assert loss == pytest.approx(1e4 + 5e3 + 1e4 + 2.5e3, rel=1e-7)
    assert loss.dtype == np.float64
    assert logits.dtype == dtype
    assert logits.tolist() == [[0, 1, 0.5, 0, -1, -0.25]]


def test_sigmoid_cross_entropy_is_softmax_over_two() -> None:
    """σ(y) = e^y / (e^y + e^0)."""
    y = np.linspace(-30, 30, 25)
    both = np.column_stack([y, np.zeros(25)])
    for target in (0, 1):
        pair, single = both.copy(), y[:, None].copy()
        expected = softmax_cross_entropy(pair, np.full(25, target))
        actual = sigmoid_cross_entropy(single, np.full((25, 1), 1.0 - target))
        assert actual == pytest.approx(expected, rel=1e-13, abs=0)
        assert_close(single[:, 0], pair[:, 0])


def test_sigmoid_cross_entropy_is_least_where_p_is_t() -> None:
    """The entropy of t; there the gradient is zero, and on either side the loss is larger."""
    t = np.linspace(0.05, 0.95, 7)[:, None]
    y = np.log(t / (1 - t))
    losses = []
    for move in (-0.1, 0.0, 0.1):
        moved = [np.array([row + move]) for row in y]
        losses.append([sigmoid_cross_entropy(a, b[None]) for a, b in zip(moved, t, strict=True)])
        if not move:
            assert_close(np.ravel(moved), 0)
    below, least, above = np.array(losses)
    entropy = -(t * np.log(t) + (1 - t) * np.log(1 - t))
    assert_close(least, entropy.ravel())
    assert (below > least).all()
    assert (above > least).all()


@pytest.mark.parametrize("loss", LOSSES)
def test_weight_zero_does_not_count_in_any_loss(loss: str) -> None:
    """Whatever finite outputs a row has; and weights of one change nothing."""
    logits, targets = logits_of(loss)
    weights = np.array([1.0, 0, 1, 1, 0, 0, 1, 1])
    kept, function = weights > 0, LOSSES[loss]
    alone, padded, plain = logits[kept], logits.copy(), logits.copy()
    padded[~kept] = 1e3
    expected = function(alone, targets[kept], None)
    assert function(padded, targets, weights) == pytest.approx(expected, rel=1e-14, abs=0)
    assert_close(padded[kept], alone)
    assert not padded[~kept].any()
    ones = logits.copy()
    assert function(plain, targets, None) == function(ones, targets, np.ones(8))
    np.testing.assert_array_equal(plain, ones)


@pytest.mark.parametrize("loss", LOSSES)
def test_each_row_costs_what_it_does_alone(loss: str) -> None:
    """Whatever its weight; the gradients are those of the weighted sum."""
    logits, targets = logits_of(loss)
    weights, function = np.linspace(0, 2, 8), LOSSES[loss]
    each, plain = logits.copy(), logits.copy()
    found = function(each, targets, weights, each=True)
    alone = [function(logits[[n]], targets[[n]]) for n in range(8)]
    np.testing.assert_allclose(found, alone, rtol=1e-13)
    assert function(plain, targets, weights) == pytest.approx(found @ weights, rel=1e-13)
    np.testing.assert_array_equal(each, plain)


def test_a_batch_may_ask_for_another_loss() -> None:
    """Whole and in parts, as a network trained by that loss would give it."""
    network = SequenceModel(SYMBOLS, SYMBOLS, GRU(4), loss="sigmoid")
    rng = np.random.default_rng(3)
    x, targets = rng.integers(SYMBOLS, size=(2, 5, 9))
    batch = Sequences(x, targets, network.zero_state(9, np.float64))
    p = random_parameters(network)
    expected, gradients = loss_of(replace(network, loss="normalised"), p, batch)
    asked = replace(batch, loss="normalised")
    found, own = loss_of(network, p, asked)
    assert found.total == expected.total
    assert found.total != loss_of(network, p, batch)[0].total
    np.testing.assert_array_equal(own.flat, gradients.flat)
    parts = [loss_of(network, p, network.part(asked, s))[0] for s in (slice(0, 4), slice(4, 9))]
    assert sum(part.total for part in parts) == pytest.approx(expected.total, rel=1e-12)


@pytest.mark.parametrize("loss", ["sigmoid", "squared"])
def test_no_layers_are_note_000s_regressions(loss: str) -> None:
    """The closed forms of their gradients: Xᵀ(Xθ - y), Xᵀ(p - t); Σ for the bias."""
    model = SequenceModel(6, 4, RNN(1), num_layers=0, input="vectors", loss=loss)
    p, rng = random_parameters(model), np.random.default_rng(5)
    X, t = rng.standard_normal((21, 6)), rng.random((21, 4))
    batch = Sequences(X.reshape(7, 3, 6), t.reshape(7, 3, 4), ())
    total, gradients = loss_of(model, p, batch)
    y = X @ p["head.W"] + p["head.b"]
    made = y if loss == "squared" else 1 / (1 + np.exp(-y))
    plain = reference.squared_error if loss == "squared" else reference.binary_cross_entropy
    assert total.total == pytest.approx(plain(y, t), rel=1e-12, abs=0)
    assert_close(gradients["head.W"], X.T @ (made - t))
    assert_close(gradients["head.b"], (made - t).sum(axis=0))
    outputs = model.outputs(p, batch, Workspace())
    assert_close(np.exp(log_probabilities(loss, outputs)) if loss == "sigmoid" else outputs, made)


def test_linear_regression_ends_at_the_normal_equation() -> None:
    """Where Xᵀ(Xθ - y) = 0 the loss is least: θ = (XᵀX)⁻¹Xᵀy."""
    model = SequenceModel(3, 1, RNN(1), num_layers=0, input="vectors", loss="squared")
    rng, p = np.random.default_rng(5), random_parameters(model)
    X, t = rng.standard_normal((20, 3)), rng.standard_normal((20, 1))
    with_ones = np.column_stack([X, np.ones(20)])
    theta = np.linalg.solve(with_ones.T @ with_ones, with_ones.T @ t)
    p["head.W"][...], p["head.b"][...] = theta[:3], theta[3]
    batch = Sequences(X[:, None], t[:, None], ())
    least, gradients = loss_of(model, p, batch)
    assert_close(gradients.flat, 0)
    for k in range(4):
        moved = p.astype(np.float64)
        moved.flat[k] += 0.1
        assert model.sum_loss(moved, batch, Workspace()).total > least.total


@pytest.mark.parametrize("name", ["sigmoid", "squared", "read-out last", "read-out spans"])
def test_targets_that_do_not_fit_are_refused(name: str) -> None:
    """A missing column would be broadcast."""
    model = NETWORKS[name]
    assert isinstance(model, SequenceModel)
    batch = batch_of(model)
    for targets in (batch.targets[..., :1], batch.targets[:-1], batch.targets[..., None]):
        with pytest.raises(ValueError, match="targets must be"):
            model.sum_loss(random_parameters(model), replace(batch, targets=targets), Workspace())


@pytest.mark.parametrize("name", ["sigmoid", "squared", "read-out last", "read-out spans"])
def test_weights_that_do_not_fit_are_refused(name: str) -> None:
    """They would be broadcast as well."""
    model = NETWORKS[name]
    assert isinstance(model, SequenceModel)
    batch = batch_of(model)
    wrong = replace(batch, weights=batch.weights[..., :1])
    with pytest.raises(ValueError, match="weights must be"):
        model.sum_loss(random_parameters(model), wrong, Workspace())


# Beam search

SPEC = TranslateSpec(Alphabet.of("char", ["xy"]), Alphabet.of("char", ["ab"]), 1, 1.0)
WRITABLE = [END, 3, 4]
ENDING = (19, 23, 33, 38)
CONFIG = Config.of("translate", directions="both")


def small_translator(seed: int) -> tuple[Translator, Parameters]:
    model = Translator(len(SPEC.source), len(SPEC.target), GRU(4), directions="both")
    p = random_parameters(model, seed, scale=2.0)
    p["head.b"][END] += 1.5  # or most of them would never end
    return model, p


def log_probability(
    model: Translator, p: Parameters, source: list[int], written: tuple[int, ...]
) -> float:
    """The log-probability of a whole target, by the training loss."""
    targets = np.array(written)[:, None]
    previous = np.vstack([[[START]], targets[:-1]])
    column, weights = np.array(source)[:, None], np.ones(targets.shape)
    batch = Translations(column, np.array([len(source)]), previous, targets, weights)
    return -float(model.sum_loss(p, batch, Workspace()).total)


def finished(most: int) -> list[tuple[int, ...]]:
    """Every target that ends within this many steps."""
    return [(*text, END) for size in range(most) for text in product(WRITABLE[1:], repeat=size)]


def searched(model: Translator, p: Parameters, text: str, most: int, beam: int) -> dict[Any, float]:
    """What a beam finds for one text: the logarithm of the probability of each target."""
    source = np.array([*SPEC.source.encode(text), END])[:, None]
    (found,) = beam_search(model, p, source, np.array([len(source)]), np.array([most]), beam)
    return {tuple(SPEC.target.decode(ids)): nats for ids, nats in found}


def test_a_beam_of_everything_finds_everything() -> None:
    """Every target that ends, with its probability; greedy search misses the likeliest at times."""
    most, missed = SPEC.most(2), 0
    assert most == 3
    for seed in ENDING:
        model, p = small_translator(seed)
        source = [*SPEC.source.encode("xy").tolist(), END]
        scores = {
            tuple(SPEC.target.decode(np.array(w))): log_probability(model, p, source, w)
            for w in finished(most)
        }
        found = searched(model, p, "xy", most, len(SPEC.target) ** most)
        assert found == pytest.approx(scores, rel=1e-9)
        assert list(found.values()) == sorted(found.values(), reverse=True)
        (greedy,) = translate(Trained(model, p, SPEC, CONFIG), ["xy"])
        missed += tuple(greedy.text) != next(iter(found))
    assert missed >= 1, "greedy search would have done as well"


def test_a_beam_gives_the_text_that_needs_the_fewest_corrections() -> None:
    """By the definition: the mean edit distance from each target, over all of them."""
    for seed in ENDING:
        model, p = small_translator(seed)
        most, beam = SPEC.most(2), len(SPEC.target) ** SPEC.most(2)
        likely = {
            "".join(t): np.exp(nats) for t, nats in searched(model, p, "xy", most, beam).items()
        }
        (greedy,) = translate(Trained(model, p, SPEC, CONFIG), ["xy"])
        likely[greedy.text] = np.exp(greedy.log_probability)
        (found,) = translate(Trained(model, p, SPEC, CONFIG), ["xy"], beam=beam)
        costs = {t: sum(q * edit_distance(t, o) for o, q in likely.items()) for t in likely}
        assert costs[found.text] == pytest.approx(min(costs.values()), rel=1e-12)
        assert found.log_probability == pytest.approx(np.log(likely[found.text]), rel=1e-9)


def test_greedy_writes_the_likeliest_next_character() -> None:
    """A beam of one, several sources at once, against one symbol at a time by the whole model."""
    texts, endless = ["xy", "y", "xxyx", ""], 0
    for seed in range(6):
        model, p = small_translator(seed)
        found = translate(Trained(model, p, SPEC, CONFIG), texts, beam=1)
        for text, translation in zip(texts, found, strict=True):
            source = [*SPEC.source.encode(text).tolist(), END]
            written: tuple[int, ...] = ()
            while len(written) < 3 and END not in written:
                scores = {k: log_probability(model, p, source, (*written, k)) for k in WRITABLE}
                written = (*written, max(WRITABLE, key=lambda k: scores[k]))
            endless += END not in written
            assert translation.text == SPEC.target.decode(np.array(written))
            assert translation.log_probability == pytest.approx(scores[written[-1]], rel=1e-9)
    assert 0 < endless < 24


def test_what_was_cut_off_counts_only_where_nothing_ended() -> None:
    """It has no end: with one counted all the same, it would win over better ones that have."""
    cut = 0
    for seed in range(12):
        model, p = small_translator(seed)
        source = [*SPEC.source.encode("xy").tolist(), END]
        found = searched(model, p, "xy", 3, 2)
        ended = {tuple(SPEC.target.decode(np.array(w))) for w in finished(3)}
        assert ended >= set(found) or not ended & set(found), seed
        cut += not ended & set(found)
        every = searched(model, p, "xy", 3, len(SPEC.target) ** 3)
        assert set(every) == ended
        for text, nats in found.items():
            ids = [*SPEC.target.encode("".join(text)).tolist(), END][:3]
            assert nats == pytest.approx(log_probability(model, p, source, tuple(ids)), rel=1e-9)
    assert 0 < cut < 12


def test_sources_of_a_batch_are_independent_in_a_beam() -> None:
    """A translation is the same whatever is translated beside it."""
    spec = replace(SPEC, longest=20)
    texts = ["xy", "y" * 9, "xx", "x" * 4]
    for seed in range(4):
        model, p = small_translator(seed)
        together = translate(Trained(model, p, spec, CONFIG), texts, beam=3)
        alone = [translate(Trained(model, p, spec, CONFIG), [text], beam=3)[0] for text in texts]
        assert [t.text for t in together] == [t.text for t in alone]
        assert_close([t.log_probability for t in together], [t.log_probability for t in alone])


# A tied head


def test_a_tied_head_is_the_transposed_embedding() -> None:
    """The outputs equal those of a free head with these weights; the gradients of both add up."""
    tied = SequenceModel(SYMBOLS, SYMBOLS, GRU(4), 1, embedding_size=4, tied=True)
    free = replace(tied, tied=False)
    p, q = random_parameters(tied), random_parameters(free)
    assert set(q) - set(p) == {"head.W"}
    for name in p:
        q[name][...] = p[name]
    q["head.W"][...] = p["embedding.W"].T
    batch = batch_of(tied)
    (mine, g), (theirs, h) = loss_of(tied, p, batch), loss_of(free, q, batch)
    assert_close(mine.total, theirs.total)
    assert_close(g["embedding.W"], h["embedding.W"] + h["head.W"].T)
    assert_close(g["head.b"], h["head.b"])
    drawn = tied.init(np.random.default_rng(0), np.float64)
    assert drawn["embedding.W"].std() == pytest.approx(0.1, rel=0.5)


@pytest.mark.parametrize(
    "settings",
    [
        {"embedding_size": 3},
        {"embedding_size": 0},
        {"output_size": 5},
        {"directions": "both"},
    ],
)
def test_what_cannot_be_tied_is_refused(settings: dict[str, Any]) -> None:
    model = SequenceModel(SYMBOLS, SYMBOLS, GRU(4), 1, embedding_size=4)
    with pytest.raises(ValueError, match="a tied head needs"):
        replace(model, tied=True, **settings)
