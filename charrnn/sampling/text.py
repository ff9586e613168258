"""A text that is being written."""

from array import array
from typing import NamedTuple, TypeAlias

from charrnn.sampling.choice import Ids

__all__ = ["Guess", "Symbols", "Text"]

Symbols: TypeAlias = "array[int]"


class Guess(NamedTuple):
    """What the model expected where a symbol was drawn, by itself: before any filter."""

    log_probability: float  # of the symbol that was drawn, in nats
    entropy: float  # in nats
    best: list[tuple[int, float]]  # the likeliest symbols, with their log-probabilities


class Text:
    """A text that is being written.

    Attributes:
        symbols: what it began with and what has been written.
        first: where what was written begins.
        end: where it ends, once it has.
        ended: whether it came to an end by itself.
        costs: the log-probability of each symbol that was drawn, by the model alone, with those
            that ended the text; empty if nobody asked.
        guesses: likewise.
        settled: up to where it will not be taken back; nothing if it never is.
        copies: items in it that must not be, for which no others were found.
    """

    def __init__(self, prime: Ids) -> None:
        self.symbols, self.first = array("i", prime.tolist()), len(prime)
        self.end: int | None = None
        self.ended = False
        self.costs = array("d")
        self.guesses: list[Guess] = []
        self.settled: int | None = None
        self.copies = 0

    def cut(self, place: int) -> None:
        """Leave what stands before ``place``."""
        del self.symbols[place:]
        del self.costs[place - self.first :], self.guesses[place - self.first :]

    def certain(self, held: int) -> int:
        """Up to where it can no longer change, if its last ``held`` symbols may end it."""
        if self.end is not None:
            return self.end
        after = len(self.symbols) - held
        return max(self.first, after if self.settled is None else min(after, self.settled))

    @property
    def score(self) -> float:
        """The mean log-probability of a symbol that was drawn."""
        return sum(self.costs) / len(self.costs) if self.costs else 0.0
