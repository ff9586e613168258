"""Element-wise functions and row gathers, written so that one code serves every dtype.

The functions are analytic (or, for ReLU, piecewise so), and none of them looks at an imaginary
part, so that the complex step of :mod:`charrnn.gradcheck` works through them.
"""

import numpy as np

from charrnn.nn.types import Array

__all__ = ["check_symbols", "gather_rows", "relu", "rows", "scatter_rows", "sigmoid", "to_unit"]

ONE_HOT_LIMIT = 256
"""Up to this many rows, a product with the one-hot matrix beats sorting (docs/log.md)."""


def rows(x: Array) -> Array:
    """(T, B, D) viewed as (T·B, D): the steps of all sequences as rows."""
    return x.reshape(-1, x.shape[-1])


def to_unit(t: Array) -> None:
    """In place: ½ + ½·t, which makes σ(a) = 1 / (1 + e^-a) of t = tanh(a / 2).

    It cannot overflow, and one function serves all gates: the cells get a / 2 where a sigmoid
    follows, since the ½ is multiplied into their copies of the weights.
    """
    t *= 0.5
    t += 0.5


def sigmoid(a: Array, out: Array | None = None) -> Array:
    """σ(a) = 1 / (1 + e^-a), by :func:`to_unit`; into ``out``, or else a new array."""
    out = np.asarray(np.multiply(a, 0.5, out=out))
    np.tanh(out, out=out)
    to_unit(out)
    return out


def relu(a: Array, out: Array) -> None:
    """max(a, 0). NumPy compares complex numbers by their real part first, as is needed here."""
    np.maximum(a, 0, out=out)


def check_symbols(ids: Array, limit: int) -> None:
    """Raise ValueError unless all are in ``[0, limit)``: NumPy would take -1 as the last row."""
    if ids.size and not 0 <= int(ids.min()) <= int(ids.max()) < limit:
        raise ValueError(
            f"symbols must be in 0..{limit - 1}, got {int(ids.min())}..{int(ids.max())}"
        )


def gather_rows(table: Array, ids: Array, out: Array) -> None:
    """out[...] = table[ids]: the product of one-hot rows with ``table``, without the product.

    Args:
        table: ``(V, D)``.
        ids: integers in ``[0, V)``, any shape. The caller has checked the range.
        out: ``ids.shape + (D,)``.
    """
    # mode="clip" lets NumPy write straight into ``out``; "raise" would go through a copy.
    np.take(table, ids, axis=0, out=out, mode="clip")


def scatter_rows(ids: Array, d: Array, out: Array) -> None:
    """The gradient of :func:`gather_rows`: out[v] = the sum of d's rows whose id is v.

    Args:
        ids: integers in ``[0, V)``, ``(N,)``.
        d: ``(N, D)``, the gradient by the gathered rows; or several gradients, ``(G, N, D)``.
        out: ``(V, D)`` or ``(G, V, D)``, overwritten.
    """
    if d.ndim == 2:
        d, out = d[None], out[None]
    vocab_size = out.shape[-2]
    if vocab_size <= ONE_HOT_LIMIT:
        one_hot = np.zeros((vocab_size, ids.size), dtype=d.dtype)
        one_hot[ids, np.arange(ids.size)] = 1
        np.matmul(one_hot, d, out=out)
        return
    out[...] = 0
    if ids.size == 0:
        return
    order = np.argsort(ids, kind="stable")
    ordered = ids[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    for one_d, one_out in zip(d, out, strict=True):
        one_out[ordered[starts]] = np.add.reduceat(one_d[order], starts, axis=0)
