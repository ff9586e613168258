"""What a run notes of the texts that its weights have met: its own, and those of its ancestors."""

import os
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from charrnn.checkpoint import read_checkpoint
from charrnn.errors import CheckpointError, InputError
from charrnn.runs.find import found_again, in_words
from charrnn.runs.model import Model
from charrnn.tasks.base import Paths
from charrnn.tasks.config import Config
from charrnn.tasks.kinds import Kind
from charrnn.text.held_out import HeldOut

__all__ = ["Noted", "ancestor_json", "ancestors", "bounded", "noted", "noted_paths", "training_of"]

MOST_PATHS, LONGEST_PATH = 1 << 14, 1 << 12
"""Of a corpus, and of all that its ancestors were trained on."""
MOST_TIMES = 16
"""That a corpus holds one file."""
MOST_ANCESTORS = 32


class Noted(NamedTuple):
    """A corpus, and what of it was held out."""

    paths: tuple[str, ...]
    val: str
    test: str
    sha256: str
    held_out: HeldOut

    @property
    def name(self) -> str:
        """For messages."""
        return in_words(self.paths) or "the help topics of Python"

    def to_json(self) -> dict[str, Any]:
        """For a checkpoint; the seed by which lines were drawn is in it where they were."""
        found = self._asdict()
        held_out = found.pop("held_out")
        drawn = {} if held_out.lines is None else {"lines": held_out.lines}
        return found | {"val_fraction": held_out.fraction} | drawn


def noted(model: Model) -> Noted | None:
    """What a model was trained on; nothing if it does not say.

    Its last checkpoint does, the best one beside it not. Headers are taken without trust.
    """
    try:
        return _noted(training_of(model)["corpus"], model, model.config.held_out)
    except (CheckpointError, KeyError, TypeError, ValueError, AttributeError):
        return None


def ancestors(model: Model) -> list[Noted]:
    """What the weights that it began with were trained on, the latest first."""
    try:
        found = bounded(training_of(model)["ancestor"])
        return [_noted(one, model, _held_out(one)) for one in found["corpora"]]
    except (CheckpointError, InputError, KeyError, TypeError, ValueError, AttributeError):
        return []


def ancestor_json(model: Model) -> dict[str, Any]:
    """What a run notes of the model whose weights it begins with."""
    own = noted(model)
    corpora = [one.to_json() for one in ([own] if own else []) + ancestors(model)]
    return {"checkpoint": model.name, "corpora": corpora}


def _held_out(found: Mapping[str, Any]) -> HeldOut:
    fraction, lines = float(found["val_fraction"]), found.get("lines")
    if lines is None:
        return Config(val_fraction=fraction).held_out
    return Config(val_fraction=fraction, lines=True, seed=lines).held_out


def _noted(found: Mapping[str, Any], model: Model, held_out: HeldOut) -> Noted:
    paths = noted_paths(found, model.path.parent)
    return Noted(paths.train, paths.val, paths.test, str(found["sha256"]), held_out)


def noted_paths(corpus: Mapping[str, Any], folder: Path) -> Paths:
    """The files of a corpus as a run in this folder noted them, as their paths are from here.

    Raises:
        KeyError, TypeError, AttributeError: it is no such note.
        ValueError: they are more than a training can be of, or named too often, or too long.
    """
    names = _names(corpus)
    found = [found_again(name, folder) for name in names]
    times = Counter[tuple[int, int]]()
    for path in found:
        with suppress(OSError, ValueError):
            status = os.stat(path)  # noqa: PTH116 - there may be thousands
            times[status.st_dev, status.st_ino] += 1
    if max(times.values(), default=0) > MOST_TIMES:
        raise ValueError(f"it names one file more than {MOST_TIMES} times")
    return Paths(tuple(found[:-2]), found[-2], found[-1])


def bounded(ancestor: Mapping[str, Any]) -> dict[str, Any]:
    """What a run notes of its ancestors, as far as it is bearable: the latest first.

    Raises:
        KeyError, TypeError, AttributeError, ValueError: it is no such note.
    """
    corpora, paths = [], 0
    for one in ancestor["corpora"][:MOST_ANCESTORS]:
        paths += len(_names(one))
        if paths <= MOST_PATHS:
            corpora.append(one)
    return {"checkpoint": in_words([str(ancestor["checkpoint"])]), "corpora": corpora}


def _names(corpus: Mapping[str, Any]) -> list[str]:
    """Of its files; the last two are that to validate with and that to test with, or empty."""
    train = corpus["paths"]
    if not isinstance(train, list):
        raise TypeError("its files are not a list")
    if len(train) > MOST_PATHS:
        raise ValueError(f"it names {len(train):,} files; {MOST_PATHS:,} are the most")
    names = [str(name) for name in (*train, corpus.get("val", ""), corpus.get("test", ""))]
    longest = max(map(len, names))
    if longest > LONGEST_PATH:
        raise ValueError(f"it names a file in {longest:,} characters")
    return names


CHANGING = ("epochs", "minutes", "members", "shards")
"""Settings that may be others later in a run."""


def _identity(header: Mapping[str, Any], kind: Kind) -> tuple[Any, ...]:
    """What all checkpoints of a run have in common."""
    config = {name: value for name, value in header["config"].items() if name not in CHANGING}
    # What a forecast knows may be refined by each validation.
    return (config,) if kind.carried and not kind.text else (config, header[kind.key])


def training_of(model: Model) -> Mapping[str, Any]:
    """The entry of its header, else of the last checkpoint beside it, if that is of the same run.

    Taken without trust.

    Raises:
        CheckpointError, KeyError, TypeError: there is none.
    """
    header: Any = model.header
    if "training" not in header:
        header, _ = read_checkpoint(model.path.parent / "last.npz")
        if _identity(header, model.config.kind) != _identity(model.header, model.config.kind):
            return {}
    training: Mapping[str, Any] = header["training"]
    return training
