"""How good predictions are: classes, tags, spans and strings compared with the gold ones."""

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "Parts",
    "accuracy",
    "by_kind",
    "by_label",
    "character_error_rate",
    "confusion",
    "edit_distance",
    "error_parts",
    "exact_match",
    "figures",
    "is_bio",
    "label_counts",
    "label_f1",
    "label_parts",
    "macro_f1",
    "micro_f1",
    "several_labels",
    "share",
    "span_f1",
    "span_parts",
    "spans",
]

Counts = npt.NDArray[np.int64]
Parts = npt.NDArray[Any]
"""``(N, 2)``: what each row adds to two sums, whose quotient (:func:`share`) is a measure."""

Labels = Sequence[Any] | npt.NDArray[Any]
"""One label for each example: a sequence, or an array of shape ``(N,)``."""

Yes = npt.NDArray[np.bool_]
"""``(N, K)``: whether each example has each of K labels, any number of which it may have."""


def share(parts: Parts) -> float:
    """The quotient of two sums over rows; 0 if there is nothing to divide by.

    Args:
        parts: ``(N, 2)``: what each row adds to the two sums, such as right answers and answers.
    """
    above, below = (float(one) for one in parts.sum(axis=0))
    return above / below if below else 0.0


def _listed(gold: Labels, predicted: Labels) -> tuple[list[Any], list[Any]]:
    """Both as lists of Python values, of equal length and not empty."""
    golds, found = (x.tolist() if isinstance(x, np.ndarray) else [*x] for x in (gold, predicted))
    if len(golds) != len(found):
        raise ValueError(f"{len(golds)} gold labels, but {len(found)} predicted")
    if not golds:
        raise ValueError("there is nothing to compare")
    return golds, found


def accuracy(gold: Labels, predicted: Labels) -> float:
    """The fraction of examples whose prediction is the gold label.

    Args:
        gold, predicted: ``(N,)`` labels.

    Raises:
        ValueError: there are no labels, or the two numbers differ.
    """
    golds, found = _listed(gold, predicted)
    return sum(bool(a == b) for a, b in zip(golds, found, strict=True)) / len(golds)


def confusion(gold: Labels, predicted: Labels, labels: Sequence[Hashable]) -> Counts:
    """How often each label was predicted for each gold label.

    Args:
        gold, predicted: ``(N,)`` labels.
        labels: the K labels, each once, in the order of the rows and columns.

    Returns:
        ``(K, K)``: a row for each gold label, a column for each predicted one.

    Raises:
        ValueError: there is nothing to compare, the lengths differ, or a label is not in ``labels``
            or is there twice.
    """
    golds, found = _listed(gold, predicted)
    place = {label: k for k, label in enumerate(labels)}
    if len(place) < len(labels):
        raise ValueError("a label is listed twice")
    counts = np.zeros((len(place), len(place)), dtype=np.int64)
    try:
        rows, columns = [place[label] for label in golds], [place[label] for label in found]
    except KeyError as error:
        raise ValueError(f"{error.args[0]!r} is not among the labels") from None
    np.add.at(counts, (rows, columns), 1)
    return counts


def macro_f1(gold: Labels, predicted: Labels, labels: Sequence[Hashable]) -> float:
    """The mean of the labels' F1, in which every label counts the same, however rare it is.

    F1 = 2·TP / (2·TP + FP + FN). The mean is over the labels that occur in gold or among the
    predictions: other labels have no F1 and are left out; a label that is predicted but never
    right, or right but never predicted, counts as 0. (This is scikit-learn's ``f1_score`` with
    ``average="macro"`` and no labels given.)

    Args:
        gold, predicted: ``(N,)`` labels.
        labels: all labels, each once.

    Raises:
        ValueError: as for :func:`confusion`.
    """
    counts = confusion(gold, predicted, labels)
    both = counts.sum(axis=0) + counts.sum(axis=1)  # TP + FP + TP + FN
    return float(np.mean(2 * np.diag(counts)[both > 0] / both[both > 0]))


def label_counts(gold: Yes, predicted: Yes) -> tuple[Counts, Counts, Counts]:
    """For each label, ``(K,)``: how often it was predicted correctly, predicted, and in gold.

    Raises:
        ValueError: there is nothing to compare, or the shapes differ.
    """
    _check(gold, predicted)
    return (gold & predicted).sum(axis=0), predicted.sum(axis=0), gold.sum(axis=0)


def _check(gold: Yes, predicted: Yes) -> None:
    if gold.shape != predicted.shape or gold.ndim != 2 or not gold.size:
        raise ValueError(f"nothing to compare: {gold.shape} and {predicted.shape}")


def label_f1(gold: Yes, predicted: Yes) -> npt.NDArray[np.float64]:
    """``(K,)`` F1 = 2·TP / (2·TP + FP + FN) of each label; NaN if it is in neither.

    Raises:
        ValueError: as for :func:`label_counts`.
    """
    right, found, there = label_counts(gold, predicted)
    both = found + there
    scores: npt.NDArray[np.float64] = np.where(both > 0, 2 * right / np.maximum(both, 1), np.nan)
    return scores


def micro_f1(gold: Yes, predicted: Yes) -> float:
    """F1 of all labels' TP, FP and FN together; 0 if no label is in gold or predicted.

    Raises:
        ValueError: as for :func:`label_counts`.
    """
    return share(label_parts(gold, predicted))


def label_parts(gold: Yes, predicted: Yes) -> Counts:
    """``(N, 2)``: 2·TP and 2·TP + FP + FN of each example, whose :func:`share` is micro-F1.

    Where each example has one label and gets one, that is accuracy.

    Raises:
        ValueError: as for :func:`label_counts`.
    """
    _check(gold, predicted)
    both = gold.sum(axis=1) + predicted.sum(axis=1)
    return np.stack([2 * (gold & predicted).sum(axis=1), both], axis=1)


def several_labels(gold: Yes, predicted: Yes) -> dict[str, float]:
    """The measures of examples with any number of labels, the most important first.

    Micro-F1; macro-F1, the mean over the labels that are in gold or predicted (as
    :func:`macro_f1`); exact match, the fraction of examples with all labels right; and Hamming
    loss, the fraction of wrong yeses and noes.

    Raises:
        ValueError: as for :func:`label_counts`.
    """
    scores = label_f1(gold, predicted)
    defined = scores[~np.isnan(scores)]
    same = gold == predicted
    return {
        "micro-F1": micro_f1(gold, predicted),
        "macro-F1": float(defined.mean()) if len(defined) else 0.0,
        "exact match": float(same.all(axis=1).mean()),
        "Hamming loss": float(1 - same.mean()),
    }


def by_label(gold: Labels, predicted: Labels, labels: Sequence[str]) -> dict[str, dict[str, float]]:
    """Precision, recall, F1 and support of each label, as :func:`figures` gives them.

    Args:
        gold, predicted: ``(N,)`` labels.
        labels: all labels, each once.

    Raises:
        ValueError: as for :func:`confusion`.
    """
    counts = confusion(gold, predicted, labels)
    columns = np.diag(counts), counts.sum(axis=0), counts.sum(axis=1)
    each = zip(*(column.tolist() for column in columns), strict=True)
    return {label: figures(*own) for label, own in zip(labels, each, strict=True)}


def figures(right: int, found: int, there: int) -> dict[str, float]:
    """Precision, recall, F1 and support; 0 where the divisor is zero.

    Args:
        right: how often it was predicted correctly.
        found: how often it was predicted.
        there: how often it is in gold: the support.
    """
    return {
        "precision": right / found if found else 0.0,
        "recall": right / there if there else 0.0,
        "F1": 2 * right / (found + there) if found + there else 0.0,
        "support": there,
    }


def is_bio(tags: Sequence[str]) -> bool:
    """Whether these tags mark spans: all are O, B-kind or I-kind, and at least one is a B-."""
    marked = all(tag == "O" or (tag[:2] in ("B-", "I-") and len(tag) > 2) for tag in tags)
    return marked and any(tag.startswith("B-") for tag in tags)


def spans(tags: Sequence[str]) -> set[tuple[int, int, str]]:
    """The spans that the tags of one sentence mark.

    A B- begins a span; so does an I- that does not follow a span of its kind, as in conlleval
    (Tjong Kim Sang & Buchholz, 2000). A tag without a kind, ``B`` or ``I``, has the kind ``""``.

    Args:
        tags: ``(T,)`` of one sentence.

    Returns:
        ``(start, end, kind)`` of each span, the end excluded.

    Raises:
        ValueError: a tag is not O, B or I.
    """
    found: set[tuple[int, int, str]] = set()
    start, open_kind = 0, None  # of the open span, if there is one
    for position, tag in enumerate([*tags, "O"]):
        mark, _, kind = tag.partition("-")
        if mark not in ("B", "I") and tag != "O":
            raise ValueError(f"{tag!r} is neither O nor B-kind nor I-kind")
        if open_kind is not None and (mark != "I" or kind != open_kind):
            found.add((start, position, open_kind))
            open_kind = None
        if mark != "O" and open_kind is None:
            start, open_kind = position, kind
    return found


def span_f1(
    gold_sentences: Sequence[Sequence[str]], predicted_sentences: Sequence[Sequence[str]]
) -> float:
    """F1 of whole spans over all sentences together, as conlleval counts it.

    A predicted span is right if its start, end and kind are; 2·right / (gold + predicted). Without
    any span it is 0, as in conlleval.

    Args:
        gold_sentences, predicted_sentences: the tags of each sentence.

    Raises:
        ValueError: the numbers or the lengths of the sentences differ, or a tag is not BIO.
    """
    return share(span_parts(gold_sentences, predicted_sentences))


def span_parts(
    gold_sentences: Sequence[Sequence[str]], predicted_sentences: Sequence[Sequence[str]]
) -> Counts:
    """``(N, 2)``: twice the right spans of each sentence, and the gold and predicted ones.

    Their :func:`share` is :func:`span_f1`; arguments and errors are the same.
    """
    parts = []
    for gold, predicted in zip(gold_sentences, predicted_sentences, strict=True):
        if len(gold) != len(predicted):
            raise ValueError(f"{len(gold)} gold tags, but {len(predicted)} predicted")
        a, b = spans(gold), spans(predicted)
        parts.append((2 * len(a & b), len(a) + len(b)))
    return np.array(parts, dtype=np.int64).reshape(-1, 2)


def by_kind(
    gold_sentences: Sequence[Sequence[str]], predicted_sentences: Sequence[Sequence[str]]
) -> dict[str, dict[str, float]]:
    """Precision, recall, F1 and support of the spans of each kind, counted as conlleval does.

    Args:
        gold_sentences, predicted_sentences: the tags of each sentence.

    Raises:
        ValueError: as for :func:`span_f1`.
    """
    right, found, there = Counter[str](), Counter[str](), Counter[str]()
    for gold, predicted in zip(gold_sentences, predicted_sentences, strict=True):
        a, b = spans(gold), spans(predicted)
        for counts, marked in ((right, a & b), (found, b), (there, a)):
            counts.update(kind for _, _, kind in marked)
    return {
        kind: figures(right[kind], found[kind], there[kind]) for kind in sorted({*found, *there})
    }


def edit_distance(a: Sequence[Hashable], b: Sequence[Hashable]) -> int:
    """The fewest insertions, deletions and substitutions that turn ``a`` into ``b`` (Levenshtein).

    A column of the table of distances is kept as the signs of its differences, one bit for each
    row, so that a symbol of ``b`` costs a dozen operations on integers of ``len(a)`` bits (Myers,
    1999, "A fast bit-vector algorithm for approximate string matching based on dynamic
    programming"; in the form of Hyyrö, 2003, "A bit-vector algorithm for computing Levenshtein and
    Damerau edit distances").

    Args:
        a, b: strings, or sequences of anything hashable.
    """
    if not a or not b:
        return len(a) + len(b)
    places: dict[Hashable, int] = {}
    for row, symbol in enumerate(a):
        places[symbol] = places.get(symbol, 0) | 1 << row
    ones, last = (1 << len(a)) - 1, 1 << len(a) - 1
    up, down, distance = ones, 0, len(a)  # rows where the column goes up by one, and down
    for symbol in b:
        match = places.get(symbol, 0)
        zero = (((match & up) + up) ^ up) | match | down  # the diagonal's difference is 0
        right_up = down | ~(zero | up) & ones
        right_down = zero & up
        if right_up & last:
            distance += 1
        elif right_down & last:
            distance -= 1
        right_up = right_up << 1 | 1  # the row above the first: 0, 1, 2, …
        right_down <<= 1
        up = (right_down | ~(zero | right_up)) & ones
        down = right_up & zero & ones
    return distance


def character_error_rate(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """The edits per character that turn each hypothesis into its closest reference.

    It is the sum of the distances divided by the sum of the references' lengths. The reference is
    the one with the fewest edits, and the longest of these. The rate can be above 1.

    Args:
        hypotheses: ``(N,)`` strings.
        references: the acceptable strings for each, at least one.

    Raises:
        ValueError: a hypothesis has no references, the two numbers differ, or the references have
            no character to divide by.
    """
    parts = error_parts(hypotheses, references)
    if not parts[:, 1].any():
        raise ValueError("the references have no characters")
    return share(parts)


def error_parts(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> Counts:
    """``(N, 2)``: the edits of each hypothesis, and the characters of its closest reference.

    Their :func:`share` is :func:`character_error_rate`; the arguments are the same.

    Raises:
        ValueError: a hypothesis has no references, or the two numbers differ.
    """
    parts = []
    for hypothesis, acceptable in _answers(hypotheses, references):
        distance, shorter = min((edit_distance(hypothesis, r), -len(r)) for r in set(acceptable))
        parts.append((distance, -shorter))
    return np.array(parts, dtype=np.int64).reshape(-1, 2)


def exact_match(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """The fraction of hypotheses that equal one of their references.

    Args:
        hypotheses: ``(N,)`` strings.
        references: the acceptable strings for each, at least one.

    Raises:
        ValueError: there is nothing to compare, a hypothesis has no references, or numbers differ.
    """
    answers = _answers(hypotheses, references)
    if not answers:
        raise ValueError("there is nothing to compare")
    return sum(hypothesis in acceptable for hypothesis, acceptable in answers) / len(answers)


def _answers(
    hypotheses: Sequence[str], references: Sequence[Sequence[str]]
) -> list[tuple[str, Sequence[str]]]:
    """Each hypothesis with its references."""
    if len(hypotheses) != len(references):
        raise ValueError(f"{len(hypotheses)} hypotheses, but {len(references)} sets of references")
    for acceptable in references:
        if isinstance(acceptable, str) or not acceptable:
            raise ValueError("the references of a hypothesis are a sequence of at least one string")
    return list(zip(hypotheses, references, strict=True))
