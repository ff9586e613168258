"""One cell over a few steps, by itself: its gradients by every result, analytic and numeric."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from charrnn.gradcheck.numeric import central, complex_step
from charrnn.nn.cells import Cell, Saved
from charrnn.nn.layers import running
from charrnn.nn.types import Array, LayerState, Weights
from charrnn.nn.workspace import Workspace

__all__ = ["LANES", "STEPS", "Pair", "Trial", "draw_trial"]

SIZE, STEPS, LANES = 5, 3, 7  # H, T and B: different, so that factors can be told apart
RAGGED = (3, 3, 3, 2, 2, 1, 1)
GATE_NAMES = {"lstm": ("i", "f", "o", "g"), "gru": ("r", "z", "n")}
OFF = {"complex": 1e-8, "central": 1e-4}
SMALL_SHARE = 1e-3

Pair = tuple[Array, Array]  # found, truth


@dataclass(frozen=True)
class Trial:
    """A cell over some steps, without the layer around it.

    The function that is differentiated is linear in the incoming ``dy`` and ``dstate``.
    """

    cell: Cell[Any]
    a: Array  # (G, T, B, H)  pre-activations; not halved where a sigmoid follows
    state: LayerState
    weights: dict[str, Array]  # the cell's own weights
    dy: Array  # (T, B, H)  the gradient by the outputs
    dstate: LayerState  # the gradient by the final state
    method: str
    lengths: Array | None = None

    @property
    def gates(self) -> tuple[str, ...]:
        """The names of the results that are gradients by a gate's pre-activation."""
        count = self.cell.num_gates
        if count == 1:
            return ("pre-activation",)
        names = getattr(self.cell, "gate_names", None) or GATE_NAMES.get(self.cell.name, ())
        numbers = [str(k + 1) for k in range(count)]
        return tuple(f"gate {name}" for name in (names if len(names) == count else numbers))

    @property
    def channels(self) -> tuple[str, ...]:
        """Parts of the incoming gradient: by the outputs ``y``, or by a part of the final state."""
        return ("y", *self.cell.state_names)

    def arriving(self, channel: str) -> Array:
        """The incoming gradient (B, H) of a channel, at the last step."""
        return self.dy[-1] if channel == "y" else self.dstate[self.channels.index(channel) - 1]

    def only(self, channel: str) -> "Trial":
        """The same with only one channel of the incoming gradient."""
        parts = zip(self.cell.state_names, self.dstate, strict=True)
        return replace(
            self,
            dy=self.dy if channel == "y" else np.zeros_like(self.dy),
            dstate=tuple(d if name == channel else np.zeros_like(d) for name, d in parts),
        )

    def without_weights(self) -> "Trial":
        """The same with all weights of the cell zero: gates then depend on ``x`` alone."""
        zeros = {name: np.zeros_like(weight) for name, weight in self.weights.items()}
        return replace(self, weights=zeros)

    def forward(self, a: Array, state: LayerState, w: Weights, workspace: Workspace) -> Saved:
        """All steps from any state; ``h[1:]`` are the outputs."""
        num_steps = a.shape[1]
        a = a.copy()
        a[: self.cell.num_sigmoids] *= 0.5
        run = None if self.lengths is None else running(self.lengths, num_steps)
        s: Saved = self.cell.begin(a, state, workspace, run)
        self.cell.prepare(w, s, workspace)
        self.cell.forward(w, s, range(num_steps))
        return s

    def final(self) -> LayerState:
        """The state at the end."""
        s = self.forward(self.a, self.state, self.weights, Workspace())
        return s.state(self.a.shape[1])

    def found(self) -> dict[str, Array]:
        """The analytic gradients, as :meth:`_named`."""
        cell, w, workspace = self.cell, self.weights, Workspace()
        s = self.forward(self.a, self.state, w, workspace)
        for place, arriving in zip(s.dstate(), self.dstate, strict=True):
            place[...] = arriving
        cell.transpose(w, s, workspace)
        cell.backward(w, s, self.dy, range(len(self.dy) - 1, -1, -1))
        g = {name: np.zeros_like(weight) for name, weight in w.items()}
        cell.weight_gradients(s, g)
        return self._named([s.a, *s.dstate(), *g.values()])

    def truth(self) -> dict[str, Array]:
        """The numeric gradients, as :meth:`_named`."""

        def value(arrays: Sequence[Array]) -> Any:
            s = self.forward(*self._sorted(arrays), Workspace())
            return self._sum(s.h[1:], s.state(len(self.dy)))

        return self._named(self._derivatives(value, [self.a, *self.state, *self.weights.values()]))

    def compare(self) -> dict[str, Pair]:
        """The analytic and the numeric gradient by every result."""
        found, truth = self.found(), self.truth()
        return {name: (found[name], truth[name]) for name in truth}

    def wrong(self, pairs: dict[str, Pair]) -> list[str]:
        """The results that are wrong."""
        whole = SMALL_SHARE * max(float(np.linalg.norm(truth)) for _, truth in pairs.values())
        return [
            name
            for name, (found, truth) in pairs.items()
            if not np.linalg.norm(found - truth)
            <= OFF[self.method] * max(float(np.linalg.norm(truth)), whole)
        ]

    def shares(self, name: str) -> list[Array]:
        """What each step adds to a weight's gradient, numerically: it alone has the weight moved.

        For sequences of equal length.
        """
        return [self._share(name, step) for step in range(len(self.dy))]

    def _share(self, name: str, step: int) -> Array:
        def value(arrays: Sequence[Array]) -> Any:
            (moved,), state, outputs = arrays, self.state, []
            kind = moved.dtype
            for t in range(len(self.dy)):
                own = {**self.weights, name: moved} if t == step else self.weights
                w = {key: weight.astype(kind) for key, weight in own.items()}
                s = self.forward(self.a[:, t : t + 1].astype(kind), state, w, Workspace())
                outputs.append(s.h[1])
                state = s.state(1)
            return self._sum(np.stack(outputs), state)

        return self._derivatives(value, [self.weights[name]])[0]

    def _sum(self, y: Array, final: LayerState) -> Any:
        parts = zip(final, self.dstate, strict=True)
        return (y * self.dy).sum() + sum((part * d).sum() for part, d in parts)

    def _derivatives(
        self, value: Callable[[Sequence[Array]], Any], arrays: Sequence[Array]
    ) -> list[Array]:
        """The derivatives by every element of every array."""
        edges = np.cumsum([array.size for array in arrays])[:-1]
        point = np.concatenate([array.ravel() for array in arrays])
        if self.method == "complex":
            point = point.astype(np.complex128)

        def shaped(vector: Array) -> list[Array]:
            parts = zip(np.split(vector, edges), arrays, strict=True)
            return [part.reshape(array.shape) for part, array in parts]

        views = shaped(point)
        if self.method == "complex":
            return shaped(complex_step(lambda: value(views), point))
        return shaped(central(lambda: value(views), point, None, 1e-15, 1.0)[0])

    def _sorted(self, arrays: Sequence[Array]) -> tuple[Array, LayerState, dict[str, Array]]:
        a, *rest = arrays
        count = len(self.state)
        return a, tuple(rest[:count]), dict(zip(self.weights, rest[count:], strict=True))

    def _named(self, arrays: Sequence[Array]) -> dict[str, Array]:
        """``gate f`` (T, B, H) for each gate, ``h_prev``, ``c_prev`` (B, H), then the weights."""
        a, state, weights = self._sorted(arrays)
        before = {f"{n}_prev": d for n, d in zip(self.cell.state_names, state, strict=True)}
        return dict(zip(self.gates, a, strict=True)) | before | weights


def draw_trial(cell: Cell[Any], num_steps: int, method: str, *, ragged: bool = False) -> Trial:
    """A trial with random values, so that no zero hides an error; always the same, with H = 5."""
    cell = cell.resized(SIZE)
    rng = np.random.default_rng(num_steps)
    row = (LANES, SIZE)
    lengths = np.array(RAGGED) if ragged else None
    dy = rng.standard_normal((num_steps, *row))
    if lengths is not None:
        dy[np.arange(num_steps)[:, None] >= lengths] = 0
    return Trial(
        cell,
        rng.standard_normal((cell.num_gates, num_steps, *row)),
        tuple(rng.standard_normal(row) for _ in cell.state_names),
        {name: 0.5 * rng.standard_normal(shape) for name, shape in cell.shapes().items()},
        dy,
        tuple(rng.standard_normal(row) for _ in cell.state_names),
        method,
        lengths,
    )
