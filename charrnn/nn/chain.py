"""A chain of tags: which tags follow each other is part of a sentence's score.

Lafferty, McCallum and Pereira (2001), "Conditional random fields"; on top of a recurrent network,
Lample et al. (2016), "Neural architectures for named entity recognition". A sequence of tags k_1
... k_n has the score Σ_t y_t[k_t] + Σ_t W[k_(t-1), k_t], and the softmax is over all sequences.

Sums of exponentials are computed in float64 whatever the dtype of the outputs.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from charrnn.nn.types import Array

__all__ = ["Chain"]


@dataclass(frozen=True)
class Chain:
    """The distribution of the tags of some sentences, whose tokens are joined to one sequence.

    Args:
        W: ``(K, K)``, the score of a tag (column) after another (row).
        y: ``(N, K)``, the score of each tag for each token.
        lane: ``(N,)``, the sentence of each token; those of a sentence are adjacent and in order.
    """

    W: Array
    y: Array
    lane: Array

    @cached_property
    def _scores(self) -> Array:
        return self.y.astype(np.result_type(self.y.dtype, np.float64))

    @cached_property
    def _sentences(self) -> tuple[Array, Array]:
        """The first token of each sentence, and the number of its tokens, ``(S,)``."""
        first = np.flatnonzero(np.diff(self.lane, prepend=-1))
        return first, np.diff(first, append=len(self.lane))

    @cached_property
    def _steps(self) -> list[Array]:
        """The second tokens of all sentences that have one, then the third ones, ..."""
        first, count = self._sentences
        return [first[count > t] + t for t in range(1, int(count.max(initial=1)))]

    @cached_property
    def _inner(self) -> Array:
        """The tokens that follow another one in their sentence."""
        return np.flatnonzero(self.lane[1:] == self.lane[:-1]) + 1

    @cached_property
    def _alpha(self) -> Array:
        """ln Σ e^score over all beginnings that end in a tag at a token, ``(N, K)``."""
        alpha = self._scores.copy()
        for rows in self._steps:
            alpha[rows] += _log_product(alpha[rows - 1], self.W)
        return alpha

    @cached_property
    def _beta(self) -> Array:
        """The same over all that may follow a tag at a token."""
        beta = np.zeros_like(self._scores)
        for rows in reversed(self._steps):
            beta[rows - 1] = _log_product(beta[rows] + self._scores[rows], self.W.T)
        return beta

    @cached_property
    def _log_z(self) -> Array:
        """ln Σ e^score over all sequences, ``(S, 1)``."""
        first, count = self._sentences
        return _log_sum(self._alpha[first + count - 1])

    @cached_property
    def log_marginals(self) -> Array:
        """The log-probability of each tag at each token, ``(N, K)``, given the whole sentence."""
        log_z = np.repeat(self._log_z, self._sentences[1], axis=0)
        found: Array = self._alpha + self._beta - log_z
        return found

    def nats(self, gold: Array) -> Any:
        """-Σ ln p of the gold sequences.

        Args:
            gold: ``(N,)`` tags.
        """
        right = self._scores[np.arange(len(gold)), gold].sum()
        right += self.W[gold[self._inner - 1], gold[self._inner]].sum()
        return self._log_z.sum() - right

    def gradients(self, gold: Array) -> tuple[Array, Array]:
        """The gradients of :meth:`nats` by y, ``(N, K)``, and by W: expected less actual counts."""
        dy = np.exp(self.log_marginals)
        dy[np.arange(len(gold)), gold] -= 1
        here = self._inner
        # p(k, k') = e^(α[k] + W[k, k'] + y[k'] + β[k'] - ln Z), where β - ln Z = ln p(k') - α[k'].
        before, after = self._alpha[here - 1], self.log_marginals[here] - self._alpha[here]
        after += self._scores[here]
        top = before.real.max(axis=1, keepdims=True)
        dW = np.exp(self.W) * (np.exp(before - top).T @ np.exp(after + top))
        np.subtract.at(dW, (gold[here - 1], gold[here]), 1)
        return dy, dW


def _log_sum(a: Array) -> Array:
    """ln Σ e^a along the last axis, which is kept."""
    top = a.real.max(axis=-1, keepdims=True)
    found: Array = np.log(np.exp(a - top).sum(axis=-1, keepdims=True)) + top
    return found


def _log_product(a: Array, W: Array) -> Array:
    """ln(e^a · e^W), ``(B, K)``."""
    top, most = a.real.max(axis=-1, keepdims=True), W.real.max()
    found: Array = np.log(np.exp(a - top) @ np.exp(W.astype(a.dtype) - most)) + (top + most)
    return found
