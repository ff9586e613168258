"""The worked example as one web page, whose numbers can be changed by hand."""

from pathlib import Path
from typing import Any

from charrnn.explaining.lines import Line
from charrnn.explaining.notation import plain
from charrnn.explaining.worked import worked_example
from charrnn.files import write_whole
from charrnn.page.shell import shell

__all__ = ["example_data", "write_example"]

TITLE = "Two steps of a network by hand"

GIVEN = {
    "x_1": ("first input", "", "input"),
    "x_2": ("second input", "", "input"),
    "h_0": ("state before step 1", "", "unit"),
    "W_x": ("input to state", "input", "unit"),
    "W_h": ("state before to state", "unit", "unit"),
    "b": ("bias of the state", "", "unit"),
    "W": ("to output", "unit", "output"),
    "b_y": ("output bias", "", "output"),
}
"""The values that can be changed: in words, and the names of their rows and columns."""

AXES = {"D": "input", "H": "unit", "GH": "unit", "V": "output"}


def write_example(path: str | Path) -> None:
    """Write a page of the worked example: both steps forward and backward, from given numbers.

    A reader can change the weights, the inputs and the initial state, and sees each resulting
    number beside its equation.

    Args:
        path: the file; an earlier one is replaced, or unchanged if that fails.

    Raises:
        CheckpointError: the file cannot be written.
    """
    styles = ("style.css", "example.css")
    html = shell(TITLE, "example.html", example_data(), "example.js", styles=styles)
    write_whole(Path(path), html.encode("utf-8"))


def example_data() -> dict[str, Any]:
    """The given values, and sections of equations in the order of ``charrnn explain``.

    ``later`` is the gradient from later steps where there is none yet: zero.
    """
    found = worked_example()
    given = [
        {"name": name, "what": GIVEN[name][0], "axes": GIVEN[name][1:], "value": value.tolist()}
        for name, value in found.given.items()
    ]
    sections = [
        {
            "title": section.title,
            "lines": [_line(line, section.step or 1) for line in section.lines],
        }
        for section in found.sections
    ]
    later = {plain(r"\overleftarrow{dh}_t", step): [0.0] * found.width for step in (1, 2)}
    return {"given": given, "later": later, "sections": sections}


def _line(line: Line, step: int) -> dict[str, Any]:
    """An equation of a step: as it is shown, and as it is evaluated, sums term by term."""
    equation = line.equation
    of_head = equation.name.startswith("head.")
    latex = _with_own_bias(equation.latex) if of_head else equation.latex
    result, is_sum, term = latex.partition(r" = \sum_t ")
    terms = " + ".join(plain(term, t) for t in range(1, step + 1))
    axes = [AXES[letter] for letter in equation.shape]
    return {
        "shown": plain(latex, step),
        "text": f"{plain(result)} = {terms}" if is_sum else plain(latex, step),
        "what": equation.what,
        "axes": ["", *axes][-2:],
        "shape": line.value.shape,
    }


def _with_own_bias(latex: str) -> str:
    """The head's bias is called ``b_y`` where the layer's ``b`` is shown beside it."""
    return latex.replace(" + b", " + b_y").replace("db ", "db_y ")
