"""What every task provides: data that was read, a network for it, and a measure."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from charrnn.config import Config
from charrnn.nn.engine import Engine, Network
from charrnn.nn.parameters import Parameters
from charrnn.nn.types import Array

__all__ = [
    "NOISE",
    "ORDER",
    "SPLIT",
    "Data",
    "Paths",
    "Report",
    "Scored",
    "Shuffled",
    "Spec",
    "SupervisedTask",
    "Task",
    "TaskNetwork",
    "TaskScore",
    "padded",
]

SPLIT, ORDER, NOISE = 1, 2, 3
"""With the seed, where the draws of each kind begin."""

POOL = 32
"""Batches are made of examples of about one length, out of so many batches' worth at a time."""


@dataclass(frozen=True)
class Paths:
    """Where a run's data come from."""

    train: tuple[str, ...]
    val: str = ""
    test: str = ""


class TaskNetwork(Network, Protocol):
    """A network with weights of its own."""

    @property
    def cell(self) -> Any: ...
    @property
    def num_layers(self) -> int: ...
    def shapes(self) -> dict[str, tuple[int, ...]]: ...
    def init(self, rng: np.random.Generator, dtype: npt.DTypeLike = ...) -> Parameters: ...


class Spec(Protocol):
    """What a checkpoint must hold besides weights and settings, so that its network can be used."""

    def to_header(self) -> dict[str, Any]: ...
    def model(self, config: Config) -> Any: ...


class Scored(Protocol):
    """What a validation gives."""

    @property
    def error(self) -> float: ...  # what the best model has least of
    @property
    def text(self) -> str: ...  # for people
    @property
    def numbers(self) -> dict[str, float]: ...  # for the log
    @property
    def method(self) -> str: ...  # how it was measured, in words


@dataclass(frozen=True)
class TaskScore:
    """Measures on a part of the examples.

    ``measures`` stand in the order of their importance; ``error`` chooses the best model.
    """

    loss: float
    unit: str  # of the loss
    error: float
    measures: Mapping[str, float]
    method: str

    @property
    def text(self) -> str:
        """For people."""
        shown = [f"{name} {_number(value)}" for name, value in self.measures.items()]
        return ", ".join([f"{_number(self.loss)} {self.unit}", *shown])

    @property
    def numbers(self) -> dict[str, float]:
        """For the log."""
        return {"loss": self.loss, **self.measures}


def _number(value: float) -> str:
    return f"{value:.4f}" if abs(value) < 1e5 else f"{value:.4g}"


@dataclass(frozen=True)
class Report:
    """The measures of the best model on the test part, beside what simple methods reach there."""

    score: TaskScore
    baselines: Mapping[str, float]  # in the first measure
    lines: tuple[str, ...] = ()  # a table, if the task has one


class Task(Protocol):
    """A training's data and network, as the loop sees them."""

    engine: Engine
    batch_size: int
    unit: str

    @property
    def steps_per_epoch(self) -> int: ...
    @property
    def held_out(self) -> int: ...
    def example(self) -> Any: ...
    def gradients(
        self,
        parameters: Parameters,
        gradients: Parameters,
        number: int,
        rng: np.random.Generator | None,
    ) -> tuple[float, int]: ...
    def validate(self, parameters: Parameters) -> Scored | None: ...
    def test(self, parameters: Parameters) -> Report | None: ...
    def preview(self, parameters: Parameters, rng: np.random.Generator) -> bytes: ...
    def arrays(self) -> dict[str, Array]: ...
    def restore(self, arrays: dict[str, Array]) -> None: ...


class Data(Protocol):
    """What was read for a run, in its parts."""

    paths: Paths
    sha256: str
    notes: tuple[str, ...]
    size: int
    trained_on: int

    def spec(self) -> Spec: ...
    def task(self, spec: Any, config: Config, model: Any, threads: int) -> Task: ...
    def longest(self, config: Config) -> int: ...
    def check_labels(self, spec: Any) -> None: ...
    def describe(self, spec: Any, config: Config) -> Sequence[str]: ...


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
        rng = np.random.default_rng([self._seed, ORDER, epoch])
        order = rng.permutation(len(self._lengths))
        batches: list[npt.NDArray[np.intp]] = []
        for start in range(0, len(order), POOL * self._batch_size):
            pool = order[start : start + POOL * self._batch_size]
            pool = pool[np.argsort(-self._lengths[pool], kind="stable")]
            cuts = range(self._batch_size, len(pool), self._batch_size)
            batches += np.split(pool, list(cuts))
        return [batches[k] for k in rng.permutation(len(batches))]


def padded(texts: Sequence[Array]) -> tuple[Array, Array]:
    """Sequences of numbers side by side, ``(T, B)`` and zero beyond each end; lengths ``(B,)``."""
    lengths = np.array([len(text) for text in texts])
    x = np.zeros((int(lengths.max()), len(texts)), dtype=np.intp)
    for lane, text in enumerate(texts):
        x[: len(text), lane] = text
    return x, lengths


class SupervisedTask(ABC):
    """A task of examples that are independent of each other.

    Args:
        model: the network.
        lengths: of the training examples.
        config: how they are taken.
        threads: how many processes compute.
    """

    unit = "nats/example"

    def __init__(
        self, model: Any, lengths: Sequence[int], config: Config, threads: int = 1
    ) -> None:
        self.model = model
        self.config = config
        self.batch_size = min(config.batch_size, len(lengths))
        self.engine = Engine(model, threads)
        self._order = Shuffled(lengths, self.batch_size, config.seed)

    @property
    def steps_per_epoch(self) -> int:
        """Updates in one pass over the training examples."""
        return len(self._order)

    @property
    @abstractmethod
    def held_out(self) -> int:
        """How many examples a validation scores."""

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
    def test(self, parameters: Parameters) -> Report | None:
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
        return float(sum(loss.total for loss in losses)), count

    def arrays(self) -> dict[str, Array]:
        """What must be saved to go on from here: nothing, as the order follows from the seed."""
        return {}

    def restore(self, arrays: dict[str, Array]) -> None:
        """The inverse of :meth:`arrays`."""
        del arrays
