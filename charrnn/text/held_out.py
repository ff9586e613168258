"""The validation set of a text: its end or, where each line is an item, lines from all over it."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from charrnn.errors import InputError
from charrnn.text.splits import split
from charrnn.text.view import View

__all__ = ["LINE_END", "HeldOut", "Parted", "whole_lines"]

LINE_END = 10
SPACES = (9, 10, 11, 12, 13, 32)
"""ASCII's white space; in bytes, other white space is parts of characters."""

DRAW = 5
"""The seed's branch for drawing lines; :mod:`charrnn.tasks.base` has the branches before it."""

Codes = npt.NDArray[Any]


class Parted(NamedTuple):
    """A text in two parts, one after the other."""

    codes: Any
    """``(N,)``, an array or a view: the training part, then the validation set."""
    start: int
    """Where the validation set begins."""


@dataclass(frozen=True)
class HeldOut:
    """How a text is split in two.

    Args:
        fraction: the validation set's share of the characters, or of the lines.
        lines: the seed by which lines are drawn; None if the validation set is the end of the text.
    """

    fraction: float
    lines: int | None = None

    def part(self, codes: Codes | View) -> Parted:
        """The training part and the validation set of a text, the same each time.

        Drawn lines are whole (:func:`whole_lines`), equal ones are in the same part, and both parts
        are in random order, so that in a sorted list each training chunk has its share of all
        letters.

        Raises:
            InputError: the lines are too few to draw from.
        """
        if self.lines is None:
            return Parted(codes, len(codes) - round(len(codes) * self.fraction))
        codes = np.asarray(codes)
        ends = np.flatnonzero(codes == LINE_END) + 1
        starts = np.concatenate(([0], ends))[:-1]
        lengths = ends - starts
        items = [codes[a:b].tobytes() for a, b in zip(starts.tolist(), ends.tolist(), strict=True)]
        rng = np.random.default_rng([self.lines, DRAW])
        try:
            parts = split(items, None, val=self.fraction, test=0.0, rng=rng)
        except InputError:
            distinct = len(set(items))
            raise InputError(
                f"--lines: {self.fraction:g} of {len(items):,} line{'s' * (len(items) != 1)}, "
                f"{distinct:,} of them distinct, are too few for a validation set",
                "give more lines or another --val-fraction, or leave out --lines",
            ) from None
        order = np.concatenate((rng.permutation(parts.train), rng.permutation(parts.val)))
        before = np.cumsum(lengths[order]) - lengths[order]  # the characters before each line now
        places = np.repeat(starts[order] - before, lengths[order]) + np.arange(len(codes))
        return Parted(codes[places], int(lengths[parts.train].sum()))


def whole_lines(codes: Codes) -> tuple[Codes, int]:
    """A text without blank lines and with its last line ended; and how many lines were blank."""
    if len(codes) and codes[-1] != LINE_END:
        codes = np.append(codes, codes.dtype.type(LINE_END))
    ends = np.flatnonzero(codes == LINE_END)
    visible = np.cumsum(~np.isin(codes, SPACES))[ends]
    blank = np.diff(visible, prepend=0) == 0
    kept = np.repeat(~blank, np.diff(ends, prepend=-1))
    return codes[kept], int(np.count_nonzero(blank))
