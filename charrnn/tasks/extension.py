"""Train a model on a text with characters that it lacks: it learns these, and forgets none.

A vocabulary is sorted, so a new character shifts those after it. Rows and columns of the weights
are carried over by code point, on every axis whose length changes with the vocabulary. The weights
that read a new character are drawn at random; those that predict it are the mean of the old ones,
so that its probability is at most 1/V (docs/log.md compares other initial weights).
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
    """A spec whose symbols are characters, each with weights of its own.

    Tasks that train on a sign for unknown characters need no extension.
    """

    def symbols(self) -> Array: ...  # (V,) ascending: code points; signs are negative
    def extended(self, found: Self) -> Self: ...  # with what another spec knows


def extended_spec(spec: Any, data: Data) -> Any:
    """A model's spec extended by the characters of ``data``; ``spec`` itself if there are none.

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
    """A trained model's spec and weights, extended by the characters of ``data`` that it lacks.

    Args:
        spec, parameters: those of the trained model; they are not changed.
        config: the settings of the new run; its seed decides the new weights.

    Returns:
        A spec, the weights of its network, and notes for the user. Without new characters these are
        ``parameters`` themselves and no notes.

    Raises:
        ValueError: ``parameters`` do not fit the network of ``config``, or the data are of another
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
    # The size is part of the seed: a run often has the same seed as the one it continues, and a new
    # character must not get the very row that another one began with there.
    rng = np.random.default_rng([config.seed, FRESH, len(old)])
    fresh = wanted.model(config).init(rng, parameters.dtype)
    # The new place of each old symbol: both are sorted, and the new include the old.
    places = np.searchsorted(new, old)
    _carry_over(parameters, fresh, places)
    _predict_as_the_mean(fresh, places)
    note = f"{len(codes)} new character{'s' * (len(codes) > 1)}: {name_characters(codes)}"
    return wanted, fresh, (note,)


def _carry_over(parameters: Parameters, fresh: Parameters, places: Array) -> None:
    """Overwrite ``fresh`` by the weights of the V old symbols, which are now at ``places`` (V,).

    The networks differ only in the number of symbols, so an axis counts symbols if its length
    differs. Which tensors these are need not be known here: the rows of the embedding or of the
    first ``W_x``, the columns of the head, and without layers its rows.
    """
    for name, old in parameters.items():
        lengths = zip(old.shape, fresh.shapes[name], strict=True)
        axes = [places if before != now else np.arange(now) for before, now in lengths]
        fresh[name][np.ix_(*axes)] = old


def _predict_as_the_mean(fresh: Parameters, places: Array) -> None:
    """Give new symbols the mean of the old symbols' columns and biases in the head.

    Hewitt (2021), "Initializing new word embeddings for pretrained language models": the logit of
    each new symbol is the mean of the V old logits, so that its probability is never above 1/V, and
    n of them add at most ln(1 + n/V) to a loss, and far less where the model is sure. Random
    columns did several times that harm, even with a bias below the lowest old one, and learnt a new
    text no better. It does not matter that the new columns are equal: the first targets separate
    them.
    """
    added = np.delete(np.arange(fresh["head.b"].size), places)
    for name in {"head.W", "head.b"} & set(fresh):  # a tied head uses the embedding's rows
        fresh[name][..., added] = fresh[name][..., places].mean(axis=-1, keepdims=True)
