"""The list of all checks."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np

from charrnn.engine import shards
from charrnn.gradcheck.checks import ModelCheck, check_loss, check_outputs
from charrnn.gradcheck.networks import AnyNetwork, networks, shared_networks, wide_networks
from charrnn.gradcheck.numeric import METHODS
from charrnn.nn.cells import CELLS, LSTM, Cell, all_variants
from charrnn.nn.models import SequenceModel
from charrnn.own_cells import make_cell, split_cell

__all__ = ["check_all", "chosen_cells"]

PANELS = {"panels side by side": 128, "panels side by side and stacked": 320}
"""Widths at which the products of a step are divided into panels, on machines that do so."""

PANEL_LANES = 6
"""With fewer lanes, products are never divided."""


def chosen_cells(cell: str | None, hidden_size: int) -> list[Cell[Any]]:
    """A name: all its variants; a name with variants: only that one; None: every built-in cell.

    Args:
        cell: as :func:`charrnn.own_cells.make_cell` takes it, also from a file.
        hidden_size: H.

    Raises:
        UnknownCellError: ``cell`` is not the name of a cell.
        CellError: the cell's file fails.
    """
    if cell is None:
        return [v for kind in CELLS.values() for v in all_variants(kind, hidden_size)]
    chosen, own = make_cell(cell, hidden_size), split_cell(cell)
    one = own[2] if own else "," in cell
    return [chosen] if one else all_variants(type(chosen), hidden_size)


def check_all(
    cells: Sequence[Cell[Any]] | None = None,
    *,
    num_layers: Sequence[int] = (1, 2),
    seq_len: int = 5,
    seed: int = 0,
    methods: Sequence[str] = METHODS,
) -> Iterator[ModelCheck]:
    """Every cell at every depth, over different lengths and in both directions; then the networks.

    In networks of one layer the complex step tries every element; in others, random directions.

    Args:
        cells: the cells to check, each with its own H; if not given, every variant of every cell,
            with H = 4. The networks are built around the LSTM if it is among them, else the first
            cell.
        num_layers: the depths to check each cell at.
        seq_len: T.
        seed: each check draws from its own generator, so that one does not affect another.
        methods: methods in :data:`METHODS`.

    Raises:
        ValueError: no draw avoids ReLU's kink.
    """
    cells = chosen_cells(None, 4) if cells is None else cells
    settings: dict[str, Any] = {"methods": methods}
    along = settings | {"every_element": False}
    deepest = max(num_layers)
    for cell in cells:
        for depth in num_layers:
            model = SequenceModel(3, 2, cell, depth)
            each = settings | {"every_element": depth == 1}
            yield _outputs(model, cell.label, [seed, depth], seq_len, **each)

    first_of_kind = {type(cell): cell for cell in reversed(cells)}.values()
    for cell in cells:
        depth = deepest if cell in first_of_kind else min(num_layers)
        for way, name in (("forward", "different lengths"), ("both", "both directions")):
            if seq_len == 1 and way == "forward":
                continue  # with one step, all lengths are equal
            model = SequenceModel(3, 2, cell, depth, directions=way)
            label = f"{name}, {cell.label}"
            yield _outputs(model, label, [seed, 3], seq_len, ragged=True, **along)

    lstm = LSTM(cells[0].hidden_size)
    inner = lstm if lstm in cells else cells[0]
    for name, network in networks(inner, deepest).items():
        label = name if name.endswith("regression") else f"{name}, {inner.label}"
        yield _loss(network, label, seed, seq_len, **along)
    yield from _what_size_decides(inner, seed, seq_len, along)


def _what_size_decides(
    cell: Cell[Any], seed: int, seq_len: int, settings: dict[str, Any]
) -> Iterator[ModelCheck]:
    """Checks of code that only runs with many symbols, outputs, units or sequences."""
    for name, network in wide_networks(cell, seq_len).items():
        yield _loss(network, name, seed, seq_len, **settings)

    for name, size in PANELS.items():
        model = SequenceModel(3, 2, cell.resized(size))
        label, few = f"{name}, {cell.label}", min(seq_len, 2)
        each = settings | {"batch_size": PANEL_LANES, "ragged": True}
        yield _outputs(model, label, [seed, 4], few, **each)

    lanes = next(number for number in count(1) if len(shards(number)) > 2)
    for name, network in shared_networks(cell).items():
        label = f"sum over shards, {name}, {cell.label}"
        each = settings | {"batch_size": lanes, "shared_out": True}
        yield _loss(network, label, seed, seq_len, **each)


def _outputs(
    model: SequenceModel, label: str, seed: list[int], seq_len: int, **settings: Any
) -> ModelCheck:
    def run(seq_len: int) -> ModelCheck:
        rng = np.random.default_rng(seed)
        return check_outputs(model, label, rng=rng, seq_len=seq_len, **settings)

    return replace(run(seq_len), again=run)


def _loss(network: AnyNetwork, label: str, seed: int, seq_len: int, **settings: Any) -> ModelCheck:
    def run(seq_len: int) -> ModelCheck:
        rng = np.random.default_rng(seed)
        return check_loss(network, label, rng=rng, seq_len=seq_len, **settings)

    return replace(run(seq_len), again=run)
