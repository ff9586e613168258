"""Attention: each step of a decoder looks at all that an encoder has made of the input."""

from dataclasses import dataclass

import numpy as np

from charrnn.nn.init import glorot
from charrnn.nn.ops import rows
from charrnn.nn.types import Array, Weights
from charrnn.nn.workspace import Workspace

__all__ = ["Attention", "AttentionSaved"]


@dataclass(frozen=True)
class AttentionSaved:
    """What :meth:`Attention.forward` saves for :meth:`Attention.backward`."""

    h: Array  # (T, B, H)
    memory: Array  # (S, B, F)
    query: Array  # (T, B, F)  h·W_a
    share: Array  # (B, T, S)  α
    context: Array  # (T, B, F)
    y: Array  # (T, B, H)


@dataclass(frozen=True)
class Attention:
    """Global attention with the "general" score, after the decoder's recurrence.

        e_ts = h_t·W_a·m_sᵀ                   how well input s fits step t
        α_t = softmax_s(e_t)                  over the inputs of this sequence
        k_t = Σ_s α_ts·m_s                    the context
        y_t = tanh(k_t·W_k + h_t·W_h + b)     W_k above W_h is the paper's W_c on [k; h]

    Luong, Pham and Manning (2015), "Effective approaches to attention-based neural machine
    translation", without their feeding of y_t back into the decoder: so the recurrence needs no
    attention, and attention is a few products over all steps.

    Args:
        hidden_size: H, the width of the decoder.
        memory_size: F, the width of the encoder's features.
    """

    hidden_size: int
    memory_size: int

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of the tensors, by name."""
        return {
            "W_a": (self.hidden_size, self.memory_size),
            "W_k": (self.memory_size, self.hidden_size),
            "W_h": (self.hidden_size, self.hidden_size),
            "b": (self.hidden_size,),
        }

    def init(self, rng: np.random.Generator) -> dict[str, Array]:
        """Initial values of :meth:`shapes`, float64."""
        return {
            name: glorot(rng, (shape[0], shape[1])) if len(shape) == 2 else np.zeros(shape)
            for name, shape in self.shapes().items()
        }

    def forward(
        self, w: Weights, h: Array, memory: Array, lengths: Array | None, workspace: Workspace
    ) -> tuple[Array, AttentionSaved]:
        """Attend.

        Args:
            w: views of :meth:`shapes`.
            h: ``(T, B, H)``, the decoder's states.
            memory: ``(S, B, F)``, the encoder's features.
            lengths: ``(B,)``: the length of each source; all S if not given.
            workspace: owns the buffers.

        Returns:
            ``(T, B, H)`` (a view) and what :meth:`backward` needs.
        """
        query = workspace.array("query", (*h.shape[:2], self.memory_size), h.dtype)
        np.matmul(rows(h), w["W_a"], out=rows(query))
        # (B, T, F)·(B, F, S): each sequence by itself
        share = np.matmul(query.transpose(1, 0, 2), memory.transpose(1, 2, 0))
        if lengths is not None:
            outside = np.arange(len(memory)) >= lengths[:, None]
            share[np.broadcast_to(outside[:, None], share.shape)] = -np.inf
        share -= share.real.max(axis=-1, keepdims=True)
        np.exp(share, out=share)
        if lengths is not None:  # e^-∞ of a complex number may not be zero
            share[np.broadcast_to(outside[:, None], share.shape)] = 0
        share /= share.sum(axis=-1, keepdims=True)
        context = workspace.array("context", query.shape, h.dtype)
        np.matmul(share, memory.transpose(1, 0, 2), out=context.transpose(1, 0, 2))
        y = workspace.array("attended", h.shape, h.dtype)
        np.matmul(rows(context), w["W_k"], out=rows(y))
        y += np.matmul(rows(h), w["W_h"]).reshape(y.shape)
        y += w["b"]
        np.tanh(y, out=y)
        return y, AttentionSaved(h, memory, query, share, context, y)

    def backward(
        self, w: Weights, g: Weights, dy: Array, saved: AttentionSaved
    ) -> tuple[Array, Array]:
        """Undo :meth:`forward`: overwrite the gradients ``g``; ``dy`` is used as scratch.

        Returns:
            The gradients by ``h`` (T, B, H) and by ``memory`` (S, B, F).
        """
        s = saved
        # y = tanh(a)
        da = dy
        da -= dy * s.y * s.y
        # a = k·W_k + h·W_h + b
        np.matmul(rows(s.context).T, rows(da), out=g["W_k"])
        np.matmul(rows(s.h).T, rows(da), out=g["W_h"])
        np.sum(rows(da), axis=0, out=g["b"])
        dcontext = np.matmul(da, w["W_k"].T)
        dh = np.matmul(da, w["W_h"].T)
        # k_t = Σ_s α_ts·m_s
        by_lane = dcontext.transpose(1, 0, 2)
        dmemory = np.matmul(s.share.swapaxes(1, 2), by_lane)
        dshare = np.matmul(by_lane, s.memory.transpose(1, 2, 0))
        # α = softmax(e)
        dshare -= (dshare * s.share).sum(axis=-1, keepdims=True)
        dscore = np.multiply(dshare, s.share, out=dshare)
        # e_ts = q_t·m_sᵀ
        dmemory += np.matmul(dscore.swapaxes(1, 2), s.query.transpose(1, 0, 2))
        dquery = np.ascontiguousarray(np.matmul(dscore, s.memory.transpose(1, 0, 2)).swapaxes(0, 1))
        # q = h·W_a
        np.matmul(rows(s.h).T, rows(dquery), out=g["W_a"])
        dh += np.matmul(dquery, w["W_a"].T)
        return dh, dmemory.transpose(1, 0, 2)
