"""What a forecasting network reads and predicts: changes, and a baseline's error in them.

The values of a growing series leave the range that a network was trained on; their changes do not.
And a network need not learn what a linear method already predicts: it corrects that method, and
begins with no correction at all (He et al., 2016, "Deep residual learning", for the idea; Zhang,
2003, "Time series forecasting using a hybrid ARIMA and neural network model").
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.nn.models import SequenceModel
from charrnn.nn.parameters import Parameters
from charrnn.tasks.baselines.linear import Linear, differenced, polynomial

__all__ = ["FEW_ROWS", "Changes", "Correction"]

Numbers = npt.NDArray[np.float64]

SMALLEST = 0.01
"""The smallest unit of the outputs, as a part of a column's changes from row to row: a series
that the baseline predicts exactly leaves only rounding errors."""

DOUBT = 2.5
"""Standard errors by which the network's share is reduced: the best of some 25 validations is
chosen, and among this many chance alone looks as good."""

FEW_ROWS = 8
"""With fewer validation rows than this the network adds nothing to the baseline."""


@dataclass(frozen=True)
class Correction(SequenceModel):
    """A network whose outputs are all zero before it is trained."""

    def init(self, rng: np.random.Generator, dtype: npt.DTypeLike = np.float32) -> Parameters:
        """As :class:`SequenceModel`, except for the head."""
        parameters = super().init(rng, dtype)
        for name in ("head.W", "head.b"):
            parameters[name][...] = 0
        return parameters


@dataclass(frozen=True)
class Changes:
    """How a network's inputs and targets are made from a series, and values from its outputs.

    Attributes:
        base: the baseline that is corrected, fitted to the training rows.
        mean, deviation: ``(D,)`` of the differences that ``base`` takes, over the training rows.
        scale: ``(D,)`` the typical error of ``base`` there: the unit of the outputs.
        share: ``(D,)`` the part of each output that is added to ``base``'s prediction, 0 to 1.
    """

    base: Linear
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    scale: tuple[float, ...]
    share: tuple[float, ...]

    @property
    def reach(self) -> int:
        """How many rows the input at a row depends on, if ``base`` is settled."""
        return max(self.base.reach, *(1 + sum(form.lags) for form in self.base.forms))

    @classmethod
    def of(cls, base: Linear, train: Numbers) -> "Changes":
        """Find the scales from the training rows, ``(N, D)``."""
        seen = base.seen(train)
        off = (seen[1:] - base.expected(seen)[:-1])[min(base.reach, len(train) // 2) - 1 :]
        mean, deviation, scale = [], [], []
        for k, form in enumerate(base.forms):
            w = differenced(seen[:, k], form.lags)
            if not len(w):
                w = np.zeros(1)
            mean.append(float(w.mean()))
            spread = float(w.std())
            deviation.append(spread if spread > 1e-12 * np.abs(seen[:, k]).max() else 1.0)
            missed = float(np.sqrt(np.mean(off[:, k] ** 2))) if len(off) else 0.0
            change = float(np.sqrt(np.mean(np.diff(seen[:, k]) ** 2)))
            scale.append(max(missed, SMALLEST * change) or deviation[-1])
        return cls(base, tuple(mean), tuple(deviation), tuple(scale), (1.0,) * len(scale))

    def inputs(self, values: Numbers) -> tuple[Numbers, Numbers]:
        """The input at each of ``values`` ``(N, D)``, and what ``base`` expects after it.

        Returns:
            ``(N, 2·D)``: the differences up to the row, and those that ``base`` expects next; and
            ``(N, D)`` expected values, in the form that ``base`` uses.
        """
        seen = self.base.seen(values)
        after = self.base.expected(seen)
        parts = []
        for k, form in enumerate(self.base.forms):
            mean, reach = self.mean[k], sum(form.lags)
            change = np.full(len(seen), mean)
            change[reach:] = differenced(seen[:, k], form.lags)
            ahead = np.full(len(seen), mean)
            known = len(seen) - max(0, reach - 1)
            if known > 0:
                before = polynomial(form.lags)[1:]
                told = np.convolve(seen[:, k], before, "valid") if len(before) else 0.0
                ahead[len(seen) - known :] = after[len(seen) - known :, k] + told
            parts.append(np.stack([change, ahead]) - mean)
        scaled = np.stack(parts, axis=2) / np.array(self.deviation)  # (2, N, D)
        return np.concatenate([scaled[0], scaled[1]], axis=1), after

    def targets(self, values: Numbers, after: Numbers) -> Numbers:
        """The target that leads to each of ``values`` ``(N, D)``; the first has none, so zero.

        Args:
            after: ``(N-1, D)``, what ``base`` expected after each row but the last.
        """
        seen = self.base.seen(values)
        off = np.zeros_like(seen)
        off[1:] = seen[1:] - after
        return np.asarray(off / np.array(self.scale))

    def restored(self, outputs: Numbers, after: Numbers) -> Numbers:
        """Values from outputs ``(N, D)`` and from what ``base`` expected there."""
        return self.base.restored(after + outputs * (np.array(self.scale) * np.array(self.share)))

    def trusted(self, outputs: Numbers, targets: Numbers) -> "Changes":
        """Set the share of the outputs that rows outside the training part justify, ``(M, D)``.

        It is the coefficient of the regression of the targets on the outputs, less ``DOUBT`` of its
        standard errors: zero where chance could explain what the network gains, and for fewer than
        ``FEW_ROWS`` rows, whose errors say little of it.
        """
        if len(outputs) < FEW_ROWS:
            return self.with_share(np.zeros(len(self.scale)))
        of_outputs = np.maximum((outputs**2).sum(axis=0), 1e-30)
        part = (outputs * targets).sum(axis=0) / of_outputs
        left = ((targets - part * outputs) ** 2).sum(axis=0) / max(1, len(outputs) - 1)
        share = np.clip(part - DOUBT * np.sqrt(left / of_outputs), 0.0, 1.0)
        return self.with_share(share)

    def with_share(self, share: Numbers) -> "Changes":
        """The same with another share, ``(D,)``.

        Raises:
            ValueError: it does not have one value for each column, or is not between 0 and 1.
        """
        if share.shape != (len(self.scale),) or not np.all((share >= 0) & (share <= 1)):
            raise ValueError("a share must be between 0 and 1")
        return replace(self, share=tuple(share.tolist()))

    @property
    def added(self) -> str:
        """What the network adds to ``base``, in words that follow the name of ``base``."""
        least, most = min(self.share), max(self.share)
        if not most:
            return "; the network adds nothing to it"
        if least == 1:
            return ", which the network corrects"
        part = f"{most:.0%}" if least == most else f"{least:.0%} to {most:.0%}"
        return f"; {part} of the network's corrections added"

    def to_header(self) -> dict[str, Any]:
        """The entry of a checkpoint."""
        names = ("mean", "deviation", "scale", "share")
        numbers = {name: getattr(self, name) for name in names}
        return {
            "base": self.base.to_header(),
            **{name: list(value) for name, value in numbers.items()},
        }

    @classmethod
    def from_header(cls, header: Mapping[str, Any], size: int) -> "Changes":
        """The inverse of :meth:`to_header`, for ``size`` columns.

        Raises:
            KeyError, TypeError, ValueError: the header is not from :meth:`to_header`.
        """
        base = Linear.from_header(header["base"], size)
        numbers = [header[name] for name in ("mean", "deviation", "scale", "share")]
        for some in numbers:
            if not isinstance(some, list) or len(some) != size:
                raise ValueError("changes need a number for each column")
            if not all(type(x) is float and np.isfinite(x) for x in some):
                raise ValueError("what changes are measured by must be numbers")
        mean, deviation, scale, share = (tuple(some) for some in numbers)
        if not all(x > 0 for x in (*deviation, *scale)):
            raise ValueError("what changes are measured by must be positive")
        if not all(0 <= x <= 1 for x in share):
            raise ValueError("a share must be between 0 and 1")
        return cls(base, mean, deviation, scale, share)
