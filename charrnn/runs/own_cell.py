"""A model that uses your own cell: the cell is loaded when you name its file again."""

import reprlib
from collections.abc import Mapping
from shlex import quote
from typing import Any

from charrnn.errors import CheckpointError, InputError
from charrnn.nn.cells import UnknownCellError
from charrnn.own_cells import LoadedCell, load_cell, split_cell

__all__ = ["SOURCE", "loaded_again", "source_of"]

LONGEST, MOST_UNITS = 300, 1 << 15
"""The most characters of a cell's name in a checkpoint, and the most hidden units of a cell."""

SOURCE = "cell_source"
"""The entry of a checkpoint's header with the hash of the cell's source."""


def source_of(cell: LoadedCell | None) -> dict[str, Any]:
    """The entry for a checkpoint: empty for a built-in cell. It never causes an import."""
    return {} if cell is None else {SOURCE: {"sha256": cell.sha256}}


def loaded_again(
    header: Mapping[str, Any], given: str | None, what: str, *, exactly: bool = False
) -> LoadedCell | None:
    """The cell of a checkpoint, from the file that was named; None if the cell is built in.

    Args:
        header: the checkpoint's header.
        given: ``FILE.py:CLASS``, as the user named it.
        what: the checkpoint, in words.
        exactly: whether the file must be the one that the model was trained with.

    Raises:
        InputError: no cell was named, or another one; or one was named and none is needed.
        CheckpointError: the header is damaged.
        CellError: the file does not run.
    """
    try:
        text, hidden = header["config"]["cell"], header["config"]["hidden"]
        if len(text) > LONGEST or not text.isprintable():
            raise ValueError("not the name of a cell")
        parts = split_cell(text)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(f"{what} does not hold a model: it names no cell") from error
    if type(hidden) is not int or not 0 < hidden <= MOST_UNITS:
        given_number = reprlib.repr(hidden)
        raise CheckpointError(
            f"{what} does not hold a model: hidden is {given_number}, and must be a whole number "
            f"from 1 to {MOST_UNITS}"
        )
    if parts is None:
        if given is not None:
            raise InputError(f"{what} has the built-in cell {text}", "leave out --cell")
        return None
    path, name, variants = parts
    option = f"--cell {quote(f'{path}:{name}')}"
    if given is None:
        raise InputError(
            f"{what} has its author's own cell, which charrnn loads only if you name it",
            f"if you trust that file: {option}",
        )
    again = split_cell(given)
    if again is None or again[1] != name or again[2] not in ([], variants):
        raise InputError(
            f"{what} has the cell {','.join([name, *variants])}, not {given}",
            f"name the file that defines it: {option}",
        )
    try:
        cell = load_cell(",".join([f"{again[0]}:{name}", *variants]), hidden)
    except UnknownCellError as error:
        raise InputError(f"--cell {given}: {error}") from None
    if exactly and cell.sha256 != _noted_hash(header):
        raise InputError(
            f"{again[0]} has changed since this run began, so the run cannot continue exactly",
            "to train further from its weights: charrnn train CORPUS --init-from "
            f"{quote(what)} --cell {quote(given)}",
        )
    return cell


def _noted_hash(header: Mapping[str, Any]) -> object:
    noted = header.get(SOURCE)
    return noted.get("sha256") if isinstance(noted, Mapping) else None
