"""How often each symbol occurs; which are rare; whether the end of a text is like the rest."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.text.counts import counted
from charrnn.text.vocab import name_characters
from charrnn.verdict.findings import Finding
from charrnn.verdict.words import character, first_few, percent

__all__ = [
    "DRIFT",
    "DRIFT_TIMES",
    "ODD_END",
    "RARE_KINDS",
    "SELDOM",
    "UNSEEN",
    "Tallies",
    "judge_held_out",
    "judge_rare",
    "tally",
]

SELDOM = 10
"""Occurrences; a character with fewer can hardly be learnt."""
RARE_KINDS = 0.2
"""The part of the distinct characters that may be rare."""
UNSEEN = 0.001
"""The part of the validation set that may be characters which the training part lacks."""
DRIFT, DRIFT_TIMES = 0.02, 4.0
"""Nats per character that the validation set may cost more when coded by the training part's
frequencies instead of its own; and how many times more than other parts of the text."""
ODD_END = 0.3
"""Nats per character beyond chance from which on the end is odd, whatever the other parts are."""

PARTS = 9  # parts of the training part, to compare the end with
CHUNK = 1 << 22
Codes = npt.NDArray[Any]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Tallies:
    """Occurrences of each distinct symbol in each part of a text.

    Attributes:
        codes: ``(V,)`` distinct symbols, ascending.
        parts: ``(P, V)`` occurrences; the last part is the validation set, if there is one.
        held_out: the number of symbols in the validation set.
    """

    codes: Codes
    parts: Counts
    held_out: int

    @property
    def total(self) -> Counts:
        """``(V,)`` occurrences in the whole text."""
        total: Counts = self.parts.sum(axis=0)
        return total


def tally(codes: Codes, boundary: int) -> Tallies:
    """Count ``(N,)`` symbols, in parts of ``codes[:boundary]`` and in the rest."""
    edges = [round(boundary * part / PARTS) for part in range(PARTS + 1)]
    if boundary < len(codes):
        edges.append(len(codes))
    parts = [_count(codes[begin:end]) for begin, end in pairwise(edges)]
    widest = max(map(len, parts))
    counts = np.zeros((len(parts), widest), dtype=np.int64)
    for row, part in zip(counts, parts, strict=True):
        row[: len(part)] = part
    distinct = np.flatnonzero(counts.any(axis=0))
    return Tallies(distinct, counts[:, distinct], len(codes) - boundary)


def _count(codes: Codes) -> Counts:
    """Count code points; a piece at a time, since each piece is widened to count it."""
    counts = np.zeros(int(codes.max(initial=0)) + 1, dtype=np.int64)
    for start in range(0, len(codes), CHUNK):
        counts += np.bincount(codes[start : start + CHUNK], minlength=len(counts))
    return counts


def judge_rare(tallies: Tallies) -> Finding:
    """Characters that occur too seldom to be learnt."""
    total = tallies.total
    rare = np.flatnonzero(total < SELDOM)
    rare = rare[np.argsort(total[rare], kind="stable")]
    share = float(total[rare].sum() / total.sum())
    kinds = len(rare) / len(total)
    shown = [(int(tallies.codes[k]), int(total[k])) for k in rare]
    text = f"every character occurs {SELDOM} times at least"
    if shown:
        text = (
            f"{len(shown):,} of {len(total):,} distinct characters occur fewer than {SELDOM} times "
            f"({percent(share)} of the text): "
            + first_few([f"{character(code)} {count}" for code, count in shown])
        )
    noted = kinds >= RARE_KINDS
    return Finding(
        "rare characters",
        "note" if noted else "fine",
        text,
        (
            "the model cannot learn them: drop or replace accidents; if the script needs "
            "them, use more text, --embedding 64 or --level byte",
        )
        if noted
        else (),
        {
            "kinds": len(shown),
            "share": share,
            "share_of_kinds": kinds,
            "characters": {f"U+{code:04X}": count for code, count in shown},
        },
        {"SELDOM": SELDOM, "RARE_KINDS": RARE_KINDS},
    )


def judge_held_out(tallies: Tallies) -> Finding:
    """Whether the end, the validation set, is like the rest, the training part."""
    if not tallies.held_out:
        return Finding("held-out end", "fine", "there is no validation set")
    training = tallies.parts[:-1].sum(axis=0)
    lacking = np.flatnonzero((training == 0) & (tallies.parts[-1] > 0))
    unseen = int(tallies.parts[-1][lacking].sum())
    drift = _excess(tallies.parts[-1], training)
    usual = float(np.median([_excess(part, training - part) for part in tallies.parts[:-1]]))
    chance = _excess_by_chance(tallies)
    drifts = drift >= max(DRIFT, DRIFT_TIMES * usual)
    advice = []
    if drifts or drift >= chance + ODD_END:
        advice.append(
            "it is another kind of text, or the text is sorted, so its loss says little about "
            "the rest; mix the texts (use --lines if each line is an item)"
        )
    if unseen >= UNSEEN * tallies.held_out:
        advice.append("a model cannot know its new characters: put them in the training part too")
    text = (
        f"{counted(tallies.held_out, 'symbol')}; the training part's frequencies fit "
        f"{drift:.3f} nats a symbol worse than its own (other parts {usual:.3f}, by chance "
        f"{chance:.3f})"
    )
    if unseen:
        text += f"; {unseen:,} occur nowhere else: "
        text += name_characters(tallies.codes[lacking].tolist())
    return Finding(
        "held-out end",
        "note" if advice else "fine",
        text,
        tuple(advice),
        {
            "held_out": tallies.held_out,
            "drift_nats": drift,
            "usual_nats": usual,
            "chance_nats": chance,
            "unseen": unseen,
            "unseen_kinds": len(lacking),
        },
        {
            "DRIFT": DRIFT,
            "DRIFT_TIMES": DRIFT_TIMES,
            "ODD_END": ODD_END,
            "UNSEEN": UNSEEN,
        },
    )


def _excess(part: Counts, rest: Counts) -> float:
    """Nats per symbol of a part by the rest's frequencies (½ added to each), less its own."""
    if not part.sum() or not rest.sum():
        return 0.0
    p = part / part.sum()
    q = (rest + 0.5) / (rest.sum() + 0.5 * len(rest))
    present = p > 0
    return float(np.sum(p[present] * np.log(p[present] / q[present])))


def _excess_by_chance(tallies: Tallies) -> float:
    """The same for random symbols of the whole text: few symbols of many kinds differ by chance."""
    total = tallies.total
    drawn = np.random.default_rng(0).multinomial(tallies.held_out, total / total.sum())
    return _excess(drawn, total)
