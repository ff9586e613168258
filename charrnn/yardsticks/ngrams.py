"""Interpolated Kneser–Ney: what counting characters reaches.

Kneser and Ney (1995), "Improved backing-off for m-gram language modeling"; in its interpolated form
Chen and Goodman (1998), "An empirical study of smoothing techniques for language modeling", with
one discount for each order.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["KneserNey"]

Ids = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

AT_ONCE = 1 << 20
"""Symbols whose probabilities are computed together."""


class _Order(NamedTuple):
    """The n-grams of one n, with their counts of one kind."""

    pairs: Ids  # (U,) number of the (n - 1)-gram · V + last symbol, ascending
    discounted: Floats  # (U,) max(c - D, 0)
    totals: Floats  # (C,) Σ_w c(hw), of each (n - 1)-gram h
    set_aside: Floats  # (C,) what discounting took from them: D·N₁₊(h·)


class KneserNey:
    """p_n(w | h) = (max(c(hw) - D, 0) + D·N₁₊(h·)·p_{n-1}(w | h')) / Σ_w c(hw), p_0 = 1/V.

    h' is h without its first symbol. In the highest order c counts how often an n-gram stands in
    the text, below it how many different symbols stand before it; N₁₊(h·) is how many different
    symbols follow h; D = n₁/(n₁ + 2·n₂) of the n-grams that are counted once and twice. Where h
    was never seen, p_n is p_{n-1}.

    Args:
        ids: ``(N,)`` the text to count, symbols in ``[0, V)``.
        vocab_size: V.
        order: the greatest n: 1 for a unigram model.

    Raises:
        ValueError: ``order`` or ``vocab_size`` is less than 1.
    """

    def __init__(self, ids: Ids, vocab_size: int, order: int) -> None:
        if order < 1 or vocab_size < 1:
            raise ValueError(f"no model of order {order} over {vocab_size} symbols")
        self.vocab_size = vocab_size
        self.order = order
        self._inner: list[_Order] = []  # as counted below the highest order
        self._highest: list[_Order] = []  # as counted if this is the highest
        ids = ids.astype(np.int64)
        # An n-gram is known by the number of its first n - 1 symbols and its last one. Here, of
        # each place in the text, is the number of the n-gram that begins there: of one that is
        # empty, at first.
        numbers = np.zeros(len(ids) + 1, dtype=np.int64)
        num_contexts = 1
        for n in range(1, min(order, len(ids)) + 1):
            pairs, places, following, counts = _distinct(numbers[:-1] * vocab_size + ids[n - 1 :])
            if n > 1:
                # Each distinct n-gram ends in an (n - 1)-gram, and is one way to come to it.
                below = self._highest[-1]
                ways = np.bincount(numbers[places + 1], minlength=len(below.pairs))
                self._inner.append(_counted(below.pairs, ways, len(below.totals), vocab_size))
            self._highest.append(_counted(pairs, counts, num_contexts, vocab_size))
            numbers, num_contexts = following, len(pairs)

    def probabilities(
        self, ids: Ids, start: int = 0, *, order: int | None = None
    ) -> tuple[Floats, Ids]:
        """The probability of each symbol from ``start`` on, given those before it.

        Args:
            ids: ``(N,)`` symbols in ``[0, V)``.
            start: those before it are context only.
            order: of a smaller model of the same text; its own if not given.

        Returns:
            ``(N - start,)`` probabilities, and how many of the last symbols before each are a
            context that was seen: 0 to order - 1.

        Raises:
            ValueError: a symbol or ``order`` is out of range.
        """
        order = self.order if order is None else order
        if not 1 <= order <= self.order:
            raise ValueError(f"order must be from 1 to {self.order}, got {order}")
        if len(ids) and not 0 <= int(ids.min()) <= int(ids.max()) < self.vocab_size:
            raise ValueError(f"symbols must be in [0, {self.vocab_size})")
        p = np.empty(len(ids) - start)
        matched = np.empty(len(p), dtype=np.int8)
        for begin in range(start, len(ids), AT_ONCE):
            end = min(begin + AT_ONCE, len(ids))
            reach = max(0, begin - order + 1)  # context reaches back no further
            part = slice(begin - start, end - start)
            found = self._of_part(ids[reach:end].astype(np.int64), order)
            p[part], matched[part] = (one[begin - reach :] for one in found)
        return p, matched

    def _of_part(self, ids: Ids, order: int) -> tuple[Floats, Ids]:
        p = np.full(len(ids), 1 / self.vocab_size)
        matched = np.zeros(len(ids), dtype=np.int8)
        contexts = np.zeros(len(ids), dtype=np.int64)  # the number of that before each, or -1
        order = min(order, len(self._highest))  # of a text that is shorter than that
        orders = [*self._inner[: order - 1], *self._highest[order - 1 : order]] if order else []
        for length, counted in enumerate(orders):
            # Of no context comes a pair below 0, which is nowhere.
            numbers = _find(counted.pairs, contexts * self.vocab_size + ids)
            seen = np.flatnonzero((contexts >= 0) & (counted.totals[contexts] > 0))
            own = np.where(numbers >= 0, counted.discounted[numbers], 0)[seen]
            h = contexts[seen]
            p[seen] = (own + counted.set_aside[h] * p[seen]) / counted.totals[h]
            matched[seen] = length
            contexts = np.concatenate([[-1], numbers[:-1]])
        return p, matched


def _counted(pairs: Ids, counts: Ids, num_contexts: int, vocab_size: int) -> _Order:
    """Discount the counts of one order."""
    once, twice = np.count_nonzero(counts == 1), np.count_nonzero(counts == 2)
    # Where the counts of counts give nothing between 0 and 1, as in a text that is tiny or whose
    # n-grams are all common, half a count is taken.
    discount = once / (once + 2 * twice) if once and twice else 0.5
    contexts = pairs // vocab_size
    discounted = np.maximum(counts - discount, 0)
    totals = np.bincount(contexts, counts, num_contexts).astype(np.float64)
    types = np.bincount(contexts, counts > 0, num_contexts)
    return _Order(pairs, discounted, totals, (discount * types).astype(np.float64))


def _distinct(values: Ids) -> tuple[Ids, Ids, Ids, Ids]:
    """The distinct values, ascending; where one of each is; the number of each; their counts.

    What np.unique gives, but for the place being that of any: so a faster sort will do.
    """
    order = np.argsort(values)
    ascending = values[order]
    new = np.ones(len(values), dtype=np.bool_)
    np.not_equal(ascending[1:], ascending[:-1], out=new[1:])
    numbers = np.empty(len(values), dtype=np.int64)
    numbers[order] = np.cumsum(new) - 1
    edges = np.flatnonzero(new)
    return ascending[edges], order[edges], numbers, np.diff(edges, append=len(values))


def _find(known: Ids, wanted: Ids) -> Ids:
    """Where each is in the ascending array, -1 where it is not."""
    places = np.searchsorted(known, wanted)
    places[places == len(known)] = 0
    return np.where(known[places] == wanted, places, -1)
