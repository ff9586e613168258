"""A step in numbers: the page evaluates any equations with its own weights."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from page_models import KNOWN, answers, drawn_model, needs_node
from support import ROOT

import charrnn as library
from charrnn.explaining.model import explain_model
from charrnn.nn.cells.names import CELLS, all_variants
from charrnn.page.content import content_of
from charrnn.page.export import page, write_page
from charrnn.runs.model import Model

pytestmark = needs_node

VARIANTS = [cell.label for kind in CELLS.values() for cell in all_variants(kind, 8)]
TEXT = "ab\nc" * 20 + "d"


def write_named_page(model: Model, path: Path) -> None:
    """A page with a named unit."""
    content = content_of(model)
    named = [{"name": "a quote", "layer": 1, "part": 0, "unit": 3}]
    html = page(content._replace(data={**content.data, "named": named}), "float32")
    path.write_text(html, encoding="utf-8", newline="\n")


@pytest.mark.parametrize("settings", [{}, {"layers": 2}, {"layers": 2, "embedding": 5}])
def test_the_equations_give_the_state(tmp_path: Path, settings: dict[str, Any]) -> None:
    asked, models = [], []
    for k, cell in enumerate(VARIANTS):
        model = drawn_model(tmp_path / "m.npz", cell=cell, hidden=9, **settings)
        path = tmp_path / f"{k}.html"
        write_named_page(model, path)
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
            ids = np.array([step["symbols"]]).T
            zeros = model.network.zero_state(1)
            y, state, _ = model.network.forward(model.parameters, ids, zeros)
            expected = state[int(step["layer"])][0][0]
            np.testing.assert_allclose(answer["h"], expected, rtol=1e-4, atol=2e-5, err_msg=cell)
            last = answer["lines"][-1]
            assert [one["unit"] for one in last["units"]] == [0, 8]
            assert last["units"][1]["value"] == answer["h"][8]
            assert answer["best"][0] == int(np.argmax(y[-1, 0]))


def test_numbers_replace_letters(tmp_path: Path) -> None:
    model = drawn_model(tmp_path / "m.npz", cell="gru", hidden=9)
    write_named_page(model, tmp_path / "p.html")
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


@pytest.mark.parametrize("text", ["T", "The"])
def test_the_numbers_are_those_of_explain(tmp_path: Path, text: str) -> None:
    """A given text is read from the zero state."""
    model = library.load(ROOT / "checkpoints" / "pydoc.npz")
    write_page(model, tmp_path / "p.html", precision="float32")
    symbols = model.vocabulary.encode_text(text).tolist()
    message = {"type": "step", "symbols": symbols, "layer": 0, "units": [0]}
    ((answer,),) = answers([(tmp_path / "p.html", [message])])
    sections = explain_model(model, text).sections
    found = {line.equation.name: line.value[0] for one in sections for line in one.lines}
    np.testing.assert_allclose(answer["h"], found["gru.h.keep"], rtol=1e-4, atol=1e-6)
    chances = found["softmax"][answer["best"]]
    np.testing.assert_allclose(answer["chances"], chances, rtol=1e-4, atol=1e-6)
