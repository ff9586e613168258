"""``charrnn export``."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from charrnn.cli.errors import reported, say
from charrnn.errors import InputError

__all__ = ["export"]


@reported
def export(
    checkpoint: Annotated[
        str, typer.Argument(metavar="RUN", help="An .npz file, a run's folder or a run's name.")
    ],
    file: Annotated[str, typer.Argument(metavar="FILE", help="What to write: a .html page.")],
    precision: Annotated[
        Literal["float16", "float32"],
        typer.Option(help="Of the weights; float32 is twice as large."),
    ] = "float16",
    with_text: Annotated[
        bool,
        typer.Option("--with-text", help="With the text that the model was trained on."),
    ] = False,
    note: Annotated[
        str, typer.Option(help="A line for the page: a licence, or where the text is from.")
    ] = "",
) -> None:
    """Write a model as a web page: it writes in any browser, without a server or a network.

    [dim]charrnn export corpus-1 page.html
    charrnn export corpus-1 page.html --precision float32 --with-text[/dim]
    """
    from charrnn.page import write_page
    from charrnn.page.content import training_text
    from charrnn.runs.find import find_checkpoint
    from charrnn.runs.model import load_model

    if Path(file).suffix != ".html":
        raise InputError(f"{file!r} is of no known kind", "name a .html file")
    model = load_model(find_checkpoint(checkpoint)[0])
    text = training_text(model) if with_text else None
    write_page(model, file, precision=precision, with_text=text, note=note)
    say(f"{file}: {Path(file).stat().st_size / 1e6:.2f} MB, {precision}; open it in a browser")
