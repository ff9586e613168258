"""Optimisers on one flat vector, and gradient clipping.

Every update runs over slices that stay in the processor's cache: a dozen operations on a slice cost
little more than reading memory once.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import ClassVar

import numpy as np

from charrnn.nn.parameters import Parameters
from charrnn.nn.types import Array

__all__ = ["OPTIMIZERS", "Optimizer", "clip_by_global_norm", "make_optimizer"]

SLICE = 1 << 14

Parts = Sequence[slice]
"""The parts of the flat vector that are updated."""


def _slices(parts: Parts) -> Iterator[slice]:
    for part in parts:
        for start in range(part.start, part.stop, SLICE):
            yield slice(start, min(start + SLICE, part.stop))


def clip_by_global_norm(
    gradients: Parameters, max_norm: float, parts: Parts | None = None
) -> float:
    """Scale gradients by max_norm / ‖g‖ where ‖g‖ is larger; 0 never clips.

    Pascanu, Mikolov and Bengio (2013), "On the difficulty of training recurrent neural networks".

    Args:
        parts: the parts of ``gradients.flat`` that count and are scaled; all, if not given.

    Returns:
        ‖g‖ before clipping; it is not finite if any gradient is not.
    """
    flat, parts = gradients.flat, gradients.parts_without(()) if parts is None else parts
    norm = float(np.sqrt(sum(float(np.dot(flat[s], flat[s])) for s in _slices(parts))))
    if 0 < max_norm < norm and np.isfinite(norm):
        for part in parts:
            flat[part] *= max_norm / norm
    return norm


class Optimizer(ABC):
    """One update rule and its memory.

    Args:
        parameters: those it will update, which fix the size of its memory.
        weight_decay: λ; the gradient of ½λ‖W‖² is added to the matrices' gradients, but not to the
            biases'.
    """

    slots: ClassVar[tuple[str, ...]] = ()

    def __init__(self, parameters: Parameters, weight_decay: float = 0.0) -> None:
        self.weight_decay = weight_decay
        self.number = 0
        self.memory = {name: np.zeros_like(parameters.flat) for name in self.slots}

    def step(
        self, parameters: Parameters, gradients: Parameters, lr: float, parts: Parts | None = None
    ) -> None:
        """Update ``parameters`` in place, or parts of them. ``gradients`` are used as scratch."""
        self.number += 1
        decayed = parameters.num_matrix if self.weight_decay else 0
        for s in _slices(parameters.parts_without(()) if parts is None else parts):
            theta, g = parameters.flat[s], gradients.flat[s]
            matrices = slice(0, max(0, decayed - s.start))
            if decayed:
                self._decay(theta[matrices], g[matrices], lr)
            self._update(theta, g, lr, *(self.memory[name][s] for name in self.slots))

    def _decay(self, theta: Array, g: Array, lr: float) -> None:
        g += self.weight_decay * theta

    @abstractmethod
    def _update(self, theta: Array, g: Array, lr: float, *memory: Array) -> None:
        """Update one slice."""


class SGD(Optimizer):
    """θ ← θ - ηg"""

    def _update(self, theta: Array, g: Array, lr: float, *memory: Array) -> None:
        g *= lr
        theta -= g


class Momentum(Optimizer):
    """v ← μv + g;  θ ← θ - ηv,  μ = 0.9. Polyak (1964)."""

    slots: ClassVar[tuple[str, ...]] = ("v",)

    def _update(self, theta: Array, g: Array, lr: float, *memory: Array) -> None:
        (v,) = memory
        v *= 0.9
        v += g
        np.multiply(v, lr, out=g)
        theta -= g


class RMSprop(Optimizer):
    """s ← ρs + (1-ρ)g²;  θ ← θ - ηg / (√s + ε),  ρ = 0.95, ε = 1e-8. Tieleman and Hinton (2012)."""

    slots: ClassVar[tuple[str, ...]] = ("s",)

    def _update(self, theta: Array, g: Array, lr: float, *memory: Array) -> None:
        (s,) = memory
        u = g * g
        u *= 0.05
        s *= 0.95
        s += u
        np.sqrt(s, out=u)
        u += 1e-8
        g *= lr
        g /= u
        theta -= g


class Adam(Optimizer):
    """m ← β₁m + (1-β₁)g;  v ← β₂v + (1-β₂)g²;  θ ← θ - η m̂ / (√v̂ + ε).

    m̂ = m / (1-β₁ᵏ), v̂ = v / (1-β₂ᵏ) at the k-th update; β₁ = 0.9, β₂ = 0.99, ε = 1e-8. Kingma and
    Ba (2015), with the shorter second memory (β₂) that suits runs of thousands of updates.
    """

    slots: ClassVar[tuple[str, ...]] = ("m", "v")

    def _update(self, theta: Array, g: Array, lr: float, *memory: Array) -> None:
        m, v = memory
        beta1, beta2 = 0.9, 0.99
        m_hat, v_hat = 1 - beta1**self.number, 1 - beta2**self.number
        u = g * g
        u *= 1 - beta2
        v *= beta2
        v += u
        g *= 1 - beta1
        m *= beta1
        m += g
        np.multiply(v, 1 / v_hat, out=u)
        np.sqrt(u, out=u)
        u += 1e-8
        np.multiply(m, lr / m_hat, out=g)
        g /= u
        theta -= g


class AdamW(Adam):
    """Adam, with weight decay separate from the gradient: first θ ← θ - ηλθ.

    Loshchilov and Hutter (2019), "Decoupled weight decay regularization". λ is per unit of
    learning rate, as in PyTorch.
    """

    def _decay(self, theta: Array, g: Array, lr: float) -> None:
        theta *= 1 - lr * self.weight_decay


OPTIMIZERS: dict[str, type[Optimizer]] = {
    "sgd": SGD,
    "momentum": Momentum,
    "rmsprop": RMSprop,
    "adam": Adam,
    "adamw": AdamW,
}


def make_optimizer(name: str, parameters: Parameters, weight_decay: float = 0.0) -> Optimizer:
    """The optimiser of this name in :data:`OPTIMIZERS`, with an empty memory."""
    return OPTIMIZERS[name](parameters, weight_decay)
