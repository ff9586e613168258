"""Many machines: rank 0 runs the command, the others compute shards for it.

Only the engine communicates. Rank 0 has the text, the settings, the clock and the folder; it
decides, and sends each other rank its shards of a batch, and the weights where they have changed.
Gradients are cut into as many slices as there are ranks. Each rank gets its slice of every shard's
gradient, adds them in the order of the shards, and sends the sum to rank 0. So the sum is bit for
bit that of a single process, and no rank adds more than its part.

Messages go through a :class:`Group`: MPI's (:mod:`charrnn.mpi`), or one of threads in a test.
"""

import pickle
import signal
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from threading import current_thread, main_thread
from types import FrameType
from typing import Any, Protocol

import numpy as np

from charrnn.engine import STOPPING, Engine
from charrnn.nn.models import Loss
from charrnn.nn.parameters import Parameters
from charrnn.nn.products import one_thread
from charrnn.nn.types import Array
from charrnn.nn.workspace import Workspace

__all__ = ["Arrays", "Follower", "Group", "Order", "RankedEngine", "add_up", "end"]

Arrays = Sequence[Sequence[Array]]
"""Some arrays for each rank, or from each."""


class Group(Protocol):
    """Ranks that can communicate; every call is made by all of them.

    Attributes:
        rank: this rank's number; 0 decides.
        size: the number of ranks.
        whole: whether all wait for rank 0's next order; false if one stopped in the middle.
    """

    rank: int
    size: int
    whole: bool

    def scatter(self, things: Sequence[Any] | None) -> Any:
        """Give each rank one of the things, from rank 0."""

    def gather(self, thing: Any) -> list[Any] | None:
        """Collect one thing from each rank, at rank 0."""

    def share(self, array: Array) -> None:
        """Copy rank 0's numbers to the array of each rank."""

    def swap(self, outgoing: Arrays, incoming: Arrays) -> None:
        """Send each rank its ``outgoing``, in order; ``incoming`` gets what each rank sends."""

    def join(self, mine: Array, whole: Array | None, sizes: Sequence[int]) -> None:
        """Join all ranks' numbers in rank 0's ``whole``, where its own already are."""

    def abort(self) -> None:
        """End all ranks at once."""


@dataclass(frozen=True)
class Order:
    """What a rank is to compute: some shards of a batch; without a model, it ends."""

    model: bytes = b""
    shapes: Any = None
    dtype: str = ""
    weights: bool = False  # whether weights follow
    threads: int = 1
    tasks: tuple[Any, ...] = ()
    count: int = 0  # the number of shards of all ranks
    gradients: bool = False


@dataclass(frozen=True)
class Reply:
    """What a rank has computed, or why it could not."""

    losses: tuple[Any, ...] = ()
    failure: str = ""
    signal: int = 0  # the signal that it has received


def add_up(
    group: Group, terms: Sequence[Array], count: int, like: Array, workspace: Workspace
) -> None:
    """Add all shards' gradients, in order, into the first of rank 0's ``terms``.

    Args:
        group: rank r has the shards r, r + size, r + 2·size, ...
        terms: ``(N,)`` for each of this rank's shards.
        count: how many shards there are.
        like: ``(N,)``, an array of the right size and type.
        workspace: holds what other ranks send.
    """
    size, ranks, own = like.size, group.size, group.rank
    edges = [size * rank // ranks for rank in range(ranks + 1)]
    slices = [slice(*pair) for pair in pairwise(edges)]
    widths = [part.stop - part.start for part in slices]
    found = list(workspace.array("found", (count, widths[own]), like.dtype))
    found[own::ranks] = [term[slices[own]] for term in terms]
    group.swap(
        [[] if rank == own else [term[slices[rank]] for term in terms] for rank in range(ranks)],
        [[] if rank == own else found[rank::ranks] for rank in range(ranks)],
    )
    mine = found[0]  # at rank 0, part of its first term
    for part in found[1:]:
        mine += part
    group.join(mine, None if own else terms[0], widths)


class RankedEngine(Engine):
    """An engine at rank 0 that lets the other ranks compute too.

    If one of them fails, this rank does its work, then and from then on, and ``failure`` says what
    happened.

    Args:
        engine: the engine that it replaces.
        group: the ranks.
    """

    def __init__(self, engine: Engine, group: Group) -> None:
        super().__init__(engine.model, engine.threads, engine.shards)
        self.group = group
        self._sent = b"", np.zeros(0)  # the model and weights that the others already have
        self._workspace = Workspace()

    @property
    def ranks(self) -> int:
        """The number of ranks."""
        return self.group.size

    def _sum(
        self, tasks: Sequence[Any], parameters: Parameters, gradients: Parameters | None
    ) -> list[Loss]:
        if self.failure:
            return super()._sum(tasks, parameters, gradients)
        group = self.group
        replies = self._ask(tasks, parameters, gradients)
        for reply in replies:
            if reply.signal:
                signal.raise_signal(reply.signal)
        self.failure = next((reply.failure for reply in replies if reply.failure), "")
        if self.failure:
            return super()._sum(tasks, parameters, gradients)
        found = [iter(reply.losses) for reply in replies]
        return [next(found[number % group.size]) for number in range(len(tasks))]

    def _ask(
        self, tasks: Sequence[Any], parameters: Parameters, gradients: Parameters | None
    ) -> list[Reply]:
        """The replies of all ranks, including this one, which sums the gradients."""
        group, model, flat = self.group, pickle.dumps(self.model), parameters.flat
        sent, known = self._sent
        # With gradients, the weights have just changed; in scoring a text they have not.
        weights = gradients is not None or sent != model or not np.array_equal(known, flat)
        order = Order(model, parameters.shapes, flat.dtype.str, weights, self.threads)
        order = replace(order, count=len(tasks), gradients=gradients is not None)
        shares = [tuple(tasks[rank :: group.size]) for rank in range(group.size)]
        group.whole = False
        group.scatter([replace(order, tasks=share) for share in shares])
        if weights:
            group.share(flat)
            self._sent = model, np.zeros(0) if gradients is not None else flat.copy()
        losses = self.compute(shares[0], parameters, gradients)
        replies = group.gather(Reply(tuple(losses)))
        if gradients is not None:
            terms = self.terms(gradients, len(losses))
            add_up(group, terms, len(tasks), flat, self._workspace)
        group.whole = True
        return replies or []


class Follower:
    """What another rank does: it computes what it is asked to, until an order ends it.

    Args:
        group: the ranks.
        tell: called with a line that names the signal this rank has received.
    """

    def __init__(self, group: Group, tell: Callable[[str], object]) -> None:
        self.group = group
        self._tell = tell
        self._signal = 0  # the signal received since the last answer
        self._model = b""
        self._engine: Engine | None = None
        self._parameters = self._gradients = Parameters({}, np.float32)
        self._workspace = Workspace()

    @property
    def name(self) -> str:
        """What messages call this rank: its number and its machine."""
        return f"rank {self.group.rank} on {socket.gethostname()}"

    def follow(self) -> None:
        """Do what rank 0 asks for. A signal is passed on to it with the next answer."""
        if current_thread() is main_thread():  # elsewhere signals cannot be caught
            for number in STOPPING:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    signal.signal(number, self._note)
        try:
            while (order := self.group.scatter(None)).model:
                self._obey(order)
        finally:
            if self._engine is not None:
                self._engine.close()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._tell(f"{self.name}: {signal.Signals(number).name}, which stops all ranks")
        self._signal = number

    def _obey(self, order: Order) -> None:
        if order.weights:
            known = self._parameters
            if known.shapes != order.shapes or known.dtype != order.dtype:
                self._parameters = Parameters(order.shapes, order.dtype)
                self._gradients = self._parameters.zeros_like()
            self.group.share(self._parameters.flat)
        losses, terms, failure = self._computed(order)
        received, self._signal = self._signal, 0
        self.group.gather(Reply(losses, failure, received))
        if order.gradients:
            add_up(self.group, terms, order.count, self._parameters.flat, self._workspace)

    def _computed(self, order: Order) -> tuple[tuple[Loss, ...], list[Array], str]:
        """The losses of an order's tasks and their gradients, or why there are none."""
        parameters, gradients, count = self._parameters, self._gradients, len(order.tasks)
        try:
            engine = self._engine_of(order)
            with one_thread(), np.errstate(all="ignore"):
                losses = engine.compute(
                    order.tasks, parameters, gradients if order.gradients else None
                )
            return tuple(losses), engine.terms(gradients, count), ""
        except Exception as error:  # rank 0 reports it, and does the work
            what = " ".join(filter(None, (type(error).__name__, str(error))))
            return (), [gradients.flat] * count, f"{self.name}: {what}"

    def _engine_of(self, order: Order) -> Engine:
        """The engine of the order's model, which replaces an earlier one."""
        if self._engine is None or self._model != order.model:
            if self._engine is not None:
                self._engine.close()
            self._engine = Engine(pickle.loads(order.model))  # noqa: S301 - from rank 0
            self._model = order.model
        self._engine.threads = order.threads
        return self._engine


def end(group: Group) -> None:
    """Tell the other ranks to end."""
    group.scatter([Order()] * group.size)
