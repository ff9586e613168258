"""How many processes a training should use: measured, since nobody can know it."""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from charrnn.engine import available_cores, shards
from charrnn.nn.parameters import Parameters
from charrnn.tasks.base import Task

__all__ = ["Timing", "fastest", "repeated", "time_threads", "worth_timing"]

WORTHWHILE = 10.0
"""Seconds that a training must take for other processes to be tried at all."""

REPEATS, ENOUGH = 3, 1.0
"""A step is timed so often, or until that took so many seconds."""


@dataclass(frozen=True)
class Timing:
    """Seconds of a step with so many processes."""

    threads: int
    seconds: float


def fastest(timings: list[Timing]) -> int:
    """The number of processes with the shortest step; one if nothing was timed."""
    return min(timings, key=lambda timing: timing.seconds, default=Timing(1, 0.0)).threads


def worth_timing(task: Task, parameters: Parameters, steps: int) -> bool:
    """Whether there is a choice, and a training of ``steps`` long enough for it to matter."""
    if min(available_cores(), len(shards(task.batch_size))) == 1:
        return False
    task.engine.threads = 1
    return steps * _step(task, parameters) >= WORTHWHILE


def time_threads(task: Task, parameters: Parameters, threads: int = 0) -> list[Timing]:
    """Time a step of ``task`` with 1, 2, 4, ... processes, as many as there are cores and shards.

    Nothing is updated, and the number makes no difference to what is computed.

    Args:
        threads: the only number to time; 0 for all.
    """
    most = min(available_cores(), len(shards(task.batch_size)))
    counts = [threads] if threads else [1 << k for k in range(most.bit_length())]
    timings: list[Timing] = []
    for count in counts:
        task.engine.threads = count
        _step(task, parameters)  # starts the processes and lays out the memory
        seconds = min(repeated(lambda: _step(task, parameters), REPEATS))
        if task.engine.lost and timings:
            break
        timings.append(Timing(count, seconds))
    task.engine.close()
    return timings


def repeated(seconds_of: Callable[[], float], times: int) -> list[float]:
    """Take a time so often, or until there was enough of it: at least once."""
    taken: list[float] = []
    while not taken or (len(taken) < times and sum(taken) < ENOUGH):
        taken.append(seconds_of())
    return taken


def _step(task: Task, parameters: Parameters) -> float:
    """Seconds of one."""
    batch, gradients = task.example(), parameters.zeros_like()
    begun = perf_counter()
    with np.errstate(all="ignore"):  # the training will say so if it matters
        task.engine.losses(parameters, batch, gradients=gradients)
    return perf_counter() - begun
