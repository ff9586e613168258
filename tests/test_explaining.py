"""The equations that are explained are the document's, and the numbers are theirs."""

import re
from typing import Any

import numpy as np
import pytest
from by_hand import Numbers, drawn, gru, lines_of, lstm, rnn
from plain_cells import PlainLSTM
from support import ROOT

from charrnn.explaining.cells import equations_of
from charrnn.explaining.equations import EQUATIONS, SYMBOLS
from charrnn.explaining.formulas import parse
from charrnn.explaining.lines import Explanation
from charrnn.explaining.notation import meaning, plain, symbols_of
from charrnn.explaining.step import explain_step
from charrnn.explaining.worked import worked_example
from charrnn.nn.cells import GRU, LSTM, RNN, Cell, all_variants
from charrnn.nn.models import SequenceModel
from charrnn.nn.parameters import Parameters
from charrnn.nn.types import State
from charrnn.nn.workspace import Workspace

DOCUMENT = (ROOT / "docs" / "equations.md").read_text(encoding="utf-8")
VARIANTS = [cell for kind in (RNN, LSTM, GRU) for cell in all_variants(kind, 5)]
BY_INDEX = {"own.h", "softmax", "loss", "head.dy"}
"""Equations that are not computed as they are written."""

every_variant = pytest.mark.parametrize("cell", VARIANTS, ids=lambda cell: cell.label)


# The equations


def test_every_equation_is_in_the_document() -> None:
    """Letter by letter, except for alignment; and the formula in the document ends there, too."""
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
    assert meaning("dh_prev") == "gradient of the loss by h, from the step before"


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


# The numbers


def some_state(model: SequenceModel) -> State:
    rng = np.random.default_rng(3)
    zero = model.zero_state(1, np.float64)
    return tuple(tuple(0.5 * rng.standard_normal(part.shape) for part in s) for s in zero)


def numbers_of(found: Explanation) -> Numbers:
    """The numbers of every unit in every line, by name; equal names have equal numbers."""
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


@every_variant
@pytest.mark.parametrize(
    ("layers", "embedding", "tied"),
    [(2, 0, False), (2, 3, False), (1, 5, True), (0, 0, False), (0, 3, False)],
    ids=["stack", "embedding", "tied", "no layers", "embedding alone"],
)
def test_explained_gradients_equal_those_of_training(
    cell: Cell[Any], layers: int, embedding: int, tied: bool
) -> None:
    """For every layer, the head and the embedding; and the loss."""
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
        assert lines["E"].value.item() == pytest.approx(loss, rel=1e-13)
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


def test_a_stack_passes_states_and_gradients_on() -> None:
    model = SequenceModel(6, 6, GRU(5), 2)
    p, state = drawn(model), some_state(model)
    below, top = (
        lines_of(explain_step(model, p, np.array([4]), state, target=1, layer=k)) for k in (0, 1)
    )
    assert np.array_equal(top["x_t"].value, below["h_t"].value)
    assert np.array_equal(below["dh_t"].parts["dx^{(l+1)}_t"], top["dx_t"].value)
    assert "dx_t" not in below  # a one-hot input has no gradient


def test_the_prime_is_read_as_sampling_reads_it() -> None:
    """The state is carried from the first character on, and reset if it runs away."""
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


def test_your_own_cell_shows_its_inputs_and_outputs() -> None:
    """Input, states, output and loss; its gradients continue to the embedding."""
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
