"""Three plain cells, and typical mistakes in them, each in one line."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from charrnn.nn.cells import Cell

__all__ = ["CELLS", "MISTAKES", "Mistake", "planted"]

HEADER = """
import numpy as np
from charrnn.nn.cells import PlainCell
from charrnn.nn.ops import sigmoid
"""

CELLS = {
    "Rnn": HEADER
    + """
class Rnn(PlainCell):
    def shapes(self):
        return {"W_h": (self.hidden_size, self.hidden_size), "b_h": (self.hidden_size,)}

    def step(self, w, a, h_prev):
        pre = a[0] + h_prev @ w["W_h"] + w["b_h"]
        h = np.tanh(pre)
        return h, (h_prev, pre, h)

    def step_back(self, w, grads, kept, dh):
        h_prev, pre, h = kept
        da = dh * (1 - h**2)
        grads["W_h"] += h_prev.T @ da
        grads["b_h"] += da.sum(axis=0)
        dh_prev = da @ w["W_h"].T
        return da, dh_prev
""",
    "Lstm": HEADER
    + """
class Lstm(PlainCell):
    gate_names = ("i", "f", "o", "g")
    state_names = ("h", "c")

    def step(self, w, a, h_prev, c_prev):
        i, f, o, g = a + np.stack(np.split(h_prev @ w["W_h"], 4, axis=1))
        i, f, o, g = sigmoid(i), sigmoid(f), sigmoid(o), np.tanh(g)
        c = f * c_prev + i * g
        h = o * np.tanh(c)
        return (h, c), (h_prev, c_prev, i, f, o, g, h, c)

    def step_back(self, w, grads, kept, dh, dc):
        h_prev, c_prev, i, f, o, g, h, c = kept
        do = dh * np.tanh(c)
        dc = dc + dh * o * (1 - np.tanh(c) ** 2)
        di = dc * g
        df = dc * c_prev
        dg = dc * i
        dc_prev = dc * f
        da_i = di * i * (1 - i)
        da_f = df * f * (1 - f)
        da_o = do * o * (1 - o)
        da_g = dg * (1 - g**2)
        da = np.hstack([da_i, da_f, da_o, da_g])
        grads["W_h"] += h_prev.T @ da
        dh_prev = da @ w["W_h"].T
        return (da_i, da_f, da_o, da_g), (dh_prev, dc_prev)
""",
    "Gru": HEADER
    + """
class Gru(PlainCell):
    gate_names = ("r", "z", "n")

    def step(self, w, a, h_prev):
        W_r, W_z, W_n = np.split(w["W_h"], 3, axis=1)
        r = sigmoid(a[0] + h_prev @ W_r)
        z = sigmoid(a[1] + h_prev @ W_z)
        n = np.tanh(a[2] + (r * h_prev) @ W_n)
        h = z * h_prev + (1 - z) * n
        return h, (h_prev, r, z, n, h)

    def step_back(self, w, grads, kept, dh):
        h_prev, r, z, n, h = kept
        W_r, W_z, W_n = np.split(w["W_h"], 3, axis=1)
        dz = dh * (h_prev - n)
        dn = dh * (1 - z)
        da_n = dn * (1 - n**2)
        dm = da_n @ W_n.T
        dr = dm * h_prev
        da_r = dr * r * (1 - r)
        da_z = dz * z * (1 - z)
        dh_prev = dh * z + dm * r + da_r @ W_r.T + da_z @ W_z.T
        dW_r, dW_z, dW_n = h_prev.T @ da_r, h_prev.T @ da_z, (r * h_prev).T @ da_n
        grads["W_h"] += np.hstack([dW_r, dW_z, dW_n])
        return (da_r, da_z, da_n), dh_prev
""",
}


RNN = """
Nothing goes back to the step before
- dh_prev = da @ w["W_h"].T
+ dh_prev = 0 * h_prev
= by h_prev is 0.

tanh' of the pre-activation, not of tanh
- da = dh * (1 - h**2)
+ da = dh * (1 - pre**2)
= by the pre-activation is made with 1 - a² where 1 - h² belongs

tanh' forgotten
- da = dh * (1 - h**2)
+ da = dh
= by the pre-activation is without the factor 1 - h²

The square in tanh' forgotten
- da = dh * (1 - h**2)
+ da = dh * (1 - h)
= by the pre-activation is made with 1 - tanh(a) where 1 - h² belongs

A sign
- da = dh * (1 - h**2)
+ da = -dh * (1 - h**2)
= by the pre-activation is the right one with the wrong sign

W_h not transposed
- dh_prev = da @ w["W_h"].T
+ dh_prev = da @ w["W_h"]
= by h_prev is made with W_h where its transpose belongs

dh, not da, goes back through W_h
- dh_prev = da @ w["W_h"].T
+ dh_prev = dh @ w["W_h"].T
= by h_prev is made with dh where da belongs

The outer product in the wrong order
- grads["W_h"] += h_prev.T @ da
+ grads["W_h"] += da.T @ h_prev
= by W_h is the right one transposed

Mean over the sequences instead of the sum
- grads["W_h"] += h_prev.T @ da
+ grads["W_h"] += h_prev.T @ da / len(da)
= by W_h is 1/B of the right one

Each step overwrites W_h's gradient
- grads["W_h"] += h_prev.T @ da
+ grads["W_h"][...] = h_prev.T @ da
= by W_h is right for T = 1 and wrong from T = 2 on: it is only the share of step 1

The new state instead of the one before
- grads["W_h"] += h_prev.T @ da
+ grads["W_h"] += h.T @ da
= by W_h is made with h where h_prev belongs

The bias not summed over time
- grads["b_h"] += da.sum(axis=0)
+ grads["b_h"][...] = da.sum(axis=0)
= by b_h is right for T = 1 and wrong from T = 2 on: it is only the share of step 1

The mean for the bias
- grads["b_h"] += da.sum(axis=0)
+ grads["b_h"] += da.mean(axis=0)
= by b_h is 1/B of the right one

The bias forgotten
- grads["b_h"] += da.sum(axis=0)
+ pass
= by b_h is 0.
"""

LSTM = """
The forget gate missing on the way back
- dc_prev = dc * f
+ dc_prev = dc
= by c_prev is without the factor σ(a_f)

dc not carried on
- dc_prev = dc * f
+ dc_prev = 0 * dc
= by c_prev is 0.

What the next step sends back by c ignored
- dc = dc + dh * o * (1 - np.tanh(c) ** 2)
+ dc = dh * o * (1 - np.tanh(c) ** 2)
= of gates i, f and g are 0, in what the next step sends back by c

c instead of tanh(c) for the output gate
- do = dh * np.tanh(c)
+ do = dh * c
= of gate o is made with c where tanh(c) belongs

1 - c² instead of 1 - tanh²(c)
- dc = dc + dh * o * (1 - np.tanh(c) ** 2)
+ dc = dc + dh * o * (1 - c**2)
= of gates i, f and g are made with 1 - c² where 1 - tanh²(c) belongs, in what arrives by h

tanh' forgotten on the way to c
- dc = dc + dh * o * (1 - np.tanh(c) ** 2)
+ dc = dc + dh * o
= of gates i, f and g are without the factor 1 - tanh²(c), in what arrives by h

The output gate forgotten on the way to c
- dc = dc + dh * o * (1 - np.tanh(c) ** 2)
+ dc = dc + dh * (1 - np.tanh(c) ** 2)
= of gates i, f and g are without the factor σ(a_o), in what arrives by h

Two gates exchanged
- return (da_i, da_f, da_o, da_g), (dh_prev, dc_prev)
+ return (da_f, da_i, da_o, da_g), (dh_prev, dc_prev)
= of gate i is that by the pre-activation of gate f

Two gates exchanged in W_h's gradient
- grads["W_h"] += h_prev.T @ da
+ grads["W_h"] += h_prev.T @ np.hstack([da_f, da_i, da_o, da_g])
= by W_h is the right one with the blocks of gate i and gate f exchanged

Two gates exchanged everywhere
- da = np.hstack([da_i, da_f, da_o, da_g])
+ da = np.hstack([da_i, da_o, da_f, da_g])
= by W_h is the right one with the blocks of gate f and gate o exchanged

The gate itself instead of the other factor
- di = dc * g
+ di = dc * i
= of gate i is made with σ(a_i) where tanh(a_g) belongs

The new c instead of the old one
- df = dc * c_prev
+ df = dc * c
= of gate f is made with c where c_prev belongs

σ' forgotten
- da_f = df * f * (1 - f)
+ da_f = df
= of gate f is without the factor σ'(a_f)

tanh' for a sigmoid
- da_i = di * i * (1 - i)
+ da_i = di * (1 - i**2)
= of gate i is made with 1 - σ²(a_i) where σ'(a_i) belongs

A sign
- da_g = dg * (1 - g**2)
+ da_g = dg * (g**2 - 1)
= of gate g is the right one with the wrong sign

A gate forgotten on the way back
- dh_prev = da @ w["W_h"].T
+ dh_prev = da[:, : 3 * len(w["W_h"])] @ w["W_h"][:, : 3 * len(w["W_h"])].T
= by h_prev is without what comes back through gate g
"""

GRU = """
1 - z forgotten
- dn = dh * (1 - z)
+ dn = dh
= of gate n is without the factor 1 - σ(a_z)

z instead of 1 - z
- dn = dh * (1 - z)
+ dn = dh * z
= of gate n is made with σ(a_z) where 1 - σ(a_z) belongs

Old and new exchanged
- dz = dh * (h_prev - n)
+ dz = dh * (n - h_prev)
= of gate z is the right one with the wrong sign

h_prev's own way to h forgotten
- dh_prev = dh * z + dm * r + da_r @ W_r.T + da_z @ W_z.T
+ dh_prev = dm * r + da_r @ W_r.T + da_z @ W_z.T
= by h_prev is 0 in what does not go through weights

The way through r·h_prev forgotten
- dh_prev = dh * z + dm * r + da_r @ W_r.T + da_z @ W_z.T
+ dh_prev = dh * z + da_r @ W_r.T + da_z @ W_z.T
= by h_prev is right where the cell's weights are 0, and wrong in what comes back through them

A gate forgotten on the way back
- dh_prev = dh * z + dm * r + da_r @ W_r.T + da_z @ W_z.T
+ dh_prev = dh * z + dm * r + da_r @ W_r.T
= by h_prev is without what comes back through gate z

The reset gate forgotten in W_h's gradient
- dW_r, dW_z, dW_n = h_prev.T @ da_r, h_prev.T @ da_z, (r * h_prev).T @ da_n
+ dW_r, dW_z, dW_n = h_prev.T @ da_r, h_prev.T @ da_z, h_prev.T @ da_n
= by W_h is wrong in the block of gate n only

The new state instead of the old one
- dr = dm * h_prev
+ dr = dm * h
= of gate r is made with h where h_prev belongs

σ' forgotten
- da_z = dz * z * (1 - z)
+ da_z = dz
= of gate z is without the factor σ'(a_z)
"""


@dataclass(frozen=True)
class Mistake:
    """A changed line of a cell, and the words that must name its place."""

    cell: str
    what: str
    line: str
    instead: str
    place: str

    @property
    def source(self) -> str:
        """The whole file."""
        right = CELLS[self.cell]
        assert right.count(f" {self.line}\n") == 1, self
        return right.replace(f" {self.line}\n", f" {self.instead}\n")


MISTAKES = [
    Mistake(cell, what, *(line[2:] for line in lines))
    for cell, text in {"Rnn": RNN, "Lstm": LSTM, "Gru": GRU}.items()
    for what, *lines in (block.splitlines() for block in text.strip().split("\n\n"))
]


@cache
def planted(source: str, name: str) -> Cell[Any]:
    """The cell that a source defines."""
    namespace: dict[str, Any] = {"__name__": "planted"}
    exec(compile(source, f"{name.lower()}.py", "exec"), namespace)  # noqa: S102 - our own text
    cell: Cell[Any] = namespace[name](4)
    return cell
