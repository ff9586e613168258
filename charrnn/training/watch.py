"""Telling a training that learns from one that has diverged."""

from dataclasses import dataclass
from math import isfinite

__all__ = ["LossWatch"]

SMOOTHING = 0.95
"""The smoothing of the mean loss, which then covers about the last twenty updates."""

SETTLED = 20
"""Updates before the mean loss means anything."""

BEGINNING = 3
"""The first updates, in which little can have gone wrong yet."""

GIVEN_BACK = 0.5
"""The part of the progress that must be lost again for the training to count as diverged."""

AT_LEAST = 0.25
"""The part of the first loss by which the loss must have climbed, in any case, to diverge."""

WORSE_THAN_GUESSING = 2.0
"""A loss this many times that of guessing is a divergence, whatever was learnt before."""

GOOD = 1.2
"""The highest loss of a good state, in units of the loss of guessing; fresh weights reach 1.05."""

SPREADS = 1.0
"""Mean deviations of the batch losses that are allowed on top, since batches differ."""

GIVEN_BACK_AT_VALIDATION = 0.1
AT_LEAST_AT_VALIDATION = 0.05
"""As the constants of these names, where the validation loss shows the climb as well."""


@dataclass
class LossWatch:
    """The losses of a training, in a few numbers.

    A training has diverged when a loss is not a number; when its smoothed loss has climbed back
    half of the way from its lowest value to where it began, or far above that; or when, from one
    validation to another, both the validation loss and the training loss have climbed back a tenth
    of that way. (In a model that overfits, only the validation loss climbs.) All this is measured
    on the training's own scale, so it holds for nats a character and for squared errors alike. A
    training that was lost before anything was learnt is recognised by another rule: it does much
    worse than a model that considers all answers equally likely.
    """

    seen: int = 0
    start: float = 0.0  # the highest of the first few losses
    first: float = 0.0  # the loss to begin with: start, or the mean once settled
    mean: float = 0.0
    spread: float = 0.0
    low: float = 0.0
    tolerance: float = 1.0  # raised after each divergence: the text may be uneven
    best_validation: float | None = None
    train_then: float = 0.0
    guess: float | None = None  # the loss of guessing, where it is defined

    @property
    def good(self) -> bool:
        """Whether this is a state to return to: no worse than the first loss, nor than guessing."""
        if self.seen < SETTLED:
            return False
        if self.guess is not None and self.mean > GOOD * self.guess:
            return False
        return self.mean <= self.start + self.spread

    def _hopeless(self, loss: float) -> bool:
        return self.guess is not None and loss > WORSE_THAN_GUESSING * self.guess

    def diverged(self, loss: float) -> bool:
        """Take in the mean loss of one more update; return whether the training has diverged."""
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
        """The same for a validation loss and the mean training loss since the last validation."""
        if not isfinite(loss) or (self._hopeless(loss) and self._hopeless(train)):
            return True
        if self.best_validation is None or loss <= self.best_validation:
            self.best_validation, self.train_then = loss, train
            return False
        climbs = (loss, self.best_validation), (train, self.train_then)
        return all(
            now - then > self.tolerance * self._allowed_at_validation(then) for now, then in climbs
        )

    def returned(self) -> None:
        """The training continues from earlier weights: the losses reached since count no more."""
        self.best_validation, self.low = None, self.first

    def _allowed_at_validation(self, then: float) -> float:
        first = self.start if self.seen < SETTLED else self.first  # not known before
        return max(GIVEN_BACK_AT_VALIDATION * (first - then), AT_LEAST_AT_VALIDATION * abs(first))
