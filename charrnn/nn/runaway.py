"""When a state that is carried from chunk to chunk is given up.

A tanh keeps |h| ≤ 1. A ReLU network and an LSTM that puts out o⊙c have no such bound: a state can
grow, and being carried it would spoil all that is still to come. One rule for training, scoring and
writing (docs/equations.md, section 5.3): at the end of a chunk, a lane with |h| above
:data:`RUNAWAY` in some layer, or with a number that is none, begins anew from the zero state.
"""

from typing import Any

import numpy as np

from charrnn.nn.cells.base import Cell
from charrnn.nn.types import State

__all__ = ["CHUNK", "RUNAWAY", "restart_runaways"]

RUNAWAY = 20.0
"""50 was too late on real text."""

CHUNK = 64
"""Steps from one look at the state to the next, where not training decides (``seq_len``)."""


def restart_runaways(cell: Cell[Any], state: State, limit: float = RUNAWAY) -> None:
    """Set the lanes that have run away to zero, in all layers and in place.

    Args:
        cell: of the layers; nothing is looked at where it bounds its h.
        state: ``(B, H)`` each, h first in every layer.
        limit: of |h|.
    """
    if cell.bounded:
        return
    for h, *_ in state:
        runaways = ~(np.abs(h).max(axis=1) <= limit)
        if runaways.any():
            for layer in state:
                for part in layer:
                    part[runaways] = 0
