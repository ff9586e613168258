"""The gated recurrent unit, in the four forms that the literature and libraries call GRU."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from charrnn.nn.cells.base import Cell, Saved
from charrnn.nn.ops import rows, to_unit
from charrnn.nn.products import by_gate
from charrnn.nn.types import Array, LayerState, Weights
from charrnn.nn.workspace import Workspace

__all__ = ["GRU"]


@dataclass
class SavedGRU(Saved):
    """What the GRU saves in addition: what its candidate reads of the last state."""

    m: Array  # (T, B, H)  h_prev·W_hn + b_hn (reset after) or r⊙h_prev (before); then dm

    def clear(self, t: int, n: int) -> None:
        super().clear(t, n)
        self.m[t, n:] = 0


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

    The blocks of ``W_h`` (H, 3H) are in the order r, z, n. With reset="after" and biases, ``b_hn``
    (H,) is the candidate's second bias, which the reset gate multiplies.
    """

    reset: str = "after"
    update: str = "keep"

    name: ClassVar[str] = "gru"
    num_gates: ClassVar[int] = 3
    num_sigmoids: ClassVar[int] = 2
    choices: ClassVar[dict[str, tuple[str, ...]]] = {
        "reset": ("after", "before"),
        "update": ("keep", "write"),
    }

    @property
    def bounded(self) -> bool:
        return True

    def shapes(self) -> dict[str, tuple[int, ...]]:
        shapes = super().shapes()
        if self.bias and self.reset == "after":
            shapes["b_hn"] = (self.hidden_size,)
        return shapes

    def begin(
        self,
        a: Array,
        state: LayerState,
        workspace: Workspace,
        running: tuple[int, ...] | None = None,
    ) -> SavedGRU:
        s = SavedGRU(
            **self._buffers(a, workspace, running),
            m=workspace.array("m", a.shape[1:], a.dtype),
        )
        (s.h[0],) = state
        return s

    def matrices(self, w: Weights) -> dict[str, tuple[Array, int]]:
        W = by_gate(w["W_h"], self.hidden_size)
        if self.reset == "after":
            return {"rzn": (W, 2)}
        return {"rz": (W[:2], 2), "n": (W[2:], 0)}

    def forward(self, w: Weights, s: SavedGRU, steps: range) -> None:
        for t, k in s.ahead(steps):
            h_prev, h, m = s.h[t, :k], s.h[t + 1, :k], s.m[t, :k]
            rz, (r, z, n), u = s.a[:2, t, :k], s.a[:, t, :k], s.u[:k]

            if self.reset == "after":
                p = s.products["rzn"].of_each(h_prev)
                rz += p[:2]
                np.tanh(rz, out=rz)
                to_unit(rz)
                np.copyto(m, p[2])
                if self.bias:
                    m += w["b_hn"]
                np.multiply(r, m, out=u)
                n += u
            else:
                rz += s.products["rz"].of_each(h_prev)
                np.tanh(rz, out=rz)
                to_unit(rz)
                np.multiply(r, h_prev, out=m)
                n += s.products["n"].of_each(m)[0]
            np.tanh(n, out=n)

            old, new = (h_prev, n) if self.update == "keep" else (n, h_prev)
            # h = z⊙old + (1-z)⊙new
            np.subtract(old, new, out=h)
            h *= z
            h += new

    def backward(self, w: Weights, s: SavedGRU, dy: Array, steps: range) -> None:
        for t, k in s.back(steps):
            h_prev, m = s.h[t, :k], s.m[t, :k]
            rz, (r, z, n) = s.a[:2, t, :k], s.a[:, t, :k]
            d, slope, u, dh = s.d[:, :k], s.slope[:2, :k], s.u[:k], s.dh[:k]
            dr, dz, dm = d
            dh += dy[t, :k]

            # h = z⊙old + (1-z)⊙new
            old, new = (h_prev, n) if self.update == "keep" else (n, h_prev)
            np.subtract(old, new, out=dz)
            dz *= dh
            d_old = np.multiply(dh, z, out=u)
            dh -= d_old
            dn, dh_prev = (dh, u) if self.update == "keep" else (u, dh)
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
                s.transposed["n"].sum(s.a[2:, t, :k], out=dm)
                np.multiply(dm, h_prev, out=dr)
                dm *= r
                dh_prev += dm
            # r, z = σ(a), σ' = σ - σ²
            np.multiply(rz, rz, out=slope)
            np.subtract(rz, slope, out=slope)
            da_rz = np.multiply(d[:2], slope, out=rz)
            # a = ... + h_prev·W_h
            if self.reset == "after":
                np.copyto(d[:2], da_rz)
                s.transposed["rzn"].sum(d, out=dn)
            else:
                s.transposed["rz"].sum(da_rz, out=dn)
            np.add(dh_prev, dn, out=dh)

    def weight_gradients(self, s: SavedGRU, g: Weights) -> None:
        size = self.hidden_size
        h_prev, da, m = rows(s.h[:-1]), s.a.reshape(3, -1, size), rows(s.m)
        dW = by_gate(g["W_h"], size)
        np.matmul(h_prev.T, da[:2], out=dW[:2])
        if self.reset == "after":
            np.matmul(h_prev.T, m, out=dW[2])
            if self.bias:
                np.sum(m, axis=0, out=g["b_hn"])
        else:
            np.matmul(m.T, da[2], out=dW[2])
