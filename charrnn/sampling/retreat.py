"""Going back in a text that cannot continue, and continuing differently."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from math import exp

import numpy as np

from charrnn.errors import StuckError
from charrnn.nn.types import Array
from charrnn.sampling.text import Text
from charrnn.sampling.voices import Reading

__all__ = ["Retreat"]

PATIENCE = 5000
"""How often a text goes back without growing before the search is given up."""


@dataclass
class _Search:
    """How the search for one text stands."""

    furthest: int
    tries: int = 0  # since the text last grew
    hasty: bool = True
    # For each place, the symbols that must not be drawn there, with their probabilities.
    bans: dict[int, dict[int, float]] = field(default_factory=dict)


class Retreat:
    """The last places of n texts, to which they can go back.

    The states before them are kept in ring buffers. A text goes back to the place at which the
    model gave most probability to symbols that have not been tried there, and no tried symbol is
    drawn there again. Where that leaves no way to continue, the text begins again from the first of
    the places, and tries all continuations.

    Args:
        reading: reads the texts.
        texts: the n texts.
        places: how many places a text goes back at most.
    """

    def __init__(self, reading: Reading, texts: Sequence[Text], places: int) -> None:
        self._reading, self._texts, self._places = reading, texts, places
        self._rings = [np.empty((places, *state.shape), state.dtype) for state in reading.states]
        self._searches = [_Search(text.first) for text in texts]
        for text in texts:
            text.settled = text.first

    def save(self) -> None:
        """Keep the states, before the next symbols are drawn."""
        at = [len(text.symbols) for text in self._texts]
        slots = np.array(at) % self._places
        for ring, state in zip(self._rings, self._reading.states, strict=True):
            ring[slots, range(len(at))] = state
        for text, search, place in zip(self._texts, self._searches, at, strict=True):
            if place > search.furthest:
                search.furthest, search.tries, search.hasty = place, 0, True
                text.settled = max(text.first, place - self._places + 1)

    def forbid(self, y: Array) -> set[int]:
        """Set to -∞ in ``y (n, V)`` what must not be drawn; return the texts that are stuck."""
        stuck = set()
        for row, (text, search) in enumerate(zip(self._texts, self._searches, strict=True)):
            banned = search.bans.get(len(text.symbols)) if search.bans else None
            if banned:
                y[row, list(banned)] = -np.inf
                if y[row].max() == -np.inf:
                    y[row] = 0  # the symbol drawn is taken back at once
                    stuck.add(row)
        return stuck

    def back(self, row: int, *, stuck: bool) -> int:
        """Restore the state of the place where a text must continue, and return that place.

        Args:
            row: the text, which the caller then cuts. Its last symbol must not be there.
            stuck: whether no symbol may be there.

        Raises:
            StuckError: there is no place to go back to, or the text has gone back too often.
        """
        text, search = self._texts[row], self._searches[row]
        bans = search.bans
        search.tries += 1
        first = text.first if text.settled is None else text.settled
        places = range(len(text.symbols) - (2 if stuck else 1), first - 1, -1)
        if search.tries > PATIENCE or not (places or search.hasty):
            raise StuckError(
                "found no text without the passages to avoid",
                "allow longer passages, or try a higher temperature or another seed",
            )
        if places:
            # At first a symbol is given up when one continuation fails; later only when all have.
            room = partial(_room, text, bans)
            place = max(places, key=room) if search.hasty else places[0]
            cost = text.costs[place - text.first]
            bans.setdefault(place, {})[text.symbols[place]] = exp(cost)
        else:
            place, search.hasty = first, False
            bans.clear()
        for later in [p for p in bans if p > place]:
            del bans[later]
        for ring, state in zip(self._rings, self._reading.states, strict=True):
            state[row] = ring[place % self._places, row]
        return place

    def keep(self, rows: Sequence[int]) -> None:
        """Keep these texts; their list has been cut already."""
        self._rings = [ring[:, rows] for ring in self._rings]
        self._searches = [self._searches[row] for row in rows]


def _room(text: Text, bans: dict[int, dict[int, float]], place: int) -> float:
    """The probability of all symbols that have not been tried there."""
    banned = bans.get(place)
    had = exp(text.costs[place - text.first])
    return 1 - had - (sum(banned.values()) if banned else 0)
