"""Reading a text with language models: ``charrnn eval`` with --show, --by-line and --copies."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import takewhile
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

from charrnn.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from charrnn.runs.model import Model

__all__ = ["Asked", "look", "progress", "to_console", "writing"]

WAYS = ("show", "by_line", "copies")
GOES_WITH = {
    "form": ("show", "by_line"),
    "guesses": ("show",),
    "out": ("show", "by_line"),
    "threads": ("by_line",),
    "as_json": ("copies",),
    "mix": (),
    "adapt": (),
    "columns": (),
}
"""Which options go with which of these; all others go with each."""


class Asked(NamedTuple):
    """What the user has asked for."""

    models: "list[Model]"
    files: list[str]
    train: list[str]
    form: str  # "text", "jsonl", "html"
    guesses: int | None
    out: str | None
    threads: int
    as_json: bool


def look(given: set[str], options: dict[str, Any]) -> None:
    """Do what --show, --by-line or --copies asks for.

    Args:
        given: the options that were given.
        options: all options of the command.

    Raises:
        InputError: options do not go together, or as the functions raise.
    """
    from charrnn.cli.by_line import rank_lines
    from charrnn.cli.copies import show_copies
    from charrnn.cli.show import show_text

    ways = [way for way in WAYS if options[way]]
    if len(ways) > 1:
        both = " and ".join(map(_option, ways[:2]))
        raise InputError(f"{both} exclude each other", "use one at a time")
    for name in sorted(given & GOES_WITH.keys()):
        fitting = GOES_WITH[name]
        if ways and not fitting:
            raise InputError(f"{_option(name)} does not go with {_option(ways[0])}", "leave it out")
        if not {*ways} & {*fitting}:
            raise InputError(f"{_option(name)} goes with {' or '.join(map(_option, fitting))}")
    files = options["files"] or []
    others = list(takewhile(_is_checkpoint, files))
    asked = Asked(
        _models([options["checkpoint"], *others], options["cell"]),
        files[len(others) :],
        options["train"] or [],
        options["form"],
        options["guesses"],
        None if options["out"] == "-" else options["out"],
        options["threads"],
        options["as_json"],
    )
    if asked.train and asked.files and not options["copies"]:
        raise InputError(f"{_option(ways[0])} with a FILE does not need --train", "leave it out")
    {"show": show_text, "by_line": rank_lines, "copies": show_copies}[ways[0]](asked)


def _option(name: str) -> str:
    """A parameter's name on the command line."""
    return {"form": "--format", "as_json": "--json"}.get(name, f"--{name.replace('_', '-')}")


def _is_checkpoint(argument: str) -> bool:
    from charrnn.runs.find import is_checkpoint

    return is_checkpoint(argument)


def _models(named: Sequence[str | None], cell: str | None) -> "list[Model]":
    """The language models, which must read the same text in the same way."""
    from charrnn.runs.find import find_checkpoint
    from charrnn.runs.model import load_model
    from charrnn.tasks.kinds import KINDS

    texts = [kind.name for kind in KINDS.values() if kind.text]
    models = [load_model(find_checkpoint(one, texts)[0], cell) for one in named]
    for model in models:
        _ = model.vocabulary  # raises InputError for other tasks
        if model.config.level != models[0].config.level:
            raise InputError(
                f"{models[0].path} is a model of {models[0].config.level}s, but {model.path} "
                f"is one of {model.config.level}s",
                "use one at a time",
            )
    return models


@contextmanager
def writing(out: str | None) -> Iterator[Callable[[str], object]]:
    """Write text to a file in UTF-8, whole or not at all, or to standard output.

    Raises:
        InputError: the file cannot be written.
    """
    from charrnn.cli.output import written_to

    with written_to(out) as writer:
        yield lambda text: writer.write(text.encode("utf-8", "backslashreplace"))
    sys.stdout.flush()


@contextmanager
def to_console(out: str | None) -> "Iterator[Console]":
    """A console that writes to a file, or to standard output.

    Raises:
        InputError: the file cannot be written.
    """
    from rich.console import Console

    class Ours(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError  # the command exits as all others do

    if out is None:
        yield Ours(markup=False, highlight=False, emoji=False)
        return
    with writing(out) as write:
        file: Any = SimpleNamespace(write=write, flush=lambda: None)
        yield Ours(file=file, markup=False, highlight=False, emoji=False)


def progress(total: int | None, unit: str, *, quietly: bool = False) -> Any:
    """A progress bar on standard error, at a terminal.

    Args:
        total: the amount of work.
        quietly: whether to show no bar if results at a terminal show the progress themselves.
    """
    from tqdm import tqdm

    shown = sys.stderr is not None and sys.stderr.isatty()
    shown = shown and not (quietly and sys.stdout.isatty())
    return tqdm(total=total, disable=not shown, leave=False, unit=unit, unit_scale=True)
