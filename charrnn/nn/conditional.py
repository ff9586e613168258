"""One to many: a label decides the initial state of a generating network."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.nn.cells import Cell
from charrnn.nn.head import Head
from charrnn.nn.models import Loss, SequenceModel, Sequences
from charrnn.nn.ops import check_symbols, scatter_rows
from charrnn.nn.parameters import Parameters
from charrnn.nn.types import Array, State
from charrnn.nn.workspace import Workspace

__all__ = ["Conditional", "Labelled", "of_sequences"]


@dataclass(frozen=True)
class Labelled:
    """A batch of B sequences and their labels: see :class:`charrnn.nn.models.Sequences`.

    With ``each``, the loss of each sequence is asked for, ``(B,)``, instead of the sum: that of all
    its steps, or of those from ``since`` on, ``(B,)``.
    """

    labels: Array  # (B,)
    x: Array  # (T, B)
    targets: Array  # (T, B)
    lengths: Array  # (B,) longest first
    each: bool = False
    since: Array | None = None

    @property
    def size(self) -> int:
        """B."""
        return len(self.labels)


def of_sequences(batch: Labelled, each: Array) -> Array:
    """``(B,)`` the losses of sequences, from those of all steps, ``(T, B)``."""
    steps = np.arange(len(batch.x))[:, None]
    inside = steps < batch.lengths
    if batch.since is not None:
        inside &= steps >= batch.since
    total: Array = np.where(inside, each, 0).sum(axis=0, dtype=float)
    return total


@dataclass(frozen=True)
class Conditional:
    """h_0 = H_k (and c_0 = C_k) for label k: each label has its own initial state, which is learnt.

    Note 003's one-to-many, like the captions of Vinyals et al. (2015), "Show and tell", with a
    table in place of an image's features.

    Args:
        generator: the network that writes.
        num_labels: K.
        reach: for how many steps fresh weights should remember; 0 for the usual weights.

    Raises:
        ValueError: there is no label, or the network has no state.
    """

    generator: SequenceModel
    num_labels: int
    reach: int = 0

    def __post_init__(self) -> None:
        if self.num_labels < 1 or self.generator.num_layers < 1:
            raise ValueError("a conditional generator needs a label and a layer")

    @property
    def cell(self) -> Cell[Any]:
        """The generator's cell."""
        return self.generator.cell

    @property
    def num_layers(self) -> int:
        """The generator's layers."""
        return self.generator.num_layers

    @property
    def head(self) -> Head:
        """The generator's head."""
        return self.generator.head

    def _tables(self) -> list[tuple[str, int, int]]:
        """The name of each table, and the layer and part of the state that it sets."""
        names = self.generator.body.state_names
        return [
            (f"condition.{layer}.{name}", layer, part)
            for layer in range(self.generator.num_layers)
            for part, name in enumerate(names)
        ]

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of the generator's tensors, and ``condition.0.h`` (K, H), ..."""
        size = self.cell.hidden_size
        tables = {name: (self.num_labels, size) for name, _, _ in self._tables()}
        return self.generator.shapes() | tables

    def init(self, rng: np.random.Generator, dtype: npt.DTypeLike = np.float32) -> Parameters:
        """Fresh weights; the initial states are of the size that a running network's are."""
        parameters = Parameters(self.shapes(), dtype)
        parameters.fill(self.generator.init(rng, dtype))
        if self.reach and self.cell.bias:
            for layer in range(self.generator.num_layers):
                parameters[f"body.{layer}.b"][...] = self.cell.patient_bias(self.reach)
        for name, _, _ in self._tables():
            parameters[name][...] = 0.5 * rng.standard_normal(parameters[name].shape)
        return parameters

    def initial_state(self, parameters: Parameters, labels: Array) -> State:
        """The initial state for labels ``(B,)``, ``(B, H)`` each.

        Raises:
            ValueError: a label is out of range.
        """
        check_symbols(labels, self.num_labels)
        layers: list[list[Array]] = [[] for _ in range(self.generator.num_layers)]
        for name, layer, _ in self._tables():
            layers[layer].append(parameters[name][labels])
        return tuple(map(tuple, layers))

    def sum_loss(
        self,
        parameters: Parameters,
        batch: Labelled,
        workspace: Workspace,
        *,
        gradients: Parameters | None = None,
        rng: np.random.Generator | None = None,
    ) -> Loss:
        """As :meth:`charrnn.nn.models.SequenceModel.sum_loss`; the gradient by the initial state
        continues into the tables.
        """
        state = self.initial_state(parameters, batch.labels)
        sequences = Sequences(batch.x, batch.targets, state, batch.lengths, each=batch.each)
        loss = self.generator.sum_loss(
            parameters, sequences, workspace, gradients=gradients, rng=rng
        )
        if gradients is not None:
            for name, layer, part in self._tables():
                scatter_rows(batch.labels, loss.dinitial[layer][part], gradients[name])
        return loss._replace(total=of_sequences(batch, loss.total)) if batch.each else loss

    def part(self, batch: Labelled, lanes: slice) -> Labelled:
        """Some of a batch's sequences as a batch of their own."""
        return Labelled(
            batch.labels[lanes],
            batch.x[:, lanes],
            batch.targets[:, lanes],
            batch.lengths[lanes],
            batch.each,
            None if batch.since is None else batch.since[lanes],
        )
