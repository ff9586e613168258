"""Draws for the generators, all made of `rng.random()`.

It alone of the module `random` is promised to give the same numbers for the same seed under every
later Python. A draw below n takes the integer part of n times such a number: the product is rounded
as IEEE 754 says, the same on every machine.
"""

import random
from collections.abc import Callable, Collection, Hashable, Sequence
from typing import TypeVar

T = TypeVar("T")
H = TypeVar("H", bound=Hashable)


def below(rng: random.Random, n: int) -> int:
    """An integer from 0 to n − 1."""
    return int(rng.random() * n)


def pick(rng: random.Random, items: Sequence[T]) -> T:
    """One of the items, all alike."""
    return items[below(rng, len(items))]


def chance(rng: random.Random, n: int, of: int) -> bool:
    """True n times out of `of`."""
    return below(rng, of) < n


def shuffled(rng: random.Random, items: Sequence[T]) -> list[T]:
    """The items in an order all of which are alike."""
    deck = list(items)
    for at in range(len(deck) - 1, 0, -1):
        other = below(rng, at + 1)
        deck[at], deck[other] = deck[other], deck[at]
    return deck


def distinct(draw: Callable[[], H], count: int, refused: Collection[H] = ()) -> list[H]:
    """`count` different draws, none of them among the refused: what comes again is drawn anew."""
    seen, kept = set(refused), list[H]()
    while len(kept) < count:
        item = draw()
        if item not in seen:
            seen.add(item)
            kept.append(item)
    return kept
