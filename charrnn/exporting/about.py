"""What an exported file contains besides weights: the characters' numbers, and the settings."""

import json
from typing import Any

from charrnn import __version__
from charrnn.runs.model import Model
from charrnn.tasks.lm import TextSpec

__all__ = ["KEY", "about", "metadata"]

KEY = "charrnn"
"""The only entry of a file's metadata, a JSON text. (With several, safetensors would write them
in varying order, and equal models would make different files.)"""


def about(model: Model) -> dict[str, Any]:
    """Plain values, without any path of the machine that the model was trained on.

    For a language model, ``vocabulary`` has ``level`` and ``codes``, the code point (or byte) of
    each number; other tasks have their ``spec`` (docs/checkpoint-format.md). An average of networks
    has their number.
    """
    spec = model.spec
    if isinstance(spec, TextSpec):
        vocabulary = {"level": spec.vocabulary.level, "codes": list(spec.vocabulary.codes)}
        known: dict[str, Any] = {"vocabulary": vocabulary}
    else:
        known = {"spec": spec.to_header()}
    config = model.config
    if model.members > 1:
        known["members"] = model.members
    return {"version": __version__, "task": config.task, **known, "settings": config.to_json()}


def metadata(model: Model) -> dict[str, str]:
    """:func:`about` for a format whose metadata are texts by name; ASCII, with escapes."""
    return {KEY: json.dumps(about(model))}
