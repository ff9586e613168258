"""The sparse features of examples, for the linear map beside the recurrence."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from charrnn.nn.types import Array
from charrnn.nn.wide import Features
from charrnn.text.hashed import buckets_of

__all__ = ["WEIGHTS", "buckets_for", "buckets_in", "features_of", "thinned"]

SCALE = 4.0
"""The length of each row of features. Adam's steps are of one size whatever the gradient is, so
this decides how fast the map learns beside the rest of the network."""

DROPPED = 0.5
"""The part of the features that each update leaves out. Wager, Wang and Liang (2013), "Dropout
training as adaptive regularization"."""

WEIGHTS = 1 << 20
"""Of the map, at most, by default."""

LEAST = 1 << 6

SAMPLE = 1 << 22
"""Hashes that are enough to tell how many buckets are wanted."""


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
    for own in hashes:
        some.append(own)
        if len(some) * len(own) > SAMPLE:
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
    rows, columns, values = [], [], []
    for row, own in enumerate(hashes):
        column, count = np.unique(buckets_of(own, size), return_counts=True)
        value = 1 + np.log(count)
        rows.append(np.full(len(column), row))
        columns.append(column)
        values.append(value * (SCALE / np.sqrt(np.dot(value, value))))
    return Features(
        len(hashes),
        np.concatenate(rows),
        np.concatenate(columns),
        np.concatenate(values).astype(np.float32),
    )


def thinned(features: Features, rng: np.random.Generator | None) -> Features:
    """The same with some left out and the others made larger, while training."""
    if rng is None:
        return features
    kept = rng.random(len(features.column)) >= DROPPED
    return Features(
        features.count,
        features.row[kept],
        features.column[kept],
        features.value[kept] / np.float32(1 - DROPPED),
    )
