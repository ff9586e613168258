"""One step of a language model, and its gradients: every number with its equation."""

from typing import Any

import numpy as np

from charrnn.explaining.cells import equations_of, gates_of, weights_of
from charrnn.explaining.equations import EQUATIONS
from charrnn.explaining.lines import Explanation, Line, Section, Sheet
from charrnn.nn.losses import softmax
from charrnn.nn.models import SequenceModel
from charrnn.nn.parameters import Parameters
from charrnn.nn.products import one_thread
from charrnn.nn.runaway import CHUNK, restart_runaways
from charrnn.nn.types import Array, State
from charrnn.nn.workspace import Workspace

__all__ = ["BEST", "explain_step"]

BEST = 5
"""How many outputs are shown, the likeliest ones."""


def explain_step(
    model: SequenceModel,
    parameters: Parameters,
    ids: Array,
    state: State,
    *,
    target: int | None = None,
    layer: int = 0,
) -> Explanation:
    """Explain the last of some steps, forward and backward, in float64.

    The loss is that of this step alone, and the state before it is held fixed: the gradients are
    those of a chunk of one step (docs/equations.md, section 5.3).

    Args:
        model: predicts symbols from symbols, in one direction, with a softmax.
        parameters: its weights, of any dtype.
        ids: ``(T,)`` symbols; the step reads the last one.
        state: the state before the first of them, ``(1, H)`` each.
        target: the symbol that comes next; by default the likeliest.
        layer: the layer that is shown, from 0.
    """
    with one_thread(), np.errstate(all="ignore"):  # the caller checks for overflow
        return _Step(model, parameters.astype(np.float64), ids, state).explain(target, layer)


class _Step:
    def __init__(
        self, model: SequenceModel, parameters: Parameters, ids: Array, state: State
    ) -> None:
        self.model, self.w = model, parameters
        self.symbol = int(ids[-1])
        self.state = _read(model, parameters, ids[:-1], state)
        self.u = np.zeros((1, model.input_size))
        self.u[0, self.symbol] = 1
        self.undo: dict[int, Any] = {}

    def explain(self, target: int | None, layer: int) -> Explanation:
        model = self.model
        label = f"{layer}: {model.cell.label}"
        sheets, inputs, forward = self._forward()
        head = self._head(sheets[-1])
        output = Section("Output", head.taken())
        order = np.argsort(-head["p_j"][0], kind="stable")[:BEST].tolist()
        target = order[0] if target is None else target
        self._loss(head, target)
        loss = Section("Loss", head.taken())
        self._head_back(head, target)
        back = Section("Gradients of the output", head.taken())
        backward, embedding = self._backward(sheets, head)
        sections = [
            Section("Input", inputs[layer]),
            *([Section(f"Layer {label}", forward[layer])] if model.num_layers else []),
            *(output, loss, back),
            *([Section(f"Gradients of layer {label}", backward[layer])] if backward else []),
            *([Section("Gradient of the embedding", embedding)] if embedding else []),
        ]
        return Explanation(
            sections,
            width=model.cell.hidden_size,
            gates=gates_of(model.cell) or "",
            characters=[*order, *([] if target in order else [target])],
            read=self.symbol,
            one_hot=layer == 0 and not model.embedding_size,
            target=target,
        )

    def _forward(self) -> tuple[list[Sheet], list[list[Line]], list[list[Line]]]:
        """A sheet for each layer, the lines of its input, and its own; with no layer, one input."""
        model, cell = self.model, self.model.cell
        sheets, inputs, lines = [Sheet({"u_t": self.u})], [], []
        if model.embedding_size:
            sheets[0]["W_e"] = self.w["embedding.W"]
        sheets[0].work([EQUATIONS["input.embedding" if model.embedding_size else "input.one_hot"]])
        inputs.append(sheets[0].taken())
        for number, state in enumerate(self.state):
            if number:
                sheets.append(Sheet({"h^{(l-1)}_t": sheets[-1]["h_t"]}))
                sheets[-1].work([EQUATIONS["input.below"]])
                inputs.append(sheets[-1].taken())
            sheet = sheets[-1]
            if gates_of(cell) is None:
                self._own(sheet, number)
            else:
                sheet.values |= weights_of(cell, self.w.scope(f"body.{number}"))
                for name, part in zip(cell.state_names, state, strict=True):
                    sheet[f"{name}_{{t-1}}"] = part
                sheet.work(equations_of(cell)[0])
            lines.append(sheet.taken())
        return sheets, inputs, lines

    def _own(self, sheet: Sheet, number: int) -> None:
        """A layer with your own cell: its inputs and its outputs."""
        layer: Any = self.model.body.stack.layers[number]
        x = np.array([[self.symbol]]) if layer.input == "symbols" else sheet["x_t"][None]
        w, state = self.w.scope(f"body.{number}"), self.state[number]
        _, final, saved = layer.forward(w, x, state, Workspace())
        names = [f"{name}_{{t-1}}" for name in layer.state_names]
        before = dict(zip(names, state, strict=True))
        after = {f"{name}_t": part for name, part in zip(layer.state_names, final, strict=True)}
        h = after.pop("h_t", final[0])
        sheet.values |= after
        sheet.note(EQUATIONS["own.h"], "h_t", h, before | after)
        self.undo[number] = (layer, w, saved)

    def _head(self, top: Sheet) -> Sheet:
        """Outputs and probabilities."""
        sheet = Sheet({"b": self.w["head.b"][None]})
        if self.model.tied:
            sheet["W_e"], read, way = self.w["embedding.W"], "h_t", ".tied"
        else:
            read, way = ("h_t", "") if self.model.num_layers else ("x_t", ".input")
            sheet["W"] = self.w["head.W"]
        sheet[read] = top[read]
        sheet.work([EQUATIONS[f"head.y{way}"]])
        p = sheet["y_t"].copy()
        softmax(p)
        sheet.note(EQUATIONS["softmax"], "p_j", p, {"y_t": sheet["y_t"]})
        return sheet

    def _loss(self, head: Sheet, target: int) -> None:
        y = head["y_t"]
        shift = y.max()
        nats = np.log(np.exp(y - shift).sum()) + shift - y[0, target]
        p_k = head["p_j"][:, [target]]
        head.note(EQUATIONS["loss"], "E", np.full((1, 1), nats), {"p_k": p_k})

    def _head_back(self, head: Sheet, target: int) -> None:
        dy = head["p_j"].copy()
        dy[0, target] -= 1
        head["dy_t"] = dy
        head.note(EQUATIONS["head.dy"], "dy_j", dy, {"p_j": head["p_j"]})
        model = self.model
        names = [] if model.tied else ["head.dW" if model.num_layers else "head.dW.input"]
        names.append("head.db")
        if model.num_layers:
            head[r"\overleftarrow{dh}_t"] = np.zeros_like(head["h_t"])
            names.append("head.dh.tied" if model.tied else "head.dh")
        elif model.embedding_size:
            names.append("head.dx")
        head.work([EQUATIONS[name] for name in names])

    def _backward(self, sheets: list[Sheet], head: Sheet) -> tuple[list[list[Line]], list[Line]]:
        """The lines of each layer's gradients, and those of the embedding, if there is one."""
        model, cell = self.model, self.model.cell
        dx = head.values.get("dx_t")
        lines: list[list[Line]] = [[] for _ in self.state]
        for number in reversed(range(model.num_layers)):
            sheet = sheets[number]
            for name in cell.state_names:
                sheet[rf"\overleftarrow{{d{name}}}_t"] = np.zeros((1, cell.hidden_size))
            if dx is None:
                sheet["dh_t"] = head["dh_t"]
            else:
                sheet["dx^{(l+1)}_t"] = dx
                sheet.work([EQUATIONS["layer.dh"]])
            if gates_of(cell) is None:
                dx = self._own_back(sheet, number)
            else:
                sheet.work(equations_of(cell)[1])
                if number or model.embedding_size:
                    sheet.work([EQUATIONS["layer.dx"]])
                dx = sheet.values.get("dx_t")
            lines[number] = sheet.taken()
        if not model.embedding_size:
            return lines, []
        last = Sheet({"u_t": self.u, "dx_t": np.asarray(dx)})
        if model.tied:
            last.values |= {symbol: head[symbol] for symbol in ("h_t", "dy_t")}
        last.work([EQUATIONS["embedding.dW.tied" if model.tied else "embedding.dW"]])
        return lines, last.taken()

    def _own_back(self, sheet: Sheet, number: int) -> Array | None:
        layer, w, saved = self.undo[number]
        gradients = {name: np.zeros_like(array) for name, array in w.items()}
        dx, _ = layer.backward(w, gradients, sheet["dh_t"][None], None, saved)
        return None if dx is None else dx[0].copy()


def _read(model: SequenceModel, parameters: Parameters, ids: Array, state: State) -> State:
    """The state after some symbols, perhaps none."""
    workspace = Workspace()
    state = tuple(tuple(part.astype(parameters.dtype) for part in layer) for layer in state)
    for start in range(0, len(ids), CHUNK):
        part = ids[start : start + CHUNK].astype(np.intp)
        _, state, _ = model.forward(parameters, part[:, None], state, workspace)
        if len(part) == CHUNK:
            restart_runaways(model.cell, state)
    return state
