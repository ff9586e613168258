"""The training texts of a model that writes, for comparing its texts with them."""

from collections.abc import Sequence
from typing import Any

import numpy.typing as npt

from charrnn.errors import InputError
from charrnn.runs.ancestry import noted
from charrnn.runs.model import Model
from charrnn.runs.texts import training_text
from charrnn.tasks.base import Paths
from charrnn.tasks.writing import SEPARATOR

__all__ = ["codes_trained_on"]


def codes_trained_on(model: Model, train: Sequence[str] = ()) -> npt.NDArray[Any]:
    """Code points (or bytes) of the training text, including its validation set.

    Args:
        model: a model that writes texts. Labelled texts are joined, separated by a number that is
            not a character's.
        train: the files of the text; if not given, those that the run noted.

    Raises:
        InputError: the training text is missing.
    """
    if model.config.kind.text:
        return training_text(model, list(train)).codes
    own = None if train else noted(model)
    paths = Paths(own.paths, own.val, own.test) if own else Paths(tuple(train))
    if not paths.train or "-" in paths.train:
        raise InputError(
            f"{model.path} does not say what it was trained on", "name it (--train FILE)"
        )
    codes: npt.NDArray[Any] = model.config.kind.read(paths, model.config).joined(SEPARATOR)
    return codes
