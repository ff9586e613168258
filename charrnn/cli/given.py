"""Which options were given on the command line, and what the user may have meant."""

import os
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import typer

from charrnn.cli.errors import say
from charrnn.errors import InputError
from charrnn.text.counts import typed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from charrnn.runs.model import Model

__all__ = ["given_options", "no_checkpoint", "one_network", "options_again", "weights_given"]


def given_options(ctx: typer.Context) -> set[str]:
    """The names of the parameters that were given, not left at their defaults."""
    sources = {name: ctx.get_parameter_source(name) for name in ctx.params}
    return {name for name, of in sources.items() if of is not None and of.name == "COMMANDLINE"}


def options_again(ctx: typer.Context) -> "Iterator[str]":
    """The words of the options that were given, for a command like this one."""
    given = given_options(ctx)
    for one in ctx.command.params:
        if one.name not in given or one.param_type_name != "option":
            continue
        value = ctx.params[one.name]
        name = max(one.opts, key=len)
        for each in value if isinstance(value, list) else [value]:
            yield from [name] if each is True else [name, typed(each)]


def no_checkpoint(
    given: str | None, error: InputError, what: str, command: "Sequence[str]"
) -> InputError:
    """Extend the error on something that is not a checkpoint, if it may be a text given by mistake.

    Args:
        given: the argument.
        error: the error, in which the argument is taken as a checkpoint.
        what: what the text would be used for, after "to": ``begin with this text``.
        command: the words of the whole command that would do that.
    """
    path = Path(given or ".npz")
    is_path = path.name != given and " " not in str(given)
    if is_path or path.suffix == ".npz" or os.path.exists(path):  # noqa: PTH110 - of any length
        return error
    hint = f"to {what}: {' '.join(map(quote, command))}"
    message = f"{given!r} is not a checkpoint" if " " in str(given) else str(error)
    return InputError(message, f"{hint}; {error.hint}" if error.hint else hint)


def weights_given(text: str | None, count: int) -> list[float]:
    """The weights that ``--weights 2,1`` gives to ``count`` models; if not given, all equal.

    Raises:
        InputError: there is not one number for each model.
    """
    if text is None:
        return [1.0] * count
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) != count:
        raise InputError(
            f"--weights {text}: {count} numbers are needed, one for each model", "for example 2,1"
        )
    return values


def one_network(model: "Model", member: int | None) -> "Model":
    """The network to inspect: in an average the first one, unless ``member`` is given.

    Raises:
        InputError: no network has that number.
    """
    if member is None and model.members > 1:
        say(
            f"note: {model.path} is the average of {model.members} networks; this is the first "
            "(for another: --member K)"
        )
    return model.member(member or 1)
