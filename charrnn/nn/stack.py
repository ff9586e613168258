"""Layers on top of each other, with dropout between them."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from charrnn.nn.layers import Layer
from charrnn.nn.types import Array, LayerState, State, Weights
from charrnn.nn.workspace import Workspace

__all__ = ["MASKS", "Dropout", "Stack"]

MASKS = ("step", "sequence")
"""How long one dropout mask is used."""


@dataclass(frozen=True)
class Dropout:
    """y = x⊙m / (1 - rate), each element of m zero with probability ``rate``, else one.

    Srivastava et al. (2014); between layers and not through time, as in Zaremba, Sutskever and
    Vinyals (2014), "Recurrent neural network regularization". One mask can serve all steps of a
    sequence, as in Gal and Ghahramani (2016), "A theoretically grounded application of dropout in
    recurrent neural networks": what is dropped then stays dropped for the whole sequence.

    Args:
        rate: the probability.
        mask: ``"step"``, a new one for each step, or ``"sequence"``, one for all steps.

    Raises:
        ValueError: the dropout rate is not in [0, 1), or there is no such mask.
    """

    rate: float
    mask: str = "step"

    def __post_init__(self) -> None:
        if not 0 <= self.rate < 1:
            raise ValueError(f"a dropout rate must be in [0, 1), got {self.rate}")
        if self.mask not in MASKS:
            raise ValueError(f"mask must be one of {', '.join(MASKS)}, got {self.mask!r}")

    def forward(
        self, x: Array, rng: np.random.Generator | None, workspace: Workspace
    ) -> tuple[Array, Array | None]:
        """``x`` (T, B, F) to ``y`` and the mask, (T, B, F) or (1, B, F).

        Without a generator (in evaluation), ``x`` itself and None.
        """
        if rng is None or self.rate == 0:
            return x, None
        # float32 noise whatever the dtype: the same draw gives the same mask in a gradient check.
        shape = x.shape if self.mask == "step" else (1, *x.shape[1:])
        noise = workspace.array("noise", shape, np.dtype(np.float32))
        rng.random(out=noise, dtype=np.float32)
        mask = workspace.array("mask", noise.shape, x.dtype)
        np.greater_equal(noise, self.rate, out=mask)
        mask *= 1 / (1 - self.rate)
        y = workspace.array("y", x.shape, x.dtype)
        return np.multiply(x, mask, out=y), mask

    def backward(self, dy: Array, mask: Array | None) -> None:
        """In place: dy becomes dx."""
        if mask is not None:
            dy *= mask


@dataclass(frozen=True)
class StackSaved:
    """What :meth:`Stack.forward` saves for :meth:`Stack.backward`, first layer first."""

    layers: tuple[Any, ...]
    masks: tuple[Array | None, ...]


@dataclass(frozen=True)
class Stack:
    """Recurrent layers on top of each other, with dropout on the output of each.

        a⁽ˡ⁾_t = φ(W⁽ˡ⁾[a⁽ˡ⁾_{t-1}, a⁽ˡ⁻¹⁾_t] + b⁽ˡ⁾),  a⁽⁰⁾_t = x_t

    Note 003, "Deep RNN"; the mask of the last layer is the one before the head.
    """

    layers: tuple[Layer, ...]
    dropout: Dropout

    def forward(
        self,
        w: tuple[Weights, ...],
        x: Array,
        state: State,
        workspace: Workspace,
        rng: np.random.Generator | None,
        lengths: Array | None = None,
    ) -> tuple[Array, State, StackSaved]:
        """As :meth:`Recurrent.forward`; ``rng`` draws the dropout masks, None means no dropout."""
        if len(state) != len(self.layers):
            raise ValueError(f"{len(self.layers)} layers were given {len(state)} states")
        states, saves, masks = [], [], []
        for number, layer in enumerate(self.layers):
            buffers = workspace.child(str(number))
            x, final, saved = layer.forward(w[number], x, state[number], buffers, lengths)
            x, mask = self.dropout.forward(x, rng, buffers)
            states.append(final)
            saves.append(saved)
            masks.append(mask)
        return x, tuple(states), StackSaved(tuple(saves), tuple(masks))

    def backward(
        self,
        w: tuple[Weights, ...],
        g: tuple[Weights, ...],
        dy: Array,
        dstate: State | None,
        saved: StackSaved,
    ) -> tuple[Array | None, State]:
        """As :meth:`Recurrent.backward`, last layer first. ``dy`` is used as scratch."""
        if dstate is not None and len(dstate) != len(self.layers):
            raise ValueError(f"{len(self.layers)} layers were given {len(dstate)} gradients")
        dstates: list[LayerState] = []
        dx: Array | None = dy
        for number in reversed(range(len(self.layers))):
            if dx is None:
                raise ValueError("only the first layer may read symbols")
            self.dropout.backward(dx, saved.masks[number])
            dx, initial = self.layers[number].backward(
                w[number], g[number], dx, dstate[number] if dstate else None, saved.layers[number]
            )
            dstates.append(initial)
        return dx, tuple(reversed(dstates))
