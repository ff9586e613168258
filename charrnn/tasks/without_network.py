"""What a classifier is compared with: naive Bayes, and always the same label."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from charrnn.tasks.base import Trained
from charrnn.tasks.baselines import LabelBayes, NaiveBayes
from charrnn.tasks.classification import Classification, answers, cut
from charrnn.tasks.config import Config
from charrnn.tasks.labels import labels_in, yes_of
from charrnn.text.pairs import Pair

__all__ = ["by_naive_bayes", "commonest", "naive_bayes"]


def naive_bayes(
    rows: Sequence[Pair], labels: Sequence[str], config: Config, *, several: bool
) -> NaiveBayes | LabelBayes:
    """Naive Bayes, fitted to rows that have each label at least once.

    Args:
        labels: all labels, in the model's order.
        several: whether a row may have any number of them.
    """
    texts = [row.left for row in rows]
    if not several:
        names = (labels_in(row.right, config)[0] for row in rows)
        return NaiveBayes().fit(texts, list(names))
    number = {label: k for k, label in enumerate(labels)}
    own = [[number[name] for name in labels_in(row.right, config)] for row in rows]
    return LabelBayes().fit(texts, yes_of(own, len(labels)))


def commonest(rows: Sequence[Pair], config: Config) -> str:
    """The label that most rows have; among equals, the first in alphabetical order."""
    counts = Counter(labels_in(row.right, config)[0] for row in rows)
    return max(sorted(counts), key=counts.__getitem__)


def by_naive_bayes(trained: Trained, data: Any) -> Callable[..., list[Classification]]:
    """Like :func:`charrnn.tasks.classification.predict`, but by naive Bayes.

    Args:
        data: the model's training data, :class:`charrnn.tasks.classify.ClassifyData`.
    """
    spec, config = trained.spec, trained.config
    simple = naive_bayes(data.rows.train, spec.labels, config, several=spec.several)
    loss = "sigmoid" if spec.several else "softmax"

    def predict(
        texts: Sequence[str], *, top: int | None = None, threshold: float | None = None
    ) -> list[Classification]:
        y = simple.scores([cut(text, config.longest) for text in texts])
        return answers(trained, texts, y, loss, top, threshold)

    return predict
