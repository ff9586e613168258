"""A text coloured by how surprising each character is: for ``charrnn eval --show``."""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.cli.colours import RISING, Cell, Painter, symbol, units
from charrnn.cli.errors import say
from charrnn.cli.look import Asked, progress, to_console, writing
from charrnn.cli.page import Mark, page_end, page_line, page_start
from charrnn.errors import InputError
from charrnn.looking.surprisal import GUESSES, Surprisal, surprisals
from charrnn.runs.ancestry import noted
from charrnn.runs.model import Model
from charrnn.runs.texts import find_texts, named, pieces_of, stream_text
from charrnn.text.corpora import TextStream

__all__ = ["NATS", "cells", "lines_of", "show_text"]

NATS = ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9+")
"""One step for each nat: a character of 2.7 nats is at step 2, one of 9 or more at step 9."""

LONGEST = 4096
"""The most characters of a line that are shown together."""

BESIDES = 6
"""Rows of a terminal for the scale, the totals and the prompt."""

Codes = npt.NDArray[Any]
Line = tuple[Codes, list[Surprisal]]


def show_text(asked: Asked) -> None:
    """Show a text, or the part of the run's own data that it was not trained on.

    Raises:
        InputError: a file cannot be read, or there is nothing to show.
    """
    guesses = asked.guesses
    if guesses is None:
        at_terminal = asked.out is None and sys.stdout.isatty()
        guesses = GUESSES if asked.form != "text" or at_terminal else 0
    stream = stream_text(asked.models[0], asked.files)
    with progress(_size(asked.files), "B", quietly=asked.out is None) as bar:
        text: Iterable[Codes] = _followed(asked.models[0], stream, bar)
        before, what = None, named(asked.files)
        if not asked.files:
            text, before, what = _held_out(asked)
        totals = _Totals(asked.models)
        lines = totals.add(lines_of(surprisals(asked.models, text, before, guesses)))
        first = next(lines, None)
        if first is None:
            raise InputError(f"{what} is empty: nothing to show")
        FORMS[asked.form](asked, chain([first], lines), totals, what)
    for model in asked.models:
        own = noted(model)
        if own is not None and own.sha256 == stream.digest.hexdigest():
            say(f"note: {model.path} was trained on this text")


def _held_out(asked: Asked) -> tuple[list[Codes], Codes, str]:
    """The part of a run's text that it was not trained on, and the text before that."""
    if len(asked.models) > 1:
        raise InputError("several models need a text", "name it: charrnn eval A B FILE --show")
    found = find_texts(asked.models[0], [], asked.train)
    for note in found.notes:
        say(f"note: {note}")
    return [found.codes[found.start :]], found.codes[: found.start], found.what


def _size(files: Sequence[str]) -> int | None:
    """The bytes of all files; None if one is a pipe."""
    paths = list(map(Path, files))
    if not paths or not all(path.is_file() for path in paths):
        return None
    return sum(path.stat().st_size for path in paths)


def _followed(model: Model, stream: TextStream, bar: Any) -> Iterator[Codes]:
    for piece in pieces_of(model, stream):
        bar.update(stream.size - bar.n)
        yield piece


class _Totals:
    """Each model's total loss on everything that was shown."""

    def __init__(self, models: list[Model]) -> None:
        self.models, self.count = models, 0
        self.nats = [0.0] * len(models)

    def add(self, lines: Iterable[Line]) -> Iterator[Line]:
        """Pass on the lines, and count them."""
        for codes, found in lines:
            self.count += len(codes)
            for number, one in enumerate(found):
                self.nats[number] += float(one.nats.sum())
            yield codes, found

    def __iter__(self) -> Iterator[str]:
        """The totals in words, a line for each model."""
        what = "bytes" if self.models[0].config.level == "byte" else "characters"
        for number, (model, nats) in enumerate(zip(self.models, self.nats, strict=True)):
            mean = nats / self.count
            yield (
                f"{_label(number, self.models)}{model.path}: {self.count:,} {what}, "
                f"{mean:.4f} nats each, {mean / log(2):.4f} bits"
            )
        if len(self.models) > 1:
            order = sorted(range(len(self.nats)), key=self.nats.__getitem__)
            less = self.nats[order[1]] - self.nats[order[0]]
            yield f"{order[0] + 1} fits the text best: {less:,.1f} nats less than the next in all"


def _label(number: int, models: Sequence[Model]) -> str:
    """The label before a line, if there is one for each model."""
    return f"{number + 1}  " if len(models) > 1 else ""


def lines_of(pieces: Iterable[Line]) -> Iterator[Line]:
    """The same text, divided at its line ends, or after :data:`LONGEST` characters."""
    held: Line | None = None
    for codes, found in pieces:
        if held is not None:
            codes = np.concatenate([held[0], codes])
            found = [
                Surprisal(*map(np.concatenate, zip(one, other, strict=True)))
                for one, other in zip(held[1], found, strict=True)
            ]
        begin = 0
        for end in (np.flatnonzero(codes == ord("\n")) + 1).tolist():
            for first in range(begin, end, LONGEST):
                yield _cut(codes, found, first, min(first + LONGEST, end))
            begin = end
        while len(codes) - begin > LONGEST:
            yield _cut(codes, found, begin, begin + LONGEST)
            begin += LONGEST
        held = _cut(codes, found, begin, len(codes))
    if held is not None and len(held[0]):
        yield held


def _cut(codes: Codes, found: list[Surprisal], begin: int, end: int) -> Line:
    rows = slice(begin, end)
    return codes[rows], [Surprisal(*(array[rows] for array in one)) for one in found]


def cells(codes: Codes, one: Surprisal, level: str, guesses: int) -> list[Cell]:
    """A line as it is shown; at byte level, the bytes of a character together.

    Args:
        codes: ``(N,)`` code points or bytes, by ``level``.
        one: a model's predictions for them.
        guesses: how many of its guesses are shown below each.
    """
    nats, known = one.nats.tolist(), codes.tolist()
    likeliest = one.guesses[:, :guesses].tolist()
    found = []
    for at, end, shown in units(known, level):
        best = likeliest[at]
        marked = best.index(known[at]) if known[at] in best else -1
        beneath = tuple(_guess(code, level) for code in best)
        found.append(Cell(shown, _step(sum(nats[at:end])), beneath, marked))
    return found


def _step(nats: float) -> int:
    return min(int(nats), len(NATS) - 1)


def _guess(code: int, level: str) -> str:
    """A guess that can be shown by itself: a byte beyond ASCII is not yet a character."""
    return f"\\x{code:02x}" if level == "byte" and code >= 0x80 else symbol(chr(code)).rstrip()


def _text(asked: Asked, lines: Iterable[Line], totals: _Totals, what: str) -> None:
    level = asked.models[0].config.level
    with to_console(asked.out) as console:
        painter = Painter(console, RISING)
        guesses = asked.guesses or 0
        if asked.guesses is None and console.is_terminal:
            lines, guesses = _that_fit(lines, painter, level)
        for codes, found in lines:
            for number, one in enumerate(found):
                label = _label(number, asked.models)
                painter.line(cells(codes, one, level, guesses), label)
        if not guesses:
            painter.text("")
        painter.scale("nats", NATS)
        for line in totals:
            painter.text(line)


def _that_fit(lines: Iterable[Line], painter: Painter, level: str) -> tuple[Iterable[Line], int]:
    """The lines, and how many guesses fit below them: none if the screen is too low."""
    lines, held, rows = iter(lines), [], 0
    for codes, found in lines:
        held.append((codes, found))
        shown = [painter.rows(cells(codes, one, level, GUESSES)) for one in found]
        rows += sum(map(len, shown)) * (GUESSES + 2 + painter.plain)
        if rows + BESIDES > painter.console.height:
            return chain(held, lines), 0
    return held, GUESSES


def _jsonl(asked: Asked, lines: Iterable[Line], totals: _Totals, what: str) -> None:
    level, at = asked.models[0].config.level, 0
    name = (lambda code: code) if level == "byte" else chr
    with writing(asked.out) as write:
        for codes, found in lines:
            each = [list(_records(one, name)) for one in found]
            for row, code in enumerate(codes.tolist()):
                record = {"at": at + row, "byte" if level == "byte" else "char": name(code)}
                if len(each) == 1:
                    record |= each[0][row]
                else:
                    record["models"] = [
                        {"model": str(model.path), **records[row]}
                        for model, records in zip(asked.models, each, strict=True)
                    ]
                write(json.dumps(record) + "\n")
            at += len(codes)


def _records(one: Surprisal, name: Any) -> Iterator[dict[str, Any]]:
    rows = zip(*(array.tolist() for array in one), strict=True)
    for nats, entropy, guesses, chances in rows:
        yield {
            "nats": round(nats, 6),
            "entropy": round(entropy, 6),
            "guesses": [
                [name(guess), round(chance, 6)]
                for guess, chance in zip(guesses, chances, strict=True)
            ],
        }


def _html(asked: Asked, lines: Iterable[Line], totals: _Totals, what: str) -> None:
    level = asked.models[0].config.level
    with writing(asked.out) as write:
        write(page_start(what, [f"{name} nats" if name == "0" else name for name in NATS]))
        for codes, found in lines:
            for number, one in enumerate(found):
                write(page_line(list(_marks(codes, one, level)), _label(number, asked.models)))
        write(page_end(list(totals)))


def _marks(codes: Codes, one: Surprisal, level: str) -> Iterator[Mark]:
    """A line of a page: the predictions are shown under the pointer."""
    guess = partial(_guess, level=level)
    for cell, (at, end, _) in zip(
        cells(codes, one, level, 0), units(codes.tolist(), level), strict=True
    ):
        title = ""
        if one.guesses.shape[1]:
            expected = zip(one.guesses[at].tolist(), one.chances[at].tolist(), strict=True)
            likeliest = "  ".join(f"{guess(code)} {100 * p:.0f}%" for code, p in expected)
            title = f"{one.nats[at:end].sum():.2f} nats: {likeliest}"
        ends = "\n" if codes[at] == ord("\n") else ""
        yield Mark(cell.text + ends, cell.step, title)


FORMS = {"text": _text, "jsonl": _jsonl, "html": _html}
