"""One run from beginning to end: the loop's steps, and what is done between them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from math import ceil
from shlex import quote
from time import monotonic
from typing import Any, NamedTuple, Self

import numpy as np

from charrnn import __version__
from charrnn.engine import shards
from charrnn.errors import CheckpointError, DivergedError, InputError
from charrnn.nn.parameters import Parameters
from charrnn.nn.products import on_one_thread, one_thread
from charrnn.nn.types import Array
from charrnn.runs.ancestry import ancestor_json, bounded
from charrnn.runs.find import in_words
from charrnn.runs.folder import RunFolder, remove_if_empty
from charrnn.runs.history import Validation, lowest, whole
from charrnn.runs.model import Model, load_model, reason
from charrnn.runs.own_cell import source_of
from charrnn.tasks.base import Data, Outcome, Scored, Spec
from charrnn.tasks.config import Config
from charrnn.tasks.extension import begin_from
from charrnn.training.bar import Bar
from charrnn.training.compare import compare
from charrnn.training.events import (
    Alone,
    Compared,
    Concluded,
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
from charrnn.training.loop import Step, Trainer
from charrnn.training.pace import Deadline, Pace
from charrnn.training.signals import StopOnSignal
from charrnn.training.state import (
    Interval,
    Snapshot,
    capture,
    check,
    good_of,
    restore,
    shapes,
    with_good,
)
from charrnn.training.threads import fastest, time_threads, worth_timing
from charrnn.training.timekeeper import MOST_STEPS_BETWEEN, Timekeeper

__all__ = ["Run"]

LOG_EVERY = 10

LOWER = 0.5
"""What a divergence does to the learning rate ..."""

MOST_LOWERED = 12
"""... so often, before a training is given up."""

SETTLING = 0.5
"""Updates that a run which is out of patience still makes, as a part of those up to its best."""


class Run:
    """A training and its folder.

    :func:`charrnn.train` and :func:`charrnn.resume` make one. Iterate over it for what happens, or
    :meth:`finish` it; :meth:`stop` saves and ends it, :meth:`close` lets go of it. Who only breaks
    out of the loop may go on with another; until then what came after the last save is not kept.

    ``threads`` is how many processes compute; 0 has it measured before the first step. It makes
    no difference to what they compute.

    Attributes:
        config: its settings.
        folder: where it is kept.
        history: its validations so far.
        best: the one with the lowest error.
    """

    def __init__(
        self,
        config: Config,
        data: Data,
        spec: Spec,
        parameters: Parameters,
        folder: RunFolder,
        threads: int,
    ) -> None:
        self.config = self.asked = config  # asked: what the state that is restored was made by
        self.data = data
        self._spec = spec
        self.folder = folder
        self.network = spec.model(config)
        self.threads = min(threads, len(shards(config.batch_size)))
        self.task = data.task(spec, config, self.network, self.threads or 1)
        # Apart, so that how often a sample is shown does not change what is learnt.
        dropout, self.preview = (
            np.random.default_rng(seed) for seed in np.random.SeedSequence(config.seed).spawn(3)[1:]
        )
        self.trainer = Trainer(self.task, parameters, config, dropout)
        self._unwritten_best: _Weights | None = None
        self.history: list[Validation] = []
        # The validation of best.npz. A training that diverges forgets what came after its last
        # good state; that file stays, and only what is better replaces it.
        self.best: Validation | None = None
        self.best_score: Scored | None = None  # of this process's validations
        self.interval = Interval()
        self.settling = 0  # the step at which it ran out of patience
        self.timekeeper = Timekeeper(config, self.task, data.trained_on(config))
        self.notes: tuple[str, ...] = ()  # for people, on how it began
        self.ancestor: dict[str, Any] | None = None  # what it notes of whose weights it began with
        self.shown = False  # whether a bar shows how far it is
        self._stopping = self._running = self._closed = False
        self._course: Iterator[Event] | None = None
        self._begun = monotonic()
        self._good: Snapshot | None = None  # what a divergence returns to

    @classmethod
    def begin(
        cls,
        config: Config,
        data: Data,
        folder: RunFolder,
        initial: Model | None = None,
        threads: int = 0,
        deadline: Deadline | None = None,
    ) -> "Run":
        """A new run, from fresh weights or from another model's.

        It then keeps that model's characters, and learns those that are new
        (:func:`charrnn.tasks.extension.begin_from`).

        Args:
            deadline: it then makes more updates or fewer than its settings say.

        Raises:
            InputError: there is too little data, or it has labels that ``initial`` lacks; or there
                is patience and nothing to validate with.
        """
        notes: tuple[str, ...] = ()
        if initial is None:
            spec = data.spec()
            seed = np.random.SeedSequence(config.seed).spawn(3)[0]
            parameters = spec.model(config).init(np.random.default_rng(seed), np.float32)
        else:
            data.check_labels(initial.spec)
            spec, parameters, notes = begin_from(initial.spec, initial.parameters, data, config)
        folder.cut_log(-1)  # of a run that ended before its first save
        run = cls(config, data, spec, parameters, folder, threads)
        if config.patience and not run.task.held_out:
            raise InputError(
                "--patience counts validations, and nothing is held out to validate with",
                "leave out --patience, or --val-fraction 0",
            )
        run.timekeeper.deadline = deadline
        run.notes = notes
        run.ancestor = None if initial is None else ancestor_json(initial)
        return run

    @classmethod
    def resume(
        cls,
        saved: Model,
        data: Data,
        folder: RunFolder,
        threads: int | None = None,
        epochs: float | None = None,
    ) -> "Run":
        """The run that ``saved`` (its ``last.npz``) left off, as if it had never stopped.

        Args:
            threads: another number of processes than before.
            epochs: another number in all. From here on the rate is then that of a run which was to
                make so many from the beginning; the optimiser's state and all else go on.

        Raises:
            InputError: the data are not those the run began with, or it has made as many epochs.
            CheckpointError: the file lacks what only ``last.npz`` has.
        """
        try:
            state = saved.header["training"]
            if data.sha256 != state["corpus"]["sha256"]:
                raise InputError(
                    "the corpus is not the one this run began with "
                    f"(sha256 {data.sha256[:12]}…, then {state['corpus']['sha256'][:12]}…)",
                    "to train on another text: "
                    f"charrnn train CORPUS --init-from {quote(str(folder.path))}",
                )
            if threads is None:
                threads = whole(state.get("threads", 0))
            config = saved.config
            if epochs is not None:
                config = replace(config, epochs=epochs, minutes=0.0)
            run = cls(config, data, saved.spec, saved.parameters, folder, threads)
            run.asked = saved.config
            history = [Validation.from_json(one) for one in saved.header["history"]]
            restore(run, Snapshot(state, history, saved.arrays))
            best = saved.header.get("best")
            run.best = Validation.from_json(best) if best else lowest(run.history)
            run._good = good_of(state, saved.arrays)
            if run._good is not None:
                check(run, run._good)
                if shapes(run._good) != shapes(capture(run)):
                    raise ValueError("the last good state is of another network")
            run.asked = run.config
            run.ancestor = bounded(state["ancestor"]) if "ancestor" in state else None
            if epochs is not None:
                run._extend()
        except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
            raise CheckpointError(
                f"{saved.path} cannot be resumed: its training state is not whole: {reason(error)}",
                "start a new run from its weights: "
                f"charrnn train CORPUS --init-from {quote(str(saved.path))}",
            ) from error
        folder.cut_log(run.trainer.number)
        return run

    def _extend(self) -> None:
        """Walk the schedule of as many epochs as the settings say now."""
        task, trainer = self.task, self.trainer
        pace = Pace.even(max(1, round(self.config.epochs * task.steps_per_epoch)))
        if pace.total <= trainer.number:
            made = trainer.number / task.steps_per_epoch
            raise InputError(
                f"--epochs {self.config.epochs:g}: this run has made {made:g} epochs already",
                f"give the number in all, for instance --epochs {ceil(2 * made)}",
            )
        trainer.pace, self.settling = pace, 0

    def __repr__(self) -> str:
        trainer = self.trainer
        best = "" if self.best is None else f", best {self.best.val:.4f} at {self.best.step:,}"
        return (
            f"<Run {self.folder.path}: {self.config.task}, {trainer.number:,} of "
            f"{trainer.total:,} steps{best}>"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Event]:
        """All that happens: the comparison, the steps and what is between them, the test.

        Raises:
            DivergedError: however low the rate; the last good files stay.
            CheckpointError: the final state could not be saved.
        """
        if self._closed:
            folder = str(self.folder.path)
            raise InputError("this run is closed", f"charrnn.resume({folder!r}) goes on")
        if self._running:
            raise InputError("someone iterates over this run already", "go on with that")
        self._running = True
        bar = Bar(self.trainer.number, self.trainer.total, self.task.unit) if self.shown else None
        try:
            # One course for all who iterate: who breaks off is gone on with in the same place.
            self._course = self._course or self._all_events()
            for event in self._course:
                if bar is not None:
                    bar.show(event)
                yield event
        finally:
            self._running = False
            if bar is not None:
                bar.close()
            if self.complete or self._stopping:
                self.close()

    def _all_events(self) -> Iterator[Event]:
        if self._stopping:
            self._save(best=False, stopped=True)
            yield Stopped(self.trainer.number)
            return
        if not self.trainer.number:
            compared = self.compare()
            if compared is not None:
                yield compared
        yield from self.events(lambda: self._stopping)
        outcome = self.report() if self.complete else None
        if outcome is not None:
            yield Concluded(outcome)

    def finish(self) -> Model:
        """Train to the end, and return the best model.

        An interrupt (Ctrl-C) finishes the step, saves and raises KeyboardInterrupt; then
        :func:`charrnn.resume` goes on.

        Raises:
            DivergedError, CheckpointError: as iterating over it.
            InputError: the run is closed; or its author's own cell fails.
            KeyboardInterrupt: it was interrupted, and has saved.
        """
        with StopOnSignal() as asked:
            for _ in self:
                if asked.received is not None:
                    self.stop()
        if asked.received is not None and not self.complete:
            raise KeyboardInterrupt
        return self.model

    def stop(self) -> None:
        """After the step that is going on, save and end."""
        self._stopping = True

    @property
    def spec(self) -> Spec:
        """What the model knows; a task may have found out more of it by validating."""
        found: Spec = getattr(self.task, "spec", self._spec)
        return found

    @property
    def model(self) -> Model:
        """The best model so far; the weights as they are, where none was saved yet."""
        for path in (self.folder.best, self.folder.last):
            if path.exists():
                return load_model(path, self.config.own_cell)
        parameters = self.trainer.parameters.astype(np.float32)
        header = self._header()
        return Model(self.network, parameters, self.spec, self.config, path, header, {})

    def close(self) -> None:
        """Let the other processes go, and the folder, which goes too if nothing was saved in it."""
        self._closed = True
        self.task.engine.close()
        self.folder.close()
        remove_if_empty(self.folder)

    def compare(self) -> Compared | None:
        """What simple methods reach on the text held out; nothing for tasks other than that."""
        with one_thread():
            return compare(self.task, self.config)

    @property
    def validate_every(self) -> int:
        """Steps between validations."""
        return self.timekeeper.validate_every(self.trainer.pace)

    @property
    def complete(self) -> bool:
        """Whether there is nothing left to do."""
        return self.trainer.number >= self.trainer.total

    @property
    def _stalled(self) -> bool:
        """Whether as many validations as the run has patience for have brought no progress."""
        best = self.best
        if not self.config.patience or best is None or self.settling:
            return False
        behind = [one for one in self.history if one.step > best.step]
        return len(behind) >= self.config.patience

    def events(self, should_stop: Callable[[], bool] = lambda: False) -> Iterator[Event]:
        """Train to the end, or until ``should_stop`` says so after a step.

        Raises:
            DivergedError: however low the rate; the last good files stay.
            CheckpointError: the final state could not be saved.
        """
        return on_one_thread(self._events(should_stop))

    def _events(self, should_stop: Callable[[], bool]) -> Iterator[Event]:
        if not self.threads:
            steps = self.trainer.total - self.trainer.number
            parameters = self.trainer.parameters
            timings = []
            if worth_timing(self.task, parameters, steps):
                timings = time_threads(self.task, parameters)
            self.threads = self.task.engine.threads = fastest(timings)
            yield Measured(self.threads, tuple(timings))
        self._begun = monotonic()
        if self.ancestor is not None and not self.trainer.number:
            yield self._inherited(self.ancestor)
        self._good = self._good or capture(self).copy()
        while True:
            try:
                yield from self._attempt(should_stop)
                return
            except DivergedError as error:
                yield self._roll_back(error)

    def _attempt(self, should_stop: Callable[[], bool]) -> Iterator[Event]:
        """As :meth:`events`, until the training diverges."""
        failed: CheckpointError | None = None
        lost = False
        begun_at, begun = self.trainer.number, monotonic()
        look_at = self.timekeeper.look_at(self._begun, begun)
        for step in self.trainer.steps():
            yield step
            if self.task.engine.lost and not lost:
                lost = True
                yield Alone(step.number)
            self.interval.total += step.nats * step.count
            self.interval.count += step.count
            done = step.number == self.trainer.total
            if step.number % LOG_EVERY == 0 or done:
                self._log(step.number, "train", **_numbers(step))
            # All that belongs to this step comes before its save: who goes on from there does not
            # do it again.
            validated = preview = None
            if step.number % self.validate_every == 0 or done:
                validated = self._validate(step)
                if validated.score is not None:
                    numbers = validated.score.numbers
                    self._log(step.number, "validation", **numbers, best=validated.best)
            if step.number % (self.config.sample_every or self.validate_every) == 0 or done:
                text = self.task.preview(self.trainer.parameters, self.preview)
                preview = Preview(step.number, text)
            changed: Settled | Repaced | None = None
            if validated is not None and not done and self._stalled:
                changed = self._settle()
            elif not done and (validated is not None or monotonic() > look_at):
                now = monotonic()
                look_at = self.timekeeper.look_at(self._begun, now)
                changed = self._repace((step.number - begun_at) / max(1e-9, now - begun))
            regular = step.number % MOST_STEPS_BETWEEN == 0
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
        yield Finished(self.trainer.number)

    def _inherited(self, ancestor: Mapping[str, Any]) -> Inherited:
        """How good the weights are that it begins with; not among the validations of its own."""
        with np.errstate(all="ignore"):
            score = self.task.validate(self.trainer.parameters)
        numbers = {} if score is None else score.numbers
        self._log(0, "inherited", checkpoint=ancestor["checkpoint"], **numbers)
        known = tuple(
            in_words(one["paths"]) or "the help topics of Python" for one in ancestor["corpora"]
        )
        return Inherited(ancestor["checkpoint"], known, score)

    def _roll_back(self, error: DivergedError) -> RolledBack:
        """Return to the last good state, with a lower rate.

        Raises:
            DivergedError: the rate has been lowered too often.
        """
        failed_at, lowered = self.trainer.number, self.trainer.lowered * LOWER
        tolerance = 2 * self.trainer.watch.tolerance
        assert self._good is not None
        restore(self, self._good)
        if lowered < LOWER**MOST_LOWERED:
            kept = self.folder.best.exists() or self.folder.last.exists()
            hint = "the last good weights are kept; " * kept
            hint += f"try --lr {self.config.lr * lowered:.2g}"
            raise DivergedError(str(error), hint) from None
        self.trainer.lowered, self.trainer.watch.tolerance = lowered, tolerance
        self.folder.cut_log(self.trainer.number)
        event = RolledBack(failed_at, self.trainer.number, self.config.lr * lowered, str(error))
        self._log(event.to, "rolled back", failed_at=failed_at, lr=event.lr)
        return event

    def _settle(self) -> Settled:
        """Out of patience: go on from the best weights, and walk down what is left of the schedule.

        At a high rate a model that has begun to overfit is not yet as good as it can be: the rate
        must fall before it stops.

        Raises:
            CheckpointError: the best weights cannot be read.
        """
        best, number = self.best, self.trainer.number
        assert best is not None
        if self._unwritten_best is not None:
            for name, weight in self._unwritten_best.weights.items():
                np.copyto(self.trainer.parameters[name], weight)
        else:
            np.copyto(self.trainer.parameters.flat, self._saved_best().flat)
        steps = max(2 * self.validate_every, round(SETTLING * best.step))
        total = min(number + steps, self.trainer.total)
        self.trainer.pace = self.trainer.pace.ending(number, total)
        self.settling = number
        self._log(number, "settled", best=best.step, total=total)
        return Settled(number, best.step, total)

    def _repace(self, speed: float) -> Repaced | None:
        """Another number of updates, if a speed of so many a second asks for it."""
        number = self.trainer.number
        total = self.timekeeper.total(self.trainer.pace, number, speed, monotonic())
        if self.settling or total == self.trainer.total:
            return None
        self.trainer.pace = self.trainer.pace.ending(number, total)
        self._log(number, "repaced", total=self.trainer.total)
        return Repaced(number, self.trainer.total)

    def report(self) -> Outcome | None:
        """The best model on the test part; nothing if the task has none.

        Raises:
            CheckpointError: the best model cannot be read.
        """
        parameters = self.trainer.parameters
        if self.folder.best.exists():
            parameters = self._saved_best()
        with one_thread():
            outcome = self.task.test(parameters)
        # A run that was killed after its last save has yet to say it; a finished one has said it.
        number = self.trainer.number
        if outcome is not None and not self.folder.has_logged("test", number):
            numbers = outcome.score.numbers | {"baselines": dict(outcome.baselines)}
            self._log(number, "test", **numbers)
        return outcome

    def _saved_best(self) -> Parameters:
        return load_model(self.folder.best, self.config.own_cell).parameters

    def _validate(self, step: Step) -> Validated:
        begun = monotonic()
        with np.errstate(all="ignore"):  # what overflows is found just below
            score = self.task.validate(self.trainer.parameters)
        self.timekeeper.scoring = monotonic() - begun
        train_nats = self.interval.mean
        if score is not None and self.trainer.watch.validation_diverged(score.loss, train_nats):
            raise DivergedError(
                f"training diverged by step {step.number}: the validation loss is {score.loss:.4g}"
            )
        self.interval = Interval()
        error = None if score is None else score.error
        found = Validation(step.number, step.epoch, train_nats, error)
        self.history.append(found)
        known = None if self.best is None else self.best.val
        improved = error is None or known is None or error < known
        if improved and score is not None:
            self.best, self.best_score = found, score
        return Validated(step.number, step.epoch, train_nats, score, improved)

    def _save(self, *, best: bool, stopped: bool = False) -> None:
        """Write ``last.npz``, and before it ``best.npz`` if these are the best weights so far.

        A run that is stopped somewhere must return, when it diverges, to where it would have
        returned: its last good state is then saved with it.
        """
        header = self._header()
        begun, weights = monotonic(), dict(self.trainer.parameters)
        if not np.isfinite(self.trainer.parameters.flat).all():
            raise DivergedError(
                f"training diverged at step {self.trainer.number}: a weight is no longer finite"
            )
        failed: CheckpointError | None = None
        if best:
            self._unwritten_best = _Weights(header, weights)
        if self._unwritten_best is not None:
            try:
                self.folder.save_best(*self._unwritten_best)
                self._unwritten_best = None
            except CheckpointError as error:
                failed = error
                if best:  # the weights go on changing; a copy of these is tried again
                    kept = {name: weight.copy() for name, weight in weights.items()}
                    self._unwritten_best = _Weights(header, kept)
        state = capture(self)
        training = {
            **state.numbers,
            "threads": self.threads,
            **({} if self.ancestor is None else {"ancestor": self.ancestor}),
            "corpus": {
                "paths": list(self.data.paths.train),
                "val": self.data.paths.val,
                "test": self.data.paths.test,
                "sha256": self.data.sha256,
                "length": self.data.size,
            },
        }
        arrays = state.arrays
        if stopped and self._good is not None:
            good, good_arrays = with_good(self._good)
            training, arrays = {**training, **good}, {**arrays, **good_arrays}
        self.folder.save_last({**header, "training": training}, arrays)
        self.timekeeper.saving = monotonic() - begun
        if failed is not None:
            raise failed

    def _header(self) -> dict[str, Any]:
        """What a checkpoint says besides its arrays."""
        return {
            "charrnn": __version__,
            "config": self.config.to_json(),
            self.config.kind.key: self.spec.to_header(),
            "history": [one.to_json() for one in self.history],
            "best": None if self.best is None else self.best.to_json(),
            **source_of(self.config.own_cell),
        }

    def _log(self, step: int, event: str, **values: Any) -> None:
        seconds = round(monotonic() - self._begun, 3)
        self.folder.log({"step": step, "schema": 1, "event": event, **values, "seconds": seconds})


class _Weights(NamedTuple):
    """What ``best.npz`` is to hold."""

    header: dict[str, Any]
    weights: dict[str, Array]


def _numbers(step: Step) -> dict[str, float]:
    return {
        "epoch": step.epoch,
        "nats": step.nats,
        "lr": step.lr,
        "grad_norm": step.grad_norm,
    }
