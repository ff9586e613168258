"""``charrnn explain``."""

from typing import TYPE_CHECKING, Annotated

import typer

from charrnn.cli.complete import runs
from charrnn.cli.errors import reported
from charrnn.cli.given import given_options, one_network
from charrnn.errors import InputError

if TYPE_CHECKING:
    from charrnn.explaining.lines import Explanation

__all__ = ["explain"]

SHOWN = 3
"""How many units are shown by default."""


@reported
def explain(
    ctx: typer.Context,
    checkpoint: Annotated[
        str | None,
        typer.Argument(
            autocompletion=runs,
            help="A language model: a run's name, its folder, an .npz file, or pydoc, which comes "
            "with charrnn. Default: a small worked example.",
            show_default=False,
        ),
    ] = None,
    prime: Annotated[
        str,
        typer.Option(
            "--prime",
            "-p",
            help="Text to read; the step shown is its last character. Default: a line end.",
        ),
    ] = "",
    follows: Annotated[
        str | None,
        typer.Option(
            "--next",
            help=r"Character to predict; \n is a line end. Default: the likeliest.",
            show_default=False,
        ),
    ] = None,
    units: Annotated[
        int, typer.Option("--units", "-u", min=1, help="How many units to show.")
    ] = SHOWN,
    layer: Annotated[
        int | None,
        typer.Option(
            min=0, help="Which layer, counted from 0. Default: the top one.", show_default=False
        ),
    ] = None,
    member: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Which network of an average. Default: the first.",
            show_default=False,
        ),
    ] = None,
    cell: Annotated[
        str | None,
        typer.Option(help="FILE.py:CLASS, for a model that has your own cell.", show_default=False),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print everything as JSON, with every digit."),
    ] = False,
) -> None:
    """Show one step of a network in numbers, each beside its equation.

    Forward: the input, each gate before and after its function, the state, the
    five likeliest characters, the loss. Then the gradients in reverse order.
    docs/explain.md shows how to read it.

    charrnn explain
    charrnn explain pydoc --prime 'To be' --units 3
    charrnn explain shakespeare-1 --prime 'To b' --next e --layer 0 --json
    """
    given = given_options(ctx)
    explanation: Explanation
    if checkpoint is None:
        _refuse(given)
        from charrnn.explaining.worked import worked_example

        explanation = worked_example()
    else:
        from charrnn.explaining.model import explain_model
        from charrnn.runs.find import find_checkpoint
        from charrnn.runs.model import load_model

        model = one_network(load_model(find_checkpoint(checkpoint)[0], cell), member)
        explanation = explain_model(model, prime, follows, layer)
    if as_json:
        import json

        typer.echo(json.dumps(explanation.to_json(units), indent=1))
        return
    from charrnn.cli.explained import show

    show(explanation, units)


def _refuse(given: set[str]) -> None:
    options = {"prime": "--prime", "follows": "--next", "layer": "--layer", "cell": "--cell"}
    options["member"] = "--member"
    for name in sorted(given & (options.keys() | {"units"})):
        raise InputError(
            f"{options.get(name, '--units')} needs a model: name one",
            "for example, charrnn explain latest --prime 'To be'",
        )
