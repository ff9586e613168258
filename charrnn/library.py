"""Training from Python; the commands use the same functions."""

from collections.abc import Sequence
from os import PathLike, fspath
from typing import Any

from charrnn.errors import InputError, as_type
from charrnn.nn.cells import Cell, UnknownCellError
from charrnn.own_cells import make_cell
from charrnn.tasks.base import Paths
from charrnn.training.bar import in_notebook
from charrnn.training.begin import begin
from charrnn.training.begin import resume as go_on
from charrnn.training.run import Run

__all__ = ["cell", "resume", "train"]

File = str | PathLike[str]


def train(
    *corpus: File,
    text: str | None = None,
    val: File = "",
    test: File = "",
    out: File | None = None,
    init_from: File | None = None,
    threads: int = 0,
    progress: bool | None = None,
    **settings: Any,
) -> Run:
    """Start a training. It trains as you iterate over it, or with ``finish()``.

    Args:
        corpus: files, read in order. Without any: the help topics that come with Python.
        text: a text to train on instead of files.
        val, test: files to validate and to test with. Default: parts of the corpus.
        out: the run's folder. Default: ``checkpoints/NAME-K``.
        init_from: a checkpoint, a run's folder or a run's name to take the first weights from.
        threads: processes that share the work. Default: measured. The results are the same.
        progress: whether to show a progress bar. Default: only in a notebook.
        settings: the options of ``charrnn train`` by name: ``minutes=5``, ``cell="gru"``,
            ``layers=2``, ``task="tag,column=4"``, ... Without any setting of the model or the
            training, charrnn plans for ten minutes at most.

    Raises:
        InputError: a setting, a file or their combination is wrong.
        CheckpointError: the checkpoint to start from is damaged.
    """
    run = begin(
        settings,
        _paths(corpus, val, test, text),
        out=None if out is None else _file("out", out),
        init_from=None if init_from is None else _file("init_from", init_from),
        threads=as_type("threads", threads, int, 0),
    )
    run.shown = in_notebook() if progress is None else progress
    return run


def resume(
    run: File,
    *corpus: File,
    text: str | None = None,
    val: File = "",
    test: File = "",
    threads: int | None = None,
    cell: str | None = None,
    epochs: float | None = None,
    members: int | None = None,
    progress: bool | None = None,
) -> Run:
    """Continue a training, bit for bit as if it had never stopped.

    Args:
        run: its folder or its name.
        corpus, text, val, test: its data, if they have moved or were never in a file.
        threads: a new number of processes.
        cell: ``FILE.py:CLASS``, for a run with your own cell.
        epochs: a new total, also for a run that is complete. The learning rate then follows the
            schedule of a run of this many epochs.
        members: a new total of networks whose average is the model.
        progress: as for :func:`train`.

    Raises:
        InputError: the run does not exist, its data are missing or have changed, or it already
            has this many epochs or members.
        CheckpointError: its checkpoint is damaged.
    """
    paths = _paths(corpus, val, test, text)
    found = go_on(_file("run", run), paths, threads, cell, epochs=epochs, members=members)
    found.shown = in_notebook() if progress is None else progress
    return found


def cell(text: str, hidden_size: int) -> Cell[Any]:
    """Make a recurrent cell, named as for ``--cell``: ``gru,reset=before``, ``my_cell.py:MyCell``.

    Args:
        text: a name, or a file and a class in it; then variants after commas.
        hidden_size: H.

    Raises:
        InputError: the cell or variant does not exist.
        CellError: the file does not run (:class:`charrnn.nn.cells.CellError`).
    """
    as_type("hidden_size", hidden_size, int, 1)
    try:
        return make_cell(as_type("text", text, str), hidden_size)
    except UnknownCellError as error:
        raise InputError(str(error)) from None


def _paths(corpus: Sequence[File], val: File, test: File, text: str | None) -> Paths:
    if text is not None and corpus:
        raise InputError("give files or text=, not both", "leave one out")
    if text is not None:
        return Paths(("-",), _file("val", val), _file("test", test), as_type("text", text, str))
    train = tuple(_file("corpus", file) for file in corpus)
    return Paths(train, _file("val", val), _file("test", test))


def _file(name: str, file: File) -> str:
    """A file's name as a text."""
    try:
        return as_type(name, fspath(file), str)
    except TypeError:
        raise InputError(f"{name} must be the name of a file, got {file!r}") from None
