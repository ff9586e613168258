"""The input of a recurrent layer: a = x·W_x + b for all gates, steps and sequences at once.

For the first ``halved`` gates it is half of that: see :func:`charrnn.nn.ops.to_unit`.
"""

import numpy as np

from charrnn.nn.ops import check_symbols, rows, scatter_rows
from charrnn.nn.products import by_gate
from charrnn.nn.types import Array
from charrnn.nn.workspace import Workspace

__all__ = ["gate_biases", "gate_rows", "project", "project_backward"]


def gate_biases(b: Array, size: int, halved: int) -> Array:
    """A copy of ``b`` (G·H,), gate by gate: (G, 1, H)."""
    biases = b.reshape(-1, 1, size).copy()
    biases[:halved] *= 0.5
    return biases


def gate_rows(W: Array, size: int, halved: int, out: Array | None = None) -> Array:
    """A copy of ``W`` (D, G·H), gate by gate: (G, D, H)."""
    source = by_gate(W, size)
    out = np.empty(source.shape, dtype=W.dtype) if out is None else out
    np.multiply(source[:halved], 0.5, out=out[:halved])
    np.copyto(out[halved:], source[halved:])
    return out


def project(
    W: Array, b: Array | None, x: Array, out: Array, workspace: Workspace, *, halved: int = 0
) -> None:
    """out[k] = x·W_k + b_k for each gate k, and half of that for the first ``halved``.

    Args:
        W: ``(D, G·H)``, the gates' blocks side by side.
        b: ``(G·H,)`` or None.
        x: ``(T, B, D)``, or integers ``(T, B)`` in ``[0, D)``: x·W is then a row of W.
        out: ``(G, T, B, H)``, contiguous.

    Raises:
        ValueError: an integer outside ``[0, D)``, or an ``out`` that is not contiguous.
    """
    if not out.flags.c_contiguous:
        raise ValueError("the gates must be contiguous")
    gates, size = len(out), out.shape[-1]
    flat = out.reshape(gates, -1, size)
    biases = None if b is None else gate_biases(b, size, halved)
    symbols = x.dtype.kind in "iu"
    if symbols:
        check_symbols(x, len(W))
        ids = x.reshape(-1).astype(np.intp, copy=False)  # ids·G may overflow a narrower integer
    if symbols and len(W) > x.size:
        # More rows than are read: gather those first. A row of W seen as (D·G, H) is a gate.
        for gate, a in enumerate(flat):
            # mode="clip" lets NumPy write straight into the result; "raise" would make a copy.
            np.take(W.reshape(-1, size), ids * gates + gate, axis=0, out=a, mode="clip")
        flat[:halved] *= 0.5
    else:
        shape = (gates, len(W), size)
        own = gate_rows(W, size, halved, workspace.array("W_x", shape, W.dtype))
        if symbols:
            if biases is not None:  # added to the few rows of the table, not the many outputs
                own += biases
                biases = None
            for table, a in zip(own, flat, strict=True):
                np.take(table, ids, axis=0, out=a, mode="clip")
        else:
            np.matmul(rows(x), own, out=flat)
    if biases is not None:
        flat += biases


def project_backward(
    W: Array,
    dW: Array,
    db: Array | None,
    x: Array,
    da: Array,
    dx: Array | None,
    workspace: Workspace,
) -> None:
    """dW_k = xᵀ·da_k, db_k = Σ da_k, dx = Σ_k da_k·W_kᵀ; all three are overwritten.

    Args:
        da: ``(G, T, B, H)``, the gradient by a, not by its half.
        dx: ``(T, B, D)``, or None where x is symbols.
    """
    gates, size = len(da), da.shape[-1]
    da = da.reshape(gates, -1, size)
    if x.dtype.kind in "iu":
        scatter_rows(x.reshape(-1), da, by_gate(dW, size))
    else:
        np.matmul(rows(x).T, da, out=by_gate(dW, size))
    if db is not None:
        np.sum(da, axis=1, out=db.reshape(gates, size))
    if dx is None:
        return
    term = workspace.array("dx of a gate", rows(dx).shape, dx.dtype)
    for gate, W_k in enumerate(by_gate(W, size)):
        np.matmul(da[gate], W_k.T, out=rows(dx) if gate == 0 else term)
        if gate:
            rows(dx)[...] += term
