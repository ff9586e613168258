"""Writing text: one symbol after the other, each drawn from what the model expects next."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from charrnn.errors import DivergedError
from charrnn.nn.losses import log_probabilities
from charrnn.nn.models import SequenceModel
from charrnn.nn.ops import check_symbols
from charrnn.nn.parameters import Parameters
from charrnn.nn.products import one_thread
from charrnn.nn.runaway import CHUNK, restart_runaways
from charrnn.nn.stepper import Stepper
from charrnn.nn.types import Array, State
from charrnn.nn.workspace import Workspace

__all__ = ["Choice", "Scratch", "Streams", "opening", "sample"]

Ids = npt.NDArray[Any]
PRIME_CHUNK, PRIME_NUMBERS = 256, 1 << 22
"""How many steps of a prime are read at a time, and how many numbers that may take."""

OPENING_TEXTS, OPENING_UNSEEN, OPENING_WRITTEN = 16, 64, 96
"""An opening comes from so many texts, and in each from what follows so many characters."""

FEW, SURER = 2, 0.2
"""A text begins as a paragraph does where there are so many, and so many nats less of doubt."""

COLDEST = 1e-200
"""A temperature below this is taken for it, so that dividing by it cannot overflow."""


class Scratch:
    """Memory for drawing again and again from outputs of one shape.

    Args:
        shape: of the outputs, ``(n, V)``.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.y, self.heights = np.empty(shape), np.empty(shape)
        self.marks = np.empty((shape[0], 1))
        self.passed = np.empty(shape, dtype=np.bool_)
        self.symbols = np.empty(shape[0], dtype=np.intp)


class Streams:
    """Uniform numbers for n texts, a stream for each: how many are written changes none of them.

    Args:
        rng: the stream of the first text, in blocks; the others are far ahead of it.
        count: n.
    """

    BLOCK = 64

    def __init__(self, rng: np.random.Generator, count: int) -> None:
        ahead = cast(np.random.PCG64, rng.bit_generator).jumped
        self._rngs = [rng, *(np.random.Generator(ahead(k)) for k in range(1, count))]
        self._block, self._used = np.empty((count, self.BLOCK)), self.BLOCK

    def random(self, out: Array) -> Array:
        """Fill ``(n, 1)``."""
        if self._used == self.BLOCK:
            for rng, row in zip(self._rngs, self._block, strict=True):
                rng.random(out=row)
            self._used = 0
        out[:, 0] = self._block[:, self._used]
        self._used += 1
        return out


@dataclass(frozen=True)
class Choice:
    """How the next symbol is chosen from the outputs y.

    Args:
        temperature: τ in p ∝ e^(y/τ): below 1 safer, above 1 wilder; 0 takes the likeliest.
        top_k: draw among the k likeliest only; 0 for all.
        top_p: draw among the fewest likeliest that have this probability together (Holtzman et
            al., 2020, "The curious case of neural text degeneration"); 1 for all.

    Raises:
        ValueError: a value is out of range.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < np.inf:
            raise ValueError(f"temperature must be 0 or more, and finite; got {self.temperature}")
        if self.top_k < 0:
            raise ValueError(f"top_k must be 0 or more, got {self.top_k}")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p must be in (0, 1], got {self.top_p}")

    def draw(
        self, logits: Array, rng: "np.random.Generator | Streams", scratch: Scratch | None = None
    ) -> Ids:
        """One symbol for each row.

        Args:
            logits: ``(n, V)``.
            rng: draws.
            scratch: memory to reuse; with it, only top-k and top-p allocate anything.

        Returns:
            ``(n,)``, valid until the next draw with this scratch memory.
        """
        s = scratch or Scratch(logits.shape)
        if self.temperature == 0:
            return np.asarray(np.argmax(logits, axis=-1, out=s.symbols))
        y, marks = s.y, s.marks
        np.copyto(y, logits)
        y -= np.maximum.reduce(y, axis=-1, keepdims=True, out=marks)
        y /= max(self.temperature, COLDEST)
        np.exp(y, out=y)
        fewer = 0 < self.top_k < y.shape[-1]
        if fewer or self.top_p < 1:  # of those equally likely, the first ones
            order = np.argsort(-logits, axis=-1, kind="stable")
        if fewer:
            np.put_along_axis(y, order[:, self.top_k :], 0, axis=-1)
        if self.top_p < 1:
            ordered = np.take_along_axis(y, order, axis=-1)
            before = ordered.cumsum(axis=-1) - ordered
            ordered[before >= self.top_p * ordered.sum(axis=-1, keepdims=True)] = 0
            np.put_along_axis(y, order, ordered, axis=-1)
        np.add.accumulate(y, axis=-1, out=s.heights)
        rng.random(out=marks)
        marks *= s.heights[:, -1:]
        np.less_equal(s.heights, marks, out=s.passed)
        return np.asarray(np.add.reduce(s.passed, axis=-1, dtype=np.intp, out=s.symbols))


def sample(
    model: SequenceModel,
    parameters: Parameters,
    prime: Ids,
    length: int,
    rng: np.random.Generator,
    choice: Choice = Choice(),
    *,
    state: State | None = None,
    never: Sequence[int] = (),
    restart: bool = True,
) -> Iterator[Ids]:
    """Continue ``prime``, forgetting nothing: the state is carried from symbol to symbol.

    Args:
        model, parameters: the language model.
        prime: ``(T, n)`` symbols to read first, at least one row; n continuations run in step.
        length: how many symbols to write.
        rng: draws them; the first text is the one that it draws alone (but for the last digits of
            the outputs, which depend on how many are computed together).
        choice: how.
        state: what has been read before the prime, ``(n, H)`` each, or ``(1, H)`` before all of
            them; nothing if not given.
        never: symbols that are not to be chosen.
        restart: whether a text whose state runs away goes on from zero, as where a state is
            carried in training; not for a model that was trained on texts of their own.

    Yields:
        ``(n,)`` symbols, ``length`` times.

    Raises:
        DivergedError: the model's outputs are not finite.
    """
    symbols = prime[-1].astype(np.intp)
    check_symbols(symbols, model.input_size)
    reading = Workspace()
    if state is None:
        state = model.zero_state(1, parameters.dtype)
    alike = all(len(h) == 1 for layer in state for h in layer)
    if alike and bool((prime == prime[:, :1]).all()):  # read once what all begin with
        prime = prime[:, :1]
    elif alike:
        state, alike = _repeated(state, len(symbols)), False
    width = prime.shape[1] * max(model.output_size, 4 * model.cell.hidden_size)
    chunk = max(1, min(PRIME_CHUNK, PRIME_NUMBERS // width))
    restart = restart and not model.cell.bounded
    if restart:
        chunk = min(chunk, CHUNK)
    for start in range(0, len(prime) - 1, chunk):
        part = prime[start : min(start + chunk, len(prime) - 1)]
        _, state, _ = model.forward(parameters, part.astype(np.intp), state, reading)
        if restart and len(part) == CHUNK:
            restart_runaways(model.cell, state)
    del reading
    if alike:
        state = _repeated(state, len(symbols))
    stepper = Stepper(model, parameters, state, len(symbols))
    scratch = Scratch((len(symbols), model.output_size))
    numbers = rng if len(symbols) == 1 else Streams(rng, len(symbols))
    for number in range(length):
        if restart and number and not number % CHUNK:
            restart_runaways(model.cell, stepper.state)
        with np.errstate(all="ignore"):  # what overflows is found just below
            y = _logits(model, stepper.step(symbols))
            total = np.add.reduce(y, axis=None)
        if not isfinite(total):
            raise DivergedError(
                "the model's outputs are not finite numbers: its weights are spoilt"
            )
        if never:
            y[:, list(never)] = -np.inf
        symbols = choice.draw(y, numbers, scratch)
        yield symbols.copy()


def _logits(model: SequenceModel, y: Array) -> Array:
    """Outputs whose softmax is what the model says of the next symbol.

    Where each is trained as a yes or a no of its own, that is σ(y) over the sum of all: the softmax
    of ln σ(y).
    """
    return log_probabilities("sigmoid", y) if model.loss == "sigmoid" else y


def _repeated(state: State, count: int) -> State:
    return tuple(tuple(h.repeat(count, axis=0) for h in layer) for layer in state)


def opening(
    model: SequenceModel, parameters: Parameters, line_end: int, text: Ids | None = None
) -> State:
    """The state in which a model expects a new line, or a new paragraph.

    Training sees the zero state once a pass; a text that begins from it begins with noise. The
    opening is the mean of the states that the ends of some lines leave behind; or of those that
    paragraphs with an empty line behind them do, where that leaves the model clearly surer of what
    comes. The lines are of a text, or such as the model writes for nobody to see: an opening then
    depends on the weights alone.

    Args:
        model, parameters: the language model.
        line_end: the symbol that ends a line; it is the first thing to read from this state.
        text: ``(N,)`` symbols to read, which is quicker; else the model writes its own.

    Returns:
        ``(1, H)`` each; the zero state if the model's outputs are not finite.
    """
    zero = model.zero_state(OPENING_TEXTS, parameters.dtype)
    with one_thread(), np.errstate(all="ignore"):  # what overflows is found below
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


def _written_ends(
    model: SequenceModel, parameters: Parameters, line_end: int, zero: State
) -> tuple[Array, Array]:
    """States before the line ends that a model writes, and before the second of two, flat."""
    rng, choice = np.random.default_rng(0), Choice()
    stepper = Stepper(model, parameters, zero, OPENING_TEXTS)
    symbols, scratch = np.full(OPENING_TEXTS, line_end), Scratch((OPENING_TEXTS, model.output_size))
    lines, paragraphs = [_flat(zero)[:0]], [_flat(zero)[:0]]
    for number in range(OPENING_UNSEEN + OPENING_WRITTEN):
        before = symbols
        y = _logits(model, stepper.step(before))
        symbols = choice.draw(y, rng, scratch).copy()
        ended = symbols == line_end
        if number >= OPENING_UNSEEN and ended.any():
            state = _flat(stepper.state)
            lines.append(state[ended])
            paragraphs.append(state[ended & (before == line_end)])
    found = np.concatenate(lines)
    return found if len(found) else _flat(stepper.state), np.concatenate(paragraphs)


def _read_ends(
    model: SequenceModel, parameters: Parameters, line_end: int, zero: State, text: Ids
) -> tuple[Array, Array]:
    """The same of a text, evenly spread over it; each end with so much before it."""
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


def _doubt(model: SequenceModel, parameters: Parameters, state: State, line_end: int) -> float:
    """The entropy of what comes after a line end, in nats."""
    y = Stepper(model, parameters, state, 1).step(np.array([line_end]))[0]
    y = _logits(model, y).astype(np.float64)
    p = np.exp(y - y.max())
    p /= p.sum()
    return float(-(p * np.log(np.maximum(p, COLDEST))).sum())


def _flat(state: State) -> Array:
    """``(n, all H)``, every part of a state side by side; of no layers, ``(n, 0)``."""
    parts = [h for layer in state for h in layer]
    return np.concatenate(parts, axis=1) if parts else np.zeros((OPENING_TEXTS, 0))


def _mean(flat: Array, like: State) -> State:
    """The mean of states, ``(1, H)`` each."""
    mean = flat.mean(axis=0, dtype=np.float64)
    parts = iter(np.split(mean, np.cumsum([h.shape[1] for layer in like for h in layer])))
    return tuple(tuple(next(parts).astype(h.dtype)[None] for h in layer) for layer in like)
