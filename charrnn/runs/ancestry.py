"""What a run notes of the texts that its weights have met: its own, and those of its ancestors."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from charrnn.checkpoint import read_checkpoint
from charrnn.errors import CheckpointError, InputError
from charrnn.runs.find import found_again
from charrnn.runs.model import Model
from charrnn.tasks.config import Config
from charrnn.text.held_out import HeldOut

__all__ = ["Noted", "ancestor_json", "ancestors", "noted"]


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
        return " ".join(self.paths) or "the help topics of Python"

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
        return _noted(_training(model)["corpus"], model, model.config.held_out)
    except (CheckpointError, KeyError, TypeError, ValueError, AttributeError):
        return None


def ancestors(model: Model) -> list[Noted]:
    """What the weights that it began with were trained on, the latest first."""
    try:
        found = _training(model)["ancestor"]["corpora"]
        return [_noted(one, model, _held_out(one)) for one in found]
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
    train, val, test = found["paths"], str(found.get("val", "")), str(found.get("test", ""))
    folder = model.path.parent
    return Noted(
        tuple(found_again(str(path), folder) for path in train),
        found_again(val, folder),
        found_again(test, folder),
        str(found["sha256"]),
        held_out,
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
