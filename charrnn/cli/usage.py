"""What is wrong with how a command was called: one line, and a hint."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import SequenceMatcher
from typing import Any

import typer

from charrnn.cli.errors import fail

__all__ = ["usage_errors"]

UsageError: Any = typer.BadParameter.mro()[1]
"""The base class of Typer's errors on a command line, which it does not export."""

SENTENCES = (
    (r"No \w+ option:? (\S+).*", r"there is no option \1"),
    (r"No \w+ command '(.*?)'\..*", r"there is no command '\1'"),
    (r"Missing command\.", "the command is missing"),
    (r"Missing argument '(.*)'\.", r"the argument \1 is missing"),
    (r"Option '(.*)' requires an argument\.", r"\1 needs a value"),
    (r"Option '(.*)' does not take a value\.", r"\1 takes no value"),
    (r"Got unexpected extra arguments?(?:\(s\))? \((.*)\)", r"unexpected argument: \1"),
)
"""Typer's sentences, and ours."""

NEEDS = (
    (r".* valid (?:number|float)\b.*", "must be a number"),
    (r".* valid integer\b.*", "must be a whole number"),
    (r".* greater than or equal to (.*)", r"must be \1 or more"),
    (r".* less than or equal to (.*)", r"must be \1 or less"),
    (r".* in the range (.*)\.", r"must be in the range \1"),
    (r".* one of (.*)\.", r"must be one of \1"),
)
"""What is wrong with an option's value, in Typer's words and in ours."""

ALIKE = 0.6
"""The part of their letters that two similar names share, at least."""


@contextmanager
def usage_errors(ctx: Any) -> Iterator[None]:
    """Report a wrong command line as other errors are, with the page that helps.

    Raises:
        typer.Exit: the command line is wrong; what is wrong has been printed.
    """
    try:
        yield
    except UsageError as error:
        offers = "commands" if hasattr(ctx.command, "commands") else "options"
        hint = f"{ctx.command_path} {ctx.help_option_names[0]} shows the {offers}"
        near = _near(error)
        fail(error, _message(error), f"did you mean {near}? {hint}" if near else hint, 2)


def _message(error: Any) -> str:
    """What was given, and what is wrong with it."""
    option = getattr(error, "param", None)
    if option is None or not error.message:
        return _first(SENTENCES, error.format_message())
    found = getattr(error.__cause__, "errors", None)  # as pydantic lists them
    given = repr(found()[0]["input"]) if found else error.message.partition(" is not ")[0]
    name = max(option.opts, key=len)
    return f"{name} {_first(NEEDS, error.message)}, got {given}"


def _first(sentences: tuple[tuple[str, str], ...], text: str) -> str:
    """The text in our words; unchanged if it is not among the sentences."""
    for theirs, ours in sentences:
        match = re.fullmatch(theirs, text, re.DOTALL)
        if match:
            return match.expand(ours)
    return text


def _near(error: Any) -> str:
    """The names that are similar to the wrong one: ``--columns or --out``."""
    names = getattr(error, "possibilities", None)
    if names is None:
        names = re.findall(r"'(.*?)'", error.message.partition("Did you mean ")[2])
    wrong = getattr(error, "option_name", "")
    return " or ".join(name for name in names if not wrong or _alike(wrong, name))


def _alike(wrong: str, name: str) -> bool:
    """Whether one option may be meant by the other; by their dashes, all look alike."""
    wrong, name = wrong.strip("-"), name.strip("-")
    return wrong.startswith(name) or SequenceMatcher(None, wrong, name).ratio() >= ALIKE
