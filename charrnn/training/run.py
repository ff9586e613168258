"""One run from beginning to end: the loop's steps, and what is done between them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import ceil, isfinite, prod
from time import monotonic
from typing import Any

import numpy as np

from charrnn import __version__
from charrnn.config import Config
from charrnn.errors import CheckpointError, DivergedError, InputError
from charrnn.evaluation import Score
from charrnn.nn.engine import shards
from charrnn.nn.parameters import Parameters
from charrnn.nn.types import Array
from charrnn.runs import Model, RunFolder
from charrnn.sampling import Choice, sample
from charrnn.tasks.lm import LanguageModelTask
from charrnn.text.corpora import Corpus
from charrnn.text.vocab import Vocabulary
from charrnn.training.loop import Step, Trainer
from charrnn.training.optim import OPTIMIZERS
from charrnn.training.threads import Timing, fastest, time_threads

__all__ = [
    "Alone",
    "Event",
    "Finished",
    "Measured",
    "Preview",
    "Run",
    "SaveFailed",
    "Stopped",
    "Validated",
    "memory_needed",
]

MOST_STEPS_BETWEEN = 500
LOG_EVERY = 10
PREVIEW_LENGTH = 300
PREVIEW_CHOICE = Choice(temperature=0.8)


@dataclass(frozen=True)
class Validated:
    """The state was saved, and the held-out text scored if there is any."""

    step: int
    epoch: float
    train_nats: float  # mean since the last time
    score: Score | None
    best: bool  # whether it is the best so far, and was saved as such


@dataclass(frozen=True)
class Preview:
    """A sample of what the model writes now: UTF-8, or bytes."""

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
class Measured:
    """How many processes will compute, and the times it was chosen by, if it needed any."""

    threads: int
    timings: tuple[Timing, ...]


@dataclass(frozen=True)
class Alone:
    """Another process has died or could not be started; the training goes on in this one."""

    step: int


Event = Measured | Step | Alone | Validated | Preview | SaveFailed | Stopped | Finished


class Run:
    """A training and its folder.

    Build one by :meth:`begin` or :meth:`resume`, consume :meth:`events`, and :meth:`close` it.

    ``threads`` is how many processes compute; 0 has it measured before the first step. It makes
    no difference to what they compute.
    """

    def __init__(
        self,
        config: Config,
        corpus: Corpus,
        paths: tuple[str, ...],
        vocabulary: Vocabulary,
        parameters: Parameters,
        folder: RunFolder,
        threads: int,
    ) -> None:
        self.config = config
        self.corpus = corpus
        self.paths = paths
        self.vocabulary = vocabulary
        self.folder = folder
        self.model = config.model(len(vocabulary))
        ids = vocabulary.encode(corpus.codes, "the corpus")
        self.threads = min(threads, len(shards(config.batch_size)))
        self.task = LanguageModelTask(
            self.model,
            ids,
            val_fraction=config.val_fraction,
            batch_size=config.batch_size,
            seq_len=config.seq_len,
            threads=self.threads or 1,
        )
        # Apart, so that how often a sample is shown does not change what is learnt.
        dropout, self._preview = (
            np.random.default_rng(seed) for seed in np.random.SeedSequence(config.seed).spawn(3)[1:]
        )
        self.trainer = Trainer(self.task, parameters, config, dropout)
        self._unwritten_best: tuple[dict[str, Any], dict[str, Array]] | None = None
        self.history: list[dict[str, Any]] = []
        self.measure = ""  # how the last validation was made, in words
        self._interval = [0.0, 0]  # summed loss and characters since the last validation

    @classmethod
    def begin(
        cls,
        config: Config,
        corpus: Corpus,
        paths: tuple[str, ...],
        folder: RunFolder,
        initial: Model | None = None,
        threads: int = 0,
    ) -> "Run":
        """A new run, from fresh weights or from another model's (whose vocabulary it then keeps).

        Raises:
            InputError: the corpus is too short, or has characters that ``initial`` lacks.
        """
        if initial is None:
            vocabulary = Vocabulary.of(config.level, corpus.codes)
            seed = np.random.SeedSequence(config.seed).spawn(3)[0]
            model = config.model(len(vocabulary))
            parameters = model.init(np.random.default_rng(seed), np.float32)
        else:
            vocabulary, parameters = initial.vocabulary, initial.parameters
        folder.cut_log(0)  # of a run that ended before its first save
        return cls(config, corpus, paths, vocabulary, parameters, folder, threads)

    @classmethod
    def resume(
        cls,
        saved: Model,
        corpus: Corpus,
        paths: tuple[str, ...],
        folder: RunFolder,
        threads: int | None = None,
    ) -> "Run":
        """The run that ``saved`` (its ``last.npz``) left off, as if it had never stopped.

        Args:
            threads: another number of processes than before.

        Raises:
            InputError: the corpus is not the one the run began with.
            CheckpointError: the file lacks what only ``last.npz`` has.
        """
        try:
            state: Mapping[str, Any] = saved.header["training"]
            if corpus.sha256 != state["corpus"]["sha256"]:
                raise InputError(
                    "the corpus is not the one this run began with "
                    f"(sha256 {corpus.sha256[:12]}…, then {state['corpus']['sha256'][:12]}…)",
                    f"to train on another text: charrnn train CORPUS --init-from {folder.path}",
                )
            if threads is None:
                threads = _whole(state.get("threads", 0))
            run = cls(
                saved.config, corpus, paths, saved.vocabulary, saved.parameters, folder, threads
            )
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

        But no fewer than keep validations to about a tenth of the time: a character is scored some
        three times as fast as it is trained on.
        """
        if self.config.eval_every:
            return self.config.eval_every
        held_out = len(self.task.ids) - self.task.split
        characters = self.config.batch_size * self.task.lanes.length / self.task.steps_per_epoch
        least = min(self.task.steps_per_epoch, ceil(held_out / (0.3 * characters)))
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
                    numbers = {"nats": validated.score.nats, "bits": validated.score.bits}
                    self._log(step.number, "validation", begun, **numbers, best=validated.best)
            if step.number % (self.config.sample_every or self.validate_every) == 0 or done:
                preview = Preview(step.number, self._write_preview())
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

    def _validate(self, step: Step) -> Validated:
        with np.errstate(all="ignore"):  # what overflows is found just below
            score = self.task.validate(self.trainer.parameters)
        self.measure = score.method if score is not None else ""
        if score is not None and not isfinite(score.nats):
            raise DivergedError(
                f"training diverged at step {step.number}: the validation loss is {score.nats:g}",
                f"the last good weights are kept; try --lr {self.config.lr / 3:.2g}",
            )
        train_nats = self._interval[0] / max(1, self._interval[1])
        self._interval = [0.0, 0]
        best = self.best
        improved = score is None or best is None or score.nats < best["val"]
        self.history.append(
            {
                "step": step.number,
                "epoch": step.epoch,
                "train": train_nats,
                "val": None if score is None else score.nats,
            }
        )
        return Validated(step.number, step.epoch, train_nats, score, improved)

    def _write_preview(self) -> bytes:
        start = np.full((1, 1), self.vocabulary.start)
        symbols = sample(
            self.model,
            self.trainer.parameters,
            start,
            PREVIEW_LENGTH,
            self._preview,
            PREVIEW_CHOICE,
        )
        return self.vocabulary.decode(np.concatenate(list(symbols)))

    def _save(self, *, best: bool) -> None:
        """Write ``last.npz``, and before it ``best.npz`` if these are the best weights so far."""
        symbols = "" if self.config.level == "byte" else "".join(map(chr, self.vocabulary.codes))
        header = {
            "charrnn": __version__,
            "config": self.config.to_json(),
            "vocabulary": {"level": self.vocabulary.level, "symbols": symbols},
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
                "paths": list(self.paths),
                "sha256": self.corpus.sha256,
                "length": len(self.corpus.codes),
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


def memory_needed(config: Config, vocab_size: int) -> int:
    """Bytes that a training takes, roughly: weights, gradients, moments, and one chunk."""
    model = config.model(vocab_size)
    weights = sum(prod(shape) for shape in model.shapes().values())
    slots = len(OPTIMIZERS[config.optimizer].slots)
    unit = config.hidden * config.seq_len * config.batch_size
    chunk = config.layers * unit * (model.cell.num_gates + 5)
    return 4 * (weights * (2 + slots + len(shards(config.batch_size))) + chunk)


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
