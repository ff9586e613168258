"""The baselines that a run computes on its validation text, and the time they take."""

from collections.abc import Mapping
from math import inf

from charrnn.baselines.scores import affordable, baselines
from charrnn.tasks.base import Data, Task
from charrnn.tasks.config import Config
from charrnn.tasks.lm import LanguageModelTask
from charrnn.text.cache import remembered
from charrnn.text.view import View
from charrnn.training.events import Compared

__all__ = ["baselines_take", "compare", "lead"]

PART = 0.1
"""The part of ``--minutes`` that the baselines may take."""


def baselines_take(trained_on: int, held_out: int, minutes: float) -> float:
    """Seconds that the baselines take in a run of ``minutes``; none without a validation set."""
    return _afford(trained_on, minutes)[1] if held_out else 0.0


def compare(task: Task, config: Config, data: Data) -> Compared | None:
    """Score the validation text by n-grams and compressors; None for other tasks."""
    if not isinstance(task, LanguageModelTask) or task.vocabulary is None or not task.held_out:
        return None
    vocabulary, split = task.vocabulary, task.split
    most, _ = _afford(split, config.minutes)
    codes = task.codes

    def find() -> dict[str, float]:
        return dict(baselines(codes[:split], codes[split:], vocabulary, most=most))

    if isinstance(codes, View) and data.paths.storing.keep:
        how = config.level, config.encoding, config.keep_newlines
        found = remembered([data.sha256, how, vocabulary.codes, split, most], find)
    else:
        found = find()
    return Compared(found, task.unit, most if most < split else None)


def lead(compared: Mapping[str, float], nats: float) -> tuple[str, float] | None:
    """The best n-gram model and its lead over a network's ``nats``; None if it has none."""
    ngrams = {name: own for name, own in compared.items() if name.endswith("gram")}
    name = min(ngrams, key=ngrams.__getitem__, default="")
    return (name, nats - ngrams[name]) if name and ngrams[name] < nats else None


def _afford(trained_on: int, minutes: float) -> tuple[int, float]:
    """Characters of a training text that baselines may use in ``minutes``, and their seconds."""
    return affordable(trained_on, PART * 60 * minutes if minutes else inf)
