"""Sentences with persons, organisations, places and amounts, tagged word by word.

Tags are B- and I- with PER, ORG, LOC or AMT, and O. All names are made up of the same syllables, so
that the word itself says that it is a name, and not of what. That, its neighbours say:

    "… Inc."  "… Bank"  …     an organisation, which the name and this word are together
    "… Valley"  "… Bay"  …    a place, likewise
    "met …"  "bought …"  "near …"   a bare name is what the word before it asks for
    "… , who"  "… , which"  "… , where"   what the word after it says
    "… said"  "… merged"  "… was flooded"   the verb says it, for all names before it

and a number is an amount if the word after it is money: "30 pounds" is one, "30 horses" is none. A
bare name in front of any other verb, or behind "to", is a person. So a name at the beginning of a
sentence, and every number, is decided by words that come later. The names of the training file and
of the test file have no word in common.
"""

import random
from collections.abc import Collection, Sequence
from typing import NamedTuple

from draws import below, chance, distinct, pick

ONSETS = str.split("b br c d dr f gr h k l m n r s st t tr v w")
NUCLEI = str.split("a e i o u ai ea oo")
CODAS = str.split("l m n nd r rk s t th x")
COMPANIES = ("Inc.", "Ltd.", "Bank", "Motors", "Press", "& Sons")
PLACES = ("Valley", "Bay", "Island", "Bridge", "Hill")
AFTER_COMMA = {"PER": "who", "ORG": "which", "LOC": "where"}
VERBS = {  # said of one, or of two and more
    "PER": (("said so", "smiled", "was born here", "fell ill"), ("married", "smiled", "fell ill")),
    "ORG": (("went bankrupt", "issued shares", "was founded here"), ("merged", "issued shares")),
    "LOC": (
        ("was flooded", "lies in the north", "has two mills"),
        ("were flooded", "share a mill"),
    ),
}
CLAUSES = {
    "PER": ("has two sons", "likes tea", "came late"),
    "ORG": ("makes glass", "sells boats", "was sold"),
    "LOC": ("tea is grown", "boats are made", "it rains"),
}
OBJECTS = {  # words that a name follows; a bare one is of this kind
    "PER": ("met", "married", "thanked"),
    "ORG": ("bought", "sued", "founded"),
    "LOC": ("left", "reached", "painted"),
}
MONEY = ("pounds", "dollars", "euros", "crowns")
THINGS = ("horses", "books", "cows", "chairs", "boats")
NUMBERS = ("two", "three", "ten", "twelve", "forty", "a hundred", "two thousand", "a million")
BEGINNINGS = ("", "", "", "Yesterday", "In the end", "Last year")


class Token(NamedTuple):
    """A word and its tag."""

    word: str
    tag: str


Sentence = tuple[Token, ...]


def sample_names(rng: random.Random, count: int, refused: Collection[str] = ()) -> list[str]:
    """Different words that can be names."""
    return distinct(lambda: _name(rng), count, refused)


def sample_sentence(rng: random.Random, names: Sequence[str]) -> Sentence:
    """One sentence with these names."""
    kind = pick(rng, tuple(VERBS))
    frame = below(rng, 4)
    words = _plain(pick(rng, BEGINNINGS))
    if frame == 0:  # one subject, a verb without object
        words += _subject(rng, names, kind) + _plain(pick(rng, VERBS[kind][0]))
    elif frame == 1:  # two or three, which the verb after them all decides
        words += _bare(rng, names, kind)
        if chance(rng, 1, 3):
            words += _plain(",") + _bare(rng, names, kind)
        words += _plain("and") + _bare(rng, names, kind) + _plain(pick(rng, VERBS[kind][1]))
    elif frame == 2:  # a sum, or a number of things
        words += _subject(rng, names, pick(rng, ("PER", "ORG")), sure=True)
        words += _plain("sent") + _quantity(rng) + _plain("to")
        words += _sure(rng, names, "ORG") if chance(rng, 1, 2) else _bare(rng, names, "PER")
    else:  # a subject and an object
        words += _subject(rng, names, pick(rng, ("PER", "ORG")), sure=True)
        words += _plain(pick(rng, OBJECTS[kind])) + _object(rng, names, kind)
    words += _ending(rng, names)
    return (*words, Token(".", "O"))


def sample_sentences(
    rng: random.Random, count: int, names: Sequence[str], refused: Collection[Sentence] = ()
) -> list[Sentence]:
    """Different sentences, none of them among the refused."""
    return distinct(lambda: sample_sentence(rng, names), count, refused)


def spans(sentence: Sequence[Token]) -> list[tuple[int, int, str]]:
    """First word, word after the last, and kind of each span."""
    found = list[tuple[int, int, str]]()
    for at, (_, tag) in enumerate(sentence):
        if tag.startswith("B-"):
            found.append((at, at + 1, tag[2:]))
        elif tag.startswith("I-"):
            start, _, kind = found.pop()
            found.append((start, at + 1, kind))
    return found


def _name(rng: random.Random) -> str:
    syllables = [pick(rng, ONSETS) + pick(rng, NUCLEI) for _ in range(2)]
    return ("".join(syllables) + pick(rng, CODAS)).capitalize()


def _plain(text: str) -> list[Token]:
    return [Token(word, "O") for word in text.split()]


def _span(text: str, kind: str) -> list[Token]:
    first, *rest = text.split()
    return [Token(first, f"B-{kind}"), *(Token(word, f"I-{kind}") for word in rest)]


def _words(rng: random.Random, names: Sequence[str]) -> str:
    """One name, or two that are one."""
    return " ".join(pick(rng, names) for _ in range(1 + chance(rng, 1, 3)))


def _bare(rng: random.Random, names: Sequence[str], kind: str) -> list[Token]:
    """A name that says nothing of its kind."""
    return _span(_words(rng, names), kind)


def _sure(rng: random.Random, names: Sequence[str], kind: str) -> list[Token]:
    """A name with a word that says its kind; persons have none."""
    last = pick(rng, COMPANIES if kind == "ORG" else PLACES)
    return _span(f"{_words(rng, names)} {last}", kind)


def _clause(rng: random.Random, kind: str) -> list[Token]:
    return _plain(f", {AFTER_COMMA[kind]} {pick(rng, CLAUSES[kind])} ,")


def _subject(
    rng: random.Random, names: Sequence[str], kind: str, sure: bool = False
) -> list[Token]:
    """A name in front of a verb; `sure` where the verb leaves its kind open.

    A bare name in front of such a verb is a person.
    """
    if kind == "ORG" and (sure or chance(rng, 1, 3)) and chance(rng, 2, 3):
        return _sure(rng, names, kind)
    if kind == "LOC" and chance(rng, 1, 3):
        return _sure(rng, names, kind)
    words = _bare(rng, names, kind)
    if (sure and kind != "PER") or chance(rng, 1, 3):
        words += _clause(rng, kind)
    return words


def _object(rng: random.Random, names: Sequence[str], asked: str) -> list[Token]:
    """A name behind a verb: bare if the verb asks for its kind, otherwise with its last word."""
    kind = pick(rng, (asked, asked, "ORG", "LOC"))
    return _bare(rng, names, asked) if kind == asked else _sure(rng, names, kind)


def _quantity(rng: random.Random) -> list[Token]:
    """So much money, or so many things."""
    number = pick(rng, NUMBERS) if chance(rng, 1, 2) else str(2 + below(rng, 998))
    if chance(rng, 1, 2):
        return _span(f"{number} {pick(rng, MONEY)}", "AMT")
    return _plain(f"{number} {pick(rng, THINGS)}")


def _ending(rng: random.Random, names: Sequence[str]) -> list[Token]:
    """Where or with what, if anything."""
    draw = below(rng, 6)
    if draw == 0:
        return _plain("near") + _bare(rng, names, "LOC")
    return _plain("with") + _quantity(rng) if draw < 3 else []
