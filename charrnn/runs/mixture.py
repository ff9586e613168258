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
    """Some language models as one.

    Attributes:
        models: of which it consists.
        weights: of each, 1 together.
        vocabulary: the characters of all. A model that lacks one never expects it, and reads a line
            end in its place.
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
        """What writes texts with it.

        Raises:
            InputError: no model knows the prime's characters, or a label is wanted.
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
            InputError: one is not there, and none is named.
        """
        models = self.models[:1] if train else self.models
        return tuple(codes_trained_on(model, train) for model in models)

    def score(self, text: str) -> Characters:
        """What each character of a text costs, in nats; errors as :meth:`Model.score`."""
        nats = [model.score(text).nats for model in self.models]
        return Characters(text, mean_nats(nats, self.weights))


def mix(models: Sequence[Model], weights: Sequence[float] | None = None) -> Mixture:
    """Several language models as one, which writes and scores.

    A character's probability is the mean of those that the models give it. Their vocabularies may
    differ: they are joined by character.

    Args:
        models: language models, at least one, all of characters or all of bytes.
        weights: of each; only their ratios count. All alike, if not given.

    Raises:
        InputError: the models or the weights will not do.
    """
    models = list(models)
    if not models or not all(isinstance(model, Model) for model in models):
        raise InputError("mix needs a list of models", "charrnn.mix([a, b])")
    return Mixture(models, [1.0] * len(models) if weights is None else list(weights))


def shares(count: int, weights: Sequence[float]) -> tuple[float, ...]:
    """Weights that are 1 together.

    Raises:
        InputError: there are not so many, or one is not a positive number.
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
