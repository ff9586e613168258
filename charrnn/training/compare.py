"""What simple methods reach on the text held out, for a network to beat; and the time they take."""

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
"""The part of ``--minutes`` that they may take."""


def baselines_take(trained_on: int, held_out: int, minutes: float) -> float:
    """Seconds of a run of so many minutes; none where there is nothing to score."""
    return _afford(trained_on, minutes)[1] if held_out else 0.0


def compare(task: Task, config: Config, data: Data) -> Compared | None:
    """Score the text held out by n-grams and compressors; nothing for other tasks."""
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
    """The best of the n-grams, and by how much it is better than a network; nothing if none is."""
    ngrams = {name: own for name, own in compared.items() if name.endswith("gram")}
    name = min(ngrams, key=ngrams.__getitem__, default="")
    return (name, nats - ngrams[name]) if name and ngrams[name] < nats else None


def _afford(trained_on: int, minutes: float) -> tuple[int, float]:
    """How much of a training text they may use in so many minutes, and its seconds."""
    return affordable(trained_on, PART * 60 * minutes if minutes else inf)
