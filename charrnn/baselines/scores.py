"""Scoring a text with all baselines, to compare a network's score with."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from charrnn.baselines.compressors import COMPRESSORS, compressed_nats
from charrnn.baselines.ngrams import MOST_ORDER, KneserNey
from charrnn.text.corpora import encoded
from charrnn.text.escapes import escape
from charrnn.text.view import View
from charrnn.text.vocab import Vocabulary

__all__ = ["MOST_TRAINING", "Baseline", "affordable", "baselines", "capped", "ngram_name"]

Codes = npt.NDArray[Any]

MOST_TRAINING = 1 << 22
"""The most characters of the training text that are used, its last ones, to take only seconds."""

SPEED = 250_000
"""Training characters a second, for all baselines together, on a slow machine."""

NAMES = {1: "unigram", 2: "bigram"}


class Baseline(NamedTuple):
    """A baseline's mean loss for a character."""

    name: str
    nats: float


def baselines(
    train: Codes | View,
    text: Codes | View,
    vocabulary: Vocabulary,
    *,
    before: Codes | View | None = None,
    ngrams: KneserNey | None = None,
    most: int = MOST_TRAINING,
) -> list[Baseline]:
    """Score a text by n-grams and by compressors that know the training text.

    Args:
        train: ``(N,)`` code points or bytes, as :class:`charrnn.text.corpora.Corpus` has them.
        text: ``(M,)`` of the same kind, the text to score, at least one. Characters that the
            vocabulary lacks cost the n-grams what :mod:`charrnn.text.escapes` says; the compressors
            know all bytes.
        vocabulary: the vocabulary of the model that is compared.
        before: the text before it; if not given, the training text.
        ngrams: those of the training text, if they were counted already.
        most: how many characters of the training text are used, the last ones.

    Returns:
        Nats a character: unigram, bigram, interpolated Kneser–Ney of the order that suits the
        training text (:class:`charrnn.baselines.ngrams.KneserNey`), gzip, bz2, xz.
    """
    train, text = np.asarray(capped(train, most)), np.asarray(text)
    before = np.asarray((train if before is None else before)[-MOST_ORDER:])
    ngrams = ngrams or KneserNey(escape(vocabulary, train).ids, len(vocabulary))
    joined = escape(vocabulary, np.concatenate([before, text]))
    found = []
    for order in sorted({*NAMES, ngrams.order}):
        p, _ = ngrams.probabilities(joined.ids, len(before), order=order)
        nats = float(joined.charge(-np.log(p), len(before)).mean())
        found.append(Baseline(ngram_name(order), nats))
    known, new = (encoded(codes, vocabulary.level) for codes in (train, text))
    for name in COMPRESSORS:
        found.append(Baseline(name, compressed_nats(name, known, new) / len(text)))
    return found


def ngram_name(order: int) -> str:
    """The name of the n-grams of an order."""
    return NAMES.get(order, f"{order}-gram")


def affordable(size: int, seconds: float) -> tuple[int, float]:
    """How much of a training text can be used in ``seconds``, and the seconds that takes."""
    most = max(1, int(min(size, MOST_TRAINING, seconds * SPEED)))
    return most, most / SPEED


def capped(train: Codes | View, most: int = MOST_TRAINING) -> Codes | View:
    """The part of a training text that is used."""
    found: Codes | View = train[-most:]
    return found
