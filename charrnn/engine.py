"""One batch shared out among processes: each computes some lanes, and their gradients are added.

Lanes are independent except for the sum of their gradients, so nothing is exchanged within a step.
It uses processes, not threads: between two small array operations a thread must wait for the
interpreter's lock, and that costs more than the operations (docs/log.md).

How the lanes of a batch are divided into shards does not depend on the processes, every product
runs on one thread, and the shards' gradients are added in a fixed order. So the number of processes
changes the time that a step takes, and not one bit of its result.
"""

import atexit
import multiprocessing
import os
import pickle
import signal
import sys
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from charrnn.nn.cells import CellError
from charrnn.nn.models import Loss
from charrnn.nn.parameters import Parameters, Shapes
from charrnn.nn.products import one_thread
from charrnn.nn.types import Array, State
from charrnn.nn.workspace import Workspace

__all__ = ["Engine", "Losses", "Network", "available_cores", "shards"]

LEAST_LANES = 12
"""The fewest lanes of a shard: with fewer, the fixed costs of the steps outweigh the sharing."""

MOST_LANES = 32
"""A shard with more lanes than this is split if possible, for machines with more cores."""

STOPPING = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]
"""The signals that a terminal or a system sends to all processes of a command."""

MOST_SHARDS = 8
"""The most shards, each of which has its own gradient in memory."""


def shards(batch_size: int, wanted: int = 0) -> tuple[slice, ...]:
    """The lanes of each shard, divided as evenly as possible.

    Args:
        batch_size: the number of lanes.
        wanted: the number of shards, if there are enough lanes; 0 means a power of two that depends
            on the number of lanes.
    """
    count = min(wanted, batch_size) or 1
    while not wanted and batch_size >= 2 * count * LEAST_LANES and count < MOST_SHARDS:
        if count > 1 and batch_size <= count * MOST_LANES:
            break
        count *= 2
    edges = [batch_size * k // count for k in range(count + 1)]
    return tuple(slice(*pair) for pair in pairwise(edges))


def available_cores() -> int:
    """The number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Network(Protocol):
    """What an engine can compute: a loss that is a sum over sequences, and its gradients.

    A batch is whatever the network takes; ``batch.size`` is its number of sequences.
    """

    def sum_loss(
        self,
        parameters: Parameters,
        batch: Any,
        workspace: Workspace,
        *,
        gradients: Parameters | None = None,
        rng: np.random.Generator | None = None,
    ) -> Loss: ...
    def part(self, batch: Any, lanes: slice) -> Any: ...


@dataclass(frozen=True)
class _Task:
    """What is to be computed for one shard."""

    number: int
    batch: Any
    with_gradients: bool
    seed: int | None  # the seed of its dropout masks


_Other = tuple[BaseProcess, "Connection[Any, Any]"]


class Losses(list[Loss]):
    """The losses of a batch, shard by shard."""

    @property
    def total(self) -> Any:
        """The sum over all sequences."""
        return sum(loss.total for loss in self)

    @property
    def each(self) -> Array:
        """``(T, B)`` the loss of each target, if the batch asked for that."""
        return np.concatenate([loss.total for loss in self], axis=1)

    @property
    def final(self) -> State:
        """The final state of all lanes."""
        return tuple(
            tuple(np.concatenate(parts) for parts in zip(*layers, strict=True))
            for layers in zip(*(loss.final for loss in self), strict=True)
        )


def add_gradients(gradients: Parameters, terms: Sequence[Parameters]) -> None:
    """Add the shards' gradients to the first one's, always in this order."""
    for term in terms:
        gradients.flat += term.flat


class _Worker:
    """Computes shards one after the other, in any process."""

    def __init__(self, model: Network) -> None:
        self.model = model
        self._workspace = Workspace()

    def compute(self, task: _Task, parameters: Parameters, gradients: Parameters | None) -> Loss:
        return self.model.sum_loss(
            parameters,
            task.batch,
            self._workspace,
            gradients=gradients,
            rng=None if task.seed is None else np.random.default_rng(task.seed),
        )


class Engine:
    """Computes losses and gradients of a model, in this process and ``threads - 1`` others.

    The others are started when they are first needed. If one of them dies, or does not start at
    all, this process does its work, then and from then on. It also does so where the others cannot
    make the model, because its cell is a class of a notebook, or of a file that has changed since.
    The others do not run the script that uses them, unless it defines the cell: then it must have
    the guard ``if __name__ == "__main__":``, as for everything that :mod:`multiprocessing` spawns.

    Args:
        model: the model to compute.
        threads: the number of processes.
        shards: the number of parts that a batch is divided into (:func:`shards`). It may be changed
            between two calls, and affects the last bits of their sums.
    """

    def __init__(self, model: Network, threads: int = 1, shards: int = 0) -> None:
        self.model = model
        self.shards = shards
        self._threads = threads
        self.lost = False  # whether a process has died, or could not be started
        self.failure = ""  # why another machine failed; its work is done here
        self._own = _Worker(model)
        self._others: list[_Other] = []
        self._shared: Parameters | None = None  # the others' copy of the parameters
        self._terms: list[Parameters] = []  # the gradients of every shard after the first
        self._layout: tuple[Shapes, np.dtype[Any]] | None = None  # the layout of that memory
        self._pid = 0  # the process that started the others
        self._farewell: Callable[[], None] | None = None  # ends the others

    @property
    def ranks(self) -> int:
        """The number of machines that compute, each in ``threads`` processes."""
        return 1

    @property
    def threads(self) -> int:
        """The number of processes; it may be changed between two calls."""
        return self._threads

    @threads.setter
    def threads(self, threads: int) -> None:
        if threads != self._threads:
            self.close()
            self._threads = threads

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End the other processes, and free the memory shared with them."""
        self._leave()
        self._shared, self._terms, self._layout, self.lost = None, [], None, False

    def _leave(self) -> None:
        if self._farewell is not None:
            atexit.unregister(self._farewell)
            self._farewell()
            self._farewell = None
        self._others = []

    def losses(
        self,
        parameters: Parameters,
        batch: Any,
        *,
        gradients: Parameters | None = None,
        rng: np.random.Generator | None = None,
    ) -> Losses:
        """The loss of each shard of a batch, and the gradients of their sum.

        Arguments and errors as for the network's own ``sum_loss``.
        """
        lanes = shards(batch.size, self.shards)
        seeds = [None] * len(lanes) if rng is None else rng.integers(2**63, size=len(lanes))
        tasks = [
            _Task(
                number,
                self.model.part(batch, part),
                gradients is not None,
                None if seed is None else int(seed),
            )
            for number, (part, seed) in enumerate(zip(lanes, seeds, strict=True))
        ]
        try:
            with one_thread():
                return Losses(self._sum(tasks, parameters, gradients))
        except BaseException:
            self.close()  # their answers belong to a call that was given up
            raise

    def _sum(
        self, tasks: Sequence[_Task], parameters: Parameters, gradients: Parameters | None
    ) -> list[Loss]:
        """Each task's loss, and the sum of their gradients."""
        results = self.compute(tasks, parameters, gradients)
        if gradients is not None:
            add_gradients(gradients, self._terms[: len(tasks) - 1])
        return results

    def compute(
        self, tasks: Sequence[_Task], parameters: Parameters, gradients: Parameters | None
    ) -> list[Loss]:
        """Each task's loss, computed by this process and the others.

        The gradients of the first task are written to ``gradients``; for all see :meth:`terms`.
        """
        tasks = [replace(task, number=number) for number, task in enumerate(tasks)]
        self._prepare(parameters, len(tasks))
        if self._shared is not None and len(tasks) > 1:
            np.copyto(self._shared.flat, parameters.flat)
        places = [gradients, *self._terms] if gradients else [None] * len(tasks)
        return self._share_out(tasks, parameters, places)

    def terms(self, gradients: Parameters, count: int) -> list[Array]:
        """``(N,)`` the gradients of each of the ``count`` tasks that were computed last."""
        return [one.flat for one in (gradients, *self._terms)][:count]

    def _share_out(
        self, tasks: Sequence[_Task], parameters: Parameters, places: Sequence[Parameters | None]
    ) -> list[Loss]:
        """Each task's result; the k-th of n processes takes every n-th task from the k-th on."""
        results: dict[int, Loss] = {}
        count = len(self._others) + 1
        try:
            for number, (_, connection) in enumerate(self._others, start=1):
                if tasks[number::count]:
                    connection.send(tasks[number::count])
            for task in tasks[::count]:
                results[task.number] = self._own.compute(task, parameters, places[task.number])
            for number, (_, connection) in enumerate(self._others, start=1):
                if tasks[number::count]:
                    results |= connection.recv()
        except (EOFError, OSError):
            self.lost, self._threads = True, 1
            self._leave()
        for task in tasks:
            if task.number not in results:
                results[task.number] = self._own.compute(task, parameters, places[task.number])
        return [results[task.number] for task in tasks]

    def _prepare(self, parameters: Parameters, count: int) -> None:
        """Allocate memory for ``count`` shards, and start the other processes if needed."""
        layout = parameters.shapes, parameters.dtype
        if self._layout == layout and len(self._terms) >= count - 1:
            return
        self.close()
        self._layout = layout
        if min(self.threads, count) > 1:
            try:
                self._start_others(count, parameters.flat.nbytes, *layout)
                return
            except OSError:  # too many processes or files, no place for shared memory
                self._leave()
                self._shared, self.lost, self._threads = None, True, 1
        self._terms = [parameters.zeros_like() for _ in range(count - 1)]

    def _start_others(self, count: int, size: int, shapes: Shapes, dtype: np.dtype[Any]) -> None:
        """Raises OSError if processes or shared memory cannot be had, or not for this model."""
        try:
            model = pickle.dumps(self.model)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise OSError(f"the model cannot be sent to another process: {error}") from error
        memory = multiprocessing.RawArray("b", count * size)
        self._shared, *self._terms = _views(memory, shapes, dtype, count)
        self._pid = os.getpid()
        # Registered to run before multiprocessing's own exit handler, which would wait for them
        # forever, and when this engine is no longer used.
        self._farewell = partial(_part, self._others, self._pid)
        atexit.register(self._farewell)
        weakref.finalize(self, self._farewell)
        # A script runs again only for what it alone defines, such as your own cell.
        script = nullcontext() if b"__main__" in model else _main_left_out()
        with _signals_held_back(), script:
            for _ in range(min(self.threads, count) - 1):
                self._others.append(_spawn((model, memory, shapes, dtype, count)))


def _part(others: list[_Other], pid: int) -> None:
    """End the processes, if this one started them: in a fork they belong to the parent."""
    if pid != os.getpid():
        return
    for _, connection in others:
        connection.close()  # which tells them to end
    for process, _ in others:
        process.join()
    others.clear()


def _views(memory: Any, shapes: Shapes, dtype: npt.DTypeLike, count: int) -> Iterator[Parameters]:
    """The same memory as seen from any process: the parameters, then gradients."""
    flat = np.frombuffer(memory, dtype=dtype).reshape(count, -1)
    return (Parameters(shapes, dtype, part) for part in flat)


def _spawn(arguments: tuple[Any, ...]) -> _Other:
    # "spawn" shares nothing by accident, and works on every system.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, *arguments), daemon=True)
    process.start()
    theirs.close()
    return process, ours


def _serve(
    connection: "Connection[Any, Any]",
    pickled: bytes,
    memory: Any,
    shapes: Shapes,
    dtype: npt.DTypeLike,
    count: int,
) -> None:
    """Another process: compute what is sent, until the connection is closed."""
    # Whoever stops the training needs this process until the step is done, and then closes it.
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)
    np.seterr(all="ignore")
    try:
        model: Network = pickle.loads(pickled)  # noqa: S301 - from our own process
    except Exception:
        return  # the asking process has the model, and does the work
    parameters, *terms = _views(memory, shapes, dtype, count)
    worker = _Worker(model)
    with suppress(EOFError, OSError), one_thread():
        while True:
            tasks: list[_Task] = connection.recv()
            results = {}
            # An error here will also occur in the asking process, which can report it.
            with suppress(CellError, ValueError, MemoryError):
                for task in tasks:
                    place = terms[task.number - 1] if task.with_gradients else None
                    results[task.number] = worker.compute(task, parameters, place)
            connection.send(results)


@contextmanager
def _main_left_out() -> Iterator[None]:
    """A process started meanwhile does not run the script that started it."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextmanager
def _signals_held_back() -> Iterator[None]:
    """Hold back signals that stop a process, in a new process until it ignores them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    previous = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous)
