"""Baseline for labelled texts: the n-grams of each label, mixed with those of all texts."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.baselines.ngrams import KneserNey
from charrnn.baselines.scores import ngram_name
from charrnn.evaluation.mixture import fit_weights

__all__ = ["Texts", "labelled_ngrams"]

Ids = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]


class Texts:
    """Texts one after the other, those of one label together.

    Args:
        texts: the symbols of each; the first symbol is given and all others are to be predicted.
        labels: ``(N,)``, the number of each text's label.
    """

    def __init__(self, texts: Sequence[Ids], labels: Ids) -> None:
        order = np.argsort(labels, kind="stable")
        lengths = np.array([len(texts[k]) for k in order])
        self.ids = np.concatenate([texts[k] for k in order])
        self.labels = np.repeat(labels[order], lengths)
        self.written = np.ones(len(self.ids), dtype=np.bool_)
        self.written[np.cumsum(lengths) - lengths] = False

    def of(self, label: int) -> slice:
        """The place of a label's texts."""
        return slice(*np.searchsorted(self.labels, (label, label + 1)).tolist())


def labelled_ngrams(
    train: tuple[Sequence[Ids], Ids],
    val: tuple[Sequence[Ids], Ids],
    test: tuple[Sequence[Ids], Ids],
    vocab_size: int,
) -> tuple[str, float]:
    """The loss of n-grams for a symbol of the test part.

    The probability of a symbol is p = w·p_all + (1 - w)·p_label, so that all texts help where those
    of the label say little. The weight is fitted to the validation set. If the weight from one half
    of it does not help the other half, the n-grams of all texts are used alone.

    Args:
        train, val, test: texts and labels, as for :class:`Texts`.
        vocab_size: the number of symbols.

    Returns:
        The name of the method, and its nats.
    """
    # The order of the n-grams is chosen on the last texts, which must not all have one label.
    rng = np.random.default_rng(0)
    order = rng.permutation(len(train[0]))
    texts, labels = [train[0][k] for k in order], train[1][order]
    everything = KneserNey(np.concatenate(texts), vocab_size)
    ours, parts = Texts(texts, labels), (Texts(*val), Texts(*test))
    shared = [everything.probabilities(part.ids)[0] for part in parts]
    own = [p.copy() for p in shared]
    for label in np.unique(labels).tolist():
        model = KneserNey(ours.ids[ours.of(label)], vocab_size)
        for part, p in zip(parts, own, strict=True):
            where = part.of(label)
            p[where], _ = model.probabilities(part.ids[where])
    (known, scored), half = (part.written for part in parts), rng.random(len(own[0])) < 0.5
    fitted, judged = known & half, known & ~half
    name = f"{ngram_name(everything.order)} of all texts"
    if not (fitted.any() and judged.any()):
        return name, _nats(shared[1], scored)
    mixed = _mixed(shared[0], own[0], _weight(shared[0], own[0], fitted))
    if _nats(mixed, judged) >= _nats(shared[0], judged):
        return name, _nats(shared[1], scored)
    mixed = _mixed(shared[1], own[1], _weight(shared[0], own[0], known))
    return f"n-grams of each label, mixed with the {name}", _nats(mixed, scored)


def _weight(shared: Floats, own: Floats, where: Ids) -> float:
    one = np.zeros(np.count_nonzero(where), dtype=np.intp)
    return float(fit_weights(shared[where], own[where], one, 1)[0])


def _mixed(shared: Floats, own: Floats, weight: float) -> Floats:
    return weight * shared + (1 - weight) * own


def _nats(p: Floats, where: Ids) -> float:
    return float(-np.log(p[where]).mean())
