"""The tasks by name. Each is one record, which the task's own file registers.

No table elsewhere names tasks: what depends on the task is asked of its record.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from charrnn.errors import InputError

__all__ = ["KINDS", "Kind", "kind_of", "register"]


@dataclass(frozen=True)
class Kind:
    """All that the rest of charrnn knows of a task.

    Attributes:
        name: as ``--task`` takes it.
        read: from :class:`charrnn.tasks.base.Paths` and a configuration to its data
            (:class:`charrnn.tasks.base.Data`).
        spec: from a checkpoint's header to what the network needs besides weights
            (:class:`charrnn.tasks.base.Spec`).
        usage: the command that uses a trained run; ``RUN`` stands for its folder.
        unit: of the training loss; ``{level}`` stands for ``char`` or ``byte``.
        measure: what the best model has least of, likewise; the training loss, if not given.
        good: of a checkpoint's header, the name of what ``measure`` is one less.
        key: the entry of a checkpoint's header that ``spec`` reads.
        defaults: the settings in which it differs from a language model.
        own: the settings that are given with its name (``--task tag,column=4``), each with the
            words that it may be, if they are fewer than the setting's.
        columns: what the two columns of its rows are called, that to predict from first.
        without: other settings that mean nothing to it, and why.
        least_updates: with few examples, its epochs are raised until there are so many updates.
        text: whether it models a text: then it is planned for as such, has n-grams beside it, and
            needs no file of its own.
        averages: whether a model can be the average of several networks.
        carried: whether it reads one long sequence in chunks, the state carried from one to the
            next.
        lane: a carried sequence is read in fewer lanes where each would be shorter than this.
        author: writes texts (:class:`charrnn.tasks.writing.Author`), if it can.
        evaluate: measures a model on files of new data (:mod:`charrnn.tasks.labelled`), if it can.
        predict: predicts from texts (:mod:`charrnn.tasks.predictions`), if it can.
        baseline: from a model to the like of ``predict`` by the simple method that its checkpoint
            holds (``baseline(trained)(texts, **options)``), if it can.
        refitted: from a model and the data that trained it to the same, where the simple method is
            fitted again because a checkpoint would have to be much larger to hold it.
        options: the options of ``predict`` that it takes.
        margin: the characters that a text to predict from loses at its ends, as those trained on
            did; all white space, if not given.
        empty: the lines of TSV that stand for a text that cannot be answered.
    """

    name: str
    read: Callable[..., Any]
    spec: Callable[[Mapping[str, Any]], Any]
    usage: str
    unit: str
    measure: str = ""
    good: Callable[[Mapping[str, Any]], str] | None = None
    key: str = "spec"
    defaults: Mapping[str, Any] = field(default_factory=dict)
    own: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    columns: tuple[str, str] = ("source", "target")
    without: Mapping[str, str] = field(default_factory=dict)
    least_updates: int = 0
    text: bool = False
    averages: bool = False
    carried: bool = False
    lane: int = 0
    author: Callable[..., Any] | None = None
    evaluate: Callable[..., Any] | None = None
    predict: Callable[..., Any] | None = None
    baseline: Callable[[Any], Callable[..., Any]] | None = None
    refitted: Callable[[Any, Any], Callable[..., Any]] | None = None
    options: tuple[str, ...] = ()
    margin: str | None = None
    empty: tuple[str, ...] = ("\t\t",)

    def unit_of(self, level: str) -> str:
        """The unit of the training loss."""
        return self.unit.format(level=level)

    def measure_of(self, level: str) -> str:
        """What the best model has least of, in words."""
        return (self.measure or self.unit).format(level=level)


KINDS: dict[str, Kind] = {}


def register(kind: Kind) -> None:
    """Make a task known by its name."""
    KINDS[kind.name] = kind


def kind_of(name: str) -> Kind:
    """The task of that name.

    Raises:
        InputError: there is none; with the names that there are.
    """
    if name not in KINDS:
        raise InputError(f"--task {name}: choose from {', '.join(KINDS)}")
    return KINDS[name]
