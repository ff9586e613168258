"""``charrnn sample``."""

import re
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from charrnn.cli.complete import runs
from charrnn.cli.errors import reported, say
from charrnn.cli.given import given_options, no_checkpoint, options_again, weights_given
from charrnn.errors import InputError
from charrnn.text.counts import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from charrnn.runs.model import Model

__all__ = ["sample"]

PRIME, CHOICE, TEXT = "Beginning", "Choosing each character", "The whole text"
TOGETHER = 100
"""How many characters a model writes at a time in an interactive text."""

ONE_BY_ONE = {"number", "lines", "new", "best_of", "form", "stop", "no_prime"}
"""Options that do not apply to an interactive text."""

ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


@reported
def sample(
    ctx: typer.Context,
    checkpoints: Annotated[
        list[str] | None,
        typer.Argument(
            autocompletion=runs,
            metavar="CHECKPOINT",
            help="A run's name, its folder or an .npz file. Default: the language model saved last "
            "(with --label, the model of labelled texts), or pydoc, which comes with charrnn.",
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
            help="Texts to write, with a line of --- between them.",
        ),
    ] = 1,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Random seed. Default: a new one, shown on standard error.",
            show_default=False,
        ),
    ] = None,
    form: Annotated[
        Literal["text", "raw", "jsonl"],
        typer.Option(
            "--format",
            help="raw leaves control characters as they are at a terminal. jsonl gives each "
            "character with its probabilities.",
        ),
    ] = "text",
    out: Annotated[
        str | None,
        typer.Option(help="File to write to, always in UTF-8.", show_default=False),
    ] = None,
    interactive: Annotated[
        bool,
        typer.Option(
            "--interactive",
            help="Take turns with the model at the terminal, or line by line through a pipe. "
            "Ctrl-G writes -l characters.",
        ),
    ] = False,
    prime: Annotated[
        str,
        typer.Option(
            "--prime",
            "-p",
            help="Text to continue. Default: start a new line or paragraph. --unknown skip drops "
            "characters that the model does not know.",
            rich_help_panel=PRIME,
        ),
    ] = "",
    prime_file: Annotated[
        str | None,
        typer.Option(
            help="File whose text to continue, line ends included. - is standard input.",
            show_default=False,
            rich_help_panel=PRIME,
        ),
    ] = None,
    no_prime: Annotated[
        bool,
        typer.Option(
            "--no-prime", help="Print only the new text, without the prime.", rich_help_panel=PRIME
        ),
    ] = False,
    label: Annotated[
        str | None,
        typer.Option(
            help="Label of the text to write, for a model of labelled texts. Each text ends by "
            "itself.",
            show_default=False,
            rich_help_panel=PRIME,
        ),
    ] = None,
    temp: Annotated[
        float | None,
        typer.Option(
            "--temp",
            "-t",
            min=0,
            help="Temperature. Lower is safer, higher is wilder, 0 picks the likeliest. Default: "
            "0.8, or 0.5 for labelled texts of more than 64 characters.",
            show_default=False,
            rich_help_panel=CHOICE,
        ),
    ] = None,
    top_k: Annotated[
        int,
        typer.Option(
            min=0, help="Choose among the K likeliest characters. 0: all.", rich_help_panel=CHOICE
        ),
    ] = 0,
    top_p: Annotated[
        float,
        typer.Option(
            help="Choose among the likeliest characters that reach this probability together. 1: "
            "all.",
            rich_help_panel=CHOICE,
        ),
    ] = 1.0,
    min_p: Annotated[
        float,
        typer.Option(
            help="Choose among characters at least this likely, as a part of the likeliest one's "
            "probability. 0: all.",
            rich_help_panel=CHOICE,
        ),
    ] = 0.0,
    repeat_penalty: Annotated[
        float,
        typer.Option(
            help="Make repeating an earlier passage less likely: 1.2, for example. 1: off.",
            rich_help_panel=CHOICE,
        ),
    ] = 1.0,
    allow: Annotated[
        str | None,
        typer.Option(
            metavar="CHARS",
            help=r"Write only these characters. After ^, never write them: '^0123456789'. \n is a "
            "line end.",
            show_default=False,
            rich_help_panel=CHOICE,
        ),
    ] = None,
    stop: Annotated[
        list[str] | None,
        typer.Option(
            help=r"End before this text; '\n' ends at a line end. Can be given more than once.",
            show_default=False,
            rich_help_panel=TEXT,
        ),
    ] = None,
    lines: Annotated[
        str | None,
        typer.Option(
            metavar="N[,new]",
            help="Write N different complete lines, such as names or titles. With ,new: only lines "
            "that are not in the training text.",
            show_default=False,
            rich_help_panel=TEXT,
        ),
    ] = None,
    max_copy: Annotated[
        str | None,
        typer.Option(
            metavar="N[,own=M]",
            help="Never copy N characters in a row from the training text. own=M: nor M from the "
            "text itself, which breaks loops. 0: allow training names and titles.",
            show_default=False,
            rich_help_panel=TEXT,
        ),
    ] = None,
    best_of: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=1 << 16,
            help="Write this many texts and print the likeliest one. Default: 1; for labelled "
            "texts whose ends fit their beginnings, 8, and one is drawn by how well they fit.",
            show_default=False,
            rich_help_panel=TEXT,
        ),
    ] = None,
    weights: Annotated[str | None, typer.Option(hidden=True)] = None,
    forbid: Annotated[str, typer.Option(hidden=True)] = "",
    new: Annotated[bool, typer.Option("--new", hidden=True)] = False,
    train: Annotated[list[str] | None, typer.Option(hidden=True)] = None,
    unknown: Annotated[Literal["error", "skip"], typer.Option(hidden=True)] = "error",
    cell: Annotated[str | None, typer.Option(hidden=True)] = None,
    greedy: Annotated[bool, typer.Option("--greedy", hidden=True)] = False,
    raw: Annotated[bool, typer.Option("--raw", hidden=True)] = False,
) -> None:
    r"""Write text with a trained model.

    The text goes to standard output as it is written; everything else goes to standard
    error. Several models (charrnn sample A B --weights 2,1) write as one, by the mean of
    their probabilities. A model that has your own cell needs --cell FILE.py:CLASS;
    if --max-copy or --lines N,new cannot find the training text, name it with --train FILE.
    docs/sampling.md explains each option.

    charrnn sample --temp 0.8
    charrnn sample shakespeare-1 --prime 'ROMEO:' --min-p 0.05 > play.txt
    charrnn sample checkpoints/names-1 --lines 20,new
    charrnn sample checkpoints/tunes-1 --label 'D Major' -n 4
    charrnn sample --interactive --out story.txt
    """
    import numpy as np

    from charrnn.cli.output import written_to
    from charrnn.cli.sampled import progress, with_notes, write_guesses, write_lines, write_texts
    from charrnn.runs.find import find_checkpoint
    from charrnn.runs.mixture import mix
    from charrnn.runs.model import load_model
    from charrnn.runs.writes import drawn_seed
    from charrnn.sampling import Choice
    from charrnn.tasks.ends import CANDIDATES
    from charrnn.tasks.kinds import KINDS
    from charrnn.tasks.writing import Wanted, candidates, write
    from charrnn.text.vocab import UnknownCharacterError

    given = given_options(ctx)
    if greedy and temp:
        raise InputError("--greedy and --temp exclude each other", "give one of them")
    try:
        asked = Choice(temp or 0.0, top_k, top_p, min_p)
    except ValueError as error:
        raise InputError(str(error).replace("_", "-")) from None
    if interactive:
        for name in sorted(given & ONE_BY_ONE):
            option = "format" if name == "form" else name.replace("_", "-")
            raise InputError(f"--{option} does not go with --interactive", "leave one out")
        if prime_file == "-":
            raise InputError(
                "--prime-file - and --interactive both read standard input", "name a file"
            )
    wanted_lines, only_new = _lines(lines)
    if new and not wanted_lines:
        raise InputError("--new needs --lines", "as in --lines 20 --new")
    new = new or only_new
    copied, own = _max_copy(max_copy)
    only, forbidden = _allowed(allow)
    forbidden += _unescaped(forbid)
    named: list[str | None] = list(checkpoints) if checkpoints else [None]
    writing = [k.name for k in KINDS.values() if k.author and k.text == (label is None)]
    paths = []
    for one in named:
        try:
            paths.append(find_checkpoint(one, writing))
        except InputError as error:
            raise _perhaps_prime(ctx, str(one), named, writing, error) from None
    models = [load_model(path, cell) for path, _ in paths]
    if weights is not None and len(models) == 1:
        raise InputError("--weights needs several models", "name them: charrnn sample A B")
    model = models[0] if len(models) == 1 else mix(models, weights_given(weights, len(models)))
    choice = asked if greedy or temp is not None else replace(asked, temperature=model.temperature)
    wanted = Wanted(
        _prime(prime, prime_file, models[0]),
        label,
        number,
        length if "length" in given else None,
        choice,
        shows_prime=not no_prime,
        skips_unknown=unknown == "skip",
        allow=only,
        forbid=forbidden,
        repeat_penalty=repeat_penalty,
        max_copy=copied,
        max_repeat=own,
        stop=tuple(map(_unescaped, stop or [])),
        lines=wanted_lines,
        new=new,
        best_of=best_of,
        guesses=form == "jsonl",
        trained_on=model.trained_on(train or []) if copied or new else (),
    )
    if train and not (copied or new):
        raise InputError("--train needs --max-copy or --lines N,new", "leave it out")
    if interactive and models[0].config.level == "byte":
        raise InputError(
            f"--interactive needs a model of characters; {models[0].path} is one of bytes",
            "leave it out",
        )
    try:
        author = model.author(wanted)
    except UnknownCharacterError as error:
        if error.known is None or prime_file is not None:
            raise
        _, known = error.known
        again = shlex.join(["charrnn", "sample", *(checkpoints or ()), "--prime", known])
        raise InputError(str(error), error.hint.replace(repr(known), again)) from None
    own_seed = drawn_seed() if seed is None else seed
    chosen = best_of is None and candidates(author, wanted) > 1 and not interactive
    for path, found in paths:
        kind = f"label {label}" if label is not None else found
        kind += f", one of {CANDIDATES} texts, by how well its end fits" * chosen
        say(f"{path}" + f" ({kind})" * bool(kind) + (f", seed {own_seed}" if seed is None else ""))
    if author.left_out:
        verb = "was" if author.left_out == 1 else "were"
        unknown_ones = counted(author.left_out, "character")
        say(f"note: {unknown_ones} that the model does not know {verb} left out")
    if interactive:
        from charrnn.cli.interactive import write_together
        from charrnn.runs.draft import Draft

        draft = Draft(
            model,
            own_seed,
            author.prime,
            temperature=choice.temperature,
            top_k=top_k,
            top_p=top_p,
            min_p=min_p,
            label=label,
            allow=only,
            forbid=forbidden,
            repeat_penalty=repeat_penalty,
            max_copy=copied,
            max_repeat=own,
            train=train or [],
            skip_unknown=unknown == "skip",
        )
        write_together(draft, out, length if "length" in given else TOGETHER)
        return
    bar = progress(author, wanted)
    grown = write(author, wanted, np.random.default_rng(own_seed), bar.update)
    grown = with_notes(grown, wanted)
    with written_to(out, raw=raw or form == "raw", whole=False) as writer:
        if form == "jsonl":
            write_guesses(grown, wanted, writer, models[0].config.level)
        elif wanted.lines:
            write_lines(grown, writer)
        else:
            write_texts(grown, wanted, writer, bar)


def _perhaps_prime(
    ctx: typer.Context,
    given: str,
    named: "Sequence[str | None]",
    writing: "Sequence[str]",
    error: InputError,
) -> InputError:
    """Extend the error on something that is not a checkpoint, if it may be meant as a prime."""
    from charrnn.runs.find import find_checkpoint

    others = [str(one) for one in named if one != given]
    if given_options(ctx) & {"prime", "prime_file"} or (others and " " not in given):
        return error
    if not others:
        try:
            find_checkpoint(None, writing)
        except InputError:
            return error
    primed = ["charrnn", "sample", *others, *options_again(ctx), "--prime", given]
    return no_checkpoint(given, error, "begin with this text", primed)


def _prime(prime: str, file: str | None, model: "Model") -> str:
    """The beginning of the texts; prints a note if something else may have been meant."""
    if file is not None:
        from charrnn.text.decoding import decode_text
        from charrnn.text.sources import read_bytes

        if prime:
            raise InputError("--prime and --prime-file exclude each other", "give one of them")
        encoding = model.config.encoding
        try:
            return decode_text(file, read_bytes(file), encoding)[0]
        except InputError as error:
            if "--encoding" not in (error.hint or ""):
                raise
            hint = f"the model was trained on {encoding}: convert the prime to it"
            raise InputError(str(error), hint) from None
    found = re.search(r"\\[nrt]", prime)
    if found:
        say(
            f"note: {found[0]} in --prime means two characters, a backslash and {found[0][1]!r}; "
            f"--prime-file reads a text with its line ends"
        )
    return prime


def _unescaped(text: str) -> str:
    r"""Replace ``\n``, ``\t`` and ``\r`` by the characters that they stand for; other backslashes
    stay.
    """
    return re.sub(r"\\(.)", lambda found: ESCAPES.get(found[1], found[1]), text, flags=re.DOTALL)


def _allowed(text: str | None) -> tuple[str | None, str]:
    """The only characters that may be written, and those that must not be."""
    if text is not None and text.startswith("^"):
        return None, _unescaped(text[1:])
    return (None if text is None else _unescaped(text)), ""


def _lines(text: str | None) -> tuple[int, bool]:
    """The number of lines, and whether they must be new."""
    if text is None:
        return 0, False
    number, comma, rest = text.partition(",")
    if not _is_number(number, 1) or (comma and rest != "new"):
        raise InputError(
            f"--lines {text}: not a number of lines", "as in --lines 20 or --lines 20,new"
        )
    return int(number), bool(comma)


def _max_copy(text: str | None) -> tuple[int | None, int]:
    """How many characters in a row must not be copied from the training text (0: any may be;
    None if not given), and from the text itself.
    """
    found: dict[str, int] = {}
    for part in text.split(",") if text is not None else []:
        name, _, number = part.rpartition("=")
        name = name or "train"
        any_may = name == "train" and number == "0"
        if name not in ("train", "own") or name in found or not (any_may or _is_number(number, 2)):
            raise InputError(
                f"--max-copy {text}: not a number of characters from 2 up",
                "as in --max-copy 20, --max-copy own=40 or --max-copy 20,own=40",
            )
        found[name] = int(number)
    return found.get("train"), found.get("own", 0)


def _is_number(text: str, least: int) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 7 and int(text) >= least
