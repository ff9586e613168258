"""Tags of words: the most frequent ones with the word, and with its neighbours."""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import ClassVar, Self

__all__ = ["TagBaseline"]

Keys = Iterator[Hashable]


def _word(words: Sequence[str], at: int) -> Keys:
    """The keys by which a word's tag is looked up, the most reliable first."""
    yield "word", words[at]


def _neighbours(words: Sequence[str], at: int) -> Keys:
    """The same, with the words before and after it, and its last letters in case it is unknown."""
    before = words[at - 1] if at else None
    word = words[at]
    after = words[at + 1] if at + 1 < len(words) else None
    yield "both", before, word, after
    yield "after", word, after
    yield "before", before, word
    yield "word", word
    for length in (4, 3, 2, 1):
        if length < len(word):
            yield "suffix", word[-length:]


class TagBaseline:
    """The most frequent tag given what is known of a word, in two ways.

    :attr:`WORD` looks the word up. :attr:`NEIGHBOURS` looks up the word between its two neighbours,
    else with the next one, else with the one before, else by itself, else its last four letters or
    fewer. A word that is not found gets the most frequent tag of all. Among equally frequent tags,
    the first in alphabetical order is taken.
    """

    WORD = "most frequent tag per word"
    NEIGHBOURS = "with neighbours' words"
    WAYS = (WORD, NEIGHBOURS)
    KEYS: ClassVar[dict[str, Callable[[Sequence[str], int], Keys]]] = {
        WORD: _word,
        NEIGHBOURS: _neighbours,
    }

    def __init__(self) -> None:
        self._tables: dict[str, dict[Hashable, tuple[str, float]]] = {}

    def fit(self, sentences: Sequence[tuple[Sequence[str], Sequence[str]]]) -> Self:
        """Learn from sentences.

        Args:
            sentences: the words and the tags of each.

        Raises:
            ValueError: there are no words, or a sentence does not have as many tags as words.
        """
        for words, tags in sentences:
            if len(words) != len(tags):
                raise ValueError(f"a sentence has {len(words)} words, but {len(tags)} tags")
        if not any(words for words, _ in sentences):
            raise ValueError("there are no words to learn from")
        self._count(sentences)
        return self

    def predict(self, sentences: Sequence[Sequence[str]], way: str) -> list[list[str]]:
        """The tags of sentences; arguments and errors as for :meth:`answers`."""
        return [[name for name, _ in own] for own in self.answers(sentences, way)]

    def answers(
        self, sentences: Sequence[Sequence[str]], way: str
    ) -> list[list[tuple[str, float]]]:
        """The tags of sentences, each with its share of the words that match the same key.

        Args:
            sentences: the words of each.
            way: one of :attr:`WAYS`.

        Raises:
            ValueError: nothing has been learned yet, or the way is unknown.
        """
        if not self._tables:
            raise ValueError("fit comes before predict")
        if way not in self.WAYS:
            raise ValueError(f"no way {way!r}; there are {', '.join(self.WAYS)}")
        table, keys = self._tables[way], self.KEYS[way]
        overall = table[None]
        return [
            [
                next((table[key] for key in keys(words, at) if key in table), overall)
                for at in range(len(words))
            ]
            for words in sentences
        ]

    def _count(self, sentences: Sequence[tuple[Sequence[str], Sequence[str]]]) -> None:
        """Find the most frequent tag for every key; the key ``None`` stands for all words."""
        overall = Counter(tag for _, tags in sentences for tag in tags)
        for way, keys in self.KEYS.items():
            counts: defaultdict[Hashable, Counter[str]] = defaultdict(Counter)
            counts[None] = overall
            for words, tags in sentences:
                for at, tag in enumerate(tags):
                    for key in keys(words, at):
                        counts[key][tag] += 1
            self._tables[way] = {key: _commonest(tags) for key, tags in counts.items()}


def _commonest(tags: Counter[str]) -> tuple[str, float]:
    """The most frequent tag, among equals the first alphabetically, and its share of all."""
    name, count = min(tags.items(), key=lambda item: (-item[1], item[0]))
    return name, count / tags.total()
