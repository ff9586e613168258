"""``charrnn predict``."""

import sys
from contextlib import suppress
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from charrnn.cli.complete import runs
from charrnn.cli.errors import reported, say
from charrnn.cli.given import given_options, no_checkpoint, options_again
from charrnn.cli.output import written_to
from charrnn.cli.texts import to_answer
from charrnn.errors import CheckpointError, InputError, RunError
from charrnn.text.counts import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from charrnn.cli.output import FileWriter, TextWriter
    from charrnn.runs.model import Model
    from charrnn.tasks.base import Prediction
    from charrnn.text.records import Record

__all__ = ["predict"]

AT_ONCE = 256
"""How many texts' results are computed together."""

NAMED = 5
"""How many texts without an answer get a line each; the others are counted."""


@reported
def predict(
    ctx: typer.Context,
    checkpoint: Annotated[
        str | None,
        typer.Argument(
            autocompletion=runs,
            help="A run's name, its folder or an .npz file. Default: the last one saved that "
            "predicts.",
            show_default=False,
        ),
    ] = None,
    texts: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TEXT]...",
            help="What to predict from: texts to label, tag (words between spaces) or translate, "
            "or a CSV file to forecast. - is standard input.",
            show_default=False,
        ),
    ] = None,
    file: Annotated[
        str | None,
        typer.Option(
            "--file",
            "-f",
            help="File to read texts from, one a line, or a column of CSV, TSV, JSON lines or "
            "fastText. - is standard input, the default.",
            show_default=False,
        ),
    ] = None,
    columns: Annotated[
        str,
        typer.Option(
            help="Which column of the file holds the texts, by name or number.",
            show_default=False,
        ),
    ] = "",
    form: Annotated[
        Literal["text", "tsv", "jsonl"],
        typer.Option(
            "--format",
            help="text: the results alone. tsv: text, result and probability. jsonl: everything.",
        ),
    ] = "text",
    out: Annotated[
        str | None,
        typer.Option(
            help="File to write to, in UTF-8, once all results are there. Default: standard "
            "output, as they come.",
            show_default=False,
        ),
    ] = None,
    cell: Annotated[
        str | None,
        typer.Option(help="FILE.py:CLASS, for a model that has your own cell.", show_default=False),
    ] = None,
    method: Annotated[
        Literal["network", "baseline"],
        typer.Option(
            help="Predict with the network, or with the simple baseline fitted beside it."
        ),
    ] = "network",
    beam: Annotated[
        int, typer.Option(min=1, max=64, help="translate: beam width. 1 is greedy.")
    ] = 1,
    steps: Annotated[int, typer.Option(min=1, max=1 << 20, help="forecast: rows to predict.")] = 1,
    top: Annotated[
        int | None,
        typer.Option(
            min=1, help="classify: print this many labels, likeliest first.", show_default=False
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="classify: print all labels of at least this probability. Default: 0.5 where a "
            "text can have several labels.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Use a trained network: classify, tag, translate, forecast.

    Results come in the order of the texts; tsv and jsonl add probabilities. A text that
    cannot be answered (a blank line, a tab, bytes that are not text) leaves an empty
    result and a note on standard error; charrnn then exits with code 1. If the only TEXT
    is the name of a file that exists, charrnn reads that file.

    charrnn predict checkpoints/questions-1 'What is an atom ?'
    charrnn predict checkpoints/genres-1 --file plots.txt --threshold 0.3
    charrnn predict checkpoints/tagger-1 --file sentences.txt --format tsv
    charrnn predict dates-1 'the third of march 1984' --beam 4 --format jsonl
    charrnn predict checkpoints/series-1 series.csv --steps 24
    charrnn predict checkpoints/series-1 series.csv --steps 24 --method baseline
    """
    from tqdm import tqdm

    from charrnn.tasks.kinds import KINDS

    model = _model(ctx, checkpoint, texts, file, cell)
    kind, given = model.config.kind, given_options(ctx)
    if kind.predict is None:
        model.predict("")  # raises InputError, with what to do instead
    if texts and file is not None:
        raise InputError("give texts as arguments or with --file, not both")
    if columns and "steps" in kind.options:
        raise InputError("--columns is for texts; a forecast finds its columns by name")
    for name in ("beam", "steps", "top", "threshold"):
        if name in given and name not in kind.options:
            wanted = next(other.name for other in KINDS.values() if name in other.options)
            raise InputError(f"--{name} is for {wanted}; this model's task is {kind.name}")
    if texts == ["-"] or not (texts or file is not None):
        texts, file = None, "-"
    if "steps" in kind.options:
        if file == "-" and sys.stdin.isatty():
            raise InputError("standard input is a terminal", "name a CSV file")
        with written_to(out) as writer:
            _write(writer, model.predict(texts or [str(file)], steps=steps, method=method), form)
        return
    parts, place, tabs = to_answer(texts or [], file, columns, model.config)
    faults, told = _Faults(place), False
    # If the results themselves are not shown, print how many there are.
    seen = file == "-" or (out is None and sys.stdout.isatty())
    bar = tqdm(unit=" texts", disable=seen or not sys.stderr.isatty(), leave=False)
    with written_to(out) as writer, bar:
        for part in parts:
            for start in range(0, len(part), AT_ONCE):
                some = part[start : start + AT_ONCE]
                good = [one.text for one in some if not one.fault]
                if not told and (note := next(filter(None, map(model.known_form, good)), "")):
                    say(f"note: {note}")
                    told = True  # once is enough for many texts
                found = iter(
                    model.predict(
                        good, beam=beam, top=top, threshold=threshold, tabs=tabs, method=method
                    )
                    if good
                    else []
                )
                for one in some:
                    if one.fault:
                        faults.add(one)
                        _write_lines(writer, _unanswered(one, form, kind.empty))
                    else:
                        _write(writer, [next(found)], form)
                faults.answered += len(good)
                bar.update(len(some))
    faults.conclude()


def _model(
    ctx: typer.Context,
    checkpoint: str | None,
    texts: list[str] | None,
    file: str | None,
    cell: str | None,
) -> "Model":
    """The model that the user names.

    Raises:
        InputError: there is none, perhaps because a text or its file was given in its place.
    """
    from charrnn.runs.find import find_checkpoint
    from charrnn.runs.model import load_model
    from charrnn.tasks.kinds import KINDS

    predicting = [kind.name for kind in KINDS.values() if kind.predict is not None]
    of_texts = [name for name in predicting if "steps" not in KINDS[name].options]

    def whole(tasks: list[str], *rest: str) -> list[str]:
        """A command for the last saved run of these tasks; empty if there is none."""
        with suppress(InputError):
            run = str(find_checkpoint(None, tasks)[0].parent)
            return ["charrnn", "predict", run, *options_again(ctx), *rest]
        return []

    try:
        path = find_checkpoint(checkpoint, predicting)[0]
    except InputError as error:
        meant = whole(of_texts, str(checkpoint), *(texts or []))
        likely = file is None and (not texts or " " in str(checkpoint))
        if not (likely and meant):
            raise
        raise no_checkpoint(checkpoint, error, "predict from this text", meant) from None
    try:
        return load_model(path, cell)
    except CheckpointError:
        if path.suffix == ".npz" or texts or file is not None:
            raise
        instead = " ".join(map(quote, whole(predicting, "--file", str(path))))
        raise InputError(
            f"{checkpoint!r} is not a checkpoint", instead and f"to predict from it: {instead}"
        ) from None


class _Faults:
    """The texts without an answer: noted as they come, and counted at the end.

    Args:
        place: names a text by its number.
    """

    def __init__(self, place: "Callable[[int], str]") -> None:
        self._place = place
        self.answered = self.count = 0

    def add(self, record: "Record") -> None:
        """Note a text, unless there were many."""
        self.count += 1
        if self.count <= NAMED:
            say(f"note: {self._place(record.number)} {record.fault}: no answer")
        elif self.count == NAMED + 1:
            say("note: there are more; the end says how many")

    def conclude(self) -> None:
        """Raise an error if there were any, or no texts at all.

        Raises:
            InputError: there were no texts.
            RunError: some have no answer.
        """
        if self.count:
            every = self.count + self.answered
            raise RunError(
                f"{self.count:,} of {counted(every, 'text')} "
                f"{'have' if self.count > 1 else 'has'} no answer"
            )
        if not self.answered:
            raise InputError("there are no texts to predict from")


def _unanswered(record: "Record", form: str, empty: "Sequence[str]") -> "Iterator[str]":
    """The lines that stand for a missing result."""
    from charrnn.tasks.examples import as_json

    if form == "jsonl":
        yield as_json(text=record.text, error=f"the text {record.fault}")
    else:
        yield from empty if form == "tsv" else [""]


def _write(
    writer: "TextWriter | FileWriter", predictions: "Sequence[Prediction]", form: str
) -> None:
    for prediction in predictions:
        for note in getattr(prediction, "notes", ()):
            say(f"note: {note}")
        _write_lines(writer, prediction.lines(form))


def _write_lines(writer: "TextWriter | FileWriter", lines: "Iterator[str]") -> None:
    for line in lines:
        writer.write(line.encode("utf-8", "replace") + b"\n")
