"""What every task provides: data that was read, a network for it, and a measure.

A training, a run and a checkpoint know these alone, and no task by its name.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from charrnn.engine import Engine
from charrnn.errors import DivergedError
from charrnn.nn.parameters import Parameters
from charrnn.nn.types import Array
from charrnn.tasks.config import Config
from charrnn.tasks.figures import figure
from charrnn.text.stored import Storing

__all__ = [
    "FRESH",
    "NOISE",
    "SHUFFLE",
    "SPLIT",
    "Data",
    "Outcome",
    "Paths",
    "Prediction",
    "Scored",
    "Spec",
    "Task",
    "TaskScore",
    "Trained",
]

SPLIT, SHUFFLE, NOISE, FRESH = 1, 2, 3, 4
"""With the seed, where the draws of each kind begin."""


@dataclass(frozen=True)
class Paths:
    """Where a run's data come from.

    Attributes:
        train: files, read in order; ``-`` is standard input.
        val, test: a file each; empty where these parts are split off.
        text: what stands in the place of ``-``, for a text in memory.
        storing: what becomes of a text that is too large for memory.
    """

    train: tuple[str, ...]
    val: str = ""
    test: str = ""
    text: str | None = None
    storing: Storing = field(default=Storing(), compare=False)


class Spec(Protocol):
    """What a checkpoint must hold besides weights and settings, so that its network can be used."""

    def to_header(self) -> dict[str, Any]: ...
    def model(self, config: Config) -> Any: ...
    def knows(self) -> dict[str, str | list[str]]: ...  # characters as a text, labels as a list


@dataclass(frozen=True, eq=False)
class Trained:
    """A network with its weights and what it knows: what every use of a model takes.

    ``kept`` is what a task has worked out once, for as long as the weights stay as they are.
    """

    network: Any
    parameters: Parameters
    spec: Any
    config: Config
    kept: dict[str, Any] = field(default_factory=dict, init=False, compare=False)

    @property
    def name(self) -> str:
        """For messages."""
        return "the model"

    def check_finite(self, values: Array | float) -> None:
        """Raise DivergedError unless outputs are finite numbers."""
        if not np.isfinite(values).all():
            raise DivergedError(
                f"{self.name}: the outputs are not finite numbers; its weights are damaged"
            )


class Prediction(Protocol):
    """What a model says of one input."""

    def lines(self, form: str) -> Iterator[str]: ...  # "text", "tsv" or "jsonl"


class Scored(Protocol):
    """What a validation gives."""

    @property
    def loss(self) -> float: ...  # as the training's
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
        shown = [f"{name} {figure(value)}" for name, value in self.measures.items()]
        return ", ".join([f"{figure(self.loss)} {self.unit}", *shown])

    @property
    def numbers(self) -> dict[str, float]:
        """For the log."""
        return {"loss": self.loss, **self.measures}


@dataclass(frozen=True)
class Outcome:
    """The measures of the best model on the test part, beside what simple methods reach there.

    ``details`` are figures for JSON that a report for people has no room for; ``verdict`` is what
    a report begins with, where there is something to say.
    """

    score: TaskScore
    baselines: Mapping[str, float]  # in the first measure
    lines: tuple[str, ...] = ()  # a table, if the task has one
    details: Mapping[str, Any] = field(default_factory=dict)
    verdict: str = ""


class Task(Protocol):
    """A training's data and network, as the loop sees them."""

    engine: Engine
    batch_size: int
    unit: str

    @property
    def steps_per_epoch(self) -> int: ...
    @property
    def held_out(self) -> int: ...
    @property
    def guess(self) -> float | None: ...  # the loss of holding all answers for equally likely
    def example(self) -> Any: ...
    def gradients(
        self,
        parameters: Parameters,
        gradients: Parameters,
        number: int,
        rng: np.random.Generator | None,
    ) -> tuple[float, int]: ...
    def validate(self, parameters: Parameters) -> Scored | None: ...
    def test(self, parameters: Parameters) -> Outcome | None: ...
    def preview(self, parameters: Parameters, rng: np.random.Generator) -> bytes: ...
    def arrays(self) -> dict[str, Array]: ...
    def restore(self, arrays: dict[str, Array]) -> None: ...


class Data(Protocol):
    """What was read for a run, in its parts."""

    paths: Paths
    sha256: str
    notes: tuple[str, ...]
    size: int

    def trained_on(self, config: Config) -> int: ...  # so much of it
    def spec(self) -> Spec: ...
    def task(self, spec: Any, config: Config, model: Any, threads: int) -> Task: ...
    def longest(self, config: Config) -> int: ...
    def check_labels(self, spec: Any) -> None: ...
    def describe(self, spec: Any, config: Config) -> Sequence[str]: ...
