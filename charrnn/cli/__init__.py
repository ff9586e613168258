"""The commands. Each is one file: signature, configuration, one call to the library, printing.

Nothing here imports NumPy before a command runs, so that help and shell completion are instant.
"""

from typing import Annotated

import typer

from charrnn import __version__
from charrnn.cli.errors import open_streams, output_errors
from charrnn.cli.eval import evaluate
from charrnn.cli.explain import explain
from charrnn.cli.export import export
from charrnn.cli.gradcheck import gradcheck
from charrnn.cli.help import Command, Commands
from charrnn.cli.inspect import inspect
from charrnn.cli.predict import predict
from charrnn.cli.ranks import on_all_ranks
from charrnn.cli.sample import sample
from charrnn.cli.train import Train, train

__all__ = ["app", "main"]

app = typer.Typer(
    name="charrnn",
    cls=Commands,
    help="Train character-level recurrent networks and write text with them, in NumPy.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
app.command(cls=Train)(train)
app.command(cls=Command)(sample)
app.command("eval", cls=Command)(evaluate)
app.command(cls=Command)(predict)
app.command(cls=Command)(gradcheck)
app.command(cls=Command)(inspect)
app.command(cls=Command)(explain)
app.command(cls=Command)(export)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"charrnn {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options that come before any command."""


options.__doc__ = None  # the application has its own help instead


def main() -> None:
    """The entry point of the ``charrnn`` script."""
    open_streams()
    with output_errors():
        on_all_ranks(lambda group: app(obj=group))
