"""Proof that the backward passes are the derivatives of the forward passes that train.

The complex step evaluates the forward code at θ + iε·v: the imaginary part of the result, divided
by ε, is the derivative along v. Nothing is subtracted, so ε may be 1e-30 and the result is exact to
rounding (Squire and Trapp, 1998). Central differences, (f(θ + hv) - f(θ - hv)) / 2h in float64, are
an independent second method, with half the digits. They are judged by a bound that follows from
their own error.

Two functions are differentiated. A *cell* check uses a random linear functional of every output
*and* of the final state, and differentiates it by every parameter, the input and the initial state.
A *network* check uses the training loss itself, from symbols.

Where a gradient is wrong, :func:`diagnose` examines one step of the cell and says where.

ReLU has no derivative at 0, and a difference taken across that kink is not a derivative either:
weights and inputs are drawn again until no pre-activation is closer to 0 than ``KINK_MARGIN``.
"""

from charrnn.gradcheck.checks import (
    KINK_MARGIN,
    ModelCheck,
    check_loss,
    check_outputs,
)
from charrnn.gradcheck.diagnosis import Finding, diagnose
from charrnn.gradcheck.numeric import (
    BOUND,
    METHODS,
    TRAINED_BOUND,
    TensorCheck,
)
from charrnn.gradcheck.suite import check_all, chosen_cells

__all__ = [
    "BOUND",
    "KINK_MARGIN",
    "METHODS",
    "TRAINED_BOUND",
    "Finding",
    "ModelCheck",
    "TensorCheck",
    "check_all",
    "check_loss",
    "check_outputs",
    "chosen_cells",
    "diagnose",
]
