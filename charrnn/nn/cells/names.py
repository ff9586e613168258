"""Cells by name: ``lstm``, ``gru,reset=before,update=write``, ``rnn,bias=false``."""

from dataclasses import fields
from itertools import product
from typing import Any

from charrnn.nn.cells.base import Cell
from charrnn.nn.cells.gru import GRU
from charrnn.nn.cells.lstm import LSTM
from charrnn.nn.cells.rnn import RNN

__all__ = ["CELLS", "UnknownCellError", "all_variants", "parse_cell"]

AnyCell = Cell[Any]

CELLS: dict[str, type[AnyCell]] = {"rnn": RNN, "lstm": LSTM, "gru": GRU}

BIAS = {"true": True, "false": False}


class UnknownCellError(ValueError):
    """A cell's name or one of its variants is not known."""


def parse_cell(text: str, hidden_size: int) -> AnyCell:
    """The cell that ``text`` describes: a name, then variants as ``option=word``, comma-separated.

    Raises:
        UnknownCellError: with the names or words that would do.
    """
    name, *variants = (part.strip().lower() for part in text.split(","))
    if name not in CELLS:
        raise UnknownCellError(f"unknown cell {name!r}: choose from {', '.join(CELLS)}")
    choices: dict[str, dict[str, Any]] = {
        option: {word: word for word in words} for option, words in CELLS[name].choices.items()
    }
    choices["bias"] = BIAS
    options: dict[str, Any] = {}
    for variant in variants:
        option, _, word = variant.partition("=")
        if option not in choices or word not in choices[option]:
            known = " ".join(f"{o}={'|'.join(words)}" for o, words in choices.items())
            raise UnknownCellError(f"{name} has no variant {variant!r}: choose from {known}")
        if option in options:
            raise UnknownCellError(f"{option!r} is given twice in {text!r}")
        options[option] = choices[option][word]
    return CELLS[name](hidden_size, **options)


def all_variants(cell: type[AnyCell], hidden_size: int) -> list[AnyCell]:
    """Every combination of a cell's variants, defaults first, with and without biases."""
    options: dict[str, tuple[Any, ...]] = {"bias": (True, False), **cell.choices}
    names = [option.name for option in fields(cell) if option.name in options]
    return [
        cell(hidden_size, **dict(zip(names, words, strict=True)))
        for words in product(*(options[name] for name in names))
    ]
