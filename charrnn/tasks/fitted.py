"""Fit the map of sparse features by itself, before the recurrence trains.

A linear model fits its training rows, and would leave a network that is trained with it nothing to
learn. So both learn by themselves (:mod:`charrnn.tasks.shares`). There are several ways to fit the
map; the rows are divided into folds, and the way is taken that is best on rows of other folds.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from itertools import islice, product
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from charrnn.nn.chain import Chain
from charrnn.nn.losses import LOSSES
from charrnn.nn.products import one_thread
from charrnn.nn.types import Array
from charrnn.nn.wide import Features, wide_forward, wide_sums
from charrnn.tasks.wide import features_of, without

__all__ = ["FittedMap"]

RATE, FIRST_SQUARES = 0.3, 0.1
"""Adagrad (Duchi, Hazan and Singer 2011): the η of W ← W - η·g / √Σg², and where the sum begins.
Rare features keep a high learning rate; only features that occur in a batch cost time."""

BATCH = 32


SMOOTHINGS, SHARES = (0.1, 0.3), (0.06, 0.12, 0.25)
"""What naive Bayes adds to each count, and the share of its weights that is taken: it counts every
n-gram as evidence of its own, and would be far too sure."""


class Way(NamedTuple):
    """A way to fit a map.

    Attributes:
        dropped: the share of features that an update leaves out (Wager, Wang and Liang, 2013,
            "Dropout training as adaptive regularization").
        rare: whether a feature counts more, the fewer rows have it (Spärck Jones, 1972, "A
            statistical interpretation of term specificity and its application in retrieval").
        counted: whether the weights are those of naive Bayes, which needs few rows.
    """

    dropped: float = 0.0
    rare: bool = False
    counted: bool = False


class Effort(NamedTuple):
    """How much is tried. What is best for rows of other folds is chosen.

    Attributes:
        folds: how many folds the examples are divided into.
        epochs: the most epochs.
        ways: the ways to fit a map.
    """

    folds: int
    epochs: int
    ways: tuple[Way, ...]


THOROUGH = Effort(3, 5, (Way(), Way(0.5), Way(0.5, rare=True), Way(counted=True)))
QUICK = Effort(2, 1, (Way(0.5),))
MANY, ENOUGH = 1 << 26, 1 << 31
"""Products of features and outputs in an epoch: with more than the first, less is tried; examples
beyond the second are left out."""

FEW_OUTPUTS = 16
"""Fewer outputs are counted as this many, since finding the features takes time, too."""

Rows = npt.NDArray[np.intp]
Weights = tuple[Array, Array]  # of features (D, K), of a chain (K, K)


class FittedMap:
    """A map from features to outputs, fitted to some examples.

    Args:
        hashes: from an example's number to the feature hashes of each of its targets.
        targets: the targets of each example.
        size: D, the number of buckets.
        outputs: K, the number of outputs.
        loss: a name in :data:`charrnn.nn.losses.LOSSES`, or ``"chain"``.
        inputs: the input of each example. Equal inputs are in one fold, since a map that has seen
            an input with another label would be worse than one that has not.
    """

    def __init__(
        self,
        hashes: Callable[[int], list[Array]],
        targets: Sequence[Array],
        size: int,
        outputs: int,
        loss: str,
        inputs: Iterable[Hashable],
    ) -> None:
        number: dict[Hashable, int] = {}
        self._group = np.array([number.setdefault(one, len(number)) for one in inputs])
        self._hashes, self._targets = hashes, targets
        self._size, self._outputs, self._loss = size, outputs, loss

    def fit(self) -> None:
        """Compute everything now, not when it is first used."""
        _ = self.weights

    @cached_property
    def weights(self) -> Weights:
        """The weights of the features, ``(D, K)``, and of the chain, ``(K, K)``, zero if none."""
        best = self._best
        if not best.number:
            return self._nothing
        return next(islice(self._fits(self._rows, best.way), best.number - 1, None))

    @property
    def says_something(self) -> bool:
        """Whether it is better than no map for rows that it was not fitted to."""
        return self._best.number > 0

    @property
    def nats(self) -> float:
        """The mean loss of a target under these outputs."""
        return self._best.nats / len(self._gold(self._rows))

    @cached_property
    def _products(self) -> float:
        """Products of features and outputs for an example."""
        sample = range(0, len(self._targets), -(-len(self._targets) // 256))
        each = sum(len(h) for row in sample for h in self._hashes(row)) / len(sample)
        return each * max(FEW_OUTPUTS, self._outputs) + 1

    @property
    def _rows(self) -> Rows:
        """The examples that the map is fitted to, from all over the data."""
        count = max(1, int(ENOUGH / self._products))
        return np.arange(0, len(self._targets), -(-len(self._targets) // count))

    @property
    def _effort(self) -> Effort:
        return THOROUGH if self._products * len(self._targets) <= MANY else QUICK

    @cached_property
    def _best(self) -> "_OfOthers":
        """The best choice for rows of other folds; no map if none is better than that."""
        none, W = _OfOthers(Way(), 0), self._nothing
        for some in _batches(self._rows):
            self._take(none, W, some)
        tried = [one for way in self._effort.ways for one in self._across_folds(way)]
        useful = [one for one in tried if one.nats < none.nats]
        return min(useful, key=lambda one: (one.wrong, one.nats), default=none)

    @property
    def _nothing(self) -> Weights:
        """The weights before fitting: zero."""
        return np.zeros((self._size, self._outputs)), np.zeros((self._outputs, self._outputs))

    def _across_folds(self, way: Way) -> list["_OfOthers"]:
        """The results on all folds of the maps that are fitted to the other folds."""
        rows, folds = self._rows, self._effort.folds
        group = self._group[rows]
        fold = np.random.default_rng(0).permutation(self._group.max() + 1)[group] % folds
        found: list[_OfOthers] = []
        for k in range(folds):
            own, others = rows[fold == k], rows[fold != k]
            if not len(own) or not len(others):
                own = others = rows
            for number, weights in enumerate(self._fits(others, way)):
                if number == len(found):
                    found.append(_OfOthers(way, number + 1))
                for some in _batches(own):
                    self._take(found[number], weights, some)
        return found

    def _take(self, one: "_OfOthers", weights: Weights, rows: Rows) -> None:
        """Add a map's errors on some examples to a result."""
        W, chain = weights
        y = wide_forward(W, self._features(rows))
        nats, _, _ = self._loss_of(y, chain, rows)
        one.nats += nats
        one.wrong += self._wrong(y, rows)

    def _fits(self, rows: Rows, way: Way) -> Iterator[Weights]:
        """The weights after each epoch of some of the examples, or those of naive Bayes."""
        if way.counted:
            yield from self._counted(rows)
            return
        rng = np.random.default_rng(0)
        W, chain = self._nothing
        squares, of_chain = (np.full_like(w, FIRST_SQUARES) for w in (W, chain))
        scale = self._rarity(rows)[:, None] if way.rare else None
        for _ in range(self._effort.epochs):
            for some in _batches(rng.permutation(rows)):
                features = without(self._features(some), way.dropped, rng)
                if scale is not None:
                    larger = features.value * scale[features.column, 0]
                    features = replace(features, value=larger)
                y = wide_forward(W, features)
                _, dy, dchain = self._loss_of(y, chain, some)
                columns, dW = wide_sums(dy, features)
                squares[columns] += dW * dW
                W[columns] -= RATE * dW / np.sqrt(squares[columns])
                of_chain += dchain * dchain
                chain -= RATE * dchain / np.sqrt(of_chain)
            yield W if scale is None else W * scale, chain

    def _rarity(self, rows: Rows) -> Array:
        """A factor for each feature, ``(D,)``, 1 on average: the logarithm of its rarity."""
        having = np.zeros(self._size)
        for some in _batches(rows):
            having += np.bincount(self._features(some).column, minlength=self._size)
        rarity = 1 + np.log((1 + len(rows)) / (1 + having))
        return np.asarray(rarity / rarity.mean())

    def _counted(self, rows: Rows) -> Iterator[Weights]:
        """Shares of log P(feature | k), less its mean over k; nothing for other losses.

        As :mod:`charrnn.tasks.baselines.naive_bayes`, but a row counts each of its features once.
        """
        if self._loss != "softmax":
            return
        W, chain = self._nothing
        counts = np.zeros_like(W)
        for some in _batches(rows):
            features = self._features(some)
            there = replace(features, value=np.ones_like(features.value))
            columns, sums = wide_sums(np.eye(self._outputs)[self._gold(some)], there)
            counts[columns] += sums
        known = counts.any(axis=1)
        for smoothing, share in product(SMOOTHINGS, SHARES):
            logs = np.log(counts[known] + smoothing)
            logs -= np.log(np.exp(logs).sum(axis=0))
            W[known] = share * (logs - logs.mean(axis=1, keepdims=True))
            yield W, chain

    @cached_property
    def _hashes_of(self) -> Callable[[int], list[Array]]:
        """Found once, unless they are many."""
        return cache(self._hashes) if self._effort is THOROUGH else self._hashes

    def _features(self, rows: Iterable[int]) -> Features:
        return features_of([h for row in rows for h in self._hashes_of(int(row))], self._size)

    def _gold(self, rows: Rows) -> Array:
        return np.concatenate([self._targets[row] for row in rows])

    def _wrong(self, y: Array, rows: Rows) -> int:
        """How many targets the outputs get wrong."""
        gold = self._gold(rows)
        return int(np.count_nonzero((y > 0) != gold if gold.ndim == 2 else y.argmax(1) != gold))

    def _loss_of(self, y: Array, chain: Array, rows: Rows) -> tuple[float, Array, Array]:
        """The loss of some examples, and its gradients by the outputs and by the chain."""
        gold = self._gold(rows)
        if self._loss != "chain":
            dy = y.copy()
            return float(LOSSES[self._loss](dy, gold)), dy, np.zeros_like(chain)
        lane = np.repeat(np.arange(len(rows)), [len(self._targets[row]) for row in rows])
        with one_thread():
            found = Chain(chain, y, lane)
            return (float(found.nats(gold)), *found.gradients(gold))


@dataclass
class _OfOthers:
    """The errors of maps on examples that they were not fitted to."""

    way: Way
    number: int  # of the map that the way found; 0 is no map
    wrong: int = 0
    nats: float = 0.0


def _batches(rows: Rows) -> Iterator[Rows]:
    return (rows[start : start + BATCH] for start in range(0, len(rows), BATCH))
