"""The network of the notes: symbols or vectors in, a stack of recurrent layers, a linear head."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.nn.cells import Cell
from charrnn.nn.init import glorot, unit_rows
from charrnn.nn.layers import Dropout, Recurrent, Stack, StackSaved
from charrnn.nn.linear import affine, affine_backward
from charrnn.nn.losses import softmax_cross_entropy
from charrnn.nn.ops import check_symbols, rows, scatter_rows
from charrnn.nn.parameters import Parameters
from charrnn.nn.types import Array, State, Weights
from charrnn.nn.workspace import Ticket, Workspace

__all__ = ["SequenceModel"]

HEAD_ELEMENTS = 1 << 20
"""The head works on this many logits at a time, so that a large vocabulary costs no memory."""


@dataclass(frozen=True)
class ModelSaved:
    """What a forward pass leaves for the backward pass."""

    x: Array  # (T, B) symbols, or (T, B, D)
    features: Array  # (T, B, F), what the head reads; the symbols themselves where nothing is below
    stack: StackSaved
    workspace: Workspace
    ticket: Ticket


@dataclass(frozen=True)
class SequenceModel:
    """y_t = h_t·W + b over a stack of recurrent layers; with no layers, the head alone.

    Symbols (integers) enter as one-hot rows, or through a learned embedding; vectors enter as they
    are. With ``num_layers=0`` this is note 000's regression on x_t.

    Args:
        input_size: V, the number of symbols, or D, the width of the vectors.
        output_size: how many numbers come out at each step.
        cell: the recurrence of every layer.
        num_layers: L.
        embedding_size: the width of the learned embedding of symbols; 0 for one-hot rows.
        dropout: the probability of dropping an output of a layer while training.
        input: ``"symbols"`` or ``"vectors"``: what the first matrix will read decides how it is
            drawn.
    """

    input_size: int
    output_size: int
    cell: Cell[Any]
    num_layers: int = 1
    embedding_size: int = 0
    dropout: float = 0.0
    input: str = "symbols"

    def __post_init__(self) -> None:
        if (
            min(self.input_size, self.output_size) < 1
            or min(self.num_layers, self.embedding_size) < 0
        ):
            raise ValueError(f"not a network: {self}")
        if self.input not in ("symbols", "vectors"):
            raise ValueError(f"input must be 'symbols' or 'vectors', got {self.input!r}")

    @property
    def stack(self) -> Stack:
        """The recurrent layers."""
        size, reads = self.input_size, self.input
        if self.embedding_size:
            size, reads = self.embedding_size, "vectors"
        layers = []
        for _ in range(self.num_layers):
            layers.append(Recurrent(self.cell, size, reads))
            size, reads = self.cell.hidden_size, "vectors"
        return Stack(tuple(layers), Dropout(self.dropout))

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Every tensor by name: ``embedding.W``, ``body.0.W_x``, ..., ``head.W``, ``head.b``."""
        shapes: dict[str, tuple[int, ...]] = {}
        if self.embedding_size:
            shapes["embedding.W"] = (self.input_size, self.embedding_size)
        for number, layer in enumerate(self.stack.layers):
            shapes |= {f"body.{number}.{name}": shape for name, shape in layer.shapes().items()}
        size = self.embedding_size or self.input_size
        if self.num_layers:
            size = self.cell.hidden_size
        shapes["head.W"] = (size, self.output_size)
        shapes["head.b"] = (self.output_size,)
        return shapes

    def init(self, rng: np.random.Generator, dtype: npt.DTypeLike = np.float32) -> Parameters:
        """Fresh weights, as :mod:`charrnn.nn.init` draws them; forget gates open."""
        parameters = Parameters(self.shapes(), dtype)
        if self.embedding_size:
            shape = (self.input_size, self.embedding_size)
            parameters["embedding.W"][...] = unit_rows(rng, shape)
        for number, layer in enumerate(self.stack.layers):
            for name, value in layer.init(rng).items():
                parameters[f"body.{number}.{name}"][...] = value
        head = parameters["head.W"]
        head[...] = glorot(rng, (head.shape[0], head.shape[1]))
        return parameters

    def zero_state(self, batch_size: int, dtype: npt.DTypeLike = np.float32) -> State:
        """The state before anything has been read, for ``batch_size`` sequences."""
        return tuple(
            self.cell.zero_state(batch_size, np.dtype(dtype)) for _ in range(self.num_layers)
        )

    def forward(
        self,
        parameters: Parameters,
        x: Array,
        state: State,
        workspace: Workspace | None = None,
        rng: np.random.Generator | None = None,
    ) -> tuple[Array, State, ModelSaved]:
        """Outputs for every step.

        Args:
            parameters: of :meth:`shapes`; their dtype is that of all that is computed.
            x: symbols ``(T, B)`` or vectors ``(T, B, D)``.
            state: from :meth:`zero_state` or an earlier call.
            workspace: buffers to reuse; fresh ones if not given.
            rng: draws the dropout masks; without it nothing is dropped.

        Returns:
            Outputs ``(T, B, output_size)`` (a view, valid until the next call with this workspace),
            the final state, and what :meth:`backward` needs.

        Raises:
            ValueError: nothing to read, a symbol out of range, or a state that does not fit.
        """
        final, saved = self._features(parameters, x, state, workspace or Workspace(), rng)
        shape = (*x.shape[:2], self.output_size)
        y = saved.workspace.array("y", shape, parameters.dtype)
        affine(parameters["head.W"], parameters["head.b"], saved.features, out=y)
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
            dy: ``(T, B, output_size)``, the gradient by the outputs.
            dstate: the gradient by the final state; nothing means zero.

        Returns:
            The gradient by ``x`` (nothing for symbols) and by the initial state.

        Raises:
            StaleBackwardError: the workspace has been used since.
        """
        saved.ticket.redeem()
        dfeatures = self._dfeatures(parameters, saved)
        affine_backward(
            parameters["head.W"],
            gradients["head.W"],
            gradients["head.b"],
            saved.features,
            dy,
            dfeatures,
        )
        return self._features_backward(parameters, gradients, dfeatures, dstate, saved)

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

        The head and the loss go through time in pieces (:data:`HEAD_ELEMENTS`), so that the logits
        of a large vocabulary never stand in memory all at once. The gradient by the final state is
        taken as zero: backpropagation through time, truncated at the edge of the chunk.

        Args:
            targets: ``(T, B)`` integers below ``output_size``.
            gradients: overwritten by the gradients of the sum; without it none are computed.

        Returns:
            The sum in nats and the final state.

        Raises:
            ValueError: as :meth:`forward`; or a target out of range.
        """
        num_steps, batch_size = x.shape[:2]
        if targets.shape != (num_steps, batch_size):
            raise ValueError(f"targets must be {num_steps, batch_size}, got {targets.shape}")
        check_symbols(targets, self.output_size)
        final, saved = self._features(parameters, x, state, workspace, rng)
        W, b = parameters["head.W"], parameters["head.b"]
        dfeatures = self._dfeatures(parameters, saved) if gradients is not None else None
        piece = max(1, min(num_steps, HEAD_ELEMENTS // (batch_size * self.output_size)))
        logits = workspace.array("y", (piece, batch_size, self.output_size), parameters.dtype)
        total: Any = 0.0
        for start in range(0, num_steps, piece):
            part = slice(start, min(start + piece, num_steps))
            y = logits[: part.stop - start]
            affine(W, b, saved.features[part], out=y)
            total = total + softmax_cross_entropy(rows(y), targets[part].reshape(-1))
            if gradients is None:
                continue
            dx = None if dfeatures is None else dfeatures[part]
            if start == 0:
                dW, db = gradients["head.W"], gradients["head.b"]
                affine_backward(W, dW, db, saved.features[part], y, dx)
            else:
                dW = workspace.array("dW", W.shape, parameters.dtype)
                db = workspace.array("db", b.shape, parameters.dtype)
                affine_backward(W, dW, db, saved.features[part], y, dx)
                gradients["head.W"][...] += dW
                gradients["head.b"][...] += db
        if gradients is not None:
            self._features_backward(parameters, gradients, dfeatures, None, saved)
        return total, final

    def _features(
        self,
        parameters: Parameters,
        x: Array,
        state: State,
        workspace: Workspace,
        rng: np.random.Generator | None,
    ) -> tuple[State, ModelSaved]:
        if not x.size:
            raise ValueError(f"expected at least one step of one sequence, got shape {x.shape}")
        ticket = workspace.ticket()
        features = x
        if self.embedding_size:
            shape = (*x.shape, self.embedding_size)
            features = workspace.array("embedded", shape, parameters.dtype)
            affine(parameters["embedding.W"], None, x, out=features)
        body = self._body(parameters)
        features, final, saved = self.stack.forward(body, features, state, workspace, rng)
        return final, ModelSaved(x, features, saved, workspace, ticket)

    def _features_backward(
        self,
        parameters: Parameters,
        gradients: Parameters,
        dfeatures: Array | None,
        dstate: State | None,
        saved: ModelSaved,
    ) -> tuple[Array | None, State]:
        if dfeatures is None:  # the head alone, on symbols
            return None, ()
        body, body_gradients = self._body(parameters), self._body(gradients)
        dx, dinitial = self.stack.backward(body, body_gradients, dfeatures, dstate, saved.stack)
        if self.embedding_size and dx is not None:
            scatter_rows(saved.x.reshape(-1), rows(dx), gradients["embedding.W"])
            dx = None
        return dx, dinitial

    def _dfeatures(self, parameters: Parameters, saved: ModelSaved) -> Array | None:
        """A buffer for the gradient by the features, unless they are symbols."""
        if saved.features.dtype.kind in "iu":
            return None
        return saved.workspace.array("dfeatures", saved.features.shape, parameters.dtype)

    def _body(self, parameters: Parameters) -> tuple[Weights, ...]:
        return tuple(parameters.scope(f"body.{number}") for number in range(self.num_layers))
