"""What every task provides: the data, a network for them, and a measure.

A training, a run and a checkpoint use only this; they do not know any task by name.
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
    "RESET",
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

SPLIT, SHUFFLE, NOISE, FRESH, RESET = 1, 2, 3, 4, 5
"""The branches of the seed, one for each kind of draw."""


@dataclass(frozen=True)
class Paths:
    """Where a run's data come from.

    Attributes:
        train: files, read in order; ``-`` is standard input.
        val, test: one file each; empty where the part is split off.
        text: the text that replaces ``-``, for a text in memory.
        storing: how a text is kept that is too large for memory.
    """

    train: tuple[str, ...]
    val: str = ""
    test: str = ""
    text: str | None = None
    storing: Storing = field(default=Storing(), compare=False)


class Spec(Protocol):
    """What a checkpoint must hold, besides weights and settings, for its network to be used."""

    def to_header(self) -> dict[str, Any]: ...
    def model(self, config: Config) -> Any: ...
    def knows(self) -> dict[str, str | list[str]]: ...  # characters as a text, labels as a list


@dataclass(frozen=True, eq=False)
class Trained:
    """A network with its weights and what it knows: what every use of a model takes.

    ``kept`` is for results that a task computes once and reuses while the weights stay the same.
    """

    network: Any
    parameters: Parameters
    spec: Any
    config: Config
    kept: dict[str, Any] = field(default_factory=dict, init=False, compare=False)

    @property
    def name(self) -> str:
        """What messages call the model."""
        return "the model"

    def check_finite(self, values: Array | float) -> None:
        """Raise DivergedError unless outputs are finite numbers."""
        if not np.isfinite(values).all():
            raise DivergedError(
                f"{self.name}: the outputs are not finite numbers; its weights are damaged"
            )


class Prediction(Protocol):
    """What a model predicts for one input."""

    def lines(self, form: str) -> Iterator[str]: ...  # "text", "tsv" or "jsonl"


class Scored(Protocol):
    """The result of a validation."""

    @property
    def loss(self) -> float: ...  # in the unit of the training loss
    @property
    def error(self) -> float: ...  # the best model has the lowest
    @property
    def text(self) -> str: ...  # a line for the user
    @property
    def numbers(self) -> dict[str, float]: ...  # the entry in the log


@dataclass(frozen=True)
class TaskScore:
    """Measures on a part of the examples.

    ``measures`` are in the order of their importance; ``error`` selects the best model, unless
    ``chosen_by`` does: a loss says more than a share of the answers, where probabilities can be
    relied on.
    """

    loss: float
    unit: str  # of the loss
    error: float
    measures: Mapping[str, float]
    method: str  # how they were measured, in words
    chosen_by: float | None = None
    alone: float | None = None  # the loss of what trains, if that is a part of what is scored

    @property
    def text(self) -> str:
        """The measures in a line for the user."""
        shown = [f"{name} {figure(value)}" for name, value in self.measures.items()]
        return ", ".join([f"{figure(self.loss)} {self.unit}", *shown])

    @property
    def numbers(self) -> dict[str, float]:
        """The measures as the log has them."""
        return {"loss": self.loss, **self.measures}


@dataclass(frozen=True)
class Outcome:
    """The best model's measures on the test part, beside what baselines reach there.

    ``details`` are figures for JSON that do not fit the printed report; ``verdict`` begins the
    report, if there is something to say; ``adds`` is whether the network's outputs are used at all.
    """

    score: TaskScore
    baselines: Mapping[str, float]  # in the first measure
    lines: tuple[str, ...] = ()  # a table, if the task has one
    details: Mapping[str, Any] = field(default_factory=dict)
    verdict: str = ""
    adds: bool = True


class Task(Protocol):
    """A training's data and network, as the training loop sees them."""

    engine: Engine
    batch_size: int
    unit: str

    @property
    def steps_per_epoch(self) -> int: ...
    @property
    def held_out(self) -> int: ...
    @property
    def guess(self) -> float | None: ...  # the loss if all answers are equally likely
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
    """The data that a run has read, in their parts."""

    paths: Paths
    sha256: str
    notes: tuple[str, ...]
    size: int

    def trained_on(self, config: Config) -> int: ...  # the number of characters, rows or examples
    def spec(self) -> Spec: ...
    def task(self, spec: Any, config: Config, model: Any, threads: int) -> Task: ...
    def longest(self, config: Config) -> int: ...
    def check_labels(self, spec: Any) -> None: ...
    def describe(self, spec: Any, config: Config) -> Sequence[str]: ...
