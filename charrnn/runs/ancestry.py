"""What a run notes of the texts that its weights were trained on: its own and its ancestors'."""

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
"""The most files, in a corpus and in those of all ancestors; the most characters of a path."""
MOST_TIMES = 16
"""How often a corpus may contain one file."""
MOST_ANCESTORS = 32


class Noted(NamedTuple):
    """A corpus, and how its validation set was chosen."""

    paths: tuple[str, ...]
    val: str
    test: str
    sha256: str
    held_out: HeldOut

    @property
    def name(self) -> str:
        """What messages call the corpus."""
        return in_words(self.paths) or "the help topics of Python"

    def to_json(self) -> dict[str, Any]:
        """The entry of a checkpoint; where lines were drawn, it includes the seed."""
        found = self._asdict()
        held_out = found.pop("held_out")
        drawn = {} if held_out.lines is None else {"lines": held_out.lines}
        return found | {"val_fraction": held_out.fraction} | drawn


def noted(model: Model) -> Noted | None:
    """What a model was trained on; None if its checkpoint does not say.

    The run's last checkpoint says it, the best one beside it does not. Headers are not trusted.
    """
    try:
        return _noted(training_of(model)["corpus"], model, model.config.held_out)
    except (CheckpointError, KeyError, TypeError, ValueError, AttributeError):
        return None


def ancestors(model: Model) -> list[Noted]:
    """What the weights that the model began with were trained on, the latest first."""
    try:
        found = bounded(training_of(model)["ancestor"])
        return [_noted(one, model, _held_out(one)) for one in found["corpora"]]
    except (CheckpointError, InputError, KeyError, TypeError, ValueError, AttributeError):
        return []


def ancestor_json(model: Model, *, layers: bool = False) -> dict[str, Any]:
    """What a run notes of the model whose weights it begins with.

    Args:
        layers: whether it takes the recurrent layers only.
    """
    own = noted(model)
    corpora = [one.to_json() for one in ([own] if own else []) + ancestors(model)]
    return {"checkpoint": model.name, "corpora": corpora, **({"layers": True} if layers else {})}


def _held_out(found: Mapping[str, Any]) -> HeldOut:
    fraction, lines = float(found["val_fraction"]), found.get("lines")
    if lines is None:
        return Config(val_fraction=fraction).held_out
    return Config(val_fraction=fraction, lines=True, seed=lines).held_out


def _noted(found: Mapping[str, Any], model: Model, held_out: HeldOut) -> Noted:
    paths = noted_paths(found, model.path.parent)
    return Noted(paths.train, paths.val, paths.test, str(found["sha256"]), held_out)


def noted_paths(corpus: Mapping[str, Any], folder: Path) -> Paths:
    """The files that a run in this folder noted for a corpus, with paths that are valid from here.

    Raises:
        KeyError, TypeError, AttributeError: the entry does not have the right form.
        ValueError: there are more files than a corpus can have, one is named too often, or a path
            is too long.
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
    """What a run notes of its ancestors, the latest first, up to a limit.

    Raises:
        KeyError, TypeError, AttributeError, ValueError: the entry does not have the right form.
    """
    corpora, paths = [], 0
    for one in ancestor["corpora"][:MOST_ANCESTORS]:
        paths += len(_names(one))
        if paths <= MOST_PATHS:
            corpora.append(one)
    found = {"checkpoint": in_words([str(ancestor["checkpoint"])]), "corpora": corpora}
    return found | {name: True for name in ("layers",) if ancestor.get(name) is True}


def _names(corpus: Mapping[str, Any]) -> list[str]:
    """The names of a corpus's files; the last two are the validation and test files, or empty."""
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
"""Settings that may change later in a run."""


def _identity(header: Mapping[str, Any], kind: Kind) -> tuple[Any, ...]:
    """What all checkpoints of a run have in common."""
    config = {name: value for name, value in header["config"].items() if name not in CHANGING}
    # A validation may refine what a forecast knows of its data, and the shares of a map.
    if kind.carried and not kind.text:
        return (config,)
    return config, {name: one for name, one in header[kind.key].items() if name != "shares"}


def training_of(model: Model) -> Mapping[str, Any]:
    """The corpus entry of a model's header, else of the last checkpoint of the same run beside it.

    Headers are not trusted.

    Raises:
        CheckpointError, KeyError, TypeError: there is no entry.
    """
    header: Any = model.header
    if "training" not in header:
        header, _ = read_checkpoint(model.path.parent / "last.npz")
        if _identity(header, model.config.kind) != _identity(model.header, model.config.kind):
            return {}
    training: Mapping[str, Any] = header["training"]
    return training
