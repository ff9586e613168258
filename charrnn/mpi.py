"""Ranks that ``mpiexec`` has started, by mpi4py."""

import pickle
from collections.abc import Sequence
from typing import Any

import numpy as np

from charrnn.errors import InputError
from charrnn.nn.types import Array

__all__ = ["MPIGroup", "world"]

INSTALL = "python -m pip install mpi4py mpich"


def world(size: int) -> "MPIGroup":
    """All processes that were started together.

    Args:
        size: how many that is, by what the environment says.

    Raises:
        InputError: mpi4py is not installed, or is of another MPI than has started them.
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
        communicator: of mpi4py.
    """

    def __init__(self, communicator: Any) -> None:
        self._mpi = communicator
        self.rank: int = communicator.rank
        self.size: int = communicator.size
        self.whole = True

    def scatter(self, things: Sequence[Any] | None) -> Any:
        """As of :class:`Group`."""
        parts = None if things is None else [pickle.dumps(thing) for thing in things]
        return pickle.loads(self._mpi.scatter(parts))  # noqa: S301 - from our own rank 0

    def gather(self, thing: Any) -> list[Any] | None:
        """As of :class:`Group`."""
        found: list[Any] | None = self._mpi.gather(thing)
        return found

    def share(self, array: Array) -> None:
        """As of :class:`Group`."""
        self._mpi.Bcast(array)

    def swap(self, mine: Array, outgoing: Sequence[int], incoming: Sequence[int]) -> Array:
        """As of :class:`Group`."""
        found = np.empty(sum(incoming), mine.dtype)
        self._mpi.Alltoallv([mine, list(outgoing)], [found, list(incoming)])
        return found

    def join(self, mine: Array, whole: Array | None, sizes: Sequence[int]) -> None:
        """As of :class:`Group`."""
        self._mpi.Gatherv(mine, None if whole is None else [whole, list(sizes)])

    def abort(self) -> None:
        """As of :class:`Group`."""
        self._mpi.Abort(1)
