"""Buffers that outlive one call, owned by the code that runs the network.

A training step needs the same arrays every time. The caller makes one :class:`Workspace` and passes
it to every forward pass, and hardly anything is allocated after the first. What a forward pass
saves is valid until the next forward pass with the same workspace, or until its own backward pass,
which works in place; a :class:`Ticket` turns any later use into an error.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from charrnn.nn.types import Array

__all__ = ["StaleBackwardError", "Ticket", "Workspace"]


class StaleBackwardError(RuntimeError):
    """A backward pass needs values that have been overwritten since."""


class Workspace:
    """Named, reusable arrays; a chunk that is shorter than the last one reuses its memory."""

    def __init__(self) -> None:
        self._buffers: dict[str, Array] = {}
        self._children: dict[str, Workspace] = {}
        self._generation = 0

    def child(self, name: str) -> "Workspace":
        """The workspace of one layer, made on first use."""
        return self._children.setdefault(name, Workspace())

    def array(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """A contiguous array of ``shape``. Its contents are arbitrary."""
        size = prod(shape)
        buffer = self._buffers.get(name)
        if buffer is None or buffer.dtype != dtype or buffer.size < size:
            buffer = self._buffers[name] = np.empty(size, dtype=dtype)
        return buffer[:size].reshape(shape)

    def find(self, name: str) -> Iterator[Array]:
        """The arrays of this name, here and in all children, for code that inspects a pass."""
        if name in self._buffers:
            yield self._buffers[name]
        for child in self._children.values():
            yield from child.find(name)

    def ticket(self) -> "Ticket":
        """Begin a forward pass: earlier tickets become stale."""
        self._generation += 1
        return Ticket(self, self._generation)

    def _redeem(self, generation: int) -> None:
        if generation != self._generation:
            raise StaleBackwardError(
                "backward() was given values that a later forward() or backward() with the same "
                "workspace has overwritten; run forward() again, or give it its own Workspace"
            )
        self._generation += 1


@dataclass(frozen=True)
class Ticket:
    """The right to one backward pass over what one forward pass left in a workspace."""

    workspace: Workspace
    generation: int

    def redeem(self) -> None:
        """Use the ticket up.

        Raises:
            StaleBackwardError: it was already used, or a later forward pass took the buffers.
        """
        self.workspace._redeem(self.generation)
