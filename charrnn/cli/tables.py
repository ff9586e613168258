"""Tables of figures, for several commands."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["print_table"]

WIDE = 200
"""Columns without a terminal, since a number that is cut off is a wrong one."""


def print_table(columns: "Sequence[str]", rows: "Sequence[tuple[str, ...]]") -> None:
    """Print rows whose first cell is their name; ``columns`` are the headings of the others."""
    from rich.console import Console
    from rich.table import Table

    from charrnn.cli.errors import printable

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("", min_width=22, overflow="fold")
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*map(printable, row))
    Console(width=WIDE, markup=False, highlight=False).print(table)
