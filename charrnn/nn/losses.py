"""Losses as sums over positions; the caller divides by how many there are in all.

A position of weight 0 is padding. Sums over shards of a batch add up exactly to the batch's.
"""

from typing import Any

import numpy as np

from charrnn.nn.types import Array

__all__ = ["softmax", "softmax_cross_entropy"]


def softmax(logits: Array) -> None:
    """In place: p = e^y / Σ e^y along the last axis, shifted by the largest against overflow."""
    # Any constant shift gives the same p; the real part alone keeps it a constant.
    logits -= logits.real.max(axis=-1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=-1, keepdims=True)


def softmax_cross_entropy(logits: Array, targets: Array, weights: Array | None = None) -> Any:
    """E = -Σ_n w_n·ln p_n[target_n], p = softmax(y); the logits become dE/dy = w·(p - one-hot).

    Note 001's E over ŷ = softmax(Vs), Note 000's softmax regression.

    Args:
        logits: ``(N, V)``, overwritten by the gradient.
        targets: ``(N,)`` integers in ``[0, V)``.
        weights: ``(N,)``; ones if not given.

    Returns:
        The sum in nats, at least float64 (complex128 when the logits are).
    """
    index = np.arange(len(targets))
    logits -= logits.real.max(axis=-1, keepdims=True)
    target_logits = logits[index, targets]
    np.exp(logits, out=logits)
    total = logits.sum(axis=-1, keepdims=True)
    nats = np.log(total[:, 0]) - target_logits
    logits /= total
    logits[index, targets] -= 1
    if weights is not None:
        nats = nats * weights
        logits *= weights[:, None]
    return nats.sum(dtype=np.result_type(nats.dtype, np.float64))
