"""Listing what a text copies from the training text: for ``charrnn eval --copies``."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import typer

from charrnn.cli.flow import echo
from charrnn.cli.look import Asked, progress
from charrnn.errors import InputError
from charrnn.looking.copies import LENGTHS, Copies, Shares, find_copies, new_shares
from charrnn.runs.model import Model
from charrnn.runs.texts import Trained, named, read_text, training_text
from charrnn.sampling import Choice
from charrnn.tasks.writing import Wanted
from charrnn.text.corpora import encoded
from charrnn.text.vocab import codes_of
from charrnn.verdict.words import line_of

__all__ = ["show_copies"]

WRITTEN, TEMPERATURE, SEED = 20_000, 0.8, 0
"""How many characters the model writes if no text is given, and how."""

SHOWN = 60
"""The most characters of a passage that are printed; with --json, all are."""

Codes = npt.NDArray[Any]


def show_copies(asked: Asked) -> None:
    """Print the passages of a text that occur in the training text, and how much of it is new.

    Raises:
        InputError: the training text is missing, or the text cannot be read.
    """
    if len(asked.models) > 1:
        raise InputError("--copies is for one model", "name one")
    (model,) = asked.models
    trained = training_text(model, asked.train)
    known, held_out = trained.codes[: trained.split], trained.codes[trained.split :]
    text, what = _text_of(model, asked.files)
    with progress(None, "char") as bar:
        found = find_copies(text, known, advance=bar.update)
        beside = new_shares(held_out[: len(text)], known, advance=bar.update)
    if asked.as_json:
        typer.echo(json.dumps(_as_json(model, what, trained, text, found, beside), indent=1))
        return
    _print(model, what, trained, text, found, beside)


def _text_of(model: Model, files: list[str]) -> tuple[Codes, str]:
    """The text that is searched for copies, and what it is called."""
    if files:
        return read_text(model, files).codes, named(files)
    wanted = Wanted(length=WRITTEN, choice=Choice(TEMPERATURE))
    with progress(WRITTEN, "char") as bar:
        pieces = []
        for (piece,) in model.write(wanted, SEED):
            pieces.append(piece)
            bar.update(len(piece))
    data, level = b"".join(pieces), model.config.level
    text = np.frombuffer(data, np.uint8) if level == "byte" else codes_of(data.decode(), level)
    return text, f"{WRITTEN:,} characters that it wrote (temperature {TEMPERATURE}, seed {SEED})"


def _print(
    model: Model, what: str, trained: Trained, text: Codes, found: Copies, beside: Shares
) -> None:
    from rich.console import Console
    from rich.table import Table

    unit = "bytes" if model.config.level == "byte" else "characters"
    echo(f"{model.path}: {what}")
    echo(
        f"{len(text):,} {unit}, compared with the {trained.split:,} that it trained on, from "
        f"{trained.what}"
    )
    echo(f"\nNew: how many passages of n {unit} are not in the training text")
    shares = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    shares.add_column("n")
    for length in LENGTHS:
        shares.add_column(str(length), justify="right", no_wrap=True)
    for name, new in (("this text", found.shares.new), ("validation set", beside.new)):
        if new:
            figures = [f"{100 * new[n]:.1f} %" if n in new else "" for n in LENGTHS]
            shares.add_row(name, *figures)
    console = Console(width=max(Console().width, 120))
    console.print(shares)
    if not found.longest:
        echo(f"\nThe texts share no passage of {found.least} {unit}")
        return
    echo(f"\nLongest passages that both texts share, of {found.least} {unit} or more")
    echo(f"{'length':>7}  {'line':>7}  {'training':>9}")
    for length, line, there, passage in _placed(model, trained, text, found):
        shown = passage[:SHOWN] + (" ..." if len(passage) > SHOWN else "")
        echo(f"{length:7,}  {line:7,}  {there:9,}  {shown!r}")


def _placed(
    model: Model, trained: Trained, text: Codes, found: Copies
) -> Iterator[tuple[int, int, int, str]]:
    """Each passage's length, its line, its line in the training text, and its characters."""
    for start, place, length in found.longest:
        passage = encoded(text[start : start + length], model.config.level)
        line, there = line_of(text, start), line_of(trained.codes, place)
        yield length, line, there, passage.decode("utf-8", "backslashreplace")


def _as_json(
    model: Model, what: str, trained: Trained, text: Codes, found: Copies, beside: Shares
) -> dict[str, Any]:
    placed = zip(found.longest, _placed(model, trained, text, found), strict=True)
    return {
        "checkpoint": str(model.path),
        "text": what,
        "characters": len(text),
        "training_text": trained.what,
        "training_characters": trained.split,
        "new": found.shares.new,
        "new_of_held_out": beside.new,
        "least": found.least,
        "passages": [
            {
                "length": length,
                "start": one.start,
                "line": line,
                "training_start": one.place,
                "training_line": there,
                "text": passage,
            }
            for one, (length, line, there, passage) in placed
        ],
    }
