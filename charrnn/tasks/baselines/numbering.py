"""The character n-grams of texts, as numbers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["NGrams"]

Ids = npt.NDArray[Any]


class NGrams:
    """Numbers for the n-grams of some texts, for all lengths n = 1..order.

    Texts are padded with a boundary sign at both ends. An n-gram is identified by the number of its
    first n - 1 characters and its last character, so each length needs one sorted array of pairs,
    and there are no collisions. Each length has its own numbers, from 0.

    Args:
        texts: the texts whose n-grams get numbers.
        order: the largest n, at least 1.

    Raises:
        ValueError: ``order`` is less than 1.
    """

    def __init__(self, texts: Sequence[str], order: int) -> None:
        if order < 1:
            raise ValueError(f"order must be at least 1, got {order}")
        characters, owners = _padded(texts)
        self.alphabet = np.unique(characters)
        self.pairs: list[Ids] = []
        self.sizes = [len(self.alphabet)]
        """How many n-grams of each length have a number."""
        letters = ids = np.searchsorted(self.alphabet, characters)
        for n in range(2, order + 1):
            pairs = self._pairs(ids, letters, owners, n)
            self.pairs.append(np.unique(pairs[pairs >= 0]))
            self.sizes.append(len(self.pairs[-1]))
            ids = _found(self.pairs[-1], pairs)

    def numbers(self, texts: Sequence[str]) -> list[tuple[Ids, Ids]]:
        """The numbers of the n-grams in texts, the same or others.

        Returns:
            For each length: the texts (their places in ``texts``, ascending) and the n-grams, one
            entry for each occurrence. N-grams without a number are left out.
        """
        characters, owners = _padded(texts)
        letters = ids = _found(self.alphabet, characters)
        found = []
        for n in range(1, len(self.sizes) + 1):
            if n > 1:
                ids = _found(self.pairs[n - 2], self._pairs(ids, letters, owners, n))
            found.append((owners[: len(ids)][ids >= 0], ids[ids >= 0]))
        return found

    def _pairs(self, ids: Ids, letters: Ids, owners: Ids, n: int) -> Ids:
        """The (n - 1)-gram and the last character of each n-gram as one number; -1: there is none.

        Args:
            ids: the numbers of the (n - 1)-grams, -1 for those without a number.
            letters: the numbers of the characters, likewise.
            owners: which text each character belongs to.
        """
        first, last = ids[:-1], letters[n - 1 :]
        whole = (first >= 0) & (last >= 0) & (owners[: len(first)] == owners[n - 1 :])
        return np.where(whole, first * len(self.alphabet) + last, -1)


def _padded(texts: Sequence[str]) -> tuple[Ids, Ids]:
    """All texts in one row of code points, with -1 around each; and which text each belongs to."""
    lengths = np.array([len(text) for text in texts], dtype=np.intp)
    owners = np.repeat(np.arange(len(texts)), lengths + 2)
    characters = np.full(len(owners), -1, dtype=np.int64)
    ends = (lengths + 2).cumsum() - 1
    inside = np.ones(len(owners), dtype=np.bool_)
    inside[ends] = inside[ends - lengths - 1] = False
    joined = "".join(texts).encode("utf-32-le", "surrogatepass")
    characters[inside] = np.frombuffer(joined, dtype="<u4")
    return characters, owners


def _found(known: Ids, wanted: Ids) -> Ids:
    """The place of each in the sorted array, -1 where it is absent."""
    places = np.searchsorted(known, wanted)
    places[places == len(known)] = 0
    return np.where(known[places] == wanted, places, -1) if len(known) else places - 1
