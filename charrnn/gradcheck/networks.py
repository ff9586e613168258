"""The networks whose training loss is checked, and random batches for them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.nn.cells import Cell
from charrnn.nn.conditional import Conditional, Labelled
from charrnn.nn.ensemble import Ensemble
from charrnn.nn.head import HEAD_ELEMENTS
from charrnn.nn.models import SequenceModel, Sequences
from charrnn.nn.ops import ONE_HOT_LIMIT
from charrnn.nn.translator import Translations, Translator
from charrnn.nn.types import Array, State
from charrnn.nn.wide import Features

__all__ = [
    "AnyNetwork",
    "draw_batch",
    "draw_lengths",
    "draw_state",
    "networks",
    "shared_networks",
    "wide_networks",
]

AnyNetwork = SequenceModel | Translator | Conditional | Ensemble
Make = Callable[[npt.DTypeLike], Any]

SYMBOLS = 6
LANES = 4


def draw_lengths(num_steps: int, batch_size: int, rng: np.random.Generator) -> Array:
    """Lengths ``(B,)``, longest first: the first is ``num_steps``, the last is shorter if possible.

    There must be at least two sequences, so that one runs on after another has ended.
    """
    lengths = np.sort(rng.integers(1, num_steps + 1, size=batch_size))[::-1].copy()
    lengths[0] = num_steps
    if batch_size > 1:
        lengths[-1] = max(1, min(int(lengths[-1]), num_steps - 1))
    return lengths


def draw_state(model: SequenceModel | Ensemble, batch_size: int, rng: np.random.Generator) -> State:
    """A random state, so that nothing is special about it."""
    return tuple(
        tuple(0.5 * rng.standard_normal(part.shape) for part in layer)
        for layer in model.zero_state(batch_size)
    )


def draw_batch(
    network: AnyNetwork, num_steps: int, batch_size: int, rng: np.random.Generator
) -> tuple[Make, int]:
    """A random batch in any dtype, and the number of its targets.

    The sequences have different lengths, except for language models and other networks that read
    out every step of symbols.
    """
    if isinstance(network, Translator):
        return _translations(network, num_steps, batch_size, rng)
    if isinstance(network, Ensemble):
        return _averaged(network, num_steps, batch_size, rng)
    lengths = draw_lengths(num_steps, batch_size, rng)
    if isinstance(network, Conditional):
        x, targets = _symbols(network.generator.input_size, (2, num_steps, batch_size), rng)
        labels = rng.integers(network.num_labels, size=batch_size)
        return lambda dtype: Labelled(labels, x, targets, lengths), int(lengths.sum())
    return _sequences(network, num_steps, lengths, rng)


def _symbols(number: int, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Some of the symbols, so that some occur several times even if there are many."""
    return rng.choice(rng.permutation(number)[: SYMBOLS + 2], shape)


def _translations(
    network: Translator, num_steps: int, batch_size: int, rng: np.random.Generator
) -> tuple[Make, int]:
    lengths = draw_lengths(num_steps, batch_size, rng)
    shape = (num_steps + 1, batch_size)  # T_x ≠ T_y
    source = rng.integers(network.source_size, size=(num_steps, batch_size))
    previous, targets = rng.integers(network.target_size, size=(2, *shape))
    inside = np.arange(num_steps + 1)[:, None] < rng.permutation(lengths)
    weights = inside.astype(np.float64)
    return lambda dtype: Translations(source, lengths, previous, targets, weights), int(
        inside.sum()
    )


def _averaged(
    network: Ensemble, num_steps: int, batch_size: int, rng: np.random.Generator
) -> tuple[Make, int]:
    """A member's batch, and a state of all of them."""
    of_member, count = draw_batch(network.member, num_steps, batch_size, rng)
    state = draw_state(network, batch_size, rng)

    def make(dtype: npt.DTypeLike) -> Sequences:
        start = tuple(tuple(part.astype(dtype) for part in layer) for layer in state)
        batch: Sequences = of_member(dtype)
        return replace(batch, state=start)

    return make, count


def _sequences(
    model: SequenceModel, num_steps: int, lengths: Array, rng: np.random.Generator
) -> tuple[Make, int]:
    batch_size = len(lengths)
    x: Array
    if model.input == "symbols":
        x = _symbols(model.input_size, (num_steps, batch_size), rng)
    else:
        x = rng.standard_normal((num_steps, batch_size, model.input_size))
    state = draw_state(model, batch_size, rng)
    spans: Array | None = None
    rows: tuple[int, ...] = (batch_size,)
    ragged: Array | None = lengths
    if model.readout == "steps":
        rows = (num_steps, batch_size)
        if model.directions == "forward" and model.input == "symbols":
            ragged = None
    elif model.readout == "spans":
        # Tokens of two steps, or of one where there is no second step.
        starts = [(lane, t) for lane, n in enumerate(lengths) for t in range(0, n, 2)]
        spans = np.array([(lane, t, min(t + 1, lengths[lane] - 1)) for lane, t in starts])
        rows = (len(spans),)
    one_each = model.loss in ("softmax", "normalised", "chain")
    if model.loss == "sigmoid" and model.input == "symbols":
        one_each = model.readout in ("steps", "spans")  # exactly one yes; else any number
    if one_each:
        targets: Array = rng.integers(model.output_size, size=rows)
    else:
        targets = rng.random((*rows, model.output_size))
    count = int(np.prod(rows)) if ragged is None or len(rows) == 1 else int(lengths.sum())
    features = _features(model.wide, rows[0], rng) if model.wide else None

    def make(dtype: npt.DTypeLike) -> Sequences:
        start = tuple(tuple(part.astype(dtype) for part in layer) for layer in state)
        return Sequences(x, targets, start, ragged, spans, features=features)

    return make, count


def _features(size: int, count: int, rng: np.random.Generator) -> Features:
    """Some features for each row but the last, which has none; one of them twice."""
    row = np.repeat(np.arange(max(1, count - 1)), 3)
    column = rng.integers(size, size=len(row))
    column[1] = column[0]
    return Features(count, row, column, rng.standard_normal(len(row)))


def networks(cell: Cell[Any], depth: int) -> dict[str, AnyNetwork]:
    """Every head, read-out and network around one cell, by the name of its row."""
    K, V = 3, SYMBOLS

    def read(readout: str) -> SequenceModel:
        return SequenceModel(V, K, cell, 1, embedding_size=3, directions="both", readout=readout)

    def wide(readout: str, loss: str = "softmax") -> SequenceModel:
        return replace(read(readout), wide=7, loss=loss)

    def regression(loss: str) -> SequenceModel:
        return SequenceModel(3, K, cell, 0, input="vectors", loss=loss)

    def translator(directions: str, attention: str, layers: int = 1) -> Translator:
        even = cell.resized(cell.hidden_size + cell.hidden_size % 2)
        return Translator(V, V - 1, even, layers, 2, 0.0, directions, attention)

    return {
        "linear regression": regression("squared"),
        "logistic regression": regression("sigmoid"),
        "softmax regression": SequenceModel(V, V, cell, 0),
        "one-hot": SequenceModel(V, V, cell, depth),
        "embedding": SequenceModel(V, V, cell, depth, embedding_size=3),
        "tied": SequenceModel(V, V, cell, depth, embedding_size=cell.hidden_size, tied=True),
        "dropout": SequenceModel(V, V, cell, depth, dropout=0.4),
        "dropout, one mask": SequenceModel(V, V, cell, depth, dropout=0.4, mask="sequence"),
        "sigmoid head": SequenceModel(3, K, cell, depth, input="vectors", loss="sigmoid"),
        "sigmoid at every step": SequenceModel(V, V, cell, depth, loss="sigmoid"),
        "sigmoid at every token": SequenceModel(
            V, K, cell, 1, directions="both", readout="spans", loss="sigmoid"
        ),
        "sigmoid of each label": SequenceModel(
            V, K, cell, 1, directions="both", readout="max", loss="sigmoid"
        ),
        "sigmoid, normalised": SequenceModel(V, V, cell, depth, loss="normalised"),
        "average of three": Ensemble(SequenceModel(V, V, cell, depth), 3),
        "average of two, sigmoid": Ensemble(SequenceModel(V, V, cell, 1, loss="sigmoid"), 2),
        "squared error head": SequenceModel(3, K, cell, depth, input="vectors", loss="squared"),
        "read-out last": read("last"),
        "read-out mean": read("mean"),
        "read-out max": read("max"),
        "read-out spans": read("spans"),
        "wide, of a text": wide("max"),
        "wide, of each label": wide("max", "sigmoid"),
        "wide, of a token": wide("spans"),
        "chain of tags": wide("spans", "chain"),
        "one to many": Conditional(SequenceModel(V, V, cell, depth), K),
        "encoder-decoder": translator("forward", "none"),
        "encoder-decoder, both directions": translator("both", "none", depth),
        "encoder-decoder, attention": translator("both", "luong"),
    }


def wide_networks(cell: Cell[Any], num_steps: int) -> dict[str, AnyNetwork]:
    """Networks that use other code because they are large, by the name of their row.

    Symbols are gathered, and their gradients scattered, in another way if there are many symbols;
    the head computes its outputs in pieces if there are very many.
    """
    reads = num_steps * LANES
    many = max(ONE_HOT_LIMIT, reads) + 50
    pieces = HEAD_ELEMENTS // max(1, 3 * reads // 4)  # a piece is three quarters of its input
    return {
        "many symbols, softmax regression": SequenceModel(many, 3, cell, 0),
        f"many symbols, one-hot, {cell.label}": SequenceModel(many, 3, cell, 1),
        f"many symbols, embedding, {cell.label}": SequenceModel(many, 3, cell, 1, embedding_size=2),
        # Directions "both" without layers means: sequences of different lengths.
        "head in pieces, embedding": SequenceModel(
            SYMBOLS, pieces, cell, 0, embedding_size=2, directions="both", loss="squared"
        ),
    }


def shared_networks(cell: Cell[Any]) -> dict[str, AnyNetwork]:
    """A network for each way of dividing a batch into shards."""
    every = networks(cell, 1)
    names = ("one-hot", "read-out last", "read-out spans", "wide, of a token", "one to many")
    return {name: every[name] for name in (*names, "encoder-decoder, attention")}
