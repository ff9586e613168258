"""How deep each bracket stands: a tag per token that a model can only know by counting.

The sentences are balanced lines of "(" and ")", at most eight deep. After the first bracket, fair
coins decide: at depth 0 whether the line ends, at depths 1 to 7 whether to close or to open; at
depth 8 it closes. The tag of an opening bracket is the number of brackets open after it, that of a
closing one the number before it, so that the two of a pair have the same.
"""

import random
from fractions import Fraction

from markov import Arc, Chain, expected, walk

MAX_DEPTH = 8


def _depths() -> Chain:
    chain = {"start": (Arc("(", 0, "1"),), "0": (Arc("\n", 1, "end"), Arc("(", 1, "1"))}
    for depth in range(1, MAX_DEPTH):
        chain[str(depth)] = (Arc(")", 1, str(depth - 1)), Arc("(", 1, str(depth + 1)))
    chain[str(MAX_DEPTH)] = (Arc(")", 0, str(MAX_DEPTH - 1)),)
    return chain


DEPTHS = _depths()


def sample_line(rng: random.Random) -> str:
    """One balanced line, without its newline."""
    return "".join(arc.symbol for arc in walk(DEPTHS, "start", rng))[:-1]


def expected_length() -> Fraction:
    """The mean number of brackets of a line."""
    return expected(DEPTHS, "start", lambda arc: int(arc.symbol != "\n"))


def tags(line: str) -> list[str]:
    """The depth of each bracket, as a number."""
    depth, found = 0, list[str]()
    for bracket in line:
        depth += bracket == "("
        found.append(str(depth))
        depth -= bracket == ")"
    return found
