"""A model that reads one symbol at a time, with prepared weights and no allocation per step."""

from typing import Any

import numpy as np

from charrnn.nn.cells import Cell, Saved
from charrnn.nn.ensemble import Ensemble, LanguageNetwork, log_mean
from charrnn.nn.inputs import gate_biases, gate_rows
from charrnn.nn.linear import affine
from charrnn.nn.models import SequenceModel
from charrnn.nn.parameters import Parameters
from charrnn.nn.products import StepProduct, by_gate
from charrnn.nn.types import Array, LayerState, State, Weights
from charrnn.nn.workspace import Workspace

__all__ = ["Stepper", "Steppers", "stepper"]


class _Layer:
    """A recurrent layer between two steps; its pre-activations ``a`` (G, n, H) come first."""

    def __init__(self, cell: Cell[Any], w: Weights, state: LayerState) -> None:
        workspace, (shape, dtype) = Workspace(), (state[0].shape, state[0].dtype)
        a = workspace.array("a", (cell.num_gates, 1, *shape), dtype)
        self.cell, self.w = cell, w
        self.s: Saved = cell.begin(a, state, workspace)
        cell.prepare(w, self.s, workspace)
        self.a, self.h = a[:, 0], self.s.h[1]

    def step(self) -> None:
        """Compute the next state from ``a``; then its ``h`` can be read."""
        self.cell.forward(self.w, self.s, range(1))
        self.s.carry()


class _Upper(_Layer):
    """A layer that reads vectors: the layer below, or embedded symbols."""

    def __init__(self, cell: Cell[Any], w: Weights, state: LayerState) -> None:
        super().__init__(cell, w, state)
        size, halved = cell.hidden_size, cell.num_sigmoids
        W = by_gate(w["W_x"], size)
        self.product = StepProduct(W, len(state[0]), Workspace(), "W_x", halved=halved)
        self.biases = gate_biases(w["b"], size, halved) if cell.bias else None

    def read(self, x: Array) -> None:
        """Fill ``a``."""
        p = self.product.of_each(x)
        if self.biases is None:
            np.copyto(self.a, p)
        else:
            np.add(p, self.biases, out=self.a)


class Stepper:
    """Reads a symbol of each of n texts and returns the outputs, with the training's cells.

    Args:
        model: a model of symbols.
        parameters: the weights as they are now; later changes are not seen.
        state: the state of the n texts, ``(n, H)`` each; not kept.
        batch_size: n.
    """

    def __init__(
        self, model: SequenceModel, parameters: Parameters, state: State, batch_size: int
    ) -> None:
        head = model.head_weights(parameters)
        self._W, self._b = head["W"], head["b"]
        self._embedding = parameters["embedding.W"] if model.embedding_size else None
        layers = [
            (_Upper if number or model.embedding_size else _Layer)(
                model.cell, parameters.scope(f"body.{number}"), part
            )
            for number, part in enumerate(state)
        ]
        self._all = layers
        self._layers = [layer for layer in layers if isinstance(layer, _Upper)]
        # For a first layer that reads symbols: what each symbol adds to its gates.
        self._first = layers[0] if layers and self._embedding is None else None
        if self._first is not None:
            cell, w = model.cell, self._first.w
            self._table = gate_rows(w["W_x"], cell.hidden_size, cell.num_sigmoids)
            if cell.bias:
                self._table += gate_biases(w["b"], cell.hidden_size, cell.num_sigmoids)
        self._y = np.empty((batch_size, len(self._b)), dtype=parameters.dtype)

    @property
    def state(self) -> State:
        """The state of the texts, ``(n, H)`` each: views, which the next step changes."""
        return tuple(tuple(part[0] for part in layer.s.states) for layer in self._all)

    def step(self, symbols: Array) -> Array:
        """Read one symbol of each text.

        Args:
            symbols: ``(n,)`` integers in range; not checked.

        Returns:
            The outputs ``(n, V)``, valid until the next step.
        """
        x = symbols
        if self._embedding is not None:
            x = self._embedding[symbols]
        elif self._first is not None:
            np.take(self._table, symbols, axis=1, out=self._first.a, mode="clip")
            self._first.step()
            x = self._first.h
        for layer in self._layers:
            layer.read(x)
            layer.step()
            x = layer.h
        affine(self._W, self._b, x, out=self._y)
        return self._y


class Steppers:
    """The members of an average, which read the same symbols; the outputs are ln of their mean.

    Args:
        ensemble, parameters, state, batch_size: as for :class:`Stepper`.
    """

    def __init__(
        self, ensemble: Ensemble, parameters: Parameters, state: State, batch_size: int
    ) -> None:
        parts = zip(ensemble.parts(parameters), ensemble.states(state), strict=True)
        self._steppers = [Stepper(ensemble.member, w, own, batch_size) for w, own in parts]
        self._loss = ensemble.member.loss
        shape = (ensemble.count, batch_size, ensemble.output_size)
        self._y = np.empty(shape, dtype=parameters.dtype)

    @property
    def state(self) -> State:
        """As for one network."""
        return tuple(layer for one in self._steppers for layer in one.state)

    def step(self, symbols: Array) -> Array:
        """As for one network."""
        for one, y in zip(self._steppers, self._y, strict=True):
            y[...] = one.step(symbols)
        return log_mean(self._y, self._loss)


def stepper(
    network: LanguageNetwork, parameters: Parameters, state: State, batch_size: int
) -> Stepper | Steppers:
    """Return what reads symbol by symbol, with one network or with several as one."""
    if isinstance(network, Ensemble):
        return Steppers(network, parameters, state, batch_size)
    return Stepper(network, parameters, state, batch_size)
