"""``charrnn explain``: the equations are the document's, and the numbers are theirs."""

import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from plain_cells import PlainLSTM
from rich.cells import cell_len
from support import ROOT, charrnn, environment

from charrnn.checkpoint import write_checkpoint
from charrnn.cli.explained import page
from charrnn.explaining.cells import equations_of
from charrnn.explaining.equations import EQUATIONS, SYMBOLS
from charrnn.explaining.formulas import parse
from charrnn.explaining.lines import Explanation, Line
from charrnn.explaining.model import explain_model
from charrnn.explaining.notation import meaning, plain, symbols_of
from charrnn.explaining.step import explain_step
from charrnn.explaining.worked import worked_example
from charrnn.nn.cells import GRU, LSTM, RNN, Cell, all_variants
from charrnn.nn.models import SequenceModel
from charrnn.nn.parameters import Parameters
from charrnn.nn.types import Array, State
from charrnn.nn.workspace import Workspace
from charrnn.runs.model import Model, load
from charrnn.tasks.config import Config
from charrnn.tasks.lm import TextSpec
from charrnn.text.vocab import Vocabulary

DOCUMENT = (ROOT / "docs" / "equations.md").read_text(encoding="utf-8")
EXPLAINED = (ROOT / "docs" / "explain.md").read_text(encoding="utf-8")
VARIANTS = [cell for kind in (RNN, LSTM, GRU) for cell in all_variants(kind, 5)]
BY_INDEX = {"own.h", "softmax", "loss", "head.dy"}
"""Equations that are not computed as they are written, but beside them."""

Numbers = dict[str, Any]
every_variant = pytest.mark.parametrize("cell", VARIANTS, ids=lambda cell: cell.label)


# The equations


def test_every_equation_stands_in_the_document() -> None:
    """Letter by letter, but for what aligns them; and nothing that goes on where it ends."""
    text = re.sub(r"\s+", " ", DOCUMENT.replace(r"\textstyle", "").replace("&", ""))
    assert len(EQUATIONS) > 90
    for equation in EQUATIONS.values():
        goes_on = r"(?! ?[_^+\-(]| \\(?:cdot|odot|mid)|\d|\w)"
        assert re.search(re.escape(equation.latex) + goes_on, text), equation.name


def test_every_symbol_has_a_meaning() -> None:
    used = set()
    for equation in EQUATIONS.values():
        for symbol in symbols_of(equation):
            assert meaning(symbol), symbol
            used |= {symbol, symbol.partition("_")[0]}
    assert not SYMBOLS.keys() - used
    assert meaning("W_xi") == f"{SYMBOLS['W_x']}: the block of i, input gate"
    assert meaning("dh_prev") == "gradient of the loss by h, of the step before"


def test_equations_in_plain_letters() -> None:
    shown = {name: plain(equation.latex) for name, equation in EQUATIONS.items()}
    assert shown["lstm.a_i.hidden"] == "a_i = x·W_xi + h_prev·W_hi + b_i"
    assert shown["gru.back.after"] == "←dh_prev = dh_prev + [da_r | da_z | dm]·W_hᵀ"
    assert shown["lstm.da_f"] == "da_f = df⊙(f - f²)"
    assert shown["softmax"] == "p_j = e^y_j / Σ_v e^y_v"
    assert plain(EQUATIONS["rnn.a"].latex, 2) == "a_2 = x_2·W_x + h_1·W_h + b"
    assert plain(EQUATIONS["rnn.dW_h"].latex, 2) == "dW_h = Σ h_t-1ᵀ·da_t"
    for text in shown.values():
        assert not re.search(r"[\\{}]|  ", text)


def test_every_equation_is_used_and_can_be_computed() -> None:
    used = {e.name for cell in VARIANTS for equations in equations_of(cell) for e in equations} | {
        line.equation.name for s in worked_example().sections for line in s.lines
    }
    shared = {name for name in EQUATIONS if name.partition(".")[0] not in ("rnn", "lstm", "gru")}
    assert used | shared == EQUATIONS.keys()
    for name, equation in EQUATIONS.items():
        if name not in BY_INDEX:
            assert parse(equation.latex).term.parts() or equation.latex[-1] in "01"


@pytest.mark.parametrize("latex", [r"y_t = h_t \cdot", r"y_t = \frac{1}{2}", "(a) + b = c", "y_t"])
def test_what_cannot_be_computed_is_refused(latex: str) -> None:
    with pytest.raises(ValueError, match=r"expected|understood|computed"):
        parse(latex)


def test_products_come_before_sums_and_from_the_left() -> None:
    step = {"a": np.array([[2.0]]), "b": np.array([[3.0]]), "c": np.array([[5.0]])}
    for latex, value in [
        (r"y = a - b - c", -6),
        (r"y = a + b \odot c", 17),
        (r"y = (a + b) \odot c^2", 125),
        (r"y = [a > b]", 0),
        (r"y = \sum_t a \odot b + c", 11),
    ]:
        assert parse(latex).term.value(step).item() == value, latex
    steps = [step, {"a": np.array([[7.0]]), "b": np.array([[1.0]])}]
    assert parse(r"y = \sum_t a \odot b + c").term.value(step, steps).item() == 18


# The numbers, by other hands


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
    """float32 weights, biases too, of a size at which every gate is somewhere between."""
    p = model.init(np.random.default_rng(1))
    p.flat[...] = 0.5 * np.random.default_rng(2).standard_normal(p.flat.size)
    return p


def some_state(model: SequenceModel) -> State:
    rng = np.random.default_rng(3)
    zero = model.zero_state(1, np.float64)
    return tuple(tuple(0.5 * rng.standard_normal(part.shape) for part in s) for s in zero)


def numbers_of(found: Explanation) -> Numbers:
    """Every unit's numbers of every line, by name; and of each name always the same."""
    numbers: Numbers = {}
    for section in found.sections:
        for line in section.lines:
            for symbol, value in found.columns(line, found.width).items():
                name = plain(symbol)
                if name == "b" and line.equation.name.startswith("head"):
                    name = "head.b"
                if name == "db" and line.equation.name.startswith("head"):
                    name = "dy"
                assert np.array_equal(numbers.setdefault(name, value), value), name
    return numbers


@every_variant
@pytest.mark.parametrize("embedding", [0, 3])
def test_every_number_is_what_plain_numpy_makes_it(cell: Cell[Any], embedding: int) -> None:
    model = SequenceModel(4, 4, cell, embedding_size=embedding)
    p, state, k = drawn(model), some_state(model), 2
    found = explain_step(model, p, np.array([3]), state, target=k)
    w: Numbers = {name: array.astype(np.float64) for name, array in p.scope("body.0").items()}
    w |= {"W": p["head.W"].astype(np.float64), "head.b": p["head.b"].astype(np.float64)}
    if not cell.bias:
        w |= {"b": np.zeros(w["W_x"].shape[1]), "b_hn": np.zeros(5)}
    x = p["embedding.W"][3].astype(np.float64) if embedding else np.eye(4)[3]
    by_hand = {RNN: rnn, LSTM: lstm, GRU: gru}[type(cell)]
    expected = by_hand(cell, w, x, *(part[0] for part in state[0]), k)  # type: ignore[operator]
    expected |= {"x": x, "u·W_e": x, "dy": expected["dy_j"], "head.b": w["head.b"]}
    if embedding:
        expected["dW_e"] = expected["dx"]
    order = found.characters
    numbers = numbers_of(found)
    assert len(numbers) > 15
    assert any(name.startswith("b") for name in numbers.keys() - {"head.b"}) == cell.bias
    for name, value in numbers.items():
        if name in ("u", "x") and not embedding:
            assert value == 1
            continue
        want = np.atleast_1d(expected[name])
        if name in ("y", "h·W", "p_j", "dy_j", "dy", "head.b", "dW"):
            want = want[..., order]
        if name.startswith("dW_x") and not embedding:
            want = want[[3]]
        if name == "dW_e":
            want = want[None]
        np.testing.assert_allclose(value, want, rtol=1e-12, atol=1e-15, err_msg=name)


GRADIENTS = {"W_x": "dW_x", "W_h": "dW_h", "W_c": "dW_c", "b": "db", "b_hn": "db_{hn}"}


def lines_of(found: Explanation) -> dict[str, Line]:
    lines = [line for section in found.sections for line in section.lines]
    return {("head " * line.equation.name.startswith("head")) + line.result: line for line in lines}


@every_variant
@pytest.mark.parametrize(
    ("layers", "embedding", "tied"),
    [(2, 0, False), (2, 3, False), (1, 5, True), (0, 0, False), (0, 3, False)],
    ids=["stack", "embedding", "tied", "no layers", "embedding alone"],
)
def test_the_gradients_are_those_that_train(
    cell: Cell[Any], layers: int, embedding: int, tied: bool
) -> None:
    """Of every layer, of the head and the embedding; and the loss."""
    if not layers and cell != VARIANTS[0]:
        return  # no cell is in it
    model = SequenceModel(6, 6, cell, layers, embedding, tied=tied)
    p, state = drawn(model), some_state(model)
    exact = p.astype(np.float64)
    gradients = exact.zeros_like()
    x, target = np.array([[4]]), np.array([[1]])
    loss, _ = model.cross_entropy(exact, x, target, state, Workspace(), gradients=gradients)
    for layer in range(max(layers, 1)):
        found = explain_step(model, p, x[0], state, target=1, layer=layer)
        lines = lines_of(found)
        assert lines["head E" if "head E" in lines else "E"].value.item() == pytest.approx(
            loss, rel=1e-13
        )
        expected = {"head db": gradients["head.b"][None]}
        if not tied:
            expected["head dW"] = gradients["head.W"]
        if embedding:
            expected["dW_e"] = gradients["embedding.W"]
        own = gradients.scope(f"body.{layer}")
        for name, array in own.items():
            if name == "W_h" and cell.name == "gru":
                for gate, part in zip("rzn", np.split(array, 3, axis=1), strict=True):
                    expected[f"dW_{{h{gate}}}"] = part
            else:
                expected[GRADIENTS[name]] = np.atleast_2d(array)
        for name, want in expected.items():
            np.testing.assert_allclose(lines[name].value, want, 1e-12, 1e-15, err_msg=name)


def test_a_stack_hands_on_states_and_gradients() -> None:
    model = SequenceModel(6, 6, GRU(5), 2)
    p, state = drawn(model), some_state(model)
    below, top = (
        lines_of(explain_step(model, p, np.array([4]), state, target=1, layer=k)) for k in (0, 1)
    )
    assert np.array_equal(top["x_t"].value, below["h_t"].value)
    assert np.array_equal(below["dh_t"].parts["dx^{(l+1)}_t"], top["dx_t"].value)
    assert "dx_t" not in below  # a one-hot input has no gradient


def test_the_prime_is_read_as_sampling_reads_it() -> None:
    """The state is carried from the first character on; where it runs away it begins anew."""
    for cell, wild in ((LSTM(5), 1.0), (RNN(5, activation="relu"), 4.0)):
        model = SequenceModel(6, 6, cell)
        p = drawn(model)
        p.flat *= wild
        ids = np.random.default_rng(5).integers(6, size=131)
        start = 128 if wild > 1 else 0  # the second chunk of 64 ends at a runaway state
        exact = p.astype(np.float64)
        state = model.zero_state(1, np.float64)
        x = ids[start:, None]
        y, _, _ = model.forward(exact, x, state)
        found = explain_step(model, p, ids, model.zero_state(1))
        lines = lines_of(found)
        np.testing.assert_allclose(lines["head y_t"].value[0], y[-1, 0], rtol=1e-12)


# Note 002


def test_note_002_to_the_last_digit_of_the_document() -> None:
    sections = {s.title: lines_of(Explanation([s], 2, "", [0])) for s in worked_example().sections}
    first, _, once, second, _, on, both = sections.values()
    assert first["h_t"].value[0].round(4).tolist() == [0.4621, 0.0997]
    assert first["head y_t"].value.round(4).item() == 0.3624
    chapter = DOCUMENT[DOCUMENT.index("### 4.1") : DOCUMENT.index("## 5.")]
    printed = set(re.findall(r"\d\.\d{8}(?!\d)", chapter))
    shown = set()
    for lines in sections.values():
        for line in lines.values():
            shown |= {f"{abs(v):.8f}" for v in line.value.flat}
    assert {"0.46211716", "0.78644773", "0.29162980", "1.41674237"} <= printed
    assert printed - shown == {"0.35730136"}  # y_2, if W_h were not transposed
    model = SequenceModel(1, 1, RNN(2), input="vectors", loss="squared")
    p = Parameters(model.shapes(), np.float64)
    given = worked_example().given
    p.fill({"W_x": given["W_x"], "W_h": given["W_h"]}, "body.0")
    p.fill({"W": given["W"]}, "head")
    for steps, lines, last in ((1, once, first), (2, both, second)):
        y, _, saved = model.forward(p, np.ones((steps, 1, 1)), model.zero_state(1, np.float64))
        assert y[-1].item() == pytest.approx(last["head y_t"].value.item(), rel=1e-15)
        g, dy = p.zeros_like(), np.zeros((steps, 1, 1))
        dy[-1] = 1
        _, ((dh0,),) = model.backward(p, g, dy, None, saved)
        for name in ("W_x", "W_h", "b"):
            want = np.atleast_2d(g[f"body.0.{name}"])
            np.testing.assert_allclose(lines[f"d{name}"].value, want, 1e-13)
        np.testing.assert_allclose(lines["head dW"].value, g["head.W"], 1e-13)
    np.testing.assert_allclose(on[r"\overleftarrow{dh}_{t-1}"].value, dh0, 1e-13)


# The command


def saved(folder: Path, name: str, codes: str | None = None, **settings: Any) -> Path:
    """A language model as a checkpoint, untrained."""
    config = Config(**{"hidden": 6} | settings)
    level = "char" if codes else "byte"
    symbols = sorted(map(ord, codes)) if codes else range(256)
    spec = TextSpec(Vocabulary(level, tuple(symbols)))
    header = {"config": config.to_json(), "vocabulary": spec.to_header()}
    path = folder / f"{name}.npz"
    write_checkpoint(path, header, dict(drawn(spec.model(config))))
    return path


LETTERS = "\n\x1b\u202e abcdeé漢"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("explain")
    saved(folder, "lstm", LETTERS, cell="lstm", layers=2)
    saved(folder, "gru", LETTERS, cell="gru,reset=before,update=write", embedding=4)
    saved(folder, "tied", LETTERS, cell="lstm,gates=cell,output=identity", head="tied")
    saved(folder, "rnn", LETTERS, cell="rnn,activation=relu,bias=false")
    saved(folder, "bytes", None, cell="gru", level="byte", hidden=40)
    saved(folder, "flat", LETTERS, layers=0)
    saved(folder, "\x1b\u202e", LETTERS)
    saved(folder, "flat-embedded", LETTERS, layers=0, embedding=3)
    (folder / "my_cell.py").write_text(
        (ROOT / "tests/plain_cells.py").read_text(encoding="utf-8"), encoding="utf-8"
    )
    return folder


def run(place: Path, *arguments: str) -> str:
    done = charrnn("explain", *arguments, cwd=place)
    assert (done.returncode, done.stderr) == (0, b""), done.stderr
    return done.stdout.decode()


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["lstm.npz", "--prime", "abc"],
        ["lstm.npz", "--prime", "abc", "--layer", "0", "--units", "6"],
        ["gru.npz", "--prime", "漢é", "--next", "漢"],
        ["tied.npz", "--prime", "a" * 70, "--next", r"\n"],
        ["rnn.npz", "--units", "1"],
        ["bytes.npz", "--prime", "é", "--next", "漢", "--units", "40"],
        ["flat.npz", "--prime", "a"],
        ["flat-embedded.npz", "--prime", "a"],
        ["lstm.npz", "--prime", "\x1b\u202e", "--next", "\x1b"],
        ["lstm.npz", "--prime", "\u202e漢" * 40],
        ["\x1b\u202e.npz", "--prime", "a"],
    ],
)
def test_what_is_shown_fits_and_rules_no_terminal(place: Path, arguments: list[str]) -> None:
    shown = run(place, *arguments)
    lines = shown.split("\n")
    assert max(map(cell_len, lines)) <= 80
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", shown)
    assert len(lines) > 20
    assert "nan" not in shown


def test_the_tables_say_what_they_are(place: Path) -> None:
    shown = run(place, "gru.npz", "--prime", "ab", "--next", "c", "--units", "2")
    assert "gru.npz: 1 × 6 gru,reset=before,update=write, 11 characters\n" in shown
    assert "reads 'ab'; this step: 'b'; next: 'c', as given\n" in shown
    headings = [line for line in shown.splitlines() if line[:1].isupper()]
    assert headings == [
        "Input",
        "Layer 0: gru,reset=before,update=write",
        "Output",
        "Loss",
        "Gradients of the output",
        "Gradients of layer 0: gru,reset=before,update=write",
        "Gradient of the embedding",
    ]
    equations = re.findall(r"^  (\S+ = .+?)  +\S", shown, flags=re.MULTILINE)
    assert "h = (1 - z)⊙h_prev + z⊙n" in equations
    assert equations[-1] == "dW_e = Σ uᵀ·dx"
    assert "embedding, row of 'b'" in shown
    rows = [line.split() for line in shown.splitlines()]
    at = next(k for k, row in enumerate(rows) if row[:1] == ["unit"] and {"h_prev", "m"} < {*row})
    for row in rows[at + 1 : at + 3]:
        number = dict(zip(rows[at][1:], map(float, row[1:]), strict=True))
        assert number["m"] == pytest.approx(number["r"] * number["h_prev"], abs=1e-5)
        assert len(row[1].partition(".")[2]) >= 5


def test_what_does_not_fit_is_marked(place: Path) -> None:
    shown = run(place, "bytes.npz", "--prime", "ab", "--units", "40")
    (heading, *_) = re.findall(r"    dW_hr .*", shown)
    assert re.fullmatch(r" +dW_hr( +unit \d+){5,6} \.\.\.", heading)


def test_small_numbers_never_look_like_zero(place: Path) -> None:
    """One unit that hardly matters beside others; then a network in which everything is small."""
    model = load(place / "lstm.npz")
    model.parameters["head.W"][0] *= 1e-9
    text = page(explain_model(model, "ab", layer=1), 3).plain
    assert re.search(r"^    0 +-?\de-\d\d +0 +-?\de-\d\d$", text, re.MULTILINE)
    assert not re.search(r"\s-?0\.0+\s", text)
    model.parameters.flat *= 1e-5
    text = page(explain_model(model, "ab", layer=1), 3).plain
    assert re.search(r"^    0 +-?\d\.\d{3}e-\d\d +0 +-?\d\.\d{3}e-\d\d$", text, re.MULTILINE)
    assert not re.search(r"\s-?0\.0+\s", text)


def test_a_tied_embedding_shows_the_row_that_was_read(place: Path) -> None:
    found = explain_model(load(place / "tied.npz"), "a")
    number = found.facts["read"]["number"]
    assert number not in found.characters
    (rows,) = re.findall(r"dW_e  .*\n((?:    '.*\n)+)", page(found, 2).plain)
    *_, last = rows.splitlines()
    line = lines_of(found)["dW_e"]
    assert last.split()[0] == "'a'"
    assert float(last.split()[1]) == pytest.approx(line.value[number, 0], abs=1e-5)


def test_a_worked_example_without_a_model(place: Path) -> None:
    shown = run(place)
    assert "h_1·W_h [0] = 0.46211716·0.4 + 0.09966799·0.2 = 0.20478046\n" in shown
    assert "h_1·W = 0.46211716·1 + 0.09966799·(-1) = 0.36244916\n" in shown
    assert "da_1·W_hᵀ [1] = 0.78644773·0.2 + (-0.99006629)·0.7 = -0.53575686\n" in shown


def test_json_has_every_equation_and_every_digit(place: Path) -> None:
    whole = json.loads(run(place, "lstm.npz", "--prime", "ab", "--units", "99", "--json"))
    lines = {line["name"]: line for part in whole["sections"] for line in part["lines"]}
    model = load(place / "lstm.npz")
    found = explain_model(model, "ab")
    assert lines.keys() == {line.equation.name for s in found.sections for line in s.lines}
    for line in lines.values():
        assert line["latex"] == EQUATIONS[line["name"]].latex
        symbols = set(symbols_of(EQUATIONS[line["name"]]))
        assert symbols <= whole["symbols"].keys()
    np.testing.assert_array_equal(lines["lstm.h"]["values"]["h"], lines_of(found)["h_t"].value[0])
    assert np.shape(lines["lstm.dW_h.hidden"]["values"]["dW_ho"]) == (6, 6)
    assert whole["read"]["name"] == "'b'"
    assert whole["outputs"][0]["number"] == whole["next"]["number"]
    assert whole["next"]["given"] is False
    some = json.loads(run(place, "lstm.npz", "--prime", "ab", "--json"))
    lines = {line["name"]: line for part in some["sections"] for line in part["lines"]}
    assert np.shape(lines["lstm.dW_h.hidden"]["values"]["dW_ho"]) == (3, 3)
    example = json.loads(run(place, "--json"))
    assert example["given"]["W_h"] == [[0.4, 0.3], [0.2, 0.7]]


def test_without_a_prime_it_begins_where_sampling_does(place: Path) -> None:
    from charrnn.tasks.lm import opening_of

    model = load(place / "lstm.npz")
    found = lines_of(explain_model(model))
    before = opening_of(model)[1][0].astype(np.float64)
    assert explain_model(model).facts["read"]["name"] == r"'\n'"
    np.testing.assert_array_equal(found["c_t"].parts["c_{t-1}"], opening_of(model)[1][1])
    assert before.any()


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["lstm.npz", "-p", "az"], "the prime has 1 character the model never saw: 'z'", "leave"),
        (["lstm.npz", "-p", "a", "--next", "z"], "the next character has 1 character the", "leave"),
        (["lstm.npz", "-p", "a", "--next", "ab"], "is one character, got 'ab'", "after the prime"),
        (["lstm.npz", "-p", "a", "--next", ""], "is one character, got ''", "after the prime"),
        (["lstm.npz", "--layer", "2"], "no layer 2: lstm.npz has the layers 0 to 1", ""),
        (["rnn.npz", "--layer", "1"], "no layer 1: rnn.npz has one layer, 0", ""),
        (["flat.npz", "--layer", "1"], "no layer 1: flat.npz has no layers", ""),
        (["--prime", "a"], "--prime goes with a model, and none is named", "explain latest"),
        (["--units", "2"], "--units goes with a model, and none is named", "explain latest"),
        (["--next", "a"], "--next goes with a model, and none is named", "explain latest"),
        (["nowhere.npz"], "checkpoint 'nowhere.npz' does not exist", ""),
        (["label.npz"], "label.npz is no language model; its task is classify", "charrnn predict"),
    ],
)
def test_what_cannot_be_explained_is_one_line(
    place: Path, arguments: list[str], message: str, hint: str
) -> None:
    if "label.npz" in arguments:
        classifier(place)
    done = charrnn("explain", *arguments, cwd=place)
    error = done.stderr.decode()
    assert (done.returncode, done.stdout) == (2, b"")
    assert error.startswith("error: ")
    assert message in error.splitlines()[0]
    assert hint in error.partition("\n")[2]
    assert len(error.splitlines()) <= 2


@cache
def classifier(place: Path) -> None:
    rows = "".join(f"{'ab'[k % 2] * 5}{k}\t{'xy'[k % 2]}\n" for k in range(40))
    (place / "rows.tsv").write_text(rows, encoding="utf-8")
    done = charrnn(
        *("train", "rows.tsv", "--task", "classify", "--hidden", "4", "--epochs", "1"),
        *("--threads", "1", "--out", "label"),
        cwd=place,
    )
    assert done.returncode == 0, done.stderr
    (place / "label.npz").write_bytes((place / "label" / "best.npz").read_bytes())


def test_spoilt_weights_are_reported(place: Path) -> None:
    model = load(place / "rnn.npz")
    model.parameters.flat *= 1e30
    with np.errstate(all="ignore"):
        huge = Model(
            model.network,
            model.parameters,
            model.spec,
            model.config,
            place / "huge.npz",
            model.header,
            model.arrays,
        )
    write_checkpoint(place / "huge.npz", dict(huge.header), dict(huge.parameters))
    done = charrnn("explain", "huge.npz", "-p", "abcdeabcde" * 6, cwd=place)
    assert done.returncode == 1
    assert b"not finite numbers" in done.stderr


def test_a_cell_of_ones_own_shows_what_goes_in_and_out(place: Path) -> None:
    """Input, states, output and loss; and the gradients go through it to the embedding."""
    own, ours = (SequenceModel(6, 6, cell, 2, 3) for cell in (PlainLSTM(5), LSTM(5)))
    p, state = drawn(ours), some_state(ours)
    for layer in (0, 1):
        found, expected = (
            lines_of(explain_step(model, p, np.array([4]), state, target=1, layer=layer))
            for model in (own, ours)
        )
        assert found["h_t"].equation.name == "own.h"
        assert found["h_t"].parts.keys() == {"h_{t-1}", "c_{t-1}", "c_t"}
        names = ["x_t", "h_t", "head y_t", "E", "head dW", "dW_e"]
        for name in [*names, "dh_t" if layer == 0 else "head dh_t"]:
            np.testing.assert_allclose(found[name].value, expected[name].value, 1e-12, 1e-15)
        np.testing.assert_allclose(found["h_t"].parts["c_t"], expected["c_t"].value, 1e-12)
        assert "i_t" not in found


def test_a_cell_of_ones_own_is_named_again(place: Path) -> None:
    (place / "corpus.txt").write_text("abcde " * 60, encoding="utf-8")
    done = charrnn(
        *("train", "corpus.txt", "--cell", "my_cell.py:PlainRNN", "--hidden", "4", "--epochs", "1"),
        *("--threads", "1", "--out", "own", "--batch-size", "2", "--seq-len", "8"),
        cwd=place,
    )
    assert done.returncode == 0, done.stderr
    refused = charrnn("explain", "own", "-p", "a", cwd=place)
    assert refused.returncode == 2
    assert b"--cell my_cell.py:PlainRNN" in refused.stderr
    shown = run(place, "own", "-p", "ab", "--cell", "my_cell.py:PlainRNN")
    assert "h^(l) = cell^(l)(h^(l-1), h^(l)_prev)" in shown
    assert max(map(cell_len, shown.split("\n"))) <= 80


def test_an_output_without_these_letters_gets_escapes(place: Path) -> None:
    done = charrnn("explain", cwd=place, env=environment(PYTHONIOENCODING="ascii"))
    assert done.returncode == 0
    assert rb"x_1\xb7W_x" in done.stdout


def test_the_help_has_an_example_that_runs() -> None:
    page = charrnn("explain", "--help", cwd=ROOT, env=environment(COLUMNS="200")).stdout.decode()
    example = "charrnn explain checkpoints/pydoc.npz --prime 'To be' --units 3"
    assert example in page
    assert example in EXPLAINED
    done = charrnn("explain", "checkpoints/pydoc.npz", "--prime", "To be", "--units", "3", cwd=ROOT)
    assert done.returncode == 0
    (block,) = re.findall(rf"{re.escape(example)}\n(.*?)\n\.\.\.\n```", EXPLAINED, re.DOTALL)
    assert done.stdout.decode().startswith(block)


def test_the_document_and_its_picture_are_of_today(tmp_path: Path) -> None:
    """The Python of the document runs; the picture's text is what its code gives now."""
    (library,) = re.findall(r"```python\n(.*?)```", EXPLAINED, re.DOTALL)
    shown = run_script(library, tmp_path)
    assert "gru.h.keep h_t = z_t" in shown
    (code,) = re.findall(r"<!-- The picture.*?:\n(.*?)-->", EXPLAINED, re.DOTALL)
    run_script(code.replace("docs/explain.svg", str(tmp_path / "now.svg")), tmp_path)
    now, then = (
        re.findall(r"<text [^>]*>([^<]*)<", path.read_text(encoding="utf-8"))
        for path in (tmp_path / "now.svg", ROOT / "docs" / "explain.svg")
    )
    assert len(then) > 40
    assert [part for part in now if part.strip()] == [part for part in then if part.strip()]


def run_script(code: str, folder: Path) -> str:
    (folder / "script.py").write_text(code, encoding="utf-8")
    run = [sys.executable, str(folder / "script.py")]
    done = subprocess.run(
        run, capture_output=True, text=True, check=True, cwd=ROOT, env=environment()
    )
    return done.stdout
