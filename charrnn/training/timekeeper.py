"""How often a run validates, and how many updates it has time for."""

from math import ceil, floor, inf, log2

from charrnn.tasks.base import Task
from charrnn.tasks.config import Config
from charrnn.training.pace import Deadline, Pace

__all__ = ["MOST_STEPS_BETWEEN", "SCORED", "Timekeeper", "members_within"]

MOST_STEPS_BETWEEN = 500
"""The most updates between two validations, or two saves."""

VALIDATIONS = 20
"""The fewest validations of a run that must end on time: each corrects its pace."""

SHORT = 10
"""Updates of an epoch; shorter epochs share a validation."""

OF_SHORT = 25
"""About how many validations a run with epochs this short has."""

SCORED = 3.0
"""How many times as fast scoring is as training, for a task that does not decode."""

VALIDATING = 0.1
"""The part of the time that validations may take."""

OFF_PACE = 0.02
"""The part of the remaining updates by which a pace may be wrong."""


SHORTENED = 0.1
"""The part of a training that may be missing for one more member: while epochs still pay, fewer
of them cost more than another member is worth (docs/log.md)."""


def members_within(there: float) -> int:
    """How many members to train in the time that ``there`` members take at full length."""
    return max(0, int(there + SHORTENED))


class Timekeeper:
    """One run's clock: when to validate, and how many updates to make.

    Args:
        config: the run's settings.
        task: the run's task.
        trained_on: how many characters or examples an epoch reads.
    """

    def __init__(self, config: Config, task: Task, trained_on: int) -> None:
        self.config, self.task, self.trained_on = config, task, trained_on
        # Only if the run must end on time, and only until it is stopped: a resumed run makes
        # the updates that it had planned.
        self.deadline: Deadline | None = None
        self.scoring = self.saving = 0.0  # seconds of the last validation and the last save

    @property
    def a_validation(self) -> float:
        """How many updates take about as long as a validation."""
        an_update = self.trained_on / self.task.steps_per_epoch
        return self.task.held_out / (SCORED * an_update)

    def validate_every(self, pace: Pace) -> int:
        """Updates between validations: those of an epoch, at most 500, or of several short epochs.

        But enough that validations take at most about a tenth of the time.
        """
        if self.config.eval_every:
            return self.config.eval_every
        an_epoch = self.task.steps_per_epoch
        if an_epoch < SHORT:
            an_epoch *= ceil(pace.length / (OF_SHORT * an_epoch))
        least, most = ceil(self.a_validation / VALIDATING), min(an_epoch, MOST_STEPS_BETWEEN)
        if self.config.minutes:
            # Fewer updates if the run turns out to be much slower than expected.
            halved = max(0, floor(log2(pace.length / pace.total)))
            most = min(most, ceil(pace.length / VALIDATIONS / 2**halved))
        return max(min(an_epoch, least), most)

    def look_at(self, begun: float, now: float) -> float:
        """When to look at the clock again, if there is no validation before."""
        if self.deadline is None:
            return inf
        return now + (self.deadline.at - begun) / VALIDATIONS

    def total(self, pace: Pace, number: int, speed: float, now: float) -> int:
        """How many updates to make in all; those of the pace, if they are about right.

        Args:
            number: how many updates were made.
            speed: updates a second.
            now: the time by the deadline's clock.
        """
        if self.deadline is None:
            return pace.total
        most = round(self.deadline.most_epochs * self.task.steps_per_epoch)
        # A validation and a save follow the last update.
        scoring = self.scoring or self.a_validation / speed
        time_left = self.deadline.at - now - scoring - self.saving
        left, planned = max(1, min(int(time_left * speed), most - number)), pace.total - number
        return pace.total if abs(left - planned) <= OFF_PACE * planned else number + left
