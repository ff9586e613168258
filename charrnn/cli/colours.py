"""Characters coloured on a scale of ten steps; without colours, with a digit below each.

Each step has a colour and a digit, so that the output can also be read through a pipe.
"""

import sys
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from charrnn.cli.errors import escaped, printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.style import Style

__all__ = ["DIVERGING", "RISING", "Cell", "Painter", "symbol", "units"]

RISING = (
    "",
    "#3d85c6",
    "#b07d00",
    "#000000 on #f6d55c",
    "#000000 on #f2b134",
    "#000000 on #ee8a2c",
    "#ffffff on #e0452a",
    "#ffffff on #c8202c",
    "#ffffff on #9a0f2c",
    "bold #ffffff on #700a6a",
)
"""The styles of steps 0 to 9: the terminal's own colour, blue and ochre letters, then backgrounds
from yellow to purple. Each is legible on a light and on a dark terminal; with only sixteen
colours, neighbours may look alike."""

DIVERGING = (
    "#ffffff on #0d0da0",
    "#ffffff on #4646d2",
    "#000000 on #7f8fff",
    "#5f7fe8",
    "",
    "",
    "#d0604f",
    "#000000 on #ff8a7a",
    "#ffffff on #d43a34",
    "#ffffff on #9c0d0d",
)
"""From blue over no colour to red."""

SYMBOLS = {"\n": "↵", "\t": "⇥   ", " ": "␣", "\r": "␍"}
NO_WIDTH = ("Mn", "Me")


class Cell(NamedTuple):
    """A character as it is shown."""

    text: str
    step: int  # 0 to 9
    beneath: tuple[str, ...] = ()
    marked: int = -1  # which of those below is highlighted


def symbol(character: str) -> str:
    """A character that can be shown by itself: spaces, controls and zero-width ones are symbols."""
    if character in SYMBOLS:
        return SYMBOLS[character]
    category = unicodedata.category(character)
    if category in NO_WIDTH:
        return "◌" + character
    if category in ("Cf", "Zl", "Zp"):
        return escaped(character)
    return printable(character)


def units(codes: Sequence[int], level: str) -> Iterator[tuple[int, int, str]]:
    """The characters of a line: where each begins and ends, and how it is shown.

    Args:
        codes: code points; or bytes, which are read as UTF-8, invalid ones shown as ``\\xe4``.
        level: ``"char"`` or ``"byte"``.
    """
    at = 0
    while at < len(codes):
        code, end = codes[at], at + 1
        if code == ord(" "):
            shown = " "
        elif code < 0x80 or level == "char":
            shown = symbol(chr(code))
        else:
            shown = f"\\x{code:02x}"
            for size in (2, 3, 4):
                with suppress(UnicodeDecodeError):
                    shown, end = symbol(bytes(codes[at : at + size]).decode()), at + size
                    break
        yield at, end, shown
        at = end


class Painter:
    """Prints lines of cells.

    On a console without colours, a row of digits is printed below each line.

    Args:
        console: the console to print to.
        scale: the styles of the ten steps.
    """

    def __init__(self, console: "Console", scale: Sequence[str]) -> None:
        from rich.style import Style

        self.console = console
        self.plain = console.color_system is None or console.no_color
        self._styles = [Style.parse(style) for style in scale]
        self._dim, self._bold = Style(dim=True), Style(bold=True, underline=True)
        self._width = console.width if console.is_terminal else sys.maxsize

    def rows(self, cells: Sequence[Cell], label: str = "") -> list[list[tuple[Cell, int]]]:
        """The cells of each row that a line takes, and the width of each."""
        from rich.cells import cell_len

        rows: list[list[tuple[Cell, int]]] = [[]]
        used = room = len(label)
        for cell in cells:
            width = max(map(cell_len, (cell.text, *cell.beneath)))
            if used + width > self._width and rows[-1]:
                rows.append([])
                used = room
            rows[-1].append((cell, width))
            used += width
        return rows

    def line(self, cells: Sequence[Cell], label: str = "") -> None:
        """Print a line, and what belongs below it."""
        depth = max((len(cell.beneath) for cell in cells), default=0)
        for row in self.rows(cells, label):
            self._print(label, [(c.text, w, self._styles[c.step]) for c, w in row])
            if self.plain:
                digits = [(str(c.step or "."), w, self._styles[0]) for c, w in row]
                self._print(" " * len(label), digits)
            for k in range(depth):
                found = [(c.beneath[k : k + 1], k == c.marked, w) for c, w in row]
                guesses = [
                    ("".join(guess), w, self._bold if marked else self._dim)
                    for guess, marked, w in found
                ]
                self._print(" " * len(label), guesses)
            if depth:
                self.text("")
            label = " " * len(label)

    def scale(self, title: str, names: Sequence[str]) -> None:
        """Print the meaning of the steps."""
        if not self.plain:
            cells = [(f" {name} ", 0, self._styles[k]) for k, name in enumerate(names)]
            self._print(title + "  ", cells)

    def text(self, text: str) -> None:
        """Print a line unchanged."""
        self._print(printable(text), [])

    def _print(self, label: str, parts: "Sequence[tuple[str, int, Style]]") -> None:
        from rich.cells import cell_len
        from rich.text import Text

        line = Text(label)
        for style, some in groupby(parts, key=itemgetter(2)):
            line.append("".join(t + " " * (w - cell_len(t)) for t, w, _ in some), style)
        self.console.print(line, soft_wrap=True)
