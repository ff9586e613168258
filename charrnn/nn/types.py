"""The few types every module of the network shares."""

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt

__all__ = ["Array", "LayerState", "State", "Weights"]

Array = npt.NDArray[Any]
"""An array whose dtype follows the parameters: float32 trains, float64 and complex128 check."""

Weights = Mapping[str, Array]
"""Named views into one flat vector, as one layer sees them: ``{"W_x": ..., "W_h": ...}``."""

LayerState = tuple[Array, ...]
"""What a recurrent layer carries from step to step: ``(h,)`` or ``(h, c)``, each ``(B, H)``."""

State = tuple[LayerState, ...]
"""The state of a stack, first layer first."""
