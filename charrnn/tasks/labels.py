"""The labels of rows: how a cell holds several, and tables of how often each is right."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from charrnn.tasks.config import SEPARATORS, Config
from charrnn.tasks.examples import one_line
from charrnn.tasks.measures import confusion, label_counts, label_f1
from charrnn.text.counts import counted
from charrnn.text.pairs import Pair

__all__ = ["confusion_table", "each_label", "label_table", "labels_in", "separator_of", "yes_of"]

MOST_LISTED, LONGEST_NAME = 50, 40
WIDEST_TABLE, LONGEST_HEAD, MOST_MISTAKES = 80, 10, 15


def labels_in(cell: str, config: Config) -> tuple[str, ...]:
    """The labels of a row, each once, in the order of the cell.

    With ``loss=softmax`` the cell is the one label. With ``loss=sigmoid`` the labels are separated
    by the separator; an empty cell has none.
    """
    if config.loss != "sigmoid":
        return (cell,)
    names = (name.strip() for name in cell.split(config.separator))
    return tuple(dict.fromkeys(filter(None, names)))


def each_label(rows: Sequence[Pair], config: Config) -> Iterator[Pair]:
    """A row for each label of each row."""
    for row in rows:
        for name in labels_in(row.right, config):
            yield Pair(row.row, row.left, name)


def separator_of(cells: Sequence[str]) -> str | None:
    """The name of a separator that seems to divide several labels in these cells, if one does.

    Divided by it, the cells contain fewer different labels than there are different cells. A space
    does not count.
    """
    distinct = set(cells)
    for name, mark in SEPARATORS.items():
        parts = {part.strip() for cell in distinct for part in cell.split(mark)}
        if mark != " " and any(mark in cell for cell in distinct) and len(parts) < len(distinct):
            return name
    return None


def yes_of(numbers: Sequence[Sequence[int]], size: int) -> npt.NDArray[np.bool_]:
    """``(N, size)``: which labels each row has.

    Args:
        numbers: the numbers of each row's labels.
    """
    yes = np.zeros((len(numbers), size), dtype=np.bool_)
    for row, own in zip(yes, numbers, strict=True):
        row[list(own)] = True
    return yes


def label_table(
    gold: npt.NDArray[np.bool_], predicted: npt.NDArray[np.bool_], labels: Sequence[str]
) -> tuple[str, ...]:
    """Precision, recall, F1 and support, a line for each label; only the most frequent of many.

    A ``-`` means that the divisor is zero: no row has the label, or it was never predicted.

    Args:
        gold, predicted: ``(N, K)``, whether each row has each label.
        labels: K names.
    """
    right, found, support = label_counts(gold, predicted)
    columns = [
        [_ratio(int(a), int(b)) for a, b in zip(right, whole, strict=True)]
        for whole in (found, support)
    ]
    scores = [f"{f1:.4f}" if np.isfinite(f1) else "-" for f1 in label_f1(gold, predicted)]
    commonest = np.argsort(-support, kind="stable")[:MOST_LISTED]
    shown = [one_line(labels[k])[:LONGEST_NAME] for k in sorted(commonest)]
    width = max(len("label"), *map(len, shown))
    lines = [f"{'label':<{width}}  precision  recall      F1  support"]
    for name, k in zip(shown, sorted(commonest), strict=True):
        lines.append(
            f"{name:<{width}}  {columns[0][k]:>9}  {columns[1][k]:>6}  {scores[k]:>6}  "
            f"{int(support[k]):>7}"
        )
    if len(labels) > len(shown):
        lines.append(f"({counted(len(labels) - len(shown), 'rarer label', 'are')} left out)")
    return tuple(lines)


def _ratio(part: int, whole: int) -> str:
    return f"{part / whole:.4f}" if whole else "-"


def confusion_table(
    gold: Sequence[str], predicted: Sequence[str], labels: Sequence[str]
) -> tuple[str, ...]:
    """The confusion table, one line for each label: how often it was predicted as which.

    Where that is too wide, the most frequent mistakes.
    """
    counts = confusion(gold, predicted, labels)
    labels = [one_line(label) for label in labels]
    short = [label[:LONGEST_HEAD] for label in labels]
    width = max(map(len, short))
    column = max(width, len(str(counts.max()))) + 2
    if width + column * len(labels) > WIDEST_TABLE:
        pairs = [(int(counts[i, j]), i, j) for i, j in np.argwhere(counts) if i != j]
        worst = sorted(pairs, reverse=True)[:MOST_MISTAKES]
        return tuple(f"{labels[i]} taken for {labels[j]}: {n}" for n, i, j in worst)
    lines = [" " * width + "".join(f"{name:>{column}}" for name in short) + "   (taken for)"]
    for label, row in zip(short, counts, strict=True):
        lines.append(f"{label:<{width}}" + "".join(f"{count:>{column}}" for count in row))
    return tuple(lines)
