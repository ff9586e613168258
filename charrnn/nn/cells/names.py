"""Cells by name: ``lstm``, ``gru,reset=before,update=write``, ``rnn,bias=false``."""

from collections.abc import Sequence
from dataclasses import fields
from itertools import product
from typing import Any

from charrnn.nn.cells.base import Cell
from charrnn.nn.cells.gru import GRU
from charrnn.nn.cells.lstm import LSTM
from charrnn.nn.cells.rnn import RNN

__all__ = ["CELLS", "UnknownCellError", "all_variants", "parse_cell", "read_variants"]

AnyCell = Cell[Any]

CELLS: dict[str, type[AnyCell]] = {"rnn": RNN, "lstm": LSTM, "gru": GRU}

BIAS = {"true": ("bias", True), "false": ("bias", False)}


class UnknownCellError(ValueError):
    """The name of a cell or of a variant is unknown."""


def parse_cell(text: str, hidden_size: int) -> AnyCell:
    """The built-in cell that ``text`` names: a cell's name, then variants as ``option=word``.

    Raises:
        UnknownCellError: a name is unknown; the message lists the valid ones.
    """
    name, *variants = (part.strip() for part in text.split(","))
    kind = CELLS.get(name.lower())
    if kind is None:
        known = f"{', '.join(CELLS)}, or your own, FILE.py:CLASS"
        raise UnknownCellError(f"unknown cell {name!r}: choose from {known}")
    return kind(hidden_size, **read_variants(kind, variants))


def read_variants(kind: type[AnyCell], variants: Sequence[str]) -> dict[str, Any]:
    """Parse ``option=word`` variants into arguments of the cell; case does not matter.

    Raises:
        UnknownCellError: an option or word is unknown; the message lists the valid ones.
    """
    choices: dict[str, dict[str, tuple[str, Any]]] = {
        option.lower(): {word.lower(): (option, word) for word in words}
        for option, words in kind.choices.items()
    }
    choices["bias"] = BIAS
    options: dict[str, Any] = {}
    for variant in variants:
        option, _, word = variant.lower().partition("=")
        if word not in choices.get(option, ()):
            known = ", ".join(f"{o}={'|'.join(words)}" for o, words in choices.items())
            raise UnknownCellError(f"{kind.name} has no variant {variant!r}: choose from {known}")
        name, value = choices[option][word]
        if name in options:
            raise UnknownCellError(f"{name!r} is given twice in {','.join(variants)!r}")
        options[name] = value
    return options


def all_variants(cell: type[AnyCell], hidden_size: int) -> list[AnyCell]:
    """Every combination of a cell's variants, defaults first, with and without biases."""
    options: dict[str, tuple[Any, ...]] = {"bias": (True, False), **cell.choices}
    names = [option.name for option in fields(cell) if option.name in options]
    return [
        cell(hidden_size, **dict(zip(names, words, strict=True)))
        for words in product(*(options[name] for name in names))
    ]
