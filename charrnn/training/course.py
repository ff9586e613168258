"""What happens in a run from its first update to its last, and between two updates.

The training loop is a generator of steps; this is a generator of events, which the commands show.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from shlex import quote
from time import monotonic
from typing import Any

import numpy as np

from charrnn.errors import CheckpointError, DivergedError, RunError
from charrnn.nn.products import on_one_thread
from charrnn.runs.find import in_words
from charrnn.runs.history import Validation
from charrnn.tasks.base import Scored
from charrnn.tasks.supervised import SupervisedData
from charrnn.training.events import (
    Alone,
    Averaged,
    Event,
    Finished,
    Inherited,
    Measured,
    Preview,
    Repaced,
    RolledBack,
    SaveFailed,
    Settled,
    Stopped,
    Validated,
)
from charrnn.training.kept import Kept
from charrnn.training.loop import Step, Trainer
from charrnn.training.members import fresh_weights, generators
from charrnn.training.state import (
    Interval,
    capture,
    restore,
)
from charrnn.training.threads import fastest, time_threads, worth_timing
from charrnn.training.timekeeper import MOST_STEPS_BETWEEN, members_within

__all__ = ["Course"]

LOG_EVERY = 10

LOWER = 0.5
"""The factor by which a divergence lowers the learning rate."""

MOST_LOWERED = 12
"""How often a divergence may lower the learning rate before the training is given up."""

SETTLING = 0.5
"""Updates that a run out of patience still makes, as a fraction of those up to its best weights."""


class Course(Kept):
    """A run that trains: it validates, saves, recovers, settles, and begins the next member."""

    @property
    def validate_every(self) -> int:
        """Updates between two validations."""
        return self.timekeeper.validate_every(self.trainer.pace)

    @property
    def capped(self) -> bool:
        """Whether a network has made all the epochs that its plan considers enough."""
        deadline, made = self._deadline, self.trainer.number / self.task.steps_per_epoch
        return deadline is not None and made >= 0.99 * deadline.most_epochs

    @property
    def _stalled(self) -> bool:
        """Whether the last validations, as many as the run's patience, have brought no progress."""
        best = self.members.best
        if not self.config.patience or best is None or self.settling:
            return False
        behind = [one for one in self.history if one.step > best.step]
        return len(behind) >= self.config.patience

    def events(self, should_stop: Callable[[], bool] = lambda: False) -> Iterator[Event]:
        """Train to the end, or until ``should_stop`` returns true after a step.

        Raises:
            DivergedError: lowering the learning rate did not help; the last good files stay.
            CheckpointError: the final state could not be saved.
        """
        return on_one_thread(self._events(should_stop))

    def _events(self, should_stop: Callable[[], bool]) -> Iterator[Event]:
        if not self.threads:
            steps = self.trainer.total - self.trainer.number
            parameters = self.trainer.parameters
            timings = []
            free = not self.config.shards and not self.made
            if worth_timing(self.task, parameters, steps, recut=free):
                timings = time_threads(self.task, parameters, recut=free)
            chosen = fastest(timings)
            self.threads = self.task.engine.threads = chosen.threads
            if chosen.shards and free:
                self.config = replace(self.config, shards=chosen.shards)
                self.task.engine.shards = chosen.shards
            engine = self.task.engine
            yield Measured(self.threads, tuple(timings), self.config.shards, engine.ranks)
        self._begun = self._member_begun = monotonic()
        self._set_deadline()
        if self.ancestor is not None and not self._only_layers and not self.made:
            yield self._inherited(self.ancestor)
        self._good = self._good or capture(self).copy()
        while True:
            if not self.trainer.number and self.members.best is None and self.task.held_out:
                yield from self._as_fitted()
            try:
                yield from self._attempt(should_stop)
            except DivergedError as error:
                yield self._roll_back(error)
                continue
            if self.trainer.number < self.trainer.total:
                return
            self._take_others()
            if self.config.members > 1:
                yield self._conclude_member()
            if self.complete:
                yield Finished(self.made)
                return
            if should_stop():
                yield Stopped(self.made)
                return

    def _attempt(self, should_stop: Callable[[], bool]) -> Iterator[Event]:
        """Yield events as :meth:`events` does, until the training diverges."""
        failed: CheckpointError | None = None
        lost = False
        begun_at, begun = self.trainer.number, monotonic()
        look_at = self.timekeeper.look_at(self._begun, begun)
        before = self.members.before
        for step in self.trainer.steps():
            if before:
                step = replace(step, number=before + step.number)
            yield step
            if self.task.engine.failure:
                self._save(best=False, stopped=not self.complete)
                again = f"charrnn train --resume {quote(str(self.folder.path))}"
                raise RunError(
                    self.task.engine.failure, f"saved at step {step.number}. To continue: {again}"
                )
            if self.task.engine.lost and not lost:
                lost = True
                yield Alone(step.number)
            self.interval.total += step.nats * step.count
            self.interval.count += step.count
            number = self.trainer.number  # counted within this member
            done = number == self.trainer.total
            if number % LOG_EVERY == 0 or done:
                self._log(step.number, "train", **_numbers(step))
            # Everything that belongs to this step comes before its save, so that a resumed run does
            # not repeat it.
            validated = preview = None
            if number % self.validate_every == 0 or done:
                validated = self._validate(step)
                if validated.score is not None:
                    numbers = validated.score.numbers
                    self._log(step.number, "validation", **numbers, best=validated.best)
            if number % (self.config.sample_every or self.validate_every) == 0 or done:
                text = self.task.preview(self.trainer.parameters, self.preview)
                preview = Preview(step.number, text)
            changed: Settled | Repaced | None = None
            if validated is not None and not done and self._stalled:
                changed = self._settle()
            elif not done and (validated is not None or monotonic() > look_at):
                now = monotonic()
                look_at = self.timekeeper.look_at(self._begun, now)
                changed = self._repace((number - begun_at) / max(1e-9, now - begun))
            regular = number % MOST_STEPS_BETWEEN == 0
            if validated is not None or changed is not None or regular:
                try:
                    self._save(best=validated is not None and validated.best)
                    failed = None
                except CheckpointError as error:
                    failed = error
                    yield SaveFailed(step.number, error)
                if self.trainer.watch.good:
                    self._good = capture(self).copy()
            yield from filter(None, (validated, preview, changed))
            if should_stop() and not done:
                self._save(best=False, stopped=True)
                yield Stopped(step.number)
                return
        if failed is not None:
            raise failed

    @property
    def _only_layers(self) -> bool:
        """Whether only the recurrent layers come from another model."""
        return bool((self.ancestor or {}).get("layers"))

    def _inherited(self, ancestor: Mapping[str, Any]) -> Inherited:
        """How good another model's weights are to begin with; not one of the run's validations."""
        with np.errstate(all="ignore"):
            score = self.task.validate(self.trainer.parameters)
        self.inherited = score
        numbers = {} if score is None else score.numbers
        self._log(0, "inherited", checkpoint=ancestor["checkpoint"], **numbers)
        known = tuple(
            in_words(one["paths"]) or "the help topics of Python" for one in ancestor["corpora"]
        )
        return Inherited(ancestor["checkpoint"], known, score)

    def _as_fitted(self) -> Iterator[Validated]:
        """How good a member's weights are, where they are fitted before its first update."""
        inherits = self.ancestor is not None and not self._only_layers
        if inherits or not isinstance(self.data, SupervisedData):
            return
        fitted = self.data.fitted(self.spec, self.config)
        if fitted is None or not fitted.says_something:
            return  # untrained weights must not count as the best
        score = self.task.validate(self.trainer.parameters)
        if score is None:
            return
        found = self._noted(self.made, 0.0, fitted.nats, score)
        self._log(self.made, "validation", **score.numbers, best=found.best)
        self._save(best=True)
        yield found

    def _roll_back(self, error: DivergedError) -> RolledBack:
        """Return to the last good state, with a lower learning rate.

        Raises:
            DivergedError: the learning rate has been lowered too often.
        """
        failed_at, lowered = self.made, self.trainer.lowered * LOWER
        tolerance = 2 * self.trainer.watch.tolerance
        assert self._good is not None
        restore(self, self._good)
        if lowered < LOWER**MOST_LOWERED:
            kept = self.folder.best.exists() or self.folder.last.exists()
            hint = "the last good weights are kept; " * kept
            hint += f"try --lr {self.config.lr * lowered:.2g}"
            raise DivergedError(str(error), hint) from None
        self.trainer.lowered, self.trainer.watch.tolerance = lowered, tolerance
        self.folder.cut_log(self.made)
        event = RolledBack(failed_at, self.made, self.config.lr * lowered, str(error))
        self._log(event.to, "rolled back", failed_at=failed_at, lr=event.lr)
        return event

    def _settle(self) -> Settled:
        """Out of patience: continue from the best weights, for what is left of the schedule.

        At a high learning rate, a model that has begun to overfit is not yet as good as it can be:
        the learning rate must fall before the run stops.

        Raises:
            CheckpointError: the best weights cannot be read.
        """
        best, number = self.members.best, self.trainer.number
        assert best is not None
        if self._unwritten_best is not None:
            for name, weight in self._unwritten_best.weights.items():
                np.copyto(self.trainer.parameters[name], weight)
        else:
            np.copyto(self.trainer.parameters.flat, self._saved_best(exactly=True).flat)
        before = self.members.before
        steps = max(2 * self.validate_every, round(SETTLING * (best.step - before)))
        total = min(number + steps, self.trainer.total)
        self.trainer.pace = self.trainer.pace.ending(number, total)
        self.trainer.watch.returned()
        self.settling = number
        self._log(self.made, "settled", best=best.step, total=before + total)
        return Settled(self.made, best.step, before + total, self.total)

    def _repace(self, speed: float) -> Repaced | None:
        """Change the number of updates, if the measured speed (updates a second) asks for it."""
        number = self.trainer.number
        total = self.timekeeper.total(self.trainer.pace, number, speed, monotonic())
        if self.settling or total == self.trainer.total:
            return None
        self.trainer.pace = self.trainer.pace.ending(number, total)
        self._log(self.made, "repaced", total=self.total)
        return Repaced(self.made, self.total)

    def _validate(self, step: Step) -> Validated:
        begun = monotonic()
        with np.errstate(all="ignore"):  # an overflow is found just below
            score = self.task.validate(self.trainer.parameters)
        self.timekeeper.scoring = monotonic() - begun
        train_nats = self.interval.mean
        if score is not None:
            alone = getattr(score, "alone", None)
            loss = score.loss if alone is None else alone
            if self.trainer.watch.validation_diverged(loss, train_nats):
                raise DivergedError(
                    f"training diverged by step {step.number}: the validation loss is {loss:.4g}"
                )
        self.interval = Interval()
        return self._noted(step.number, step.epoch, train_nats, score)

    def _noted(
        self, number: int, epoch: float, train_nats: float, score: Scored | None
    ) -> Validated:
        """Add a validation to the run's history; note whether it is the current member's best."""
        error = None if score is None else score.error
        found = Validation(number, epoch, train_nats, error, getattr(score, "chosen_by", None))
        self.history.append(found)
        members = self.members
        known = None if members.best is None else members.best.key
        improved = found.key is None or known is None or found.key < known
        if improved and score is not None:
            members.best = found
            if members.number == 1:
                self.best, self.best_score = found, score
        return Validated(number, epoch, train_nats, score, improved)

    def _conclude_member(self) -> Averaged:
        """Add what the current member has learnt to the average, and begin the next member.

        Raises:
            CheckpointError: the best weights cannot be read, or the average cannot be written.
        """
        members, number = self.members, self.members.number
        if len(members.finished) < number:
            members.finished.append(self._saved_best().flat.copy())
        begun = monotonic()
        if number > 1 or self.best_score is None:
            network, parameters = self._average()
            self.best_score, spec = self._judged(network, parameters)
        averaging = (monotonic() - begun) * (number + 1) / number
        if number > 1:
            score, last = self.best_score, self.history[-1]
            error = None if score is None else score.error
            self.best = Validation(self.made, last.epoch, last.train, error)
            self.folder.save_best(self._header(number, spec), dict(parameters))
        if not self.folder.has_logged("averaged", self.made):
            numbers = {} if self.best_score is None else self.best_score.numbers
            self._log(self.made, "averaged", **numbers)
        made, following = self.made, ""
        self._look_at_the_time(averaging)
        if number < self.config.members:
            self._begin_member()
            self._set_deadline(averaging)
            following = self.at_work
        self._save(best=False)
        self.folder.drop_best(number)
        count = self.config.members
        return Averaged(made, number, count, self.total, self.best_score, following)

    def _begin_member(self) -> None:
        """Begin the next member: fresh weights, and all else as at the beginning of a run."""
        members = self.members
        members.before, members.number, members.best = self.made, members.number + 1, None
        dropout, self.preview = generators(self.config.seed, members.number)
        parameters = fresh_weights(self.data, self.spec, self.config, members.number)
        self.trainer = Trainer(self.task, parameters, self.config, dropout)
        self.interval, self.settling, self._unwritten_best = Interval(), 0, None
        self._good, self._member_begun = capture(self).copy(), monotonic()

    def _take_others(self) -> None:
        """Make a single network the first of several, if it has left time for others."""
        if self.config.members == 1:
            self._look_at_the_time(2 * self.timekeeper.scoring)

    def _look_at_the_time(self, averaging: float) -> None:
        """Set the number of members to what there is time for, where the time decides."""
        deadline, number = self._deadline, self.members.number
        if deadline is None or not deadline.most_members:
            return
        epochs = self.trainer.number / self.task.steps_per_epoch
        took = monotonic() - self._member_begun
        if not self.settling:  # another member would run out of patience as soon
            took *= deadline.most_epochs / epochs
        needed = took + averaging
        there = members_within((deadline.at - monotonic()) / needed)
        most = max(number, deadline.most_members)
        self.config = replace(self.config, members=min(number + there, most))

    def _set_deadline(self, averaging: float = 0.0) -> None:
        """Set until when the current member trains: its share of the time that is left.

        Where the time decides how many members there are, the first may take all of it: the others
        can be left out.
        Args:
            averaging: seconds that are needed after the member for the average.
        """
        deadline, now = self._deadline, monotonic()
        to_come = self.config.members - self.members.number
        if deadline is None or (deadline.most_members and self.members.number == 1):
            return
        share = (deadline.at - now) * to_come / (to_come + 1)  # the share of the others
        self.timekeeper.deadline = replace(deadline, at=deadline.at - share - averaging)


def _numbers(step: Step) -> dict[str, float]:
    return {
        "epoch": step.epoch,
        "nats": step.nats,
        "lr": step.lr,
        "grad_norm": step.grad_norm,
    }
