"""The state before a text without a prime: one in which a model expects a new line."""

import numpy as np

from charrnn.nn.ensemble import LanguageNetwork
from charrnn.nn.losses import log_probabilities
from charrnn.nn.parameters import Parameters
from charrnn.nn.products import one_thread
from charrnn.nn.stepper import stepper
from charrnn.nn.types import Array, State
from charrnn.sampling.choice import COLDEST, Choice, Ids, Scratch

__all__ = ["logits", "opening"]

OPENING_TEXTS, OPENING_UNSEEN, OPENING_WRITTEN = 16, 64, 96
"""The texts that an opening comes from; symbols skipped in each; symbols written after that."""

FEW, SURER = 2, 0.2
"""Paragraph ends are used if there are this many and they reduce the doubt by this many nats."""


def opening(
    model: LanguageNetwork, parameters: Parameters, line_end: int, text: Ids | None = None
) -> State:
    """The state in which a model expects a new line, or a new paragraph.

    Training sees the zero state only once in an epoch, so a text that begins from it begins with
    noise. The opening is the mean of the states at the ends of some lines; or at the ends of
    paragraphs, which an empty line follows, if that makes the model clearly surer of what comes.
    The lines are from a text, or from texts that the model writes for this purpose: an opening then
    depends only on the weights.

    Args:
        model, parameters: the language model.
        line_end: the symbol that ends a line; it is the first symbol to read from this state.
        text: ``(N,)`` symbols to read, which is faster; if not given, the model writes its own.

    Returns:
        ``(1, H)`` each; the zero state if the model's outputs are not finite.
    """
    zero = model.zero_state(OPENING_TEXTS, parameters.dtype)
    with one_thread(), np.errstate(all="ignore"):  # an overflow is found below
        if text is None:
            lines, paragraphs = _written_ends(model, parameters, line_end, zero)
        else:
            lines, paragraphs = _read_ends(model, parameters, line_end, zero, text)
        found = _mean(lines, zero)
        if len(paragraphs) >= FEW:
            other = _mean(paragraphs, zero)
            doubt, others = (_doubt(model, parameters, one, line_end) for one in (found, other))
            found = other if others < doubt - SURER else found
    finite = all(np.isfinite(h).all() for layer in found for h in layer)
    return found if finite else model.zero_state(1, parameters.dtype)


def logits(model: LanguageNetwork, y: Array) -> Array:
    """Outputs whose softmax is the model's distribution of the next symbol.

    If each output is trained as a yes or a no, the distribution is σ(y) divided by its sum over all
        symbols: the softmax of ln σ(y).
    """
    return log_probabilities("sigmoid", y) if model.loss == "sigmoid" else y


def _written_ends(
    model: LanguageNetwork, parameters: Parameters, line_end: int, zero: State
) -> tuple[Array, Array]:
    """States before the line ends that a model writes, and before the second of two, flat."""
    rng, choice = np.random.default_rng(0), Choice()
    reading = stepper(model, parameters, zero, OPENING_TEXTS)
    symbols, scratch = np.full(OPENING_TEXTS, line_end), Scratch((OPENING_TEXTS, model.output_size))
    lines, paragraphs = [_flat(zero)[:0]], [_flat(zero)[:0]]
    for number in range(OPENING_UNSEEN + OPENING_WRITTEN):
        before = symbols
        y = logits(model, reading.step(before))
        symbols = choice.draw(y, rng, scratch).copy()
        ended = symbols == line_end
        if number >= OPENING_UNSEEN and ended.any():
            state = _flat(reading.state)
            lines.append(state[ended])
            paragraphs.append(state[ended & (before == line_end)])
    found = np.concatenate(lines)
    return found if len(found) else _flat(reading.state), np.concatenate(paragraphs)


def _read_ends(
    model: LanguageNetwork, parameters: Parameters, line_end: int, zero: State, text: Ids
) -> tuple[Array, Array]:
    """The same from a text, evenly spread over it; each end has enough text before it."""
    ends = np.flatnonzero(text[OPENING_UNSEEN:] == line_end) + OPENING_UNSEEN
    states = []
    for some in (ends, ends[text[ends - 1] == line_end]):
        some = some[np.linspace(0, len(some) - 1, min(len(some), OPENING_TEXTS)).astype(np.intp)]
        state = tuple(tuple(h[: len(some)] for h in layer) for layer in zero)
        if len(some):
            x = text[some - OPENING_UNSEEN + np.arange(OPENING_UNSEEN)[:, None]].astype(np.intp)
            _, state, _ = model.forward(parameters, x, state)
        states.append(_flat(state))
    return (states[0] if len(ends) else _flat(zero)), states[1]


def _doubt(model: LanguageNetwork, parameters: Parameters, state: State, line_end: int) -> float:
    """The entropy of the symbol after a line end, in nats."""
    y = stepper(model, parameters, state, 1).step(np.array([line_end]))[0]
    y = logits(model, y).astype(np.float64)
    p = np.exp(y - y.max())
    p /= p.sum()
    return float(-(p * np.log(np.maximum(p, COLDEST))).sum())


def _flat(state: State) -> Array:
    """``(n, all H)``, all parts of a state side by side; without layers, ``(n, 0)``."""
    parts = [h for layer in state for h in layer]
    return np.concatenate(parts, axis=1) if parts else np.zeros((OPENING_TEXTS, 0))


def _mean(flat: Array, like: State) -> State:
    """The mean of states, ``(1, H)`` each."""
    mean = flat.mean(axis=0, dtype=np.float64)
    parts = iter(np.split(mean, np.cumsum([h.shape[1] for layer in like for h in layer])))
    return tuple(tuple(next(parts).astype(h.dtype)[None] for h in layer) for layer in like)
