"""A trained classifier's answer to a text: logits, labels, probabilities."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from charrnn.nn.losses import log_probabilities
from charrnn.nn.models import Sequences
from charrnn.nn.types import Array
from charrnn.nn.workspace import Workspace
from charrnn.tasks.base import Trained
from charrnn.tasks.examples import as_json, one_line, padded, together
from charrnn.tasks.wide import features_of
from charrnn.text.alphabet import END, START, Alphabet

__all__ = ["Classification", "answers", "classify", "cut", "framed", "predict", "predictions"]

LIKELY = 0.5
"""The probability from which on a label is a yes, where a row may have several labels."""


def cut(text: str, most: int) -> str:
    """The first ``most`` characters of a text; all of it, if that is 0."""
    return text[:most] if most else text


def framed(alphabet: Alphabet, text: str) -> Array:
    """A text's numbers between a start and an end: never empty, and both ends are visible."""
    return np.concatenate([[START], alphabet.encode(text), [END]])


def classify(trained: Trained, texts: Sequence[str], *, alone: bool = False) -> Array:
    """The logit of each label for each text, ``(N, K)`` float64.

    Decisions use these, not the probabilities, which round to 0 and 1 where a model is sure.

    Args:
        alone: whether the map of n-grams takes no part.
    """
    network, parameters, spec = trained.network, trained.parameters, trained.spec
    most = trained.config.longest
    texts = [cut(text, most) for text in texts]
    encoded = [framed(spec.alphabet, text) for text in texts]
    y = np.empty((len(texts), len(spec.labels)))
    workspace = Workspace()
    for rows in together([len(text) for text in encoded]):
        x, lengths = padded([encoded[row] for row in rows])
        state = network.zero_state(len(rows), parameters.dtype)
        targets = np.zeros(len(rows), dtype=np.intp)
        batch = Sequences(x, targets, state, lengths, alone=alone)
        if spec.buckets and not alone:
            features = features_of([spec.hashes(texts[row]) for row in rows], spec.buckets)
            batch = replace(batch, features=features)
        with np.errstate(all="ignore"):  # a damaged model shows in its outputs
            y[rows] = network.outputs(parameters, batch, workspace)
    return y


@dataclass(frozen=True)
class Classification:
    """A text, its predicted labels, and probabilities.

    Attributes:
        labels: the predicted labels, likeliest first.
        probabilities: of every label, or of the K likeliest if ``top`` asks for K. With
            ``loss=sigmoid`` they are independent and need not sum to one.
        several: whether a text may have no label, or several.
        separator: what separates several labels.
    """

    text: str
    labels: tuple[str, ...]
    probabilities: Mapping[str, float]
    several: bool = False
    separator: str = "|"

    @property
    def label(self) -> str:
        """The label; several are joined by the separator."""
        return self.separator.join(self.labels)

    def chances(self, digits: int) -> str:
        """The probabilities of the labels, as a cell has them."""
        return self.separator.join(f"{self.probabilities[name]:.{digits}f}" for name in self.labels)

    def lines(self, form: str) -> Iterator[str]:
        """The lines of ``charrnn predict``."""
        if form == "text":
            yield one_line(self.label)
        elif form == "tsv":
            yield f"{one_line(self.text)}\t{one_line(self.label)}\t{self.chances(4)}"
        else:
            every = {name: round(p, 6) for name, p in self.probabilities.items()}
            given = {"labels": list(self.labels)} if self.several else {"label": self.label}
            yield as_json(text=self.text, **given, probabilities=every)


def predictions(
    trained: Trained,
    texts: Sequence[str],
    top: int | None = None,
    threshold: float | None = None,
) -> list[Classification]:
    """As :func:`predict`, for a model that may be damaged."""
    return answers(trained, texts, classify(trained, texts), trained.config.loss, top, threshold)


def answers(
    trained: Trained,
    texts: Sequence[str],
    y: Array,
    loss: str,
    top: int | None = None,
    threshold: float | None = None,
) -> list[Classification]:
    """Turn scores of the labels into answers.

    Args:
        trained: the model that has these labels.
        y: ``(N, K)`` logits.
        loss: ``"softmax"`` or ``"sigmoid"``, which turns scores into probabilities.
        top, threshold: as for :func:`predict`.
    """
    several, labels = trained.spec.several, trained.spec.labels
    if top is None and threshold is None and several:
        threshold = LIKELY
    most = 1 if top is None and threshold is None else top
    found = []
    for text, own, p in zip(texts, y, np.exp(log_probabilities(loss, y)), strict=True):
        order = np.argsort(-own, kind="stable")[:most]
        every = range(len(labels)) if top is None else order
        chosen = order if threshold is None else order[p[order] >= threshold]
        found.append(
            Classification(
                text,
                tuple(labels[k] for k in chosen),
                {labels[k]: float(p[k]) for k in every},
                several or top is not None or threshold is not None,
                trained.config.separator,
            )
        )
    return found


def predict(
    trained: Trained,
    texts: Sequence[str],
    *,
    top: int | None = None,
    threshold: float | None = None,
) -> list[Classification]:
    """The label of each text; for a model of several labels, those of probability ½ and more.

    Args:
        top: how many of the likeliest labels to give.
        threshold: give the labels with at least this probability, however many they are; with
            ``top``, at most that many.

    Raises:
        DivergedError: the outputs are not finite.
    """
    found = predictions(trained, texts, top, threshold)
    for one in found:
        trained.check_finite(np.array(list(one.probabilities.values())))
    return found
