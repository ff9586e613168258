"""Training on examples that are independent of each other: their order, their batches.

A batch holds at most 65,536 steps, its longest example's times its examples': where examples are so
long that ``batch_size`` of them would be more, half as many stand in a batch, or a quarter, ... So
one long row among short ones costs what it costs by itself.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from charrnn.engine import Engine
from charrnn.nn.parameters import Parameters
from charrnn.nn.types import Array
from charrnn.tasks.base import NOISE, SHUFFLE, Outcome, Scored, Trained
from charrnn.tasks.config import Config
from charrnn.tasks.examples import MOST_STEPS
from charrnn.tasks.fitted import FittedMap
from charrnn.tasks.rows import Rows

__all__ = ["Shuffled", "SupervisedData", "SupervisedTask", "lanes_of"]

R = TypeVar("R")

POOL = 32
"""Batches are made of examples of about one length, out of so many batches' worth at a time."""

MUCH_LONGER = 8
"""A row is named if it takes a smaller batch and is so many times as long as the median."""


def lanes_of(length: int, batch_size: int) -> int:
    """How many examples of up to ``length`` steps stand in a batch: ``batch_size``, halved until
    all of them have :data:`charrnn.tasks.examples.MOST_STEPS` steps at most; one at least.
    """
    while batch_size > 1 and batch_size * length > MOST_STEPS:
        batch_size //= 2
    return batch_size


class Shuffled:
    """In what order examples are taken: every one once an epoch, in batches of like lengths.

    The order of an epoch is drawn from the seed and the epoch's number alone, so that a run that
    goes on needs to know nothing but how many updates it has made.

    Args:
        lengths: ``(N,)``, what like examples have alike.
        batch_size: B; the last batch may be smaller, and those of very long examples are.
        seed: decides.
        steps: ``(N,)`` of each example, if they are not ``lengths``.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        batch_size: int,
        seed: int,
        steps: Sequence[int] | None = None,
    ) -> None:
        self._lengths = np.asarray(lengths)
        self._seed = seed
        lanes = [lanes_of(length, batch_size) for length in (steps or lengths)]
        self._lanes = np.array(lanes, dtype=np.intp)
        sizes, counts = np.unique(self._lanes, return_counts=True)
        self._sizes = sizes[::-1].tolist()
        self._count = int((-(-counts // sizes)).sum())
        self._epoch = -1
        self._batches: list[npt.NDArray[np.intp]] = []

    def __len__(self) -> int:
        """Batches in an epoch."""
        return self._count

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
        for size in self._sizes:
            alike = order[self._lanes[order] == size]
            for start in range(0, len(alike), POOL * size):
                pool = alike[start : start + POOL * size]
                pool = pool[np.argsort(-self._lengths[pool], kind="stable")]
                batches += np.split(pool, list(range(size, len(pool), size)))
        return [batches[k] for k in rng.permutation(len(batches))]


class SupervisedData(ABC, Generic[R]):
    """Rows in their parts, as :class:`charrnn.tasks.base.Data` wants them.

    Args:
        rows: of the task's files.
        config: the settings that they were read by.
    """

    def __init__(self, rows: Rows[R], config: Config) -> None:
        self.rows, self.config = rows, config
        self.paths, self.sha256 = rows.paths, rows.sha256
        self.size, self.named = rows.size, rows.named
        self.notes = (*rows.notes, *self._long())
        self._fitted: FittedMap | None = None

    @abstractmethod
    def lengths(self, config: Config) -> list[int]:
        """Steps of each training example."""

    def longest(self, config: Config) -> int:
        """Steps of the longest training example."""
        return max(self.lengths(config))

    def _long(self) -> Iterator[str]:
        """Names the longest row, where it is of another kind than the others."""
        lengths = self.lengths(self.config)
        longest, lanes = max(lengths), min(self.config.batch_size, len(lengths))
        usual = int(np.median(lengths))
        if lanes_of(longest, lanes) < lanes and longest > MUCH_LONGER * usual:
            row = getattr(self.rows.train[lengths.index(longest)], "row", 0)
            many = sum(lanes_of(length, lanes) < lanes for length in lengths)
            others = f"; {many:,} rows like it go into smaller batches" if many > 1 else ""
            yield (
                f"row {row} takes {longest:,} steps, half of the rows at most {usual:,}; long rows "
                f"make training slow{others or ', and it gets its own batch'}{self._cure()}"
            )

    def _cure(self) -> str:
        """What to do about long rows, where something can be done but leaving them out."""
        if "longest" not in self.config.kind.own:
            return ""
        return f" (--task {self.config.task},longest=N reads the first N characters)"

    def trained_on(self, config: Config) -> int:
        """How many examples train."""
        return len(self.rows.train)

    def begin(self, spec: Any, config: Config, parameters: Parameters) -> None:
        """Write into fresh weights what can be told from the training part before training.

        The map of features is fitted by itself, and the head begins at zero: so the network begins
        as that map.
        """
        fitted = self.fitted(spec, config)
        if fitted is None:
            return
        parameters["wide.W"][...], chain = fitted.weights
        parameters["head.W"][...] = 0
        if "chain.W" in parameters:
            parameters["chain.W"][...] = chain

    def prepare(self, spec: Any, config: Config) -> None:
        """Do what takes time whatever the network is: fit the map."""
        fitted = self.fitted(spec, config)
        if fitted is not None:
            fitted.fit()

    def fitted(self, spec: Any, config: Config) -> FittedMap | None:
        """The map of features, fitted to the training part; nothing if it has another or none."""
        if getattr(spec, "fitted", "") != self.sha256:
            return None
        if self._fitted is None:
            self._fitted = self.fit(spec, config)
        return self._fitted

    def fit(self, spec: Any, config: Config) -> FittedMap | None:
        """A map of features, fitted to the training part; nothing for tasks without one."""
        return None

    def check_labels(self, spec: Any) -> None:
        """Raise InputError unless the labels, if there are any, are those that ``spec`` has."""


class SupervisedTask(ABC, Generic[R]):
    """A task of examples that are independent of each other.

    Args:
        rows: in their parts.
        model: the network.
        spec: what it needs besides weights.
        lengths: of the training examples: those in a batch have about one.
        config: how they are taken.
        threads: how many processes compute.
        steps: of the training examples, if they are not ``lengths``.
    """

    def __init__(
        self,
        rows: Rows[R],
        model: Any,
        spec: Any,
        lengths: Sequence[int],
        config: Config,
        threads: int = 1,
        steps: Sequence[int] | None = None,
    ) -> None:
        self._rows = rows
        self.model = model
        self.spec = spec
        self.unit = config.kind.unit_of(config.level)
        self.config = config
        self.batch_size = min(config.batch_size, len(lengths))
        self.engine = Engine(model, threads)
        self._order = Shuffled(lengths, self.batch_size, config.seed, steps)

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
