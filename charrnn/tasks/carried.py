"""Training on one long sequence in lanes, with the state carried from chunk to chunk."""

import numpy as np

from charrnn.engine import Engine
from charrnn.nn.ensemble import LanguageNetwork
from charrnn.nn.models import Sequences
from charrnn.nn.parameters import Parameters
from charrnn.nn.runaway import RUNAWAY, restart_runaways
from charrnn.nn.types import Array
from charrnn.tasks.base import RESET
from charrnn.text.batches import Lanes
from charrnn.text.view import View

__all__ = ["RUNAWAY", "LanesTask"]


class LanesTask:
    """What a text and a series have in common: truncated backpropagation through time.

    Args:
        model: reads a step and predicts the next.
        sequence: the training part, ``(N,)`` symbols, an array or a view, or ``(N, D)``.
        batch_size, seq_len: B lanes, read in chunks of at most T.
        threads: how many processes compute.
        targets: ``(N, K)`` the target at each step, if it is not the step itself.
        reset: the steps between two resets of a lane's state, on average; 0 means that the state is
            always carried.
        seed: decides where the resets are.

    Raises:
        InputError: the sequence is too short for this many lanes.
    """

    def __init__(
        self,
        model: LanguageNetwork,
        sequence: Array | View,
        batch_size: int,
        seq_len: int,
        threads: int = 1,
        targets: Array | None = None,
        reset: int = 0,
        seed: int = 0,
    ) -> None:
        self.model = model
        self.batch_size = batch_size
        self.lanes = Lanes(sequence, batch_size, seq_len, targets)
        self.state = model.zero_state(batch_size)
        self._chance = min(1.0, seq_len / reset) if reset else 0.0
        self._seed = seed
        self.engine = Engine(model, threads)

    @property
    def steps_per_epoch(self) -> int:
        """Updates in one epoch."""
        return len(self.lanes)

    @property
    def guess(self) -> float | None:
        """The loss of considering all answers equally likely."""
        return self.model.head.guess

    def example(self) -> Sequences:
        """A batch to time."""
        x, targets = self.lanes.chunk(0)
        return Sequences(x, targets, self.model.zero_state(self.batch_size))

    def gradients(
        self,
        parameters: Parameters,
        gradients: Parameters,
        number: int,
        rng: np.random.Generator | None,
    ) -> tuple[float, int]:
        """Write the gradients of one chunk's summed loss, and keep the state for the next chunk.

        Args:
            number: how many updates were made before; each epoch begins from the zero state.
            rng: draws dropout masks.

        Returns:
            The summed loss, and the number of steps in all lanes that it sums over.
        """
        index = number % self.steps_per_epoch
        if index == 0:
            self.state = self.model.zero_state(self.batch_size, parameters.dtype)
        elif self._chance:
            self._reset_some(number)
        x, targets = self.lanes.chunk(index)
        batch = Sequences(x, targets, self.state)
        losses = self.engine.losses(parameters, batch, gradients=gradients, rng=rng)
        self.state = losses.final
        self._restart_runaways()
        return float(losses.total), x.shape[0] * x.shape[1]

    def _reset_some(self, number: int) -> None:
        """Reset random lanes to the zero state, from which texts are also written and scored.

        Otherwise it occurs only at a few places, the same in each epoch, and is hardly learnt.
        """
        rng = np.random.default_rng([self._seed, RESET, number])
        lanes = rng.random(self.batch_size) < self._chance
        for parts in self.state:
            for part in parts:
                part[lanes] = 0

    def _restart_runaways(self) -> None:
        """Reset lanes whose state has run away to zero."""
        restart_runaways(self.model.cell, self.state, RUNAWAY)

    def arrays(self) -> dict[str, Array]:
        """What must be saved to continue from here: the state of every lane."""
        return {
            f"state.{layer}.{name}": part
            for layer, parts in enumerate(self.state)
            for name, part in zip(self.model.body.state_names, parts, strict=True)
        }

    def restore(self, arrays: dict[str, Array]) -> None:
        """The inverse of :meth:`arrays`.

        Raises:
            KeyError, ValueError: an array is missing or of the wrong shape.
        """
        fresh = self.model.zero_state(self.batch_size)
        names = self.model.body.state_names
        for layer, parts in enumerate(fresh):
            for name, part in zip(names, parts, strict=True):
                part[...] = arrays[f"state.{layer}.{name}"].reshape(part.shape)
        self.state = fresh
