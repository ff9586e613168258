"""The head: a linear map of the network's features or of its input, and a loss on it."""

from dataclasses import dataclass
from math import log
from typing import Any

import numpy as np

from charrnn.nn.init import glorot
from charrnn.nn.linear import affine, affine_backward
from charrnn.nn.losses import LOSSES
from charrnn.nn.types import Array, Weights
from charrnn.nn.workspace import Workspace

__all__ = ["Head"]

HEAD_ELEMENTS = 1 << 20
"""The head computes this many outputs at a time, to save memory with a large vocabulary."""


@dataclass(frozen=True)
class Head:
    """y = x·W + b, and one of the losses of :mod:`charrnn.nn.losses`.

    Without layers below it, this is note 000's regression: linear (``loss="squared"``), logistic
    (``"sigmoid"``) or softmax (``"softmax"``).

    Args:
        input_size: the width of what it reads, or the number of symbols.
        output_size: K.
        loss: a name in :data:`charrnn.nn.losses.LOSSES`.

    Raises:
        ValueError: there is no such loss.
    """

    input_size: int
    output_size: int
    loss: str = "softmax"

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise ValueError(f"loss must be one of {', '.join(LOSSES)}, got {self.loss!r}")

    @property
    def guess(self) -> float | None:
        """The loss per target of considering all answers equally likely, in nats.

        None where that has no meaning: for a squared error.
        """
        nats = {"softmax": log(self.output_size), "sigmoid": self.output_size * log(2)}
        return nats.get(self.loss)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of the tensors by name: ``W``, ``b``."""
        return {"W": (self.input_size, self.output_size), "b": (self.output_size,)}

    def init(self, rng: np.random.Generator) -> dict[str, Array]:
        """Initial values of :meth:`shapes`, float64."""
        W = glorot(rng, (self.input_size, self.output_size))
        return {"W": W, "b": np.zeros(self.output_size)}

    def forward(self, w: Weights, x: Array, workspace: Workspace) -> Array:
        """The outputs: ``(..., F)``, or symbols ``(...)``, to ``(..., K)``; a view."""
        rows = x.shape if x.dtype.kind in "iu" else x.shape[:-1]
        y = workspace.array("y", (*rows, self.output_size), w["W"].dtype)
        affine(w["W"], w["b"], x, out=y)
        return y

    def backward(self, w: Weights, g: Weights, x: Array, dy: Array, dx: Array | None) -> None:
        """Undo :meth:`forward`: overwrite the gradients ``g``, and ``dx`` if it is given."""
        affine_backward(w["W"], g["W"], g["b"], x, dy, dx)

    def sum_loss(
        self,
        w: Weights,
        g: Weights | None,
        x: Array,
        targets: Array,
        weights: Array | None,
        dx: Array | None,
        workspace: Workspace,
        *,
        loss: str = "",
        each: bool = False,
        beside: Array | None = None,
    ) -> Any:
        """The loss of all rows and, if ``g`` is given, its gradients.

        It works on some rows at a time (:data:`HEAD_ELEMENTS`), so that the outputs for a large
        vocabulary are never all in memory at once.

        Args:
            x: ``(N, F)``, or symbols ``(N,)``.
            targets: the targets of the N rows, in the form that the loss takes.
            weights: ``(N,)``; ones if not given.
            dx: ``(N, F)``, overwritten by the gradient by ``x``; None if that is symbols.
            loss: a name in :data:`charrnn.nn.losses.LOSSES`; the head's own if not given.
            each: whether to return each row's loss, ``(N,)``; the gradients are those of the sum.
            beside: ``(N, K)``, added to the outputs, and overwritten by the gradient by it.
        """
        piece = max(1, min(len(x), HEAD_ELEMENTS // self.output_size))
        outputs = workspace.array("y", (piece, self.output_size), w["W"].dtype)
        total: Any = np.zeros(0, w["W"].dtype) if each else 0.0
        if g is not None and not len(x):
            g["W"][...], g["b"][...] = 0, 0
        for start in range(0, len(x), piece):
            part = slice(start, min(start + piece, len(x)))
            y = outputs[: part.stop - start]
            affine(w["W"], w["b"], x[part], out=y)
            if beside is not None:
                y += beside[part]
            own = None if weights is None else weights[part]
            nats = LOSSES[loss or self.loss](y, targets[part], own, each=each)
            if beside is not None:
                beside[part] = y
            total = np.concatenate([total, nats]) if each else total + nats
            if g is None:
                continue
            dx_part = None if dx is None else dx[part]
            if start == 0:
                affine_backward(w["W"], g["W"], g["b"], x[part], y, dx_part)
                continue
            dW = workspace.array("dW", w["W"].shape, w["W"].dtype)
            db = workspace.array("db", w["b"].shape, w["b"].dtype)
            affine_backward(w["W"], dW, db, x[part], y, dx_part)
            g["W"][...] += dW
            g["b"][...] += db
        return total
