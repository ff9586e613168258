"""What a shell may complete: tasks, cells, and the names of runs."""

from collections.abc import Iterable

__all__ = ["cells", "runs", "tasks"]

# Imports wait until a shell asks: the start of a command must not wait for them.


def tasks(incomplete: str) -> list[str]:
    """Those that begin so."""
    from charrnn.tasks.kinds import KINDS

    return _beginning(incomplete, KINDS)


def cells(incomplete: str) -> list[str]:
    """Those that begin so."""
    from charrnn.nn.cells import CELLS

    return _beginning(incomplete, CELLS)


def runs(incomplete: str) -> list[str]:
    """The runs whose names begin so; with their folder, where that is how the word begins."""
    from charrnn.runs.find import DEFAULT_FOLDER, run_names

    path = f"{DEFAULT_FOLDER}/"
    before = path if incomplete.startswith(path) else ""
    return _beginning(incomplete, [before + name for name in run_names()])


def _beginning(incomplete: str, words: Iterable[str]) -> list[str]:
    return sorted(word for word in words if word.startswith(incomplete))
