"""The language model: predict each character from all before it."""

from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.errors import InputError
from charrnn.evaluation import Score, evaluate
from charrnn.nn.engine import Engine
from charrnn.nn.models import SequenceModel
from charrnn.nn.parameters import Parameters
from charrnn.nn.types import Array
from charrnn.text.batches import Lanes

__all__ = ["LanguageModelTask"]

RUNAWAY = 20.0
"""|h| beyond which a lane is given up; 50 was too late on real text (docs/log.md)."""


class LanguageModelTask:
    """A text cut in two: the beginning trains, the contiguous tail validates.

    Args:
        model: from symbols to as many symbols.
        ids: ``(N,)`` the whole text.
        val_fraction: the part of it held out at the end; 0 for none.
        batch_size, seq_len: B lanes, read in chunks of at most T.
        threads: how many processes compute.

    Raises:
        InputError: the text is too short.
    """

    def __init__(
        self,
        model: SequenceModel,
        ids: npt.NDArray[Any],
        *,
        val_fraction: float,
        batch_size: int,
        seq_len: int,
        threads: int = 1,
    ) -> None:
        held_out = round(len(ids) * val_fraction)
        if val_fraction and (held_out < 1 or len(ids) - held_out < 2):
            raise InputError(
                f"a text of {len(ids)} characters leaves nothing to hold out for validation",
                "give a longer text, or --val-fraction 0",
            )
        self.model = model
        self.ids = ids
        self.split = len(ids) - held_out
        self.lanes = Lanes(ids[: self.split], batch_size, seq_len)
        self.state = model.zero_state(batch_size)
        self.batch_size = batch_size
        self.engine = Engine(model, threads)

    @property
    def steps_per_epoch(self) -> int:
        """Updates in one pass over the training text."""
        return len(self.lanes)

    @property
    def unseen(self) -> int:
        """How many held-out characters never occur in the training text."""
        seen = np.zeros(self.model.input_size, dtype=bool)
        seen[self.ids[: self.split]] = True
        return int(np.count_nonzero(~seen[self.ids[self.split :]]))

    def gradients(
        self,
        parameters: Parameters,
        gradients: Parameters,
        index: int,
        rng: np.random.Generator | None,
    ) -> tuple[float, int]:
        """Write the gradients of one chunk's summed loss, and carry the state on.

        Args:
            index: of the chunk; 0 begins a new pass, from the zero state.
            rng: draws dropout masks.

        Returns:
            The summed loss in nats, and how many characters it is over.
        """
        if index == 0:
            self.state = self.model.zero_state(self.batch_size, parameters.dtype)
        x, targets = self.lanes.chunk(index)
        nats, self.state = self.engine.cross_entropy(
            parameters, x, targets, self.state, gradients=gradients, rng=rng
        )
        self._restart_runaways()
        return float(nats), x.size

    def _restart_runaways(self) -> None:
        """Let lanes whose state has run away begin anew from zero.

        Where a tanh closes the cell, |h| ≤ 1 and this never happens. An LSTM that puts out o⊙c, and
        a ReLU network, have no such bound: while they learn, a state can grow, and being carried it
        would spoil every chunk to come.
        """
        for h, *_ in self.state:
            runaways = ~(np.abs(h).max(axis=1) <= RUNAWAY)
            if runaways.any():
                for layer in self.state:
                    for part in layer:
                        part[runaways] = 0

    def validate(self, parameters: Parameters) -> Score | None:
        """The held-out tail, every character of it; nothing if none was held out."""
        if self.split == len(self.ids):
            return None
        return evaluate(self.model, parameters, self.ids, self.split, engine=self.engine)

    def arrays(self) -> dict[str, Array]:
        """What must be saved to go on from here: the state of every lane."""
        return {
            f"state.{layer}.{name}": part
            for layer, parts in enumerate(self.state)
            for name, part in zip(self.model.cell.state_names, parts, strict=True)
        }

    def restore(self, arrays: dict[str, Array]) -> None:
        """The inverse of :meth:`arrays`.

        Raises:
            KeyError, ValueError: an array is missing or of the wrong shape.
        """
        fresh = self.model.zero_state(self.batch_size)
        names = self.model.cell.state_names
        for layer, parts in enumerate(fresh):
            for name, part in zip(names, parts, strict=True):
                part[...] = arrays[f"state.{layer}.{name}"].reshape(part.shape)
        self.state = fresh
