"""Ranks without MPI: threads of this process that exchange what MPI would."""

from collections.abc import Callable, Sequence
from threading import Barrier, Thread
from typing import Any

import numpy as np

from charrnn.nn.types import Array
from charrnn.ranks import Arrays

__all__ = ["Threads", "in_threads"]


class Threads:
    """A group of threads in this process.

    Attributes:
        sent: how many numbers each rank has sent to others.
    """

    class _Shared:
        def __init__(self, size: int) -> None:
            self.barrier = Barrier(size)
            self.places: list[Any] = [None] * size

    def __init__(self, rank: int, size: int, shared: "_Shared") -> None:
        self.rank, self.size, self.whole = rank, size, True
        self._shared = shared
        self.sent = 0

    @classmethod
    def make(cls, size: int) -> "list[Threads]":
        shared = cls._Shared(size)
        return [cls(rank, size, shared) for rank in range(size)]

    def _all(self, thing: Any) -> list[Any]:
        self._shared.places[self.rank] = thing
        self._shared.barrier.wait(20)
        found = list(self._shared.places)
        self._shared.barrier.wait(20)
        return found

    def scatter(self, things: Sequence[Any] | None) -> Any:
        return self._all(things)[0][self.rank]

    def gather(self, thing: Any) -> list[Any] | None:
        found = self._all(thing)
        return None if self.rank else found

    def share(self, array: Array) -> None:
        np.copyto(array, self._all(array.copy())[0])

    def swap(self, outgoing: Arrays, incoming: Arrays) -> None:
        assert not outgoing[self.rank]
        assert not incoming[self.rank]
        sent = [[part.copy() for part in parts] for parts in outgoing]
        for mine, parts in zip(incoming, self._all(sent), strict=True):
            for part, arrived in zip(mine, parts[self.rank], strict=True):
                assert part.shape == arrived.shape
                part[:] = arrived
        self.sent += sum(part.size for parts in sent for part in parts)

    def join(self, mine: Array, whole: Array | None, sizes: Sequence[int]) -> None:
        found = self._all(mine.copy())
        assert [len(piece) for piece in found] == list(sizes)
        self.sent += len(mine) * (self.rank > 0)
        if whole is not None:
            assert np.shares_memory(mine, whole) or not mine.size
            whole[sizes[0] :] = np.concatenate(found[1:]) if found[1:] else []

    def abort(self) -> None:
        self._shared.barrier.abort()


def in_threads(groups: Sequence[Threads], work: Callable[[Threads], object]) -> None:
    """Run a function at all ranks but the first; this thread is the first."""
    threads = [Thread(target=work, args=(group,), daemon=True) for group in groups[1:]]
    for thread in threads:
        thread.start()
    work(groups[0])
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
