"""The formats by suffix, and the function that writes any of them."""

from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import NamedTuple

from charrnn.errors import InputError
from charrnn.exporting.onnx_file import write_onnx
from charrnn.exporting.safetensors_file import write_safetensors
from charrnn.exporting.torch_file import write_torch
from charrnn.page.export import write_page
from charrnn.runs.model import Model
from charrnn.tasks.lm import TextSpec

__all__ = ["FORMATS", "Format", "export", "format_of"]


class Format(NamedTuple):
    """A kind of file."""

    write: Callable[[Model, Path], None]
    every_task: bool = False  # else only language models with built-in cells
    averages: bool = False  # else only single networks


FORMATS = {
    ".safetensors": Format(write_safetensors, every_task=True, averages=True),
    ".pt": Format(write_torch),
    ".onnx": Format(write_onnx),
    ".html": Format(write_page, averages=True),
}
"""The formats by suffix."""


def format_of(path: str | PathLike[str]) -> Format:
    """The format of a file, by its suffix in upper or lower case.

    Raises:
        InputError: no format has that suffix.
    """
    found = FORMATS.get(Path(path).suffix.lower())
    if found is None:
        *others, last = FORMATS
        raise InputError(
            f"cannot export to {str(path)!r}: unknown suffix",
            f"use {', '.join(others)} or {last}: charrnn export RUN FILE",
        )
    return found


def export(model: Model, path: str | PathLike[str]) -> None:
    """Write a model for other programs; docs/export.md describes the files.

    Args:
        model: as :func:`charrnn.load` gives it.
        path: the file, with a suffix of :data:`FORMATS`; an earlier file is replaced, or unchanged
            if the export fails.

    Raises:
        InputError: the suffix is not known, its package is missing, or the format cannot express
            the model.
        CheckpointError: the file cannot be written.
    """
    if not isinstance(model, Model):
        raise InputError(f"model must be a Model, got {model!r}", "load one with charrnn.load(...)")
    chosen, path = format_of(path), Path(path)
    if model.members > 1 and not chosen.averages:
        raise InputError(
            f"{model.path} is the average of {model.members} networks, and a "
            f"{path.suffix.lower()} file holds one",
            "model.member(1) is one of them; a .safetensors file can hold them all",
        )
    if not chosen.every_task:
        _check_language_model(model, path.suffix.lower())
    chosen.write(model, path)


def _check_language_model(model: Model, suffix: str) -> None:
    """Raise InputError unless this is a language model with a built-in cell."""
    hint = "a .safetensors file can hold its weights"
    if not isinstance(model.spec, TextSpec):
        raise InputError(
            f"{model.path} cannot go into a {suffix} file: it is not a language model; its "
            f"task is {model.config.task}",
            hint,
        )
    if model.config.own_cell is not None:
        raise InputError(
            f"{model.path} cannot go into a {suffix} file: it has its author's own cell", hint
        )
    if model.config.loss != "softmax":
        raise InputError(
            f"{model.path} cannot go into a {suffix} file: trained with "
            f"loss={model.config.loss}, it has no softmax output",
            hint,
        )
