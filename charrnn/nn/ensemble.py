"""Several networks as one: the mean of their probabilities.

p(s) = 1/N·Σ_k p_k(s). Networks that differ only in their seed make different errors, and their mean
makes fewer than each (Hansen and Salamon 1990, "Neural network ensembles"). The average is a
network like any other, so that scoring, writing and checkpoints need no code for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from charrnn.nn.body import Body
from charrnn.nn.cells import Cell
from charrnn.nn.conditional import Conditional, Labelled, of_sequences
from charrnn.nn.head import Head
from charrnn.nn.losses import SCORED_BY, log_sigmoid, softmax_cross_entropy
from charrnn.nn.models import Loss, SequenceModel, Sequences
from charrnn.nn.parameters import Parameters
from charrnn.nn.translator import Translations, Translator
from charrnn.nn.types import Array, State
from charrnn.nn.workspace import Workspace

__all__ = [
    "Average",
    "Ensemble",
    "Generators",
    "LanguageNetwork",
    "Translators",
    "average_of",
    "log_mean",
    "together",
]

Member = TypeVar("Member", SequenceModel, Translator, Conditional)
OneNetwork = SequenceModel | Translator | Conditional


@dataclass(frozen=True)
class Average(Generic[Member]):
    """N networks of one kind, each with weights of its own.

    The weights have the members' names after ``member.1.``, ``member.2.``, ... Members are trained
    one by one.

    Args:
        member: the kind of network.
        count: N.

    Raises:
        ValueError: there is none.
    """

    member: Member
    count: int

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"these cannot be averaged: {self}")

    @property
    def head(self) -> Head:
        """Each member's head."""
        return self.member.head

    @property
    def cell(self) -> Cell[Any]:
        """The cell of every layer. (If one member's state runs away, all are reset.)"""
        return self.member.cell

    def part(self, batch: Any, lanes: slice) -> Any:
        """Some of a batch's sequences as a batch of their own."""
        return self.member.part(batch, lanes)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Every tensor by name: ``member.1.body.0.W_x``, ..., ``member.2.head.b``, ..."""
        own = self.member.shapes()
        return {f"{name}.{one}": shape for name in self.names() for one, shape in own.items()}

    def names(self) -> list[str]:
        """What the names of each member's tensors begin with."""
        return [f"member.{number}" for number in range(1, self.count + 1)]

    def init(self, rng: np.random.Generator, dtype: npt.DTypeLike = np.float32) -> Parameters:
        """Fresh weights."""
        return together(self.member, [self.member.init(rng, dtype) for _ in range(self.count)])

    def parts(self, parameters: Parameters) -> list[Parameters]:
        """Each member's weights, or gradients: views."""
        return [parameters.part(name) for name in self.names()]

    def states(self, state: State) -> list[State]:
        """Each member's part of a state: its layers."""
        size = self.member.num_layers
        return [state[k * size : (k + 1) * size] for k in range(self.count)]

    def _each(
        self, parameters: Parameters, state: State, workspace: Workspace
    ) -> list[tuple[Parameters, State, Workspace]]:
        """Each member's weights, state and buffers."""
        places = [workspace.child(name) for name in self.names()]
        return list(zip(self.parts(parameters), self.states(state), places, strict=True))


@dataclass(frozen=True)
class Ensemble(Average[SequenceModel]):
    """Networks that predict symbols at every step, or labels of what they read.

    Its outputs are ln p: their softmax is p again; of members whose outputs are a yes or a no each,
    ln p - ln(1 - p): their σ is. Its state is the members' layers, one after the other. The
    gradient here is for learning on the way (:mod:`charrnn.evaluation.dynamic`).

    Raises:
        ValueError: there is none, or they predict numbers.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.member.loss == "squared":
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
    def body(self) -> Body:
        """The body of each member."""
        return self.member.body

    def zero_state(self, batch_size: int, dtype: npt.DTypeLike = np.float32) -> State:
        """The state before anything has been read."""
        return self.member.zero_state(batch_size, dtype) * self.count

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


@dataclass(frozen=True)
class Translators(Average[Translator]):
    """Encoders and decoders that write one target together.

    Its outputs are ln p. Its memory has the members' features side by side, its state their layers
    one after the other.
    """

    @property
    def target_size(self) -> int:
        """V."""
        return self.member.target_size

    def encode(
        self, parameters: Parameters, source: Array, lengths: Array, workspace: Workspace
    ) -> tuple[Array, State, None]:
        """As :meth:`charrnn.nn.translator.Translator.encode`; memory ``(S, B, N·F)``."""
        found = [
            self.member.encode(w, source, lengths, workspace.child(name))
            for name, w in zip(self.names(), self.parts(parameters), strict=True)
        ]
        memory = np.concatenate([own for own, _, _ in found], axis=-1)
        return memory, tuple(layer for _, own, _ in found for layer in own), None

    def decode(
        self,
        parameters: Parameters,
        previous: Array,
        state: State,
        memory: Array,
        lengths: Array,
        workspace: Workspace,
    ) -> tuple[Array, State]:
        """As :meth:`charrnn.nn.translator.Translator.decode`."""
        memories = np.split(memory, self.count, axis=-1)
        y = np.empty((self.count, *previous.shape, self.target_size), parameters.dtype)
        final: State = ()
        for k, (w, own, place) in enumerate(self._each(parameters, state, workspace)):
            y[k], after = self.member.decode(w, previous, own, memories[k], lengths, place)
            final += after
        return log_mean(y, "softmax"), final

    def sum_loss(
        self,
        parameters: Parameters,
        batch: Translations,
        workspace: Workspace,
        *,
        gradients: Parameters | None = None,
        rng: np.random.Generator | None = None,
    ) -> Loss:
        """-Σ ln p(target) over a batch; nothing is dropped, whatever ``rng``.

        Raises:
            ValueError: gradients are wanted; members are trained one by one.
        """
        if gradients is not None:
            raise ValueError("an average of translators has no gradients")
        memory, state, _ = self.encode(parameters, batch.source, batch.lengths, workspace)
        y, final = self.decode(parameters, batch.previous, state, memory, batch.lengths, workspace)
        rows = y.reshape(-1, self.target_size)
        total = softmax_cross_entropy(rows, batch.targets.reshape(-1), batch.weights.reshape(-1))
        return Loss(total, final, ())


@dataclass(frozen=True)
class Generators(Average[Conditional]):
    """Networks that write a text of a kind together; the label sets the state of each."""

    @property
    def generator(self) -> Ensemble:
        """The networks that write."""
        return Ensemble(self.member.generator, self.count)

    def initial_state(self, parameters: Parameters, labels: Array) -> State:
        """As :meth:`charrnn.nn.conditional.Conditional.initial_state`, member by member."""
        found = (self.member.initial_state(w, labels) for w in self.parts(parameters))
        return tuple(layer for state in found for layer in state)

    def sum_loss(
        self,
        parameters: Parameters,
        batch: Labelled,
        workspace: Workspace,
        *,
        gradients: Parameters | None = None,
        rng: np.random.Generator | None = None,
    ) -> Loss:
        """-Σ ln p(target) over a batch; nothing is dropped, whatever ``rng``.

        Raises:
            ValueError: gradients are wanted; members are trained one by one.
        """
        if gradients is not None:
            raise ValueError("an average of generators has no gradients")
        state = self.initial_state(parameters, batch.labels)
        sequences = Sequences(batch.x, batch.targets, state, batch.lengths, each=True)
        loss = self.generator.sum_loss(parameters, sequences, workspace)
        each = of_sequences(batch, loss.total)
        return loss._replace(total=each if batch.each else each.sum())


LanguageNetwork = SequenceModel | Ensemble
"""The networks that can be a language model."""


def average_of(member: OneNetwork, count: int) -> Ensemble | Translators | Generators:
    """The average of ``count`` networks of one kind."""
    if isinstance(member, Translator):
        return Translators(member, count)
    if isinstance(member, Conditional):
        return Generators(member, count)
    return Ensemble(member, count)


def together(member: OneNetwork, weights: Sequence[Parameters]) -> Parameters:
    """The weights of the average of networks of one kind: copies of theirs."""
    average = average_of(member, len(weights))
    parameters = Parameters(average.shapes(), weights[0].dtype)
    for name, own in zip(average.names(), weights, strict=True):
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
