"""What the map of sparse features learns by itself, before the recurrence learns what it lacks.

A linear model fits the rows that it is trained on, and would leave a network that is trained beside
it nothing to learn. So the rows are parted into folds; what stands beside the recurrence while it
trains is what a map says that was fitted to the other folds. Wolpert (1992), "Stacked
generalization". Afterwards it is the map that was fitted to all rows.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import numpy as np
import numpy.typing as npt

from charrnn.nn.chain import Chain
from charrnn.nn.losses import LOSSES
from charrnn.nn.products import one_thread
from charrnn.nn.types import Array
from charrnn.nn.wide import Features, wide_forward, wide_sums
from charrnn.tasks.wide import features_of, without

__all__ = ["FittedMap"]

FOLDS = 3

RATE, FIRST_SQUARES = 0.3, 0.1
"""Of Adagrad (Duchi, Hazan and Singer 2011): W ← W - η·g / √Σg², and where the sum begins. What is
rare keeps a high rate; only features that stand in a batch cost anything."""

PASSES, BATCH = 5, 32
"""At most so many over the rows: as many as are best for rows of other folds."""

DROPPED = (0.0, 0.5)
"""The part of the features that an update leaves out, whichever is better for other folds. Wager,
Wang and Liang (2013), "Dropout training as adaptive regularization"."""

ENOUGH = 1 << 26
"""Products of features and outputs in a pass over the rows; rows beyond that are left out."""

FEW_OUTPUTS = 16
"""As many are counted where there are fewer, as it takes time as well to find the features."""

Rows = npt.NDArray[np.intp]
Weights = tuple[Array, Array]  # of features (D, K), of a chain (K, K)


class FittedMap:
    """A map of features to outputs, fitted to some examples.

    Args:
        hashes: of an example by its number, for each of its targets those of its features.
        targets: of each example.
        size: D, how many buckets there are.
        outputs: K.
        loss: of :data:`charrnn.nn.losses.LOSSES`, or ``"chain"``.
    """

    def __init__(
        self,
        hashes: Callable[[int], list[Array]],
        targets: Sequence[Array],
        size: int,
        outputs: int,
        loss: str,
    ) -> None:
        self._hashes, self._targets = hashes, targets
        self._size, self._outputs, self._loss = size, outputs, loss

    @cached_property
    def weights(self) -> Weights:
        """Of the features, ``(D, K)``, and of the chain, ``(K, K)``: zero if it is none."""
        best = self._best
        return next(islice(self._fits(self._every, best.dropped), best.passes - 1, None))

    @property
    def of_others(self) -> list[Array]:
        """For each example the outputs, ``(n, K)``, by a map that was not fitted to it."""
        return self._best.outputs

    @property
    def nats(self) -> float:
        """What a target costs by these, on average."""
        return self._best.nats / sum(map(len, self._targets))

    @property
    def _every(self) -> Rows:
        return np.arange(len(self._targets))

    @cached_property
    def _best(self) -> "_OfOthers":
        tried = [one for dropped in DROPPED for one in self._across_folds(dropped)]
        return min(tried, key=lambda one: (one.wrong, one.nats))

    def _across_folds(self, dropped: float) -> list["_OfOthers"]:
        """After each pass over the rows of the other folds."""
        fold = np.random.default_rng(0).permutation(len(self._targets)) % FOLDS
        found = [
            _OfOthers(dropped, number + 1, [np.zeros(0)] * len(fold)) for number in range(PASSES)
        ]
        for k in range(FOLDS):
            own, others = np.flatnonzero(fold == k), np.flatnonzero(fold != k)
            if not len(own) or not len(others):
                own = others = self._every
            fits = self._fits(others, dropped)
            for one, (W, chain) in zip(found, fits, strict=False):
                for some in _batches(own):
                    y = wide_forward(W, self._features(some))
                    ends = np.cumsum([len(self._targets[row]) for row in some])[:-1]
                    for row, part in zip(some, np.split(y, ends), strict=True):
                        one.outputs[row] = part.astype(np.float32)
                    nats, _, _ = self._loss_of(y, chain, some)
                    one.nats += nats
                    one.wrong += self._wrong(y, some)
        return found

    def _fits(self, rows: Rows, dropped: float) -> Iterator[Weights]:
        """The weights after each pass over some of the examples."""
        rng = np.random.default_rng(0)
        W, chain = np.zeros((self._size, self._outputs)), np.zeros((self._outputs,) * 2)
        squares, of_chain = (np.full_like(w, FIRST_SQUARES) for w in (W, chain))
        rows = self._enough(rows)
        for _ in range(PASSES):
            for some in _batches(rng.permutation(rows)):
                features = without(self._features(some), dropped, rng)
                y = wide_forward(W, features)
                _, dy, dchain = self._loss_of(y, chain, some)
                columns, dW = wide_sums(dy, features)
                squares[columns] += dW * dW
                W[columns] -= RATE * dW / np.sqrt(squares[columns])
                of_chain += dchain * dchain
                chain -= RATE * dchain / np.sqrt(of_chain)
            yield W, chain

    def _enough(self, rows: Rows) -> Rows:
        """Of some examples as many as a fit needs, from all over."""
        sample = rows[:: -(-len(rows) // 256)]
        each = sum(len(h) for row in sample for h in self._hashes(row)) / len(sample)
        count = max(1, int(ENOUGH / (each * max(FEW_OUTPUTS, self._outputs) + 1)))
        return rows[:: -(-len(rows) // count)]

    def _features(self, rows: Rows) -> Features:
        return features_of([h for row in rows for h in self._hashes(row)], self._size)

    def _gold(self, rows: Rows) -> Array:
        return np.concatenate([self._targets[row] for row in rows])

    def _wrong(self, y: Array, rows: Rows) -> int:
        """How many targets are not what the outputs say."""
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
    """What maps say of examples that they were not fitted to, and what that costs."""

    dropped: float
    passes: int
    outputs: list[Array]
    wrong: int = 0
    nats: float = 0.0


def _batches(rows: Rows) -> Iterator[Rows]:
    return (rows[start : start + BATCH] for start in range(0, len(rows), BATCH))
