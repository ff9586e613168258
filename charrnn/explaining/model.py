"""A step of a trained language model, explained."""

from dataclasses import replace

import numpy as np

from charrnn.errors import InputError
from charrnn.explaining.lines import Explanation
from charrnn.explaining.step import explain_step
from charrnn.runs.model import Model
from charrnn.tasks.lm import opening_of

__all__ = ["explain_model"]

ESCAPES = {r"\n": "\n", r"\t": "\t", r"\r": "\r"}
"""How characters can be given that are hard to type in a shell."""


def explain_model(
    model: Model, prime: str = "", follows: str | None = None, layer: int | None = None
) -> Explanation:
    """Explain the step that reads the last character of ``prime``, and its loss's gradients.

    Args:
        model: a language model.
        prime: the text to read, from where :meth:`Model.sample` begins; by default a line end.
        follows: the character that comes next (at byte level its first byte); ``\\n``, ``\\t`` and
            ``\\r`` stand for control characters. By default the likeliest.
        layer: the layer that is shown, from 0; by default the top one.

    Raises:
        InputError: the model is of another kind, lacks a character, or has no such layer.
        DivergedError: a number is not finite.
    """
    vocabulary, count = model.vocabulary, model.config.layers
    if model.members > 1:
        raise InputError(
            f"{model.path} is the average of {model.members} networks",
            "explain shows one of them: model.member(1)",
        )
    if model.config.loss != "softmax":
        raise InputError(
            f"{model.path} was trained with loss={model.config.loss}",
            "explain needs a softmax output: train without that variant",
        )
    top = max(count - 1, 0)
    layer = top if layer is None else layer
    if not 0 <= layer <= top:
        there = f"the layers 0 to {top}" if top else "one layer, 0" if count else "no layers"
        raise InputError(f"there is no layer {layer}: {model.path} has {there}")
    ids = vocabulary.encode_text(prime, "the prime")
    state = model.network.zero_state(1) if len(ids) else opening_of(model)
    ids = ids if len(ids) else np.array([vocabulary.start])
    target = None if follows is None else _number(model, follows)
    found = explain_step(model.network, model.parameters, ids, state, target=target, layer=layer)
    for section in found.sections:
        for line in section.lines:
            model.check_finite(line.value)
    names = [_name(code, vocabulary.level) for code in vocabulary.codes]

    def character(number: int | None) -> dict[str, object]:
        at = number or 0
        return {"number": at, "code": vocabulary.codes[at], "name": names[at]}

    facts = {
        "model": str(model.path),
        "cell": model.config.cell,
        "layers": count,
        "layer": layer if count else None,
        "hidden": model.config.hidden,
        "level": vocabulary.level,
        "known": len(vocabulary),
        "prime": prime,
        "read": character(found.read),
        "next": character(found.target) | {"given": follows is not None},
        "outputs": [character(number) for number in found.characters],
    }
    return replace(found, names=names, facts=facts)


def _number(model: Model, follows: str) -> int:
    """The number of the character that comes next."""
    follows = ESCAPES.get(follows, follows)
    if len(follows) != 1:
        raise InputError(
            f"the next character must be one character, got {follows!r}",
            "give the character that comes after the prime",
        )
    return int(model.vocabulary.encode_text(follows, "the next character")[0])


def _name(code: int, level: str) -> str:
    """A character as Python writes it, safe for a terminal; a byte likewise."""
    return f"0x{code:02x}" if level == "byte" and not 32 <= code < 127 else repr(chr(code))
