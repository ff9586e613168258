"""Going back in a text that cannot continue, and continuing differently."""

from collections.abc import Sequence
from math import exp

import numpy as np

from charrnn.errors import StuckError
from charrnn.nn.types import Array
from charrnn.sampling.text import Text

__all__ = ["Retreat"]

PATIENCE = 5000
"""How often a text goes back without growing before the search is given up."""


class Retreat:
    """The last places of n texts, to which they can go back.

    The states before them are kept in ring buffers. A text goes back to the place at which the
    model gave most probability to symbols that have not been tried there, and no tried symbol is
    drawn there again. Where that leaves no way to continue, the text begins again from the first of
    the places, and tries all continuations.

    Args:
        states: ``(n, H)`` each, views of the reader's states.
        texts: the n texts.
        places: how many places a text goes back at most.
    """

    def __init__(self, states: Sequence[Array], texts: Sequence[Text], places: int) -> None:
        self._states, self._texts, self._places = states, texts, places
        self._rings = [np.empty((places, *state.shape), state.dtype) for state in states]
        self._rows = np.arange(len(texts))
        self._furthest = [text.first for text in texts]
        self._tries = [0] * len(texts)
        self._hasty = [True] * len(texts)
        # For each place, the symbols that must not be drawn there, with their probabilities.
        self._bans: list[dict[int, dict[int, float]]] = [{} for _ in texts]
        for text in texts:
            text.settled = text.first

    def save(self) -> None:
        """Keep the states, before the next symbols are drawn."""
        at = [len(text.symbols) for text in self._texts]
        slots = np.array(at) % self._places
        for ring, state in zip(self._rings, self._states, strict=True):
            ring[slots, self._rows] = state
        for row, place in enumerate(at):
            if place > self._furthest[row]:
                self._furthest[row], self._tries[row], self._hasty[row] = place, 0, True
                text = self._texts[row]
                text.settled = max(text.first, place - self._places + 1)

    def forbid(self, y: Array) -> set[int]:
        """Set to -∞ in ``y (n, V)`` what must not be drawn; return the texts that are stuck."""
        stuck = set()
        for row, bans in enumerate(self._bans):
            banned = bans.get(len(self._texts[row].symbols)) if bans else None
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
        text, bans = self._texts[row], self._bans[row]
        self._tries[row] += 1
        first = text.first if text.settled is None else text.settled
        places = range(len(text.symbols) - (2 if stuck else 1), first - 1, -1)
        if self._tries[row] > PATIENCE or not (places or self._hasty[row]):
            raise StuckError(
                "found no text without the passages to avoid",
                "allow longer passages, or try a higher temperature or another seed",
            )
        if places:
            # At first a symbol is given up when one continuation fails; later only when all have.
            hasty = self._hasty[row]
            place = max(places, key=lambda p: self._room(row, p)) if hasty else places[0]
            cost = text.costs[place - text.first]
            bans.setdefault(place, {})[text.symbols[place]] = exp(cost)
        else:
            place, self._hasty[row] = first, False
            bans.clear()
        for later in [p for p in bans if p > place]:
            del bans[later]
        for ring, state in zip(self._rings, self._states, strict=True):
            state[row] = ring[place % self._places, row]
        return place

    def _room(self, row: int, place: int) -> float:
        """The probability of all symbols that have not been tried there."""
        text = self._texts[row]
        banned = self._bans[row].get(place)
        had = exp(text.costs[place - text.first])
        return 1 - had - (sum(banned.values()) if banned else 0)
