"""The networks of an average, which a run trains one after the other.

Each begins with weights of its own and draws from generators of its own; what it has learnt when it
was best is kept. All else is a training like any other.

Randomness is always a generator that is passed in. A seed is split for weights, dropout and
samples, and the generators' states are saved: so showing samples changes nothing, and resuming is
exact.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from charrnn.nn.parameters import Parameters
from charrnn.nn.types import Array
from charrnn.runs.history import Validation, whole
from charrnn.tasks.base import Data, Spec
from charrnn.tasks.config import MOST_MEMBERS, Config
from charrnn.tasks.supervised import SupervisedData

__all__ = ["Members", "fresh_weights", "generators"]

FINISHED = "finished."
"""What the names of their weights begin with, each a vector, in ``last.npz``."""

OWN_SEEDS = 3
"""Seeds that are spawned for the first member; those of the others are spawned from later ones."""


def _seeds(seed: int, number: int) -> list[np.random.SeedSequence]:
    """Of a member: for weights, dropout, samples. The first has those of a single network."""
    own = np.random.SeedSequence(seed)
    if number > 1:
        own = np.random.SeedSequence(seed, spawn_key=(OWN_SEEDS + number,))
    return own.spawn(OWN_SEEDS)


def fresh_weights(data: Data, spec: Spec, config: Config, number: int) -> Parameters:
    """What a member begins with; members are counted from 1."""
    found: Parameters = spec.model(config).init(
        np.random.default_rng(_seeds(config.seed, number)[0]), np.float32
    )
    if isinstance(data, SupervisedData):
        data.begin(spec, config, found)
    return found


def generators(seed: int, number: int) -> list[np.random.Generator]:
    """Of a member's dropout, and of its samples.

    Apart, so that how often a sample is shown does not change what is learnt.
    """
    return [np.random.default_rng(own) for own in _seeds(seed, number)[1:]]


@dataclass
class Members:
    """How far a run is with them.

    Attributes:
        number: of the one at work, from 1.
        before: updates that the others have made.
        best: the best validation of the one at work.
        finished: the best weights of each that is trained, as one vector.
    """

    number: int = 1
    before: int = 0
    best: Validation | None = None
    finished: list[Array] = field(default_factory=list)

    def numbers(self) -> dict[str, Any]:
        """For a checkpoint."""
        best = None if self.best is None else self.best.to_json()
        return {"number": self.number, "before": self.before, "best": best}

    def arrays(self) -> dict[str, Array]:
        """For a checkpoint."""
        return {f"{FINISHED}{number}": one for number, one in enumerate(self.finished, start=1)}

    @classmethod
    def restored(
        cls, numbers: Mapping[str, Any], arrays: Mapping[str, Array], size: int
    ) -> "Members":
        """The inverse of :meth:`numbers` and :meth:`arrays`.

        Args:
            size: of a member, in weights.

        Raises:
            KeyError, TypeError, ValueError, OverflowError: they are not whole.
        """
        number, best = whole(numbers["number"]), numbers["best"]
        if not 1 <= number <= MOST_MEMBERS:
            raise ValueError(f"there is no member {number}")
        count = number if f"{FINISHED}{number}" in arrays else number - 1
        finished = [arrays[f"{FINISHED}{k}"].copy() for k in range(1, count + 1)]
        for one in finished:
            if one.shape != (size,) or one.dtype != np.float32 or not np.isfinite(one).all():
                raise ValueError("a member's weights do not fit the network")
        best = None if best is None else Validation.from_json(best)
        return cls(number, whole(numbers["before"]), best, finished)
