"""A trained model on a text with characters that it lacks: it learns them too, and forgets none.

A vocabulary is sorted, so a new character moves those behind it. Rows and columns of the weights
are carried over by code point, on every axis whose length changes with the vocabulary. What reads a
new character is drawn afresh; what predicts it is the mean of the old ones, so that its probability
is 1/V at most (docs/log.md compares other beginnings).
"""

from typing import Any, Protocol, Self, runtime_checkable

import numpy as np

from charrnn.nn.parameters import Parameters
from charrnn.nn.types import Array
from charrnn.tasks.base import FRESH, Data
from charrnn.tasks.config import Config
from charrnn.text.vocab import name_characters

__all__ = ["Extensible", "begin_from", "extended_spec"]


@runtime_checkable
class Extensible(Protocol):
    """A spec whose symbols are characters, each of which has weights of its own.

    Tasks that are trained to meet unknown characters as one sign need no extension.
    """

    def symbols(self) -> Array: ...  # (V,) ascending: code points, below zero the signs
    def extended(self, found: Self) -> Self: ...  # by what another spec knows


def extended_spec(spec: Any, data: Data) -> Any:
    """What a model knows and the characters of ``data``; ``spec`` itself if that adds nothing.

    Raises:
        ValueError: the data are of another level than the model.
    """
    if not isinstance(spec, Extensible):
        return spec
    extended = spec.extended(data.spec())  # type: ignore[arg-type]  # of the same task
    return spec if extended == spec else extended


def begin_from(
    spec: Any, parameters: Parameters, data: Data, config: Config
) -> tuple[Any, Parameters, tuple[str, ...]]:
    """A trained model's spec and weights, with the characters of ``data`` that it lacks.

    Args:
        spec, parameters: of the trained model; they stay as they are.
        config: the settings of the new run; its seed decides the new weights.

    Returns:
        A spec, the weights of its network, and notes for people. With no new character these are
        ``parameters`` themselves and no note.

    Raises:
        ValueError: ``parameters`` are not of the network of ``config``, or the data are of another
            level.
    """
    wanted = extended_spec(spec, data)
    if wanted is spec:
        return spec, parameters, ()
    old, new = spec.symbols(), wanted.symbols()
    codes = np.setdiff1d(new, old).tolist()
    if not codes:
        return wanted, parameters, ()
    if spec.model(config).shapes() != parameters.shapes:
        raise ValueError("the weights belong to another network than these settings")
    # The size is part of the seed: a run often has the seed of the one that it goes on from, and
    # a new character must not get the very row that another one began with there.
    rng = np.random.default_rng([config.seed, FRESH, len(old)])
    fresh = wanted.model(config).init(rng, parameters.dtype)
    # Where each old symbol stands now: both ascend, and the new have all of the old.
    places = np.searchsorted(new, old)
    _carry_over(parameters, fresh, places)
    _predict_as_the_mean(fresh, places)
    note = f"{len(codes)} new character{'s' * (len(codes) > 1)}: {name_characters(codes)}"
    return wanted, fresh, (note,)


def _carry_over(parameters: Parameters, fresh: Parameters, places: Array) -> None:
    """Overwrite ``fresh`` by what is known of the V old symbols, which stand at ``places`` (V,).

    The networks differ in the number of symbols alone, so an axis counts symbols if its length
    differs. Which tensors these are need not be known here: the rows of the embedding or of the
    first ``W_x``, the columns of the head, and with no layers its rows.
    """
    for name, old in parameters.items():
        lengths = zip(old.shape, fresh.shapes[name], strict=True)
        axes = [places if before != now else np.arange(now) for before, now in lengths]
        fresh[name][np.ix_(*axes)] = old


def _predict_as_the_mean(fresh: Parameters, places: Array) -> None:
    """Give the new symbols the mean of the old ones' columns and biases in the head.

    Hewitt (2021), "Initializing new word embeddings for pretrained language models": the logit of
    each new symbol is the mean of the V old logits, so that its probability is never above 1/V, and
    n of them add ln(1 + n/V) at most to a loss, and far less where the model is sure. Fresh columns
    did several times that harm, even under the lowest of the old biases, and learnt a new text no
    better. That the columns are alike is no matter: the first targets tell them apart.
    """
    added = np.delete(np.arange(fresh["head.b"].size), places)
    for name in {"head.W", "head.b"} & set(fresh):  # a tied head has the embedding's rows
        fresh[name][..., added] = fresh[name][..., places].mean(axis=-1, keepdims=True)
