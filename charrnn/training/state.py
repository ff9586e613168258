"""Everything that decides how a training continues from here: captured, and restored.

This state goes into ``last.npz``, and a training that has diverged returns to it. So a training
that was killed after it returned, and is resumed, returns again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from math import ceil
from typing import Any, Protocol

import numpy as np

from charrnn.nn.types import Array
from charrnn.runs.history import Validation, finite, whole
from charrnn.tasks.config import Config
from charrnn.training.loop import Trainer
from charrnn.training.pace import Pace
from charrnn.training.watch import LossWatch

__all__ = ["Interval", "Snapshot", "capture", "check", "good_of", "restore", "shapes", "with_good"]

GOOD = "good."

FASTEST = 1e5
"""Updates a second that no machine reaches, even with the smallest network."""


@dataclass
class Interval:
    """The training losses since the last validation."""

    total: float = 0.0
    count: int = 0  # number of targets

    @property
    def mean(self) -> float:
        """The mean loss per target."""
        return self.total / max(1, self.count)


class Resumable(Protocol):
    """The parts of a run that are captured."""

    asked: Config
    trainer: Trainer
    history: list[Validation]
    preview: np.random.Generator
    interval: Interval
    settling: int


@dataclass(frozen=True)
class Snapshot:
    """The state at one update: numbers and words, the validations so far, and arrays by name."""

    numbers: Mapping[str, Any]
    history: Sequence[Validation]
    arrays: Mapping[str, Array]

    def copy(self) -> "Snapshot":
        """A copy with arrays of its own."""
        arrays = {name: array.copy() for name, array in self.arrays.items()}
        return Snapshot(self.numbers, self.history, arrays)


def capture(run: Resumable) -> Snapshot:
    """Capture the state of a run; the arrays are views, valid until the next update."""
    trainer = run.trainer
    numbers = {
        "step": trainer.number,
        "interval": [run.interval.total, run.interval.count],
        "pace": [list(anchor) for anchor in trainer.pace.anchors],
        "lowered": trainer.lowered,
        "settling": run.settling,
        "watch": asdict(trainer.watch),
        "generators": {
            "dropout": trainer.rng.bit_generator.state,
            "preview": run.preview.bit_generator.state,
        },
    }
    memory = trainer.optimizer.memory
    arrays = dict(trainer.parameters)
    arrays |= {f"optimizer.{name}": array for name, array in memory.items()}
    return Snapshot(numbers, list(run.history), arrays | trainer.task.arrays())


def restore(run: Resumable, snapshot: Snapshot) -> None:
    """Put a run into a captured state; its weights change only where the snapshot has them.

    Raises:
        KeyError, TypeError, ValueError, IndexError, OverflowError: something is missing, or is not
            what :func:`capture` wrote.
    """
    check(run, snapshot)
    numbers, trainer = snapshot.numbers, run.trainer
    for name in trainer.parameters:
        if name in snapshot.arrays:
            np.copyto(trainer.parameters[name], snapshot.arrays[name])
    trainer.task.restore(dict(snapshot.arrays))
    for name, memory in trainer.optimizer.memory.items():
        np.copyto(memory, snapshot.arrays[f"optimizer.{name}"].reshape(memory.shape))
    trainer.optimizer.number = whole(numbers["step"])
    trainer.pace = _pace(numbers)
    trainer.lowered = float(numbers["lowered"])
    run.settling = whole(numbers["settling"])
    trainer.watch = _watch(numbers)
    trainer.rng.bit_generator.state = numbers["generators"]["dropout"]
    run.preview.bit_generator.state = numbers["generators"]["preview"]
    total, count = numbers["interval"]
    run.interval = Interval(finite(total), whole(count))
    run.history = list(snapshot.history)


def check(run: Resumable, snapshot: Snapshot) -> None:
    """Check that a training with the run's settings can have reached a state.

    Raises:
        KeyError, TypeError, ValueError, IndexError, OverflowError: something is missing, or no
            training can have written it.
    """
    numbers, trainer = snapshot.numbers, run.trainer
    if not all(np.isfinite(array).all() for array in snapshot.arrays.values()):
        raise ValueError("a number is not finite")
    pace = _pace(numbers)
    # Only a run that must end on time may change its number of updates.
    planned = max(1, round(run.asked.epochs * trainer.task.steps_per_epoch))
    most = max(planned, ceil(60 * run.asked.minutes * FASTEST))
    if not whole(numbers["step"]) <= pace.total <= most or pace.length > planned:
        raise ValueError("more updates than the settings ask for")
    if pace.anchors[-2][0] > numbers["step"]:
        raise ValueError("the pace was changed in the future")
    if whole(numbers["settling"]) > numbers["step"]:
        raise ValueError("patience ran out in the future")
    if not 0 < finite(numbers["lowered"]) <= 1:
        raise ValueError("the rates were raised")
    _watch(numbers)


def _pace(numbers: Mapping[str, Any]) -> Pace:
    return Pace(tuple((whole(n), finite(place)) for n, place in numbers["pace"]))


def _watch(numbers: Mapping[str, Any]) -> LossWatch:
    watch = LossWatch(**numbers["watch"])
    whole(watch.seen)
    for part in fields(watch):
        if part.default is not None or getattr(watch, part.name) is not None:
            finite(getattr(watch, part.name))
    return watch


def shapes(snapshot: Snapshot) -> dict[str, tuple[int, ...]]:
    """The shapes of a snapshot's arrays, by name."""
    return {name: array.shape for name, array in snapshot.arrays.items()}


def with_good(snapshot: Snapshot) -> tuple[dict[str, Any], dict[str, Array]]:
    """The last good state, to be saved beside the current one: its numbers and renamed arrays."""
    history = [one.to_json() for one in snapshot.history]
    numbers = {"good": {**snapshot.numbers, "history": history}}
    return numbers, {GOOD + name: array for name, array in snapshot.arrays.items()}


def good_of(numbers: Mapping[str, Any], arrays: Mapping[str, Array]) -> Snapshot | None:
    """The inverse of :func:`with_good`; None if no good state was saved.

    Raises:
        KeyError, TypeError, ValueError, OverflowError: something is missing or damaged.
    """
    if "good" not in numbers:
        return None
    own = {name[len(GOOD) :]: part for name, part in arrays.items() if name.startswith(GOOD)}
    history = [Validation.from_json(one) for one in numbers["good"]["history"]]
    return Snapshot(numbers["good"], history, own)
