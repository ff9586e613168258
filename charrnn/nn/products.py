"""The product of one step with the matrices of all gates, in panels of the fastest size.

A recurrent product is small (some tens of lanes) and is computed again at every step with the same
matrix. A general routine first packs both operands, which takes up to a third of the time here.
OpenBLAS has a second routine that does not pack (its "small matrix optimization"), for products of
less than a million multiplications. So the matrix is cut, before each pass over time, into panels
that stay below that; the measurements are in docs/log.md. Where the library has no such routine,
each gate is one panel.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import NamedTuple, TypeVar

import numpy as np
from threadpoolctl import ThreadpoolController

from charrnn.nn.types import Array
from charrnn.nn.workspace import Workspace

__all__ = ["StepProduct", "Tile", "by_gate", "choose_tile", "on_one_thread", "one_thread"]

Item = TypeVar("Item")

SMALL_PRODUCT = 1_000_000
"""The most multiplications for which OpenBLAS uses the routine that does not pack."""

SMALL_PRODUCT_CORES = ("SkylakeX", "Cooperlake", "Sapphirerapids")
"""The processors, as OpenBLAS names them, for which it has that routine."""


class Tile(NamedTuple):
    """The numbers of rows and columns of a panel."""

    rows: int
    columns: int


@lru_cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController()


def one_thread() -> AbstractContextManager[object]:
    """A context in which every product is computed on one thread.

    The products of a text model are too small to be shared out one by one, and sharing them out may
    change their last bits.
    """
    limit: AbstractContextManager[object] = _blas().limit(limits=1)
    return limit


def on_one_thread(items: Iterator[Item]) -> Iterator[Item]:
    """Yield ``items``, each computed within :func:`one_thread`; the caller's code is outside it."""
    while True:
        with one_thread():
            try:
                item = next(items)
            except StopIteration:
                return
        yield item


@lru_cache
def _has_small_products() -> bool:
    return any(
        library["internal_api"] == "openblas" and library["architecture"] in SMALL_PRODUCT_CORES
        for library in _blas().info()
    )


def choose_tile(size_in: int, size_out: int, batch_size: int) -> Tile:
    """The panels for ``(B, size_in)`` by ``(size_in, size_out)``, as measured in docs/log.md."""
    whole = Tile(size_in, size_out)
    if batch_size < 6 or not _has_small_products():
        return whole
    rows = max(k for k in range(1, min(size_in, 256) + 1) if size_in % k == 0)
    for columns in (64, 32) if rows <= 128 else (32,):
        if size_out % columns == 0 and rows >= 16:
            small = batch_size * rows * columns <= SMALL_PRODUCT
            return Tile(rows, columns) if small else whole
    return whole  # panels of other widths are slower than the whole matrix


def by_gate(W: Array, size: int) -> Array:
    """The blocks of a joined matrix (D, G·H) as a view (G, D, H)."""
    return W.reshape(len(W), -1, size).transpose(1, 0, 2)


class StepProduct:
    """x·W for each of G matrices, with panels and scratch memory of its own.

    Args:
        W: ``(G, D, H)``, any strides. It is copied: later changes are not seen.
        batch_size: B; a product may have fewer rows.
        workspace, name: own the memory.
        halved: how many of the first matrices are halved (see :func:`charrnn.nn.ops.to_unit`).
    """

    def __init__(
        self, W: Array, batch_size: int, workspace: Workspace, name: str, *, halved: int = 0
    ) -> None:
        gates, size_in, size_out = W.shape
        rows, columns = choose_tile(size_in, size_out, batch_size)
        deep, wide = size_in // rows, size_out // columns
        buffers = workspace.child(name)
        # (deep, G, wide, rows, columns): each panel contiguous
        self._panels = buffers.array("panels", (deep, gates, wide, rows, columns), W.dtype)
        source = W.reshape(gates, deep, rows, wide, columns).transpose(1, 0, 3, 2, 4)
        np.multiply(source[:, :halved], 0.5, out=self._panels[:, :halved])
        np.copyto(self._panels[:, halved:], source[:, halved:])
        # The sums of the panels' products, and where each panel writes.
        self._terms = buffers.array("terms", (deep, gates, batch_size, size_out), W.dtype)
        self._each = self._terms.reshape(deep, gates, batch_size, wide, columns).swapaxes(2, 3)
        self._sum = buffers.array("sum", (gates, batch_size, size_out), W.dtype)
        self._deep, self._rows, self._batch_size = deep, rows, batch_size
        self._flat = self._terms.reshape(deep * gates, batch_size, size_out)

    def of_each(self, x: Array) -> Array:
        """x·W[g] for every g: ``(n, D)`` to ``(G, n, H)``, n ≤ B; valid until the next call."""
        n = len(x)
        each, terms, total = self._each, self._terms, self._sum
        if n < self._batch_size:
            each, terms, total = each[:, :, :, :n], terms[:, :, :n], total[:, :n]
        if self._deep == 1:
            np.matmul(x, self._panels, out=each)
            only: Array = terms[0]
            return only
        parts = x.reshape(n, self._deep, 1, 1, self._rows).transpose(1, 2, 3, 0, 4)
        np.matmul(parts, self._panels, out=each)
        return np.asarray(np.add.reduce(terms, axis=0, out=total))

    def sum(self, x: Array, out: Array) -> None:
        """out = Σ_g x[g]·W[g]: ``(G, n, D)`` to ``(n, H)``, n ≤ B."""
        gates, n, _ = x.shape
        parts = x.reshape(gates, n, self._deep, 1, self._rows).transpose(2, 0, 3, 1, 4)
        each, terms = self._each, self._flat
        if n < self._batch_size:
            each, terms = each[:, :, :, :n], terms[:, :n]
        np.matmul(parts, self._panels, out=each)
        np.add.reduce(terms, axis=0, out=out)
