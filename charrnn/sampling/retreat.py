"""Going back in a text that must not go on as it does, and taking another way."""

from collections.abc import Sequence
from math import exp

import numpy as np

from charrnn.errors import StuckError
from charrnn.nn.types import Array
from charrnn.sampling.text import Text

__all__ = ["Retreat"]

PATIENCE = 5000
"""How often a text goes back before it has grown; then there is no way, or none is found."""


class Retreat:
    """The last places of n texts, to which they can go back.

    The states before them are kept, in rings. A text goes back to the place at which the model gave
    most to other symbols than those that have stood there, and there none of these is drawn again.
    Where that leaves no way on, it begins again from the first of the places, and tries all ways.

    Args:
        states: ``(n, H)`` each, views of what is read with.
        texts: n of them.
        places: how many places a text goes back at most.
    """

    def __init__(self, states: Sequence[Array], texts: Sequence[Text], places: int) -> None:
        self._states, self._texts, self._places = states, texts, places
        self._rings = [np.empty((places, *state.shape), state.dtype) for state in states]
        self._rows = np.arange(len(texts))
        self._furthest = [text.first for text in texts]
        self._tries = [0] * len(texts)
        self._hasty = [True] * len(texts)
        # By place: the symbols that must not be drawn there, with their probabilities.
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
        """Set to -∞ in ``y (n, V)`` what must not be drawn next; the texts that have no way on."""
        stuck = set()
        for row, bans in enumerate(self._bans):
            banned = bans.get(len(self._texts[row].symbols)) if bans else None
            if banned:
                y[row, list(banned)] = -np.inf
                if y[row].max() == -np.inf:
                    y[row] = 0  # what is drawn is taken back at once
                    stuck.add(row)
        return stuck

    def back(self, row: int, *, stuck: bool) -> int:
        """Where a text must go on, in the state of then; the text itself is to be cut there.

        Args:
            row: of the text. Its last symbol must not stand where it does.
            stuck: whether none may stand there.

        Raises:
            StuckError: there is no place to go back to, or it has been too often.
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
            # In haste, a symbol is given up for one of its continuations; else for all of them.
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
        """The probability of all symbols that have not stood there yet."""
        text = self._texts[row]
        banned = self._bans[row].get(place)
        had = exp(text.costs[place - text.first])
        return 1 - had - (sum(banned.values()) if banned else 0)
