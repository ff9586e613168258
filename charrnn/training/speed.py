"""How fast a network trains on this machine: some updates are timed, and then thrown away."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from statistics import median
from time import perf_counter

import numpy as np

from charrnn.errors import InputError
from charrnn.ranks import Group, RankedEngine
from charrnn.tasks.base import Data, Paths, Spec
from charrnn.tasks.config import Config
from charrnn.tasks.lm import TextData
from charrnn.text.corpora import Corpus
from charrnn.text.reading import add_counts
from charrnn.text.view import View
from charrnn.training.loop import Step, Trainer
from charrnn.training.threads import fastest, repeated, time_threads

__all__ = ["Speed", "measure", "text_like"]

REPEATED = 1 << 22
"""The most symbols of a made-up text; a longer one repeats them."""

TIMED = 5
"""The most updates that are timed for a network."""


@dataclass(frozen=True)
class Speed:
    """How fast a network trains on this machine."""

    threads: int
    rate: float  # characters a second; for other tasks, examples a second
    shards: int = 0  # as the setting of that name


def measure(
    config: Config, data: Data, spec: Spec, threads: int, group: Group | None = None
) -> Speed:
    """Time some updates of a training that is then thrown away, on all ranks."""
    model = spec.model(config)
    task = data.task(spec, config, model, threads or 1)
    if group is not None:
        task.engine = RankedEngine(task.engine, group)
    rng = np.random.default_rng(0)
    parameters = model.init(rng)
    try:
        task.engine.shards = config.shards
        timings = time_threads(task, parameters, threads, recut=not config.shards)
        chosen = fastest(timings)
        task.engine.threads = chosen.threads
        task.engine.shards = chosen.shards or config.shards
        updates = Trainer(task, parameters, replace(config, epochs=TIMED + 1), rng).steps()
        next(updates)  # starts the processes and allocates the memory
        seconds = median(repeated(lambda: _seconds_of_next(updates), TIMED))
    finally:
        task.engine.close()
    a_step = data.trained_on(config) / task.steps_per_epoch
    return Speed(task.engine.threads, a_step / seconds, task.engine.shards)


def _seconds_of_next(updates: Iterator[Step]) -> float:
    begun = perf_counter()
    next(updates)
    return perf_counter() - begun


def text_like(size: int, distinct: int, level: str = "char") -> TextData:
    """Make a text of ``size`` characters, ``distinct`` of them different, to plan for.

    A plan does not depend on anything else in a text.

    Raises:
        InputError: a text cannot have these numbers.
    """
    if not 0 < distinct <= size:
        raise InputError(f"there is no text of {size} symbols, {distinct} of them distinct")
    some = np.resize(np.arange(distinct, dtype=np.min_scalar_type(distinct)), min(size, REPEATED))
    rest = some[: size % len(some)]
    text = some if size == len(some) else View([some] * (size // len(some)) + [rest])
    counts = add_counts(rest, add_counts(some, np.zeros(0, np.int64)) * (size // len(some)))
    return TextData(Corpus(level, text, "", (), counts), Paths(("text",)))
