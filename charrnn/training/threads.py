"""How many processes a training should use: measured, since nobody can know it."""

from dataclasses import dataclass
from time import perf_counter

from charrnn.nn.engine import available_cores, shards
from charrnn.nn.parameters import Parameters
from charrnn.tasks.lm import LanguageModelTask

__all__ = ["Timing", "fastest", "time_threads"]

WORTHWHILE = 10.0
"""Seconds that a training must take for other processes to be tried at all."""

REPEATS = 3


@dataclass(frozen=True)
class Timing:
    """Seconds of a step with so many processes."""

    threads: int
    seconds: float


def fastest(timings: list[Timing]) -> int:
    """The number of processes with the shortest step; the fewest of equals."""
    return min(timings, key=lambda timing: (timing.seconds, timing.threads)).threads


def time_threads(task: LanguageModelTask, parameters: Parameters, steps: int) -> list[Timing]:
    """Time a step of ``task`` with 1, 2, 4, ... processes, as many as there are cores and shards.

    Nothing is updated, and the number makes no difference to what is computed.

    Args:
        steps: how many the training has; a short one is timed with one process only.
    """
    timings = [_time(task, parameters, 1)]
    most = min(available_cores(), len(shards(task.batch_size)))
    while 2 * timings[-1].threads <= most and steps * timings[0].seconds >= WORTHWHILE:
        timings.append(_time(task, parameters, 2 * timings[-1].threads))
    return timings


def _time(task: LanguageModelTask, parameters: Parameters, threads: int) -> Timing:
    task.engine.threads = threads
    gradients = parameters.zeros_like()
    x, targets = task.lanes.chunk(0)
    state = task.model.zero_state(task.batch_size, parameters.dtype)
    seconds = []
    for _ in range(REPEATS + 1):  # the first starts the processes and lays out the memory
        begun = perf_counter()
        task.engine.cross_entropy(parameters, x, targets, state, gradients=gradients)
        seconds.append(perf_counter() - begun)
    return Timing(threads, min(seconds[1:]))
