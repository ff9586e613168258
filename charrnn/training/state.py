"""Everything that decides how a training goes on from here: taken down, and put back.

The same state goes into ``last.npz`` and is what a training that has diverged returns to. So a
training that is killed after it returned, and resumed, returns again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np

from charrnn.nn.types import Array
from charrnn.training.loop import Trainer
from charrnn.training.pace import Pace
from charrnn.training.watch import LossWatch

__all__ = ["Snapshot", "capture", "entry_of", "good_of", "lowest", "restore", "whole", "with_good"]

GOOD = "good."


class Resumable(Protocol):
    """What of a run is captured."""

    trainer: Trainer
    history: list[dict[str, Any]]
    preview: np.random.Generator
    interval: list[float]
    settling: int


@dataclass(frozen=True)
class Snapshot:
    """A state at one update: numbers and words, the validations so far, and arrays by name."""

    numbers: Mapping[str, Any]
    history: Sequence[Mapping[str, Any]]
    arrays: Mapping[str, Array]

    def copy(self) -> "Snapshot":
        """One whose arrays are its own."""
        arrays = {name: array.copy() for name, array in self.arrays.items()}
        return Snapshot(self.numbers, self.history, arrays)


def capture(run: Resumable) -> Snapshot:
    """The state of a run; its arrays are views, good until the next update."""
    trainer = run.trainer
    numbers = {
        "step": trainer.number,
        "interval": list(run.interval),
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
    """Put a run into a captured state; its weights only where the snapshot has them.

    Raises:
        KeyError, TypeError, ValueError, IndexError, OverflowError: something is missing or is not
            what :func:`capture` wrote.
    """
    numbers, trainer = snapshot.numbers, run.trainer
    if not all(np.isfinite(array).all() for array in snapshot.arrays.values()):
        raise ValueError("a number is not finite")
    for name in trainer.parameters:
        if name in snapshot.arrays:
            np.copyto(trainer.parameters[name], snapshot.arrays[name])
    trainer.task.restore(dict(snapshot.arrays))
    for name, memory in trainer.optimizer.memory.items():
        np.copyto(memory, snapshot.arrays[f"optimizer.{name}"].reshape(memory.shape))
    trainer.optimizer.number = whole(numbers["step"])
    trainer.pace = Pace(tuple((whole(n), float(place)) for n, place in numbers["pace"]))
    trainer.lowered = float(numbers["lowered"])
    run.settling = whole(numbers["settling"])
    trainer.watch = LossWatch(**numbers["watch"])
    trainer.rng.bit_generator.state = numbers["generators"]["dropout"]
    run.preview.bit_generator.state = numbers["generators"]["preview"]
    run.interval = [float(numbers["interval"][0]), whole(numbers["interval"][1])]
    run.history = [entry_of(entry) for entry in snapshot.history]


def entry_of(written: Mapping[str, Any]) -> dict[str, Any]:
    """A validation, as a file has it.

    Raises:
        KeyError, TypeError, ValueError, OverflowError: it is none.
    """
    return {
        "step": whole(written["step"]),
        "epoch": float(written["epoch"]),
        "train": float(written["train"]),
        "val": None if written["val"] is None else float(written["val"]),
    }


def lowest(history: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The validation with the lowest error; nothing without any."""
    scored = [entry for entry in history if entry["val"] is not None]
    return min(scored, key=lambda entry: float(entry["val"]), default=None)


def with_good(snapshot: Snapshot) -> tuple[dict[str, Any], dict[str, Array]]:
    """An earlier state, to be saved beside a later one: numbers and arrays of other names."""
    numbers = {"good": {**snapshot.numbers, "history": list(snapshot.history)}}
    return numbers, {GOOD + name: array for name, array in snapshot.arrays.items()}


def good_of(numbers: Mapping[str, Any], arrays: Mapping[str, Array]) -> Snapshot | None:
    """The inverse of :func:`with_good`; nothing if there is none.

    Raises:
        KeyError: it is not whole.
    """
    if "good" not in numbers:
        return None
    own = {name[len(GOOD) :]: part for name, part in arrays.items() if name.startswith(GOOD)}
    return Snapshot(numbers["good"], numbers["good"]["history"], own)


def whole(value: Any) -> int:
    """A number of things.

    Raises:
        ValueError: it is not one.
    """
    if type(value) is not int or value < 0:
        raise ValueError(f"expected a whole number, got {value!r}")
    return value
