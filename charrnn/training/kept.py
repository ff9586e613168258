"""What a run keeps: its state, and the files that hold the state."""

from collections.abc import Iterator
from time import monotonic
from typing import Any, NamedTuple

import numpy as np

from charrnn import __version__
from charrnn.engine import shards
from charrnn.errors import CheckpointError, DivergedError, InputError
from charrnn.nn.ensemble import average_of, together
from charrnn.nn.parameters import Parameters
from charrnn.nn.types import Array
from charrnn.runs.folder import RunFolder
from charrnn.runs.history import Validation
from charrnn.runs.model import MEMBERS, load_model
from charrnn.runs.own_cell import source_of
from charrnn.tasks.base import Data, Scored, Spec, Task
from charrnn.tasks.config import Config
from charrnn.tasks.shares import without_shares
from charrnn.training.events import (
    Compared,
    Event,
)
from charrnn.training.loop import Trainer
from charrnn.training.members import Members, generators
from charrnn.training.pace import Deadline
from charrnn.training.state import (
    Interval,
    Snapshot,
    capture,
    with_good,
)
from charrnn.training.timekeeper import Timekeeper

__all__ = ["Kept"]


class Kept:
    """The state of a run, and how it is saved.

    Attributes: those of :class:`charrnn.training.run.Run`.
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
        self.config = self.asked = config  # asked: the settings that made the restored state
        self.data = data
        self._spec = spec
        self.folder = folder
        self.network = spec.model(config)
        self._noted_threads = 0  # in the log; checkpoints do not note it
        self._begun_at = 0  # the step that this process begins with
        self.threads = min(threads, len(shards(config.batch_size, config.shards)))
        self.task = data.task(spec, config, self.network, self.threads or 1)
        self.task.engine.shards = config.shards
        self.members = Members()
        dropout, self.preview = generators(config.seed, 1)
        self.trainer = Trainer(self.task, parameters, config, dropout)
        self._unwritten_best: _Weights | None = None
        self.history: list[Validation] = []
        # The validation that best.npz was saved at; a single member's validations are in its own
        # record. A training that diverges forgets what came after its last good state, but that
        # file stays, and only a better validation replaces it.
        self.best: Validation | None = None
        self.best_score: Scored | None = None  # among this process's validations
        self.interval = Interval()
        self.settling = 0  # the step at which the run ran out of patience
        self.timekeeper = Timekeeper(config, self.task, data.trained_on(config))
        self.notes: tuple[str, ...] = ()  # lines for the user on how the run began
        self.ancestor: dict[str, Any] | None = None  # what is noted of the model it began with
        self.inherited: Scored | None = None  # how good that was, if this process measured it
        self.shown = False  # whether a progress bar is shown
        self._stopping = self._running = self._closed = False
        self._course: Iterator[Event] | None = None
        self._begun = self._member_begun = monotonic()
        self._deadline: Deadline | None = None  # for all members
        self._good: Snapshot | None = None  # the state that a divergence returns to
        self._to_note: Compared | None = None

    @property
    def spec(self) -> Spec:
        """What the model knows of its data; a task may have learnt more of it by validating."""
        found: Spec = getattr(self.task, "spec", self._spec)
        return found

    @property
    def made(self) -> int:
        """Updates made so far by all members."""
        return self.members.before + self.trainer.number

    @property
    def total(self) -> int:
        """Updates in all, if each later member makes as many as the current one."""
        to_come = max(0, self.config.members - self.members.number)
        return self.members.before + (1 + to_come) * self.trainer.total

    @property
    def at_work(self) -> str:
        """Which member is being trained, in words; empty for a single network."""
        count = self.config.members
        return f"member {self.members.number} of {count}" if count > 1 else ""

    @property
    def complete(self) -> bool:
        """Whether all updates are made."""
        members = self.members
        if self.config.members > 1 and len(members.finished) < self.config.members:
            return False
        return self.trainer.number >= self.trainer.total

    def _saved_best(self, *, exactly: bool = False) -> Parameters:
        """The best weights of the member at work.

        Args:
            exactly: whether to continue the training with them (see
                :func:`charrnn.runs.model.load_model`).

        Raises:
            CheckpointError: they cannot be read.
        """
        number, own_cell = self.members.number, self.config.own_cell
        own = self.folder.best_of(number)
        if own != self.folder.best and own.exists():
            return load_model(own, own_cell, exactly=exactly).parameters
        return load_model(self.folder.best, own_cell, exactly=exactly).member(number).parameters

    def _repaired(self) -> tuple[str, ...]:
        """Write best weights again that can no longer be read; return a line on each for the user.

        ``last.npz`` holds the weights of all members that are trained. For the current member it
        holds the last ones, which count as the best from here on until a validation finds better
        ones.

        Raises:
            CheckpointError: they cannot be written.
        """
        members, folder, notes = self.members, self.folder, []
        finished, number = len(members.finished), members.number
        if finished:
            try:
                load_model(folder.best, self.config.own_cell)
            except CheckpointError as error:
                network, parameters = self._average()
                _, spec = self._judged(network, parameters)
                folder.save_best(self._header(finished, spec), dict(parameters))
                notes.append(f"warning: {error}; it was rebuilt from {folder.last}")
        if finished < number and (members.best or folder.best_of(number).exists()):
            try:
                self._saved_best()
            except (CheckpointError, InputError) as error:
                ended = self.trainer.number == self.trainer.total and self.task.held_out
                members.best = self.history[-1] if ended else None
                if number == 1:
                    self.best = members.best
                folder.save_best(self._header(), dict(self.trainer.parameters), number)
                what = f"the best weights of member {number} are lost; using"
                notes.append(f"warning: {error}; {what} its last ones")
        return tuple(notes)

    def _task_of(self, network: Any) -> Task:
        """The run's task, for the average of its members."""
        spec = without_shares(self.spec)
        return self.data.task(spec, self.config, network, self.threads or 1)

    def _average(self) -> tuple[Any, Parameters]:
        """The network that averages all members trained so far, and its weights."""
        if len(self.members.finished) == 1:
            network = self.network
            return network, Parameters(network.shapes(), np.float32, self.members.finished[0])
        shapes = self.network.shapes()
        weights = [Parameters(shapes, np.float32, one) for one in self.members.finished]
        return average_of(self.network, len(weights)), together(self.network, weights)

    def _judged(self, network: Any, parameters: Parameters) -> tuple[Scored | None, Spec]:
        """How good an average is, and what validating it has shown."""
        task = self._task_of(network)
        with np.errstate(all="ignore"), task.engine:
            score = task.validate(parameters)
        return score, getattr(task, "spec", without_shares(self.spec))

    def _save(self, *, best: bool, stopped: bool = False) -> None:
        """Write ``last.npz``, and before it ``best.npz`` if these are the best weights so far.

        When a run that was stopped diverges later, it must return to the state it would have
        returned to anyway: its last good state is therefore saved with it.
        """
        self._note_beginning()
        header = self._header()
        begun, weights = monotonic(), dict(self.trainer.parameters)
        if not np.isfinite(self.trainer.parameters.flat).all():
            raise DivergedError(
                f"training diverged at step {self.made}: a weight is no longer finite"
            )
        failed: CheckpointError | None = None
        if best:
            self._unwritten_best = _Weights(header, weights)
        if self._unwritten_best is not None:
            try:
                self.folder.save_best(*self._unwritten_best, self.members.number)
                self._unwritten_best = None
            except CheckpointError as error:
                failed = error
                if best:  # the weights will change, so keep a copy and try again
                    kept = {name: weight.copy() for name, weight in weights.items()}
                    self._unwritten_best = _Weights(header, kept)
        state = capture(self)
        training = {
            **state.numbers,
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
        if self.config.members > 1:
            training = {**training, "members": self.members.numbers()}
            arrays = {**arrays, **self.members.arrays()}
        if stopped and self._good is not None:
            good, good_arrays = with_good(self._good)
            training, arrays = {**training, **good}, {**arrays, **good_arrays}
        self.folder.save_last({**header, "training": training}, arrays)
        self.timekeeper.saving = monotonic() - begun
        if failed is not None:
            raise failed

    def _header(self, finished: int = 0, spec: Spec | None = None) -> dict[str, Any]:
        """What a checkpoint notes besides its arrays.

        Args:
            finished: how many trained members it averages; 0 for the one that trains.
            spec: what the average knows of its data.
        """
        if spec is None:
            spec = without_shares(self.spec) if finished else self.spec
        return {
            "charrnn": __version__,
            "config": self.config.to_json(),
            self.config.kind.key: spec.to_header(),
            **({MEMBERS: finished} if finished > 1 else {}),
            "history": [one.to_json() for one in self.history],
            "best": None if self.best is None else self.best.to_json(),
            **source_of(self.config.own_cell),
        }

    def _note_beginning(self) -> None:
        """Log the baselines and the number of processes, once the training has got somewhere."""
        if self._to_note is not None:
            noted, self._to_note = self._to_note, None
            self._log(0, "compared", figures=dict(noted.figures), known=noted.known)
        if self.threads != self._noted_threads:
            self._noted_threads = self.threads
            self._log(self._begun_at, "threads", threads=self.threads)

    def _log(self, step: int, event: str, **values: Any) -> None:
        if step:
            self._note_beginning()
        seconds = round(monotonic() - self._begun, 3)
        if self.config.members > 1:
            values = {"member": self.members.number, **values}
        self.folder.log({"step": step, "schema": 1, "event": event, **values, "seconds": seconds})


class _Weights(NamedTuple):
    """The weights and the validation that ``best.npz`` is to hold."""

    header: dict[str, Any]
    weights: dict[str, Array]
