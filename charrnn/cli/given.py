"""Which options stand on the command line."""

import typer

__all__ = ["given_options"]


def given_options(ctx: typer.Context) -> set[str]:
    """The names of the parameters that were given, and not left at their defaults."""
    sources = {name: ctx.get_parameter_source(name) for name in ctx.params}
    return {name for name, of in sources.items() if of is not None and of.name == "COMMANDLINE"}
