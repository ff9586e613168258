"""What the map of sparse features learns by itself, before the recurrence learns what it lacks.

A linear model fits the rows that it is trained on, and would leave a network that is trained beside
it nothing to learn. So the rows are parted into folds; what stands beside the recurrence while it
trains is what a map says that was fitted to the other folds. Wolpert (1992), "Stacked
generalization". Afterwards it is the map that was fitted to all rows.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from charrnn.nn.chain import Chain
from charrnn.nn.losses import LOSSES
from charrnn.nn.products import one_thread
from charrnn.nn.types import Array
from charrnn.nn.wide import wide_forward, wide_sums
from charrnn.tasks.wide import features_of

__all__ = ["FittedMap"]

FOLDS = 3

RATE, FIRST_SQUARES = 0.3, 0.1
"""Of Adagrad (Duchi, Hazan and Singer 2011): W ← W - η·g / √Σg², and where the sum begins. What is
rare keeps a high rate; only features that stand in a batch cost anything."""

PASSES, BATCH = 8, 32
"""At most so many over the rows: as many as are best for rows of other folds."""

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
        for _, found in zip(range(self._of_others[1]), self._fits(self._every), strict=False):
            weights = found
        return weights

    @property
    def of_others(self) -> list[Array]:
        """For each example the outputs, ``(n, K)``, by a map that was not fitted to it."""
        return self._of_others[0]

    @property
    def _every(self) -> Rows:
        return np.arange(len(self._targets))

    @cached_property
    def _of_others(self) -> tuple[list[Array], int]:
        """See :attr:`of_others`, and after how many passes over the others they are best."""
        fold = np.random.default_rng(0).permutation(len(self._targets)) % FOLDS
        found: list[list[Array]] = [[np.zeros(0)] * len(fold) for _ in range(PASSES)]
        nats = np.zeros(PASSES)
        for k in range(FOLDS):
            own = np.flatnonzero(fold == k)
            others = np.flatnonzero(fold != k)
            if not len(own) or not len(others):
                others = own = self._every
            for number, (W, chain) in zip(range(PASSES), self._fits(others), strict=False):
                for some in _batches(own):
                    y, counts = self._outputs_of(W, some)
                    for row, part in zip(some, np.split(y, np.cumsum(counts)[:-1]), strict=True):
                        found[number][row] = part.astype(np.float32)
                    nats[number] += self._nats(y, chain, some)[0]
        best = int(np.argmin(nats))
        return found[best], best + 1

    def _fits(self, rows: Rows) -> Iterator[Weights]:
        """The weights after each pass over some of the examples."""
        with one_thread():
            rng = np.random.default_rng(0)
            W, chain = np.zeros((self._size, self._outputs)), np.zeros((self._outputs,) * 2)
            squares, of_chain = (np.full_like(w, FIRST_SQUARES) for w in (W, chain))
            rows = self._enough(rows)
            while True:
                for some in _batches(rng.permutation(rows)):
                    features = features_of([h for row in some for h in self._hashes(row)], len(W))
                    y = wide_forward(W, features)
                    _, dy, dchain = self._nats(y, chain, some)
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

    def _outputs_of(self, W: Array, rows: Rows) -> tuple[Array, list[int]]:
        """What a map says of some examples, and how many targets each has."""
        hashes = [self._hashes(row) for row in rows]
        features = features_of([h for own in hashes for h in own], len(W))
        return wide_forward(W, features), [len(own) for own in hashes]

    def _nats(self, y: Array, chain: Array, rows: Rows) -> tuple[float, Array, Array]:
        """The loss of some examples, and its gradients by the outputs and by the chain."""
        targets = [self._targets[row] for row in rows]
        gold = np.concatenate(targets)
        if self._loss != "chain":
            dy = y.copy()
            return float(LOSSES[self._loss](dy, gold)), dy, np.zeros_like(chain)
        found = Chain(chain, y, np.repeat(np.arange(len(rows)), [len(own) for own in targets]))
        return (float(found.nats(gold)), *found.gradients(gold))


def _batches(rows: Rows) -> Iterator[Rows]:
    return (rows[start : start + BATCH] for start in range(0, len(rows), BATCH))
