"""How far back a loss reaches: the gradient of the last step's loss by the state at every step.

    ∂E_T/∂h_t = ∂E_T/∂h_T · J_T·J_{T-1}···J_{t+1},  J_t = ∂h_t/∂h_{t-1}

A product of T - t Jacobians shrinks or grows exponentially: gradients vanish or explode (Bengio,
Simard and Frasconi, 1994; Pascanu, Mikolov and Bengio, 2013). A cell's backward pass computes this
product; here it runs one step at a time, and the gradient after each step is recorded.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from charrnn.nn.body import Body
from charrnn.nn.head import Head
from charrnn.nn.inputs import project_backward
from charrnn.nn.layers import Bidirectional, Recurrent, RecurrentSaved, turned
from charrnn.nn.losses import softmax_cross_entropy
from charrnn.nn.types import Array, State, Weights
from charrnn.nn.workspace import Workspace

__all__ = ["cross_entropy_of", "decay", "gradient_flow", "lane_norms", "random_functional"]

LastLoss = Callable[[Array], Array]
"""From the features of the last step ``(B, F)`` to the gradient by them of E_T, a lane sum."""


def random_functional(rng: np.random.Generator) -> LastLoss:
    """E_T = Σ r·h_T, where each lane's r has a random direction and length 1."""

    def gradient(features: Array) -> Array:
        r = rng.standard_normal(features.shape)
        return np.asarray(r / np.linalg.norm(r, axis=1, keepdims=True))

    return gradient


def cross_entropy_of(head: Head, w: Weights, targets: Array) -> LastLoss:
    """E_T = -Σ ln p(target) of each lane: the loss of the symbol after the last one read.

    Args:
        head: the head of a language model.
        w: views of its ``W`` and ``b``.
        targets: ``(B,)`` symbols.
    """

    def gradient(features: Array) -> Array:
        y = head.forward(w, features, Workspace())
        softmax_cross_entropy(y, targets)  # y becomes p - one-hot
        return np.asarray(y @ w["W"].T)

    return gradient


def gradient_flow(
    body: Body, w: Weights, x: Array, loss: LastLoss, state: State | None = None
) -> list[dict[str, Array]]:
    """∂E_T/∂h_t of every layer, and ∂E_T/∂c_t of an LSTM, where E_T reads only the last step.

    The gradient by h_t includes all of its effects: on step t + 1, and on the layer above. The
        gradient by c_t is that of the cell as step t passes it on, with h_t held fixed (so it is
        zero at t = T).

    Args:
        body: used without dropout. In a bidirectional layer, only the forward direction is used.
        w: views of its shapes; the result has their dtype.
        x: symbols ``(T, B)`` or vectors ``(T, B, D)``.
        loss: gives the gradient of E_T.
        state: the initial state; zero if not given.

    Returns:
        For each layer, first layer first, by the names of its state's parts: ``(T+1, B, H)``,
        offset by one as states are: ``[t]`` is the gradient by h_t, ``[0]`` that by the initial
        state.

    Raises:
        ValueError: as :meth:`charrnn.nn.body.Body.forward`; or there is no layer.
    """
    if not body.num_layers:
        raise ValueError("without a recurrent layer no gradient goes through time")
    dtype = w["body.0.W_x" if "body.0.W_x" in w else "body.0.ahead.W_x"].dtype
    if state is None:
        state = body.zero_state(x.shape[1], dtype)
    features, _, saved = body.forward(w, x, state, Workspace())
    dy: Any = np.zeros_like(features)
    dy[-1] = loss(features[-1])
    flows: list[dict[str, Array]] = []
    for number in reversed(range(body.num_layers)):
        layer, kept = body.stack.layers[number], saved.stack.layers[number]
        views = _scope(w, f"body.{number}")
        if isinstance(layer, Bidirectional):
            ahead, size = layer.layer, layer.layer.output_size
            flow, dx = _step_by_step(ahead, _scope(views, "ahead"), dy[..., :size], kept.ahead)
            back = _scope(views, "back")
            dx_back, _ = ahead.backward(
                back, _empty(back), turned(dy[..., size:], None), None, kept.back
            )
            if dx is not None and dx_back is not None:
                dx = dx + turned(dx_back, None)
        elif isinstance(layer, Recurrent):
            flow, dx = _step_by_step(layer, views, dy, kept)
        else:
            raise TypeError(f"what is {layer}?")
        flows.append(flow)
        dy = dx
    return flows[::-1]


def _step_by_step(
    layer: Recurrent, w: Weights, dy: Array, saved: RecurrentSaved
) -> tuple[dict[str, Array], Array | None]:
    """As :meth:`Recurrent.backward`, recording the gradient before each step."""
    saved.ticket.redeem()
    s, cell, num_steps = saved.cell, layer.cell, len(dy)
    running = dict(zip(cell.state_names, s.dstate(), strict=True))
    for part in running.values():
        part[...] = 0
    cell.transpose(w, s, saved.workspace)
    flow = {name: np.empty((num_steps + 1, *d.shape), d.dtype) for name, d in running.items()}
    for t in range(num_steps, 0, -1):
        for name, part in running.items():
            flow[name][t] = part
        flow["h"][t] += dy[t - 1]
        cell.backward(w, s, dy, range(t - 1, t - 2, -1))
    for name, part in running.items():
        flow[name][0] = part
    g, dx = _empty(w), None
    if saved.x.dtype.kind not in "iu":
        dx = np.empty(saved.x.shape, s.a.dtype)
    project_backward(w["W_x"], g["W_x"], g.get("b"), saved.x, s.a, dx, saved.workspace)
    return flow, dx


def lane_norms(flow: Array) -> Array:
    """‖∂E_T/∂h_t‖, averaged over the lanes, by T - t: ``(T+1, B, H)`` to ``(T+1,)``, T first."""
    return np.asarray(np.linalg.norm(flow[::-1], axis=-1).mean(axis=-1))


def decay(norms: Array) -> float:
    """The factor ρ of ‖∂E_T/∂h_t‖ ≈ k·ρ^(T-t): least squares on the logarithms.

    Zeros (an LSTM's cell at T - t = 0; underflow) and infinities have no logarithm and are skipped;
    with fewer than two other values the factor is nan.
    """
    ages = np.arange(len(norms))[(norms > 0) & np.isfinite(norms)]
    if len(ages) < 2:
        return float("nan")
    slope = np.polyfit(ages, np.log(norms[ages]), 1)[0]
    return float(np.exp(slope))


def _scope(w: Weights, prefix: str) -> Weights:
    head = prefix + "."
    return {name[len(head) :]: w[name] for name in w if name.startswith(head)}


def _empty(w: Weights) -> Weights:
    """Buffers for gradients that are not used."""
    return {name: np.empty_like(weight) for name, weight in w.items()}
