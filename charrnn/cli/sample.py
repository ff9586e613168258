"""``charrnn sample``."""

from typing import TYPE_CHECKING, Annotated

import typer

from charrnn.cli.errors import reported, say
from charrnn.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from charrnn.runs.model import Model
    from charrnn.sampling import Choice, Ids

__all__ = ["sample"]

PRIME, CHOICE = "Beginning", "Choosing"
SEPARATOR = b"---\n"
MOST_TOGETHER = 1 << 28


@reported
def sample(
    ctx: typer.Context,
    checkpoint: Annotated[
        str | None,
        typer.Argument(
            help="An .npz file or a run's folder; without it the run saved last, "
            "else the model that comes with charrnn.",
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
            "--prime", "-p", help="Text to begin with; else a new line.", rich_help_panel=PRIME
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
    seed: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Makes the text reproducible; else drawn, and shown on standard error.",
            rich_help_panel=CHOICE,
            show_default=False,
        ),
    ] = None,
) -> None:
    """Write text with a trained model.

    The text goes to standard output, one alone as it is made; everything else goes to standard
    error.

    [dim]charrnn sample --temp 0.8
    charrnn sample checkpoints/shakespeare-1 --prime 'ROMEO:' --top-p 0.9 > play.txt
    charrnn sample checkpoints/tunes-1 --label 'D Major' -n 4[/dim]
    """
    import numpy as np

    from charrnn.cli.output import TextWriter
    from charrnn.nn.products import one_blas_thread
    from charrnn.runs.model import find_checkpoint, load_model
    from charrnn.sampling import Choice
    from charrnn.sampling import sample as write

    given = ctx.get_parameter_source("temp")
    if greedy and given is not None and given.name == "COMMANDLINE" and temp > 0:
        raise InputError("--greedy and --temp exclude each other", "give one of them")
    try:
        choice = Choice(0.0 if greedy else temp, top_k, top_p)
    except ValueError as error:
        raise InputError(str(error).replace("_", "-")) from None

    if number > 1 and length * number > MOST_TOGETHER:
        raise InputError(
            f"{number} texts of {length} characters are more than {MOST_TOGETHER} together",
            "ask for shorter ones, or for one after the other",
        )
    one_blas_thread()
    path, found = find_checkpoint(checkpoint)
    model = load_model(path)
    if model.config.task == "generate":
        given = ctx.get_parameter_source("length")
        most = length if given is not None and given.name == "COMMANDLINE" else None
        _sample_label(model, label, number, prime, choice, seed, most)
        return
    if label is not None:
        raise InputError(f"{path} knows no labels", "leave out --label")
    vocabulary = model.vocabulary
    ids = vocabulary.encode_text(prime, "the prime")
    if seed is None:
        seed = int(np.random.SeedSequence().generate_state(1)[0])
        say(f"{path} ({found}), seed {seed}")
    else:
        say(f"{path} ({found})")

    start = ids if len(ids) else np.array([vocabulary.start])
    symbols = write(
        model.model,
        model.parameters,
        np.tile(start[:, None], number),
        length,
        np.random.default_rng(seed),
        choice,
    )
    writer = TextWriter()
    if number == 1:
        writer.write(prime.encode())
        for symbol in symbols:
            writer.write(vocabulary.decode(symbol))
        if length or prime:
            writer.end()
        return
    texts = np.empty((length, number), dtype=np.int32)
    for row, symbol in zip(texts, _with_bar(symbols, length), strict=True):
        row[:] = symbol
    for count, text in enumerate(texts.T):
        if count:
            writer.write(SEPARATOR)
        writer.write(prime.encode() + vocabulary.decode(text))
        writer.end()


def _sample_label(
    model: "Model",
    label: str | None,
    number: int,
    prime: str,
    choice: "Choice",
    seed: int | None,
    most: int | None,
) -> None:
    """Texts of one kind, each to its own end (or cut off after ``most`` characters)."""
    import numpy as np

    from charrnn.cli.output import TextWriter
    from charrnn.tasks.generate import write
    from charrnn.text.vocab import name_characters

    labels = model.spec.labels
    if label not in labels:
        shown = ", ".join(map(repr, labels[:20])) + (", ..." if len(labels) > 20 else "")
        what = "there is no --label" if label is None else f"--label {label!r} is none it knows"
        raise InputError(f"{model.path} writes texts of a kind, and {what}", f"choose from {shown}")
    if model.spec.alphabet.unknown(prime):
        known = model.spec.alphabet
        odd = sorted({ord(c) for c in prime if known.unknown(c)})
        raise InputError(f"the prime has characters the model never saw: {name_characters(odd)}")
    if seed is None:
        seed = int(np.random.SeedSequence().generate_state(1)[0])
    say(f"{model.path}, label {label}, seed {seed}")
    texts = write(
        model.model,
        model.parameters,
        model.spec,
        np.full(number, labels.index(label)),
        np.random.default_rng(seed),
        choice,
        prime=prime,
        most=most,
    )
    writer = TextWriter()
    many_lines = any("\n" in text for text in texts)
    for count, text in enumerate(texts):
        if count and many_lines:
            writer.write(SEPARATOR)
        writer.write(text.encode("utf-8", "replace"))
        writer.end()


def _with_bar(symbols: "Iterator[Ids]", length: int) -> "Iterator[Ids]":
    """Several texts show nothing before they are done: at a terminal, say how far they are."""
    import sys

    from tqdm import tqdm

    shown = sys.stderr is not None and sys.stderr.isatty()
    yield from tqdm(symbols, total=length, disable=not shown, leave=False, unit="character")
