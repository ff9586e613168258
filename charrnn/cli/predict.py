"""``charrnn predict``."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from charrnn.cli.errors import reported, say
from charrnn.cli.given import given_options
from charrnn.cli.output import TextWriter
from charrnn.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from charrnn.tasks.base import Prediction

__all__ = ["predict"]

AT_ONCE = 256
"""Texts whose results are computed together."""


@reported
def predict(
    ctx: typer.Context,
    checkpoint: Annotated[
        str | None,
        typer.Argument(
            help="An .npz file, a run's folder or a run's name; without it the one saved last "
            "that predicts.",
            show_default=False,
        ),
    ] = None,
    texts: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TEXT]...",
            help="What to predict from: a label for each text, tags for the words of each (spaces "
            "part them), a translation of each; for a forecast, a CSV file. - is standard input.",
            show_default=False,
        ),
    ] = None,
    file: Annotated[
        str | None,
        typer.Option(
            "--file",
            "-f",
            help="Read texts from a file, one a line and nothing else in it; - is standard input, "
            "as without any text.",
            show_default=False,
        ),
    ] = None,
    form: Annotated[
        Literal["text", "tsv", "jsonl"],
        typer.Option(
            "--format", help="What to write: results alone, with what they are of, or everything."
        ),
    ] = "text",
    cell: Annotated[
        str | None,
        typer.Option(
            help="FILE.py:CLASS, for a model whose cell is its author's own.", show_default=False
        ),
    ] = None,
    beam: Annotated[
        int, typer.Option(min=1, max=64, help="translate: beginnings kept at a time; 1: greedy.")
    ] = 1,
    steps: Annotated[int, typer.Option(min=1, max=1 << 20, help="forecast: rows to predict.")] = 1,
) -> None:
    """Use a trained network: classify, tag, translate, forecast.

    Results go to standard output in the order of the texts, with probabilities as TSV or JSON.

    [dim]charrnn predict checkpoints/questions-1 'What is an atom ?'
    charrnn predict checkpoints/tagger-1 --file sentences.txt --format tsv
    charrnn predict checkpoints/dates-1 'the third of march 1984' --beam 4 --format jsonl
    charrnn predict checkpoints/series-1 series.csv --steps 24[/dim]
    """
    from charrnn.runs.find import find_checkpoint
    from charrnn.runs.model import load_model
    from charrnn.tasks.examples import checked
    from charrnn.tasks.kinds import KINDS

    predicting = [kind.name for kind in KINDS.values() if kind.predict is not None]
    model = load_model(find_checkpoint(checkpoint, predicting)[0], cell)
    kind, given = model.config.kind, given_options(ctx)
    if kind.predict is None:
        model.predict("")  # which refuses, and says what to do instead
    if texts and file is not None:
        raise InputError("texts come as arguments or from --file, not both")
    for name in ("beam", "steps"):
        if name in given and name not in kind.options:
            wanted = "translate" if name == "beam" else "forecast"
            raise InputError(f"--{name} is for {wanted}; this model's task is {kind.name}")
    if texts == ["-"] or not (texts or file is not None):
        texts, file = None, "-"
    writer = TextWriter()
    if "steps" in kind.options:
        _write(writer, model.predict(texts or [str(file)], steps=steps), form)
        return
    number, told = 0, False
    for part in [list(texts)] if texts else _read(str(file), model.config.encoding):
        for start in range(0, len(part), AT_ONCE):
            some = part[start : start + AT_ONCE]
            rows = [checked(text, number + k) for k, text in enumerate(some, 1)]
            number += len(rows)
            if not told and (note := next(filter(None, map(model.known_form, rows)), "")):
                say(f"note: {note}")
                told = True  # of many texts one will do
            _write(writer, model.predict(rows, beam=beam), form)
    if not number:
        raise InputError("there are no texts to predict from")


def _write(writer: TextWriter, predictions: "Sequence[Prediction]", form: str) -> None:
    for prediction in predictions:
        for note in getattr(prediction, "notes", ()):
            say(f"note: {note}")
        for line in prediction.lines(form):
            writer.write(line.encode("utf-8", "replace") + b"\n")


def _read(path: str, encoding: str) -> "Iterator[list[str]]":
    """The lines of a file; of standard input, as they come, so that each is answered at once."""
    import sys

    from charrnn.text.corpora import decode_text, read_bytes

    if path != "-":
        text, _ = decode_text(path, read_bytes(path), encoding)
        yield text.removesuffix("\n").split("\n") if text else []
        return
    if sys.stdin.isatty():
        raise InputError("standard input is a terminal", "give texts, or --file FILE")
    rest, number = b"", 0
    stream: Any = sys.stdin.buffer  # whose read1 gives what is there, and waits for no more
    while data := stream.read1(1 << 16):
        *lines, rest = (rest + data).split(b"\n")
        yield [_decoded(line, number + k + 1, encoding) for k, line in enumerate(lines)]
        number += len(lines)
    if rest:
        yield [_decoded(rest, number + 1, encoding)]


def _decoded(line: bytes, number: int, encoding: str) -> str:
    try:
        return line.removesuffix(b"\r").decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise InputError(
            f"standard input, line {number}, is not {encoding}: byte "
            f"0x{line[error.start]:02x} at offset {error.start}"
        ) from None
