"""Interpolated Kneser–Ney: how well counts of characters predict a text.

Kneser and Ney (1995), "Improved backing-off for m-gram language modeling"; in its interpolated form
Chen and Goodman (1998), "An empirical study of smoothing techniques for language modeling", with
one discount for each order.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["MOST_ORDER", "KneserNey"]

Ids = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

AT_ONCE = 1 << 20
"""How many symbols' probabilities are computed together."""

LEAST_ORDER, USUAL_ORDER, MOST_ORDER = 2, 5, 10
"""The range of a chosen order, and the one for texts too short to choose by. With millions of
characters, higher orders still gain a hundredth of a nat, but take more memory."""

SHORTEST = 1000
"""The fewest symbols of a text by which an order can be chosen."""

CHOOSING = 20
"""An order is chosen by the last symbols of a text, one in this many."""

PATIENCE = 2
"""How many higher orders are tried without success before the choice is made."""


class _Order(NamedTuple):
    """The n-grams of one n, counted in two ways, in little memory: there may be millions."""

    pairs: Ids  # (U,) number of the (n - 1)-gram · V + last symbol, ascending
    num_contexts: int  # C, the number of (n - 1)-grams
    occurrences: Ids  # (U,) c(hw) if n is the highest order
    ways: Ids | None  # (U,) c(hw) in lower orders; None in the highest


class _Counted(NamedTuple):
    """What follows from the counts of one order."""

    counts: Ids  # (U,) c(hw)
    totals: Ids  # (C,) Σ_w c(hw), of each (n - 1)-gram h
    types: Ids  # (C,) N₁₊(h·)
    discount: float  # D


class KneserNey:
    """p_n(w | h) = (max(c(hw) - D, 0) + D·N₁₊(h·)·p_{n-1}(w | h')) / Σ_w c(hw), p_0 = 1/V.

    h' is h without its first symbol. In the highest order c counts how often an n-gram occurs in
    the text, in lower orders how many different symbols precede it; N₁₊(h·) is the number of
    different symbols that follow h; D = n₁/(n₁ + 2·n₂), where n₁ and n₂ are the numbers of n-grams
    counted once and twice. If h was never seen, p_n is p_{n-1}.

    Args:
        ids: ``(N,)`` the text to count, symbols in ``[0, V)``.
        vocab_size: V.
        order: the largest n: 1 for a unigram model. If not given, the one that is best on the last
            twentieth of the text after counting the rest; then the whole text is counted.

    Attributes:
        order: the largest n.
        losses: nats a symbol on that twentieth, by order from 1; empty if the order was given.

    Raises:
        ValueError: ``order`` or ``vocab_size`` is less than 1.
    """

    def __init__(self, ids: Ids, vocab_size: int, order: int | None = None) -> None:
        if vocab_size < 1 or (order is not None and order < 1):
            raise ValueError(f"no model of order {order} over {vocab_size} symbols")
        self.vocab_size = vocab_size
        self.losses: list[float] = []
        self._orders: list[_Order] = []
        choose = order is None and len(ids) >= SHORTEST
        greatest = MOST_ORDER if choose else order or USUAL_ORDER
        self._count(ids, greatest, len(ids) // CHOOSING if choose else 0)
        self.order = self._best() if choose else greatest
        del self._orders[self.order :]  # drop orders that did not help

    def _count(self, ids: Ids, greatest: int, kept_back: int) -> None:
        """Count n-grams up to ``greatest``, or until more do not help with the rest."""
        cut = len(ids) - kept_back
        # An n-gram is identified by the number of its first n - 1 symbols and its last one. numbers
        # has, for each place in the text, the number of the n-gram that begins there: at first the
        # empty one.
        numbers = np.zeros(len(ids) + 1, dtype=np.int32)  # half of the memory of int64
        num_contexts = 1
        p = np.full(kept_back, 1 / self.vocab_size)  # for the symbols kept back
        shorter: tuple[Ids, Ids] = numbers[:0], numbers[:0]  # the contexts and n-grams of p
        for n in range(1, min(greatest, len(ids)) + 1):
            values = numbers[:-1] * np.int64(self.vocab_size)
            values += ids[n - 1 :]
            pairs, places, following, counts = _distinct(values)
            del values
            # Each distinct n-gram ends in an (n - 1)-gram, and is one way of extending it.
            ends_in = numbers[places + 1]
            if n > 1:
                below = self._orders[-1]
                ways = np.bincount(ends_in, minlength=len(below.pairs))
                self._orders[-1] = below._replace(ways=ways.astype(np.int32))
            found = _Order(pairs, num_contexts, counts.astype(np.int32), None)
            self._orders.append(found)
            if kept_back:
                # The same model of the text before the cut: n-grams that are not in it count 0.
                counts = np.bincount(following[: cut - n + 1], minlength=len(pairs))
                own = numbers[cut - n + 1 : -1], following[cut - n + 1 :]
                if n > 1:
                    ways = np.bincount(ends_in[counts > 0], minlength=len(below.pairs))
                    _refine(p, self._counted(below, ways), *shorter)
                highest = p.copy()
                _refine(highest, self._counted(found, counts), *own)
                self.losses.append(float(-np.log(highest).mean()))
                if n >= self._best() + PATIENCE:
                    break
                shorter = own
            numbers, num_contexts = following, len(pairs)

    def _best(self) -> int:
        """The order with the lowest loss so far."""
        return LEAST_ORDER + int(np.argmin(self.losses[LEAST_ORDER - 1 :] or [0.0]))

    def probabilities(
        self, ids: Ids, start: int = 0, *, order: int | None = None
    ) -> tuple[Floats, Ids]:
        """The probability of each symbol from ``start`` on, given those before it.

        Args:
            ids: ``(N,)`` symbols in ``[0, V)``.
            start: the symbols before it are only context.
            order: that of a smaller model of the same text; if not given, the model's own.

        Returns:
            ``(N - start,)`` probabilities, and the length of the longest context that was seen
            before each symbol: 0 to order - 1.

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
            reach = max(0, begin - order + 1)  # the context is no longer than this
            part = slice(begin - start, end - start)
            found = self._of_part(ids[reach:end].astype(np.int64), order)
            p[part], matched[part] = (one[begin - reach :] for one in found)
        return p, matched

    def _of_part(self, ids: Ids, order: int) -> tuple[Floats, Ids]:
        p = np.full(len(ids), 1 / self.vocab_size)
        matched = np.zeros(len(ids), dtype=np.int8)
        contexts = np.zeros(len(ids), dtype=np.int64)  # the number of each one's context, or -1
        orders = self._orders[:order]  # fewer for a shorter text
        for length, one in enumerate(orders):
            counts = one.occurrences if length == len(orders) - 1 else one.ways
            assert counts is not None
            # Without a context the pair is below 0, and is never found.
            numbers = _find(one.pairs, contexts * self.vocab_size + ids)
            matched[_refine(p, self._counted(one, counts), contexts, numbers)] = length
            contexts = np.concatenate([[-1], numbers[:-1]])
        return p, matched

    def _counted(self, order: _Order, counts: Ids) -> _Counted:
        """The totals, types and discount of each context, from counts of n-grams."""
        once, twice = np.count_nonzero(counts == 1), np.count_nonzero(counts == 2)
        # Where the counts of counts give no discount between 0 and 1, as in a text that is tiny or
        # whose n-grams are all common, it is one half.
        discount = once / (once + 2 * twice) if once and twice else 0.5
        contexts = order.pairs // self.vocab_size
        totals = np.bincount(contexts, counts, order.num_contexts)
        types = np.bincount(contexts, counts > 0, order.num_contexts)
        return _Counted(counts, totals, types, discount)


def _refine(p: Floats, counted: _Counted, contexts: Ids, numbers: Ids) -> Ids:
    """From p_{n-1} to p_n, in place.

    Args:
        contexts: the number of h, -1 where it has none.
        numbers: the number of hw, -1 where it has none.

    Returns:
        Where h was seen.
    """
    seen = np.flatnonzero((contexts >= 0) & (counted.totals[contexts] > 0))
    h, hw, discount = contexts[seen], numbers[seen], counted.discount
    own = np.where(hw >= 0, np.maximum(counted.counts[hw] - discount, 0), 0)
    p[seen] = (own + discount * counted.types[h] * p[seen]) / counted.totals[h]
    return seen


def _distinct(values: Ids) -> tuple[Ids, Ids, Ids, Ids]:
    """The distinct values, ascending; a place of each; the number of each; their counts.

    As np.unique, except that the place may be any occurrence, which allows a faster sort. The
    values are overwritten.
    """
    bits = len(values).bit_length()
    if int(values.max()) >> (63 - bits):
        order = np.argsort(values)
        ascending = values[order]
    else:  # value and place in one number, which sorts several times faster
        values <<= bits
        values |= np.arange(len(values))
        values.sort()
        order = values & ((1 << bits) - 1)
        values >>= bits
        ascending = values
    new = np.ones(len(values), dtype=np.bool_)
    np.not_equal(ascending[1:], ascending[:-1], out=new[1:])
    numbers = np.empty(len(values), dtype=np.int32)
    numbers[order] = np.cumsum(new, dtype=np.int32) - 1
    edges = np.flatnonzero(new)
    return ascending[edges], order[edges], numbers, np.diff(edges, append=len(values))


def _find(known: Ids, wanted: Ids) -> Ids:
    """The place of each in the ascending array, -1 where it is absent."""
    places = np.searchsorted(known, wanted)
    places[places == len(known)] = 0
    return np.where(known[places] == wanted, places, -1)
