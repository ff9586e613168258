"""``charrnn export``."""

from typing import Annotated, Literal

import typer

from charrnn.cli.complete import runs
from charrnn.cli.errors import reported, say
from charrnn.cli.given import given_options, one_network
from charrnn.errors import InputError

__all__ = ["export"]

PAGE = "For a web page"


@reported
def export(
    ctx: typer.Context,
    names: Annotated[
        list[str],
        typer.Argument(
            autocompletion=runs,
            metavar="[RUN] FILE",
            help="A run's name, its folder or an .npz file (default: the last one saved, or "
            "pydoc), then the file to write: .safetensors, .pt, .onnx or .html.",
            show_default=False,
        ),
    ],
    cell: Annotated[
        str | None,
        typer.Option(help="FILE.py:CLASS, for a model that has your own cell.", show_default=False),
    ] = None,
    member: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Export one network of an average. Default for .pt and .onnx files, which hold "
            "one: the first.",
            show_default=False,
        ),
    ] = None,
    precision: Annotated[
        Literal["float24", "float32", "int16"],
        typer.Option(
            help="Precision of a page's weights: float32 makes it 40% larger, int16 a quarter "
            "smaller but coarser.",
            rich_help_panel=PAGE,
        ),
    ] = "float24",
    with_text: Annotated[
        bool,
        typer.Option(
            "--with-text",
            help="Include the text that the model was trained on.",
            rich_help_panel=PAGE,
        ),
    ] = False,
    note: Annotated[
        str,
        typer.Option(
            help="A line to show on the page: a licence, or the source of the text.",
            rich_help_panel=PAGE,
        ),
    ] = "",
    example: Annotated[
        bool,
        typer.Option(
            "--example",
            help="Write a page of the worked example of charrnn explain, whose numbers you can "
            "change. Takes no model.",
        ),
    ] = False,
) -> None:
    """Export a trained model for another program, or as a web page.

    A .safetensors file holds the weights of any task. A .pt file is a language model for
    PyTorch; an .onnx file is one for ONNX Runtime and others. All hold the vocabulary and the
    settings. Each needs a package: python -m pip install safetensors, torch or onnx. A .html
    file is a page that writes with a language model in any browser, without a server or a
    network.

    charrnn export shakespeare-1 shakespeare.safetensors
    charrnn export checkpoints/shakespeare-1 shakespeare.pt
    charrnn export shakespeare.onnx
    charrnn export shakespeare-1 page.html --precision float32
    charrnn export --example page.html
    """
    from pathlib import Path

    if example:
        from charrnn.page.example import write_example

        write_example(_of_example(names, given_options(ctx)))
        say(f"{names[0]}: {Path(names[0]).stat().st_size:,} bytes, the worked example")
        return
    from charrnn.exporting import formats
    from charrnn.page.content import training_text
    from charrnn.page.export import write_page
    from charrnn.runs.find import find_checkpoint
    from charrnn.runs.model import load_model
    from charrnn.tasks.kinds import KINDS

    if len(names) > 2:
        raise InputError(
            f"{len(names)} names are too many",
            "give a run and a file: charrnn export RUN FILE",
        )
    *run, file = names
    chosen = formats.format_of(file)
    is_page = Path(file).suffix.lower() == ".html"
    for option in given_options(ctx) & {"precision", "with_text", "note"}:
        if not is_page:
            raise InputError(
                f"--{option.replace('_', '-')} needs a .html file",
                "leave it out, or write a .html file",
            )
    of_texts = None if chosen.every_task else [kind.name for kind in KINDS.values() if kind.text]
    path, found = find_checkpoint(run[0] if run else None, of_texts)
    model = load_model(path, cell)
    if member is not None or not chosen.averages:
        model = one_network(model, member)
    if is_page:
        text = training_text(model) if with_text else None
        write_page(model, file, precision=precision, with_text=text, note=note)
    else:
        formats.export(model, file)
    say(f"{file}: {Path(file).stat().st_size:,} bytes, from {path}" + f" ({found})" * bool(found))


def _of_example(names: list[str], given: set[str]) -> str:
    """The file to write for --example, which takes no model."""
    hint = "charrnn export --example page.html"
    for option in sorted(given - {"names", "example"}):
        raise InputError(
            f"--{option.replace('_', '-')} needs a model and does not go with --example", hint
        )
    if len(names) > 1:
        raise InputError(f"--example takes no model, got {names[0]!r}", hint)
    if not names[0].lower().endswith(".html"):
        raise InputError(f"the example is a page, and {names[0]!r} does not end in .html", hint)
    return names[0]
