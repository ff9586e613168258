"""Whether a model already knows the kind of text that it is to learn."""

import numpy as np
import numpy.typing as npt

from charrnn.baselines.ngrams import KneserNey
from charrnn.runs.model import Model
from charrnn.text.corpora import encoded
from charrnn.text.view import View
from charrnn.text.vocab import Vocabulary

__all__ = ["familiar"]

COUNTED, SCORED = 1 << 18, 1 << 12
"""Characters of the training text that are counted, and of the text after it that are scored."""


def familiar(model: Model, codes: npt.NDArray[np.integer] | View, start: int) -> bool:
    """Whether a language model predicts a text better than the bigrams of that text do.

    Args:
        model: what a training will begin with.
        codes: ``(N,)`` the code points (or bytes) of the new text.
        start: where its validation set begins.
    """
    level = model.config.level
    split = start if start < len(codes) else max(1, start - min(SCORED, start // 10))
    train = np.asarray(codes[max(0, split - COUNTED) : split])
    text = np.asarray(codes[split : split + SCORED])
    if not len(text):
        return False
    both = np.concatenate([train, text])
    vocabulary = Vocabulary.of(level, both)
    ids = np.asarray(vocabulary.numbers(both))
    bigrams = KneserNey(ids[: len(train)], len(vocabulary), order=2)
    p, _ = bigrams.probabilities(ids, len(train), order=2)
    own = model.score(encoded(text, level).decode("utf-8", "replace"))
    return float(own.nats.mean()) < float(-np.log(p).mean())
