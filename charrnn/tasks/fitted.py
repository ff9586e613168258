"""Fit the map of sparse features by itself, before the recurrence trains.

A linear model fits its training rows, and would leave a network that is trained with it nothing to
learn. So both learn by themselves (:mod:`charrnn.tasks.shares`). There are several ways to fit the
map. Which is best differs, and a sum of several is better still; since all of them are linear, the
sum is one map. Its shares are those of the lowest loss on rows that the maps were not fitted to:
the rows are divided into folds. Wolpert (1992), "Stacked generalization".
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from itertools import islice
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from charrnn.nn.chain import Chain
from charrnn.nn.losses import LOSSES
from charrnn.nn.products import one_thread
from charrnn.nn.types import Array
from charrnn.nn.wide import Features, joined, wide_forward, wide_sums
from charrnn.tasks.shares import Objective, best_shares, of_chain, of_targets
from charrnn.tasks.wide import features_of, without

__all__ = ["FittedMap"]

RATE, FIRST_SQUARES = 0.3, 0.1
"""Adagrad (Duchi, Hazan and Singer 2011): the η of W ← W - η·g / √Σg², and where the sum begins.
Rare features keep a high learning rate; only features that occur in a batch cost time."""

BATCH = 32


SMOOTHINGS, CERTAINTY = (0.1, 0.3), 0.12
"""What naive Bayes adds to each count, and what its weights are multiplied by: it counts every
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
    """How much is tried.

    Attributes:
        folds: how many folds the examples are divided into.
        epochs: the most epochs; there are fewer if rows of other folds show no gain.
        ways: the ways to fit a map, whose sum is taken.
    """

    folds: int
    epochs: int
    ways: tuple[Way, ...]


THOROUGH = Effort(3, 8, (Way(), Way(0.5), Way(0.5, rare=True), Way(counted=True)))
QUICK = Effort(2, 1, (Way(), Way(counted=True)))
MANY, ENOUGH = 1 << 27, 1 << 30
"""Products of features and outputs in an epoch: with more than the first, less is tried; examples
beyond the second are left out."""

JUDGED = 1 << 12
"""Examples of each fold that the maps of the other folds are tried on, at most."""

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
        W, chain = self._nothing
        for one, share in zip(self._tried, self._shares, strict=True):
            if share:
                fits = self._fits(self._rows, one.way)
                own, transitions = next(islice(fits, one.number - 1, None))
                W += share * own
                chain += share * transitions
        return W, chain

    @property
    def says_something(self) -> bool:
        """Whether it is better than no map for rows that it was not fitted to."""
        return bool(self._shares.any())

    @property
    def nats(self) -> float:
        """The mean loss of a target of rows that the map was not fitted to."""
        count = sum(len(self._gold(own)) for own, _ in self._folds)
        total, _ = self._loss_of_sum(self._tried)(self._shares)
        return total / count

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

    @property
    def _nothing(self) -> Weights:
        """The weights before fitting: zero."""
        K = self._outputs
        return np.zeros((self._size, K), np.float32), np.zeros((K, K))

    @cached_property
    def _folds(self) -> list[tuple[Rows, Rows]]:
        """For each fold, some of its examples, and all the others, to which a map is fitted."""
        rows, folds = self._rows, self._effort.folds
        draw = np.random.default_rng(0).permutation(self._group.max() + 1)
        fold, found = draw[self._group[rows]] % folds, []
        for k in range(folds):
            own, others = rows[fold == k], rows[fold != k]
            if len(own) and len(others):
                found.append((own[:: -(-len(own) // JUDGED)], others))
        return found or [(rows, rows)]

    @cached_property
    def _tried(self) -> list["_Tried"]:
        """The best map of each way."""
        found = (self._best(way) for way in self._effort.ways)
        return [one for one in found if one is not None]

    def _best(self, way: Way) -> "_Tried | None":
        """The map of a way with the lowest loss of rows of other folds, if there is any."""
        best: _Tried | None = None
        fits = (self._fits(others, way) for _, others in self._folds)
        for number, weights in enumerate(zip(*fits, strict=True), start=1):
            both = zip(self._folds, weights, strict=True)
            outputs = [self._outputs_of(W, own) for (own, _), (W, _) in both]
            one = _Tried(way, number, outputs, [chain.copy() for _, chain in weights])
            one.nats, _ = self._loss_of_sum([one])(np.ones(1))
            if best is None or one.nats < best.nats:
                best = one
            else:  # more epochs fit the maps ever closer to their own rows
                break
        return best

    @cached_property
    def _shares(self) -> Array:
        """How much of each map is in the sum; nothing of any if no map is better."""
        objective, none = self._loss_of_sum(self._tried), np.zeros(len(self._tried))
        shares = best_shares(objective, len(none))
        return shares if objective(shares)[0] < objective(none)[0] else none

    def _loss_of_sum(self, maps: Sequence["_Tried"]) -> Objective:
        """The loss of a sum of maps for rows that they were not fitted to, by their shares."""
        parts = []
        for k, (own, _) in enumerate(self._folds):
            outputs = np.stack([one.outputs[k] for one in maps]).astype(np.float64)
            if self._loss == "chain":
                chains = np.stack([one.chains[k] for one in maps])
                parts.append(of_chain(outputs, chains, self._lane(own), self._gold(own)))
            else:
                parts.append(of_targets(outputs, self._gold(own), self._loss))

        def found(at: Array) -> tuple[float, Array]:
            with one_thread():
                each = [part(at) for part in parts]
            return sum(total for total, _ in each), np.sum([slope for _, slope in each], axis=0)

        return found

    def _fits(self, rows: Rows, way: Way) -> Iterator[Weights]:
        """The weights after each epoch of some of the examples, or those of naive Bayes."""
        if way.counted:
            yield from self._counted(rows)
            return
        rng = np.random.default_rng(0)
        W, chain = self._nothing
        squares, squares_of_chain = (np.full_like(w, FIRST_SQUARES) for w in (W, chain))
        scale = self._rarity(rows)[:, None] if way.rare else None
        for _ in range(self._effort.epochs):
            for some in _batches(rng.permutation(rows)):
                features = without(self._features(some), way.dropped, rng)
                if scale is not None:
                    larger = features.value * scale[features.column, 0]
                    features = replace(features, value=larger)
                dy, dchain = self._gradients(wide_forward(W, features), chain, some)
                columns, dW = wide_sums(dy, features)
                squares[columns] += dW * dW
                W[columns] -= RATE * dW / np.sqrt(squares[columns])
                squares_of_chain += dchain * dchain
                chain -= RATE * dchain / np.sqrt(squares_of_chain)
            yield W if scale is None else W * scale, chain

    def _rarity(self, rows: Rows) -> Array:
        """A factor for each feature, ``(D,)``, 1 on average: the logarithm of its rarity."""
        having = np.zeros(self._size)
        for some in _batches(rows):
            having += np.bincount(self._features(some).column, minlength=self._size)
        rarity = 1 + np.log((1 + len(rows)) / (1 + having))
        return np.asarray(rarity / rarity.mean())

    def _counted(self, rows: Rows) -> Iterator[Weights]:
        """A part of log P(feature | k), less its mean over k; nothing for several labels.

        As :mod:`charrnn.tasks.baselines.naive_bayes`, but a row counts each of its features once.
        """
        if self._loss not in ("softmax", "chain"):
            return
        W, chain = self._nothing
        counts = np.zeros_like(W)
        for some in _batches(rows):
            features = self._features(some)
            there = replace(features, value=np.ones_like(features.value))
            columns, sums = wide_sums(np.eye(self._outputs)[self._gold(some)], there)
            counts[columns] += sums
        known = counts.any(axis=1)
        for smoothing in SMOOTHINGS:
            logs = np.log(counts[known] + smoothing)
            logs -= np.log(np.exp(logs).sum(axis=0))
            W[known] = CERTAINTY * (logs - logs.mean(axis=1, keepdims=True))
            yield W, chain

    @cached_property
    def _features_of(self) -> Callable[[int], Features]:
        """Found once, unless they are many."""

        def found(row: int) -> Features:
            return features_of(self._hashes(row), self._size)

        return cache(found) if self._effort is THOROUGH else found

    def _features(self, rows: Rows) -> Features:
        return joined([self._features_of(row) for row in rows.tolist()])

    def _outputs_of(self, W: Array, rows: Rows) -> Array:
        """What a map says of some examples, ``(N, K)``."""
        return np.concatenate([wide_forward(W, self._features(some)) for some in _batches(rows)])

    def _gold(self, rows: Rows) -> Array:
        return np.concatenate([self._targets[row] for row in rows])

    def _lane(self, rows: Rows) -> Array:
        """The example of each target."""
        return np.repeat(np.arange(len(rows)), [len(self._targets[row]) for row in rows])

    def _gradients(self, y: Array, chain: Array, rows: Rows) -> tuple[Array, Array]:
        """The gradients of the loss of some examples by the outputs and by the chain."""
        gold = self._gold(rows)
        if self._loss != "chain":
            dy = y.copy()
            LOSSES[self._loss](dy, gold)
            return dy, np.zeros_like(chain)
        with one_thread():
            return Chain(chain, y, self._lane(rows)).gradients(gold)


@dataclass
class _Tried:
    """What maps of one way say of examples that they were not fitted to."""

    way: Way
    number: int  # of the map that the way found, from 1
    outputs: list[Array]  # (N, K) for each fold
    chains: list[Array]  # (K, K) for each fold
    nats: float = np.inf


def _batches(rows: Rows) -> Iterator[Rows]:
    return (rows[start : start + BATCH] for start in range(0, len(rows), BATCH))
