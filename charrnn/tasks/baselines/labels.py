"""Several labels for a text: naive Bayes over character n-grams, for each label separately."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from charrnn.tasks.baselines.naive_bayes import ORDERS, SMOOTHINGS, tenth
from charrnn.tasks.baselines.numbering import NGrams
from charrnn.tasks.measures import micro_f1

__all__ = ["LabelBayes"]

Yes = npt.NDArray[np.bool_]


class LabelBayes:
    """Says yes to label k if ln P(yes)/P(no) + Σ ln P(n-gram | yes)/P(n-gram | no) > 0.

    N-grams of 1..order; their probabilities are those of
    :class:`charrnn.tasks.baselines.NaiveBayes`, with the texts that have k and those that lack it
    as the two classes; P(yes) = (texts with k + 1) / (texts + 2), so that a label which all texts
    have, or none, needs no special case.

    Args:
        order: the largest n; chosen in :meth:`fit` if not given.
        smoothing: s, above 0; chosen in :meth:`fit` if not given.
    """

    def __init__(self, order: int | None = None, smoothing: float | None = None) -> None:
        self.orders = ORDERS if order is None else (order,)
        self.smoothings = SMOOTHINGS if smoothing is None else (smoothing,)

    def fit(self, texts: Sequence[str], yes: Yes) -> Self:
        """Learn from texts and their labels.

        Order and smoothing are those with the highest micro-F1 on every tenth example after
        learning from the others; with fewer than ten examples, the middle choices are taken.

        Args:
            texts: N of them.
            yes: ``(N, K)``, which labels each has.
        """
        self.order = self.orders[len(self.orders) // 2]
        self.smoothing = self.smoothings[len(self.smoothings) // 2]
        (rest, asked), (known, held) = tenth(texts), tenth(range(len(texts)))
        if asked and len(self.orders) * len(self.smoothings) > 1:
            self._count(rest, yes[known], max(self.orders))
            best = -1.0
            for smoothing in self.smoothings:
                for order, scores in enumerate(self._scores(asked, smoothing), start=1):
                    right = micro_f1(yes[held], scores > 0)
                    if order in self.orders and right > best:
                        best, self.order, self.smoothing = right, order, smoothing
        self._count(texts, yes, self.order)
        return self

    def predict(self, texts: Sequence[str]) -> Yes:
        """``(N, K)``: which labels each text has."""
        return self.scores(texts) > 0

    def scores(self, texts: Sequence[str]) -> npt.NDArray[Any]:
        """``(N, K)``: the log-odds of a yes."""
        return self._scores(texts, self.smoothing)[-1]

    def _count(self, texts: Sequence[str], yes: Yes, order: int) -> None:
        """Count the labels, and the n-grams with and without each."""
        have = yes.sum(axis=0)
        self.priors = np.log((have + 1) / (len(texts) - have + 1))
        self.ngrams = NGrams(texts, order)
        self.counts = []
        for (owners, grams), size in zip(
            self.ngrams.numbers(texts), self.ngrams.sizes, strict=True
        ):
            columns = [np.bincount(grams[own[owners]], minlength=size) for own in yes.T]
            every = np.bincount(grams, minlength=size)
            with_label = np.stack(columns, axis=1)
            self.counts.append((with_label, every[:, None] - with_label))

    def _scores(self, texts: Sequence[str], smoothing: float) -> list[npt.NDArray[Any]]:
        """``(len(texts), K)`` from n-grams of 1..n, for each n."""
        scores = np.tile(self.priors, (len(texts), 1))
        found = []
        for (owners, grams), counts in zip(self.ngrams.numbers(texts), self.counts, strict=True):
            logs = [np.log((c + smoothing) / (c + smoothing).sum(axis=0)) for c in counts]
            odds = logs[0] - logs[1]
            for k in range(scores.shape[1]):
                scores[:, k] += np.bincount(owners, odds[grams, k], minlength=len(texts))
            found.append(scores.copy())
        return found
