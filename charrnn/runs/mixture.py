"""Several language models as one: the mean of their probabilities, character by character."""

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.errors import InputError, as_type
from charrnn.evaluation.characters import Characters
from charrnn.evaluation.mixture import mean_nats
from charrnn.runs.model import Model
from charrnn.runs.trained_on import codes_trained_on
from charrnn.runs.writes import Writes
from charrnn.sampling.voices import MixedVoice, ModelVoice
from charrnn.tasks.lm import opening_of
from charrnn.tasks.writing import Author, Wanted, begun
from charrnn.text.counts import counted
from charrnn.text.items import Items
from charrnn.text.vocab import Vocabulary

__all__ = ["Mixture", "mix", "shares"]


class Mixture(Writes):
    """Several language models used as one.

    Attributes:
        models: the models of the mixture.
        weights: the weight of each model; they sum to 1.
        vocabulary: the characters of all models. A model that lacks a character gives it no
            probability, and reads a line end in its place.
    """

    def __init__(self, models: Sequence[Model], weights: Sequence[float]) -> None:
        self.models, self.weights = tuple(models), shares(len(models), weights)
        vocabularies = [model.vocabulary for model in self.models]  # which refuses other tasks
        if len({vocabulary.level for vocabulary in vocabularies}) > 1:
            raise InputError("a model of characters and a model of bytes cannot be mixed")
        self.vocabulary: Vocabulary = reduce(Vocabulary.union, vocabularies)

    def __repr__(self) -> str:
        parts = ", ".join(
            f"{weight:.3g} × {model.path}"
            for weight, model in zip(self.weights, self.models, strict=True)
        )
        return f"<Mixture of {parts}; {len(self.vocabulary)} characters>"

    def author(self, wanted: Wanted) -> Author:
        """Return what writes texts with the mixture.

        Raises:
            InputError: no model knows the prime's characters, or a label is asked for.
        """
        if wanted.label is not None:
            raise InputError("language models know no labels", "leave out --label")
        ids, prime, left_out = begun(self.vocabulary, wanted)
        voices = [
            ModelVoice(model.network, model.parameters, None if len(ids) else opening_of(model))
            for model in self.models
        ]
        found = [_table(self.vocabulary, model.vocabulary) for model in self.models]
        tables, known = zip(*found, strict=True)
        start = ids if len(ids) else np.array([self.vocabulary.start])
        voice = MixedVoice(voices, tables, known, self.weights)
        items = reduce(Items.union, (model.spec.items for model in self.models))
        return Author(voice, start, prime, self.vocabulary, left_out=left_out, items=items)

    def trained_on(self, train: Sequence[str] = ()) -> tuple[npt.NDArray[Any], ...]:
        """Code points or bytes of the models' training texts, or of the files that hold them.

        Raises:
            InputError: a training text is missing, and no file is named.
        """
        models = self.models[:1] if train else self.models
        return tuple(codes_trained_on(model, train) for model in models)

    def score(self, text: str) -> Characters:
        """The loss of each character of a text, in nats; errors as :meth:`Model.score`."""
        nats = [model.score(text).nats for model in self.models]
        return Characters(text, mean_nats(nats, self.weights))


def mix(models: Sequence[Model], weights: Sequence[float] | None = None) -> Mixture:
    """Make one model of several language models, which writes and scores.

    A character's probability is the mean of those that the models give it. Their vocabularies may
    differ: they are joined by character.

    Args:
        models: language models, at least one, all of characters or all of bytes.
        weights: the weight of each model; only their ratios count. Default: all equal.

    Raises:
        InputError: the models or the weights cannot be used.
    """
    models = list(models)
    if not models or not all(isinstance(model, Model) for model in models):
        raise InputError("mix needs a list of models", "charrnn.mix([a, b])")
    return Mixture(models, [1.0] * len(models) if weights is None else list(weights))


def shares(count: int, weights: Sequence[float]) -> tuple[float, ...]:
    """The weights, scaled to sum to 1.

    Raises:
        InputError: there is not one for each model, or one is not a positive number.
    """
    values = [as_type("a weight", weight, float) for weight in weights]
    if len(values) != count:
        raise InputError(
            f"{counted(len(values), 'weight')} for {count} models", "give one for each"
        )
    total = sum(values)
    if not all(0 < value < np.inf for value in values) or not total < np.inf:
        raise InputError("weights must be positive numbers")
    return tuple(value / total for value in values)


def _table(ours: Vocabulary, own: Vocabulary) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    """``(V,)`` what a model reads for each of our symbols; and whether it knows that."""
    codes = np.array(ours.codes)
    known = np.isin(codes, own.codes)
    table = np.full(len(codes), own.start, dtype=np.intp)
    table[known] = own.encode(codes[known])
    return table, known
