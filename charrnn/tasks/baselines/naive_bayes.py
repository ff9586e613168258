"""Classes of texts: naive Bayes over character n-grams."""

from collections.abc import Sequence
from typing import Any, Self, TypeVar

import numpy as np
import numpy.typing as npt

from charrnn.tasks.baselines.numbering import NGrams
from charrnn.tasks.measures import accuracy

__all__ = ["NaiveBayes", "tenth"]

ORDERS = (1, 2, 3, 4, 5, 6, 7, 8)
SMOOTHINGS = (0.03, 0.1, 0.3, 1.0, 3.0)

Item = TypeVar("Item")


def tenth(items: Sequence[Item]) -> tuple[list[Item], list[Item]]:
    """Nine of ten items to learn from, and every tenth to choose by; these are empty below ten.

    They come from all over the file, which may be in any order that does not repeat itself every
    ten lines.
    """
    return [x for k, x in enumerate(items) if k % 10 != 9], list(items[9::10])


class NaiveBayes:
    """The label k with the highest log P(k) + Σ log P(n-gram | k) over all n-grams of 1..order.

    P(n-gram | k) = (count + s) / (total + s·F): the count of the n-gram in the texts of k, relative
    to all n-grams of its length, with s added to each of the F n-grams of that length (McCallum &
    Nigam, 1998, "A comparison of event models for naive Bayes text classification", the multinomial
    model). N-grams that occur in no training text are skipped. Among equally likely labels, the
    first in alphabetical order is taken.

    Args:
        order: the largest n; chosen in :meth:`fit` if not given.
        smoothing: s, above 0; chosen in :meth:`fit` if not given.

    Raises:
        ValueError: a value is out of range.
    """

    def __init__(self, order: int | None = None, smoothing: float | None = None) -> None:
        if order is not None and order < 1:
            raise ValueError(f"order must be at least 1, got {order}")
        if smoothing is not None and not 0 < smoothing < np.inf:
            raise ValueError(f"smoothing must be above 0, and finite; got {smoothing}")
        self.orders = ORDERS if order is None else (order,)
        self.smoothings = SMOOTHINGS if smoothing is None else (smoothing,)
        self.labels: list[str] = []

    def fit(self, texts: Sequence[str], labels: Sequence[str]) -> Self:
        """Learn from texts and their labels.

        Order and smoothing are those that are right most often on every tenth example after
        learning from the others (among equals, the least smoothing, then the lowest order). Then
        all examples are learnt. With fewer than ten examples, the middle choices are taken.

        Args:
            texts, labels: ``(N,)`` each.

        Raises:
            ValueError: there are no texts, or not as many labels as texts.
        """
        if len(texts) != len(labels) or not texts:
            raise ValueError(f"{len(texts)} texts and {len(labels)} labels to learn from")
        self.order = self.orders[len(self.orders) // 2]
        self.smoothing = self.smoothings[len(self.smoothings) // 2]
        (rest, asked), (known, gold) = tenth(texts), tenth(labels)
        if asked and len(self.orders) * len(self.smoothings) > 1:
            self._count(rest, known, max(self.orders))
            best = -1.0
            for smoothing in self.smoothings:
                for order, scores in enumerate(self._scores(asked, smoothing), start=1):
                    right = accuracy(gold, self._names(scores))
                    if order in self.orders and right > best:
                        best, self.order, self.smoothing = right, order, smoothing
        self._count(texts, labels, self.order)
        return self

    def predict(self, texts: Sequence[str]) -> list[str]:
        """The likeliest label of each text.

        Raises:
            ValueError: nothing has been learned yet.
        """
        return self._names(self.scores(texts))

    def scores(self, texts: Sequence[str]) -> npt.NDArray[Any]:
        """Log P(k) + Σ log P(n-gram | k), ``(len(texts), K)``.

        Raises:
            ValueError: nothing has been learned yet.
        """
        if not self.labels:
            raise ValueError("fit comes before predict")
        if not texts:
            return np.zeros((0, len(self.labels)))
        return self._scores(texts, self.smoothing)[-1]

    def _count(self, texts: Sequence[str], labels: Sequence[str], order: int) -> None:
        """Count the labels, and the n-grams of each."""
        self.labels = sorted(set(labels))
        place = {label: k for k, label in enumerate(self.labels)}
        classes = np.array([place[label] for label in labels])
        self.priors = np.log(np.bincount(classes) / len(classes))
        self.ngrams = NGrams(texts, order)
        self.counts = [
            np.bincount(grams * len(place) + classes[owners], minlength=size * len(place)).reshape(
                size, len(place)
            )
            for (owners, grams), size in zip(
                self.ngrams.numbers(texts), self.ngrams.sizes, strict=True
            )
        ]

    def _scores(self, texts: Sequence[str], smoothing: float) -> list[npt.NDArray[Any]]:
        """Log P(k) + Σ log P(n-gram | k), ``(len(texts), K)``, of n-grams of 1..n for each n."""
        scores = np.tile(self.priors, (len(texts), 1))
        found = []
        for (owners, grams), counts in zip(self.ngrams.numbers(texts), self.counts, strict=True):
            smoothed = counts + smoothing
            logs = np.log(smoothed / smoothed.sum(axis=0))
            for k in range(len(self.labels)):
                scores[:, k] += np.bincount(owners, logs[grams, k], minlength=len(texts))
            found.append(scores.copy())
        return found

    def _names(self, scores: npt.NDArray[Any]) -> list[str]:
        return [self.labels[k] for k in scores.argmax(axis=1)]
