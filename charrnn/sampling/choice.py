"""How the next symbol is chosen from what the model expects: temperature, then filters.

The filters work on weights proportional to the probabilities, and set those to zero that must not
be drawn. docs/sampling.md has the definitions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from charrnn.nn.types import Array

__all__ = [
    "COLDEST",
    "DEFAULT",
    "Choice",
    "Ids",
    "Scratch",
    "Streams",
    "keep_likeliest",
    "keep_min_p",
]

Ids = npt.NDArray[Any]

COLDEST = 1e-200
"""The lowest temperature, so that dividing by it cannot overflow; a lower one is raised to it."""


class Scratch:
    """Memory for drawing many times from outputs of one shape.

    Args:
        shape: the shape of the outputs, ``(n, V)``.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.y, self.heights = np.empty(shape), np.empty(shape)
        self.marks = np.empty((shape[0], 1))
        self.passed = np.empty(shape, dtype=np.bool_)
        self.symbols = np.empty(shape[0], dtype=np.intp)


class Streams:
    """Uniform numbers for n texts, one stream for each, so that no text depends on n.

    Args:
        rng: the stream of text number 0, in blocks; the streams of the others are far ahead of it.
        count: n.
        first: the number of the first text.
    """

    BLOCK = 64

    def __init__(self, rng: np.random.Generator, count: int, first: int = 0) -> None:
        ahead = cast(np.random.PCG64, rng.bit_generator).jumped
        self._rngs = [
            np.random.Generator(ahead(k)) if k else rng for k in range(first, first + count)
        ]
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

    def keep(self, rows: Sequence[int]) -> None:
        """Keep the streams of these texts."""
        self._rngs, self._block = [self._rngs[row] for row in rows], self._block[rows]


@dataclass(frozen=True)
class Choice:
    """How the next symbol is chosen from the outputs y.

    The temperature is applied first; each filter sees what those before it have left.

    Args:
        temperature: τ in p ∝ e^(y/τ): below 1 safer, above 1 wilder; 0 takes the likeliest.
        top_k: draw among the k likeliest only; 0 for all.
        top_p: draw among the fewest likeliest that have this probability together (Holtzman et
            al., 2020, "The curious case of neural text degeneration"); 1 for all.
        min_p: draw among those that have at least this part of the likeliest one's probability
            (Nguyen et al., 2024, "Turning up the heat"); 0 for all.

    Raises:
        ValueError: a value is out of range.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < np.inf:
            raise ValueError(f"temperature must be 0 or more, and finite; got {self.temperature}")
        if self.top_k < 0:
            raise ValueError(f"top_k must be 0 or more, got {self.top_k}")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p must be in (0, 1], got {self.top_p}")
        if not 0 <= self.min_p <= 1:
            raise ValueError(f"min_p must be in [0, 1], got {self.min_p}")

    def draw(
        self, logits: Array, rng: "np.random.Generator | Streams", scratch: Scratch | None = None
    ) -> Ids:
        """One symbol for each row.

        Args:
            logits: ``(n, V)``; -∞ for what must not be drawn.
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
        if 0 < self.top_k < y.shape[-1] or self.top_p < 1:
            # Symbols that are equally likely by y may differ by the unrounded outputs.
            keep_likeliest(y, np.argsort(-logits, axis=-1, kind="stable"), self.top_k, self.top_p)
        if self.min_p:
            keep_min_p(y, self.min_p, s.passed)
        np.add.accumulate(y, axis=-1, out=s.heights)
        rng.random(out=marks)
        marks *= s.heights[:, -1:]
        np.less_equal(s.heights, marks, out=s.passed)
        return np.asarray(np.add.reduce(s.passed, axis=-1, dtype=np.intp, out=s.symbols))


DEFAULT = Choice()


def streams(rng: np.random.Generator, count: int, first: int = 0) -> np.random.Generator | Streams:
    """The random numbers of ``count`` texts, of which the first has the number ``first``."""
    return Streams(rng, count, first) if first or count > 1 else rng


def keep_likeliest(weights: Array, order: Ids, top_k: int = 0, top_p: float = 1.0) -> None:
    """Set to zero, in place, the weights that top-k and then top-p leave out.

    Args:
        weights: ``(n, V)``, contiguous.
        order: ``(n, V)`` the symbols of each row, the likeliest first; among those equally likely,
            the first ones are kept.
        top_k: how many are kept; 0 for all.
        top_p: the part of the sum that the kept weights must reach.
    """
    count, size = weights.shape
    if count > 1:
        order += np.arange(0, count * size, size)[:, None]
    if 0 < top_k < size:
        weights.put(order[:, top_k:], 0)
        order = order[:, :top_k]
    if top_p < 1:
        ordered = weights.take(order)
        heights = np.add.accumulate(ordered, axis=-1)
        enough = heights[:, -1:] * top_p
        heights -= ordered
        ordered[heights >= enough] = 0
        weights.put(order, ordered)


def keep_min_p(weights: Array, min_p: float, passed: npt.NDArray[np.bool_] | None = None) -> None:
    """Set to zero, in place, the weights below a part of the largest one.

    Args:
        weights: ``(n, V)``, where the largest of each row is 1.
        min_p: the part; a weight that equals it stays.
        passed: ``(n, V)``, memory to use.
    """
    np.copyto(weights, 0, where=np.less(weights, min_p, out=passed))
