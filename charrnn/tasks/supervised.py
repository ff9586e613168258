"""Training on examples that are independent of each other: their order, their batches."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from charrnn.engine import Engine
from charrnn.nn.parameters import Parameters
from charrnn.nn.types import Array
from charrnn.tasks.base import NOISE, SHUFFLE, Outcome, Scored, Trained
from charrnn.tasks.config import Config
from charrnn.tasks.rows import Rows

__all__ = ["Shuffled", "SupervisedData", "SupervisedTask"]

R = TypeVar("R")

POOL = 32
"""Batches are made of examples of about one length, out of so many batches' worth at a time."""


class Shuffled:
    """In what order examples are taken: every one once an epoch, in batches of like lengths.

    The order of an epoch is drawn from the seed and the epoch's number alone, so that a run that
    goes on needs to know nothing but how many updates it has made.

    Args:
        lengths: ``(N,)``, what like examples have alike.
        batch_size: B; the last batch may be smaller.
        seed: decides.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int) -> None:
        self._lengths = np.asarray(lengths)
        self._batch_size = batch_size
        self._seed = seed
        self._epoch = -1
        self._batches: list[npt.NDArray[np.intp]] = []

    def __len__(self) -> int:
        """Batches in an epoch."""
        return -(-len(self._lengths) // self._batch_size)

    def batch(self, number: int) -> npt.NDArray[np.intp]:
        """The examples of the update that follows ``number`` others, longest first."""
        epoch, index = divmod(number, len(self))
        if epoch != self._epoch:
            self._epoch, self._batches = epoch, self._shuffle(epoch)
        return self._batches[index]

    def _shuffle(self, epoch: int) -> list[npt.NDArray[np.intp]]:
        rng = np.random.default_rng([self._seed, SHUFFLE, epoch])
        order = rng.permutation(len(self._lengths))
        batches: list[npt.NDArray[np.intp]] = []
        for start in range(0, len(order), POOL * self._batch_size):
            pool = order[start : start + POOL * self._batch_size]
            pool = pool[np.argsort(-self._lengths[pool], kind="stable")]
            cuts = range(self._batch_size, len(pool), self._batch_size)
            batches += np.split(pool, list(cuts))
        return [batches[k] for k in rng.permutation(len(batches))]


class SupervisedData(Generic[R]):
    """Rows in their parts, as :class:`charrnn.tasks.base.Data` wants them.

    Args:
        rows: of the task's files.
        config: the settings that they were read by.
    """

    def __init__(self, rows: Rows[R], config: Config) -> None:
        self.rows, self.config = rows, config
        self.paths, self.sha256, self.notes = rows.paths, rows.sha256, rows.notes
        self.size = rows.size

    def trained_on(self, config: Config) -> int:
        """How many examples train."""
        return len(self.rows.train)

    def check_labels(self, spec: Any) -> None:
        """Raise InputError unless the labels, if there are any, are those that ``spec`` has."""


class SupervisedTask(ABC, Generic[R]):
    """A task of examples that are independent of each other.

    Args:
        rows: in their parts.
        model: the network.
        spec: what it needs besides weights.
        lengths: of the training examples.
        config: how they are taken.
        threads: how many processes compute.
    """

    def __init__(
        self,
        rows: Rows[R],
        model: Any,
        spec: Any,
        lengths: Sequence[int],
        config: Config,
        threads: int = 1,
    ) -> None:
        self._rows = rows
        self.model = model
        self.spec = spec
        self.unit = config.kind.unit_of(config.level)
        self.config = config
        self.batch_size = min(config.batch_size, len(lengths))
        self.engine = Engine(model, threads)
        self._order = Shuffled(lengths, self.batch_size, config.seed)

    @property
    def steps_per_epoch(self) -> int:
        """Updates in one pass over the training examples."""
        return len(self._order)

    def trained(self, parameters: Parameters) -> Trained:
        """The network at these weights."""
        return Trained(self.model, parameters, self.spec, self.config)

    @property
    def held_out(self) -> int:
        """How many rows a validation scores."""
        return len(self._rows.val)

    @property
    def guess(self) -> float | None:
        """The loss of one who holds all answers for equally likely."""
        guess: float | None = self.model.head.guess
        return guess

    @abstractmethod
    def batch(self, rows: npt.NDArray[np.intp], rng: np.random.Generator | None) -> tuple[Any, int]:
        """Training examples, longest first, as a batch, and how many targets it has.

        Args:
            rng: draws the noise of training; without it there is none.
        """

    @abstractmethod
    def validate(self, parameters: Parameters) -> Scored | None:
        """The measures on the validation part."""

    @abstractmethod
    def test(self, parameters: Parameters) -> Outcome | None:
        """The measures on the test part; nothing if there is none."""

    @abstractmethod
    def preview(self, parameters: Parameters, rng: np.random.Generator) -> bytes:
        """What the network does with some validation examples, for people."""

    def example(self) -> Any:
        """A batch to time."""
        return self.batch(self._order.batch(0), None)[0]

    def gradients(
        self,
        parameters: Parameters,
        gradients: Parameters,
        number: int,
        rng: np.random.Generator | None,
    ) -> tuple[float, int]:
        """Write the gradients of the summed loss of one batch.

        Args:
            number: how many updates there were before.
            rng: draws dropout masks.

        Returns:
            The summed loss, and how many targets it is over.
        """
        noise = np.random.default_rng([self.config.seed, NOISE, number])
        batch, count = self.batch(self._order.batch(number), noise)
        losses = self.engine.losses(parameters, batch, gradients=gradients, rng=rng)
        return float(losses.total), count

    def mean_loss(self, parameters: Parameters, batches: Iterable[tuple[Any, int]]) -> float:
        """The loss of batches by target, nothing dropped; each comes with how many it has."""
        total, count = 0.0, 0
        for batch, targets in batches:
            total += float(self.engine.losses(parameters, batch).total)
            count += targets
        return total / count

    def arrays(self) -> dict[str, Array]:
        """What must be saved to go on from here: nothing, as the order follows from the seed."""
        return {}

    def restore(self, arrays: dict[str, Array]) -> None:
        """The inverse of :meth:`arrays`."""
        del arrays
