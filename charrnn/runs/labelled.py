"""Evaluating a model of labelled data: on new files, or on the test part of its run."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from shlex import quote

from charrnn.errors import InputError
from charrnn.nn.products import one_thread
from charrnn.runs.ancestry import Noted, ancestors, noted
from charrnn.runs.find import in_words
from charrnn.runs.model import Model, reason
from charrnn.runs.texts import named
from charrnn.tasks.base import Data, Outcome, Paths
from charrnn.tasks.labelled import Measured

__all__ = ["Evaluated", "evaluate_labelled", "training_data"]


@dataclass(frozen=True)
class Evaluated:
    """How well a model does on some data.

    Attributes:
        what: the data, in words.
        outcome: the figures.
        unknown: for each label that the model does not know, how many rows have it.
        notes: lines on the data, and on which of them the model was trained on.
    """

    what: str
    outcome: Outcome
    unknown: Mapping[str, int]
    notes: tuple[str, ...]


def evaluate_labelled(
    model: Model,
    files: Sequence[str],
    train: Sequence[str] = (),
    threads: int = 1,
    columns: str = "",
) -> Evaluated:
    """Measure a model as its training does at the end.

    Args:
        model: a model of a task that has examples or a series.
        files: new data, in the form of the training data; if none are given, the run's test part,
            read again from the noted files and split by the run's seed.
        train: the training data, where the run does not lead to them.
        threads: how many processes compute.
        columns: the columns of ``files``, as ``--columns`` takes them; if not given, those of the
            training data.

    Raises:
        InputError: a file cannot be read, there is nothing to measure, the model is of a task
            that has no such data, or ``columns`` are given without files.
        DivergedError: the outputs are not finite.
    """
    if columns and not files:
        raise InputError(
            "--columns needs a file",
            f"charrnn eval {model.path} FILE --columns {quote(columns)}",
        )
    kind, own = model.config.kind, noted(model)
    data, missing = _data(model, files, train, own)
    notes = []
    if data is not None and own is not None and data.sha256 != own.sha256:
        notes.append("--train differs from the training data on record; using --train")
    with one_thread():
        if files:
            if kind.evaluate is None:
                raise InputError(
                    f"the task {kind.name} cannot measure a model on new data",
                    f"charrnn eval {model.path} measures it on the run's own data",
                )
            measured: Measured = kind.evaluate(model, files, data, threads, columns)
            what = named([*files])
            if data is None:
                notes.append(
                    f"{missing}; if it contains rows of this test, the model has seen them"
                )
        else:
            if data is None:
                raise InputError(missing, f"or name labelled data: charrnn eval {model.path} FILE")
            measured, what = _held_out(model, data, threads)
    model.check_finite(measured.outcome.score.loss)
    notes += _met_before(model)
    every = (*measured.notes, *notes)
    return Evaluated(what, measured.outcome, measured.unknown, every)


def _held_out(model: Model, data: Data, threads: int) -> tuple[Measured, str]:
    """The model's result on the test part of its own data, and what that part is, in words."""
    names = in_words(data.paths.train)
    task = data.task(model.spec, model.config, model.network, threads)
    try:
        outcome = task.test(model.parameters)
    finally:
        task.engine.close()
    if outcome is None:
        why = f"; {data.paths.val} was used to choose the model" if data.paths.val else ""
        raise InputError(
            f"this run has no test part of {names}{why}",
            f"name labelled data: charrnn eval {model.path} FILE",
        )
    what = data.paths.test or f"the test part of {names}"
    return Measured(outcome, data.notes), what


def _data(
    model: Model, files: Sequence[str], train: Sequence[str], own: Noted | None
) -> tuple[Data | None, str]:
    """The data that a model was trained on; or None, with the reason and what to do.

    The files to be measured may be the same data under another name.
    """
    val, test = (own.val, own.test) if own else ("", "")
    if train:
        try:
            return _read(model, Paths(tuple(train), val, test)), ""
        except InputError as error:
            raise InputError(
                f"--train {in_words(train)}: {error}", f"name the training data of {model.path}"
            ) from None
    hint = "name what it was trained on (--train FILE)"
    if own is None:
        return None, f"{model.path} does not say what it was trained on: {hint}"
    where = own.name
    why = f"{where} has changed since this run was trained on it"
    for paths in (own.paths, tuple(files)):
        if not paths or "-" in (*paths, val, test):
            continue
        try:
            data = _read(model, Paths(paths, val, test))
        except InputError as error:
            if paths == own.paths:
                why = f"the training data of this run is not there ({reason(error)})"
            continue
        if data.sha256 == own.sha256:
            return data, ""
    if "-" in own.paths:
        why = "this run was trained on standard input"
    return None, f"{why}: {hint}"


def training_data(model: Model) -> Data:
    """The data that a model was trained on, if its run leads to them.

    Raises:
        InputError: the run does not lead to them, or the data have changed.
    """
    own = noted(model)
    data = None
    if own is not None and "-" not in (*own.paths, own.val, own.test):
        try:
            data = _read(model, Paths(own.paths, own.val, own.test))
        except InputError:
            data = None
    if own is None or data is None or data.sha256 != own.sha256:
        where = own.name if own else "the data"
        raise InputError(
            f"the baseline needs the training data of {model.path}, but {where} cannot be "
            "read, or has changed",
            "predict with the network, or put the data back",
        )
    return data


def _read(model: Model, paths: Paths) -> Data:
    """Read data as the run did.

    Raises:
        InputError: a file cannot be read, or does not fit the model's labels.
    """
    data: Data = model.config.kind.read(paths, model.config)
    data.check_labels(model.spec)
    return data


def _met_before(model: Model) -> Iterator[str]:
    """Lines on what the weights that the run began with were trained on."""
    for one in ancestors(model):
        yield (
            f"this run started from weights trained on {one.name}; if that contains rows of "
            "this test, the model has seen them"
        )
