"""The tasks by name. Each is one record, which the task's own file registers.

No table elsewhere names tasks: whatever depends on the task is read from its record.
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
        name: the name that ``--task`` takes.
        read: reads the data (:class:`charrnn.tasks.base.Data`), given
            :class:`charrnn.tasks.base.Paths` and a configuration.
        spec: reads from a checkpoint's header what the network needs besides weights
            (:class:`charrnn.tasks.base.Spec`).
        usage: the command that uses a trained run; ``RUN`` stands for its folder.
        unit: the unit of the training loss; ``{level}`` stands for ``char`` or ``byte``.
        measure: the error that selects the best model, likewise; if not given, the training loss.
        good: given a checkpoint's header, the name of the score that is one minus ``measure``.
        key: the entry of a checkpoint's header that ``spec`` reads.
        defaults: the settings in which the task differs from a language model.
        own: the settings that are given with its name (``--task tag,column=4``), each with its
            allowed words, if these are fewer than the setting's.
        columns: the names of the two columns of its rows, that of the inputs first.
        without: other settings that do not apply to it, and why.
        least_updates: with few examples, the epochs are raised until there are this many updates.
        text: whether it models a text, which is planned for by its size, compared with n-grams, and
            needs no file of its own.
        averages: whether a model can be the average of several networks.
        pretrained: whether its recurrent layers can begin as those of a language model.
        carried: whether it reads one long sequence in chunks, with the state carried from one to
            the next.
        lane: a carried sequence is read in fewer lanes where each would be shorter than this.
        author: writes texts (:class:`charrnn.tasks.writing.Author`), if it can.
        evaluate: measures a model on new files (:mod:`charrnn.tasks.labelled`), if it can.
        predict: predicts from texts, if it can.
        baseline: given a model, a function like ``predict`` by the baseline that its checkpoint
            holds (``baseline(trained)(texts, **options)``), if it can.
        refitted: the same, given a model and its training data, for a baseline that is fitted again
            because it would make a checkpoint much larger.
        options: the options of ``predict`` that it takes.
        margin: the characters that are removed from both ends of an input, as in training; if not
            given, all white space.
        empty: the TSV lines that stand for a text without an answer.
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
    pretrained: bool = False
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
        """The error that selects the best model, in words."""
        return (self.measure or self.unit).format(level=level)


KINDS: dict[str, Kind] = {}


def register(kind: Kind) -> None:
    """Register a task under its name."""
    KINDS[kind.name] = kind


def kind_of(name: str) -> Kind:
    """The task of that name.

    Raises:
        InputError: there is none; the message lists the tasks.
    """
    if name not in KINDS:
        raise InputError(f"--task {name}: choose from {', '.join(KINDS)}")
    return KINDS[name]
