"""``charrnn predict``."""

import json
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from charrnn.cli.report import reported, say
from charrnn.errors import DivergedError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from charrnn.runs import Model

__all__ = ["predict"]

AT_ONCE = 256
"""Texts that are read before their results are written."""


@reported
def predict(
    checkpoint: Annotated[
        str, typer.Argument(help="An .npz file or a run's folder.", show_default=False)
    ],
    texts: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TEXT]...",
            help="What to predict from: a label for each text, tags for each sentence, a "
            "translation of each; of a forecast, CSV files.",
            show_default=False,
        ),
    ] = None,
    file: Annotated[
        str | None,
        typer.Option(
            "--file",
            "-f",
            help="Read texts from a file, one a line; - is standard input, as without any text.",
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
    from charrnn.runs import find_checkpoint, load_model

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
    if task == "forecast":
        _forecast(model, list(texts or [file or "-"]), steps, form)
        return
    write = {"classify": _classify, "tag": _tag, "translate": _translate}[task]
    for part in _parts(iter(texts) if texts else _lines(file or "-", model.config.encoding)):
        write(model, part, form, beam)


def _lines(path: str, encoding: str) -> "Iterator[str]":
    """The lines of a file; as they come, from standard input."""
    import sys

    from charrnn.text.corpora import decode_text, read_bytes

    if path == "-" and not sys.stdin.isatty():
        # A line at a time, so that a program at the other end gets its answer.
        for number, line in enumerate(sys.stdin.buffer, start=1):
            text, _ = decode_text(f"standard input, line {number}", line, encoding)
            yield text.removesuffix("\n")
        return
    text, _ = decode_text(path, read_bytes(path), encoding)
    yield from text.removesuffix("\n").split("\n")


def _parts(texts: "Iterator[str]") -> "Iterator[list[str]]":
    """Some texts at a time: fewer at first, so that one alone need not wait."""
    part: list[str] = []
    size = 1
    for text in texts:
        part.append(text)
        if len(part) == size:
            yield part
            part, size = [], min(2 * size, AT_ONCE)
    if part:
        yield part


def _one_line(text: str) -> str:
    """As a field of a table."""
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")


def _check_finite(model: "Model", values: Any) -> None:
    import numpy as np

    if not np.isfinite(values).all():
        raise DivergedError(f"{model.path}: the outputs are not finite numbers: it is spoilt")


def _classify(model: "Model", texts: "Sequence[str]", form: str, beam: int) -> None:
    from charrnn.tasks.classify import classify

    probabilities = classify(model.model, model.parameters, model.spec, texts)
    _check_finite(model, probabilities)
    for text, p in zip(texts, probabilities, strict=True):
        label = model.spec.labels[int(p.argmax())]
        if form == "text":
            typer.echo(label)
        elif form == "tsv":
            typer.echo(f"{_one_line(text)}\t{_one_line(label)}\t{p.max():.4f}")
        else:
            every = {name: round(float(x), 6) for name, x in zip(model.spec.labels, p, strict=True)}
            _json({"text": text, "label": label, "probabilities": every})


def _tag(model: "Model", texts: "Sequence[str]", form: str, beam: int) -> None:
    from charrnn.tasks.tag import tag

    sentences = [text.split() for text in texts]
    for words, p in zip(
        sentences, tag(model.model, model.parameters, model.spec, sentences), strict=True
    ):
        _check_finite(model, p)
        best = p.argmax(axis=1) if len(words) else []
        names = [model.spec.tags[k] for k in best]
        sure = [float(row[k]) for row, k in zip(p, best, strict=True)]
        if form == "text":
            typer.echo(" ".join(f"{w}/{n}" for w, n in zip(words, names, strict=True)))
        elif form == "tsv":
            for row in zip(words, names, sure, strict=True):
                typer.echo(f"{row[0]}\t{row[1]}\t{row[2]:.4f}")
            typer.echo("")
        else:
            shown = [round(x, 6) for x in sure]
            _json({"tokens": words, "tags": names, "probabilities": shown})


def _translate(model: "Model", texts: "Sequence[str]", form: str, beam: int) -> None:
    from math import exp

    from charrnn.tasks.translate import translate

    found = translate(model.model, model.parameters, model.spec, texts, model.config, beam=beam)
    for text, translation in zip(texts, found, strict=True):
        _check_finite(model, translation.log_probability)
        if form == "text":
            typer.echo(translation.text)
        elif form == "tsv":
            chance = exp(translation.log_probability)
            typer.echo(f"{_one_line(text)}\t{_one_line(translation.text)}\t{chance:.4g}")
        else:
            nats = round(translation.log_probability, 6)
            _json({"source": text, "target": translation.text, "log_probability": nats})


def _forecast(model: "Model", paths: "Sequence[str]", steps: int, form: str) -> None:
    from charrnn.tasks.forecast import forecast
    from charrnn.text.records import read_series

    names = model.spec.columns
    for number, path in enumerate(paths):
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
        if form == "jsonl":
            for step, row in enumerate(ahead.tolist(), start=1):
                _json({"series": path, "step": step, **dict(zip(names, row, strict=True))})
            continue
        separator = "," if form == "text" else "\t"
        if number == 0:
            typer.echo(separator.join(names))
        for row in ahead.tolist():
            typer.echo(separator.join(f"{value:.10g}" for value in row))


def _json(value: dict[str, Any]) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False))
