"""Losses as sums over positions; the caller divides by the number of positions.

A position of weight 0 is padding. The sums over shards of a batch add up to the batch's sum. Each
loss takes the head's outputs ``y`` and overwrites them by its gradient. With ``each`` it returns
the loss of each position instead of the sum.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from charrnn.nn.ops import check_symbols, sigmoid
from charrnn.nn.types import Array

__all__ = [
    "LOSSES",
    "SCORED_BY",
    "check_targets",
    "log_probabilities",
    "log_sigmoid",
    "normalised_cross_entropy",
    "sigmoid_cross_entropy",
    "softmax",
    "softmax_cross_entropy",
    "squared_error",
]


def softmax(logits: Array) -> None:
    """In place: p = e^y / Σ e^y along the last axis, shifted by the largest against overflow."""
    # Any constant shift gives the same p; the real part alone keeps it a constant.
    logits -= logits.real.max(axis=-1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=-1, keepdims=True)


def log_sigmoid(y: Array) -> Array:
    """ln σ(y) = min(y, 0) - ln(1 + e^-|y|), finite even where σ itself is rounded to 0 or 1."""
    positive = y.real > 0
    found: Array = np.where(positive, 0, y) - np.log1p(np.exp(np.where(positive, -y, y)))
    return found


def log_probabilities(loss: str, y: Array) -> Array:
    """ln p of outputs ``(..., K)``, float64: by the softmax, or by each output's own σ.

    Args:
        loss: ``"softmax"`` or ``"sigmoid"``, the loss of training.
        y: the logits; they are not changed.
    """
    y = y.astype(np.float64)
    if loss == "sigmoid":
        return log_sigmoid(y)
    y -= y.max(axis=-1, keepdims=True)
    y -= np.log(np.exp(y).sum(axis=-1, keepdims=True))
    return y


def softmax_cross_entropy(
    logits: Array, targets: Array, weights: Array | None = None, *, each: bool = False
) -> Any:
    """E = -Σ_n w_n·ln p_n[target_n], p = softmax(y); the logits become dE/dy = w·(p - one-hot).

    Note 001's E over ŷ = softmax(Vs), note 000's softmax regression.

    Args:
        logits: ``(N, V)``, overwritten by the gradient.
        targets: ``(N,)`` integers in ``[0, V)``.
        weights: ``(N,)``; ones if not given.
        each: whether to return -ln p_n[target_n], ``(N,)``, without weights, instead of the sum.

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
        logits *= weights[:, None]
    return nats if each else _total(nats, weights)


def sigmoid_cross_entropy(
    logits: Array, targets: Array, weights: Array | None = None, *, each: bool = False
) -> Any:
    """E = Σ_n w_n·Σ_k [-t·ln p - (1-t)·ln(1-p)], p = σ(y); y becomes dE/dy = w·(p - t).

    Note 003's loss: binary cross-entropy, where each output is a separate yes or no.

    Args:
        logits: ``(N, K)``, overwritten by the gradient.
        targets: ``(N, K)`` in [0, 1]; or ``(N,)`` integers in ``[0, K)``, the only yes of each row.
        weights: ``(N,)``; ones if not given.
        each: whether to return the losses of the rows, ``(N,)``, without the weights.

    Returns:
        The sum in nats, as for :func:`softmax_cross_entropy`.
    """
    if targets.ndim == 1:
        targets = targets[:, None] == np.arange(logits.shape[1])
    # -t·ln p - (1-t)·ln(1-p) = ln(1 + e^y) - t·y, and ln(1 + e^y) = y + ln(1 + e^-y).
    positive = logits.real > 0
    nats = np.log1p(np.exp(np.where(positive, -logits, logits)))
    nats += np.where(positive, logits, 0) - targets * logits
    sigmoid(logits, out=logits)
    logits -= targets
    if weights is not None:
        logits *= weights[:, None]
    return nats.sum(axis=1) if each else _total(nats, weights)


def normalised_cross_entropy(
    logits: Array, targets: Array, weights: Array | None = None, *, each: bool = False
) -> Any:
    """E = -Σ_n w_n·ln q_n[target_n], q_k = σ(y_k) / Σ_j σ(y_j); y becomes dE/dy.

    The distribution over symbols of a model that is trained to say yes to one of them: the softmax
        of ln σ(y), so dE/dy_k = w·(q_k - [k is the target])·(1 - σ(y_k)) by the chain rule.

    Arguments and result as for :func:`softmax_cross_entropy`.
    """
    z = log_sigmoid(logits)
    np.exp(z - logits, out=logits)  # 1 - σ(y) = e^-y·σ(y)
    loss = softmax_cross_entropy(z, targets, weights, each=each)
    logits *= z
    return loss


def squared_error(
    y: Array, targets: Array, weights: Array | None = None, *, each: bool = False
) -> Any:
    """E = Σ_n w_n·½‖y_n - t_n‖²; y becomes dE/dy = w·(y - t).

    Note 000's linear regression, and the loss of note 002's scalar output.

    Args:
        y: ``(N, K)``, overwritten by the gradient.
        targets: ``(N, K)``.
        weights: ``(N,)``; ones if not given.
        each: whether to return the losses of the rows, ``(N,)``, without the weights.

    Returns:
        The sum, at least float64.
    """
    y -= targets
    squares = 0.5 * y * y
    if weights is not None:
        y *= weights[:, None]
    return squares.sum(axis=1) if each else _total(squares, weights)


def _total(losses: Array, weights: Array | None) -> Any:
    if weights is not None:
        losses = losses * (weights if losses.ndim == 1 else weights[:, None])
    return losses.sum(dtype=np.result_type(losses.dtype, np.float64))


LOSSES: dict[str, Callable[..., Any]] = {
    "softmax": softmax_cross_entropy,
    "sigmoid": sigmoid_cross_entropy,
    "normalised": normalised_cross_entropy,
    "squared": squared_error,
}

SCORED_BY = {"sigmoid": "normalised"}
"""The loss that scores a language model trained by another one: -ln of a distribution."""


def check_targets(loss: str, targets: Array, rows: tuple[int, ...], output_size: int) -> None:
    """Raise ValueError unless the targets fit ``rows`` of outputs under ``loss``.

    Args:
        rows: the shape of the outputs' rows: ``(T, B)`` steps, or ``(N,)``.
    """
    one_each = loss in ("softmax", "normalised", "chain")
    one_each = one_each or (loss == "sigmoid" and targets.shape == rows)
    expected = rows if one_each else (*rows, output_size)
    if targets.shape != expected:
        raise ValueError(f"targets must be {expected}, got {targets.shape}")
    if one_each:
        check_symbols(targets, output_size)
