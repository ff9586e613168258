"""What a shell may complete: tasks, cells, and the names of runs."""

from pathlib import Path

__all__ = ["cells", "runs", "tasks"]

TASKS = ("classify", "forecast", "generate", "lm", "tag", "translate")
CELLS = ("gru", "lstm", "rnn")
FOLDER = Path("checkpoints")  # by name, as charrnn.runs.find imports what takes long


def tasks(incomplete: str) -> list[str]:
    """Those that begin so."""
    return [name for name in TASKS if name.startswith(incomplete)]


def cells(incomplete: str) -> list[str]:
    """Those that begin so."""
    return [name for name in CELLS if name.startswith(incomplete)]


def runs(incomplete: str) -> list[str]:
    """The runs in ``checkpoints/`` whose names begin so, by their folders where a path begins."""
    path = f"{FOLDER}/"
    before = path if incomplete.startswith(path) else ""
    saved = sorted({file.parent.name for file in FOLDER.glob("*/*.npz")})
    return [before + name for name in saved if (before + name).startswith(incomplete)]
