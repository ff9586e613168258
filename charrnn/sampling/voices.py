"""Predicting the next symbol, with one model or with several as one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Protocol

import numpy as np

from charrnn.errors import DivergedError
from charrnn.nn.ensemble import LanguageNetwork
from charrnn.nn.ops import check_symbols
from charrnn.nn.parameters import Parameters
from charrnn.nn.runaway import CHUNK, restart_runaways
from charrnn.nn.stepper import stepper
from charrnn.nn.types import Array, State
from charrnn.nn.workspace import Workspace
from charrnn.sampling.choice import DEFAULT, Choice, Ids, Scratch, streams
from charrnn.sampling.openings import logits

__all__ = ["MixedVoice", "ModelVoice", "Reading", "Voice", "log_softmax", "sample"]

PRIME_CHUNK, PRIME_NUMBERS = 256, 1 << 22
"""How many steps of a prime are read at a time, and the most numbers that this may take."""


class Reading(Protocol):
    """n texts that are being read, one symbol of each at a time."""

    def step(self, symbols: Ids) -> Array: ...
    def keep(self, rows: Sequence[int]) -> None: ...
    @property
    def states(self) -> list[Array]: ...


class Voice(Protocol):
    """Predicts which symbol comes next.

    Attributes:
        size: V.
    """

    @property
    def size(self) -> int: ...
    def begin(self, prime: Ids) -> Reading: ...


@dataclass(frozen=True, eq=False)
class ModelVoice:
    """Predicts with one model.

    Args:
        model, parameters: the language model.
        state: the state before the prime, ``(n, H)`` each, or ``(1, H)`` for all texts; if not
            given, zero.
        restart: whether a state that runs away is reset to zero, as where a state is carried in
            training; not for a model that was trained on separate texts.
    """

    model: LanguageNetwork
    parameters: Parameters
    state: State | None = None
    restart: bool = True

    @property
    def size(self) -> int:
        """V."""
        return self.model.output_size

    def begin(self, prime: Ids) -> "ModelReading":
        """Read ``prime (T, n)``, at least one row, except for the last row."""
        model, count = self.model, prime.shape[1]
        check_symbols(prime[-1].astype(np.intp), model.input_size)
        reading, state = Workspace(), self.state
        if state is None:
            state = model.zero_state(1, self.parameters.dtype)
        alike = all(len(h) == 1 for layer in state for h in layer)
        if alike and bool((prime == prime[:, :1]).all()):  # read a common beginning only once
            prime = prime[:, :1]
        elif alike:
            state, alike = _repeated(state, count), False
        width = prime.shape[1] * max(model.output_size, 4 * model.cell.hidden_size)
        chunk = max(1, min(PRIME_CHUNK, PRIME_NUMBERS // width))
        restart = self.restart and not model.cell.bounded
        if restart:
            chunk = min(chunk, CHUNK)
        for start in range(0, len(prime) - 1, chunk):
            part = prime[start : min(start + chunk, len(prime) - 1)]
            _, state, _ = model.forward(self.parameters, part.astype(np.intp), state, reading)
            if restart and len(part) == CHUNK:
                restart_runaways(model.cell, state)
        if alike:
            state = _repeated(state, count)
        return ModelReading(self, state, count, restart=restart)


class ModelReading:
    """n texts that a model reads.

    Args:
        voice: the model's voice.
        state: the state of the texts, ``(n, H)`` each.
        count: n.
        restart: whether a state that has run away is reset.
    """

    def __init__(self, voice: ModelVoice, state: State, count: int, *, restart: bool) -> None:
        self._stepper = stepper(voice.model, voice.parameters, state, count)
        self._model, self._parameters = voice.model, voice.parameters
        self._restart, self._number = restart, 0

    @property
    def states(self) -> list[Array]:
        """``(n, H)`` each: views, which the next step changes."""
        return [part for layer in self._stepper.state for part in layer]

    def keep(self, rows: Sequence[int]) -> None:
        """Read only these texts from now on."""
        state = tuple(tuple(h[rows] for h in layer) for layer in self._stepper.state)
        self._stepper = stepper(self._model, self._parameters, state, len(rows))

    def step(self, symbols: Ids) -> Array:
        """Read one symbol ``(n,)`` of each; the outputs ``(n, V)`` are valid until the next step.

        Raises:
            DivergedError: the model's outputs are not finite.
        """
        if self._restart and self._number and not self._number % CHUNK:
            restart_runaways(self._model.cell, self._stepper.state)
        self._number += 1
        with np.errstate(all="ignore"):  # an overflow is found just below
            y = logits(self._model, self._stepper.step(symbols))
            total = np.add.reduce(y, axis=None)
        if not isfinite(total):
            raise DivergedError(
                "the model's outputs are not finite numbers: its weights are damaged"
            )
        return y


@dataclass(frozen=True, eq=False)
class MixedVoice:
    """The mean of the probabilities of several voices.

    Args:
        voices: the models' voices.
        tables: for each voice ``(V,)``: the symbol that it reads for each of ours.
        known: for each voice ``(V,)``: whether it knows the symbol; others get no probability.
        weights: the weight of each voice, positive; they sum to 1.
    """

    voices: Sequence[Voice]
    tables: Sequence[Ids]
    known: Sequence[Any]
    weights: Sequence[float]

    @property
    def size(self) -> int:
        """V."""
        return len(self.tables[0])

    def begin(self, prime: Ids) -> "MixedReading":
        """As for one voice."""
        return MixedReading(self, prime)


class MixedReading:
    """n texts that several models read."""

    def __init__(self, voice: MixedVoice, prime: Ids) -> None:
        self._voice = voice
        self._readings = [
            one.begin(table[prime]) for one, table in zip(voice.voices, voice.tables, strict=True)
        ]
        self._places = [
            (np.flatnonzero(known), table[known])
            for table, known in zip(voice.tables, voice.known, strict=True)
        ]
        self._y = np.empty((prime.shape[1], voice.size))

    @property
    def states(self) -> list[Array]:
        """The states of all models."""
        return [state for one in self._readings for state in one.states]

    def keep(self, rows: Sequence[int]) -> None:
        """As for one model."""
        for one in self._readings:
            one.keep(rows)
        self._y = self._y[: len(rows)]

    def step(self, symbols: Ids) -> Array:
        """As for one model; the outputs are log-probabilities, float64."""
        y, voice = self._y, self._voice
        y.fill(-np.inf)
        for reading, table, (ours, own), weight in zip(
            self._readings, voice.tables, self._places, voice.weights, strict=True
        ):
            found = log_softmax(reading.step(table[symbols]))[:, own]
            y[:, ours] = np.logaddexp(y[:, ours], found + np.log(weight))
        return y


def log_softmax(y: Array) -> Array:
    """ln p of each symbol, float64, of outputs ``(n, V)``."""
    found = y.astype(np.float64)
    found -= np.maximum.reduce(found, axis=-1, keepdims=True)
    found -= np.log(np.add.reduce(np.exp(found), axis=-1, keepdims=True))
    return found


def sample(
    model: LanguageNetwork,
    parameters: Parameters,
    prime: Ids,
    length: int,
    rng: np.random.Generator,
    choice: Choice = DEFAULT,
    *,
    state: State | None = None,
    never: Sequence[int] = (),
    restart: bool = True,
) -> Iterator[Ids]:
    """Continue ``prime``, with the state carried from symbol to symbol.

    Args:
        model, parameters, state, restart: as for :class:`ModelVoice`.
        prime: ``(T, n)`` symbols to read first, at least one row; n continuations run in step.
        length: how many symbols to write.
        rng: draws them; the first text is the one that it would draw alone (except for the last
            digits of the outputs, which depend on how many are computed together).
        choice: how a symbol is chosen.
        never: symbols that must not be chosen.

    Yields:
        ``(n,)`` symbols, ``length`` times.

    Raises:
        DivergedError: the model's outputs are not finite.
    """
    voice = ModelVoice(model, parameters, state, restart)
    reading, symbols = voice.begin(prime), prime[-1].astype(np.intp)
    scratch = Scratch((len(symbols), voice.size))
    numbers = streams(rng, len(symbols))
    for _ in range(length):
        y = reading.step(symbols)
        if never:
            y[:, list(never)] = -np.inf
        symbols = choice.draw(y, numbers, scratch)
        yield symbols.copy()


def _repeated(state: State, count: int) -> State:
    return tuple(tuple(h.repeat(count, axis=0) for h in layer) for layer in state)
