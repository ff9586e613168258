"""The gated recurrent unit, in the four forms the literature and the libraries call by one name."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from charrnn.nn.cells.base import Cell, Saved
from charrnn.nn.ops import rows, sigmoid
from charrnn.nn.types import Array, LayerState, Weights
from charrnn.nn.workspace import Workspace

__all__ = ["GRU"]


@dataclass
class SavedGRU(Saved):
    """What the GRU keeps besides: what its candidate saw of the past."""

    m: Array  # (T, B, H)  h_prev·W_hn + b_hn (reset after) or r⊙h_prev (before); then dm


@dataclass(frozen=True)
class GRU(Cell[SavedGRU]):
    """Reset gate r, update gate z, candidate n.

        r, z = σ(x·W_x + h_prev·W_h + b)
        n = tanh(x·W_x + (r⊙h_prev)·W_h + b)             reset="before" the product
        n = tanh(x·W_x + b + r⊙(h_prev·W_h + b_hn))      reset="after" it
        h = z⊙h_prev + (1-z)⊙n                           update="keep": z≈1 keeps the old state
        h = (1-z)⊙h_prev + z⊙n                           update="write": z≈1 writes the new one

    Cho et al. (2014), "Learning phrase representations using RNN encoder-decoder", in its published
    form: reset before, update keep, as in note 000. Chung et al. (2014) and note 003's Γu write:
    ``reset="before", update="write"``. Reset after is cuDNN's and PyTorch's form: one product a
    step instead of two, hence the default.

    The blocks of ``W_h`` (H, 3H) stand in the order r, z, n. With reset="after" and biases,
    ``b_hn`` (H,) is the candidate's second bias, inside the reset gate's reach.
    """

    reset: str = "after"
    update: str = "keep"

    name: ClassVar[str] = "gru"
    num_gates: ClassVar[int] = 3
    choices: ClassVar[dict[str, tuple[str, ...]]] = {
        "reset": ("after", "before"),
        "update": ("keep", "write"),
    }

    def shapes(self) -> dict[str, tuple[int, ...]]:
        shapes = super().shapes()
        if self.bias and self.reset == "after":
            shapes["b_hn"] = (self.hidden_size,)
        return shapes

    def begin(self, a: Array, state: LayerState, workspace: Workspace) -> SavedGRU:
        num_steps, batch_size, _ = a.shape
        s = SavedGRU(
            **self._buffers(a, workspace),
            m=workspace.array("m", (num_steps, batch_size, self.hidden_size), a.dtype),
        )
        (s.h[0],) = state
        return s

    def forward(self, w: Weights, s: SavedGRU, steps: range) -> None:
        size = self.hidden_size
        for t in steps:
            h_prev, h, m = s.h[t], s.h[t + 1], s.m[t]
            rz, n = s.a[t][:, : 2 * size], s.a[t][:, 2 * size :]
            r, z = rz[:, :size], rz[:, size:]

            if self.reset == "after":
                np.matmul(h_prev, w["W_h"], out=s.p)
                rz += s.p[:, : 2 * size]
                sigmoid(rz, out=rz)
                np.copyto(m, s.p[:, 2 * size :])
                if self.bias:
                    m += w["b_hn"]
                np.multiply(r, m, out=s.u)
            else:
                np.matmul(h_prev, w["W_h"][:, : 2 * size], out=s.p[:, : 2 * size])
                rz += s.p[:, : 2 * size]
                sigmoid(rz, out=rz)
                np.multiply(r, h_prev, out=m)
                np.matmul(m, w["W_h"][:, 2 * size :], out=s.u)
            n += s.u
            np.tanh(n, out=n)

            old, new = (h_prev, n) if self.update == "keep" else (n, h_prev)
            # h = z⊙old + (1-z)⊙new
            np.subtract(old, new, out=h)
            h *= z
            h += new

    def backward(self, w: Weights, s: SavedGRU, dy: Array, steps: range) -> None:
        size = self.hidden_size
        dp, slope = s.p, s.slope[:, : 2 * size]
        dr, dz, dm = (dp[:, k * size : (k + 1) * size] for k in range(3))
        for t in steps:
            h_prev, m, da = s.h[t], s.m[t], s.a[t]
            rz, n = da[:, : 2 * size], da[:, 2 * size :]
            r, z = rz[:, :size], rz[:, size:]
            s.dh += dy[t]

            # h = z⊙old + (1-z)⊙new
            old, new = (h_prev, n) if self.update == "keep" else (n, h_prev)
            np.subtract(old, new, out=dz)
            dz *= s.dh
            d_old = np.multiply(s.dh, z, out=s.u)
            s.dh -= d_old
            dn, dh_prev = (s.dh, s.u) if self.update == "keep" else (s.u, s.dh)
            # n = tanh(a), tanh' = 1 - tanh²
            np.multiply(n, n, out=n)
            np.subtract(1, n, out=n)
            da_n = np.multiply(dn, n, out=n)
            if self.reset == "after":
                # a = ... + r⊙m, m = h_prev·W_hn + b_hn
                np.multiply(da_n, m, out=dr)
                np.multiply(da_n, r, out=dm)
                np.copyto(m, dm)
            else:
                # a = ... + m·W_hn, m = r⊙h_prev
                np.matmul(da_n, s.transposed["W_h"][2 * size :], out=dm)
                np.multiply(dm, h_prev, out=dr)
                dm *= r
                dh_prev += dm
            # r, z = σ(a), σ' = σ - σ²
            np.multiply(rz, rz, out=slope)
            np.subtract(rz, slope, out=slope)
            da_rz = np.multiply(dp[:, : 2 * size], slope, out=rz)
            # a = ... + h_prev·W_h
            if self.reset == "after":
                np.copyto(dp[:, : 2 * size], da_rz)
                np.matmul(dp, s.transposed["W_h"], out=dn)
            else:
                np.matmul(da_rz, s.transposed["W_h"][: 2 * size], out=dn)
            np.add(dh_prev, dn, out=s.dh)

    def weight_gradients(self, s: SavedGRU, g: Weights) -> None:
        split = 2 * self.hidden_size
        h_prev, da = rows(s.h[:-1]), rows(s.a)
        np.matmul(h_prev.T, da[:, :split], out=g["W_h"][:, :split])
        if self.reset == "after":
            np.matmul(h_prev.T, rows(s.m), out=g["W_h"][:, split:])
            if self.bias:
                np.sum(rows(s.m), axis=0, out=g["b_hn"])
        else:
            np.matmul(rows(s.m).T, da[:, split:], out=g["W_h"][:, split:])
