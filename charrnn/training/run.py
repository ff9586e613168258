"""A run, as the code that begins or resumes it sees it: train it, stop it, ask for its results."""

from collections.abc import Iterator
from dataclasses import replace
from math import ceil
from shlex import quote
from typing import Self

import numpy as np

from charrnn.errors import CheckpointError, InputError
from charrnn.nn.products import one_thread
from charrnn.ranks import Group, RankedEngine
from charrnn.runs.ancestry import ancestor_json, bounded
from charrnn.runs.folder import RunFolder, remove_if_empty
from charrnn.runs.history import Validation, compared, lowest, whole
from charrnn.runs.model import Model, load_model, reason
from charrnn.tasks.base import Data, Outcome
from charrnn.tasks.config import Config
from charrnn.tasks.extension import begin_from
from charrnn.tasks.figures import short
from charrnn.tasks.pretraining import carry_layers
from charrnn.tasks.shares import settled, unfitted
from charrnn.training.bar import Bar
from charrnn.training.compare import compare
from charrnn.training.course import Course
from charrnn.training.events import (
    Compared,
    Concluded,
    Event,
    Stopped,
)
from charrnn.training.members import Members, fresh_weights
from charrnn.training.pace import Deadline, Pace
from charrnn.training.signals import StopOnSignal
from charrnn.training.state import (
    Snapshot,
    capture,
    check,
    good_of,
    restore,
    shapes,
)

__all__ = ["Run"]


class Run(Course):
    """A training and its folder.

    :func:`charrnn.train` and :func:`charrnn.resume` make one. Iterate over it to see each event,
    or call :meth:`finish`; :meth:`stop` saves and ends it, :meth:`close` frees its folder and
    processes. After a ``break``, another loop continues where the first one left off; until then,
    what came after the last save is not kept.

    ``threads`` is the number of processes that compute; with 0 it is measured before the first
    step. The result does not depend on it.

    Attributes:
        config: the run's settings.
        folder: where the run is saved.
        history: the validations so far.
        best: the validation with the lowest error.
    """

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
        """Make a new run, from fresh weights or from another model's.

        A run from another model keeps that model's characters, and learns those that are new
        (:func:`charrnn.tasks.extension.begin_from`). A run of another task takes only its recurrent
        layers (:func:`charrnn.tasks.pretraining.carry_layers`).

        Args:
            deadline: when the run must end; it then changes its number of updates as it needs.

        Raises:
            InputError: there is too little data, or the data have labels that ``initial`` lacks; or
                there is patience but no validation set.
        """
        notes: tuple[str, ...] = ()
        if initial is None:
            spec = data.spec()
            parameters = fresh_weights(data, spec, config, 1)
        elif initial.config.task == config.task:
            data.check_labels(initial.spec)
            initial = initial.member(1)
            spec = unfitted(initial.spec)
            spec, parameters, notes = begin_from(spec, initial.parameters, data, config)
        else:
            spec = data.spec()
            parameters = fresh_weights(data, spec, config, 1)
            notes = (carry_layers(initial.member(1), parameters, spec),)
        folder.cut_log(-1)  # what a run logged that ended before its first save
        run = cls(config, data, spec, parameters, folder, threads)
        if config.patience and not run.task.held_out:
            raise InputError(
                "--patience needs a validation set",
                "leave out --patience, or --val-fraction 0",
            )
        run._deadline = run.timekeeper.deadline = deadline
        run.notes = notes
        layers = initial is not None and initial.config.task != config.task
        run.ancestor = None if initial is None else ancestor_json(initial, layers=layers)
        return run

    @classmethod
    def resume(
        cls,
        saved: Model,
        data: Data,
        folder: RunFolder,
        threads: int | None = None,
        epochs: float | None = None,
        members: int | None = None,
    ) -> "Run":
        """The run that was saved in ``saved`` (its ``last.npz``), as if it had never stopped.

        Args:
            threads: the number of processes, if it changes.
            epochs: the number of epochs in all, if it changes. From here on the learning rate is
                that of a run which was to make this many from the beginning; the optimiser's state
                and everything else stay.
            members: the number of networks in the average, if it changes.

        Raises:
            InputError: these are not the data the run began with, or it has already made this many
                epochs or members.
            CheckpointError: the file lacks what only a ``last.npz`` has.
        """
        try:
            state = saved.header["training"]
            if data.sha256 != state["corpus"]["sha256"]:
                raise InputError(
                    f"the corpus has changed since this run began (sha256 {data.sha256[:12]}…, "
                    f"then {state['corpus']['sha256'][:12]}…)",
                    "to train on another text: "
                    f"charrnn train CORPUS --init-from {quote(str(folder.path))}",
                )
            fitted = getattr(saved.spec, "fitted", "")
            if fitted == data.sha256 and saved.spec.shares is None:
                raise InputError(
                    "an earlier version began this run, whose network learnt the map's errors",
                    "to train on with its weights: "
                    f"charrnn train DATA --init-from {quote(str(folder.path))}",
                )
            noted = folder.noted_threads()
            if threads is None:  # checkpoints of earlier versions note it
                threads = noted or whole(state.get("threads", 0))
            config = saved.config
            if epochs is not None:
                config = replace(config, epochs=epochs, minutes=0.0)
            if members is not None:
                config = replace(config, members=members)
            run = cls(config, data, saved.spec, saved.parameters, folder, threads)
            run._noted_threads = noted
            if config.shards == 1 < threads:
                run.notes = ("one process computes, since the run has a single shard",)
            run.asked = saved.config
            history = [Validation.from_json(one) for one in saved.header["history"]]
            restore(run, Snapshot(state, history, saved.arrays))
            best = saved.header.get("best")
            run.best = Validation.from_json(best) if best else lowest(run.history)
            run.members.best = run.best
            if "members" in state:
                size = run.trainer.parameters.flat.size
                run.members = Members.restored(state["members"], saved.arrays, size)
                for number in range(1, len(run.members.finished) + 1):
                    folder.drop_best(number)  # left by a run killed just before it did this
                run.notes += run._repaired()
            run._good = good_of(state, saved.arrays)
            if run._good is not None:
                check(run, run._good)
                if shapes(run._good) != shapes(capture(run)):
                    raise ValueError("the last good state belongs to another network")
            run.asked = run.config
            run.ancestor = bounded(state["ancestor"]) if "ancestor" in state else None
            run._begun_at = run.made
            if epochs is not None:
                run._extend()
            if members is not None:
                if run.ancestor is not None:
                    raise InputError(
                        f"--members {members}: this run began with other weights, "
                        "and each member needs its own",
                        "leave it out",
                    )
                run._add_members(saved.config.members)
        except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
            raise CheckpointError(
                f"{saved.path} cannot be resumed: its training state is damaged: {reason(error)}",
                "start a new run from its weights: charrnn train CORPUS --init-from "
                f"{quote(str(saved.path))}",
            ) from error
        folder.cut_log(run.made)
        return run

    def _extend(self) -> None:
        """Change the schedule to the number of epochs that the settings now say."""
        task, trainer = self.task, self.trainer
        if self.members.number > 1 or self.members.finished:
            raise InputError(
                f"--epochs {self.config.epochs:g}: the first network of this average is complete",
                "leave it out; --members adds networks",
            )
        pace = Pace.even(max(1, round(self.config.epochs * task.steps_per_epoch)))
        if pace.total <= trainer.number:
            made = trainer.number / task.steps_per_epoch
            raise InputError(
                f"--epochs {self.config.epochs:g}: this run has already made {short(made)} epochs",
                f"give the total, for example --epochs {ceil(2 * made)}",
            )
        trainer.pace, self.settling = pace, 0

    def _add_members(self, before: int) -> None:
        """Begin the next member, if all earlier ones are trained and more are asked for."""
        if self.config.members < max(before + 1, self.members.number):
            raise InputError(
                f"--members {self.config.members}: this run already has {before}",
                f"give the total, for example --members {before + 1}",
            )
        if len(self.members.finished) == self.members.number:
            self._begin_member()

    def __repr__(self) -> str:
        best = "" if self.best is None else f", best {self.best.val:.4f} at {self.best.step:,}"
        return (
            f"<Run {self.folder.path}: {self.config.task}, {self.made:,} of "
            f"{self.total:,} steps{best}>"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Event]:
        """Yield all events: the baselines, the steps and what is between them, the test.

        Raises:
            DivergedError: lowering the learning rate did not help; the last good files stay.
            CheckpointError: the final state could not be saved.
        """
        if self._closed:
            folder = str(self.folder.path)
            raise InputError("this run is closed", f"to continue: charrnn.resume({folder!r})")
        if self._running:
            raise InputError(
                "this run is being iterated over already", "continue with that iterator"
            )
        self._running = True
        bar = None
        if self.shown:
            bar = Bar(self.made, self.total, self.task.unit, self.at_work)
        try:
            # All loops share one generator: a loop after a ``break`` continues in the same place.
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
            yield Stopped(self.made)
            return
        if not self.made:
            compared = self.compare()
            if compared is not None:
                yield compared
        yield from self.events(lambda: self._stopping)
        outcome = self.report() if self.complete else None
        if outcome is not None:
            yield Concluded(outcome)

    def finish(self) -> Model:
        """Train to the end, and return the best model.

        An interrupt (Ctrl-C) finishes the step, saves and raises KeyboardInterrupt;
        :func:`charrnn.resume` then continues the run.

        Raises:
            DivergedError, CheckpointError: as when iterating over the run.
            InputError: the run is closed, or your own cell fails.
            KeyboardInterrupt: the run was interrupted, and has been saved.
        """
        with StopOnSignal() as asked:
            for _ in self:
                if asked.received is not None:
                    self.stop()
        if asked.received is not None and not self.complete:
            raise KeyboardInterrupt
        return self.model

    def share_with(self, group: Group | None) -> None:
        """Let other ranks compute too, each in as many processes as this one; None: no others."""
        if group is not None:
            self.task.engine = RankedEngine(self.task.engine, group)

    def stop(self) -> None:
        """Save and end the run after the current step."""
        self._stopping = True

    @property
    def model(self) -> Model:
        """The best model so far; the current weights, where none was saved yet."""
        for path in (self.folder.best, self.folder.last):
            if path.exists():
                return load_model(path, self.config.own_cell)
        spec, parameters = settled(self.spec, self.trainer.parameters.astype(np.float32))
        header = self._header(finished=1)
        return Model(self.network, parameters, spec, self.config, path, header, {})

    def close(self) -> None:
        """End the other processes and free the folder; remove it if nothing was saved in it."""
        self._closed = True
        self.task.engine.close()
        self.folder.close()
        remove_if_empty(self.folder)

    def compare(self) -> Compared | None:
        """What the baselines reach on the validation text; None for other tasks than a text."""
        with one_thread():
            self._to_note = compare(self.task, self.config, self.data)
        return self._to_note

    @property
    def compared(self) -> dict[str, float]:
        """What the baselines reach on the validation text, by name, as computed at the start."""
        return compared(self.folder.path)

    def report(self) -> Outcome | None:
        """The best model's result on the test part; None if the task has no test part.

        Raises:
            CheckpointError: the best model cannot be read.
        """
        task, (_, parameters) = self.task, settled(self.spec, self.trainer.parameters)
        if self.config.members > 1:
            network, parameters = self._average()
            task = self._task_of(network)
        elif self.folder.best.exists():
            parameters = self._saved_best()
        with one_thread():
            outcome = task.test(parameters)
        # A run that was killed after its last save has yet to report the test; a finished one has.
        number = self.made
        if outcome is not None and not self.folder.has_logged("test", number):
            numbers = outcome.score.numbers | {"baselines": dict(outcome.baselines)}
            self._log(number, "test", **numbers)
        return outcome
