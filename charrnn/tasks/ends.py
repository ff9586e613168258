"""Texts whose end fits their beginning, like a tune whose last bar is completed by its pickup.

At the end of a text, a recurrent network hardly remembers how the text began. But it can tell which
beginning would follow from the end. So in training a text continues after its end with its own
opening, and of several texts that are written, one is kept at random, with probabilities
proportional to

    w = P(opening | the rest of the text, its end) / P(opening | what comes before it)

(sampling importance resampling: Rubin, 1988, "Using the SIR algorithm to simulate posterior
distributions"). "The rest" lacks the opening, so that nothing can be remembered. Whether this is
done is decided by the validation texts (:func:`ends_fit`).
"""

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from charrnn.nn.conditional import Labelled
from charrnn.nn.types import Array
from charrnn.tasks.chance import surely_gains
from charrnn.tasks.examples import padded, together
from charrnn.text.alphabet import END, START, UNKNOWN, Alphabet

__all__ = ["CANDIDATES", "JUDGED", "OPENING", "drawn", "ends_fit", "log_weights", "split"]

OPENING = 8
"""The symbols of an opening, at most."""

CANDIDATES = 8
"""How many texts are written for one that is kept."""

JUDGED, FEWEST = 128, 16
"""How many validation texts decide, at most; with fewer than the second number, none do."""

TOGETHER = 32
"""How many texts are read at a time: with more, most of the time is spent on getting memory."""

Nats = Callable[[Labelled], Array]
"""The loss of each sequence of a batch, ``(B,)``."""

FIELD = re.compile(r"[^\W\d_]\w*:(?![|:/])")
"""How a line begins that is not yet part of the text itself, such as ``K:D Major``."""


class Parts(NamedTuple):
    """A text in symbols: what comes before its opening, the opening, and the rest."""

    before: Array
    opening: Array
    rest: Array


def split(ids: Array, alphabet: Alphabet) -> Parts:
    """The parts of a text ``(T,)``: the opening begins with the first line that is neither blank
    nor a field; with the text, if there is no other line.
    """
    ends = np.flatnonzero((ids == alphabet.encode("\n")) & (ids != UNKNOWN)) + 1
    place = 0
    for begin, end in pairwise([0, *ends.tolist(), len(ids)]):
        line = alphabet.decode(ids[begin:end])
        if line.strip() and not FIELD.match(line):
            place = begin
            break
    return Parts(ids[:place], ids[place : place + OPENING], ids[place + OPENING :])


def log_weights(texts: Sequence[Array], labels: Array, alphabet: Alphabet, nats: Nats) -> Array:
    """ln w of each text, ``(N,)``; 0 for a text without characters.

    Args:
        texts: the symbols of each, without start or end.
        labels: ``(N,)`` the numbers of the texts' labels.
    """
    parts = [split(text, alphabet) for text in texts]
    return _in_place(parts, labels, nats) - _after(parts, parts, labels, nats)


def ends_fit(texts: Sequence[Array], labels: Array, alphabet: Alphabet, nats: Nats) -> bool:
    """Whether the ends of these texts fit their beginnings; arguments as for :func:`log_weights`.

    An opening must surely be likelier after its own text's end than in its place, and than after
    the end of another text with the same label: what else the network knows of openings is not the
    end's merit.
    """
    following = np.arange(len(texts))
    for label in np.unique(labels):
        alike = np.flatnonzero(labels == label)
        following[alike] = np.roll(alike, 1)
    some = np.flatnonzero(following != np.arange(len(texts)))
    if len(some) < FEWEST:
        return False
    split_up = [split(text, alphabet) for text in texts]
    parts, others = [split_up[k] for k in some], [split_up[k] for k in following[some]]
    labels = labels[some]
    own = _after(parts, parts, labels, nats)
    return surely_gains(_in_place(parts, labels, nats) - own) and surely_gains(
        _after(others, parts, labels, nats) - own
    )


def _in_place(parts: Sequence[Parts], labels: Array, nats: Nats) -> Array:
    """-ln P(opening | what comes before it) of each text, ``(N,)``."""
    read = [np.r_[START, own.before, own.opening] for own in parts]
    return _of_last(read, [len(own.opening) for own in parts], labels, nats)


def _after(texts: Sequence[Parts], openings: Sequence[Parts], labels: Array, nats: Nats) -> Array:
    """-ln P(opening | the rest of a text, its end) for openings of these or other texts."""
    pairs = zip(texts, openings, strict=True)
    read = [np.r_[START, one.before, one.rest, END, other.opening] for one, other in pairs]
    return _of_last(read, [len(other.opening) for other in openings], labels, nats)


def _of_last(sequences: Sequence[Array], count: Sequence[int], labels: Array, nats: Nats) -> Array:
    """The loss of the last ``count`` symbols of each sequence, ``(N,)``."""
    found = np.zeros(len(sequences))
    asked = [k for k, own in enumerate(count) if own]
    for group in together([len(sequences[k]) for k in asked], TOGETHER):
        some = [asked[k] for k in group]
        x, lengths = padded([sequences[k] for k in some])
        since = lengths - 1 - np.array([count[k] for k in some])
        found[some] = nats(Labelled(labels[some], x[:-1], x[1:], lengths - 1, True, since))
    return found


def drawn(weights: Array, ended: Sequence[bool], u: float) -> int:
    """The place of the text that is kept; the first, if none has ended or none can be weighed.

    Args:
        weights: ``(n,)`` ln w.
        ended: which texts have ended by themselves; the others are kept only if none has.
        u: a random number from [0, 1).
    """
    allowed = np.where(np.isfinite(weights) & ended, weights, -np.inf)
    if np.isneginf(allowed).all():
        return 0
    heights = np.cumsum(np.exp(allowed - allowed.max()))
    return int(np.searchsorted(heights, u * heights[-1], side="right"))
