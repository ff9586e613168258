"""Cutting a text or a series into contiguous lanes, which are read side by side."""

from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.errors import InputError
from charrnn.text.view import View

__all__ = ["Lanes"]

Ids = npt.NDArray[Any]


class Lanes:
    """``batch_size`` contiguous parts of a text, read in step, in chunks of at most ``seq_len``.

    The state of each lane is carried from chunk to chunk, so that every prediction has read its
    whole lane so far. Chunks differ by one character at most, so that no update uses only a short
    rest. Up to ``batch_size - 1`` characters at the end are not used: :attr:`left_over`.

    Args:
        ids: ``(N,)`` symbols, an array or a view, or vectors ``(N, D)``.
        batch_size: B.
        seq_len: the largest T.
        targets: ``(N, K)`` what is to be predicted at each place after reading up to the one
            before; ``ids`` themselves, if not given.

    Raises:
        InputError: the text is too short for this many lanes.
    """

    def __init__(
        self, ids: Ids | View, batch_size: int, seq_len: int, targets: Ids | None = None
    ) -> None:
        self.length = (len(ids) - 1) // batch_size
        if self.length < 1:
            raise InputError(
                f"the training text has {len(ids)} characters; "
                f"a batch of {batch_size} needs at least {batch_size + 1}",
                "give a longer text, or a smaller --batch-size",
            )
        self._starts = range(0, batch_size * self.length, self.length)
        self.left_over = len(ids) - 1 - batch_size * self.length
        self._inputs, self._targets = ids, ids if targets is None else targets
        self._dtype = np.dtype(np.intp) if ids.dtype.kind in "iu" else ids.dtype
        num_chunks = -(-self.length // seq_len)
        self._edges = [self.length * k // num_chunks for k in range(num_chunks + 1)]

    def __len__(self) -> int:
        """The number of chunks."""
        return len(self._edges) - 1

    def chunk(self, index: int) -> tuple[Ids, Ids]:
        """Inputs and targets of one chunk, ``(T, B)`` or ``(T, B, D)`` each."""
        begin, end = self._edges[index : index + 2]
        return self._read(self._inputs, begin, end), self._read(self._targets, begin + 1, end + 1)

    def _read(self, source: Ids | View, begin: int, end: int) -> Ids:
        lanes = [np.asarray(source[start + begin : start + end]) for start in self._starts]
        return np.stack(lanes, axis=1, dtype=self._dtype, casting="unsafe")
