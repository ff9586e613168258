"""The training loop: a generator of steps, which knows nothing of validation, files or screens."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite

import numpy as np

from charrnn.errors import DivergedError
from charrnn.nn.parameters import Parameters
from charrnn.optim.optimizers import clip_by_global_norm, make_optimizer
from charrnn.optim.schedules import learning_rate
from charrnn.tasks.base import Task
from charrnn.tasks.config import Config
from charrnn.training.pace import Pace
from charrnn.training.watch import LossWatch

__all__ = ["Step", "Trainer"]


@dataclass(frozen=True)
class Step:
    """One update that has been made."""

    number: int  # from 1
    epoch: float  # epochs of the training text so far, this step included
    nats: float  # mean loss per target, before the update
    count: int  # targets: characters, texts, tokens, ...
    lr: float
    grad_norm: float  # before clipping


class Trainer:
    """The parameters, optimiser and position of one training.

    Args:
        task: computes the gradients.
        parameters: updated in place.
        config: the schedule, the optimiser and the number of epochs.
        rng: draws dropout masks.

    Attributes:
        pace: how many updates there are; it may be changed between two updates.
        lowered: the factor on every learning rate; below one after a divergence.
        watch: notices a divergence.
    """

    def __init__(
        self,
        task: Task,
        parameters: Parameters,
        config: Config,
        rng: np.random.Generator,
    ) -> None:
        self.task = task
        self.parameters = parameters
        self.config = config
        self.rng = rng
        self.optimizer = make_optimizer(config.optimizer, parameters, config.weight_decay)
        self.pace = Pace.even(max(1, round(config.epochs * task.steps_per_epoch)))
        self.lowered = 1.0
        self.watch = LossWatch(guess=task.guess)
        self._gradients = parameters.zeros_like()
        self._parts = parameters.parts_without(getattr(task, "frozen", ()))

    @property
    def number(self) -> int:
        """How many updates have been made."""
        return self.optimizer.number

    @property
    def total(self) -> int:
        """How many updates there will be."""
        return self.pace.total

    def steps(self) -> Iterator[Step]:
        """Make the remaining updates, one at a time.

        Raises:
            DivergedError: the loss or its gradient is not finite, or the loss has climbed far; the
                parameters are those before the update that failed.
        """
        config = self.config
        while self.number < self.total:
            lr = self.lowered * learning_rate(
                config.schedule,
                self.pace.place(self.number),
                self.pace.length,
                peak=config.lr,
                warmup=config.warmup,
                final=config.lr_final,
            )
            with np.errstate(all="ignore"):  # an overflow is found just below
                nats, count = self.task.gradients(
                    self.parameters,
                    self._gradients,
                    self.number,
                    self.rng if config.dropout else None,
                )
                for part in self._parts:
                    self._gradients.flat[part] *= 1 / count
                grad_norm = clip_by_global_norm(self._gradients, config.clip, self._parts)
            if self.watch.diverged(nats / count) or not isfinite(grad_norm):
                raise DivergedError(
                    f"training diverged at step {self.number + 1}: loss {nats / count:.4g}, "
                    f"gradient norm {grad_norm:.4g}, learning rate {lr:.2g}",
                    f"try --lr {config.lr / 3:.2g}, or a smaller clip (--optimizer NAME,clip=...)",
                )
            self.optimizer.step(self.parameters, self._gradients, lr, self._parts)
            epoch = self.number / self.task.steps_per_epoch
            yield Step(self.number, epoch, nats / count, count, lr, grad_norm)
