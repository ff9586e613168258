"""Rows of files in three parts: what trains, what chooses the model, and what tests it."""

import hashlib
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from charrnn.config import Config
from charrnn.errors import InputError
from charrnn.tasks.base import Paths
from charrnn.tasks.splits import overlap, split
from charrnn.text.records import Source

__all__ = ["Rows", "read_rows"]

R = TypeVar("R")


@dataclass(frozen=True)
class Rows(Generic[R]):
    """The rows of a task's files.

    Attributes:
        test: empty where a file was named to validate with and none to test with.
    """

    paths: Paths
    train: tuple[R, ...]
    val: tuple[R, ...]
    test: tuple[R, ...]
    sha256: str
    notes: tuple[str, ...]

    @property
    def size(self) -> int:
        """Rows in all."""
        return len(self.train) + len(self.val) + len(self.test)

    @property
    def split(self) -> str:
        """Where the parts come from, in words."""
        val = f"from {self.paths.val}" if self.paths.val else "split off by input"
        text = f"{len(self.train):,} rows train, {len(self.val):,} validate ({val})"
        if self.test:
            test = f"from {self.paths.test}" if self.paths.test else "split off by input"
            text += f", {len(self.test):,} test ({test})"
        return text


def read_rows(
    paths: Paths,
    read: Callable[[str], Source[tuple[R, ...]]],
    config: Config,
    *,
    key: Callable[[R], Hashable],
    stratum: Callable[[R], Hashable] | None = None,
) -> Rows[R]:
    """Read a task's files and split off what they leave open.

    A part for validation is split off the training file unless ``paths`` names one. So is one for
    testing, unless one is named, or the file to validate with was: then nothing is tested.

    Args:
        paths: of the files.
        read: reads one of them.
        config: the fraction to split off for each part, and the seed that decides.
        key: what must not be in two parts.
        stratum: what each part should have its share of.

    Raises:
        InputError: a file cannot be read, or the rows do not suffice.
    """
    digest = hashlib.sha256()
    notes: list[str] = []

    def rows(path: str) -> tuple[R, ...]:
        source = read(path)
        digest.update(bytes.fromhex(source.sha256))
        notes.extend(source.notes)
        return source.records

    train = tuple(row for path in paths.train for row in rows(path))
    val = rows(paths.val) if paths.val else ()
    test = rows(paths.test) if paths.test else ()
    fraction = config.val_fraction
    if not val and not fraction:
        raise InputError(
            "there is nothing to validate with", "name a file (--val), or give --val-fraction"
        )
    for_val = 0.0 if val else fraction
    for_test = 0.0 if val or test else fraction
    if for_val or for_test:
        parts = split(
            [key(row) for row in train],
            None if stratum is None else [stratum(row) for row in train],
            val=for_val,
            test=for_test,
            rng=np.random.default_rng([config.seed, 2]),
        )
        train, own_val, own_test = (
            tuple(train[k] for k in part) for part in (parts.train, parts.val, parts.test)
        )
        val, test = val or own_val, test or own_test
    for name, path, part in (("validate", paths.val, val), ("test", paths.test, test)):
        common = overlap(map(key, train), map(key, part)) if path else []
        if common:
            notes.append(
                f"{path}: {len(common)} of {len(part)} rows to {name} with have an input that is "
                "trained on as well"
            )
    return Rows(paths, train, val, test, digest.hexdigest(), tuple(notes))
