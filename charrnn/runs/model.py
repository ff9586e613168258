"""A trained model: reading one from a checkpoint, and finding the checkpoint."""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from charrnn.checkpoint import read_checkpoint
from charrnn.config import Config
from charrnn.errors import CheckpointError, InputError
from charrnn.nn.parameters import Parameters
from charrnn.nn.types import Array
from charrnn.tasks.kinds import TASKS
from charrnn.tasks.lm import TextSpec
from charrnn.text.vocab import Vocabulary

__all__ = ["DEFAULT_FOLDER", "LATEST", "Model", "find_checkpoint", "load_model"]

DEFAULT_FOLDER = Path("checkpoints")
LATEST = "latest"
SHIPPED = (
    Path(__file__).parent.parent / "shipped.npz",  # in an installed package
    Path(__file__).parent.parent.parent / "checkpoints" / "pydoc.npz",  # in a clone
)


@dataclass(frozen=True)
class Model:
    """A trained network, as a checkpoint holds it."""

    path: Path
    config: Config
    spec: Any  # what the task needs besides: characters, labels, ...
    model: Any  # the network of the task
    parameters: Parameters
    header: Mapping[str, Any]
    arrays: Mapping[str, Array]  # everything else that the file holds

    @property
    def vocabulary(self) -> Vocabulary:
        """The characters of a language model.

        Raises:
            InputError: it is another kind of model.
        """
        if not isinstance(self.spec, TextSpec):
            raise InputError(
                f"{self.path} is no language model; its task is {self.config.task}",
                f"charrnn predict {self.path} TEXT",
            )
        return self.spec.vocabulary


def load_model(path: Path) -> Model:
    """Read a checkpoint and build its model.

    Raises:
        CheckpointError: it cannot be read, or its parts do not fit together.
    """
    header, arrays = read_checkpoint(path)
    try:
        config = Config.from_json(header["config"])
        kind = TASKS[config.task]
        spec = kind.spec(header[kind.key])
        model = spec.model(config)
        shapes = model.shapes()
        for name, shape in shapes.items():
            if arrays[name].shape != shape or arrays[name].dtype.str != "<f4":
                raise ValueError(f"{name} does not fit the model")
        parameters = Parameters(shapes, np.float32)
        for name in shapes:
            parameters[name][...] = arrays.pop(name)
        if not np.isfinite(parameters.flat).all():
            raise ValueError("a weight is not a finite number")
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, InputError) as error:
        raise CheckpointError(f"{path} does not hold a model: {_reason(error)}") from error
    return Model(path, config, spec, model, parameters, header, arrays)


def _reason(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)


def find_checkpoint(argument: str | None) -> tuple[Path, str]:
    """The file that a user means, and how it was found, in words.

    Args:
        argument: a file or a run's folder (its best model, else its last); nothing means the run
            saved last from this folder, else the model that comes with charrnn.

    Raises:
        InputError: there is none.
    """
    if argument is not None:
        path = Path(argument)
        if path.is_dir():
            for name in ("best.npz", "last.npz", "previous.npz"):
                if (path / name).is_file():
                    return path / name, "as given"
            raise InputError(
                f"{argument!r} holds no checkpoint", "name a run's folder or an .npz file"
            )
        if not path.exists():
            raise InputError(f"checkpoint {argument!r} does not exist")
        return path, "as given"
    with suppress(OSError, ValueError):  # no note, or one that is damaged
        noted = os.fsdecode((DEFAULT_FOLDER / LATEST).read_bytes()).strip()
        for name in ("best.npz", "last.npz"):
            if noted and (DEFAULT_FOLDER / noted / name).is_file():
                return Path(os.path.normpath(DEFAULT_FOLDER / noted / name)), "the run saved last"
    for shipped in SHIPPED:
        if shipped.is_file():
            return shipped, "the model that comes with charrnn"
    raise InputError("there is no model yet", "train one: charrnn train CORPUS")
