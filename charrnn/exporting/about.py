"""What an exported file says besides weights: how characters become numbers, and the settings."""

import json
from typing import Any

from charrnn import __version__
from charrnn.runs.model import Model
from charrnn.tasks.lm import TextSpec

__all__ = ["KEY", "about", "metadata"]

KEY = "charrnn"
"""The one entry of a file's metadata: its text is JSON. (Of several, safetensors would write one
or another first, and equal models would make different files.)"""


def about(model: Model) -> dict[str, Any]:
    """Plain values: no path of the machine that it was trained on is among them.

    ``vocabulary`` of a language model has ``level`` and ``codes``, the code point (or byte) of each
    number; other tasks have their ``spec`` (docs/checkpoint-format.md). An average of networks has
    their number.
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
