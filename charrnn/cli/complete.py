"""Words that a shell can complete: tasks, cells, and the names of runs."""

from collections.abc import Iterable

__all__ = ["cells", "runs", "tasks"]

# Imports wait until a shell asks, so that commands start without delay.


def tasks(incomplete: str) -> list[str]:
    """The tasks that begin like this."""
    from charrnn.tasks.kinds import KINDS

    return _beginning(incomplete, KINDS)


def cells(incomplete: str) -> list[str]:
    """The cells that begin like this."""
    from charrnn.nn.cells import CELLS

    return _beginning(incomplete, CELLS)


def runs(incomplete: str) -> list[str]:
    """The runs whose names begin like this; with their folder, if the word begins with it."""
    from charrnn.runs.find import DEFAULT_FOLDER, run_names

    path = f"{DEFAULT_FOLDER}/"
    before = path if incomplete.startswith(path) else ""
    return _beginning(incomplete, [before + name for name in run_names()])


def _beginning(incomplete: str, words: Iterable[str]) -> list[str]:
    return sorted(word for word in words if word.startswith(incomplete))
