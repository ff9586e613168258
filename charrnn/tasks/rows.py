"""Rows of files in three parts: training, validation and test."""

import hashlib
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from charrnn.errors import InputError
from charrnn.tasks.base import SPLIT, Paths
from charrnn.tasks.config import Config
from charrnn.text.counts import counted
from charrnn.text.splits import overlap, split
from charrnn.text.tables import Source

__all__ = ["Rows", "read_rows"]

R = TypeVar("R")


@dataclass(frozen=True)
class Rows(Generic[R]):
    """The rows of a task's files.

    Attributes:
        test: empty if a validation file was named and no test file.
    """

    paths: Paths
    train: tuple[R, ...]
    val: tuple[R, ...]
    test: tuple[R, ...]
    sha256: str
    notes: tuple[str, ...]
    known_val: int  # validation rows whose input is also in training
    known_test: int | None  # test rows whose input is also in another part
    named: tuple[str, ...] = ()  # the columns that were read, where the file names them

    @property
    def size(self) -> int:
        """The number of rows."""
        return len(self.train) + len(self.val) + len(self.test)

    def described(self, nouns: str) -> str:
        """Where the parts come from, in words; ``nouns`` is the word for rows."""
        text = counted(len(self.train), nouns.removesuffix("s"), "train")
        text += f", {counted(len(self.val), '', 'validate')}{_whence(self.paths.val)}"
        if self.test:
            text += f", {counted(len(self.test), '', 'test')}{_whence(self.paths.test)}"
        return text

    def method(self, part: Sequence[R], nouns: str, more: str = "") -> str:
        """How a part is measured, in words.

        Args:
            nouns: the word for rows.
            more: more to say of them.
        """
        rows = counted(len(part), nouns.removesuffix("s")) + more
        known = self.known_test if part is self.test else self.known_val
        if known is None:
            return f"{rows}; whether the model was trained on them is unknown"
        if not known:
            return f"{rows}, none of them trained on"
        return f"{rows}, {known:,} of them trained on"


def _whence(path: str) -> str:
    return f" (from {path})" if path else ""


def read_rows(
    paths: Paths,
    read: Callable[[str], Source[tuple[R, ...]]],
    config: Config,
    *,
    key: Callable[[R], Hashable],
    stratum: Callable[[R], Hashable] | None = None,
) -> Rows[R]:
    """Read a task's files and split off the parts that are not given.

    A validation set is split off the training file unless ``paths`` names one. So is a test part,
    unless one is named or a validation file is: then nothing is tested.

    Args:
        paths: the files.
        read: reads one file.
        config: the fraction to split off for each part, and the seed that decides.
        key: the value that must not be in two parts.
        stratum: the value of which each part should have its share.

    Raises:
        InputError: a file cannot be read, or there are too few rows.
    """
    digest = hashlib.sha256()
    notes: list[str] = []
    named: list[str] = []

    def rows(path: str, role: str) -> tuple[R, ...]:
        source = read(path)
        named.extend(source.named if role == "train" and not named else ())
        digest.update(role.encode() + bytes.fromhex(source.sha256))
        notes.extend(source.notes)
        return source.records

    train = tuple(row for path in paths.train for row in rows(path, "train"))
    val = rows(paths.val, "val") if paths.val else ()
    test = rows(paths.test, "test") if paths.test else ()
    fraction = config.val_fraction
    if not val and not fraction:
        raise InputError(
            "there is no validation set", "name a file with --val, or set --val-fraction"
        )
    for_val = 0.0 if val else fraction
    for_test = 0.0 if val or test else fraction
    if for_val or for_test:
        parts = split(
            [key(row) for row in train],
            None if stratum is None else [stratum(row) for row in train],
            val=for_val,
            test=for_test,
            rng=np.random.default_rng([config.seed, SPLIT]),
        )
        train, own_val, own_test = (
            tuple(train[k] for k in part) for part in (parts.train, parts.val, parts.test)
        )
        val, test = val or own_val, test or own_test
    known = {"validate": 0, "test": 0}
    for name, path, part, seen, how in (
        ("validate", paths.val, val, train, "trains the model"),
        ("test", paths.test, test, (*train, *val), "trains or validates the model"),
    ):
        known[name] = len(overlap(map(key, seen), map(key, part)))
        if known[name]:
            notes.append(
                f"{path or 'the data'}: {known[name]:,} of the {counted(len(part), 'row')} "
                f"that {name} the model have an input that also {how}"
            )
    return Rows(
        paths,
        train,
        val,
        test,
        digest.hexdigest(),
        tuple(notes),
        known["validate"],
        known["test"],
        tuple(named),
    )
