"""``charrnn predict``."""

import json
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from charrnn.cli.errors import reported, say
from charrnn.cli.output import TextWriter
from charrnn.errors import DivergedError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from charrnn.runs.model import Model

__all__ = ["predict"]

AT_ONCE = 256
"""Texts whose results are computed together."""


@reported
def predict(
    ctx: typer.Context,
    checkpoint: Annotated[
        str, typer.Argument(help="An .npz file or a run's folder.", show_default=False)
    ],
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
    from charrnn.nn.products import one_blas_thread
    from charrnn.runs.model import find_checkpoint, load_model

    one_blas_thread()
    model = load_model(find_checkpoint(checkpoint)[0])
    task = model.config.task
    if task in ("lm", "generate"):
        label = " --label LABEL" if task == "generate" else ""
        raise InputError(
            f"{model.path} writes texts; there is nothing to predict from one",
            f"charrnn sample {checkpoint}{label}",
        )
    if texts and file is not None:
        raise InputError("texts come as arguments or from --file, not both")
    for name, wanted in (("beam", "translate"), ("steps", "forecast")):
        source = ctx.get_parameter_source(name)
        if task != wanted and source is not None and source.name == "COMMANDLINE":
            raise InputError(f"--{name} is for {wanted}; this model's task is {task}")
    if texts == ["-"] or not (texts or file is not None):
        texts, file = None, "-"
    if task == "forecast":
        if texts and len(texts) > 1:
            raise InputError(f"a forecast goes on from one series, {len(texts)} were given")
        _forecast(model, texts[0] if texts else str(file), steps, form)
        return
    write = {"classify": _classify, "tag": _tag, "translate": _translate}[task]
    writer = TextWriter()
    parts = [list(texts)] if texts else _read(str(file), model.config.encoding)
    number = 0
    for part in parts:
        for start in range(0, len(part), AT_ONCE):
            some = [
                _checked(text, number + k + 1)
                for k, text in enumerate(part[start : start + AT_ONCE])
            ]
            number += len(some)
            for line in write(model, some, form, beam):
                writer.write(line.encode("utf-8", "replace") + b"\n")
    if not number:
        raise InputError("there are no texts to predict from")


def _checked(text: str, row: int) -> str:
    """A text as the rows trained on are: without white space at its ends."""
    if "\t" in text:
        raise InputError(
            f"text {row} has a tab: is it a row to train on?", "give the texts alone (cut -f1)"
        )
    if not text.strip():
        raise InputError(f"text {row} is empty")
    return text.strip()


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


def _one_line(text: str) -> str:
    """As a field of a table."""
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")


def _check_finite(model: "Model", values: Any) -> None:
    import numpy as np

    if not np.isfinite(values).all():
        raise DivergedError(f"{model.path}: the outputs are not finite numbers: it is spoilt")


def _classify(model: "Model", texts: "Sequence[str]", form: str, beam: int) -> "Iterator[str]":
    from charrnn.tasks.classify import classify

    probabilities = classify(model.model, model.parameters, model.spec, texts)
    _check_finite(model, probabilities)
    for text, p in zip(texts, probabilities, strict=True):
        label = model.spec.labels[int(p.argmax())]
        if form == "text":
            yield _one_line(label)
        elif form == "tsv":
            yield f"{_one_line(text)}\t{_one_line(label)}\t{p.max():.4f}"
        else:
            every = {name: round(float(x), 6) for name, x in zip(model.spec.labels, p, strict=True)}
            yield _json({"text": text, "label": label, "probabilities": every})


def _tag(model: "Model", texts: "Sequence[str]", form: str, beam: int) -> "Iterator[str]":
    from charrnn.tasks.tag import tag

    sentences = [text.split() for text in texts]
    for words, p in zip(
        sentences, tag(model.model, model.parameters, model.spec, sentences), strict=True
    ):
        _check_finite(model, p)
        best = p.argmax(axis=1)
        names = [model.spec.tags[k] for k in best]
        sure = [float(row[k]) for row, k in zip(p, best, strict=True)]
        if form == "text":
            yield " ".join(f"{w}/{n}" for w, n in zip(words, names, strict=True))
        elif form == "tsv":
            yield from (f"{w}\t{n}\t{x:.4f}" for w, n, x in zip(words, names, sure, strict=True))
            yield ""
        else:
            shown = [round(x, 6) for x in sure]
            yield _json({"tokens": words, "tags": names, "probabilities": shown})


def _translate(model: "Model", texts: "Sequence[str]", form: str, beam: int) -> "Iterator[str]":
    from math import exp

    from charrnn.tasks.translate import translate

    found = translate(model.model, model.parameters, model.spec, texts, model.config, beam=beam)
    for text, translation in zip(texts, found, strict=True):
        _check_finite(model, translation.log_probability)
        if form == "text":
            yield _one_line(translation.text)
        elif form == "tsv":
            chance = exp(translation.log_probability)
            yield f"{_one_line(text)}\t{_one_line(translation.text)}\t{chance:.4g}"
        else:
            nats = round(translation.log_probability, 6)
            yield _json({"source": text, "target": translation.text, "log_probability": nats})


def _forecast(model: "Model", path: str, steps: int, form: str) -> None:
    import csv
    import io

    from charrnn.tasks.forecast import forecast
    from charrnn.text.records import read_series

    names = model.spec.columns
    source = read_series(path, encoding=model.config.encoding)
    for note in source.notes:
        say(f"note: {note}")
    if source.records.columns != names:
        raise InputError(
            f"{path} has the columns {', '.join(source.records.columns)}; the model reads "
            + ", ".join(names)
        )
    ahead = forecast(model.model, model.parameters, model.spec, source.records.values, steps)
    _check_finite(model, ahead)
    text = io.StringIO()
    if form == "jsonl":
        for step, row in enumerate(ahead.tolist(), start=1):
            text.write(_json({"step": step, "values": dict(zip(names, row, strict=True))}) + "\n")
    else:
        table = csv.writer(text, delimiter="," if form == "text" else "\t", lineterminator="\n")
        table.writerow(names)
        table.writerows([f"{value:.10g}" for value in row] for row in ahead.tolist())
    TextWriter().write(text.getvalue().encode("utf-8", "replace"))


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False)
