"""Three cells written plainly, and the mistakes that learners make in them, one line each."""

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


@dataclass(frozen=True)
class Mistake:
    """One line of a cell written otherwise, and what must be said of it."""

    cell: str
    what: str
    line: str
    instead: str
    places: tuple[str, ...]  # what the message must contain to name the place
    why: str = ""  # what it should contain to name the mistake as well

    @property
    def source(self) -> str:
        """The whole file."""
        right = CELLS[self.cell]
        assert right.count(self.line) == 1, self
        return right.replace(self.line, self.instead)


@cache
def planted(source: str, name: str) -> Cell[Any]:
    """The cell that a source defines."""
    namespace: dict[str, Any] = {"__name__": "planted"}
    exec(compile(source, f"{name.lower()}.py", "exec"), namespace)  # noqa: S102 - our own text
    cell: Cell[Any] = namespace[name](4)
    return cell


W_H = 'grads["W_h"] += h_prev.T @ da\n'
B_H = 'grads["b_h"] += da.sum(axis=0)'
BACK = 'dh_prev = da @ w["W_h"].T'

MISTAKES = [
    Mistake(
        "Rnn", "nothing goes back to the step before", BACK, "dh_prev = 0 * h_prev",
        ("by h_prev is 0", "from T = 2"),
    ),
    Mistake(
        "Rnn", "tanh' of the pre-activation", "(1 - h**2)", "(1 - pre**2)",
        ("gate a", "made with 1 - a² where tanh'(a) belongs"),
    ),
    Mistake("Rnn", "tanh' forgotten", "dh * (1 - h**2)", "dh * 1", ("gate a", "without its factor tanh'(a)")),
    Mistake("Rnn", "the square forgotten in tanh'", "(1 - h**2)", "(1 - h)", ("gate a", "1 - tanh(a)")),
    Mistake("Rnn", "a sign", "da = dh *", "da = -dh *", ("gate a", "wrong sign")),
    Mistake("Rnn", "W_h not transposed", BACK, 'dh_prev = da @ w["W_h"]', ("h_prev", "made with W_h where its transpose belongs")),
    Mistake("Rnn", "dh instead of da goes back through W_h", BACK, 'dh_prev = dh @ w["W_h"].T', ("by h_prev",)),
    Mistake("Rnn", "outer product in the wrong order", W_H, 'grads["W_h"] += da.T @ h_prev\n', ("by W_h is", "transposed")),
    Mistake("Rnn", "mean over the sequences", W_H, 'grads["W_h"] += h_prev.T @ da / len(da)\n', ("by W_h is 1/B", "mean")),
    Mistake("Rnn", "W_h's gradient overwritten at each step", W_H, 'grads["W_h"][...] = h_prev.T @ da\n', ("by W_h is right for T = 1", "overwrites")),
    Mistake("Rnn", "the state of this step instead of the one before", W_H, 'grads["W_h"] += h.T @ da\n', ("by W_h is made with h where h_prev belongs",)),
    Mistake("Rnn", "bias not summed over time", B_H, 'grads["b_h"][...] = da.sum(axis=0)', ("by b_h is right for T = 1", "overwrites")),
    Mistake("Rnn", "mean instead of sum for the bias", B_H, 'grads["b_h"] += da.mean(axis=0)', ("by b_h is 1/B", "mean")),
    Mistake("Rnn", "bias forgotten", B_H, "pass", ("by b_h is 0",)),
    Mistake("Lstm", "forgotten gate f in dc", "dc_prev = dc * f", "dc_prev = dc", ("by c_prev is", "without its factor σ(a_f)")),
    Mistake("Lstm", "dc not carried on", "dc_prev = dc * f", "dc_prev = 0 * dc", ("by c_prev is 0",)),
    Mistake("Lstm", "what later steps send back by c ignored", "dc = dc + dh", "dc = dh", ("c_prev", "0 in what arrives by the next step's c")),
    Mistake("Lstm", "c instead of tanh(c) for the output gate", "do = dh * np.tanh(c)", "do = dh * c", ("gate o", "made with c where tanh(c) belongs")),
    Mistake("Lstm", "1 - c² instead of 1 - tanh²(c)", "(1 - np.tanh(c) ** 2)", "(1 - c**2)", ("gate i", "made with 1 - c² where 1 - tanh²(c) belongs")),
    Mistake("Lstm", "tanh' forgotten on the way to c", " * (1 - np.tanh(c) ** 2)", "", ("gate i", "without its factor 1 - tanh²(c)")),
    Mistake("Lstm", "output gate forgotten on the way to c", "dh * o * (1", "dh * (1", ("gate i", "without its factor σ(a_o)")),
    Mistake("Lstm", "two gates exchanged", "return (da_i, da_f,", "return (da_f, da_i,", ("gate i is that by the pre-activation of gate f",)),
    Mistake("Lstm", "two gates exchanged in W_h's gradient", W_H, 'grads["W_h"] += h_prev.T @ np.hstack([da_f, da_i, da_o, da_g])\n', ("by W_h is", "blocks 1 and 2 exchanged")),
    Mistake("Lstm", "its own gate instead of the other factor", "di = dc * g", "di = dc * i", ("gate i", "made with σ(a_i) where tanh(a_g) belongs")),
    Mistake("Lstm", "the new c instead of the old", "df = dc * c_prev", "df = dc * c", ("gate f", "made with c where c_prev belongs")),
    Mistake("Lstm", "σ' forgotten", "da_f = df * f * (1 - f)", "da_f = df", ("gate f", "without its factor σ'(a_f)")),
    Mistake("Lstm", "tanh' for a sigmoid", "da_i = di * i * (1 - i)", "da_i = di * (1 - i**2)", ("gate i",)),
    Mistake("Lstm", "a sign", "da_g = dg * (1 - g**2)", "da_g = dg * (g**2 - 1)", ("gate g", "wrong sign")),
    Mistake("Lstm", "a gate's way back forgotten", BACK, 'dh_prev = da[:, :15] @ w["W_h"][:, :15].T', ("by h_prev is without what comes back through gate g",)),
    Mistake("Gru", "(1 - z) forgotten", "dn = dh * (1 - z)", "dn = dh", ("gate n", "without its factor 1 - σ(a_z)")),
    Mistake("Gru", "z and 1 - z exchanged", "dn = dh * (1 - z)", "dn = dh * z", ("gate n", "made with σ(a_z) where 1 - σ(a_z) belongs")),
    Mistake("Gru", "old and new exchanged", "dz = dh * (h_prev - n)", "dz = dh * (n - h_prev)", ("gate z", "wrong sign")),
    Mistake("Gru", "h_prev's own way forgotten", "dh_prev = dh * z + dm", "dh_prev = dm", ("by h_prev is",)),
    Mistake("Gru", "the way through r⊙h_prev forgotten", " + dm * r", "", ("by h_prev is",)),
    Mistake("Gru", "a gate's way back forgotten", " + da_z @ W_z.T", "", ("by h_prev is without what comes back through gate z",)),
    Mistake("Gru", "reset gate forgotten in W_h's gradient", "(r * h_prev).T @ da_n", "h_prev.T @ da_n", ("by W_h is wrong in block 3 only",)),
    Mistake("Gru", "the new state instead of the old for the reset gate", "dr = dm * h_prev", "dr = dm * h", ("gate r",)),
    Mistake("Gru", "σ' forgotten", "da_z = dz * z * (1 - z)", "da_z = dz", ("gate z", "without its factor σ'(a_z)")),
]
