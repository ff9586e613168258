"""What the head reads of a sequence: every step, the whole sequence as one row, or spans."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from charrnn.nn.types import Array

__all__ = ["READOUTS", "Reading", "read_out", "read_out_backward"]

READOUTS = ("steps", "spans", "last", "mean", "max")
"""Every step; the ends of given spans; the ends, the mean or the maximum of the whole."""


@dataclass(frozen=True)
class Reading:
    """What a read-out needs to know of a batch, and what it saves."""

    kind: str  # a name in READOUTS
    both: bool  # whether half of the features come from the direction back
    shape: tuple[int, ...]  # (T, B, F) of the features
    spans: Array | None = None  # (N, 3) lane, first and last step
    lengths: Array | None = None  # (B,)
    chosen: Array | None = None  # (B, F) the step of the largest value


def read_out(
    kind: str, features: Array, lengths: Array | None, spans: Array | None, *, both: bool
) -> tuple[Array, Reading]:
    """Rows for the head.

        steps:  every step of every sequence, (T·B, F), including those beyond an end
        spans:  [→h at the last step, ←h at the first step] of each span, (N, F)
        last:   the same of the whole sequence, (B, F): the final states
        mean:   Σ_t h_t / T_x, (B, F)
        max:    max_t h_t for each feature, (B, F)

    Args:
        features: ``(T, B, F)``, or symbols ``(T, B)`` with ``kind="steps"``.
        lengths: ``(B,)``; all T if not given.
        spans: ``(N, 3)`` lane, first and last step; no step may be the end of two spans.
        both: whether half of F comes from the direction back.

    Raises:
        ValueError: spans are missing, overlap or are out of range.
    """
    if kind == "steps":
        return features.reshape(-1, *features.shape[2:]), Reading(kind, both, features.shape)
    num_steps, batch_size, size = features.shape
    if lengths is None:
        lengths = np.full(batch_size, num_steps)
    if kind == "last":
        lanes = np.arange(batch_size)
        spans = np.stack([lanes, np.zeros_like(lanes), lengths - 1], axis=1)
    if kind in ("spans", "last"):
        if spans is None:
            raise ValueError("this read-out needs spans")
        lane, first, last = spans.T
        if np.any(lane < 0) or np.any(lane >= batch_size) or np.any(first < 0):
            raise ValueError("a span lies outside of the batch")
        if np.any(last < first) or np.any(last >= lengths[lane]):
            raise ValueError("a span lies outside of its sequence")
        for ends in (first, last) if both else (last,):
            if len(np.unique(ends * batch_size + lane)) < len(spans):
                raise ValueError("two spans begin or end at the same step")
        x = features[last, lane]
        if both:
            x[:, size // 2 :] = features[first, lane, size // 2 :]
        return x, Reading(kind, both, features.shape, spans, lengths)
    inside = (np.arange(num_steps)[:, None] < lengths)[..., None]
    if kind == "mean":
        x = np.where(inside, features, 0).sum(axis=0) / lengths[:, None].astype(features.real.dtype)
        return x, Reading(kind, both, features.shape, None, lengths)
    chosen = np.where(inside, features.real, -np.inf).argmax(axis=0)
    x = np.take_along_axis(features, chosen[None], axis=0)[0]
    return x, Reading(kind, both, features.shape, None, lengths, chosen)


def read_out_backward(reading: Reading, dx: Array, dfeatures: Array) -> None:
    """Undo :func:`read_out`: overwrite ``dfeatures`` (T, B, F), of which dx is a view for steps."""
    if reading.kind == "steps":
        return
    num_steps, _, size = reading.shape
    dfeatures[...] = 0
    if reading.spans is not None:
        lane, first, last = reading.spans.T
        half = size // 2 if reading.both else size
        dfeatures[last, lane, :half] = dx[:, :half]
        if reading.both:
            dfeatures[first, lane, half:] = dx[:, half:]
    elif reading.chosen is not None:
        np.put_along_axis(dfeatures, reading.chosen[None], dx[None], axis=0)
    else:
        lengths: Any = reading.lengths
        inside = (np.arange(num_steps)[:, None] < lengths)[..., None]
        np.copyto(dfeatures, dx / lengths[:, None].astype(dx.real.dtype), where=inside)
