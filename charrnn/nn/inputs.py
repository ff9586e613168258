"""What a recurrent layer reads: a = x·W_x + b for all gates, steps and sequences at once."""

import numpy as np

from charrnn.nn.ops import check_symbols, rows, scatter_rows
from charrnn.nn.products import by_gate
from charrnn.nn.types import Array
from charrnn.nn.workspace import Workspace

__all__ = ["project", "project_backward"]


def project(
    W: Array, b: Array | None, x: Array, out: Array, workspace: Workspace, *, halved: int = 0
) -> None:
    """out[k] = x·W_k + b_k for each gate k, and half of that for the first ``halved`` gates.

    Args:
        W: ``(D, G·H)``, the gates' blocks side by side.
        b: ``(G·H,)`` or nothing.
        x: ``(T, B, D)``, or integers ``(T, B)`` in ``[0, D)``: x·W is then a row of W.
        out: ``(G, T, B, H)``, contiguous.
        halved: see :func:`charrnn.nn.ops.to_unit`.

    Raises:
        ValueError: an integer outside ``[0, D)``.
    """
    gates, size = len(out), out.shape[-1]
    biases = None if b is None else b.reshape(gates, 1, size)
    symbols = x.dtype.kind in "iu"
    if symbols:
        check_symbols(x, len(W))
    if symbols and len(W) >= x.size:
        # More rows than are read: what is read is gathered first, and scaled afterwards.
        table = W.reshape(-1, size)
        for gate, a in enumerate(out):
            # mode="clip" lets NumPy write straight into the result; "raise" would go by a copy.
            np.take(table, x * gates + gate, axis=0, out=a, mode="clip")
        flat = out.reshape(gates, -1, size)
        if biases is not None:
            flat += biases
        flat[:halved] *= 0.5
        return
    own = workspace.array("W_x", (gates, len(W), size), W.dtype)
    np.copyto(own, by_gate(W, size))
    if symbols:
        # A bias added to the few rows of a small table is not added to the many of the output.
        if biases is not None:
            own += biases
        own[:halved] *= 0.5
        for rows_of_gate, a in zip(own, out, strict=True):
            np.take(rows_of_gate, x, axis=0, out=a, mode="clip")
        return
    own[:halved] *= 0.5
    flat = out.reshape(gates, -1, size)
    np.matmul(rows(x), own, out=flat)
    if biases is not None:
        halves = biases.copy()
        halves[:halved] *= 0.5
        flat += halves


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
        da: ``(G, T, B, H)``, the gradient by a, not by a half of it.
        dx: ``(T, B, D)``, or nothing where x is symbols.
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
