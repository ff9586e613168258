"""Figures and pieces of a text, as people read them."""

import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["SHOWN", "character", "excerpt", "first_few", "line_of", "percent"]

SHOWN = 5


def percent(share: float) -> str:
    """``12 %``, ``0.35 %``, ``less than 0.01 %``: two digits."""
    if 0 < share < 1e-4:
        return "less than 0.01 %"
    if share > 0.995 and share < 1:
        return "nearly all"
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.0f} %"


def character(code: int) -> str:
    """``'é' (U+00E9 LATIN SMALL LETTER E WITH ACUTE)``; for printable ASCII just ``'e'``."""
    if 32 < code < 127:
        return repr(chr(code))
    name = unicodedata.name(chr(code), "")
    return f"{chr(code)!r} (U+{code:04X}{' ' * bool(name)}{name})"


def first_few(named: Sequence[str]) -> str:
    """The first of a list, and how many more there are."""
    more = f" and {len(named) - SHOWN} more" if len(named) > SHOWN else ""
    return ", ".join(named[:SHOWN]) + more


def excerpt(codes: npt.NDArray[Any], length: int = 40) -> str:
    """The beginning of a piece of text; bytes as Latin-1."""
    return "".join(map(chr, codes[:length].tolist())) + (" ..." if len(codes) > length else "")


def line_of(codes: npt.NDArray[Any], at: int) -> int:
    """The number of the line that a character is in, from 1."""
    return int(np.count_nonzero(codes[:at] == ord("\n"))) + 1
