"""One step of a network as tables below their equations, 80 columns wide: ``charrnn explain``."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import floor, log10
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from charrnn.cli.errors import printable
from charrnn.explaining.lines import Explanation, Line, Section
from charrnn.explaining.notation import plain

if TYPE_CHECKING:
    from charrnn.nn.types import Array

__all__ = ["page", "show"]

WIDTH = 80
INDENT = "    "
LEAST, MOST = 5, 8
"""Digits after the point; numbers that need more than the second are written with exponents."""

DIGITS, DIGITS_OF_LEAST = 4, 2
"""Digits after the first one, for the largest number of an equation and for the smallest."""

STACKED = 3
"""The most equations above one table."""

SPELT_OUT = 2
"""Products of a row with at most this many numbers are written out."""

PRIME = 16
"""The columns for the end of a prime."""

AXES = {"H": "unit", "D": "input", "V": "output"}
TITLE, EQUATION, NOTE = "bold", "cyan", "dim"
LEGEND = """
d... is the gradient of {loss} by ...; ..._prev belongs to the step before.
←d... is the part that later steps send back{later}.
docs/equations.md derives it all.
"""


def show(explanation: Explanation, units: int) -> None:
    """Print an explanation; in colours at a terminal."""
    console = Console(highlight=False, soft_wrap=True)
    with console.capture() as capture:
        console.print(page(explanation, units), end="")
    sys.stdout.write(capture.get())


def page(explanation: Explanation, units: int) -> Text:
    """The whole explanation as styled text, with this many units."""
    text, of_model = Text(), bool(explanation.facts)
    heading = _of_model(explanation, units) if of_model else _of_example(explanation)
    text.append("".join(f"{printable(line)}\n" for line in heading))
    writer = _Writer(text, explanation, units)
    for section in explanation.sections:
        writer.section(section)
    loss, later = ("the loss", ", here nothing") if of_model else ("y_1 or y_2", "")
    text.append(LEGEND.format(loss=loss, later=later), NOTE)
    return text


def _of_example(explanation: Explanation) -> list[str]:
    lines = ["Two steps of a network by hand: one input, two units, one output.", ""]
    for name, value in explanation.given.items():
        first, *others = (" ".join(f"{number:5g}" for number in row) for row in value)
        lines.append(f"{INDENT}{plain(name, 1):4}={first}")
        lines += [f"{INDENT}     {row}" for row in others]
    return lines


def _of_model(explanation: Explanation, units: int) -> list[str]:
    facts = explanation.facts
    width, prime = explanation.width, facts["prime"]
    end = prime[-PRIME:]
    while cell_len(repr(end)) > PRIME:
        end = end[1:]
    shown = ("..." if len(end) < len(prime) else "") + repr(end)
    read, target = facts["read"]["name"], facts["next"]["name"]
    reads = f"reads {shown}; this step: {read}" if prime else f"this step reads {read}"
    chosen = "as given" if facts["next"]["given"] else "the likeliest"
    size = f"{facts['layers']} × {facts['hidden']} {facts['cell']}"
    size = size if facts["layers"] else "no layers"
    what = {"char": "characters", "byte": "bytes"}[facts["level"]]
    lines = [
        f"{facts['model']}: {size}, {facts['known']} {what}",
        f"{reads}; next: {target}, {chosen}",
    ]
    if facts["layers"]:
        last = min(units, width) - 1
        some = f"units 0 to {last} of {width}" if last else f"unit 0 of {width}"
        lines.append(f"{some}; the gradients come from the loss of this step alone")
    return lines


@dataclass
class _Table:
    """Equations above one table."""

    lines: list[Line]
    columns: dict[str, "Array"]  # (N,) each, by heading
    results: list["Array"]  # those that are results of the equations
    axis: str  # what the rows are, a key of AXES

    def joined(self, other: "_Table") -> "_Table":
        columns, results = self.columns | other.columns, self.results + other.results
        return _Table(self.lines + other.lines, columns, results, self.axis)


class _Writer:
    """Writes sections one after the other."""

    def __init__(self, text: Text, explanation: Explanation, units: int) -> None:
        self.text, self.explanation, self.units = text, explanation, units
        self.step: int | None = None

    def section(self, section: Section) -> None:
        """Write a heading, then equations above tables."""
        self.text.append(f"\n{section.title}\n", TITLE)
        self.step = section.step
        table: _Table | None = None
        for line in section.lines:
            new = self._table(line)
            if table and new and self._fit(table, new):
                table = table.joined(new)
                continue
            self._write(table)
            table = new
            if new is None:
                self._write_other(line)
        self._write(table)

    def _table(self, line: Line) -> _Table | None:
        """A line whose numbers are columns; None if it is a matrix, or needs no table."""
        if line.equation.name in ("input.one_hot", "loss") or _is_joining(line):
            return None
        columns = self.explanation.columns(line, self.units)
        *rows, axis = line.equation.shape
        if rows:
            if len(next(iter(columns.values()))) > 1:
                return None
            columns = {name: matrix[0] for name, matrix in columns.items()}
        heads = {self._head(symbol): value for symbol, value in columns.items()}
        results = [value for name, value in columns.items() if name not in line.parts]
        return _Table([line], heads, results, "H" if axis == "GH" else axis)

    def _fit(self, table: _Table, other: _Table) -> bool:
        """Whether there is room for both tables in one."""
        both = table.joined(other)
        if table.axis != other.axis or len(both.lines) > STACKED:
            return False
        return max(map(cell_len, self._rows(both))) <= WIDTH

    def _head(self, symbol: str) -> str:
        """The heading of a column; blocks in brackets are abbreviated to three dots."""
        shown = plain(symbol, self.step)
        return f"[...]{shown[shown.index(']') + 1 :]}" if shown.startswith("[") else shown

    def _labels(self, axis: str, count: int, *, word: bool = False) -> list[str]:
        if axis == "V":
            names = self.explanation.names
            return [names[number] for number in self.explanation.characters]
        return [f"{AXES[axis]} {k}" if word else str(k) for k in range(count)]

    def _equation(self, line: Line) -> None:
        what, read = line.equation.what, self.explanation.read
        by_character = len(line.equation.shape) > 1 and line.equation.shape[0] in "DV"
        if by_character and self.explanation.rows(line, self.units) == [read]:
            what += f", row of {self.explanation.names[read or 0]}"
        shown = INDENT[:2] + plain(line.equation.latex, self.step)
        self.text.append(shown, EQUATION)
        gap = max(2, WIDTH - cell_len(shown) - cell_len(what))
        self.text.append(f"{' ' * gap}{what}\n", NOTE)

    def _write(self, table: _Table | None) -> None:
        if table is None:
            return
        for line in table.lines:
            self._equation(line)
        self._append(self._rows(table))
        for line in table.lines:
            self._spell_out(line, self._decimals(table.results))

    def _rows(self, table: _Table) -> list[str]:
        """A table's lines, the heading first."""
        labels = self._labels(table.axis, len(table.results[0]))
        numbers = list(zip(*table.columns.values(), strict=True))
        corner = "" if labels == [""] else AXES[table.axis]
        return _grid(corner, labels, list(table.columns), numbers, self._decimals(table.results))

    def _append(self, rows: list[str]) -> None:
        heading, *others = rows
        self.text.append(f"{heading}\n", NOTE)
        self.text.append("".join(f"{row}\n" for row in others))

    def _write_other(self, line: Line) -> None:
        """Write a line that is not a table: a sentence, a matrix, or only the equation."""
        self._equation(line)
        names, read = self.explanation.names, self.explanation.read
        if line.equation.name == "input.one_hot" and read is not None:
            where = f"1 at {names[read]}, number {read} of {len(names)}; 0 elsewhere"
            self.text.append(f"{INDENT}{where}\n")
        elif line.equation.name == "loss":
            p, nats = float(line.parts["p_k"][0, 0]), float(line.value[0, 0])
            what = f"-ln {_number(p, LEAST)} = {_number(nats, LEAST)}"
            self.text.append(f"{INDENT}{what}, of {names[self.explanation.target or 0]}\n")
        elif not _is_joining(line):
            self._write_matrices(line)

    def _write_matrices(self, line: Line) -> None:
        """Write matrices block by block, with as many columns as there is room for."""
        matrices = self.explanation.columns(line, self.units)
        decimals = self._decimals(matrices.values())
        rows, columns = ("H" if axis == "GH" else axis for axis in line.equation.shape)
        for symbol, matrix in matrices.items():
            heads = self._labels(columns, matrix.shape[1], word=True)
            labels = self._labels(rows, len(matrix), word=True)
            if len(labels) < len(matrix):
                labels.append(self.explanation.names[self.explanation.read or 0])
            count = min(len(heads), WIDTH // 8)
            while True:
                cut = [tuple(row[:count]) for row in matrix]
                lines = _grid(plain(symbol), labels, heads[:count], cut, decimals)
                lines[0] += " ..." if count < len(heads) else ""
                if count == 1 or max(map(cell_len, lines)) <= WIDTH:
                    break
                count -= 1
            self._append(lines)

    def _decimals(self, results: Iterable["Array"]) -> int:
        """Enough decimals to follow the arithmetic; -1 for exponents."""
        if self.step is not None:
            return MOST
        sizes = [abs(float(number)) for value in results for number in value.flat if number]
        if not sizes:
            return LEAST
        wanted = DIGITS - floor(log10(max(sizes)))
        if wanted > MOST:
            return -1
        return min(MOST, max(LEAST, wanted, DIGITS_OF_LEAST - floor(log10(min(sizes)))))

    def _spell_out(self, line: Line, decimals: int) -> None:
        """Write out products of short rows, number by number."""
        for symbol, (row, matrix) in line.products.items():
            if row.shape[1] > SPELT_OUT:
                continue
            for k in range(min(self.units, matrix.shape[1])):
                terms = [
                    f"{_short(a, decimals)}·{_short(b, decimals)}"
                    for a, b in zip(row[0], matrix[:, k], strict=True)
                ]
                total = _short(float(row[0] @ matrix[:, k]), decimals).strip("()")
                what = plain(symbol, self.step) + (f" [{k}]" if matrix.shape[1] > 1 else "")
                self.text.append(f"{INDENT}{what} = {' + '.join(terms)} = {total}\n", NOTE)


def _grid(
    corner: str,
    labels: Sequence[str],
    heads: Sequence[str],
    rows: Sequence[Sequence[float]],
    decimals: int,
) -> list[str]:
    """Lines of numbers below their headings."""
    cells = [list(heads), *([_number(value, decimals) for value in row] for row in rows)]
    widths = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
    first = max(cell_len(label) for label in (corner, *labels))
    lines = []
    for label, row in zip((corner, *labels), cells, strict=True):
        shown = [_right(cell, width) for cell, width in zip(row, widths, strict=True)]
        lines.append("  ".join([INDENT + label + " " * (first - cell_len(label)), *shown]))
    return lines


def _is_joining(line: Line) -> bool:
    """Whether it only joins what is already shown."""
    return line.equation.name in ("lstm.da", "gru.da")


def _right(text: str, width: int) -> str:
    return " " * (width - cell_len(text)) + text


def _number(value: float, decimals: int) -> str:
    """A number with ``decimals`` digits; one that is not zero never looks like zero."""
    if value == 0:
        return "0"
    if decimals < 0:
        return f"{value:.3e}"
    shown = f"{value:.{decimals}f}"
    return shown if float(shown) else f"{value:.0e}"


def _short(value: float, decimals: int) -> str:
    """A number as a factor: without trailing zeros, a negative one in parentheses."""
    shown = _number(value, decimals)
    if "." in shown and "e" not in shown:
        shown = shown.rstrip("0").rstrip(".")
    return f"({shown})" if value < 0 else shown
