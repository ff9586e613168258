"""What happens while a run trains."""

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
    """What simple methods reach on the text held out, when they know the training text."""

    figures: Mapping[str, float]  # nats a character, by method
    unit: str
    known: int | None  # they know so many characters of it, the last ones; nothing: all


@dataclass(frozen=True)
class Inherited:
    """What the weights of another model reach before the first step."""

    checkpoint: str
    known: tuple[str, ...]  # what that was trained on, the latest first, if it says
    score: Scored | None  # on what is held out here, if anything is


@dataclass(frozen=True)
class Validated:
    """The state was saved, and the held-out text scored if there is any."""

    step: int
    epoch: float
    train_nats: float  # mean since the last time
    score: Scored | None
    best: bool  # whether it is the best so far, and was saved as such


@dataclass(frozen=True)
class Preview:
    """What the model does now, to look at: UTF-8, or bytes."""

    step: int
    text: bytes


@dataclass(frozen=True)
class SaveFailed:
    """A checkpoint could not be written; training goes on."""

    step: int
    error: CheckpointError


@dataclass(frozen=True)
class Stopped:
    """Asked to stop, the run did, and saved where it was."""

    step: int


@dataclass(frozen=True)
class Finished:
    """All steps are done."""

    step: int


@dataclass(frozen=True)
class Repaced:
    """The run will make another number of updates, so as to end on time."""

    step: int
    total: int


@dataclass(frozen=True)
class Settled:
    """Out of patience; the run has taken up its best weights, and lets the rate fall."""

    step: int
    best: int
    total: int
    in_all: int  # with the members to come


@dataclass(frozen=True)
class RolledBack:
    """The training had diverged; it goes on from an earlier state, with a lower rate."""

    step: int
    to: int
    lr: float  # the new peak
    why: str


@dataclass(frozen=True)
class Measured:
    """How many processes will compute, and the times it was chosen by, if it needed any.

    ``shards`` is into how many parts each batch is cut; 0 for as its number of lanes says.
    ``ranks`` is on how many machines so many processes compute.
    """

    threads: int
    timings: tuple[Timing, ...]
    shards: int = 0
    ranks: int = 1


@dataclass(frozen=True)
class Alone:
    """Another process has died or could not be started; the training goes on in this one."""

    step: int


@dataclass(frozen=True)
class Averaged:
    """A member is trained; the model is now the average of so many."""

    step: int
    members: int
    of: int
    total: int
    score: Scored | None  # of the average
    next: str  # which member trains now, in words; nothing after the last


@dataclass(frozen=True)
class Concluded:
    """The best model on the test part, beside what simple methods reach there."""

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
