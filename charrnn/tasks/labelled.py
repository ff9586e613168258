"""Evaluating a trained model on new labelled rows, read and measured as in its training."""

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import log
from typing import Any, Generic, TypeVar

from charrnn.errors import InputError
from charrnn.tasks.base import Data, Outcome, Paths, Trained
from charrnn.tasks.chance import SAME, beyond_chance
from charrnn.tasks.config import Config
from charrnn.tasks.figures import figure
from charrnn.tasks.measures import Parts, share
from charrnn.tasks.rows import Rows
from charrnn.text.counts import counted_of
from charrnn.text.splits import overlap
from charrnn.text.tables import Source

__all__ = ["UNSEEN", "LabelledRows", "Measured", "which_is_better"]

R = TypeVar("R")


def which_is_better(
    measure: str, network: Parts, simple: Parts, *, lower: bool = False, predicts: bool = True
) -> str:
    """The line that begins a report if a baseline is better than the network, or seems to be.

    Args:
        measure: its name.
        network, simple: ``(N, 2)``, what each row adds to both sums of the measure
            (:func:`charrnn.tasks.measures.share`), by the network and by the baseline: on the rows
            that selected the network.
        lower: whether the lower value is the better one.
        predicts: whether ``charrnn predict`` can use the baseline.
    """
    ours, theirs = share(network), share(simple)
    if not (theirs < ours if lower else theirs > ours):
        return ""
    figures = f"{measure} {figure(theirs)} beside {figure(ours)} on the validation rows"
    if beyond_chance(network, simple):
        use = "; charrnn predict --method baseline uses it" if predicts else ""
        return f"the baseline beats the network: {figures}{use}"
    return f"{SAME}: {figures}"


UNSEEN = 30 * log(10)
"""The nats of a label that the model does not know: -ln 10⁻³⁰."""

LISTED = 10
"""The most labels that a note names."""


@dataclass(frozen=True)
class Measured:
    """How well a model does on some data.

    Attributes:
        unknown: for each label that the model does not know, how many rows have it.
        notes: notes on the figures for the user.
    """

    outcome: Outcome
    notes: tuple[str, ...] = ()
    unknown: Mapping[str, int] = field(default_factory=dict)


def _none(*_: Any) -> Sequence[str]:
    return ()


@dataclass(frozen=True)
class LabelledRows(Generic[R]):
    """How a task of rows reads and measures rows that were not given in training.

    The task itself measures them, as its test part, so that there is one way of measuring.

    Attributes:
        read: reads the rows, given settings and a file's name.
        task: makes the task, given rows in parts, spec, settings and network.
        key: the input of a row, by which it is recognised.
        labels: the labels of a row, given settings.
        known: the labels of a spec.
        nouns: the words for a row and for a label.
        needs_label: whether a row can be measured only if the model knows its label.
    """

    read: Callable[[Config, str], Source[tuple[R, ...]]]
    task: Callable[..., Any]
    key: Callable[[R], Hashable]
    labels: Callable[[Config, R], Sequence[str]] = _none
    known: Callable[[Any], Sequence[str]] = _none
    nouns: tuple[str, str] = ("row", "label")
    needs_label: bool = False

    def __call__(
        self,
        trained: Trained,
        files: Sequence[str],
        data: Data | None,
        threads: int = 1,
        columns: str = "",
    ) -> Measured:
        """Measure a model on the rows of all files together.

        Args:
            files: their names; ``-`` is standard input.
            data: the model's training data, if they can be read: rows that also occur there are
                counted, and the baselines are fitted to them.
            threads: how many processes compute.
            columns: the columns of the files, as ``--columns`` takes them; if not given, those of
                the training data.

        Raises:
            InputError: a file cannot be read, or none of its rows can be measured.
        """
        config = trained.config
        if columns:
            config = replace(config, columns=columns, column=0)
        sources = [self.read(config, path) for path in files]
        rows = tuple(row for source in sources for row in source.records)
        notes = [note for source in sources for note in source.notes]
        known = {*self.known(trained.spec)}
        found = [{*self.labels(trained.config, row)} for row in rows]
        if all(names and names.isdisjoint(known) for names in found):
            raise InputError(
                "no {} has a {} that the model knows".format(*self.nouns), _listed(sorted(known))
            )
        odd = [names - known for names in found]
        unknown = Counter(name for names in odd for name in sorted(names))
        if unknown:
            notes.append(self._of_unknown(unknown, sum(map(bool, odd)), len(rows)))
        if self.needs_label:
            rows = tuple(row for row, names in zip(rows, odd, strict=True) if not names)
        parts: Any = getattr(data, "rows", None)
        train, val = (parts.train, parts.val) if parts else ((), ())
        met = None
        if parts:
            met = len(overlap(map(self.key, (*train, *val)), map(self.key, rows)))
        noun, _ = self.nouns
        if met:
            notes.append(
                f"{counted_of(met, len(rows), noun, 'have')} an input that the model was "
                "trained on; it will do worse on others"
            )
        every = Rows(Paths(tuple(files)), train, val, rows, "", (), 0, met)
        task = self.task(every, trained.spec, trained.config, trained.network, threads)
        try:
            outcome: Outcome = task.test(trained.parameters)
        finally:
            task.engine.close()
        return Measured(outcome, tuple(notes), dict(unknown))

    def _of_unknown(self, unknown: Counter[str], odd: int, size: int) -> str:
        """A note on labels that the model does not know."""
        each = [f"{name!r} {count}" for name, count in unknown.most_common()]
        missed = f"count as errors, at {UNSEEN:.1f} nats each"
        what = "are left out" if self.needs_label else missed
        noun, label = self.nouns
        return (
            f"{counted_of(odd, size, noun, 'have')} a {label} that the model does not know, "
            f"and {what}: {_listed(each)}"
        )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:LISTED]) + (", ..." if len(names) > LISTED else "")
