"""The affine map that every layer and the head begin with."""

import numpy as np

from charrnn.nn.ops import check_symbols, gather_rows, rows, scatter_rows
from charrnn.nn.types import Array

__all__ = ["affine", "affine_backward"]


def affine(W: Array, b: Array | None, x: Array, out: Array) -> None:
    """y = x·W + b, where integers stand for one-hot rows.

    Args:
        W: ``(D, K)``.
        b: ``(K,)`` or None.
        x: ``(..., D)``, or integers ``(...)`` in ``[0, D)``: x·W is then a row of W.
        out: ``(..., K)``, contiguous.

    Raises:
        ValueError: an integer outside ``[0, D)``, or an ``out`` that is not contiguous.
    """
    if not out.flags.c_contiguous:
        raise ValueError("the result of an affine map must be contiguous")
    if x.dtype.kind not in "iu":
        np.matmul(rows(x), W, out=rows(out))
        if b is not None:
            out += b
        return
    check_symbols(x, len(W))
    # Add the bias to the few rows of a small table, not to the many rows of the output.
    early = b is not None and len(W) < x.size
    gather_rows(W + b if early else W, x, out)
    if b is not None and not early:
        out += b


def affine_backward(
    W: Array, dW: Array, db: Array | None, x: Array, dy: Array, dx: Array | None
) -> None:
    """Undo y = x·W + b: dW = xᵀ·dy, db = Σ dy, dx = dy·Wᵀ; all three are overwritten."""
    if x.dtype.kind in "iu":
        scatter_rows(x.reshape(-1), rows(dy), dW)
    else:
        np.matmul(rows(x).T, rows(dy), out=dW)
    if db is not None:
        np.sum(rows(dy), axis=0, out=db)
    if dx is not None:
        np.matmul(rows(dy), W.T, out=rows(dx))
