"""Mixtures of models. Of models of one kind: the mean of their probabilities.

A network and an n-gram model: p = w_m·p_network + (1 - w_m)·p_ngram.

m is the length of the longest context that the n-gram model has seen, so that its weight depends on
how much it knows. The weights are fitted by expectation maximisation (Jelinek and Mercer, 1980,
"Interpolated estimation of Markov source parameters from sparse data").
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["fit_weights", "mean_nats", "mixture"]

Floats = npt.NDArray[np.float64]
ROUNDS = 100


def fit_weights(
    network: Floats, ngram: Floats, matched: npt.NDArray[Any], num_weights: int
) -> Floats:
    """The network's weight for each length of the matched context.

    One imagined symbol for each model keeps a weight away from 0 and 1, and makes it a half where
    there are no symbols.

    Args:
        network, ngram: ``(N,)`` probabilities of the same symbols.
        matched: ``(N,)`` lengths, below ``num_weights``.
        num_weights: how many lengths there may be.
    """
    weights = np.full(num_weights, 0.5)
    counts = np.bincount(matched, minlength=num_weights)
    for _ in range(ROUNDS):
        own = weights[matched] * network
        shares = own / (own + (1 - weights[matched]) * ngram)
        weights = (np.bincount(matched, shares, minlength=num_weights) + 1) / (counts + 2)
    return weights


def mixture(network: Floats, ngram: Floats, matched: npt.NDArray[Any], weights: Floats) -> Floats:
    """The probabilities ``(N,)`` of the mixture; arguments as for :func:`fit_weights`."""
    w = weights[matched]
    p: Floats = w * network + (1 - w) * ngram
    return p


def mean_nats(nats: Sequence[npt.NDArray[Any]], weights: Sequence[float]) -> Floats:
    """-ln Σ wₖ·pₖ of each symbol.

    Args:
        nats: ``(N,)`` of each model, -ln pₖ.
        weights: the weight of each model; they sum to 1.
    """
    logs = [
        np.log(weight) - own.astype(np.float64) for weight, own in zip(weights, nats, strict=True)
    ]
    found: Floats = -np.logaddexp.reduce(logs)
    return found
