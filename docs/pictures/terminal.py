"""What commands of charrnn look like at a terminal, as an SVG picture.

They run for real, in a terminal of a fixed size. Needs pseudo-terminals, which Windows lacks.
"""

import os
import re
import struct
import subprocess
import sys
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.text import Text

__all__ = ["COLUMNS", "draw", "run", "shown", "svg_of"]

COLUMNS, ROWS = 92, 60
FONTS = "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace"
CUT = "  ⋮"


def run(command: str, place: Path) -> str:
    """What a command of charrnn writes to a terminal in that folder, escapes and all.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    from fcntl import ioctl
    from pty import openpty
    from shlex import split
    from termios import TIOCSWINSZ

    ours, theirs = openpty()
    ioctl(theirs, TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    kept = {name: os.environ[name] for name in os.environ if name not in ("COLUMNS", "NO_COLOR")}
    words = [sys.executable, "-m", "charrnn", *split(command)[1:]]
    with subprocess.Popen(
        words, stdin=theirs, stdout=theirs, stderr=theirs, cwd=place, env=kept | {"TERM": "xterm"}
    ) as process:
        os.close(theirs)
        written = bytearray()
        while piece := _read(ours):
            written += piece
    os.close(ours)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, words, output=bytes(written))
    return written.decode()


def _read(terminal: int) -> bytes:
    """What comes next; nothing at the end, which Linux says by an error."""
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""


def shown(written: str) -> list[str]:
    """The lines that stay on the screen, without the middle of a training.

    Of a line that is drawn again and again, as a progress bar is, the last state stays. A training
    is cut from its first validation to its bar, full at the end.
    """
    lines = []
    for line in written.replace("\r\n", "\n").rstrip().split("\n"):
        states = [state for state in line.split("\r") if state.strip()]
        lines.append(states[-1].rstrip() if states else "")
    steps = [number for number, line in enumerate(lines) if re.match(r"step \d+/\d", line)]
    bars = [number for number, line in enumerate(lines) if "100%|" in line]
    return [*lines[: steps[0]], CUT, *lines[bars[-1] :]] if steps and bars else lines


def draw(commands: Sequence[str], screens: Sequence[Sequence[str]]) -> str:
    """The picture as SVG: a dark window, whatever is around it."""
    console = Console(record=True, width=COLUMNS, file=StringIO(), force_terminal=True)
    for command, lines in zip(commands, screens, strict=True):
        console.print(Text(f"$ {command}", style="bold cyan"))
        console.print(Text.from_ansi("\n".join(lines)), highlight=False)
    return svg_of(console, "charrnn")


def svg_of(console: Console, title: str) -> str:
    """What was printed, as SVG that loads nothing: rich's own names a server for its fonts."""
    svg = console.export_svg(title=title, unique_id="terminal")
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    svg = svg.replace("Fira Code, monospace", FONTS)
    return "\n".join(line.rstrip() for line in svg.splitlines() if line.strip()) + "\n"
