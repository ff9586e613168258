"""A text that is being written."""

from array import array
from typing import NamedTuple, TypeAlias

from charrnn.sampling.choice import Ids

__all__ = ["Guess", "Symbols", "Text"]

Symbols: TypeAlias = "array[int]"


class Guess(NamedTuple):
    """What the model expected where a symbol was drawn, before any filter."""

    log_probability: float  # of the symbol that was drawn, in nats
    entropy: float  # in nats
    best: list[tuple[int, float]]  # the likeliest symbols, with their log-probabilities


class Text:
    """A text that is being written.

    Attributes:
        symbols: the prime and what has been written.
        first: where the written part begins.
        end: where the text ends, once it has ended.
        ended: whether it ended by itself.
        costs: the log-probability of each symbol that was drawn, under the model alone, including
            those that ended the text; empty if not asked for.
        guesses: likewise.
        settled: the place before which nothing will be taken back; None if nothing ever is.
        copies: how many items in it must not be there, since no others were found.
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
        """Keep what comes before ``place``."""
        del self.symbols[place:]
        del self.costs[place - self.first :], self.guesses[place - self.first :]

    def certain(self, held: int) -> int:
        """The place before which nothing can change, if its last ``held`` symbols may end it."""
        if self.end is not None:
            return self.end
        after = len(self.symbols) - held
        return max(self.first, after if self.settled is None else min(after, self.settled))

    @property
    def score(self) -> float:
        """The mean log-probability of the symbols that were drawn."""
        return sum(self.costs) / len(self.costs) if self.costs else 0.0
