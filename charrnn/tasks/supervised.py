"""Training on independent examples: their order, their batches.

A batch has at most 65,536 steps, the steps of its longest example times the number of examples.
Where examples are so long that ``batch_size`` of them would have more, a batch holds half as many,
or a quarter, ... So one long row among short ones costs only what it costs by itself.
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
"""Batches are made of examples of similar length, drawn from this many batches at a time."""

MUCH_LONGER = 8
"""A row is named if it needs a smaller batch and is this many times as long as the median."""


def lanes_of(length: int, batch_size: int) -> int:
    """How many examples of up to ``length`` steps are in a batch: ``batch_size``, halved until they
    have at most :data:`charrnn.tasks.examples.MOST_STEPS` steps; at least one.
    """
    while batch_size > 1 and batch_size * length > MOST_STEPS:
        batch_size //= 2
    return batch_size


class Shuffled:
    """The order in which examples are taken: each once an epoch, in batches of similar lengths.

    The order of an epoch is drawn from the seed and the number of the epoch alone, so a resumed run
    only needs to know how many updates it has made.

    Args:
        lengths: ``(N,)``, the lengths that are similar within a batch.
        batch_size: B; the last batch may be smaller, and batches of very long examples are.
        seed: decides the order.
        steps: ``(N,)``, the steps of each example, if they are not ``lengths``.
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
        """The number of batches in an epoch."""
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
        rows: the rows of the task's files.
        config: the settings they were read with.
    """

    def __init__(self, rows: Rows[R], config: Config) -> None:
        self.rows, self.config = rows, config
        self.paths, self.sha256 = rows.paths, rows.sha256
        self.size, self.named = rows.size, rows.named
        self.notes = (*rows.notes, *self._long())
        self._fitted: FittedMap | None = None

    @abstractmethod
    def lengths(self, config: Config) -> list[int]:
        """The number of steps of each training example."""

    def longest(self, config: Config) -> int:
        """The number of steps of the longest training example."""
        return max(self.lengths(config))

    def _long(self) -> Iterator[str]:
        """A note that names the longest row, if it is much longer than the others."""
        lengths = self.lengths(self.config)
        longest, lanes = max(lengths), min(self.config.batch_size, len(lengths))
        usual = int(np.median(lengths))
        if lanes_of(longest, lanes) < lanes and longest > MUCH_LONGER * usual:
            row = getattr(self.rows.train[lengths.index(longest)], "row", 0)
            many = sum(lanes_of(length, lanes) < lanes for length in lengths)
            unit = "byte" if self.config.level == "byte" else "character"
            slow = "It gets its own batch and slows training"
            if many > 1:
                slow = f"{many:,} rows like it get smaller batches and slow training"
            yield (
                f"row {row} has {longest:,} steps (about one a {unit}); half of the rows have "
                f"{usual:,} or fewer. {slow}{self._cure()}"
            )

    def _cure(self) -> str:
        """What to do about long rows, where there is more to do than to leave them out."""
        if "longest" not in self.config.kind.own:
            return ""
        return f" (--task {self.config.task},longest=N reads the first N characters)"

    def trained_on(self, config: Config) -> int:
        """The number of training examples."""
        return len(self.rows.train)

    def begin(self, spec: Any, config: Config, parameters: Parameters) -> None:
        """Write into fresh weights what can be learnt from the training part before training.

        The map of features is fitted by itself, and the head begins at zero, so that the network
        begins as that map.
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
        """The map of features, fitted to the training part; None if the spec has another one."""
        if getattr(spec, "fitted", "") != self.sha256:
            return None
        if self._fitted is None:
            self._fitted = self.fit(spec, config)
        return self._fitted

    def fit(self, spec: Any, config: Config) -> FittedMap | None:
        """Fit a map of features to the training part; None for tasks without one."""
        return None

    def check_labels(self, spec: Any) -> None:
        """Raise InputError unless the labels, if there are any, are those of ``spec``."""


class SupervisedTask(ABC, Generic[R]):
    """A task of independent examples.

    Args:
        rows: the rows in their parts.
        model: the network.
        spec: what the network needs besides weights.
        lengths: the lengths of the training examples, which are similar within a batch.
        config: the settings.
        threads: how many processes compute.
        steps: the steps of the training examples, if they are not ``lengths``.
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
        """Updates in one epoch."""
        return len(self._order)

    def trained(self, parameters: Parameters) -> Trained:
        """The network with these weights."""
        return Trained(self.model, parameters, self.spec, self.config)

    @property
    def held_out(self) -> int:
        """The number of rows that a validation scores."""
        return len(self._rows.val)

    @property
    def guess(self) -> float | None:
        """The loss of considering all answers equally likely."""
        guess: float | None = self.model.head.guess
        return guess

    @abstractmethod
    def batch(self, rows: npt.NDArray[np.intp], rng: np.random.Generator | None) -> tuple[Any, int]:
        """Training examples, longest first, as a batch, and the number of its targets.

        Args:
            rng: draws the noise of training; None means no noise.
        """

    @abstractmethod
    def validate(self, parameters: Parameters) -> Scored | None:
        """The measures on the validation set."""

    @abstractmethod
    def test(self, parameters: Parameters) -> Outcome | None:
        """The measures on the test part; None if there is none."""

    @abstractmethod
    def preview(self, parameters: Parameters, rng: np.random.Generator) -> bytes:
        """The network's answers to some validation examples, for people to look at."""

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
            number: how many updates were made before.
            rng: draws dropout masks.

        Returns:
            The summed loss, and the number of targets that it sums over.
        """
        noise = np.random.default_rng([self.config.seed, NOISE, number])
        batch, count = self.batch(self._order.batch(number), noise)
        losses = self.engine.losses(parameters, batch, gradients=gradients, rng=rng)
        return float(losses.total), count

    def mean_loss(self, parameters: Parameters, batches: Iterable[tuple[Any, int]]) -> float:
        """The mean loss per target, without dropout; each batch comes with its target count."""
        total, count = 0.0, 0
        for batch, targets in batches:
            total += float(self.engine.losses(parameters, batch).total)
            count += targets
        return total / count

    def arrays(self) -> dict[str, Array]:
        """What must be saved to continue from here: nothing, since the seed decides the order."""
        return {}

    def restore(self, arrays: dict[str, Array]) -> None:
        """The inverse of :meth:`arrays`."""
        del arrays
