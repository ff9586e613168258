"""What a run notes of the texts that its weights have met: its own, and those of its ancestors."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from charrnn.checkpoint import read_checkpoint
from charrnn.errors import CheckpointError
from charrnn.runs.find import found_again
from charrnn.runs.model import Model

__all__ = ["Noted", "ancestor_json", "ancestors", "noted"]


class Noted(NamedTuple):
    """A corpus, and how much of its end was held out."""

    paths: tuple[str, ...]
    val: str
    test: str
    sha256: str
    val_fraction: float

    @property
    def name(self) -> str:
        """For messages."""
        return " ".join(self.paths) or "the help topics of Python"


def noted(model: Model) -> Noted | None:
    """What a model was trained on; nothing if it does not say.

    Its last checkpoint does, the best one beside it not. Headers are taken without trust.
    """
    try:
        return _noted(_training(model)["corpus"], model, model.config.val_fraction)
    except (CheckpointError, KeyError, TypeError, ValueError, AttributeError):
        return None


def ancestors(model: Model) -> list[Noted]:
    """What the weights that it began with were trained on, the latest first."""
    try:
        found = _training(model)["ancestor"]["corpora"]
        return [_noted(one, model, float(one["val_fraction"])) for one in found]
    except (CheckpointError, KeyError, TypeError, ValueError, AttributeError):
        return []


def ancestor_json(model: Model) -> dict[str, Any]:
    """What a run notes of the model whose weights it begins with."""
    own = noted(model)
    corpora = [one._asdict() for one in ([own] if own else []) + ancestors(model)]
    return {"checkpoint": model.name, "corpora": corpora}


def _noted(found: Mapping[str, Any], model: Model, val_fraction: float) -> Noted:
    train, val, test = found["paths"], str(found.get("val", "")), str(found.get("test", ""))
    folder = model.path.parent
    return Noted(
        tuple(found_again(str(path), folder) for path in train),
        found_again(val, folder),
        found_again(test, folder),
        str(found["sha256"]),
        val_fraction,
    )


def _training(model: Model) -> Mapping[str, Any]:
    """The entry of its header, or of the last checkpoint's; which may be another run's."""
    header: Any = model.header
    if "training" not in header:
        header, _ = read_checkpoint(model.path.parent / "last.npz")
        if any(header[key] != model.header[key] for key in ("config", model.config.kind.key)):
            return {}
    training: Mapping[str, Any] = header["training"]
    return training
