"""Equations with their numbers, and which of these are shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from charrnn.explaining.cells import blocks
from charrnn.explaining.equations import Equation
from charrnn.explaining.formulas import Term, parse
from charrnn.explaining.notation import meaning, plain, symbols_of
from charrnn.nn.types import Array

__all__ = ["Explanation", "Line", "Section", "Sheet"]


@dataclass(frozen=True)
class Line:
    """An equation and its numbers.

    Attributes:
        equation: the equation.
        result: its left side, a symbol.
        value: the value of the result, a matrix; a vector is a row.
        parts: the symbols and products within it that have the same shape, by name.
        products: for products of a row with a matrix, the row and the matrix.
    """

    equation: Equation
    result: str
    value: Array
    parts: dict[str, Array]
    products: dict[str, tuple[Array, Array]] = field(default_factory=dict)


class Sheet:
    """Values by symbol, and the lines of the equations that gave them.

    Args:
        values: the values that are known at first.
    """

    def __init__(self, values: dict[str, Array]) -> None:
        self.values = dict(values)
        self.lines: list[Line] = []

    def __getitem__(self, symbol: str) -> Array:
        return self.values[symbol]

    def __setitem__(self, symbol: str, value: Array) -> None:
        self.values[symbol] = value

    def work(self, equations: Sequence[Equation], steps: Sequence["Sheet"] = ()) -> None:
        """Evaluate equations one after the other; each value is known to those that follow.

        Args:
            steps: the steps that sums over t add up; if not given, only this one.
        """
        others = [sheet.values for sheet in steps]

        def value(part: Term) -> Array:
            return part.value(self.values, others)

        for equation in equations:
            formula = parse(equation.latex)
            term = formula.term
            found, parts = value(term), {}
            if term.op not in (r"\cdot", r"\sum_t", r"\mid") and len(equation.shape) == 1:
                parts = {part.text: value(part) for part in term.parts()}
            products = {
                part.text: (value(part.operands[0]), value(part.operands[1]))
                for part in term.within()
                if part.op == r"\cdot" and len(equation.shape) == 1
            }
            self.values[formula.result] = found
            self.lines.append(Line(equation, formula.result, found, parts, products))

    def taken(self) -> list[Line]:
        """The lines since the last call."""
        lines, self.lines = self.lines, []
        return lines

    def note(self, equation: Equation, result: str, value: Array, parts: dict[str, Array]) -> None:
        """Add a line that was computed elsewhere."""
        self.values[result] = value
        self.lines.append(Line(equation, result, value, parts))


@dataclass(frozen=True)
class Section:
    """Lines under a heading; ``step`` is the number of the step t, if there are several."""

    title: str
    lines: list[Line]
    step: int | None = None


@dataclass(frozen=True)
class Explanation:
    """The explanation of a step.

    Attributes:
        sections: in the order of the computation.
        width: H, the units of the layer.
        gates: the letters of its blocks.
        characters: the numbers of the outputs that are shown, the likeliest first.
        given: the values that are known at first and shown, by symbol.
        read: the number of the character that is read; None where vectors are read.
        one_hot: whether the layer reads that character as a one-hot row.
        target: the number of the character that comes next.
        names: the names of the outputs, by number, in characters that are safe for a terminal.
        facts: facts on a model: what it is, what it reads, and what comes next.
    """

    sections: list[Section]
    width: int
    gates: str
    characters: list[int]
    given: dict[str, Array] = field(default_factory=dict)
    read: int | None = None
    one_hot: bool = False
    target: int | None = None
    names: Sequence[str] = ("",)
    facts: Mapping[str, Any] = field(default_factory=dict)

    def places(self, letter: str, size: int, units: int) -> list[int]:
        """The places that are shown of an axis with that letter and size."""
        if letter == "V":
            return self.characters
        if letter == "D" and self.one_hot and self.read is not None:
            return [self.read]
        return list(range(min(size, units)))

    def rows(self, line: Line, units: int) -> list[int]:
        """The rows that are shown of a matrix; of the embedding, also the row that is read."""
        letter, size = line.equation.shape[0], len(line.value)
        if line.equation.name == "embedding.dW" and self.read is not None:
            return [self.read]  # the others are zero
        found = self.places(letter, size, units)
        if line.equation.name == "embedding.dW.tied" and self.read not in found:
            return [*found, *([] if self.read is None else [self.read])]
        return found

    def columns(self, line: Line, units: int) -> dict[str, Array]:
        """What is shown of a line, by LaTeX symbol: vectors, or matrices; the result last.

        The blocks of gates are separate.
        """
        *rows, letter = line.equation.shape
        found: dict[str, Array] = {}
        for symbol, value in {**line.parts, line.result: line.value}.items():
            each = blocks(symbol, value, self.width, self.gates) if letter == "GH" else {}
            for name, array in (each or {symbol: value}).items():
                own = "H" if letter == "GH" else letter
                found[name] = array[:, self.places(own, array.shape[1], units)]
        if rows:
            places = self.rows(line, units)
            return {name: array[places] for name, array in found.items()}
        return {name: array[0] for name, array in found.items()}

    def to_json(self, units: int) -> dict[str, Any]:
        """Every line, as data: names, equations, numbers, and what the symbols mean."""
        sections: list[dict[str, Any]] = []
        symbols: dict[str, str] = {}
        for section in self.sections:
            lines = []
            for line in section.lines:
                step = section.step
                symbols |= {symbol: meaning(symbol) for symbol in symbols_of(line.equation)}
                lines.append(
                    {
                        "name": line.equation.name,
                        "equation": plain(line.equation.latex, step),
                        "latex": line.equation.latex,
                        "gives": line.equation.what,
                        "values": {
                            plain(symbol, step): value.tolist()
                            for symbol, value in self.columns(line, units).items()
                        },
                    }
                )
            sections.append({"title": section.title, "lines": lines})
        given = {plain(symbol, 1): value.tolist() for symbol, value in self.given.items()}
        return {**self.facts, "given": given, "sections": sections, "symbols": symbols}
