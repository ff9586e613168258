"""Markov chains whose probabilities are all powers of two, so that their entropies are exact.

A chain writes one line: each arc it takes adds a symbol, the last one the newline. An arc of
probability 2^−k costs k bits, hence the ideal code of a line is a whole number of bits (Shannon,
1948), and its expectation solves a linear equation in fractions: nothing here is rounded.
"""

import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction
from typing import NamedTuple


class Arc(NamedTuple):
    """One step of a chain."""

    symbol: str
    bits: int  # its probability is 2^−bits
    to: str


Chain = Mapping[str, tuple[Arc, ...]]  # a state with no entry of its own ends the line


class CodeLength(NamedTuple):
    """What a list of lines costs under the chain that wrote them."""

    bits: int
    characters: int  # the newlines included

    @property
    def per_character(self) -> Fraction:
        """Bits per character."""
        return Fraction(self.bits, self.characters)


def code_length(lines: Iterable[str], bits: Callable[[str], int]) -> CodeLength:
    """The lines' `bits` and characters, summed; each has a newline besides what it shows."""
    costs = [(bits(line), len(line) + 1) for line in lines]
    return CodeLength(sum(cost for cost, _ in costs), sum(length for _, length in costs))


def walk(chain: Chain, start: str, rng: random.Random) -> Iterator[Arc]:
    """Take arcs at random from `start` until the line ends.

    Draws once per arc, and only on `rng.random()`: it alone of the module is promised to give the
    same numbers for the same seed under every later Python. They are multiples of 2^−53, so an arc
    is taken with its probability exactly.
    """
    state = start
    while state in chain:
        arc = _draw(chain[state], rng.random())
        yield arc
        state = arc.to


def follow(chain: Chain, start: str, symbols: Iterable[str]) -> list[Arc]:
    """The arcs that write `symbols`, one line with its newline.

    No state has two arcs of one symbol, so there is one such path at most; ValueError if none.
    """
    state, path = start, list[Arc]()
    for position, symbol in enumerate(symbols):
        arc = next((arc for arc in chain.get(state, ()) if arc.symbol == symbol), None)
        if arc is None:
            allowed = ", ".join(repr(arc.symbol) for arc in chain.get(state, ())) or "nothing"
            raise ValueError(f"{symbol!r} at position {position}, where {allowed} can follow")
        path.append(arc)
        state = arc.to
    if state in chain:
        raise ValueError(f"the line stops after {len(path)} symbols, before its newline")
    return path


def expected(chain: Chain, start: str, cost: Callable[[Arc], int]) -> Fraction:
    """The mean over all lines of the sum of `cost` along the line, exactly.

    v(s) = Σ over the arcs of s of 2^−bits · (cost + v(to)), and v = 0 where a line ends: one linear
    equation per state (Kemeny and Snell, 1960, chapter 3), solved by elimination in fractions.
    """
    column = {state: i for i, state in enumerate(chain)}
    rows = [[Fraction(i == j) for j in range(len(chain))] + [Fraction(0)] for i in column.values()]
    for state, arcs in chain.items():
        row = rows[column[state]]
        for arc in arcs:
            probability = Fraction(1, 2**arc.bits)
            row[-1] += probability * cost(arc)
            if arc.to in column:
                row[column[arc.to]] -= probability
    _eliminate(rows)
    return rows[column[start]][-1]


def _draw(arcs: tuple[Arc, ...], u: float) -> Arc:
    """The arc on which `u`, uniform on [0, 1), falls."""
    for arc in arcs:
        u -= 2.0**-arc.bits
        if u < 0:
            return arc
    raise ValueError(f"the probabilities of {arcs} sum to less than one")


def _eliminate(rows: list[list[Fraction]]) -> None:
    """Gauss and Jordan, in place: turns each row [A | r] into [I | A⁻¹ r]."""
    for i in range(len(rows)):
        pivot = next(k for k in range(i, len(rows)) if rows[k][i])
        rows[i], rows[pivot] = rows[pivot], rows[i]
        rows[i] = [entry / rows[i][i] for entry in rows[i]]
        for k, row in enumerate(rows):
            if k != i and row[i]:
                rows[k] = [a - row[i] * b for a, b in zip(row, rows[i], strict=True)]
