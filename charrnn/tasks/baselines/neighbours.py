"""Strings from strings: the answer to the most similar question in the training part."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from charrnn.tasks.baselines.numbering import NGrams

__all__ = ["NearestNeighbour"]

ORDER = 4
"""The longest n-grams, in characters."""


class NearestNeighbour:
    """The target of the training source most similar to the query.

    Similarity is the cosine of the two vectors of weights (1 + log tf)·log(N / df) over character
    n-grams of 1..4: tf is how often an n-gram occurs in the text, df in how many of the N training
    sources it occurs (Salton & Buckley, 1988, "Term-weighting approaches in automatic text
    retrieval"). Among equally similar sources the first is taken; likewise among several targets of
    one source, and for a query without any known n-gram.

    Args:
        order: the largest n.

    Raises:
        ValueError: ``order`` is less than 1.
    """

    def __init__(self, order: int = ORDER) -> None:
        if order < 1:
            raise ValueError(f"order must be at least 1, got {order}")
        self.order = order
        self.targets: list[str] = []

    def fit(self, sources: Sequence[str], targets: Sequence[str]) -> Self:
        """Memorise pairs.

        Args:
            sources, targets: ``(N,)`` each.

        Raises:
            ValueError: there are no pairs, or not as many targets as sources.
        """
        if len(sources) != len(targets) or not sources:
            raise ValueError(f"{len(sources)} sources and {len(targets)} targets to learn from")
        self.targets = list(targets)
        self.ngrams = NGrams(sources, self.order)
        self.firsts = np.cumsum([0, *self.ngrams.sizes])  # the first number of each length
        texts, grams, counts = self._occurrences(sources)
        self.rarity = np.log(
            len(sources) / np.bincount(grams, minlength=self.firsts[-1]).clip(min=1)
        )
        weights = self._weights(texts, grams, counts, len(sources))
        # The sources of each n-gram are adjacent: those of g from edges[g] to edges[g + 1].
        order = np.argsort(grams, kind="stable")
        self.sources, self.weights = texts[order], weights[order]
        self.edges = np.searchsorted(grams[order], np.arange(self.firsts[-1] + 1))
        return self

    def predict(self, queries: Sequence[str]) -> list[str]:
        """The target of the source most similar to each query.

        Raises:
            ValueError: nothing has been learned yet.
        """
        return [self.targets[k] for k in self.nearest(queries)]

    def nearest(self, queries: Sequence[str]) -> list[int]:
        """The place of the source that is most similar to each query.

        Raises:
            ValueError: nothing has been learned yet.
        """
        if not self.targets:
            raise ValueError("fit comes before predict")
        if not queries:
            return []
        texts, grams, counts = self._occurrences(queries)
        weights = self._weights(texts, grams, counts, len(queries))
        cuts = np.searchsorted(texts, np.arange(len(queries) + 1))
        found = []
        for begin, end in pairwise(cuts):
            starts = self.edges[grams[begin:end]]
            lengths = self.edges[grams[begin:end] + 1] - starts
            # All places from starts to starts + lengths, one n-gram after the other.
            shifts = np.repeat(starts - lengths.cumsum() + lengths, lengths)
            places = shifts + np.arange(len(shifts))
            products = self.weights[places] * np.repeat(weights[begin:end], lengths)
            similar = np.bincount(self.sources[places], products, minlength=len(self.targets))
            found.append(int(similar.argmax()))
        return found

    def _occurrences(
        self, texts: Sequence[str]
    ) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
        """Texts, their n-grams numbered through all lengths, and how often; sorted by texts."""
        numbers = self.ngrams.numbers(texts)
        owners = np.concatenate([owners for owners, _ in numbers])
        grams = np.concatenate(
            [g + first for (_, g), first in zip(numbers, self.firsts[:-1], strict=True)]
        )
        both, counts = np.unique(owners * self.firsts[-1] + grams, return_counts=True)
        return *np.divmod(both, self.firsts[-1]), counts

    def _weights(
        self,
        texts: npt.NDArray[Any],
        grams: npt.NDArray[Any],
        counts: npt.NDArray[Any],
        number: int,
    ) -> npt.NDArray[Any]:
        """The weight of each n-gram in its text; the weights of a text are a vector of length 1."""
        weights = (1 + np.log(counts)) * self.rarity[grams]
        squares = np.bincount(texts, weights**2, minlength=number)
        return np.asarray(weights / np.sqrt(np.where(squares > 0, squares, 1))[texts])
