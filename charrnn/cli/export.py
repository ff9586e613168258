"""``charrnn export``."""

from typing import Annotated

import typer

from charrnn.cli.errors import reported, say
from charrnn.errors import InputError

__all__ = ["export"]


@reported
def export(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="[RUN] FILE",
            help="The model: an .npz file, a run's folder or a run's name; without it the one "
            "saved last, else the one that comes with charrnn. Then the file to write, whose "
            "suffix says which format: .safetensors, .pt, .onnx.",
            show_default=False,
        ),
    ],
    cell: Annotated[
        str | None,
        typer.Option(
            help="FILE.py:CLASS, for a model whose cell is its author's own.", show_default=False
        ),
    ] = None,
) -> None:
    """Write a trained model as a file of another program.

    A .safetensors file holds the weights of any task, a .pt file a language model
    for PyTorch, an .onnx file one for ONNX Runtime and others; all of them hold the
    vocabulary and the settings. Each needs a package: python -m pip install
    safetensors, torch or onnx.

    [dim]charrnn export shakespeare-1 shakespeare.safetensors
    charrnn export checkpoints/shakespeare-1 shakespeare.pt
    charrnn export shakespeare.onnx[/dim]
    """
    from pathlib import Path

    from charrnn.exporting import formats
    from charrnn.runs.find import find_checkpoint
    from charrnn.runs.model import load_model
    from charrnn.tasks.kinds import KINDS

    if len(names) > 2:
        raise InputError(
            f"{len(names)} names are too many", "name a run and a file: charrnn export RUN FILE"
        )
    *run, file = names
    every_task = formats.format_of(file).every_task
    of_texts = None if every_task else [kind.name for kind in KINDS.values() if kind.text]
    path, found = find_checkpoint(run[0] if run else None, of_texts)
    formats.export(load_model(path, cell), file)
    say(f"{file}: {Path(file).stat().st_size:,} bytes, from {path} ({found})")
