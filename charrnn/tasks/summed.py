"""Training a network that has a map of features beside its recurrence."""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from charrnn.nn.models import Sequences
from charrnn.nn.parameters import Parameters
from charrnn.nn.types import Array
from charrnn.tasks.base import TaskScore, Trained
from charrnn.tasks.shares import Objective, best_shares, settled
from charrnn.tasks.supervised import SupervisedTask
from charrnn.tasks.wide import features_of, mapped, thinned

__all__ = ["SummedTask"]

R = TypeVar("R")


class SummedTask(SupervisedTask[R]):
    """A task whose outputs may be the sum of a recurrence and a map.

    If the map was fitted to the training rows, the recurrence learns by itself, and each validation
    finds the shares of both (:mod:`charrnn.tasks.shares`). A map that was fitted to other rows
    learns together with the recurrence. There may be no map, too.
    """

    @abstractmethod
    def hashes(self, rows: Sequence[R]) -> Iterable[Array]:
        """The feature hashes of each of the N targets, one after the other."""

    @abstractmethod
    def outputs(self, parameters: Parameters, rows: Sequence[R], *, alone: bool = False) -> Array:
        """The network's outputs for all targets, ``(N, K)``.

        Args:
            alone: whether the map takes no part.
        """

    @abstractmethod
    def objective(
        self, parameters: Parameters, rows: Sequence[R], outputs: Array
    ) -> tuple[int, Objective]:
        """The number of targets that the model knows, and their loss.

        Args:
            outputs: what the map and the recurrence say of all targets, ``(2, N, K)``.
        """

    @abstractmethod
    def score(self, y: Array, rows: Sequence[R]) -> TaskScore:
        """The measures of outputs ``(N, K)``."""

    def joined(self, parameters: Parameters, y: Array, a: float, rows: Sequence[R]) -> Array:
        """Outputs ``(N, K)`` of sums of map and recurrence, ``a`` being the map's share."""
        del parameters, a, rows
        return y

    def with_map(
        self,
        batch: Sequences,
        hashes: Callable[[], Sequence[Array]],
        rng: np.random.Generator | None,
    ) -> Sequences:
        """A batch of training rows with what the map reads of them, if it learns, too."""
        if self.spec.shares is not None:
            return replace(batch, alone=True)
        if not self.spec.buckets:
            return batch
        return replace(batch, features=thinned(features_of(hashes(), self.spec.buckets), rng))

    def validate(self, parameters: Parameters) -> TaskScore:
        """Score the validation rows, which also decide the shares."""
        rows = self._rows.val
        if self.spec.shares is None:
            return self.score(self.outputs(parameters, rows), rows)
        of_map = mapped(parameters["wide.W"], self.hashes(rows))
        of_network = self.outputs(parameters, rows, alone=True)
        both = np.stack([of_map, of_network]).astype(np.float64)
        known, objective = self.objective(parameters, rows, both)
        alone, _ = objective(np.array([0.0, 1.0]))
        a, b = best_shares(objective).tolist()
        self.spec = replace(self.spec, shares=(a, b))
        y = self.joined(parameters, a * of_map + b * of_network, a, rows)
        found = self.score(y, rows)
        return replace(found, chosen_by=found.loss, alone=alone / max(1, known))

    def arrays(self) -> dict[str, Array]:
        """The shares."""
        shares = self.spec.shares
        return super().arrays() | ({} if shares is None else {"shares": np.array(shares)})

    def restore(self, arrays: dict[str, Array]) -> None:
        """The inverse of :meth:`arrays`.

        Raises:
            KeyError, ValueError: they are missing or not two numbers.
        """
        super().restore(arrays)
        if self.spec.shares is not None:
            a, b = arrays["shares"].tolist()
            self.spec = replace(self.spec, shares=(a, b))

    @property
    def frozen(self) -> tuple[str, ...]:
        """Weights that the training leaves as they are, weight decay included."""
        shapes = self.model.shapes()
        return tuple({"wide.W", "chain.W"} & set(shapes)) if self.spec.shares else ()

    def settled(self, parameters: Parameters) -> Trained:
        """The network with these weights in their shares."""
        spec, weights = settled(self.spec, parameters)
        return Trained(self.model, weights, spec, self.config)
