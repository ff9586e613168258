"""The body of a network: symbols or vectors in, through an embedding and a stack of layers."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.nn.cells import Cell
from charrnn.nn.init import unit_rows
from charrnn.nn.layers import Bidirectional, Layer, Recurrent, check_lengths
from charrnn.nn.linear import affine
from charrnn.nn.ops import rows, scatter_rows
from charrnn.nn.stack import Dropout, Stack, StackSaved
from charrnn.nn.types import Array, State, Weights
from charrnn.nn.workspace import Workspace

__all__ = ["Body", "BodySaved"]

DIRECTIONS = ("forward", "both")


@dataclass(frozen=True)
class BodySaved:
    """What a forward pass saves for the backward pass."""

    x: Array  # (T, B) symbols, or (T, B, D)
    stack: StackSaved


@dataclass(frozen=True)
class Body:
    """Recurrent layers over an input; with no layers, the input itself.

    Symbols (integers) enter as one-hot rows, or through a learned embedding; vectors enter as they
    are.

    Args:
        input_size: V, the number of symbols, or D, the width of the vectors.
        cell: the recurrence of every layer.
        num_layers: L.
        embedding_size: the width of the learned embedding of symbols; 0 for one-hot rows.
        dropout: the probability of dropping an output of a layer while training.
        input: ``"symbols"`` or ``"vectors"``: what the first matrix reads, which decides its
            initial values.
        directions: ``"forward"``, or ``"both"`` for bidirectional layers, whose outputs are 2H
            wide.
        mask: ``"step"`` or ``"sequence"``: how long a dropout mask is used.

    Raises:
        ValueError: a size or a word is out of range.
    """

    input_size: int
    cell: Cell[Any]
    num_layers: int = 1
    embedding_size: int = 0
    dropout: float = 0.0
    input: str = "symbols"
    directions: str = "forward"
    mask: str = "step"

    def __post_init__(self) -> None:
        if not isinstance(self.cell, Cell):
            raise TypeError(
                f"cell must be a Cell, got {self.cell!r}; charrnn.cell('rnn', 64) makes one"
            )
        if self.input_size < 1 or min(self.num_layers, self.embedding_size) < 0:
            raise ValueError(f"not a network: {self}")
        if self.input not in ("symbols", "vectors"):
            raise ValueError(f"input must be 'symbols' or 'vectors', got {self.input!r}")
        if self.directions not in DIRECTIONS:
            raise ValueError(f"directions must be 'forward' or 'both', got {self.directions!r}")

    @property
    def output_size(self) -> int:
        """The width of the features; the number of symbols without embedding and layers."""
        if self.num_layers:
            return self.cell.hidden_size * (1 + (self.directions == "both"))
        return self.embedding_size or self.input_size

    @property
    def state_names(self) -> tuple[str, ...]:
        """The parts of each layer's state."""
        return self.stack.layers[0].state_names if self.num_layers else ()

    @property
    def stack(self) -> Stack:
        """The recurrent layers."""
        size, reads = self.input_size, self.input
        if self.embedding_size:
            size, reads = self.embedding_size, "vectors"
        layers: list[Layer] = []
        for _ in range(self.num_layers):
            layer = Recurrent(self.cell, size, reads)
            layers.append(Bidirectional(layer) if self.directions == "both" else layer)
            size, reads = layers[-1].output_size, "vectors"
        return Stack(tuple(layers), Dropout(self.dropout, self.mask))

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of all tensors, by name: ``embedding.W``, ``body.0.W_x``, ..."""
        shapes: dict[str, tuple[int, ...]] = {}
        if self.embedding_size:
            shapes["embedding.W"] = (self.input_size, self.embedding_size)
        for number, layer in enumerate(self.stack.layers):
            shapes |= {f"body.{number}.{name}": shape for name, shape in layer.shapes().items()}
        return shapes

    def init(self, rng: np.random.Generator) -> dict[str, Array]:
        """Initial values of :meth:`shapes`, as :mod:`charrnn.nn.init` draws them, float64."""
        values: dict[str, Array] = {}
        if self.embedding_size:
            values["embedding.W"] = unit_rows(rng, (self.input_size, self.embedding_size))
        for number, layer in enumerate(self.stack.layers):
            values |= {f"body.{number}.{name}": value for name, value in layer.init(rng).items()}
        return values

    def zero_state(self, batch_size: int, dtype: npt.DTypeLike = np.float32) -> State:
        """The state before anything has been read, for ``batch_size`` sequences."""
        return tuple(layer.zero_state(batch_size, np.dtype(dtype)) for layer in self.stack.layers)

    def forward(
        self,
        w: Weights,
        x: Array,
        state: State,
        workspace: Workspace,
        rng: np.random.Generator | None = None,
        lengths: Array | None = None,
    ) -> tuple[Array, State, BodySaved]:
        """The features ``(T, B, F)``, the final state, and what :meth:`backward` needs.

        Args:
            w: views of :meth:`shapes`.
            x: symbols ``(T, B)`` or vectors ``(T, B, D)``.
            state: from :meth:`zero_state` or an earlier call.
            workspace: owns the buffers.
            rng: draws the dropout masks; None means no dropout.
            lengths: ``(B,)``, longest first; all T if not given.

        Raises:
            ValueError: nothing to read, a symbol out of range, or a state that does not fit.
        """
        if not x.size:
            raise ValueError(f"expected at least one step of one sequence, got shape {x.shape}")
        check_lengths(lengths, *x.shape[:2])  # there may be no layer that checks them
        features = x
        if self.embedding_size:
            W = w["embedding.W"]
            features = workspace.array("embedded", (*x.shape, self.embedding_size), W.dtype)
            affine(W, None, x, out=features)
        features, final, saved = self.stack.forward(
            self._layers(w), features, state, workspace, rng, lengths
        )
        return features, final, BodySaved(x, saved)

    def backward(
        self, w: Weights, g: Weights, dfeatures: Array, dstate: State | None, saved: BodySaved
    ) -> tuple[Array | None, State]:
        """Undo :meth:`forward`, once: overwrite the gradients ``g``.

        Args:
            dfeatures: ``(T, B, F)``, used as scratch.
            dstate: the gradient by the final state; None means zero.

        Returns:
            The gradient by ``x`` (None for symbols) and by the initial state.

        Raises:
            StaleBackwardError: the workspace has been used since the forward pass.
        """
        dx, dinitial = self.stack.backward(
            self._layers(w), self._layers(g), dfeatures, dstate, saved.stack
        )
        if self.embedding_size and dx is not None:
            scatter_rows(saved.x.reshape(-1), rows(dx), g["embedding.W"])
            dx = None
        return dx, dinitial

    def _layers(self, w: Weights) -> tuple[Weights, ...]:
        views: list[dict[str, Array]] = [{} for _ in range(self.num_layers)]
        for name in w:
            if name.startswith("body."):
                _, number, rest = name.split(".", 2)
                views[int(number)][rest] = w[name]
        return tuple(views)
