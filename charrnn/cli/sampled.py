"""Printing what ``charrnn sample`` writes: texts, lines, or the predictions of each character."""

import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from charrnn.cli.errors import say
from charrnn.text.counts import counted

if TYPE_CHECKING:
    from tqdm import tqdm

    from charrnn.cli.output import FileWriter, TextWriter
    from charrnn.tasks.writing import Author, Character, Piece, Wanted

__all__ = ["progress", "with_notes", "write_guesses", "write_lines", "write_texts"]

SEPARATOR = b"---\n"
DIGITS = 6

LOOP, LONGEST_LOOP, ROUNDS = 60, 200, 3
"""A text ends in a loop if at least its last LOOP characters repeat a passage ROUNDS times."""


def progress(author: "Author", wanted: "Wanted") -> "tqdm[Any]":
    """A progress bar at a terminal, if nothing is shown until all texts are done."""
    from tqdm import tqdm

    from charrnn.tasks.writing import candidates

    many = wanted.number > 1 or candidates(author, wanted) > 1
    shown = many and sys.stderr is not None and sys.stderr.isatty()
    total = author.length if wanted.length is None else wanted.length
    return tqdm(total=total, disable=not shown, leave=False, unit="character", delay=0.5)


def with_notes(grown: "Iterator[list[Piece]]", wanted: "Wanted") -> "Iterator[list[Piece]]":
    """Pass on what is written, and finally print a note on anything that may be unwanted in it."""
    copies, ends = 0, [b""] * wanted.number
    for pieces in grown:
        yield pieces
        copies += sum(piece.copies for piece in pieces)
        if not wanted.lines:
            ends = [
                (e + p.data)[-ROUNDS * LONGEST_LOOP :] for e, p in zip(ends, pieces, strict=True)
            ]
    if copies:
        say(
            f"note: {counted(copies, 'item', 'are')} in the training data: no other was found "
            "(a higher --temp finds more)"
        )
    guarded = wanted.max_repeat or wanted.repeat_penalty > 1
    if not guarded and any(map(_ends_in_a_loop, ends)):
        say("note: the text ends in a loop; --max-copy own=40 breaks loops")


def _ends_in_a_loop(text: bytes) -> bool:
    periods = range(1, min(LONGEST_LOOP, len(text) // ROUNDS) + 1)
    lengths = ((period, max(ROUNDS * period, LOOP)) for period in periods)
    return any(
        len(text) >= length and text[-length:-period] == text[period - length :]
        for period, length in lengths
    )


def write_texts(
    grown: "Iterator[list[Piece]]",
    wanted: "Wanted",
    writer: "TextWriter | FileWriter",
    bar: "tqdm[Any]",
) -> None:
    """Write one text as it is made, or several one after the other when all are made."""
    if wanted.number == 1 and bar.disable:
        any_yet = wanted.label is not None
        for (piece,) in grown:
            writer.write(piece.data)
            any_yet = any_yet or bool(piece.data)
        if any_yet:
            writer.end()
        return
    with bar:
        texts = [b"".join(piece.data for piece in own) for own in zip(*grown, strict=True)]
    for count, text in enumerate(texts):
        if count:
            writer.write(SEPARATOR)
        writer.write(text)
        writer.end()


def write_lines(grown: "Iterator[list[Piece]]", writer: "TextWriter | FileWriter") -> None:
    """Write lines as they are found."""
    for (piece,) in grown:
        writer.write(piece.data)
        writer.end()


def write_guesses(
    grown: "Iterator[list[Piece]]", wanted: "Wanted", writer: "TextWriter | FileWriter", level: str
) -> None:
    """Write a JSON object for each character as it is drawn; lines are numbered as texts."""
    for number, pieces in enumerate(grown):
        for text, piece in enumerate(pieces):
            for character in piece.characters:
                where = number if wanted.lines else text
                found = _as_json(where, character, level)
                writer.write(json.dumps(found, ensure_ascii=False).encode() + b"\n")


def _as_json(text: int, character: "Character", level: str) -> dict[str, Any]:
    return {
        "text": text,
        level: _shown(character.code, level),
        "log_probability": round(character.log_probability, DIGITS),
        "entropy": round(character.entropy, DIGITS),
        "best": [[_shown(code, level), round(cost, DIGITS)] for code, cost in character.best],
    }


def _shown(code: int, level: str) -> str | int | None:
    """A character, or a byte's number; None for a sign such as the end of a text."""
    if code < 0:
        return None
    return chr(code) if level == "char" else code
