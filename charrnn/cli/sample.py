"""``charrnn sample``."""

import sys
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from charrnn.cli.errors import reported, say
from charrnn.cli.given import given_options
from charrnn.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from charrnn.tasks.writing import Wanted

__all__ = ["sample"]

PRIME, CHOICE = "Beginning", "Choosing"
SEPARATOR = b"---\n"
TOGETHER = 100
"""Characters that a model writes at a time, where a person writes too."""


@reported
def sample(
    ctx: typer.Context,
    checkpoint: Annotated[
        str | None,
        typer.Argument(
            help="An .npz file, a run's folder or a run's name; without it the language model "
            "saved last (with --label, the model of labelled texts), else the one that comes with "
            "charrnn.",
            show_default=False,
        ),
    ] = None,
    length: Annotated[
        int, typer.Option("--length", "-l", min=0, max=1 << 40, help="Characters to write.")
    ] = 500,
    number: Annotated[
        int,
        typer.Option(
            "--number",
            "-n",
            min=1,
            max=1 << 16,
            help="Texts to write, side by side; a line of --- comes between them.",
        ),
    ] = 1,
    prime: Annotated[
        str,
        typer.Option(
            "--prime",
            "-p",
            help="Text to begin with; else a new line or paragraph.",
            rich_help_panel=PRIME,
        ),
    ] = "",
    label: Annotated[
        str | None,
        typer.Option(
            help="What kind of text to write, with a model of labelled texts; each text then ends "
            "by itself.",
            show_default=False,
            rich_help_panel=PRIME,
        ),
    ] = None,
    temp: Annotated[
        float,
        typer.Option(
            "--temp",
            "-t",
            min=0,
            help="Temperature: lower is safer, higher is wilder, 0 is --greedy.",
            rich_help_panel=CHOICE,
        ),
    ] = 0.8,
    greedy: Annotated[
        bool,
        typer.Option("--greedy", help="Always the likeliest character.", rich_help_panel=CHOICE),
    ] = False,
    top_k: Annotated[
        int,
        typer.Option(min=0, help="Choose among the K likeliest; 0: all.", rich_help_panel=CHOICE),
    ] = 0,
    top_p: Annotated[
        float,
        typer.Option(
            help="Choose among the fewest likeliest that have this probability together; 1: all.",
            rich_help_panel=CHOICE,
        ),
    ] = 1.0,
    cell: Annotated[
        str | None,
        typer.Option(
            help="FILE.py:CLASS, for a model whose cell is its author's own.", show_default=False
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Makes the text reproducible; else drawn, and shown on standard error.",
            rich_help_panel=CHOICE,
            show_default=False,
        ),
    ] = None,
    interactive: Annotated[
        bool,
        typer.Option(
            "--interactive",
            help="Write together with the model, at the terminal; through a pipe, a line of its "
            "own for each line. -l is what Ctrl-G writes.",
        ),
    ] = False,
    raw: Annotated[
        bool,
        typer.Option(
            "--raw",
            help="At a terminal too, write control characters as they are; else they are shown as "
            "symbols.",
        ),
    ] = False,
) -> None:
    """Write text with a trained model.

    The text goes to standard output, one alone as it is made; everything else goes to standard
    error.

    [dim]charrnn sample --temp 0.8
    charrnn sample checkpoints/shakespeare-1 --prime 'ROMEO:' --top-p 0.9 > play.txt
    charrnn sample checkpoints/tunes-1 --label 'D Major' -n 4[/dim]
    """
    from charrnn.runs.find import find_checkpoint
    from charrnn.runs.model import drawn_seed, load_model
    from charrnn.sampling import Choice
    from charrnn.tasks.kinds import KINDS
    from charrnn.tasks.writing import Wanted

    given = given_options(ctx)
    if greedy and "temp" in given and temp > 0:
        raise InputError("--greedy and --temp exclude each other", "give one of them")
    try:
        choice = Choice(0.0 if greedy else temp, top_k, top_p)
    except ValueError as error:
        raise InputError(str(error).replace("_", "-")) from None
    wanted = Wanted(prime, label, number, length if "length" in given else None, choice)
    try:
        writing = [k.name for k in KINDS.values() if k.write and k.text == (label is None)]
        path, found = find_checkpoint(checkpoint, writing)
    except InputError as error:
        raise _perhaps_a_prime(checkpoint, error) from None
    model = load_model(path, cell)
    own_seed = drawn_seed() if seed is None else seed
    grown = model.write(wanted, own_seed)
    kind = f"label {label}" if label is not None else found
    say(f"{path} ({kind})" + (f", seed {own_seed}" if seed is None else ""))
    if interactive:
        from charrnn.cli.interactive import write_together
        from charrnn.runs.draft import Draft

        how = {"temperature": choice.temperature, "top_k": top_k, "top_p": top_p, "label": label}
        count = length if "length" in given else TOGETHER
        write_together(Draft(model, own_seed, prime, **how), None, count)
        return
    if number == 1 and label is None:
        _write_one(grown, raw=raw)
    else:
        _write_many(grown, wanted, raw=raw)


def _perhaps_a_prime(given: str | None, error: InputError) -> InputError:
    """Who names no checkpoint may have meant a text to begin with."""
    path = Path(given or ".npz")
    if path.exists() or path.suffix == ".npz" or (path.name != given and " " not in str(given)):
        return error
    prime = f"to begin with this text: charrnn sample --prime {quote(str(given))}"
    what = f"{given!r} is no checkpoint" if " " in str(given) else str(error)
    return InputError(what, f"{prime}; {error.hint}" if error.hint else prime)


def _write_one(grown: "Iterator[list[bytes]]", *, raw: bool) -> None:
    """A text as it is made."""
    from charrnn.cli.output import TextWriter

    writer, any_yet = TextWriter(raw=raw), False
    for (piece,) in grown:
        writer.write(piece)
        any_yet = any_yet or bool(piece)
    if any_yet:
        writer.end()


def _write_many(grown: "Iterator[list[bytes]]", wanted: "Wanted", *, raw: bool) -> None:
    """Texts one after the other; at a terminal, how far they are is shown until all are done."""
    from tqdm import tqdm

    from charrnn.cli.output import TextWriter

    shown = sys.stderr is not None and sys.stderr.isatty() and wanted.number > 1
    texts: list[list[bytes]] = [[] for _ in range(wanted.number)]
    with tqdm(total=wanted.length, disable=not shown, leave=False, unit="character") as bar:
        for parts in grown:
            for text, part in zip(texts, parts, strict=True):
                text.append(part)
            bar.update(max(map(len, parts)))
    writer = TextWriter(raw=raw)
    for count, text in enumerate(texts):
        if count:
            writer.write(SEPARATOR)
        writer.write(b"".join(text))
        writer.end()
