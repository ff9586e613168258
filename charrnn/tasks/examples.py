"""What tasks of rows have in common: steps, noise on the inputs, known labels."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from charrnn.errors import InputError
from charrnn.nn.types import Array
from charrnn.tasks.config import Config
from charrnn.text.alphabet import END, UNKNOWN, Alphabet
from charrnn.text.counts import counted
from charrnn.text.pairs import Pair
from charrnn.text.records import unusable
from charrnn.text.tables import shown

__all__ = [
    "MOST_STEPS",
    "OF_CARRIED",
    "as_json",
    "check_labels",
    "check_level",
    "checked",
    "disagreements",
    "label_notes",
    "labels_of",
    "largest_of_its_kind",
    "one_line",
    "padded",
    "same_labels",
    "together",
    "units",
    "with_unknowns",
]


SHOWN = 10

OF_CARRIED = {
    "seq_len": "each example is read as a whole",
    "keep_newlines": "each line is an example",
    "lines": "its validation rows come from all over the file anyway",
}
"""Settings that do not apply where examples are independent, and why."""


MOST_STEPS = 1 << 16
"""The most steps of a batch, its examples times its longest: this limits the memory."""

TOGETHER = 64

FAR_OFF = 8
"""A row's length counts at most as this many times the 95th percentile of the lengths."""


def together(
    lengths: Sequence[int], most: int = TOGETHER, steps: Sequence[int] | None = None
) -> Iterator[list[int]]:
    """Indices of examples to be computed together, those of the greatest ``lengths`` first.

    There are at most ``most``, with at most :data:`MOST_STEPS` ``steps`` (``lengths``, if not
    given); at least one.
    """
    order = sorted(range(len(lengths)), key=lambda k: -lengths[k])
    steps = lengths if steps is None else steps
    while order:
        some = order[:most]
        while len(some) > 1 and len(some) * max(steps[k] for k in some) > MOST_STEPS:
            some = some[: len(some) // 2]
        yield some
        order = order[len(some) :]


def one_line(text: str) -> str:
    """A text as a cell of a table."""
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def as_json(**values: object) -> str:
    """One line of JSON."""
    return json.dumps(values, ensure_ascii=False)


def checked(text: str, row: int, *, tabs: bool = False) -> str:
    """A text that can be predicted from; ``tabs`` as in :meth:`charrnn.runs.model.Model.predict`.

    Raises:
        InputError: it is empty, is a row of two columns, or contains lone surrogates.
    """
    fault = unusable(text, tabs=tabs)
    if fault:
        raise InputError(f"text {row} {fault}")
    return text


def padded(texts: Sequence[Array]) -> tuple[Array, Array]:
    """Sequences of numbers side by side, ``(T, B)`` and zero beyond each end; lengths ``(B,)``."""
    lengths = np.array([len(text) for text in texts])
    x = np.zeros((int(lengths.max()), len(texts)), dtype=np.intp)
    for lane, text in enumerate(texts):
        x[: len(text), lane] = text
    return x, lengths


def largest_of_its_kind(values: Sequence[float]) -> float:
    """The largest length of rows, but at most :data:`FAR_OFF` times the 95th percentile.

    So one very long row does not decide how much is written for all others. The percentile is one
    of the values, and never the last of two or more.
    """
    ordered = sorted(values)
    return min(ordered[-1], FAR_OFF * ordered[19 * (len(ordered) - 1) // 20])


def units(text: str, config: Config) -> int:
    """The number of steps that a text takes."""
    return len(text.encode()) if config.level == "byte" else len(text)


def with_unknowns(ids: Array, part: float, rng: np.random.Generator | None) -> Array:
    """``ids`` with some characters replaced by "unknown", so that this symbol is learnt."""
    if rng is None or not part:
        return ids
    lost = (rng.random(ids.shape) < part) & (ids > END)
    return np.where(lost, UNKNOWN, ids)


def check_level(alphabet: Alphabet, config: Config) -> None:
    """Raise ValueError unless the alphabet is of the settings' level, characters or bytes."""
    if alphabet.level != config.level:
        raise ValueError("the alphabet is of another level")


def labels_of(value: object) -> tuple[str, ...]:
    """Labels from a header.

    Raises:
        ValueError: they are not distinct words.
    """
    if not isinstance(value, list) or not all(isinstance(label, str) for label in value):
        raise ValueError("labels must be a list of texts")
    if not value or len(set(value)) < len(value):
        raise ValueError("labels must be distinct, and one at least")
    return tuple(value)


def check_labels(rows: Sequence[Pair], known: Sequence[str], path: str, side: str) -> None:
    """Raise InputError, with the row, if a part has a label that the training part lacks."""
    for row in rows:
        label = getattr(row, side)
        if label not in known:
            if not path:
                raise InputError(
                    f"the label {label!r} (row {row.row}) has too few rows: none is left to "
                    "train on",
                    "add rows, or drop the label; are the columns in the right order?",
                )
            raise InputError(
                f"{path}, row {row.row}: no training row has the label {label!r}",
                f"the labels are {', '.join(map(repr, known[:20]))}",
            )


def label_notes(train: Iterable[str], test: Iterable[str], known: Sequence[str]) -> Iterator[str]:
    """Notes on the labels: on those that are nearly the same, and those without a test row.

    Args:
        train, test: the label of each row in the training part and in the test part.
        known: the labels of the training part.
    """
    alike = defaultdict(list)
    for label in known:
        alike[" ".join(label.split()).casefold()].append(label)
    counts = Counter(train)
    for names in alike.values():
        if len(names) > 1:
            listed = ", ".join(f"{name!r} ({counted(counts[name], 'row')})" for name in names)
            yield f"these labels differ only by case or spaces: {listed}; are they the same?"
    tested = set(test)
    absent = [label for label in known if label not in tested]
    if tested and absent:
        listed = ", ".join(map(repr, absent[:SHOWN])) + (", ..." if len(absent) > SHOWN else "")
        which, whose = ("the label", "its") if len(absent) == 1 else ("any of the labels", "their")
        yield f"no test row has {which} {listed}, so {whose} recall cannot be measured"


def disagreements(rows: Iterable[tuple[str, str]], what: str, labels: str) -> Iterator[str]:
    """A note on inputs that occur with different answers, if there are any.

    Args:
        rows: the input and the answer of each.
        what: the word for an input.
        labels: the word for answers.
    """
    answers: dict[str, dict[str, None]] = defaultdict(dict)
    for text, answer in rows:
        answers[text][answer] = None
    odd = {text: [*own] for text, own in answers.items() if len(own) > 1}
    if odd:
        text, own = next(iter(odd.items()))
        yield (
            f"{counted(len(odd), what, 'have')} different {labels} in different rows, for example "
            f"{shown(text)}: {' and '.join(map(shown, own[:2]))}"
        )


def same_labels(found: Sequence[str], known: Sequence[str]) -> None:
    """Raise InputError unless the data's labels are the model's, in number and name."""
    if tuple(found) != tuple(known):
        odd = ", ".join(map(repr, sorted(set(found) ^ set(known))[:10]))
        raise InputError(
            f"the checkpoint and the data have different labels: {odd}",
            "train a new model without --init-from",
        )
