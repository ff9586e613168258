"""The networks of an average, which a run trains one after the other.

Each member begins with its own weights and draws from its own generators; its best weights are
kept. Otherwise it is a training like any other.

Randomness is always a generator that is passed in. A seed is split for weights, dropout and
samples, and the generators' states are saved. So showing samples changes nothing, and a resumed
run computes exactly what it would have computed.
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
"""How the names of the trained members' weights begin in ``last.npz``; each is one vector."""

OWN_SEEDS = 3
"""Seeds that are spawned for the first member; later members spawn theirs from later ones."""


def _seeds(seed: int, number: int) -> list[np.random.SeedSequence]:
    """A member's seeds for weights, dropout and samples; the first has those of a lone network."""
    own = np.random.SeedSequence(seed)
    if number > 1:
        own = np.random.SeedSequence(seed, spawn_key=(OWN_SEEDS + number,))
    return own.spawn(OWN_SEEDS)


def fresh_weights(data: Data, spec: Spec, config: Config, number: int) -> Parameters:
    """The weights that a member begins with; members are counted from 1."""
    found: Parameters = spec.model(config).init(
        np.random.default_rng(_seeds(config.seed, number)[0]), np.float32
    )
    if isinstance(data, SupervisedData):
        data.begin(spec, config, found)
    return found


def generators(seed: int, number: int) -> list[np.random.Generator]:
    """The generators of a member's dropout and of its samples.

    They are separate, so that how often a sample is shown does not change what is learnt.
    """
    return [np.random.default_rng(own) for own in _seeds(seed, number)[1:]]


@dataclass
class Members:
    """How far a run is with its members.

    Attributes:
        number: the current member, from 1.
        before: updates that earlier members have made.
        best: the best validation of the current member.
        finished: the best weights of each trained member, as one vector.
    """

    number: int = 1
    before: int = 0
    best: Validation | None = None
    finished: list[Array] = field(default_factory=list)

    def numbers(self) -> dict[str, Any]:
        """The numbers that a checkpoint keeps."""
        best = None if self.best is None else self.best.to_json()
        return {"number": self.number, "before": self.before, "best": best}

    def arrays(self) -> dict[str, Array]:
        """The arrays that a checkpoint keeps."""
        return {f"{FINISHED}{number}": one for number, one in enumerate(self.finished, start=1)}

    @classmethod
    def restored(
        cls, numbers: Mapping[str, Any], arrays: Mapping[str, Array], size: int
    ) -> "Members":
        """The inverse of :meth:`numbers` and :meth:`arrays`.

        Args:
            size: the number of weights of a member.

        Raises:
            KeyError, TypeError, ValueError, OverflowError: an entry is missing or damaged.
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
