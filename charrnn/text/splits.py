"""Rows to train on, to validate and to test with: no input in two parts, each label in all."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from charrnn.errors import InputError

__all__ = ["Parts", "overlap", "split"]

TRAIN, VAL, TEST = 0, 1, 2

Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Parts:
    """Indices of rows, from 0, each part ascending; together every row once."""

    train: Indices
    val: Indices
    test: Indices


def split(
    keys: Sequence[Hashable],
    strata: Sequence[Hashable] | None,
    *,
    val: float,
    test: float,
    rng: np.random.Generator,
) -> Parts:
    """Share rows out among three parts.

    Rows with equal keys stay together: they are a group. Groups are walked along, stratum after
    stratum, each to the part that is furthest behind its share of the rows so far, so that what
    rounding takes from one stratum the next one gives back. Within a stratum large groups come
    first and equally large ones in random order; small strata come first, so that a large one
    settles the account.

    Training keeps a group of every stratum that has two or more; and also the groups of strata
    that have only one, unless those are so many that the rest could not make up for them.

    Args:
        keys: ``(N,)`` what must not be in two parts: the inputs.
        strata: ``(N,)`` what each part should have its share of: a label, or a tuple of one at
            least; or None. A group with several counts as of the rarest.
        val: the fraction of the rows to validate with; may be 0.
        test: the fraction of the rows to test with; may be 0.
        rng: decides; the same state gives the same parts.

    Raises:
        InputError: a fraction is not one, a part that was asked for comes out empty, or nothing
            is left to train on.
        ValueError: there are not as many strata as keys.
    """
    if strata is not None and len(strata) != len(keys):
        raise ValueError(f"{len(keys)} keys and {len(strata)} strata")
    if not (val >= 0 and test >= 0 and val + test < 1):
        raise InputError(
            f"{val:g} of the rows to validate and {test:g} to test leave none to train on",
            "give two fractions of 0 or more with a sum below 1",
        )
    group_of = _numbered(keys)
    groups = _Groups(group_of, strata)
    part_of = _share(groups, val, test, rng)[group_of]
    parts = Parts(*(np.flatnonzero(part_of == part) for part in (TRAIN, VAL, TEST)))
    wanted = (("train", 1 - val - test), ("validate", val), ("test", test))
    for (what, fraction), rows in zip(wanted, (parts.train, parts.val, parts.test), strict=True):
        if fraction and not len(rows):
            raise InputError(
                f"no rows to {what} with: {fraction:.3g} of {len(keys)} rows "
                f"({groups.size} distinct inputs) is too few",
                "give more rows, another --val-fraction, or files with --val and --test",
            )
    return parts


def overlap(train_keys: Iterable[Hashable], other_keys: Iterable[Hashable]) -> list[int]:
    """The rows of others, from 0, whose key is one to train on."""
    known = set(train_keys)
    return [row for row, key in enumerate(other_keys) if key in known]


def _numbered(keys: Sequence[Hashable]) -> Indices:
    """``(N,)`` equal keys as equal numbers, in the order in which they first occur."""
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.intp)


class _Groups:
    """Rows with equal keys, and the strata they are of.

    Attributes:
        size: how many groups there are.
        rows: ``(size,)`` how many rows each has.
        strata: the distinct strata of each.
        stratum: ``(size,)`` the one it counts as: that of the fewest groups.
        members: ``(S,)`` how many groups each stratum is in.
    """

    def __init__(self, group_of: Indices, strata: Sequence[Hashable] | None) -> None:
        self.size = int(group_of.max(initial=-1)) + 1
        self.rows = np.bincount(group_of, minlength=self.size)
        if strata is None:
            stratum_of = np.zeros_like(group_of)
        else:
            several = [own if isinstance(own, tuple) else (own,) for own in strata]
            group_of = np.repeat(group_of, [len(own) for own in several])
            stratum_of = _numbered([stratum for own in several for stratum in own])
        num_strata = int(stratum_of.max(initial=-1)) + 1
        # Each pair of a group and a stratum once.
        pairs = np.unique(group_of * max(num_strata, 1) + stratum_of)
        group, stratum = np.divmod(pairs, max(num_strata, 1))
        self.members = np.bincount(stratum, minlength=num_strata)
        order = np.lexsort((stratum, self.members[stratum], group))
        group, stratum = group[order], stratum[order]
        first = np.searchsorted(group, np.arange(self.size))
        self.stratum = stratum[first]
        bounds = [*first.tolist(), len(group)]
        flat = stratum.tolist()
        self.strata = [flat[start:end] for start, end in pairwise(bounds)]


def _share(groups: _Groups, val: float, test: float, rng: np.random.Generator) -> Indices:
    """``(groups,)`` the part that each group goes to."""
    parts = np.zeros(groups.size, dtype=np.intp)
    num_strata = len(groups.members)
    weight = np.bincount(groups.stratum, weights=groups.rows, minlength=num_strata)
    place = np.empty(num_strata, dtype=np.intp)
    place[np.lexsort((rng.permutation(num_strata), weight))] = np.arange(num_strata)
    chance = rng.permutation(groups.size)
    order = np.lexsort((chance, -groups.rows, place[groups.stratum]))

    # What only training can use: the one group of a stratum.
    total = int(groups.rows.sum())
    single = groups.members[groups.stratum] == 1
    left = total - int(groups.rows[single].sum())
    aside = (val + test) * total <= left / 2
    if aside and left:
        order = order[~single[order]]
        val, test = val * total / left, test * total / left

    # Of each stratum, the groups that have no part yet (those set aside count, so that the last
    # one never comes: training has a group then), and whether training has, or needs, one.
    waiting = groups.members.tolist()
    trained = (groups.members < 2).tolist()
    seen = in_val = in_test = 0
    sizes = groups.rows.tolist()
    for group in order.tolist():
        size, strata = sizes[group], groups.strata[group]
        seen += size
        behind_val, behind_test = val * seen - in_val, test * seen - in_test
        behind_train = size - behind_val - behind_test  # the three add up to this group
        part = TRAIN
        if not any(waiting[s] == 1 and not trained[s] for s in strata):
            if behind_val > behind_train and behind_val >= behind_test:
                part = VAL
            elif behind_test > behind_train:
                part = TEST
        if part == TRAIN:
            for stratum in strata:
                trained[stratum] = True
        elif part == VAL:
            in_val += size
        else:
            in_test += size
        for stratum in strata:
            waiting[stratum] -= 1
        parts[group] = part
    return parts
