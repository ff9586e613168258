"""A text that a person and a model write in turns: continue, undo, ask for another version."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Unpack

import numpy as np

from charrnn.errors import InputError
from charrnn.runs.writes import How, Writes
from charrnn.tasks.writing import Wanted

__all__ = ["UNITS", "Draft", "Part"]

CONTEXT = 4096
"""Characters before the end that the model reads to continue: more would only take longer."""

MOST = 1000
"""The most characters of a sentence or a line, which a model might never end."""

SENTENCE = re.compile(r"[.!?…。！？][\"'”’»)\]]*(?:\s|$)|\n")
UNITS = ("sentence", "line", "characters")
"""How far the model writes at a time."""


@dataclass(frozen=True)
class Part:
    """What the person or the model has written in one go."""

    text: str
    by_model: bool


class Draft:
    """A text in parts, each written by a person or by a model.

    Args:
        model: a model that writes texts of characters; for labelled texts, ``label`` is in ``how``.
        seed: decides all that is drawn: the same steps with the same seed give the same text.
        start: the beginning of the text, which counts as the person's.
        how: temperature and the like, as :meth:`charrnn.runs.writes.Writes.sample` takes them.

    Attributes:
        parts: the parts in order; joined, they are the text.
        temperature: that of what is written from now on; it may be set.
    """

    def __init__(self, model: Writes, seed: int, start: str = "", **how: Unpack[How]) -> None:
        self._model, self._rng = model, np.random.default_rng(seed)
        self._how = how
        asked = how.get("temperature")
        self.temperature = model.temperature if asked is None else asked
        self.parts: list[Part] = [Part(start, by_model=False)] if start else []
        self._undone: list[tuple[Part, ...]] = []
        self._doing = ""  # what one undo takes back: a typed word, or an erasure
        self._last: tuple[str, int] = ("sentence", 0)

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(part.text for part in self.parts)

    def type(self, text: str) -> None:
        """Add what a person writes.

        Raises:
            InputError: the model does not know a character; nothing is added.
        """
        odd = self._unknown(text)
        if odd:
            raise InputError(
                f"the model does not know {odd!r}", "the model cannot continue from that"
            )
        if not text:
            return
        self._keep("typing")
        if self.parts and not self.parts[-1].by_model:
            self.parts[-1] = replace(self.parts[-1], text=self.parts[-1].text + text)
        else:
            self.parts.append(Part(text, by_model=False))

    def erase(self) -> None:
        """Take the last character away, whoever wrote it."""
        if self.parts:
            self._keep("erasing")
            last = self.parts.pop()
            if last.text[:-1]:
                self.parts.append(replace(last, text=last.text[:-1]))

    def go_on(self, unit: str = "sentence", count: int = 100) -> Iterator[str]:
        """Let the model continue; yields the pieces as they are written, already added to the text.

        Args:
            unit: write to the end of a ``"sentence"`` or a ``"line"``, or a number of
                ``"characters"``.
            count: that number.

        Raises:
            InputError: the unit is none of these, or the model cannot continue from the text.
            DivergedError: the model's outputs are not finite.
        """
        if unit not in UNITS:
            raise InputError(f"{unit!r} is not one of {', '.join(UNITS)}")
        self._keep()
        yield from self._write_on(unit, count)

    def _write_on(self, unit: str, count: int) -> Iterator[str]:
        self._last = (unit, count)
        place = len(self.parts)
        for piece in self._continued(unit, count):
            written = self.parts[place].text if place < len(self.parts) else ""
            self.parts[place:] = [Part(written + piece, by_model=True)]
            yield piece

    def again(self) -> Iterator[str]:
        """Replace what the model wrote last, at the end of the text, by another version.

        Raises:
            InputError: the end of the text was not written by the model.
        """
        if not self.parts or not self.parts[-1].by_model:
            raise InputError("the model wrote nothing here", "let the model write first")
        self._keep()
        self.parts.pop()
        yield from self._write_on(*self._last)

    def alternatives(
        self, number: int = 5, unit: str = "sentence", count: int = 100
    ) -> Iterator[str]:
        """Possible continuations for :meth:`take`; they are distinct, so there may be fewer."""
        found: set[str] = {""}
        for _ in range(number):
            text = "".join(self._continued(unit, count))
            if text not in found:
                yield text
            found.add(text)

    def take(self, text: str) -> None:
        """Add a continuation that the model has offered."""
        if text:
            self._keep()
            self.parts.append(Part(text, by_model=True))

    def undo(self) -> bool:
        """Take back the last step: what the model wrote, a choice, or what was typed since.

        Returns:
            Whether there was a step.
        """
        if not self._undone:
            return False
        self.parts, self._doing = list(self._undone.pop()), ""
        return True

    def _keep(self, doing: str = "") -> None:
        """Keep the text so that it can be restored; once for a run of typing or erasing."""
        if not doing or doing != self._doing:
            self._undone.append(tuple(self.parts))
        self._doing = doing

    def _unknown(self, text: str) -> str:
        """The first character that the model does not know."""
        if self._how.get("skip_unknown"):
            return ""
        vocabulary = self._model.author(Wanted(label=self._how.get("label"))).vocabulary
        known = set(vocabulary.codes)
        return next((character for character in text if ord(character) not in known), "")

    def _continued(self, unit: str, count: int) -> Iterator[str]:
        """The model's continuation, in pieces."""
        how: How = {"best_of": 1, **self._how, "temperature": self.temperature}
        how["length"] = count if unit == "characters" else MOST
        context = self.text[-CONTEXT:]
        seed = int(self._rng.integers(1 << 62))
        pieces = self._model.stream(context, seed=seed, **how)
        grown = islice(pieces, 1, None) if context else pieces
        if unit == "characters":
            yield from grown
            return
        written = ""
        for piece in grown:
            end = _end(written, piece, unit)
            if end:
                yield piece[:end]
                return
            written += piece
            yield piece


def _end(before: str, piece: str, unit: str) -> int:
    """Where in a piece the unit ends, and how many characters of it belong to it; else 0."""
    if unit == "line":
        blank = not before.strip()
        start = len(piece) - len(piece.lstrip()) if blank else 0  # an empty line is not a line
        return piece.find("\n", start) + 1
    tail = before[-4:]
    for match in SENTENCE.finditer(tail + piece):
        if match.end() > len(tail) and (match.end() < len(tail + piece) or match[0][-1:].isspace()):
            return match.end() - len(tail)
    return 0
