"""What rows of texts and labels have in common: their steps, their noise, the labels known."""

import json
from collections.abc import Sequence

import numpy as np

from charrnn.errors import InputError
from charrnn.nn.types import Array
from charrnn.tasks.config import Config
from charrnn.text.alphabet import END, UNKNOWN, Alphabet
from charrnn.text.pairs import Pair
from charrnn.text.records import unusable

__all__ = [
    "OF_CARRIED",
    "as_json",
    "check_labels",
    "check_level",
    "checked",
    "labels_of",
    "one_line",
    "padded",
    "same_labels",
    "units",
    "with_unknowns",
]


OF_CARRIED = {
    "seq_len": "each example is read whole",
    "keep_newlines": "each line is an example",
    "lines": "its rows are drawn from all over the file as it is",
}
"""What means nothing where examples stand by themselves, and why."""


def one_line(text: str) -> str:
    """As a cell of a table."""
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")


def as_json(**values: object) -> str:
    """One line of JSON."""
    return json.dumps(values, ensure_ascii=False)


def checked(text: str, row: int) -> str:
    """A text, if it is one to predict from.

    Raises:
        InputError: it is empty, a row of two columns, or has halves of characters.
    """
    fault = unusable(text)
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


def units(text: str, config: Config) -> int:
    """Steps that a text takes."""
    return len(text.encode()) if config.level == "byte" else len(text)


def with_unknowns(ids: Array, part: float, rng: np.random.Generator | None) -> Array:
    """``ids`` with some characters replaced by "unknown", so that the network learns what it is."""
    if rng is None or not part:
        return ids
    lost = (rng.random(ids.shape) < part) & (ids > END)
    return np.where(lost, UNKNOWN, ids)


def check_level(alphabet: Alphabet, config: Config) -> None:
    """Raise ValueError if the alphabet is not of the characters (or bytes) that settings say."""
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
                    f"the label {label!r} (row {row.row}) has too few rows to be in all parts: "
                    "none is left to train on",
                    "give it more rows or leave it out; are the columns in the right order?",
                )
            raise InputError(
                f"{path}, row {row.row}: no row to train on has the label {label!r}",
                f"the labels are {', '.join(map(repr, known[:20]))}",
            )


def same_labels(found: Sequence[str], known: Sequence[str]) -> None:
    """Raise InputError unless the data's labels are the model's, in number and name."""
    if tuple(found) != tuple(known):
        odd = ", ".join(map(repr, sorted(set(found) ^ set(known))[:10]))
        raise InputError(
            f"the checkpoint knows other labels than the data have: {odd}",
            "train a new model without --init-from",
        )
