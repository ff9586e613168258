"""The sparse features of examples, for the linear map beside the recurrence."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from charrnn.nn.types import Array
from charrnn.nn.wide import Features, wide_forward
from charrnn.text.hashed import CHARACTERS, buckets_of

__all__ = [
    "WEIGHTS",
    "buckets_for",
    "features_of",
    "map_in",
    "mapped",
    "ngrams_in",
    "thinned",
    "without",
]

R = TypeVar("R")

SCALE = 4.0
"""The length of each row of features. Adam's steps do not depend on the size of a gradient, so
this decides how fast the map learns compared with the rest of the network."""

DROPPED = 0.5
"""The share of features that each update leaves out, where the map learns together with the
recurrence (with ``--init-from``). Wager, Wang and Liang (2013), "Dropout training as adaptive
regularization"."""

WEIGHTS = 1 << 22
"""The most weights of the map, by default."""

ALONE = 0.5
"""The share of examples from which each update leaves out all features. The map fits the
training rows from the beginning, and would leave the recurrence nothing to learn from them."""

LEAST = 1 << 6

AT_ONCE = 1 << 20
"""Products of features and outputs that are computed together."""

SAMPLE, SAMPLES = 1 << 22, 8
"""Hashes that are counted together, and how often at most: more rows have few new ones."""


def buckets_for(hashes: Iterable[Array], outputs: int, weights: int) -> int:
    """The number of buckets: two for each distinct feature, a power of two, limited by ``weights``.

    Args:
        hashes: the hashes of the training examples.
        outputs: the weights of a bucket.
        weights: the most weights; 0 means no such map.
    """
    if not weights:
        return 0
    most = 1 << max(1, weights // outputs).bit_length() - 1
    distinct = np.empty(0, dtype=np.uint64)
    for some in islice(_grouped(hashes, SAMPLE), SAMPLES):
        distinct = np.union1d(distinct, np.concatenate(some))
        if 4 * len(distinct) > most:
            return most
    wanted = 1 << max(LEAST - 1, 2 * len(distinct) - 1).bit_length()
    return int(min(wanted, most))


def map_in(header: Mapping[str, Any]) -> tuple[int, str]:
    """The number of buckets that a checkpoint notes, 0 without a map, and what it was fitted to.

    Raises:
        ValueError: the entries are not valid.
    """
    buckets, fitted = header.get("buckets", 0), header.get("fitted", "")
    if type(buckets) is not int or buckets < 0 or not isinstance(fitted, str):
        raise ValueError("the number of buckets must be a whole number")
    return buckets, fitted


def ngrams_in(header: Mapping[str, Any]) -> int:
    """The length of the longest n-grams that are mapped, by the notes of a checkpoint.

    Raises:
        ValueError: the entry is not valid.
    """
    longest = header.get("ngrams", CHARACTERS)
    if type(longest) is not int or longest < 1:
        raise ValueError("the length of the longest n-grams must be a whole number above 0")
    return longest


def features_of(hashes: Sequence[Array], size: int) -> Features:
    """A row for each example: 1 + ln(count) in each of its buckets, the row of length ``SCALE``.

    Args:
        hashes: the feature hashes of each example.
        size: the number of buckets.
    """
    row = np.repeat(np.arange(len(hashes)), [len(own) for own in hashes])
    place, count = np.unique(
        row * size + buckets_of(np.concatenate(hashes), size), return_counts=True
    )
    row, column = np.divmod(place, size)
    value = 1 + np.log(count)
    length = np.sqrt(np.bincount(row, value * value, minlength=len(hashes)))
    return Features(len(hashes), row, column, (value * (SCALE / length[row])).astype(np.float32))


def mapped(W: Array, hashes: Iterable[Array]) -> Array:
    """What a map ``(D, K)`` says of targets with these feature hashes, ``(N, K)``."""
    found = [np.zeros((0, W.shape[1]))]
    for some in _grouped(hashes, AT_ONCE // W.shape[1]):
        found.append(wide_forward(W, features_of(some, len(W))))
    return np.concatenate(found)


def _grouped(hashes: Iterable[Array], size: int) -> Iterator[list[Array]]:
    """Groups of targets' hashes, each as soon as it has ``size`` hashes."""
    some, count = list[Array](), 0
    for own in hashes:
        some.append(own)
        count += len(own)
        if count >= size:
            yield some
            some, count = [], 0
    if some:
        yield some


def thinned(features: Features, rng: np.random.Generator | None) -> Features:
    """The features of an update: some rows empty, others without some features, scaled up."""
    if rng is None:
        return features
    there = (rng.random(features.count) >= ALONE)[features.row]
    return without(_chosen(features, there), DROPPED, rng)


def without(features: Features, part: float, rng: np.random.Generator) -> Features:
    """The features without a random part of them, the others scaled up."""
    if not part:
        return features
    kept = _chosen(features, rng.random(len(features.column)) >= part)
    return replace(kept, value=kept.value / np.float32(1 - part))


def _chosen(features: Features, which: npt.NDArray[np.bool_]) -> Features:
    row, column, value = features.row[which], features.column[which], features.value[which]
    return Features(features.count, row, column, value)
