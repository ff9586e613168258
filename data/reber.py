"""The embedded Reber grammar: short strings whose last letter but one repeats the second.

Reber's automaton (Reber, 1967; figure 2 of Cleeremans, Servan-Schreiber and McClelland, 1989)
writes the inner string, and every choice between two arcs has probability 1/2:

    0 -B-> 1      1 -T-> 2  2 -S-> 2  3 -T-> 3  4 -X-> 3  5 -P-> 4      6 -E-> end
                  1 -P-> 3  2 -X-> 4  3 -V-> 5  4 -S-> 6  5 -V-> 6

The embedded grammar (experiment 1 of Hochreiter and Schmidhuber, 1997) puts it between two equal
letters: B, T or P, an inner string, the same T or P, E. The inner string tells nothing about them,
so a model must carry one bit across its 5 characters or more.
"""

import random
from collections import Counter
from collections.abc import Iterable
from fractions import Fraction
from math import log2

from markov import Arc, Chain, CodeLength, code_length, expected, follow, walk

INNER: dict[int, tuple[tuple[str, int], ...]] = {
    0: (("B", 1),),
    1: (("T", 2), ("P", 3)),
    2: (("S", 2), ("X", 4)),
    3: (("T", 3), ("V", 5)),
    4: (("X", 3), ("S", 6)),
    5: (("P", 4), ("V", 6)),
    6: (("E", 7),),
}


def _embedded() -> Chain:
    """The whole automaton, newline included: the inner one twice, once for each outer letter."""
    chain = {
        "start": (Arc("B", 0, "outer"),),
        "outer": (Arc("T", 1, "T0"), Arc("P", 1, "P0")),
        "T7": (Arc("T", 0, "last"),),
        "P7": (Arc("P", 0, "last"),),
        "last": (Arc("E", 0, "newline"),),
        "newline": (Arc("\n", 0, "end"),),
    }
    for outer in "TP":
        for state, arcs in INNER.items():
            bits = len(arcs) - 1  # one arc is certain, two have 1/2 each
            chain[f"{outer}{state}"] = tuple(Arc(c, bits, f"{outer}{to}") for c, to in arcs)
    return chain


EMBEDDED = _embedded()


def sample_string(rng: random.Random) -> str:
    """One string of the grammar, without its newline."""
    return "".join(arc.symbol for arc in walk(EMBEDDED, "start", rng))[:-1]


def bits(string: str) -> int:
    """−log2 of the string's probability; ValueError for a string that is not of the grammar."""
    try:
        return sum(arc.bits for arc in follow(EMBEDDED, "start", string + "\n"))
    except ValueError as error:
        raise ValueError(f"{string!r} is not an embedded Reber string: {error}") from None


def probability(string: str) -> Fraction:
    """The string's probability; ValueError for a string that is not of the grammar."""
    return Fraction(1, 2 ** bits(string))


def entropy_per_string() -> Fraction:
    """The source's entropy, in bits per string."""
    return expected(EMBEDDED, "start", lambda arc: arc.bits)


def expected_length() -> Fraction:
    """The mean number of characters of a string and its newline."""
    return expected(EMBEDDED, "start", lambda _: 1)


def entropy_rate() -> Fraction:
    """The source's entropy in bits per character, newlines included, of a long file of strings."""
    return entropy_per_string() / expected_length()


def bits_of(strings: Iterable[str]) -> CodeLength:
    """The exact code length of these strings, newlines included, under the grammar.

    For a file drawn freely it is close to `entropy_rate()`. A file of distinct strings from which
    those of a training file were removed holds rare strings, hence long ones, hence more than its
    share of turns in the loops: no model of the source can reach the entropy rate on it. What the
    source itself pays for these very strings is then the figure to reach.

    It is the floor of a model of the source, not of every model: one that expects new strings alone
    could save some −log2(1 − `mass_of(training)`) bits on each. Training rewards nothing of the
    kind, but a model whose small errors happen to favour the loops lands a little below the floor
    (see `fitted_bits`), so leave a per cent or two on both sides.
    """
    return code_length(strings, bits)


def fitted_bits(strings: Iterable[str], counted: Iterable[str]) -> float:
    """The code length of `strings` if each arc had the frequency that it has in `counted`.

    Counted on a training file, it is what the best learner told the automaton would score. Counted
    on `strings` themselves, it is the least that any probabilities on the automaton can reach. An
    arc that `counted` never takes raises ValueError.
    """
    taken, seen = _arc_counts(strings), _arc_counts(counted)
    leaving = Counter[str]()
    for (state, _), count in seen.items():
        leaving[state] += count
    if missing := taken.keys() - seen.keys():
        raise ValueError(f"arcs never taken in the counted strings: {sorted(missing)}")
    return sum(n * log2(leaving[arc[0]] / seen[arc]) for arc, n in taken.items())


def mass_of(strings: Iterable[str]) -> Fraction:
    """The probability that a new string is one of these."""
    return sum((probability(string) for string in set(strings)), Fraction(0))


def long_range_index(string: str) -> int:
    """Where in the string the letter stands that repeats the second one: the last but one."""
    bits(string)  # refuses what is not of the grammar
    return len(string) - 2


def long_range_positions(strings: Iterable[str]) -> list[int]:
    """Where those letters stand in a file of these strings, one per line, counted from 0."""
    positions, offset = [], 0
    for string in strings:
        positions.append(offset + long_range_index(string))
        offset += len(string) + 1
    return positions


def _arc_counts(strings: Iterable[str]) -> Counter[tuple[str, str]]:
    """How often each (state, symbol) occurs."""
    counts = Counter[tuple[str, str]]()
    for string in strings:
        state = "start"
        for arc in follow(EMBEDDED, "start", string + "\n"):
            counts[state, arc.symbol] += 1
            state = arc.to
    return counts
