"""The events of a run, for those who show them."""

from collections.abc import Mapping
from dataclasses import dataclass

from charrnn.errors import CheckpointError
from charrnn.tasks.base import Outcome, Scored
from charrnn.training.loop import Step
from charrnn.training.threads import Timing

__all__ = [
    "Alone",
    "Averaged",
    "Compared",
    "Concluded",
    "Event",
    "Finished",
    "Inherited",
    "Measured",
    "Preview",
    "Repaced",
    "RolledBack",
    "SaveFailed",
    "Settled",
    "Stopped",
    "Validated",
]


@dataclass(frozen=True)
class Compared:
    """What the baselines, which know the training text, reach on the validation text."""

    figures: Mapping[str, float]  # nats a character, by method
    unit: str
    known: int | None  # they know its last KNOWN characters; None: all


@dataclass(frozen=True)
class Inherited:
    """What the weights of another model reach before the first update."""

    checkpoint: str
    known: tuple[str, ...]  # its training files, the latest first, if noted
    score: Scored | None  # on this run's validation set, if there is one


@dataclass(frozen=True)
class Validated:
    """The state was saved, and the validation set scored if there is one."""

    step: int
    epoch: float
    train_nats: float  # mean since the last validation
    score: Scored | None
    best: bool  # whether it is the best so far, and was saved as best.npz


@dataclass(frozen=True)
class Preview:
    """Something the model produces now, for people to look at: UTF-8, or bytes."""

    step: int
    text: bytes


@dataclass(frozen=True)
class SaveFailed:
    """A checkpoint could not be written; the training continues."""

    step: int
    error: CheckpointError


@dataclass(frozen=True)
class Stopped:
    """The run was asked to stop; it has stopped and saved its state."""

    step: int


@dataclass(frozen=True)
class Finished:
    """All updates are made."""

    step: int


@dataclass(frozen=True)
class Repaced:
    """The run changes its number of updates so as to end on time."""

    step: int
    total: int


@dataclass(frozen=True)
class Settled:
    """Out of patience, the run returns to its best weights and lets the learning rate fall."""

    step: int
    best: int
    total: int
    in_all: int  # including the members to come


@dataclass(frozen=True)
class RolledBack:
    """The training diverged; it continues from an earlier state, with a lower learning rate."""

    step: int
    to: int
    lr: float  # the new peak learning rate
    why: str


@dataclass(frozen=True)
class Measured:
    """How many processes will compute, and the timings that decided it, if any were needed.

    ``shards`` is the number of parts each batch is split into; 0 means the usual number for its
    lanes. ``ranks`` is the number of machines that each run this many processes.
    """

    threads: int
    timings: tuple[Timing, ...]
    shards: int = 0
    ranks: int = 1


@dataclass(frozen=True)
class Alone:
    """Another process has died or could not be started; the training continues in this one."""

    step: int


@dataclass(frozen=True)
class Averaged:
    """A member is trained; the model is now the average of all members trained so far."""

    step: int
    members: int
    of: int
    total: int
    score: Scored | None  # the score of the average
    next: str  # which member is trained next, in words; empty after the last


@dataclass(frozen=True)
class Concluded:
    """The best model's result on the test part, beside what the baselines reach there."""

    outcome: Outcome


Event = (
    Compared
    | Measured
    | Inherited
    | Step
    | Alone
    | Validated
    | Averaged
    | Preview
    | Repaced
    | RolledBack
    | Settled
    | SaveFailed
    | Stopped
    | Finished
    | Concluded
)
