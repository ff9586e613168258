"""The network of the notes: symbols or vectors in, a stack of recurrent layers, a linear head.

The head computes some steps at a time, so that the logits of thousands of symbols are never all in
memory at once.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from charrnn.nn.body import Body, BodySaved
from charrnn.nn.cells import Cell
from charrnn.nn.chain import Chain
from charrnn.nn.head import Head
from charrnn.nn.losses import check_targets
from charrnn.nn.parameters import Parameters
from charrnn.nn.readouts import READOUTS, read_out, read_out_backward
from charrnn.nn.types import Array, State, Weights
from charrnn.nn.wide import Features, wide_backward, wide_forward
from charrnn.nn.workspace import Ticket, Workspace

__all__ = ["Loss", "ModelSaved", "SequenceModel", "Sequences"]

TIED_SCALE = 0.1
"""The scale of a tied embedding's initial rows (docs/log.md)."""


class Loss(NamedTuple):
    """The result of a batch, besides the gradients of the weights."""

    total: Any  # the sum over all positions; if asked, each one's loss
    final: State  # the state at the end of each sequence
    dinitial: State  # the gradient by the initial state; empty if not asked for


@dataclass(frozen=True)
class Sequences:
    """A batch of B sequences, side by side.

    Args:
        x: symbols ``(T, B)`` or vectors ``(T, B, D)``.
        targets: what the outputs are compared with: a number for each of ``(T, B)``, ``(B,)`` or
            ``(N,)``, depending on the read-out, or a row of K numbers for each.
        state: the initial state.
        lengths: ``(B,)``, longest first; all T if not given.
        spans: ``(N, 3)`` lane, first and last step: the spans that the head reads.
        weights: the weight of each target; steps beyond an end never count.
        each: whether the loss of each target is asked for, instead of the sum.
        loss: another loss than the network's own, if given.
        features: those of each target, for a network that has a map of them.
        alone: whether the map of features, and the chain of tags, take no part and learn nothing.
    """

    x: Array
    targets: Array
    state: State
    lengths: Array | None = None
    spans: Array | None = None
    weights: Array | None = None
    each: bool = False
    loss: str = ""
    features: Features | None = None
    alone: bool = False

    @property
    def size(self) -> int:
        """B."""
        return int(self.x.shape[1])


@dataclass(frozen=True)
class ModelSaved:
    """What a forward pass saves for the backward pass."""

    features: Array  # (T, B, F), what the head reads; or the symbols themselves
    body: BodySaved
    workspace: Workspace
    ticket: Ticket


@dataclass(frozen=True)
class SequenceModel:
    """y_t = h_t·W + b over a stack of recurrent layers; with no layers, the head alone.

    Symbols (integers) enter as one-hot rows, or through a learned embedding; vectors enter as they
    are. With ``num_layers=0`` this is note 000's regression on x_t.

    Args:
        input_size: V, the number of symbols, or D, the width of the vectors.
        output_size: the number of outputs at each step.
        cell: the recurrence of every layer.
        num_layers: L.
        embedding_size: the width of the learned embedding of symbols; 0 for one-hot rows.
        dropout: the probability of dropping an output of a layer while training.
        input: ``"symbols"`` or ``"vectors"``: what the first matrix reads, which decides its
            initial values.
        directions: ``"forward"``, or ``"both"`` for bidirectional layers.
        readout: what the head reads, see :func:`charrnn.nn.readouts.read_out`.
        loss: the loss of training, see :mod:`charrnn.nn.losses`; or ``"chain"``, for the tags of
            spans (:mod:`charrnn.nn.chain`): its outputs are then ln p of each tag.
        tied: the head's W is the transpose of the embedding, which is then as wide as a layer:
            y_t = E·h_t + b. Press and Wolf (2017), "Using the output embedding to improve language
            models".
        mask: ``"step"`` or ``"sequence"``: how long a dropout mask is used.
        wide: D, how many sparse features of each target are mapped to the outputs as well, see
            :mod:`charrnn.nn.wide`; 0 for none.

    Raises:
        ValueError: a size or a word is out of range, or the tied matrices do not fit.
    """

    input_size: int
    output_size: int
    cell: Cell[Any]
    num_layers: int = 1
    embedding_size: int = 0
    dropout: float = 0.0
    input: str = "symbols"
    directions: str = "forward"
    readout: str = "steps"
    loss: str = "softmax"
    tied: bool = False
    mask: str = "step"
    wide: int = 0

    def __post_init__(self) -> None:
        if self.output_size < 1 or self.wide < 0:
            raise ValueError(f"not a network: {self}")
        if self.readout not in READOUTS:
            raise ValueError(f"readout must be one of {', '.join(READOUTS)}, got {self.readout!r}")
        if self.readout != "steps" and not self.reads_vectors:
            raise ValueError("symbols themselves can only be read out at every step")
        if self.loss == "chain" and self.readout != "spans":
            raise ValueError("only the tags of spans are a chain")
        _ = self.body, self.head  # which check their arguments
        tie = (self.input_size, self.body.output_size)
        if self.tied and tie != (self.output_size, self.embedding_size):
            raise ValueError(
                "a tied head needs an embedding as wide as what it reads, and as many outputs as "
                f"symbols: {self}"
            )

    @property
    def body(self) -> Body:
        """What is below the head."""
        return Body(
            self.input_size,
            self.cell,
            self.num_layers,
            self.embedding_size,
            self.dropout,
            self.input,
            self.directions,
            self.mask,
        )

    @property
    def head(self) -> Head:
        """The map from features to outputs."""
        loss = "softmax" if self.loss == "chain" else self.loss
        return Head(self.body.output_size, self.output_size, loss)

    @property
    def reads_vectors(self) -> bool:
        """Whether the head reads vectors, and not the symbols themselves."""
        return bool(self.num_layers or self.embedding_size) or self.input == "vectors"

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of all tensors by name: ``embedding.W``, ``body.0.W_x``, ..., ``head.b``."""
        head = {f"head.{name}": shape for name, shape in self.head.shapes().items()}
        if self.tied:
            del head["head.W"]
        if self.wide:
            head["wide.W"] = (self.wide, self.output_size)
        if self.loss == "chain":
            head["chain.W"] = (self.output_size, self.output_size)
        return self.body.shapes() | head

    def init(self, rng: np.random.Generator, dtype: npt.DTypeLike = np.float32) -> Parameters:
        """Fresh weights, as :mod:`charrnn.nn.init` draws them; forget gates open."""
        parameters = Parameters(self.shapes(), dtype)
        parameters.fill(self.body.init(rng))
        head = self.head.init(rng)
        if self.tied:
            del head["W"]
            # Rows of order one would make logits of order √H.
            parameters["embedding.W"][...] *= TIED_SCALE
        parameters.fill(head, "head")
        return parameters

    def head_weights(self, parameters: Parameters) -> dict[str, Array]:
        """W (F, K) and b (K,) of the head, wherever they are: views."""
        w = dict(parameters.scope("head"))
        if self.tied:
            w["W"] = parameters["embedding.W"].T
        return w

    def _head_gradients(self, gradients: Parameters, workspace: Workspace) -> dict[str, Array]:
        """Buffers for the head's gradients; a tied W has one of its own."""
        g = dict(gradients.scope("head"))
        if self.tied:
            shape = gradients["embedding.W"].shape[::-1]
            g["W"] = workspace.array("tied", shape, gradients.dtype)
        return g

    def zero_state(self, batch_size: int, dtype: npt.DTypeLike = np.float32) -> State:
        """The state before anything has been read, for ``batch_size`` sequences."""
        return self.body.zero_state(batch_size, dtype)

    def forward(
        self,
        parameters: Parameters,
        x: Array,
        state: State,
        workspace: Workspace | None = None,
        rng: np.random.Generator | None = None,
        lengths: Array | None = None,
    ) -> tuple[Array, State, ModelSaved]:
        """Outputs for every step, whatever the read-out.

        Args:
            parameters: of :meth:`shapes`; their dtype is that of all that is computed.
            x: symbols ``(T, B)`` or vectors ``(T, B, D)``.
            state: from :meth:`zero_state` or an earlier call.
            workspace: buffers to reuse; fresh ones if not given.
            rng: draws the dropout masks; None means no dropout.
            lengths: ``(B,)``, longest first; all T if not given.

        Returns:
            Outputs ``(T, B, output_size)`` (a view, valid until the next call with this workspace),
            the final state, and what :meth:`backward` needs.

        Raises:
            ValueError: there is nothing to read, a symbol is out of range, or the state is wrong.
        """
        final, saved = self._features(parameters, x, state, workspace or Workspace(), rng, lengths)
        y = self.head.forward(self.head_weights(parameters), saved.features, saved.workspace)
        return y, final, saved

    def backward(
        self,
        parameters: Parameters,
        gradients: Parameters,
        dy: Array,
        dstate: State | None,
        saved: ModelSaved,
    ) -> tuple[Array | None, State]:
        """Undo :meth:`forward`, once: overwrite ``gradients``.

        Args:
            dy: ``(T, B, output_size)``, the gradient by the outputs. If sequences have different
                lengths, it must be zero beyond their ends.
            dstate: the gradient by the final state; None means zero.

        Returns:
            The gradient by ``x`` (None for symbols) and by the initial state.

        Raises:
            StaleBackwardError: the workspace has been used since the forward pass.
        """
        saved.ticket.redeem()
        dfeatures = self._dfeatures(parameters, saved)
        w, g = self.head_weights(parameters), self._head_gradients(gradients, saved.workspace)
        self.head.backward(w, g, saved.features, dy, dfeatures)
        return self._features_backward(parameters, gradients, g, dfeatures, dstate, saved)

    def outputs(self, parameters: Parameters, batch: Sequences, workspace: Workspace) -> Array:
        """The outputs ``(N, K)`` for what the head reads of a batch, without dropout; a view."""
        _, saved = self._features(parameters, batch.x, batch.state, workspace, None, batch.lengths)
        x, _ = self._read(saved.features, batch)
        y = self.head.forward(self.head_weights(parameters), x, workspace)
        beside = self._beside(parameters, batch, len(x))
        if beside is not None:
            y += beside
        if self.loss == "chain" and not batch.alone:
            return self._chain(parameters, y, batch).log_marginals
        return y

    def cross_entropy(
        self,
        parameters: Parameters,
        x: Array,
        targets: Array,
        state: State,
        workspace: Workspace,
        *,
        gradients: Parameters | None = None,
        rng: np.random.Generator | None = None,
    ) -> tuple[Any, State]:
        """-Σ ln softmax(y_t)[target_t] over all steps and sequences, and its gradients.

        What a language model needs of :meth:`sum_loss`: the gradient by the final state is zero and
        that by the initial state is dropped. This is backpropagation through time, truncated at the
        edges of the chunk.

        Args:
            targets: ``(T, B)`` integers below ``output_size``.
            gradients: overwritten by the gradients of the sum; if None, they are not computed.

        Returns:
            The sum in nats and the final state.

        Raises:
            ValueError: as for :meth:`forward`, or a target is out of range.
        """
        batch = Sequences(x, targets, state)
        loss = self.sum_loss(parameters, batch, workspace, gradients=gradients, rng=rng)
        return loss.total, loss.final

    def sum_loss(
        self,
        parameters: Parameters,
        batch: Sequences,
        workspace: Workspace,
        *,
        gradients: Parameters | None = None,
        rng: np.random.Generator | None = None,
    ) -> Loss:
        """The loss of a batch, summed over all that the head reads, and its gradients.

        Args:
            parameters: of :meth:`shapes`.
            batch: input, targets, initial state.
            workspace: owns the buffers.
            gradients: overwritten by the gradients of the sum; if None, they are not computed.
            rng: draws the dropout masks; None means no dropout.

        Raises:
            ValueError: as for :meth:`forward`, or the targets do not fit.
        """
        x, state, lengths = batch.x, batch.state, batch.lengths
        final, saved = self._features(parameters, x, state, workspace, rng, lengths)
        rows, reading = self._read(saved.features, batch)
        heads = x.shape[:2] if self.readout == "steps" else rows.shape[:1]
        loss = batch.loss or self.loss
        if batch.alone and loss == "chain":
            loss = "softmax"
        check_targets(loss, batch.targets, heads, self.output_size)
        targets = batch.targets.reshape(len(rows), *batch.targets.shape[len(heads) :])
        weights = self._weights(batch, heads)
        dfeatures = self._dfeatures(parameters, saved) if gradients is not None else None
        drows = dfeatures
        if dfeatures is not None:
            flat = dfeatures.reshape(-1, dfeatures.shape[-1])
            drows = flat if self.readout == "steps" else np.empty_like(rows)
        w = self.head_weights(parameters)
        g = None if gradients is None else self._head_gradients(gradients, workspace)
        beside = self._beside(parameters, batch, len(rows))
        if loss == "chain":
            total = self._sum_of_chain(
                parameters, gradients, g, rows, targets, drows, workspace, batch, beside
            )
        else:
            total = self.head.sum_loss(
                w,
                g,
                rows,
                targets,
                weights,
                drows,
                workspace,
                loss=loss,
                each=batch.each,
                beside=beside,
            )
        if batch.each:
            total = total.reshape(heads)
        dinitial: State = ()
        if gradients is not None and g is not None:
            if dfeatures is not None and drows is not None:
                read_out_backward(reading, drows, dfeatures)
            if batch.alone:
                for name in {"wide.W", "chain.W"} & set(gradients):
                    gradients[name][...] = 0
            elif beside is not None and batch.features is not None:
                wide_backward(gradients["wide.W"], beside, batch.features)
            _, dinitial = self._features_backward(parameters, gradients, g, dfeatures, None, saved)
        return Loss(total, final, dinitial)

    def _chain(self, parameters: Parameters, y: Array, batch: Sequences) -> Chain:
        assert batch.spans is not None
        return Chain(parameters["chain.W"], y, batch.spans[:, 0])

    def _sum_of_chain(
        self,
        parameters: Parameters,
        gradients: Parameters | None,
        g: dict[str, Array] | None,
        rows: Array,
        targets: Array,
        drows: Array | None,
        workspace: Workspace,
        batch: Sequences,
        beside: Array | None,
    ) -> Any:
        """:meth:`charrnn.nn.head.Head.sum_loss` where the tags of a sentence are a chain."""
        w = self.head_weights(parameters)
        y = self.head.forward(w, rows, workspace)
        if beside is not None:
            y += beside
        chain = self._chain(parameters, y, batch)
        total = chain.nats(targets)
        if gradients is not None and g is not None:
            dy, dW = chain.gradients(targets)
            gradients["chain.W"][...] = dW
            y[...] = dy
            self.head.backward(w, g, rows, y, drows)
            if beside is not None:
                beside[...] = y
        return total

    def part(self, batch: Sequences, lanes: slice) -> Sequences:
        """Some of a batch's sequences as a batch of their own."""
        state = tuple(tuple(array[lanes] for array in layer) for layer in batch.state)
        targets, spans, weights = batch.targets, batch.spans, batch.weights
        chosen: Any = (slice(None), lanes) if self.readout == "steps" else lanes
        if spans is not None:
            number = np.full(batch.size, -1)
            number[lanes] = np.arange(len(number[lanes]))
            chosen = number[spans[:, 0]] >= 0
            spans = np.stack([number[spans[:, 0]], spans[:, 1], spans[:, 2]], axis=1)[chosen]
        features = None if batch.features is None else batch.features.part(chosen)
        lengths = None if batch.lengths is None else batch.lengths[lanes]
        x, targets = batch.x[:, lanes], targets[chosen]
        weights = None if weights is None else weights[chosen]
        if lengths is not None:  # the longest sequence may be in another part
            x = x[: lengths[0]]
            if self.readout == "steps":
                targets = targets[: lengths[0]]
                weights = None if weights is None else weights[: lengths[0]]
        return Sequences(
            *(x, targets, state, lengths, spans, weights),
            *(batch.each, batch.loss, features, batch.alone),
        )

    def _beside(self, parameters: Parameters, batch: Sequences, count: int) -> Array | None:
        """What the map of sparse features adds to the outputs, ``(count, K)``; None without one."""
        if not self.wide or batch.alone:
            return None
        if batch.features is None or batch.features.count != count:
            raise ValueError(f"this network needs sparse features of each of {count} targets")
        return wide_forward(parameters["wide.W"], batch.features)

    def _read(self, features: Array, batch: Sequences) -> tuple[Array, Any]:
        return read_out(
            self.readout, features, batch.lengths, batch.spans, both=self.directions == "both"
        )

    def _weights(self, batch: Sequences, heads: tuple[int, ...]) -> Array | None:
        """The weight of each row that the head reads: zero beyond the end of a sequence."""
        weights = batch.weights
        if weights is not None and weights.shape != heads:
            raise ValueError(f"weights must be {heads}, got {weights.shape}")
        if self.readout == "steps" and batch.lengths is not None:
            inside = np.arange(heads[0])[:, None] < batch.lengths
            weights = inside.astype(np.float32) if weights is None else weights * inside
        return None if weights is None else weights.reshape(-1)

    def _features(
        self,
        parameters: Parameters,
        x: Array,
        state: State,
        workspace: Workspace,
        rng: np.random.Generator | None,
        lengths: Array | None,
    ) -> tuple[State, ModelSaved]:
        ticket = workspace.ticket()
        features, final, saved = self.body.forward(parameters, x, state, workspace, rng, lengths)
        return final, ModelSaved(features, saved, workspace, ticket)

    def _features_backward(
        self,
        parameters: Parameters,
        gradients: Parameters,
        head: Weights,
        dfeatures: Array | None,
        dstate: State | None,
        saved: ModelSaved,
    ) -> tuple[Array | None, State]:
        if dfeatures is None:  # the head alone, on symbols
            return None, ()
        result = self.body.backward(parameters, gradients, dfeatures, dstate, saved.body)
        if self.tied:
            gradients["embedding.W"][...] += head["W"].T
        return result

    def _dfeatures(self, parameters: Parameters, saved: ModelSaved) -> Array | None:
        """A buffer for the gradient by the features, unless they are symbols."""
        if saved.features.dtype.kind in "iu":
            return None
        return saved.workspace.array("dfeatures", saved.features.shape, parameters.dtype)
