"""Steps of a network and their gradients in plain NumPy, for one sequence: for ``explain``."""

from typing import Any

import numpy as np

from charrnn.explaining.lines import Explanation, Line
from charrnn.nn.cells import GRU, LSTM, RNN
from charrnn.nn.models import SequenceModel
from charrnn.nn.parameters import Parameters
from charrnn.nn.types import Array

__all__ = ["Numbers", "drawn", "gru", "lines_of", "lstm", "rnn"]

Numbers = dict[str, Any]


def squash(a: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-a)))


def head(w: Numbers, h: Array, k: int) -> Numbers:
    """Output, loss, and their gradients: a row each."""
    y = h @ w["W"] + w["head.b"]
    p = np.exp(y) / np.exp(y).sum()
    dy = p - np.eye(len(p))[k]
    dW = np.outer(h, dy)
    found = {"y": y, "h·W": h @ w["W"], "p_j": p, "p_k": p[[k]], "E": -np.log(p[[k]])}
    return found | {"dy_j": dy, "dW": dW, "dh": w["W"] @ dy, "dy·Wᵀ": w["W"] @ dy, "←dh": 0 * h}


def rnn(cell: RNN, w: Numbers, x: Array, h0: Array, k: int) -> Numbers:
    xW, hW, b = x @ w["W_x"], h0 @ w["W_h"], w["b"]
    a = xW + hW + b
    h = np.tanh(a) if cell.activation == "tanh" else np.clip(a, 0, None)
    found = {"x·W_x": xW, "h_prev·W_h": hW, "b": b, "a": a, "h": h, "h_prev": h0} | head(w, h, k)
    slope = 1 - h**2 if cell.activation == "tanh" else np.where(a > 0, 1.0, 0.0)
    da = found["dh"] * slope
    found |= {"φ'(a)": slope, "da": da, "←dh_prev": w["W_h"] @ da, "db": da}
    return found | {"dW_h": np.outer(h0, da), "dW_x": np.outer(x, da), "dx": w["W_x"] @ da}


def lstm(cell: LSTM, w: Numbers, x: Array, h0: Array, c0: Array, k: int) -> Numbers:
    found: Numbers = {"h_prev": h0, "c_prev": c0, "←dc": 0 * c0}
    H = len(h0)
    Wx, b = (np.split(w[name], 4, axis=-1) for name in ("W_x", "b"))
    Ws = np.split(w["W_h"] if cell.gates == "hidden" else np.c_[w["W_c"], w["W_h"]], 4, axis=1)
    from_c = [cell.gates == "cell"] * 3 + [False]
    seen = [("c", c0) if c else ("h", h0) for c in from_c]
    for n, q in enumerate("ifog"):
        s, block = seen[n][0], q if cell.gates == "hidden" or q != "g" else ""
        found |= {f"x·W_x{q}": x @ Wx[n], f"{s}_prev·W_{s}{block}": seen[n][1] @ Ws[n]}
        found |= {f"b_{q}": b[n], f"a_{q}": x @ Wx[n] + seen[n][1] @ Ws[n] + b[n]}
        found[q] = np.tanh(found["a_g"]) if q == "g" else squash(found[f"a_{q}"])
    i, f, o, g = (found[q] for q in "ifog")
    c = f * c0 + i * g
    q = np.tanh(c) if cell.output == "tanh" else c
    found |= {"c": c, "q": q, "h": o * q} | head(w, o * q, k)
    dh = found["dh"]
    dc = dh * o * (1 - np.tanh(c) ** 2 if cell.output == "tanh" else 1)
    found |= {"do": dh * q, "dq": dh * o, "dc": dc, "di": dc * g, "df": dc * c0, "dg": dc * i}
    da = [found[f"d{s}"] * found[s] * (1 - found[s]) for s in "ifo"] + [dc * i * (1 - g * g)]
    found |= {f"da_{s}": part for s, part in zip("ifog", da, strict=True)}
    found |= {f"db_{s}": part for s, part in zip("ifog", da, strict=True)}
    found |= {f"dW_x{s}": np.outer(x, part) for s, part in zip("ifog", da, strict=True)}
    by_h, by_c = np.zeros(H), np.zeros(H)
    for n, s in enumerate("ifog"):
        name, past = seen[n]
        block = s if cell.gates == "hidden" or s != "g" else ""
        found[f"dW_{name}{block}" if block else "dW_h"] = np.outer(past, da[n])
        by_h += 0 if from_c[n] else Ws[n] @ da[n]
        by_c += Ws[n] @ da[n] if from_c[n] else 0
    found |= {"←dh_prev": by_h, "←dc_prev": dc * f + by_c, "[da_i | da_f | da_o]·W_cᵀ": by_c}
    return found | {"dx": sum(W @ part for W, part in zip(Wx, da, strict=True))}


def gru(cell: GRU, w: Numbers, x: Array, h0: Array, k: int) -> Numbers:
    (Wr, Wz, Wn), (Ur, Uz, Un), (br, bz, bn) = (
        np.split(w[name], 3, axis=-1) for name in ("W_x", "W_h", "b")
    )
    a_r, a_z = x @ Wr + h0 @ Ur + br, x @ Wz + h0 @ Uz + bz
    r, z = squash(a_r), squash(a_z)
    after = cell.reset == "after"
    m = h0 @ Un + w["b_hn"] if after else r * h0
    past = r * m if after else m @ Un
    n = np.tanh(x @ Wn + bn + past)
    keep = z if cell.update == "keep" else 1 - z
    h = keep * h0 + (1 - keep) * n
    found = {"h_prev": h0, "a_r": a_r, "a_z": a_z, "r": r, "z": z, "m": m, "n": n, "h": h}
    found |= {"b_r": br, "b_z": bz, "b_n": bn, "b_hn": w.get("b_hn"), "a_n": x @ Wn + bn + past}
    found |= {"x·W_xr": x @ Wr, "x·W_xz": x @ Wz, "x·W_xn": x @ Wn, "h_prev·W_hr": h0 @ Ur}
    found |= {"h_prev·W_hz": h0 @ Uz, "h_prev·W_hn": h0 @ Un, "m·W_hn": m @ Un} | head(w, h, k)
    dh = found["dh"]
    dn = dh * (1 - keep)
    dz = dh * (h0 - n) * (1 if cell.update == "keep" else -1)
    da_n = dn * (1 - n * n)
    dm = da_n * r if after else Un @ da_n
    dr = da_n * m if after else dm * h0
    da_r, da_z = dr * r * (1 - r), dz * z * (1 - z)
    back = Ur @ da_r + Uz @ da_z + (Un @ dm if after else 0)
    found |= {"dn": dn, "dz": dz, "da_n": da_n, "dm": dm, "dr": dr, "da_r": da_r, "da_z": da_z}
    found |= {"dh_prev": dh * keep, "[da_r | da_z | dm]·W_hᵀ": back, "db_hn": dm}
    found |= {"[da_r | da_z]·[W_hr | W_hz]ᵀ": back, "dx": Wr @ da_r + Wz @ da_z + Wn @ da_n}
    found |= {"←dh_prev": dh * keep + back + (0 if after else dm * r)}
    found |= {"db_r": da_r, "db_z": da_z, "db_n": da_n, "dW_hr": np.outer(h0, da_r)}
    dW_hn = np.outer(h0, dm) if after else np.outer(m, da_n)
    found |= {"dW_hz": np.outer(h0, da_z), "dW_hn": dW_hn, "dW_xr": np.outer(x, da_r)}
    return found | {"dW_xz": np.outer(x, da_z), "dW_xn": np.outer(x, da_n)}


def drawn(model: SequenceModel) -> Parameters:
    """float32 weights and biases, of a size at which no gate is saturated."""
    p = model.init(np.random.default_rng(1))
    p.flat[...] = 0.5 * np.random.default_rng(2).standard_normal(p.flat.size)
    return p


def lines_of(found: Explanation) -> dict[str, Line]:
    lines = [line for section in found.sections for line in section.lines]
    return {("head " * line.equation.name.startswith("head")) + line.result: line for line in lines}
