"""Ranks started by ``mpiexec``, which communicate through mpi4py."""

import pickle
from collections.abc import Sequence
from typing import Any

from charrnn.errors import InputError
from charrnn.nn.types import Array
from charrnn.ranks import Arrays

__all__ = ["MPIGroup", "world"]

INSTALL = "python -m pip install mpi4py mpich"


def world(size: int) -> "MPIGroup":
    """All processes that were started together.

    Args:
        size: their number according to the environment.

    Raises:
        InputError: mpi4py is not installed, or was built for another MPI than the one in use.
    """
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError):
        raise InputError(
            f"mpiexec has started {size} processes; they need mpi4py to work together",
            f"on every machine: {INSTALL}",
        ) from None
    known = MPI.COMM_WORLD.size
    if size != known:
        raise InputError(
            f"mpiexec has started {size} processes, but mpi4py knows of {known}: they belong "
            "to different MPIs",
            "use the mpiexec that belongs to mpi4py: "
            + MPI.Get_library_version().split("\n")[0].strip("\0"),
        )
    return MPIGroup(MPI.COMM_WORLD)


class MPIGroup:
    """Ranks that MPI has started.

    Args:
        communicator: the communicator of mpi4py.
    """

    def __init__(self, communicator: Any) -> None:
        self._mpi = communicator
        self.rank: int = communicator.rank
        self.size: int = communicator.size
        self.whole = True

    def scatter(self, things: Sequence[Any] | None) -> Any:
        """As in :class:`Group`."""
        parts = None if things is None else [pickle.dumps(thing) for thing in things]
        return pickle.loads(self._mpi.scatter(parts))  # noqa: S301 - from our own rank 0

    def gather(self, thing: Any) -> list[Any] | None:
        """As in :class:`Group`."""
        found: list[Any] | None = self._mpi.gather(thing)
        return found

    def share(self, array: Array) -> None:
        """As in :class:`Group`."""
        self._mpi.Bcast(array)

    def swap(self, outgoing: Arrays, incoming: Arrays) -> None:
        """As in :class:`Group`. Each begins with the rank after it, so that the load is spread."""
        from mpi4py import MPI

        order = [(self.rank + step) % self.size for step in range(1, self.size)]
        requests = [self._mpi.Irecv(part, rank) for rank in order for part in incoming[rank]]
        requests += [self._mpi.Isend(part, rank) for rank in order for part in outgoing[rank]]
        MPI.Request.Waitall(requests)

    def join(self, mine: Array, whole: Array | None, sizes: Sequence[int]) -> None:
        """As in :class:`Group`."""
        from mpi4py import MPI

        if whole is None:
            self._mpi.Gatherv(mine, None)
        else:
            self._mpi.Gatherv(MPI.IN_PLACE, [whole, list(sizes)])

    def abort(self) -> None:
        """As in :class:`Group`."""
        self._mpi.Abort(1)
