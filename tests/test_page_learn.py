"""A step in numbers: the page works equations out, whatever they are, from its own weights."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from page_models import KNOWN, answers, drawn_model, needs_node

from charrnn.nn.cells import GRU, LSTM, RNN
from charrnn.nn.cells.names import CELLS, all_variants
from charrnn.page.content import content_of
from charrnn.page.export import page
from charrnn.page.weights import packed
from charrnn.runs.model import Model
from charrnn.tasks.lm import opening_of

pytestmark = needs_node

VARIANTS = [cell.label for kind in CELLS.values() for cell in all_variants(kind, 8)]
TEXT = "ab\nc" * 20 + "d"


def equations(cell: RNN | LSTM | GRU) -> dict[str, Any]:
    """A cell's step, as ``charrnn explain`` writes it in plain letters."""

    def before(gate: str, source: str = "h", matrix: str = "h") -> str:
        last = f" + b_{gate}" if cell.bias else ""
        return f"a_{gate} = x·W_x{gate} + {source}_prev·W_{matrix} {last}".replace(" + ", " + ")

    bias = " + b" if cell.bias else ""
    if isinstance(cell, RNN):
        function = {"tanh": "tanh", "relu": "ReLU"}[cell.activation]
        return _of("", [f"a = x·W_x + h_prev·W_h{bias}", f"h = {function}(a)"])
    if isinstance(cell, LSTM):
        c = cell.gates == "cell"
        gates = [before(k, *("cc" if c else "hh")).replace("W_c ", f"W_c{k} ") for k in "ifo"]
        gates = [text.replace("W_h ", f"W_h{k} ") for k, text in zip("ifo", gates, strict=True)]
        gates.append(before("g").replace("W_h ", "W_h " if c else "W_hg "))
        shown = "tanh(c)" if cell.output == "tanh" else "c"
        state = ["c = f⊙c_prev + i⊙g", f"q = {shown}", "h = o⊙q"]
        return _of(
            "ifog", [*gates, "i = σ(a_i)", "f = σ(a_f)", "o = σ(a_o)", "g = tanh(a_g)", *state]
        )
    lines = [before(k).replace("W_h ", f"W_h{k} ") for k in "rz"] + ["r = σ(a_r)", "z = σ(a_z)"]
    own = " + b_n" if cell.bias else ""
    if cell.reset == "after":
        lines += ["m = h_prev·W_hn" + (" + b_hn" if cell.bias else "")]
        lines += [f"a_n = x·W_xn{own} + r⊙m"]
    else:
        lines += ["m = r⊙h_prev", f"a_n = x·W_xn + m·W_hn{own}"]
    keep = "h = z⊙h_prev + (1 - z)⊙n"
    write = "h = (1 - z)⊙h_prev + z⊙n"
    return _of("rzn", [*lines, "n = tanh(a_n)", keep if cell.update == "keep" else write])


def _of(gates: str, lines: list[str]) -> dict[str, Any]:
    return {"gates": gates, "lines": [[line, f"what {line[0]} is"] for line in lines]}


def write_page_with_equations(model: Model, path: Path) -> None:
    content = content_of(model)
    data = {**content.data, "precision": "float32", "equations": equations(model.network.cell)}
    data["named"] = [{"name": "a quote", "layer": 1, "part": 0, "unit": 3}]
    path.write_text(page(data, packed(content.tensors, "float32")), encoding="utf-8", newline="\n")


@pytest.mark.parametrize("settings", [{}, {"layers": 2}, {"layers": 2, "embedding": 5}])
def test_the_equations_give_the_state(tmp_path: Path, settings: dict[str, Any]) -> None:
    asked, models = [], []
    for k, cell in enumerate(VARIANTS):
        model = drawn_model(tmp_path / "m.npz", cell=cell, hidden=9, **settings)
        path = tmp_path / f"{k}.html"
        write_page_with_equations(model, path)
        ids = model.vocabulary.encode_text(TEXT).tolist()
        layers = range(model.config.layers)
        steps = [
            {"type": "step", "symbols": ids[:count], "layer": layer, "units": [0, 8]}
            for layer in layers
            for count in ((1, 64, 65, 81) if model.network.cell.bounded else (1, 20, 63))
        ]
        asked.append((path, steps))
        models.append(model)
    for cell, model, (_, steps), found in zip(VARIANTS, models, asked, answers(asked), strict=True):
        for step, answer in zip(steps, found, strict=True):
            ids = np.array([[model.vocabulary.start, *step["symbols"]]]).T
            y, state, _ = model.network.forward(model.parameters, ids, opening_of(model))
            expected = state[int(step["layer"])][0][0]
            np.testing.assert_allclose(answer["h"], expected, rtol=1e-4, atol=2e-5, err_msg=cell)
            last = answer["lines"][-1]
            assert [one["unit"] for one in last["units"]] == [0, 8]
            assert last["units"][1]["value"] == answer["h"][8]
            assert answer["best"][0] == int(np.argmax(y[-1, 0]))


def test_numbers_stand_where_letters_do(tmp_path: Path) -> None:
    model = drawn_model(tmp_path / "m.npz", cell="gru", hidden=9)
    write_page_with_equations(model, tmp_path / "p.html")
    message = {"type": "step", "symbols": [KNOWN.index("a")], "layer": 0, "units": [4]}
    (((answer),),) = answers([(tmp_path / "p.html", [message])])
    lines = {line["text"]: line["units"][0] for line in answer["lines"]}
    z, n, h = (
        next(one for text, one in lines.items() if text.startswith(f"{letter} ="))
        for letter in "znh"
    )
    shown = [part.replace("−", "-") for part in h["text"].split()]
    assert shown[0] == f"{z['value']:.4f}"
    assert shown[1] == "⊙"
    assert shown[3:6] == ["+", "(1", "-"]
    assert shown[-1] == f"{n['value']:.4f}"
    json.dumps(answer)
