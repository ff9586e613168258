"""Reading a text with a language model: how surprising each character is, and what was expected."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import tee
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from charrnn.evaluation.windows import EXACT, EXACT_PRODUCTS, LANES, WARM_UP
from charrnn.nn.products import one_thread
from charrnn.nn.runaway import CHUNK, restart_runaways
from charrnn.nn.types import Array, State
from charrnn.nn.workspace import Workspace
from charrnn.runs.model import Model
from charrnn.tasks.lm import opening_of
from charrnn.text.escapes import escape

__all__ = ["GUESSES", "Surprisal", "surprisals"]

GUESSES = 5

PIECE = 1 << 12
"""How many characters are read one by one before they are yielded."""

BLOCK = 1 << 17
"""How many characters of a long text are read at a time, in lanes."""

NUMBERS = 1 << 22
"""The most outputs in memory at once."""

Codes = npt.NDArray[Any]


class Surprisal(NamedTuple):
    """A model's predictions for a piece of text, for each of its N characters (or bytes)."""

    nats: npt.NDArray[np.float64]
    """``(N,)`` -ln p of the character, given all before it."""
    entropy: Array
    """``(N,)`` the entropy of the prediction, in nats."""
    guesses: Codes
    """``(N, K)`` the likeliest characters, in descending order."""
    chances: Array
    """``(N, K)`` their probabilities."""


def surprisals(
    models: Sequence[Model],
    text: Iterable[Codes],
    before: Codes | None = None,
    guesses: int = GUESSES,
) -> Iterator[tuple[Codes, list[Surprisal]]]:
    """The predictions of some models for a text, piece by piece, with their states carried.

    The first 131,072 characters (fewer with many weights) are read one by one, as soon as they
    arrive. All others are read in blocks, 64 places of a block side by side, each but the first
    warmed up on the 256 characters before it. How the text is divided into pieces does not matter.

    Args:
        models: language models, all of characters or all of bytes.
        text: code points or bytes, in pieces.
        before: ``(N,)`` the text before, which is not scored; only the end of a long one is read.
            Without it, the text begins after a line end, in the state of :meth:`Model.score`.
        guesses: K, the number of likeliest characters.

    Yields:
        A piece of the text, and each model's predictions for it.

    Raises:
        DivergedError: a model's outputs are not finite.
    """
    weights = max(model.parameters.flat.size for model in models)
    exact = min(EXACT, max(1, EXACT_PRODUCTS // weights // CHUNK) * CHUNK)
    readings = [_Reading(model, before, guesses) for model in models]
    copies = tee(text, len(models))
    together = zip(
        *(r.pieces(one, exact) for r, one in zip(readings, copies, strict=True)), strict=True
    )
    for found in together:
        yield found[0][0], [one for _, one in found]


class _Reading:
    """A model, and its state within a text."""

    def __init__(self, model: Model, before: Codes | None, guesses: int) -> None:
        self._model, self._vocabulary = model, model.vocabulary
        self._network, self._parameters = model.network, model.parameters
        self._symbols = np.array(self._vocabulary.codes)
        self._guesses = min(guesses, len(self._symbols))
        self._workspace = Workspace()
        self._steps = 0
        self._last = self._vocabulary.start
        if before is None or not len(before):
            self._state: State = opening_of(model)
        else:
            ids = escape(self._vocabulary, before[-WARM_UP - 1 :]).ids.astype(np.intp)
            self._last = int(ids[-1])
            self._state = self._warmed(ids[:-1, None])

    def pieces(self, text: Iterable[Codes], exact: int) -> Iterator[tuple[Codes, Surprisal]]:
        held, size = [np.empty(0, np.uint8)], 0
        for piece in text:
            held.append(piece)
            size += len(piece)
            while (size and self._steps < exact) or size >= BLOCK:
                alone = self._steps < exact
                codes = np.concatenate(held)
                some = codes[: min(PIECE, exact - self._steps) if alone else BLOCK]
                yield some, self._block(some, 1 if alone else LANES)
                held, size = [codes[len(some) :]], len(codes) - len(some)
        if size:
            rest = np.concatenate(held)
            yield rest, self._block(rest, max(1, min(LANES, size // (2 * WARM_UP))))

    def _block(self, codes: Codes, lanes: int) -> Surprisal:
        """Read on: first the rest that remains when all lanes have equal length, then the lanes."""
        escaped = escape(self._vocabulary, codes)
        targets = escaped.ids.astype(np.intp)
        x = np.concatenate([[self._last], targets[:-1]])
        count, k = len(x), self._guesses
        found = Surprisal(
            np.empty(count), np.empty(count), np.empty((count, k), np.intp), np.empty((count, k))
        )
        length = count // lanes
        begins = count - length * np.arange(lanes, 0, -1)
        self._run(x, targets, np.arange(begins[0])[:, None], found)
        if lanes > 1:
            others = self._warmed(x[begins[1:] + np.arange(-WARM_UP, 0)[:, None]])
            self._state = tuple(
                tuple(np.concatenate(parts) for parts in zip(*layers, strict=True))
                for layers in zip(self._state, others, strict=True)
            )
        self._run(x, targets, begins + np.arange(length)[:, None], found)
        self._state = tuple(tuple(h[-1:] for h in layer) for layer in self._state)
        self._last = int(targets[-1])
        self._model.check_finite(found.nats)
        return found._replace(nats=escaped.charge(found.nats), guesses=self._symbols[found.guesses])

    def _run(self, x: Codes, targets: Codes, places: Codes, found: Surprisal) -> None:
        """Read ``(T, B)`` places side by side, and note the predictions at each."""
        steps = CHUNK
        while steps > 1 and steps * places.shape[1] * self._network.output_size > NUMBERS:
            steps //= 2
        done = 0
        while done < len(places):
            at = places[done : done + steps - self._steps % steps]
            y = self._step(x[at])
            _note(y.reshape(at.size, -1), targets[at.ravel()], at.ravel(), found)
            done += len(at)

    def _step(self, x: Codes) -> Array:
        """Read ``(T, B)`` further symbols; return the outputs, valid until the next step."""
        with one_thread(), np.errstate(all="ignore"):  # the caller checks that they are finite
            read = self._network.forward(self._parameters, x, self._state, self._workspace)
        y: Array = read[0]
        self._state = read[1]
        self._steps += len(x)
        if self._steps % CHUNK == 0:
            restart_runaways(self._network.cell, self._state)
        return y

    def _warmed(self, x: Codes) -> State:
        """The state that reading ``(T, B)`` symbols from the zero state leaves."""
        state: State = self._network.zero_state(x.shape[1], self._parameters.dtype)
        with one_thread(), np.errstate(all="ignore"):
            for start in range(0, len(x), CHUNK):
                part = x[start : start + CHUNK]
                _, state, _ = self._network.forward(self._parameters, part, state, self._workspace)
                restart_runaways(self._network.cell, state)
        return state


def _note(y: Array, targets: Codes, at: Codes, found: Surprisal) -> None:
    """Write what outputs ``(n, V)`` predict of their targets to its places; overwrites them."""
    rows = np.arange(len(y))
    y -= y.max(axis=1, keepdims=True)
    p = np.exp(y)
    total = p.sum(axis=1)
    logarithm = np.log(total)
    found.nats[at] = logarithm - y[rows, targets]
    found.entropy[at] = logarithm - np.einsum("ij,ij->i", p, y) / total
    for k in range(found.guesses.shape[1]):
        best = p.argmax(axis=1)
        found.guesses[at, k] = best
        found.chances[at, k] = p[rows, best] / total
        p[rows, best] = -1
