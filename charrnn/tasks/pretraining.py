"""Begin a classifier or a tagger with the recurrent layers of a language model.

The layers learn from texts without labels, of which there may be many more. Dai and Le (2015),
"Semi-supervised sequence learning"; Howard and Ruder (2018), "Universal language model fine-tuning
for text classification".
"""

from typing import Any

import numpy as np

from charrnn.errors import InputError
from charrnn.nn.parameters import Parameters
from charrnn.tasks.base import Trained
from charrnn.text.alphabet import NUM_SIGNS
from charrnn.text.vocab import name_characters

__all__ = ["carry_layers", "settings_of_layers"]


def settings_of_layers(model: Trained) -> dict[str, object]:
    """The settings of a task whose recurrent layers are those of a language model.

    Raises:
        InputError: the model has no recurrent layers.
    """
    config = model.config
    if not config.layers:
        raise InputError(
            f"{model.name} has no recurrent layers to begin with",
            "train a language model with --layers 1 or more",
        )
    embedding = config.hidden if config.head == "tied" else config.embedding
    names = ("cell", "layers", "hidden", "level")
    return {name: getattr(config, name) for name in names} | {"embedding": embedding}


def carry_layers(model: Trained, fresh: Parameters, spec: Any) -> str:
    """Overwrite the layers that read ahead by those of a language model.

    The language model's outputs are those of these layers at first: in a network of both directions
    they begin with zero weights for what the layers below have read backwards. Characters that the
    language model lacks keep their random weights, and so do the signs for a text's ends.

    Args:
        model: the language model, of V characters.
        fresh: the weights of the task's network, of the same :func:`settings_of_layers`; changed.
            Its first matrix is ``(3 + V', ·)``: three signs, then the V' characters of ``spec``.
        spec: what the task knows, with the alphabet of its texts.

    Returns:
        A note for the user.
    """
    old, codes = model.parameters, model.spec.symbols()
    own = np.array(spec.alphabet.vocabulary.codes)
    both = np.isin(own, codes)
    places, old_places = NUM_SIGNS + np.flatnonzero(both), np.searchsorted(codes, own[both])
    by_character = "embedding.W" if "embedding.W" in old else "body.0.W_x"
    for name, weights in old.items():
        if not name.startswith(("embedding.", "body.")):
            continue
        layer, _, rest = name.rpartition(".")
        target = fresh[name if name in fresh else f"{layer}.ahead.{rest}"]
        if name == by_character:
            target[places] = weights[old_places]
        else:
            target[...] = 0
            target[: len(weights)] = weights
    new = own[~both].tolist()
    lacks = f"; characters that it lacks: {name_characters(new)}" if new else ""
    return f"the recurrent layers begin as those of {model.name}{lacks}"
