"""Telling a training that learns from one that has gone astray."""

from dataclasses import dataclass
from math import isfinite

__all__ = ["LossWatch"]

SMOOTHING = 0.95
"""Of the mean of the losses: it looks back over some twenty updates."""

SETTLED = 20
"""Updates before a mean of the losses means much; until then only a doubled loss is too high."""

GIVEN_BACK = 0.5
"""The part of what was learnt that must be lost again for a divergence; ..."""

AT_LEAST = 0.25
"""... but no less than this part of the loss at the beginning, for batches differ."""

GIVEN_BACK_AT_VALIDATION = 0.1
AT_LEAST_AT_VALIDATION = 0.05
"""The same where the validation loss, which is of one text always, shows it as well."""


@dataclass
class LossWatch:
    """The losses of a training, in five numbers.

    A training has diverged when its smoothed loss has climbed back half of the way from its lowest
    to where it began, or far above that; or when, from one validation to another, the validation
    loss and the training loss have both climbed back a tenth of that way. (The validation loss
    alone climbs in a model that overfits.) All is measured on the training's own scale, so it holds
    for nats a character and for squared errors alike.
    """

    seen: int = 0
    first: float = 0.0
    mean: float = 0.0
    low: float = 0.0
    tolerance: float = 1.0  # more after each divergence: perhaps the text itself is uneven
    best_validation: float | None = None
    train_then: float = 0.0

    def diverged(self, loss: float) -> bool:
        """Take in the mean loss of one more update, and judge."""
        if not isfinite(loss):
            return True
        self.seen += 1
        if self.seen == 1:
            self.first = self.mean = self.low = loss
        self.mean += max(1 - SMOOTHING, 1 / self.seen) * (loss - self.mean)
        allowed = abs(self.first)
        if self.seen >= SETTLED:
            self.low = self.mean if self.seen == SETTLED else min(self.low, self.mean)
            allowed = max(GIVEN_BACK * (self.first - self.low), AT_LEAST * allowed)
        return self.mean > self.low + self.tolerance * allowed

    def validation_diverged(self, loss: float, train: float) -> bool:
        """Take in a validation loss and the mean training loss since the last one, and judge."""
        if not isfinite(loss):
            return True
        if self.best_validation is None or loss <= self.best_validation:
            self.best_validation, self.train_then = loss, train
            return False
        climbs = (loss, self.best_validation), (train, self.train_then)
        return all(
            now - then > self.tolerance * self._allowed_at_validation(then) for now, then in climbs
        )

    def _allowed_at_validation(self, then: float) -> float:
        lost = GIVEN_BACK_AT_VALIDATION * (self.first - then)
        return max(lost, AT_LEAST_AT_VALIDATION * abs(self.first))
