"""What a forecasting network reads and says: changes, and what a simple method misses of them.

Values of a series that grows leave the range that a network was trained on; their changes do not.
And what a linear method says of the next row need not be learnt again: the network corrects it,
and begins with no correction at all (He et al., 2016, "Deep residual learning", for the idea;
Zhang, 2003, "Time series forecasting using a hybrid ARIMA and neural network model").
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.nn.models import SequenceModel
from charrnn.nn.parameters import Parameters
from charrnn.tasks.baselines.linear import Linear, differenced, polynomial

__all__ = ["Changes", "Correction"]

Numbers = npt.NDArray[np.float64]

SMALLEST = 0.01
"""What a simple method misses is measured by this part of a column's changes from row to row at
least: a series that it predicts exactly leaves rounding errors."""

DOUBT = 2.5
"""Standard errors by which the network's share is smaller than it seems: the best of some 25
validations is chosen, and the best of so many looks at chance is as far off."""


@dataclass(frozen=True)
class Correction(SequenceModel):
    """A network whose outputs are all zero before it is trained."""

    def init(self, rng: np.random.Generator, dtype: npt.DTypeLike = np.float32) -> Parameters:
        """As :class:`SequenceModel`, but for the head."""
        parameters = super().init(rng, dtype)
        for name in ("head.W", "head.b"):
            parameters[name][...] = 0
        return parameters


@dataclass(frozen=True)
class Changes:
    """How a network's inputs and outputs are made of a series, and values of its outputs.

    Attributes:
        base: what is corrected: fitted to the rows that train.
        mean, deviation: ``(D,)`` of the differences that ``base`` takes, over the rows that train.
        scale: ``(D,)`` how far ``base`` is off there: the unit of the outputs.
        share: ``(D,)`` the part of each output that is added to what ``base`` says, 0 to 1.
    """

    base: Linear
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    scale: tuple[float, ...]
    share: tuple[float, ...]

    @property
    def reach(self) -> int:
        """How many rows decide what is read at the last of them."""
        return max(self.base.reach, *(1 + sum(form.lags) for form in self.base.forms))

    @classmethod
    def of(cls, base: Linear, train: Numbers) -> "Changes":
        """By the rows that train, ``(N, D)``."""
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
        """What is read at each of ``values`` ``(N, D)``, and what ``base`` expects after it.

        Returns:
            ``(N, 2·D)``: the differences up to the row, and those that ``base`` expects next; and
            ``(N, D)``, as ``base`` sees values.
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

    def targets(self, values: Numbers) -> Numbers:
        """What should have been said of each of ``values`` ``(N, D)``, of the first nothing."""
        seen = self.base.seen(values)
        off = np.zeros_like(seen)
        off[1:] = seen[1:] - self.base.expected(seen)[:-1]
        return np.asarray(off / np.array(self.scale))

    def restored(self, outputs: Numbers, after: Numbers) -> Numbers:
        """Values of outputs ``(N, D)`` and what ``base`` expected there."""
        return self.base.restored(after + outputs * (np.array(self.scale) * np.array(self.share)))

    def trusted(self, outputs: Numbers, targets: Numbers) -> "Changes":
        """With the share of the outputs ``(M, D)`` that rows not trained on speak for.

        That is the coefficient of the regression of the targets on the outputs, less ``DOUBT`` of
        its standard errors: nothing where chance would explain what the network gains.
        """
        of_outputs = np.maximum((outputs**2).sum(axis=0), 1e-30)
        part = (outputs * targets).sum(axis=0) / of_outputs
        left = ((targets - part * outputs) ** 2).sum(axis=0) / max(1, len(outputs) - 1)
        share = np.clip(part - DOUBT * np.sqrt(left / of_outputs), 0.0, 1.0)
        return self.with_share(share)

    def with_share(self, share: Numbers) -> "Changes":
        """With another one, ``(D,)``.

        Raises:
            ValueError: it is not of so many columns, or not between 0 and 1.
        """
        if share.shape != (len(self.scale),) or not np.all((share >= 0) & (share <= 1)):
            raise ValueError("a share must be between 0 and 1")
        return replace(self, share=tuple(share.tolist()))

    @property
    def added(self) -> str:
        """What the network adds to ``base``, in words that go on from its name."""
        least, most = min(self.share), max(self.share)
        if not most:
            return "; the network adds nothing to it"
        if least == 1:
            return ", which the network corrects"
        part = f"{most:.0%}" if least == most else f"{least:.0%} to {most:.0%}"
        return f"; {part} of the network's corrections added"

    def to_header(self) -> dict[str, Any]:
        """For a checkpoint."""
        names = ("mean", "deviation", "scale", "share")
        numbers = {name: getattr(self, name) for name in names}
        return {
            "base": self.base.to_header(),
            **{name: list(value) for name, value in numbers.items()},
        }

    @classmethod
    def from_header(cls, header: Mapping[str, Any], size: int) -> "Changes":
        """The inverse of :meth:`to_header`, of ``size`` columns.

        Raises:
            KeyError, TypeError, ValueError: it is not what that wrote.
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
