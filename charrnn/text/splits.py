"""Split rows into training, validation and test: no input in two parts, each label in all."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from charrnn.errors import InputError
from charrnn.text.counts import counted

__all__ = ["Parts", "overlap", "split"]

TRAIN, VAL, TEST = 0, 1, 2

Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Parts:
    """Indices of rows, from 0, ascending in each part; each row is in exactly one part."""

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

    Rows with equal keys stay together, as a group. Stratum after stratum, each group goes to the
    part that is furthest behind its share of the rows so far, so that what one stratum loses by
    rounding the next one regains. Within a stratum, large groups come first, and equally large ones
    in random order; small strata come first, so that a large one can even things out.

    Training gets a group of every stratum that has at least two. It also gets the groups of strata
    that have only one, unless those are too many for the other groups to make up for.

    Args:
        keys: ``(N,)`` what must not be in two parts: the inputs.
        strata: ``(N,)`` what each part should have its share of: a label, or a tuple of at least
            one; or None. A group with several strata counts as the rarest.
        val: the validation set's fraction of the rows; may be 0.
        test: the test part's fraction of the rows; may be 0.
        rng: the same state gives the same parts.

    Raises:
        InputError: a fraction is out of range, a part that was asked for is empty, or no training
            row is left.
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
                f"too few different texts to {what} with: {groups.size} in "
                f"{counted(len(keys), 'row')}",
                "give more rows, another --val-fraction, or files with --val and --test",
            )
    return parts


def overlap(train_keys: Iterable[Hashable], other_keys: Iterable[Hashable]) -> list[int]:
    """The rows of others, from 0, whose key is also in training."""
    known = set(train_keys)
    return [row for row, key in enumerate(other_keys) if key in known]


def _numbered(keys: Sequence[Hashable]) -> Indices:
    """``(N,)`` numbers for keys, equal for equal keys, in the order of first occurrence."""
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.intp)


class _Groups:
    """Rows grouped by equal keys, and the strata they belong to.

    Attributes:
        size: the number of groups.
        rows: ``(size,)`` the number of rows in each group.
        strata: the distinct strata of each group.
        stratum: ``(size,)`` the stratum that a group counts as: the one with the fewest groups.
        members: ``(S,)`` the number of groups in each stratum.
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

    # What only training can use: a group that is alone in its stratum.
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
        behind_train = size - behind_val - behind_test  # the three sum to this group's size
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
