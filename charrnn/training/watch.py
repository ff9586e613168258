"""Telling a training that learns from one that has gone astray."""

from dataclasses import dataclass
from math import isfinite

__all__ = ["LossWatch"]

SMOOTHING = 0.95
"""Of the mean of the losses: it looks back over some twenty updates."""

SETTLED = 20
"""Updates before a mean of the losses means anything."""

BEGINNING = 3
"""Updates in which little can have gone wrong yet."""

GIVEN_BACK = 0.5
"""The part of what was learnt that must be lost again for a divergence; ..."""

AT_LEAST = 0.25
"""... but no less than this part of the loss at the beginning, ..."""

WORSE_THAN_GUESSING = 2.0
"""So many times the loss of guessing is a divergence, whatever was learnt before."""

GOOD = 1.2
"""The most that a state to return to may lose, in the loss of guessing: fresh weights lose 1.05."""

SPREADS = 1.0
"""... and so many mean deviations of the losses from their mean more: batches differ."""

GIVEN_BACK_AT_VALIDATION = 0.1
AT_LEAST_AT_VALIDATION = 0.05
"""The same where the validation loss, which is of one text always, shows it as well."""


@dataclass
class LossWatch:
    """The losses of a training, in a few numbers.

    A training has diverged when a loss is no number; when its smoothed loss has climbed back half
    of the way from its lowest to where it began, or far above that; or when, from one validation to
    another, the validation loss and the training loss have both climbed back a tenth of that way.
    (The validation loss alone climbs in a model that overfits.) All this is measured on the
    training's own scale, so it holds for nats a character and for squared errors alike. What it
    cannot see is a training that was lost before anything was learnt: a model that does much worse
    than one which holds all answers for equally likely.
    """

    seen: int = 0
    start: float = 0.0  # the highest of the first few losses
    first: float = 0.0  # where it began: that, or the mean when it had settled
    mean: float = 0.0
    spread: float = 0.0
    low: float = 0.0
    tolerance: float = 1.0  # more after each divergence: perhaps the text itself is uneven
    best_validation: float | None = None
    train_then: float = 0.0
    guess: float | None = None  # the loss of guessing, where there is such a thing

    @property
    def good(self) -> bool:
        """Whether this is a state to return to: no worse than the beginning, nor than guessing."""
        if self.seen < SETTLED:
            return False
        if self.guess is not None and self.mean > GOOD * self.guess:
            return False
        return self.mean <= self.start + self.spread

    def _hopeless(self, loss: float) -> bool:
        return self.guess is not None and loss > WORSE_THAN_GUESSING * self.guess

    def diverged(self, loss: float) -> bool:
        """Take in the mean loss of one more update, and judge."""
        if not isfinite(loss):
            return True
        self.seen += 1
        if self.seen == 1:
            self.mean = loss
        if self.seen <= BEGINNING:
            self.start = max(self.start, loss)
        weight = max(1 - SMOOTHING, 1 / self.seen)
        self.spread += weight * (abs(loss - self.mean) - self.spread)
        self.mean += weight * (loss - self.mean)
        if self.seen < SETTLED:
            return False
        if self._hopeless(self.mean):
            return True
        if self.seen == SETTLED:
            self.first = self.low = max(self.start, self.mean)
        self.low = min(self.low, self.mean)
        allowed = max(GIVEN_BACK * (self.first - self.low), AT_LEAST * abs(self.first))
        return self.mean > self.low + self.tolerance * (allowed + SPREADS * self.spread)

    def validation_diverged(self, loss: float, train: float) -> bool:
        """Take in a validation loss and the mean training loss since the last one, and judge."""
        if not isfinite(loss) or (self._hopeless(loss) and self._hopeless(train)):
            return True
        if self.best_validation is None or loss <= self.best_validation:
            self.best_validation, self.train_then = loss, train
            return False
        climbs = (loss, self.best_validation), (train, self.train_then)
        return all(
            now - then > self.tolerance * self._allowed_at_validation(then) for now, then in climbs
        )

    def _allowed_at_validation(self, then: float) -> float:
        first = self.start if self.seen < SETTLED else self.first  # which is not known before
        return max(GIVEN_BACK_AT_VALIDATION * (first - then), AT_LEAST_AT_VALIDATION * abs(first))
