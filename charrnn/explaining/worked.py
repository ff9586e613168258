"""Two steps of note 002's worked example, forward and backward (docs/equations.md, 4.1)."""

import numpy as np

from charrnn.explaining.cells import equations_of
from charrnn.explaining.equations import EQUATIONS
from charrnn.explaining.lines import Explanation, Line, Section, Sheet
from charrnn.nn.cells import RNN
from charrnn.nn.types import Array

__all__ = ["worked_example"]

GIVEN = {
    "x_1": [[1.0]],
    "x_2": [[1.0]],
    "h_0": [[0.0, 0.0]],
    "W_x": [[0.5, 0.1]],
    "W_h": [[0.4, 0.3], [0.2, 0.7]],
    "b": [[0.0, 0.0]],
    "W": [[1.0], [-1.0]],
    "b_y": [[0.0]],
}
"""D = 1, H = 2, one output. The note writes columns, so its matrices are transposed here."""


class _Step:
    """One step: the layer's sheet, and the head's."""

    def __init__(self, given: dict[str, Array], x: Array, h_prev: Array) -> None:
        weights = {name: given[name] for name in ("W_x", "W_h", "b")}
        self.layer = Sheet({"x_t": x, "h_{t-1}": h_prev} | weights)
        self.head = Sheet({"W": given["W"], "b": given["b_y"]})
        self.layer.work(equations_of(RNN(2))[0])
        self.head["h_t"] = self.layer["h_t"]
        self.head.work([EQUATIONS["head.y"]])
        self.forward = self.layer.taken() + self.head.taken()

    def back(self, later: Array, dy: str) -> list[Line]:
        """The lines from the gradient by y, and that from later steps, to the state before."""
        self.head[r"\overleftarrow{dh}_t"] = later
        self.head.work([EQUATIONS[name] for name in (dy, "head.dh")])
        self.layer["dh_t"] = self.head["dh_t"]
        names = ("rnn.slope.tanh", "rnn.da", "rnn.dh_prev", "layer.dx")
        self.layer.work([EQUATIONS[name] for name in names])
        return self.head.taken() + self.layer.taken()


def _weights(steps: list[_Step]) -> list[Line]:
    """The gradients by the weights: sums over steps."""
    heads, layers = [step.head for step in steps], [step.layer for step in steps]
    heads[-1].work([EQUATIONS[name] for name in ("head.dW", "head.db")], heads)
    layers[-1].work([EQUATIONS[name] for name in ("rnn.dW_h", "layer.dW_x", "layer.db")], layers)
    return heads[-1].taken() + layers[-1].taken()


def worked_example() -> Explanation:
    """Both steps forward; back from the first output; back from the second, through both."""
    given = {name: np.array(value) for name, value in GIVEN.items()}
    nothing = np.zeros((1, 2))
    first = _Step(given, given["x_1"], given["h_0"])
    sections = [
        Section("Step 1, forward", first.forward, 1),
        Section("Step 1, backward: the gradients of y_1", first.back(nothing, "head.dy.one"), 1),
        Section("... by the weights", _weights([first]), 1),
    ]
    second = _Step(given, given["x_2"], first.layer["h_t"])
    back = second.back(nothing, "head.dy.one")
    later = second.layer[r"\overleftarrow{dh}_{t-1}"]
    on = first.back(later, "head.dy.zero")
    sections += [
        Section("Step 2, forward", second.forward, 2),
        Section("Step 2, backward: the gradients of y_2", back, 2),
        Section("... and on through step 1", on, 1),
        Section("... by the weights: sums over both steps", _weights([first, second]), 2),
    ]
    return Explanation(sections, width=2, gates="", characters=[0], given=given)
