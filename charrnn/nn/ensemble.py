"""Several networks as one: the mean of their probabilities.

p(s) = 1/N·Σ_k p_k(s). Networks that differ only in their seed make different errors, and their mean
makes fewer than each (Hansen and Salamon 1990, "Neural network ensembles"). The average is a
network like any other, so that scoring, writing and checkpoints need no code for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.nn.body import Body
from charrnn.nn.cells import Cell
from charrnn.nn.head import Head
from charrnn.nn.losses import SCORED_BY, log_sigmoid
from charrnn.nn.models import Loss, SequenceModel, Sequences
from charrnn.nn.parameters import Parameters
from charrnn.nn.types import Array, State
from charrnn.nn.workspace import Workspace

__all__ = ["Ensemble", "LanguageNetwork", "log_mean", "together"]


@dataclass(frozen=True)
class Ensemble:
    """N networks of one kind, each with its own weights, that read and predict together.

    Its outputs are ln p, whose softmax is p again; if each output of the members is a yes or a no,
    they are ln p - ln(1 - p), whose σ is p. Its weights have the members' names after
    ``member.1.``, ``member.2.``, ...; its state is that of the members' layers, one after the
    other. Members are trained one by one; the gradient here is for dynamic evaluation
    (:mod:`charrnn.evaluation.dynamic`).

    Args:
        member: the network of each; it predicts symbols at every step, or labels of its input.
        count: N.

    Raises:
        ValueError: the count is zero, or the members predict numbers.
    """

    member: SequenceModel
    count: int

    def __post_init__(self) -> None:
        if self.count < 1 or self.member.loss == "squared":
            raise ValueError(f"these cannot be averaged: {self}")

    @property
    def loss(self) -> str:
        """Whatever the training loss of a language model is, the outputs are those of a softmax."""
        yes_or_no = self.member.loss == "sigmoid" and self.member.readout != "steps"
        return "sigmoid" if yes_or_no else "softmax"

    @property
    def input_size(self) -> int:
        """V."""
        return self.member.input_size

    @property
    def output_size(self) -> int:
        """V."""
        return self.member.output_size

    @property
    def num_layers(self) -> int:
        """The number of layers of each member."""
        return self.member.num_layers

    @property
    def cell(self) -> Cell[Any]:
        """The cell of every layer. (If one member's state runs away, all are reset.)"""
        return self.member.cell

    @property
    def body(self) -> Body:
        """The body of each member."""
        return self.member.body

    @property
    def head(self) -> Head:
        """The head of each member."""
        return self.member.head

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """All tensors' shapes by name: ``member.1.body.0.W_x``, ..., ``member.2.head.b``, ..."""
        own = self.member.shapes()
        return {f"{name}.{one}": shape for name in self.names() for one, shape in own.items()}

    def names(self) -> list[str]:
        """How the names of each member's tensors begin."""
        return [f"member.{number}" for number in range(1, self.count + 1)]

    def init(self, rng: np.random.Generator, dtype: npt.DTypeLike = np.float32) -> Parameters:
        """Fresh weights."""
        return together(self.member, [self.member.init(rng, dtype) for _ in range(self.count)])

    def zero_state(self, batch_size: int, dtype: npt.DTypeLike = np.float32) -> State:
        """The state before anything has been read."""
        return self.member.zero_state(batch_size, dtype) * self.count

    def parts(self, parameters: Parameters) -> list[Parameters]:
        """Each member's weights, or gradients: views."""
        return [parameters.part(name) for name in self.names()]

    def states(self, state: State) -> list[State]:
        """Each member's part of a state."""
        size = self.num_layers
        return [state[k * size : (k + 1) * size] for k in range(self.count)]

    def forward(
        self,
        parameters: Parameters,
        x: Array,
        state: State,
        workspace: Workspace | None = None,
        rng: None = None,
        lengths: Array | None = None,
    ) -> tuple[Array, State, None]:
        """ln p at every step, as :meth:`charrnn.nn.models.SequenceModel.forward` without dropout.

        Returns:
            Outputs ``(T, B, V)`` and the final state.

        Raises:
            ValueError: as for a member.
        """
        workspace = workspace or Workspace()
        y = np.empty((self.count, *x.shape[:2], self.output_size), parameters.dtype)
        final: State = ()
        for k, (w, own, place) in enumerate(self._each(parameters, state, workspace)):
            y[k], after, _ = self.member.forward(w, x, own, place, lengths=lengths)
            final += after
        return log_mean(y, self.member.loss), final, None

    def outputs(self, parameters: Parameters, batch: Sequences, workspace: Workspace) -> Array:
        """The outputs ``(N, K)`` for what the head reads of a batch, without dropout."""
        y = np.stack(
            [
                self.member.outputs(w, replace(batch, state=own), place)
                for w, own, place in self._each(parameters, batch.state, workspace)
            ]
        )
        if self.loss == "softmax":
            return log_mean(y, "softmax")
        yes, no = (_log_mean(log_sigmoid(sign * y)) for sign in (1, -1))
        return yes - no

    def sum_loss(
        self,
        parameters: Parameters,
        batch: Sequences,
        workspace: Workspace,
        *,
        gradients: Parameters | None = None,
        rng: np.random.Generator | None = None,
    ) -> Loss:
        """E = -Σ_n w_n·ln p_n[target_n], and its gradients.

        With E_k the loss of member k alone for a target,

            E = -ln 1/N·Σ_k e^-E_k     dE/dE_k = e^-E_k / Σ_j e^-E_j

        so each member has its own gradient, times its share of the probability. There is no
        dropout, whatever ``rng``.

        Args:
            batch: sequences of equal length.
        """
        batch = replace(batch, loss=SCORED_BY.get(self.member.loss, self.member.loss))
        members = self._each(parameters, batch.state, workspace)
        alone = [
            self.member.sum_loss(w, replace(batch, state=own, each=True), place)
            for w, own, place in members
        ]
        nats, shares = _shared(np.stack([loss.total for loss in alone]))
        if batch.weights is not None:
            shares *= batch.weights
        if gradients is not None:
            for k, g in enumerate(self.parts(gradients)):
                w, own, place = members[k]
                weighed = replace(batch, state=own, weights=shares[k])
                self.member.sum_loss(w, weighed, place, gradients=g)
        total: Any = nats
        if not batch.each:
            costs = nats if batch.weights is None else nats * batch.weights
            total = costs.sum(dtype=np.result_type(nats.dtype, np.float64))
        return Loss(total, tuple(layer for loss in alone for layer in loss.final), ())

    def part(self, batch: Sequences, lanes: slice) -> Sequences:
        """Some of a batch's sequences as a batch of their own."""
        return self.member.part(batch, lanes)

    def _each(
        self, parameters: Parameters, state: State, workspace: Workspace
    ) -> list[tuple[Parameters, State, Workspace]]:
        """Each member's weights, state and buffers."""
        places = [workspace.child(name) for name in self.names()]
        return list(zip(self.parts(parameters), self.states(state), places, strict=True))


LanguageNetwork = SequenceModel | Ensemble
"""The networks that can be a language model."""


def together(member: SequenceModel, weights: Sequence[Parameters]) -> Parameters:
    """The weights of an :class:`Ensemble` of networks of one kind: copies."""
    ensemble = Ensemble(member, len(weights))
    parameters = Parameters(ensemble.shapes(), weights[0].dtype)
    for name, own in zip(ensemble.names(), weights, strict=True):
        parameters.fill(own, name)
    return parameters


def _shared(each: Array) -> tuple[Array, Array]:
    """-ln of the mean of probabilities, and each one's share in it.

    Args:
        each: ``(N, ...)`` -ln of each probability.
    """
    least = each.real.min(axis=0)
    shares = np.exp(least - each)
    total = shares.sum(axis=0)
    return least - np.log(total / len(each)), shares / total


def log_mean(y: Array, loss: str) -> Array:
    """``(..., V)`` ln of the mean probability, from outputs ``(N, ..., V)``, which are overwritten.

    Args:
        loss: the loss of training, ``"softmax"`` or ``"sigmoid"``.
    """
    if loss == "sigmoid":
        y = log_sigmoid(y)
    y -= y.max(axis=-1, keepdims=True)
    y -= np.log(np.exp(y).sum(axis=-1, keepdims=True))
    return _log_mean(y)


def _log_mean(y: Array) -> Array:
    """ln of the mean of e^y over the first axis; y is overwritten."""
    top = y.max(axis=0)
    y -= top
    np.exp(y, out=y)
    found: Array = np.log(y.mean(axis=0))
    found += top
    return found
