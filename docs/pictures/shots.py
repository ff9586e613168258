"""The pictures of the documents that need no training: the shipped model at a terminal.

Each function draws one and is named after it: ``docs/explain.svg`` is that of :func:`explain`.
"""

import shlex
import subprocess
import sys
from contextlib import chdir
from io import StringIO
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.text import Text
from terminal import svg_of

from charrnn import load
from charrnn.cli.colours import RISING, Painter
from charrnn.cli.explained import page
from charrnn.cli.interactive import KEYS
from charrnn.cli.show import NATS, cells, lines_of
from charrnn.explaining.model import explain_model
from charrnn.looking.surprisal import surprisals
from charrnn.runs.draft import Draft

__all__ = ["explain", "interactive", "looking", "sampling"]

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "checkpoints/pydoc.npz"
SAMPLES = (
    "--temp 0 --prime 'The class' -l 120",
    "--temp 0 --prime 'The class' -l 260 --max-copy own=40",
    "--prime 'A class ' --lines 3 --min-p 0.05 --seed 1",
    "--prime 'The ' -l 3 --seed 1 --format jsonl",
)
MISSPELT = """The "yield" statement is used when definng a
generator function. It is olny used in the
body of the purple generator.
"""


def _console(width: int) -> Console:
    return Console(
        record=True, width=width, file=StringIO(), force_terminal=True, color_system="truecolor"
    )


def explain() -> str:
    """A step of the shipped model, up to its loss."""
    with chdir(ROOT):  # the picture names the file as it was given
        model = load("checkpoints/pydoc.npz")
    lines = page(explain_model(model, "To be"), 3).split("\n")
    end = next(k for k, line in enumerate(lines) if line.plain.startswith("Gradients"))
    console = _console(80)
    console.print(Text("\n").join(lines[:end]), highlight=False)
    return svg_of(console, "charrnn explain pydoc --prime 'To be'")


def looking() -> str:
    """A text with three odd words, coloured by surprisal."""
    codes = np.frombuffer(MISSPELT.encode("utf-32-le"), "<u4")
    console = _console(64)
    painter = Painter(console, RISING)
    for line, (found,) in lines_of(surprisals([load(str(MODEL))], [codes])):
        painter.line(cells(line, found, "char", 5))
    painter.scale("nats", NATS)
    return svg_of(console, "charrnn eval pydoc text.txt --show")


def sampling() -> str:
    """A loop, the same without it, lines, and characters as JSON."""
    console = _console(110)
    for options in SAMPLES:
        console.print(Text(f"$ charrnn sample {options}", style="bold cyan"))
        run = [sys.executable, "-m", "charrnn", "sample", str(MODEL), *shlex.split(options)]
        done = subprocess.run(run, capture_output=True, text=True, check=True)
        console.print(Text(done.stdout))
    return svg_of(console, "charrnn sample")


def interactive() -> str:
    """A text that a person and the model write in turns."""
    draft = Draft(load(str(MODEL)), 4, "The with statement")
    list(draft.go_on("sentence"))
    draft.type(" A class")
    list(draft.go_on("sentence"))
    console = _console(84)
    for part in draft.parts:
        console.print(Text(part.text, style="cyan" if part.by_model else "bold"), end="")
    for number, text in enumerate(draft.alternatives(3), 1):
        console.print(Text(f"\n{number} {text.strip()}", style="cyan"), end="")
    keys = KEYS.format(count=100, temperature=draft.temperature)
    console.print(Text("\n" + keys, style="reverse"))
    return svg_of(console, "charrnn sample --interactive")
