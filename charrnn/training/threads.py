"""How many processes and shards a training should use, which only a measurement can tell."""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from charrnn.engine import available_cores, shards
from charrnn.nn.parameters import Parameters
from charrnn.tasks.base import Task

__all__ = ["Timing", "fastest", "repeated", "time_threads", "worth_timing"]

WORTHWHILE = 10.0
"""Seconds that a training must take for several processes to be tried at all."""

FEWEST_LANES = 4
"""The fewest lanes that a shard may have unless the user asks for more shards."""

CUT_GAIN = 0.95
"""The factor by which another number of shards must cut the time: it changes the last bits."""

REPEATS, ENOUGH = 3, 1.0
"""How often a step is timed at most, and the seconds after which no more are timed."""


@dataclass(frozen=True)
class Timing:
    """The seconds of a step with a number of processes.

    ``shards`` is the number of parts that the batch is split into; 0 means the usual number.
    """

    threads: int
    seconds: float
    shards: int = 0


def fastest(timings: list[Timing]) -> Timing:
    """The fastest timing; another number of shards only where it is clearly faster."""
    usual = [timing for timing in timings if not timing.shards]
    best = min(usual, key=lambda timing: timing.seconds, default=Timing(1, 0.0))
    cuts = [t for t in timings if t.shards and t.seconds < CUT_GAIN * best.seconds]
    return min(cuts, key=lambda timing: timing.seconds, default=best)


def worth_timing(task: Task, parameters: Parameters, steps: int, *, recut: bool = False) -> bool:
    """Whether there is a choice, and a training of ``steps`` updates is long enough to matter."""
    if len(_counts(task)) == 1 and not (recut and _cuts(task)):
        return False
    task.engine.threads = 1
    return steps * _step(task, parameters) >= WORTHWHILE


def time_threads(
    task: Task, parameters: Parameters, threads: int = 0, *, recut: bool = False
) -> list[Timing]:
    """Time a step of ``task`` with 1, 2, 4, ... processes, up to the number of cores and shards.

    Where other ranks compute too, each has one process, and only the number of shards is chosen.
    Nothing is updated. The number of processes does not change what is computed; the number of
    shards changes its last bits.

    Args:
        threads: the only number of processes to time; 0 for all.
        recut: also time more shards than usual, where there are more cores or ranks than that, and
            a single one where one process computes alone: its products are larger, thus faster.
    """
    own, alone = task.engine.shards, task.engine.ranks == 1
    counts = [threads] if threads else _counts(task)
    tried = [(count, 0) for count in counts]
    if recut and alone and counts == [1]:
        tried += [(1, 1)] * (_usual(task) > 1)
    elif recut and not threads:
        tried += [(parts if alone else 1, parts) for parts in _cuts(task)]
    timings: list[Timing] = []
    for count, parts in tried:
        task.engine.threads, task.engine.shards = count, parts or own
        _step(task, parameters)  # starts the processes and allocates the memory
        seconds = min(repeated(lambda: _step(task, parameters), REPEATS))
        if task.engine.lost and timings:
            break
        timings.append(Timing(count, seconds, parts))
    task.engine.shards = own
    task.engine.close()
    return timings


def _usual(task: Task) -> int:
    """How many shards the task's batches have unless they are split otherwise."""
    return len(shards(task.batch_size, task.engine.shards))


def _counts(task: Task) -> list[int]:
    """The numbers of processes that can share the usual shards."""
    most = min(available_cores(), _usual(task)) if task.engine.ranks == 1 else 1
    return [1 << k for k in range(most.bit_length())]


def _cuts(task: Task) -> list[int]:
    """More shards than usual, one for each core or rank: 4, 8, ... up to the number there are.

    With two cores or ranks, the usual number stays: results are then the same on every machine of
    two cores, and with two ranks.
    """
    ranks, usual = task.engine.ranks, _usual(task)
    most = min(available_cores() if ranks == 1 else ranks, task.batch_size // FEWEST_LANES)
    counts = {1 << k for k in range(most.bit_length())} | {most}
    return sorted(count for count in counts if count > max(2, usual))


def repeated(seconds_of: Callable[[], float], times: int) -> list[float]:
    """Measure a time up to ``times`` times, at least once; stop early after ``ENOUGH`` seconds."""
    taken: list[float] = []
    while not taken or (len(taken) < times and sum(taken) < ENOUGH):
        taken.append(seconds_of())
    return taken


def _step(task: Task, parameters: Parameters) -> float:
    """The seconds of one step."""
    batch, gradients = task.example(), parameters.zeros_like()
    begun = perf_counter()
    with np.errstate(all="ignore"):  # the training reports what matters
        task.engine.losses(parameters, batch, gradients=gradients)
    return perf_counter() - begun
