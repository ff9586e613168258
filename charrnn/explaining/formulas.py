r"""Evaluating a formula as it is written: ``c_t = f_t \odot c_{t-1} + i_t \odot g_t``.

A formula consists of sums of products of symbols, functions and brackets, which is all that the
equations of a step need. A vector is a matrix of one row, so ``x^\top \cdot da`` is an outer
product and ``da \cdot W^\top`` a row. ``\sum_t`` sums over the given steps.

    sum     = product, then + or - product, ...
    product = power, then \cdot or \odot power, ...
    power   = atom, perhaps ^\top or ^2
    atom    = number | symbol | function (sum) | (sum) | [sum > sum] | [sum \mid sum ...]
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from charrnn.nn.ops import sigmoid
from charrnn.nn.types import Array

__all__ = ["Formula", "Term", "parse"]

Values = Mapping[str, Array]

TOKEN = re.compile(
    r"""\s*(
      \\overleftarrow\{\w+\}(?:\^\{\([^)]*\)\})?(?:_\{[^{}]*\}|_\w)?  # a symbol
    | \\varphi'\(a_t\)
    | [A-Za-z]+(?:\^\{\([^)]*\)\})?(?:_\{[^{}]*\}|_\w)?
    | \\mathrm\{ReLU\} | \\sum_t | \\[a-z]+ | \^\\top | \^2         # a word
    | \d+ | .
    )""",
    re.VERBOSE,
)
FUNCTIONS: dict[str, Callable[..., Any]] = {
    r"\tanh": np.tanh,
    r"\sigma": sigmoid,
    r"\mathrm{ReLU}": lambda a: np.maximum(a, 0),
    "^\\top": np.transpose,
    "^2": np.square,
}
OPERATORS: dict[str, Callable[..., Any]] = {
    "+": np.add,
    "-": np.subtract,
    r"\cdot": np.matmul,
    r"\odot": np.multiply,
    ">": np.greater,
}


@dataclass(frozen=True)
class Term:
    """A part of a formula.

    Attributes:
        op: the operation: a key of :data:`FUNCTIONS` or :data:`OPERATORS`, ``\\mid``, ``\\sum_t``,
            ``symbol`` or ``number``.
        text: as it is written.
        operands: the terms that the operation is applied to.
    """

    op: str
    text: str
    operands: tuple["Term", ...] = ()

    def value(self, step: Values, steps: Sequence[Values] = ()) -> Array:
        """Compute the term, a matrix.

        Args:
            step: the values of symbols.
            steps: the values in each step, for sums over steps; if not given, ``step`` alone.
        """
        if self.op == "number":
            return np.full((1, 1), float(self.text))
        if self.op == "symbol":
            return step[self.text]
        if self.op == r"\sum_t":
            (term,) = self.operands
            return np.asarray(sum(term.value(one) for one in steps or (step,)))
        found = [term.value(step, steps) for term in self.operands]
        if self.op == r"\mid":
            return np.concatenate(found, axis=1)
        function = FUNCTIONS.get(self.op) or OPERATORS[self.op]
        return np.asarray(function(*found), dtype=found[0].dtype)

    def within(self) -> Iterator["Term"]:
        """This term and all terms within it."""
        yield self
        for term in self.operands:
            yield from term.within()

    def parts(self) -> list["Term"]:
        """The symbols and the products with matrices within it, each once, in order."""
        if self.op in ("symbol", r"\cdot"):
            return [self]
        found = {part.text: part for term in self.operands for part in term.parts()}
        return list(found.values())


@dataclass(frozen=True)
class Formula:
    """``result = term``; ``result`` is the symbol without the layer's number."""

    result: str
    term: Term


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = [(match[1], match.start(1)) for match in TOKEN.finditer(text)]
        self._at = 0

    @property
    def _next(self) -> str:
        return self._tokens[self._at][0] if self._at < len(self._tokens) else ""

    def _take(self, *wanted: str) -> str:
        token = self._next
        if not token or (wanted and token not in wanted):
            raise ValueError(f"{self._text!r}: {' or '.join(wanted)} expected, got {token!r}")
        self._at += 1
        return token

    def _since(self, start: int) -> str:
        """The text from a token up to the current place."""
        end = self._tokens[self._at][1] if self._at < len(self._tokens) else len(self._text)
        return self._text[self._tokens[start][1] : end].strip()

    def formula(self) -> Formula:
        result = self._atom()
        self._take("=")
        term = self._sum()
        if self._next or result.op != "symbol":
            raise ValueError(f"{self._text!r}: not an equation that can be computed")
        return Formula(result.text.replace("^{(l)}", ""), term)

    def _sum(self) -> Term:
        return self._chain(self._product, ("+", "-"))

    def _product(self) -> Term:
        return self._chain(self._power, (r"\cdot", r"\odot"))

    def _chain(self, operand: Callable[[], Term], operators: tuple[str, ...]) -> Term:
        start = self._at
        term = operand()
        while self._next in operators:
            op = self._take()
            other = operand()
            term = Term(op, self._since(start), (term, other))
        return term

    def _power(self) -> Term:
        start = self._at
        term = self._atom()
        if self._next in ("^\\top", "^2"):
            op = self._take()
            term = Term(op, self._since(start), (term,))
        return term

    def _atom(self) -> Term:
        start, word = self._at, self._take()
        if word == "(":
            term = self._sum()
            self._take(")")
            return term
        if word == "[":
            terms, op = [self._sum()], ""
            while self._next in (">", r"\mid"):
                op = self._take()
                terms.append(self._sum())
            self._take("]")
            return Term(op, self._since(start), tuple(terms))
        if word == r"\sum_t":
            return Term(word, "", (self._product(),))
        if word in FUNCTIONS:
            self._take("(")
            term = self._sum()
            self._take(")")
            return Term(word, self._since(start), (term,))
        if word.isdigit():
            return Term("number", word)
        if word[0].isalpha() or word.startswith((r"\overleftarrow", r"\varphi")):
            return Term("symbol", word.replace("^{(l)}", ""))
        raise ValueError(f"{self._text!r}: {word!r} is not understood")


@cache
def parse(latex: str) -> Formula:
    """Read an equation.

    Raises:
        ValueError: it does not have the form above.
    """
    return _Reader(latex).formula()
