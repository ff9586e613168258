"""Balanced brackets of three kinds, at most six deep: each closing one must fit the stack.

A line starts with an opening bracket. After that, fair coins decide:

    at depth 0        end the line, or open         (1/2 each)
    at depths 1 to 5  close, or open                (1/2 each)
    at depth 6        close                         (certain)

and an opening bracket is "(" with probability 1/2, "[" and "{" with 1/4 each. What closes is the
kind opened last, as in the language of Dyck, so that symbol is free once the coin says "close". The
depth alone is therefore a Markov chain, which gives the exact entropy; only the text needs a stack.
"""

import random
from collections.abc import Iterable
from fractions import Fraction

from markov import Arc, Chain, CodeLength, code_length, expected, follow, walk

CLOSING = {"(": ")", "[": "]", "{": "}"}
KIND_BITS = {"(": 1, "[": 2, "{": 2}  # −log2 of each kind's probability
MAX_DEPTH = 6


def _depths() -> Chain:
    """The chain of depths; the symbol "close" stands for whichever bracket fits the stack."""

    def opening(depth: int, coin: int) -> tuple[Arc, ...]:
        return tuple(Arc(kind, coin + bits, str(depth + 1)) for kind, bits in KIND_BITS.items())

    chain = {"start": opening(0, coin=0), "0": (Arc("\n", 1, "end"), *opening(0, coin=1))}
    for depth in range(1, MAX_DEPTH):
        chain[str(depth)] = (Arc("close", 1, str(depth - 1)), *opening(depth, coin=1))
    chain[str(MAX_DEPTH)] = (Arc("close", 0, str(MAX_DEPTH - 1)),)
    return chain


DEPTHS = _depths()


def sample_line(rng: random.Random) -> str:
    """One balanced line, without its newline."""
    line, stack = [], list[str]()
    for arc in walk(DEPTHS, "start", rng):
        if arc.symbol in CLOSING:
            stack.append(CLOSING[arc.symbol])
        line.append(stack.pop() if arc.symbol == "close" else arc.symbol)
    return "".join(line[:-1])


def bits(line: str) -> int:
    """−log2 of the line's probability; ValueError for a line that the process never writes."""
    try:
        return sum(arc.bits for arc in follow(DEPTHS, "start", [*_moves(line), "\n"]))
    except ValueError as error:
        raise ValueError(f"{line!r} is not balanced to depth {MAX_DEPTH}: {error}") from None


def probability(line: str) -> Fraction:
    """The line's probability; ValueError for a line that the process never writes."""
    return Fraction(1, 2 ** bits(line))


def entropy_per_line() -> Fraction:
    """The source's entropy, in bits per line."""
    return expected(DEPTHS, "start", lambda arc: arc.bits)


def expected_length() -> Fraction:
    """The mean number of characters of a line and its newline."""
    return expected(DEPTHS, "start", lambda _: 1)


def entropy_rate() -> Fraction:
    """The source's entropy in bits per character, newlines included, of a long file of lines."""
    return entropy_per_line() / expected_length()


def bits_of(lines: Iterable[str]) -> CodeLength:
    """The exact code length of these lines, newlines included, under the process."""
    return code_length(lines, bits)


def _moves(line: str) -> list[str]:
    """The line as the chain of depths sees it; ValueError where a bracket does not fit."""
    moves, stack = [], list[str]()
    for position, symbol in enumerate(line):
        if symbol in CLOSING:
            stack.append(CLOSING[symbol])
            moves.append(symbol)
        elif stack and symbol == stack[-1]:
            stack.pop()
            moves.append("close")
        else:
            fits = f"{stack[-1]!r} or an opening bracket" if stack else "an opening bracket"
            raise ValueError(f"{symbol!r} at position {position}, where {fits} can follow")
    return moves
