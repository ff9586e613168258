"""Long short-term memory: the usual form, and note 003's, whose gates read the memory cell."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from charrnn.nn.cells.base import Cell, Saved
from charrnn.nn.ops import rows, to_unit
from charrnn.nn.products import by_gate
from charrnn.nn.types import Array, LayerState, Weights
from charrnn.nn.workspace import Workspace

__all__ = ["LSTM"]


@dataclass
class SavedLSTM(Saved):
    """What the LSTM saves in addition: its memory cell."""

    c: Array  # (T+1, B, H)
    squashed: Array  # (T, B, H)  what the output gate multiplies: tanh(c), or c
    dc: Array  # (B, H)  the gradient by c that later steps have sent back

    @property
    def states(self) -> tuple[Array, ...]:
        return self.h, self.c

    def dstate(self) -> LayerState:
        return self.dh, self.dc


@dataclass(frozen=True)
class LSTM(Cell[SavedLSTM]):
    """A memory cell c behind three gates: input i, forget f, output o; g is the candidate.

        i, f, o = σ(x·W_x + s·W_s + b)       s = h_prev (gates="hidden") or c_prev (gates="cell")
        g = tanh(x·W_x + h_prev·W_h + b)
        c = f⊙c_prev + i⊙g
        h = o⊙tanh(c)                        or o⊙c (output="identity")

    Hochreiter and Schmidhuber (1997), with the forget gate of Gers, Schmidhuber and Cummins (2000).
    Note 002 is the default, note 000 the same without biases. Note 003 is ``gates="cell",
    output="identity"``: its three gates read the cell before this step through full matrices (not
    the diagonal "peepholes" of Gers and Schmidhuber, 2000), and only the candidate reads h.

    With gates="hidden" the four blocks of ``W_h`` are in the order i, f, o, g. With gates="cell"
    ``W_c`` (H, 3H) holds the gates' blocks, ``W_h`` (H, H) the candidate's.
    """

    gates: str = "hidden"
    output: str = "tanh"

    name: ClassVar[str] = "lstm"
    num_gates: ClassVar[int] = 4
    num_sigmoids: ClassVar[int] = 3
    state_names: ClassVar[tuple[str, ...]] = ("h", "c")
    choices: ClassVar[dict[str, tuple[str, ...]]] = {
        "gates": ("hidden", "cell"),
        "output": ("tanh", "identity"),
    }

    @property
    def bounded(self) -> bool:
        return self.output == "tanh"

    def shapes(self) -> dict[str, tuple[int, ...]]:
        size = self.hidden_size
        if self.gates == "hidden":
            return {"W_h": (size, 4 * size)}
        return {"W_c": (size, 3 * size), "W_h": (size, size)}

    def init_bias(self) -> Array:
        """Zero, but one for the forget gate: a new network remembers (Jozefowicz et al., 2015)."""
        b = np.zeros(4 * self.hidden_size)
        b[self.hidden_size : 2 * self.hidden_size] = 1.0
        return b

    def patient_bias(self, reach: int) -> Array:
        """Let half of the cells remember for 1/(1-f) = 1 + e up to ``reach`` steps.

        Tallec and Ollivier (2018), "Can recurrent neural networks warp time?": b_f = ln(u - 1)
        keeps a memory for u steps, and b_i = -b_f lets it change as slowly (here 1 - b_f, so that
        the fastest cells are like the other half). They draw u for all cells; here it is evenly
        spread over half of them.
        """
        b, size = self.init_bias(), self.hidden_size
        slow = size // 2
        kept = np.log(np.linspace(np.e, max(reach - 1, np.e), slow))
        b[:slow], b[size : size + slow] = 1 - kept, kept
        return b

    def begin(
        self,
        a: Array,
        state: LayerState,
        workspace: Workspace,
        running: tuple[int, ...] | None = None,
    ) -> SavedLSTM:
        _, num_steps, *row = a.shape
        c = workspace.array("c", (num_steps + 1, *row), a.dtype)
        s = SavedLSTM(
            **self._buffers(a, workspace, running),
            c=c,
            squashed=workspace.array("tanh_c", (num_steps, *row), a.dtype)
            if self.output == "tanh"
            else c[1:],
            dc=workspace.array("dc", (row[0], row[1]), a.dtype),
        )
        s.h[0], s.c[0] = state
        return s

    def matrices(self, w: Weights) -> dict[str, tuple[Array, int]]:
        size = self.hidden_size
        if self.gates == "hidden":
            return {"W_h": (by_gate(w["W_h"], size), 3)}
        return {"W_c": (by_gate(w["W_c"], size), 3), "W_h": (by_gate(w["W_h"], size), 0)}

    def forward(self, w: Weights, s: SavedLSTM, steps: range) -> None:
        for t, n in s.ahead(steps):
            h_prev, c_prev = s.h[t, :n], s.c[t, :n]
            h, c, squashed = s.h[t + 1, :n], s.c[t + 1, :n], s.squashed[t, :n]
            gates, u = s.a[:, t, :n], s.u[:n]
            i, f, o, g = gates

            if self.gates == "hidden":
                gates += s.products["W_h"].of_each(h_prev)
            else:
                gates[:3] += s.products["W_c"].of_each(c_prev)
                gates[3:] += s.products["W_h"].of_each(h_prev)
            np.tanh(gates, out=gates)
            to_unit(gates[:3])

            np.multiply(f, c_prev, out=c)
            np.multiply(i, g, out=u)
            c += u
            if self.output == "tanh":
                np.tanh(c, out=squashed)
            np.multiply(o, squashed, out=h)

    def backward(self, w: Weights, s: SavedLSTM, dy: Array, steps: range) -> None:
        for t, n in s.back(steps):
            c_prev, squashed = s.c[t, :n], s.squashed[t, :n]
            gates, u, dh, dc = s.a[:, t, :n], s.u[:n], s.dh[:n], s.dc[:n]
            d, slope = s.d[:, :n], s.slope[:, :n]
            i, f, o, g = gates
            di, df, do, dg = d
            dh += dy[t, :n]

            # h = o⊙tanh(c), or o⊙c
            np.multiply(dh, squashed, out=do)
            np.multiply(dh, o, out=u)
            dc += u
            if self.output == "tanh":
                u *= squashed
                u *= squashed
                dc -= u
            # c = f⊙c_prev + i⊙g
            np.multiply(dc, g, out=di)
            np.multiply(dc, c_prev, out=df)
            np.multiply(dc, i, out=dg)
            dc *= f
            # i, f, o = σ(a), σ' = σ - σ²; g = tanh(a), tanh' = 1 - tanh²
            np.multiply(gates, gates, out=slope)
            np.subtract(gates[:3], slope[:3], out=slope[:3])
            np.subtract(1, slope[3:], out=slope[3:])
            da = np.multiply(d, slope, out=gates)
            # a = ... + h_prev·W_h, or c_prev·W_c for the gates and h_prev·W_h for g
            if self.gates == "hidden":
                s.transposed["W_h"].sum(da, out=dh)
            else:
                s.transposed["W_h"].sum(da[3:], out=dh)
                s.transposed["W_c"].sum(da[:3], out=u)
                dc += u

    def weight_gradients(self, s: SavedLSTM, g: Weights) -> None:
        size = self.hidden_size
        h_prev, da = rows(s.h[:-1]), s.a.reshape(4, -1, size)
        if self.gates == "hidden":
            np.matmul(h_prev.T, da, out=by_gate(g["W_h"], size))
        else:
            np.matmul(rows(s.c[:-1]).T, da[:3], out=by_gate(g["W_c"], size))
            np.matmul(h_prev.T, da[3], out=g["W_h"])
