"""How many processes a training should use: measured, since nobody can know it."""

from dataclasses import dataclass
from time import perf_counter

import numpy as np

from charrnn.nn.engine import available_cores, shards
from charrnn.nn.parameters import Parameters
from charrnn.tasks.base import Task

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
    """The number of processes with the shortest step; one if nothing was timed."""
    return min(timings, key=lambda timing: timing.seconds, default=Timing(1, 0.0)).threads


def time_threads(task: Task, parameters: Parameters, steps: int) -> list[Timing]:
    """Time a step of ``task`` with 1, 2, 4, ... processes, as many as there are cores and shards.

    Nothing is updated, and the number makes no difference to what is computed.

    Args:
        steps: how many the training has.

    Returns:
        Nothing where there is nothing to choose, or a training too short for it to matter.
    """
    most = min(available_cores(), len(shards(task.batch_size)))
    task.engine.threads = 1
    if most == 1 or steps * _step(task, parameters) < WORTHWHILE:
        return []
    timings: list[Timing] = []
    threads = 1
    while threads <= most:
        task.engine.threads = threads
        _step(task, parameters)  # starts the processes and lays out the memory
        seconds = min(_step(task, parameters) for _ in range(REPEATS))
        if task.engine.lost:
            break
        timings.append(Timing(threads, seconds))
        threads *= 2
    task.engine.close()
    return timings


def _step(task: Task, parameters: Parameters) -> float:
    """Seconds of one."""
    batch, gradients = task.example(), parameters.zeros_like()
    begun = perf_counter()
    with np.errstate(all="ignore"):  # the training will say so if it matters
        task.engine.losses(parameters, batch, gradients=gradients)
    return perf_counter() - begun
