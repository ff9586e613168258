"""charrnn: character-level recurrent networks for text, written out by hand in NumPy.

Write with the model that comes along, or with one of your own:

    model = charrnn.load()                     # or a file, a run's folder, a run's name
    model.sample("ROMEO:", length=500, temperature=0.8, seed=1)
    model.score("To be, or not to be").bits    # a character

Train:

    run = charrnn.train("corpus.txt", minutes=5)
    for event in run:                          # or run.finish()
        ...
    run.model

Use a trained classifier, tagger or translator:

    charrnn.load("questions-1").predict(["What is an atom ?"])

Take a model elsewhere:

    charrnn.export(model, "model.onnx")        # or .safetensors, .pt

Everything raises :class:`charrnn.InputError` where what was given must change, and
:class:`charrnn.CheckpointError` where a file is damaged or cannot be written.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from charrnn.errors import (
        CharrnnError,
        CheckpointError,
        DivergedError,
        InputError,
        StuckError,
    )
    from charrnn.exporting import export
    from charrnn.library import cell, resume, train
    from charrnn.runs.mixture import mix
    from charrnn.runs.model import Model, load
    from charrnn.training.run import Run

__all__ = [
    "CharrnnError",
    "CheckpointError",
    "DivergedError",
    "InputError",
    "Model",
    "Run",
    "StuckError",
    "cell",
    "export",
    "load",
    "mix",
    "resume",
    "train",
]

__version__ = "0.1.0"

_PLACES = {
    "CharrnnError": "charrnn.errors",
    "CheckpointError": "charrnn.errors",
    "DivergedError": "charrnn.errors",
    "InputError": "charrnn.errors",
    "Model": "charrnn.runs.model",
    "Run": "charrnn.training.run",
    "StuckError": "charrnn.errors",
    "cell": "charrnn.library",
    "export": "charrnn.exporting",
    "load": "charrnn.runs.model",
    "mix": "charrnn.runs.mixture",
    "resume": "charrnn.library",
    "train": "charrnn.library",
}


def __getattr__(name: str) -> Any:
    """Import a name when it is first used, since NumPy takes longer than everything else."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_PLACES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, *(name for name in globals() if name.startswith("__"))]
