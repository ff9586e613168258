"""Writing text: one symbol after the other, each drawn from what the model expects next."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.errors import DivergedError
from charrnn.nn.models import SequenceModel
from charrnn.nn.ops import check_symbols
from charrnn.nn.parameters import Parameters
from charrnn.nn.runaway import CHUNK, restart_runaways
from charrnn.nn.stepper import Stepper
from charrnn.nn.types import Array, State
from charrnn.nn.workspace import Workspace

__all__ = ["Choice", "Scratch", "sample"]

Ids = npt.NDArray[Any]
PRIME_CHUNK, PRIME_NUMBERS = 256, 1 << 22
"""How many steps of a prime are read at a time, and how many numbers that may take."""

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

    def draw(self, logits: Array, rng: np.random.Generator, scratch: Scratch | None = None) -> Ids:
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
        if 0 < self.top_k < y.shape[-1]:
            y[y < np.partition(y, -self.top_k, axis=-1)[:, -self.top_k, None]] = 0
        if self.top_p < 1:
            order = np.argsort(-y, axis=-1, kind="stable")
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
        rng: draws them.
        choice: how.
        state: what has been read before the prime, ``(n, H)`` each; nothing if not given.
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
    alike = state is None and bool((prime == prime[:, :1]).all())
    if alike:  # read once what all begin with
        prime = prime[:, :1]
    reading = Workspace()
    if state is None:
        state = model.zero_state(prime.shape[1], parameters.dtype)
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
        state = tuple(tuple(h.repeat(len(symbols), axis=0) for h in layer) for layer in state)
    stepper = Stepper(model, parameters, state, len(symbols))
    scratch = Scratch((len(symbols), model.output_size))
    for number in range(length):
        if restart and number and not number % CHUNK:
            restart_runaways(model.cell, stepper.state)
        with np.errstate(all="ignore"):  # what overflows is found just below
            y = stepper.step(symbols)
            total = np.add.reduce(y, axis=None)
        if not isfinite(total):
            raise DivergedError(
                "the model's outputs are not finite numbers: its weights are spoilt"
            )
        if never:
            y[:, list(never)] = -np.inf
        symbols = choice.draw(y, rng, scratch)
        yield symbols.copy()
