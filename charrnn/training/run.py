"""One run from beginning to end: the loop's steps, and what is done between them."""

from collections.abc import Callable, Iterator, Mapping
from math import ceil, isfinite, prod
from time import monotonic
from typing import Any

import numpy as np

from charrnn import __version__
from charrnn.config import Config
from charrnn.errors import CheckpointError, DivergedError, InputError
from charrnn.nn.engine import shards
from charrnn.nn.parameters import Parameters
from charrnn.nn.types import Array
from charrnn.runs import Model, RunFolder, load_model
from charrnn.tasks.base import Data, Report, Scored, Spec
from charrnn.tasks.kinds import TASKS
from charrnn.training.events import (
    Alone,
    Event,
    Finished,
    Measured,
    Preview,
    SaveFailed,
    Stopped,
    Validated,
)
from charrnn.training.loop import Step, Trainer
from charrnn.training.optim import OPTIMIZERS
from charrnn.training.threads import fastest, time_threads

__all__ = ["Run", "memory_needed"]

MOST_STEPS_BETWEEN = 500
LOG_EVERY = 10


class Run:
    """A training and its folder.

    Build one by :meth:`begin` or :meth:`resume`, consume :meth:`events`, and :meth:`close` it.

    ``threads`` is how many processes compute; 0 has it measured before the first step. It makes
    no difference to what they compute.
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
        self.config = config
        self.data = data
        self.spec = spec
        self.folder = folder
        self.model = spec.model(config)
        self.threads = min(threads, len(shards(config.batch_size)))
        self.task = data.task(spec, config, self.model, self.threads or 1)
        # Apart, so that how often a sample is shown does not change what is learnt.
        dropout, self._preview = (
            np.random.default_rng(seed) for seed in np.random.SeedSequence(config.seed).spawn(3)[1:]
        )
        self.trainer = Trainer(self.task, parameters, config, dropout)
        self._unwritten_best: tuple[dict[str, Any], dict[str, Array]] | None = None
        self.history: list[dict[str, Any]] = []
        self.best_score: Scored | None = None  # of this process's validations
        self._interval = [0.0, 0]  # summed loss and targets since the last validation

    @classmethod
    def begin(
        cls,
        config: Config,
        data: Data,
        folder: RunFolder,
        initial: Model | None = None,
        threads: int = 0,
    ) -> "Run":
        """A new run, from fresh weights or from another model's (whose characters it then keeps).

        Raises:
            InputError: there is too little data, or it has characters or labels that ``initial``
                lacks.
        """
        if initial is None:
            spec = data.spec()
            seed = np.random.SeedSequence(config.seed).spawn(3)[0]
            parameters = spec.model(config).init(np.random.default_rng(seed), np.float32)
        else:
            spec, parameters = initial.spec, initial.parameters
            data.check_labels(spec)
        folder.cut_log(0)  # of a run that ended before its first save
        return cls(config, data, spec, parameters, folder, threads)

    @classmethod
    def resume(
        cls,
        saved: Model,
        data: Data,
        folder: RunFolder,
        threads: int | None = None,
    ) -> "Run":
        """The run that ``saved`` (its ``last.npz``) left off, as if it had never stopped.

        Args:
            threads: another number of processes than before.

        Raises:
            InputError: the data are not those the run began with.
            CheckpointError: the file lacks what only ``last.npz`` has.
        """
        try:
            state: Mapping[str, Any] = saved.header["training"]
            if data.sha256 != state["corpus"]["sha256"]:
                raise InputError(
                    "the corpus is not the one this run began with "
                    f"(sha256 {data.sha256[:12]}…, then {state['corpus']['sha256'][:12]}…)",
                    f"to train on another text: charrnn train CORPUS --init-from {folder.path}",
                )
            if threads is None:
                threads = _whole(state.get("threads", 0))
            run = cls(saved.config, data, saved.spec, saved.parameters, folder, threads)
            run.task.restore(dict(saved.arrays))
            optimizer = run.trainer.optimizer
            for name, memory in optimizer.memory.items():
                np.copyto(memory, saved.arrays[f"optimizer.{name}"].reshape(memory.shape))
            optimizer.number = _whole(state["step"])
            run.trainer.rng.bit_generator.state = state["generators"]["dropout"]
            run._preview.bit_generator.state = state["generators"]["preview"]
            run._interval = [float(state["interval"][0]), int(state["interval"][1])]
            run.history = [
                {
                    "step": _whole(entry["step"]),
                    "epoch": float(entry["epoch"]),
                    "train": float(entry["train"]),
                    "val": None if entry["val"] is None else float(entry["val"]),
                }
                for entry in saved.header["history"]
            ]
            if not all(np.isfinite(array).all() for array in saved.arrays.values()):
                raise ValueError("a number is not finite")
        except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
            raise CheckpointError(
                f"{saved.path} cannot be resumed: its training state is not whole",
                f"start a new run from its weights: --init-from {saved.path}",
            ) from error
        folder.cut_log(run.trainer.number)
        return run

    def close(self) -> None:
        """Let the other processes go, and the folder."""
        self.task.engine.close()
        self.folder.close()

    @property
    def validate_every(self) -> int:
        """Steps between validations: an epoch, at most 500 steps.

        But no fewer than keep validations to about a tenth of the time: an example is scored some
        three times as fast as it is trained on.
        """
        if self.config.eval_every:
            return self.config.eval_every
        a_step = self.data.size / self.task.steps_per_epoch
        least = min(self.task.steps_per_epoch, ceil(self.task.held_out / (0.3 * a_step)))
        return max(least, min(self.task.steps_per_epoch, MOST_STEPS_BETWEEN))

    @property
    def best(self) -> dict[str, Any] | None:
        """The entry of the history with the lowest validation loss."""
        scored = [entry for entry in self.history if entry["val"] is not None]
        return min(scored, key=lambda entry: float(entry["val"]), default=None)

    def events(self, should_stop: Callable[[], bool] = lambda: False) -> Iterator[Event]:
        """Train to the end, or until ``should_stop`` says so after a step.

        Raises:
            DivergedError: nothing is saved then; the last good files stay.
            CheckpointError: the final state could not be saved.
        """
        if not self.threads:
            steps = self.trainer.total - self.trainer.number
            timings = time_threads(self.task, self.trainer.parameters, steps)
            self.threads = self.task.engine.threads = fastest(timings)
            yield Measured(self.threads, tuple(timings))
        begun = monotonic()
        failed: CheckpointError | None = None
        lost = False
        for step in self.trainer.steps():
            yield step
            if self.task.engine.lost and not lost:
                lost = True
                yield Alone(step.number)
            self._interval[0] += step.nats * step.count
            self._interval[1] += step.count
            done = step.number == self.trainer.total
            if step.number % LOG_EVERY == 0 or done:
                self._log(step.number, "train", begun, **_numbers(step))
            # All that belongs to this step comes before its save: who goes on from there does not
            # do it again.
            validated = preview = None
            if step.number % self.validate_every == 0 or done:
                validated = self._validate(step)
                if validated.score is not None:
                    numbers = validated.score.numbers
                    self._log(step.number, "validation", begun, **numbers, best=validated.best)
            if step.number % (self.config.sample_every or self.validate_every) == 0 or done:
                text = self.task.preview(self.trainer.parameters, self._preview)
                preview = Preview(step.number, text)
            if validated is not None or step.number % MOST_STEPS_BETWEEN == 0:
                try:
                    self._save(best=validated is not None and validated.best)
                    failed = None
                except CheckpointError as error:
                    failed = error
                    yield SaveFailed(step.number, error)
            if validated is not None:
                yield validated
            if preview is not None:
                yield preview
            if should_stop() and not done:
                self._save(best=False)
                yield Stopped(step.number)
                return
        if failed is not None:
            raise failed
        yield Finished(self.trainer.number)

    def report(self) -> Report | None:
        """The best model on the test part; nothing if the task has none.

        Raises:
            CheckpointError: the best model cannot be read.
        """
        parameters = self.trainer.parameters
        if self.folder.best.exists():
            parameters = load_model(self.folder.best).parameters
        report = self.task.test(parameters)
        if report is not None:
            numbers = report.score.numbers | {"baselines": dict(report.baselines)}
            self._log(self.trainer.number, "test", monotonic(), **numbers)
        return report

    def _validate(self, step: Step) -> Validated:
        with np.errstate(all="ignore"):  # what overflows is found just below
            score = self.task.validate(self.trainer.parameters)
        if score is not None and not isfinite(score.error):
            raise DivergedError(
                f"training diverged at step {step.number}: the validation loss is {score.error:g}",
                f"the last good weights are kept; try --lr {self.config.lr / 3:.2g}",
            )
        train_nats = self._interval[0] / max(1, self._interval[1])
        self._interval = [0.0, 0]
        best = self.best
        improved = score is None or best is None or score.error < best["val"]
        if improved:
            self.best_score = score
        self.history.append(
            {
                "step": step.number,
                "epoch": step.epoch,
                "train": train_nats,
                "val": None if score is None else score.error,
            }
        )
        return Validated(step.number, step.epoch, train_nats, score, improved)

    def _save(self, *, best: bool) -> None:
        """Write ``last.npz``, and before it ``best.npz`` if these are the best weights so far."""
        header = {
            "charrnn": __version__,
            "config": self.config.to_json(),
            TASKS[self.config.task].key: self.spec.to_header(),
            "history": list(self.history),
        }
        weights = dict(self.trainer.parameters)
        if not np.isfinite(self.trainer.parameters.flat).all():
            raise DivergedError(
                f"training diverged at step {self.trainer.number}: a weight is no longer finite",
                f"the last good weights are kept; try --lr {self.config.lr / 3:.2g}",
            )
        failed: CheckpointError | None = None
        if best:
            self._unwritten_best = header, weights
        if self._unwritten_best is not None:
            try:
                self.folder.save_best(*self._unwritten_best)
                self._unwritten_best = None
            except CheckpointError as error:
                failed = error
                if best:  # the weights go on changing; a copy of these is tried again
                    kept = {name: weight.copy() for name, weight in weights.items()}
                    self._unwritten_best = header, kept
        generators = {
            "dropout": self.trainer.rng.bit_generator.state,
            "preview": self._preview.bit_generator.state,
        }
        training = {
            "step": self.trainer.number,
            "threads": self.threads,
            "interval": self._interval,
            "generators": generators,
            "corpus": {
                "paths": list(self.data.paths.train),
                "val": self.data.paths.val,
                "test": self.data.paths.test,
                "sha256": self.data.sha256,
                "length": self.data.size,
            },
        }
        memory = self.trainer.optimizer.memory
        arrays = weights | {f"optimizer.{name}": array for name, array in memory.items()}
        self.folder.save_last({**header, "training": training}, arrays | self.task.arrays())
        if failed is not None:
            raise failed

    def _log(self, step: int, event: str, begun: float, **values: Any) -> None:
        seconds = round(monotonic() - begun, 3)
        self.folder.log({"step": step, "schema": 1, "event": event, **values, "seconds": seconds})


def memory_needed(config: Config, model: Any, batch_size: int, num_steps: int) -> int:
    """Bytes that a training takes, roughly: weights, gradients, moments, and one batch.

    Args:
        batch_size: sequences in a batch.
        num_steps: of the longest.
    """
    weights = sum(prod(shape) for shape in model.shapes().values())
    slots = len(OPTIMIZERS[config.optimizer].slots)
    unit = config.hidden * num_steps * batch_size
    batch = config.layers * unit * (model.cell.num_gates + 5) * (1 + (config.directions == "both"))
    total: int = 4 * (weights * (2 + slots + len(shards(batch_size))) + batch)
    return total


def _whole(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"expected a number of steps, got {value!r}")
    return value


def _numbers(step: Step) -> dict[str, float]:
    return {
        "epoch": step.epoch,
        "nats": step.nats,
        "lr": step.lr,
        "grad_norm": step.grad_norm,
    }
