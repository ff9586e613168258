"""One step of a language model, and its gradients: every number beside its equation."""

from typing import Any

import numpy as np

from charrnn.explaining.cells import equations_of, gates_of, weights_of
from charrnn.explaining.equations import EQUATIONS, Equation
from charrnn.explaining.lines import Explanation, Section, Sheet
from charrnn.nn.losses import softmax
from charrnn.nn.models import SequenceModel
from charrnn.nn.parameters import Parameters
from charrnn.nn.products import one_thread
from charrnn.nn.runaway import CHUNK, restart_runaways
from charrnn.nn.types import Array, State
from charrnn.nn.workspace import Workspace

__all__ = ["BEST", "explain_step"]

BEST = 5
"""Outputs that are shown: the likeliest."""


def explain_step(
    model: SequenceModel,
    parameters: Parameters,
    ids: Array,
    state: State,
    *,
    target: int | None = None,
    layer: int = 0,
) -> Explanation:
    """The last of some steps, forward and backward, in float64.

    The loss is that of this step alone, and the state before it is taken as it is: the gradients
    are those of a chunk of one step (docs/equations.md, section 5.3).

    Args:
        model: from symbols to as many symbols, in one direction, with a softmax.
        parameters: of any dtype.
        ids: ``(T,)`` symbols; the last one is what the step reads.
        state: before the first of them, ``(1, H)`` each.
        target: the symbol that comes next; the likeliest, if not given.
        layer: which layer is shown, from 0.
    """
    with one_thread(), np.errstate(all="ignore"):  # what overflows is the caller's to find
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
        model, count = self.model, self.model.num_layers
        sheets = self._forward()
        sections = [Section("Input", sheets[layer].lines[:1])]
        name = f"ayer {layer}: {model.cell.label}"
        if count:
            sections.append(Section(f"L{name}", sheets[layer].lines[1:]))
        head = self._head(sheets[-1])
        sections.append(Section("Output", list(head.lines)))
        p = head["p_j"]
        order = np.argsort(-p[0], kind="stable")[:BEST].tolist()
        target = order[0] if target is None else target
        self._loss(head, target)
        sections.append(Section("Loss", head.lines[len(sections[-1].lines) :]))
        before = len(head.lines)
        self._head_back(head, target)
        sections.append(Section("Gradients of the output", head.lines[before:]))
        backward = self._backward(sheets, head)
        if count:
            sections.append(Section(f"Gradients of l{name}", backward[layer]))
        if backward[count:]:
            sections.append(Section("Gradient of the embedding", backward[count]))
        return Explanation(
            sections,
            width=model.cell.hidden_size,
            gates=gates_of(model.cell) or "",
            characters=[*order, *([] if target in order else [target])],
            read=self.symbol,
            one_hot=layer == 0 and not model.embedding_size,
            target=target,
        )

    def _forward(self) -> list[Sheet]:
        """A sheet for each layer; of none, one for the input."""
        model = self.model
        first = Sheet({"u_t": self.u})
        if model.embedding_size:
            first["W_e"] = self.w["embedding.W"]
        first.work([EQUATIONS["input.embedding" if model.embedding_size else "input.one_hot"]])
        sheets = [first]
        for number in range(model.num_layers):
            if number:
                sheets.append(Sheet({"h^{(l-1)}_t": sheets[-1]["h_t"]}))
                sheets[-1].work([EQUATIONS["input.below"]])
            sheet, cell = sheets[-1], model.cell
            sheet.values |= weights_of(cell, self.w.scope(f"body.{number}"))
            for name, part in zip(cell.state_names, self.state[number], strict=True):
                sheet[f"{name}_{{t-1}}"] = part
            if gates_of(cell) is None:
                self._own(sheet, number)
            else:
                sheet.work(equations_of(cell)[0])
        return sheets

    def _own(self, sheet: Sheet, number: int) -> None:
        """A layer whose cell is its author's own: what comes in and what comes out."""
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
        way = self._name_in_head(top, sheet)
        sheet.work([EQUATIONS[f"head.y{way}"]])
        p = sheet["y_t"].copy()
        softmax(p)
        sheet.note(EQUATIONS["softmax"], "p_j", p, {"y_t": sheet["y_t"]})
        return sheet

    def _name_in_head(self, top: Sheet, sheet: Sheet) -> str:
        """Give the head what it reads; which of its equations hold."""
        if self.model.tied:
            sheet["W_e"], sheet["h_t"] = self.w["embedding.W"], top["h_t"]
            return ".tied"
        sheet["W"] = self.w["head.W"]
        read = "h_t" if self.model.num_layers else "x_t"
        sheet[read] = top[read]
        return "" if self.model.num_layers else ".input"

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

    def _backward(self, sheets: list[Sheet], head: Sheet) -> list[list[Any]]:
        """The lines of each layer's gradients, and last those of the embedding, if there is one."""
        model = self.model
        found: list[list[Any]] = [[] for _ in range(model.num_layers)]
        dx = head.values.get("dx_t")
        for number in reversed(range(model.num_layers)):
            sheet, before = sheets[number], len(sheets[number].lines)
            for name in model.cell.state_names:
                sheet[rf"\overleftarrow{{d{name}}}_t"] = np.zeros((1, model.cell.hidden_size))
            if dx is None:
                sheet["dh_t"] = head["dh_t"]
            else:
                sheet["dx^{(l+1)}_t"] = dx
                sheet.work([EQUATIONS["layer.dh"]])
            reads = bool(number or model.embedding_size)
            if gates_of(model.cell) is None:
                dx = self._own_back(sheet, number)
            else:
                sheet.work(_back(model.cell, reads=reads))
                dx = sheet["dx_t"] if reads else None
            found[number] = sheet.lines[before:]
        if model.embedding_size and dx is not None:
            known = {"u_t": self.u, "dx_t": dx}
            last = Sheet(known | {s: head[s] for s in ("h_t", "dy_t") if s in head.values})
            last.work([EQUATIONS["embedding.dW.tied" if model.tied else "embedding.dW"]])
            found.append(last.lines)
        return found

    def _own_back(self, sheet: Sheet, number: int) -> Array | None:
        layer, w, saved = self.undo[number]
        gradients = {name: np.zeros_like(array) for name, array in w.items()}
        dx, _ = layer.backward(w, gradients, sheet["dh_t"][None], None, saved)
        return None if dx is None else dx[0].copy()


def _back(cell: Any, *, reads: bool) -> list[Equation]:
    """The equations of a layer's backward pass, with that of its input if it has one."""
    return equations_of(cell)[1] + ([EQUATIONS["layer.dx"]] if reads else [])


def _read(model: SequenceModel, parameters: Parameters, ids: Array, state: State) -> State:
    """The state after some symbols, which may be none."""
    workspace = Workspace()
    state = tuple(tuple(part.astype(parameters.dtype) for part in layer) for layer in state)
    for start in range(0, len(ids), CHUNK):
        part = ids[start : start + CHUNK].astype(np.intp)
        _, state, _ = model.forward(parameters, part[:, None], state, workspace)
        if len(part) == CHUNK:
            restart_runaways(model.cell, state)
    return state
