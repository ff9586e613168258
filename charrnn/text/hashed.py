"""N-grams of texts and of words as numbers, by a hash that is the same on every machine.

It is the 64-bit FNV-1a hash (Fowler, Noll and Vo), applied to symbols instead of bytes. It has no
seed, so a checkpoint only needs to note the number of buckets.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from zlib import crc32

import numpy as np
import numpy.typing as npt

__all__ = ["CHARACTERS", "buckets_of", "hashed", "longest_for", "of_text", "of_tokens"]

Hashes = npt.NDArray[np.uint64]

BASIS, PRIME, MASK = 0xCBF29CE484222325, 0x100000001B3, (1 << 64) - 1

CHARACTERS, WORDS = 5, 2
"""The lengths of the longest n-grams of a text: in characters, and in words."""

OF_SENTENCES, FEWEST, MOST = 8, 32, 1000
"""The length of the longest n-grams of texts that have between 32 and 1,000 characters on average.
In names, n-grams of more than five characters only take the buckets of others; in documents, there
are too many of them to fit a map in a minute.
"""

START, END = "\x02", "\x03"
"""The signs for the beginning and the end of a text."""

WORD = re.compile(r"\w+|[^\w\s]")

AFFIX = 5
"""The longest beginning or ending of a token that is used, in characters."""


def hashed(*symbols: int) -> int:
    """The FNV-1a hash of some numbers."""
    h = BASIS
    for symbol in symbols:
        h = ((h ^ symbol) * PRIME) & MASK
    return h


def buckets_of(hashes: Hashes, size: int) -> npt.NDArray[np.intp]:
    """Which of ``size`` buckets each hash falls into, by its upper half, which is better mixed."""
    return ((hashes ^ (hashes >> np.uint64(32))) % np.uint64(size)).astype(np.intp)


def longest_for(texts: Sequence[str]) -> int:
    """The length of the longest character n-grams that suit these texts."""
    mean = sum(map(len, texts)) / max(1, len(texts))
    return OF_SENTENCES if FEWEST <= mean <= MOST else CHARACTERS


def of_text(text: str, longest: int = CHARACTERS) -> Hashes:
    """Hash all n-grams of a text: of characters, and of up to two words in lower case.

    A sign marks the text's beginning and one its end; character n-grams see a space next to each,
    so that the first word looks like any other.

    Args:
        longest: the length of the longest n-grams, in characters.

    Returns:
        One hash for each n-gram, as often as it occurs.
    """
    framed = np.frombuffer(
        f"{START} {text} {END}".encode("utf-32-le", "surrogatepass"), dtype="<u4"
    )
    found = [ord(START), *(_word(word) for word in WORD.findall(text.lower())), ord(END)]
    words = np.array(found, dtype=np.uint64)
    return np.concatenate(
        [*_ngrams(framed.astype(np.uint64), longest, 1), *_ngrams(words, WORDS, 2)]
    )


def of_tokens(tokens: Sequence[str], *, ahead: bool = True) -> list[Hashes]:
    """Hash the features of each token in a sentence: itself, its parts, its neighbours.

    Args:
        ahead: whether the tokens after it are features as well.
    """
    own = [_word(token.lower()) for token in tokens]
    words = _numbers([0, 0, *own, 1, 1])  # 0 and 1 are the places outside
    ends = _numbers([2, *(_word(token.lower()[-3:]) for token in tokens), 2])
    shapes = _numbers([3, *(_word(_shape(token)) for token in tokens), 3])
    count = len(tokens)
    before2, before, this, after, after2 = (words[k : k + count] for k in range(5))
    around = [
        _hashed(1, before),
        _hashed(3, before2),
        _hashed(5, before, this),
        _hashed(8, before2, before),
        _hashed(10, ends[:count]),
    ]
    if ahead:
        around += [
            _hashed(2, after),
            _hashed(4, after2),
            _hashed(6, this, after),
            _hashed(7, before, after),
            _hashed(9, after, after2),
            _hashed(11, ends[2:]),
            _hashed(12, shapes[:count], shapes[1:-1], shapes[2:]),
        ]
    context = np.stack(around, axis=1)
    return [np.concatenate([_of_token(token), context[at]]) for at, token in enumerate(tokens)]


def _numbers(symbols: Sequence[int]) -> Hashes:
    return np.array(symbols, dtype=np.uint64)


def _hashed(family: int, *symbols: Hashes) -> Hashes:
    """:func:`hashed` for many at once: ``family``, then the symbols at each place."""
    h = np.full(len(symbols[0]), hashed(family), dtype=np.uint64)
    for own in symbols:
        h = (h ^ own) * np.uint64(PRIME)
    return h


def _ngrams(symbols: Hashes, order: int, family: int) -> list[Hashes]:
    """N-grams of each length 1..order; ``family`` separates them from those of other symbols."""
    found = []
    h = np.full(len(symbols), hashed(family), dtype=np.uint64)
    for n in range(1, min(order, len(symbols)) + 1):
        h = (h[: len(symbols) - n + 1] ^ symbols[n - 1 :]) * np.uint64(PRIME)
        found.append(h)
    return found


@lru_cache(1 << 16)
def _word(word: str) -> int:
    return crc32(word.encode("utf-8", "surrogatepass"))


@lru_cache(1 << 16)
def _of_token(token: str) -> Hashes:
    """The features of a token by itself."""
    small = token.lower()
    keys = [(20, _word(small)), (21, _word(token)), (22, _word(_shape(token)))]
    for n in range(1, min(AFFIX, len(small)) + 1):
        keys += [(30 + n, _word(small[:n])), (40 + n, _word(small[-n:]))]
    return np.array([hashed(*key) for key in keys], dtype=np.uint64)


def _shape(token: str) -> str:
    """Capitals, lower-case letters, digits and other signs, runs shortened: ``Xx-0``."""
    kinds = [
        "X" if c.isupper() else "x" if c.isalpha() else "0" if c.isdigit() else c for c in token
    ]
    return "".join(c for k, c in enumerate(kinds) if not k or c != kinds[k - 1])
