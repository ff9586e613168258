"""When a state that is carried from chunk to chunk is reset.

A tanh keeps |h| ≤ 1. A ReLU network, and an LSTM with the output o⊙c, have no such bound: a state
can grow, and as it is carried it would damage everything that follows. There is one rule for
training, scoring and writing (docs/equations.md, section 5.3): at the end of a chunk, a lane with
|h| above :data:`RUNAWAY` in some layer, or with a value that is not finite, is reset to the zero
state.
"""

from typing import Any

import numpy as np

from charrnn.nn.cells.base import Cell
from charrnn.nn.types import State

__all__ = ["CHUNK", "RUNAWAY", "restart_runaways"]

RUNAWAY = 20.0
"""The limit of |h|; 50 was too late on real text."""

CHUNK = 64
"""Steps between two checks of the state, except in training (``seq_len``)."""


def restart_runaways(cell: Cell[Any], state: State, limit: float = RUNAWAY) -> None:
    """Reset the lanes that have run away to zero, in all layers and in place.

    Args:
        cell: the layers' cell; if it bounds its h, nothing is checked.
        state: ``(B, H)`` each, h first in every layer.
        limit: the limit of |h|.
    """
    if cell.bounded:
        return
    for h, *_ in state:
        runaways = ~(np.abs(h).max(axis=1) <= limit)
        if runaways.any():
            for layer in state:
                for part in layer:
                    part[runaways] = 0
