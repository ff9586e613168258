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
        self._order = order = np.argsort(labels, kind="stable")
        lengths = np.array([len(texts[k]) for k in order])
        self.ids = np.concatenate([texts[k] for k in order])
        self.labels = np.repeat(labels[order], lengths)
        self._starts = np.cumsum(lengths) - lengths
        self.written = np.ones(len(self.ids), dtype=np.bool_)
        self.written[self._starts] = False

    def of(self, label: int) -> slice:
        """The place of a label's texts."""
        return slice(*np.searchsorted(self.labels, (label, label + 1)).tolist())

    def parts(self, p: Floats) -> Floats:
        """``(N, 2)``: the nats of each text and its predicted symbols, in the order given.

        Args:
            p: the probability of each of ``ids``.
        """
        both = np.stack([-np.log(np.where(self.written, p, 1)), self.written], axis=1)
        found = np.empty((len(self._order), 2))
        found[self._order] = np.add.reduceat(both, self._starts)
        return found


def labelled_ngrams(
    train: tuple[Sequence[Ids], Ids],
    val: tuple[Sequence[Ids], Ids],
    test: tuple[Sequence[Ids], Ids],
    vocab_size: int,
) -> tuple[str, Floats, Floats]:
    """The loss of n-grams on the texts of the validation set and of the test part.

    The probability of a symbol is p = w·p_all + (1 - w)·p_label, so that all texts help where those
    of the label say little. The weight is fitted to the validation set. If the weight from one half
    of it does not help the other half, the n-grams of all texts are used alone.

    Args:
        train, val, test: texts and labels, as for :class:`Texts`.
        vocab_size: the number of symbols.

    Returns:
        The name of the method, and its :meth:`Texts.parts` of both.
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
    known, half = parts[0].written, rng.random(len(own[0])) < 0.5
    fitted, judged = known & half, known & ~half
    name, best = f"{ngram_name(everything.order)} of all texts", shared
    if fitted.any() and judged.any():
        mixed = _mixed(shared[0], own[0], _weight(shared[0], own[0], fitted))
        if _nats(mixed, judged) < _nats(shared[0], judged):
            weight = _weight(shared[0], own[0], known)
            best = [_mixed(*both, weight) for both in zip(shared, own, strict=True)]
            name = f"n-grams of each label, mixed with the {name}"
    of_val, of_test = (part.parts(p) for part, p in zip(parts, best, strict=True))
    return name, of_val, of_test


def _weight(shared: Floats, own: Floats, where: Ids) -> float:
    one = np.zeros(np.count_nonzero(where), dtype=np.intp)
    return float(fit_weights(shared[where], own[where], one, 1)[0])


def _mixed(shared: Floats, own: Floats, weight: float) -> Floats:
    return weight * shared + (1 - weight) * own


def _nats(p: Floats, where: Ids) -> float:
    return float(-np.log(p[where]).mean())
