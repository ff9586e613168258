"""A command on many machines: rank 0 runs it, the other ranks compute for it."""

import os
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from charrnn.cli.errors import say
from charrnn.errors import InputError

if TYPE_CHECKING:
    from charrnn.ranks import Group

__all__ = ["on_all_ranks", "started_as"]

STARTERS = (
    ("PMI_RANK", "PMI_SIZE"),
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
)
"""The variables in which MPICH (also Intel's MPI) and Open MPI give a process's rank and size."""


def started_as(environ: Mapping[str, str]) -> tuple[int, int]:
    """The rank of this process and the number of ranks: 0 and 1, if no variable says so."""
    for rank, size in STARTERS:
        try:
            return int(environ[rank]), int(environ[size])
        except (KeyError, ValueError):
            continue
    return 0, 1


def on_all_ranks(command: "Callable[[Group | None], None]") -> None:
    """Run a command at rank 0; at the others, compute what it asks for until it ends.

    Without ``mpiexec`` there is rank 0 alone, and no group.
    """
    rank, size = started_as(os.environ)
    if size < 2:
        command(None)
        return
    try:
        from charrnn.mpi import world

        group = world(size)
    except InputError as error:
        if rank == 0:
            say(f"error: {error}\nhint: {error.hint}")
        sys.exit(error.exit_code)
    from charrnn.ranks import Follower, end

    if group.rank:
        Follower(group, say).follow()
        return
    try:
        command(group)
    finally:
        if group.whole:
            end(group)
        else:
            group.abort()
