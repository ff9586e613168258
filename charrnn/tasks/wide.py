"""The sparse features of examples, for the linear map beside the recurrence."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from charrnn.nn.parameters import Parameters
from charrnn.nn.types import Array
from charrnn.nn.wide import Features
from charrnn.text.hashed import buckets_of

__all__ = [
    "WEIGHTS",
    "begin_map",
    "buckets_for",
    "buckets_in",
    "features_of",
    "first_weights",
    "thinned",
    "to_count",
]

R = TypeVar("R")

SCALE = 4.0
"""The length of each row of features. Adam's steps are of one size whatever the gradient is, so
this decides how fast the map learns beside the rest of the network."""

DROPPED = 0.5
"""The part of the features that each update leaves out. Wager, Wang and Liang (2013), "Dropout
training as adaptive regularization"."""

WEIGHTS = 1 << 20
"""Of the map, at most, by default."""

ALONE = 0.5
"""The part of the examples from which each update leaves out all features. The map fits the rows
trained on from the beginning, and would leave the recurrence nothing to learn from them."""

LEAST = 1 << 6

SAMPLE = 1 << 22
"""Hashes that are enough to tell how many buckets are wanted."""

SMOOTHING, SHARE = 0.1, 0.2
"""Of naive Bayes, with which the map begins: what is added to a label's count, and the part of its
logarithms that is taken, as features that go together are all counted."""

COUNTED = 1 << 15
"""Examples that the first weights are counted from, at most."""

TOGETHER = 1 << 12
"""Examples counted at a time."""


def buckets_for(hashes: Iterable[Array], outputs: int, weights: int) -> int:
    """How many buckets: two for each distinct feature, a power of two, at most ``weights`` in all.

    Args:
        hashes: of the training examples.
        outputs: weights of a bucket.
        weights: those that there may be; 0 for no such map.
    """
    if not weights:
        return 0
    some: list[Array] = []
    count = 0
    for own in hashes:
        some.append(own)
        count += len(own)
        if count > SAMPLE:
            break
    distinct = len(np.unique(np.concatenate(some))) if some else 0
    wanted = 1 << max(LEAST - 1, 2 * distinct - 1).bit_length()
    most = 1 << max(1, weights // outputs).bit_length() - 1
    return int(min(wanted, most))


def buckets_in(header: Mapping[str, Any]) -> int:
    """How many buckets a checkpoint notes; 0 where it has no such map.

    Raises:
        ValueError: it is no such number.
    """
    buckets = header.get("buckets", 0)
    if type(buckets) is not int or buckets < 0:
        raise ValueError("the number of buckets must be a whole number")
    return buckets


def features_of(hashes: Sequence[Array], size: int) -> Features:
    """A row for each example: 1 + ln(count) in each of its buckets, the row of length ``SCALE``.

    Args:
        hashes: of each example's features.
        size: how many buckets there are.
    """
    row = np.repeat(np.arange(len(hashes)), [len(own) for own in hashes])
    place, count = np.unique(
        row * size + buckets_of(np.concatenate(hashes), size), return_counts=True
    )
    row, column = np.divmod(place, size)
    value = 1 + np.log(count)
    length = np.sqrt(np.bincount(row, value * value, minlength=len(hashes)))
    return Features(len(hashes), row, column, (value * (SCALE / length[row])).astype(np.float32))


def thinned(features: Features, rng: np.random.Generator | None) -> Features:
    """The same with some left out, and of some rows all, and the others larger, while training."""
    if rng is None:
        return features
    kept = rng.random(len(features.column)) >= DROPPED
    kept &= (rng.random(features.count) >= ALONE)[features.row]
    return Features(
        features.count,
        features.row[kept],
        features.column[kept],
        features.value[kept] / np.float32(1 - DROPPED),
    )


def first_weights(
    hashes: Iterable[Array], yes: npt.NDArray[np.bool_], size: int, *, exclusive: bool
) -> Array:
    """Where the map begins, ``(size, K)``: at a part of what naive Bayes says of each feature.

    ln P(k | feature) - ln P(k), which is 0 of a feature that tells nothing; of labels that do not
    exclude each other, less the same of not having k. Wang and Manning (2012), "Baselines and
    bigrams", have the idea.

    Args:
        hashes: of N examples' features.
        yes: ``(N, K)``, which labels they have.
        size: how many buckets there are.
        exclusive: whether an example has one label.
    """
    labels = yes.shape[1]
    counts, every = np.zeros((size, labels)), np.zeros((size, 1))
    examples, start = iter(hashes), 0
    while some := list(islice(examples, TOGETHER)):
        features = features_of(some, size)
        own = yes[start : start + len(some)][features.row]
        every[:, 0] += np.bincount(features.column, minlength=size)
        for k in range(labels):
            counts[:, k] += np.bincount(features.column[own[:, k]], minlength=size)
        start += len(some)
    part = (yes.sum(axis=0) + SMOOTHING) / (len(yes) + SMOOTHING * labels)
    W = _told(counts, every, part, SMOOTHING * labels)
    if not exclusive:
        W -= _told(every - counts, every, 1 - part, SMOOTHING * labels)
    return SHARE * W


def begin_map(
    parameters: Parameters,
    hashes: Iterable[Array],
    yes: npt.NDArray[np.bool_],
    *,
    exclusive: bool,
) -> None:
    """Write :func:`first_weights` into the map; the arguments are as there.

    Args:
        parameters: fresh ones, with ``wide.W`` ``(D, K)``.
    """
    W = parameters["wide.W"]
    W[...] = first_weights(hashes, yes, len(W), exclusive=exclusive)


def to_count(rows: Sequence[R]) -> Sequence[R]:
    """Rows from all over that are enough for the first weights."""
    return rows[:: -(-len(rows) // COUNTED)]


def _told(counts: Array, every: Array, part: Array, prior: float) -> Array:
    """ln P(k | feature) - ln P(k), ``prior`` examples being added that go by P(k) = ``part``."""
    found: Array = np.log((counts + prior * part) / ((every + prior) * part))
    return found
