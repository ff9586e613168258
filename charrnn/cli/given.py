"""Which options stand on the command line."""

import typer

from charrnn.errors import InputError

__all__ = ["given_options", "weights_given"]


def given_options(ctx: typer.Context) -> set[str]:
    """The names of the parameters that were given, and not left at their defaults."""
    sources = {name: ctx.get_parameter_source(name) for name in ctx.params}
    return {name for name, of in sources.items() if of is not None and of.name == "COMMANDLINE"}


def weights_given(text: str | None, count: int) -> list[float]:
    """What ``--weights 2,1`` says of so many models; all alike, if it is not given.

    Raises:
        InputError: these are not so many numbers.
    """
    if text is None:
        return [1.0] * count
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) != count:
        raise InputError(
            f"--weights {text}: {count} numbers are wanted, one for each model", "as in 2,1"
        )
    return values
