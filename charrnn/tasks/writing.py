"""Writing texts with a trained model: what is wanted, and the texts piece by piece."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from charrnn.errors import InputError
from charrnn.nn.products import on_one_thread
from charrnn.nn.types import Array
from charrnn.sampling import Choice

__all__ = ["Wanted", "pieces"]

AT_ONCE = 16
"""Characters of a piece: few enough that a reader sees no steps, ..."""

UNSEEN = 256
"""... which nobody does where several texts are written side by side."""

MOST_TOGETHER = 1 << 28
"""Characters of all texts that are written side by side."""

DEFAULT = Choice()
NO_PLACES = np.zeros(0, dtype=np.intp)


@dataclass(frozen=True)
class Wanted:
    """What to write.

    Args:
        prime: what every text begins with.
        label: what kind of text, where a model knows kinds.
        number: how many texts, side by side.
        length: characters after the prime; what suits the task, if not given.
        choice: how each character is chosen.

    Raises:
        InputError: there is nothing of that kind, or it is too much.
    """

    prime: str = ""
    label: str | None = None
    number: int = 1
    length: int | None = None
    choice: Choice = DEFAULT

    def __post_init__(self) -> None:
        if self.number > 1 and (self.length or 0) * self.number > MOST_TOGETHER:
            raise InputError(
                f"{self.number} texts of {self.length} characters are more than {MOST_TOGETHER} "
                "together",
                "ask for shorter ones, or for one after the other",
            )


def pieces(
    wanted: Wanted,
    symbols: Iterator[Array],
    decode: Callable[[Array], bytes],
    end: int | None = None,
) -> Iterator[list[bytes]]:
    """What each text grows by: first the prime, then some characters at a time.

    Args:
        symbols: ``(n,)`` of each text, step by step.
        decode: the bytes of symbols.
        end: the symbol that ends a text, if there is one.
    """
    yield [wanted.prime.encode("utf-8", "surrogateescape")] * wanted.number
    going = np.ones(wanted.number, dtype=bool)
    size = AT_ONCE if wanted.number == 1 else UNSEEN
    for block in on_one_thread(_blocks(symbols, size)):
        grown = []
        for text, column in enumerate(block.T):
            ends = np.flatnonzero(column == end) if end is not None else NO_PLACES
            grown.append(decode(column[: ends[0]] if len(ends) else column) if going[text] else b"")
            going[text] &= not len(ends)
        yield grown


def _blocks(symbols: Iterator[Array], size: int) -> Iterator[Array]:
    while rows := list(islice(symbols, size)):
        yield np.array(rows)
