"""Opinions whose polarity the order of the words decides.

    clause   "the soup was good", "i do not think the soup was very good", …
    text     one clause, or two that disagree:
             "A but B"       what follows "but" decides
             "although A , B"  the same
             "A , although B"  what stands before "although" decides

A clause has the polarity of its adjective, turned once by each negation. Every text of two clauses
comes with its mirror, the clauses exchanged: the same words, the other label. So whoever does not
look at the order of the words gets exactly half of these right.
"""

import random
from collections import Counter
from collections.abc import Collection, Sequence

from draws import below, pick, shuffled

SUBJECTS = str.split(
    "food service room view staff film music story coffee price wine book hotel garden bread "
    "ending cast show tea bed"
)
POSITIVE = str.split(
    "good great lovely fine superb nice excellent pleasant charming delightful splendid perfect"
)
NEGATIVE = str.split(
    "bad awful poor dull terrible nasty dreadful boring horrible dismal shabby disappointing"
)
# Each phrase and whether it turns what follows. Most do not: were both kinds as common, the label
# would be a parity of three coins, of which no part says anything, and nothing learns that from
# single examples.
OPENINGS = {"": 0, "i think": 0, "they say": 0, "i do not think": 1, "nobody thinks": 1}
OPENED = ("", "", "", "", "i think", "they say", "i do not think", "nobody thinks")
VERBS = {"was": 0, "was not": 1, "was never": 1, "is": 0, "is not": 1}
SAID = ("was", "was", "was", "is", "is", "is", "was not", "was never", "is not")
DEGREES = ("", "", "very", "really", "so")
FRAMES = {"{} but {}": 1, "although {} , {}": 1, "{} , although {}": 0}  # which clause decides
SINGLES_IN_TEN = 5

Clause = tuple[str, bool]  # its words, and whether it is positive


def sample_clause(rng: random.Random) -> Clause:
    """One clause."""
    opening, verb = pick(rng, OPENED), pick(rng, SAID)
    positive = below(rng, 2) == 1
    adjective = pick(rng, POSITIVE if positive else NEGATIVE)
    words = [opening, "the", pick(rng, SUBJECTS), verb, pick(rng, DEGREES), adjective]
    turned = (OPENINGS[opening] + VERBS[verb]) % 2 == 1
    return " ".join(word for word in words if word), positive != turned


def sample_texts(rng: random.Random, count: int, refused: Collection[str] = ()) -> list[str]:
    """Lines of text, tab and label: all different, none of them a refused one."""
    seen, singles, mirrored = set(refused), list[str](), list[str]()
    wanted = count * SINGLES_IN_TEN // 10
    while len(singles) < wanted:
        words, positive = sample_clause(rng)
        _keep(seen, singles, [_line(words, positive)])
    while len(mirrored) < count - wanted:
        frame = pick(rng, tuple(FRAMES))
        pair = sample_clause(rng), sample_clause(rng)
        if pair[0][1] != pair[1][1]:
            _keep(seen, mirrored, [_joined(frame, *pair), _joined(frame, *pair[::-1])])
    return shuffled(rng, singles + mirrored)


def order_blind_best(lines: Sequence[str]) -> int:
    """How many lines a rule gets right at most that gives texts of the same words one label.

    The rule is even told the labels: it answers with the commoner one of each bag of words.
    """
    bags = dict[tuple[str, ...], Counter[str]]()
    for line in lines:
        text, label = line.split("\t")
        bags.setdefault(tuple(sorted(text.split())), Counter())[label] += 1
    return sum(max(labels.values()) for labels in bags.values())


def _joined(frame: str, first: Clause, second: Clause) -> str:
    return _line(frame.format(first[0], second[0]), (first, second)[FRAMES[frame]][1])


def _line(text: str, positive: bool) -> str:
    return f"{text}\t{'positive' if positive else 'negative'}"


def _keep(seen: set[str], kept: list[str], lines: list[str]) -> None:
    """Add the lines if all of them are new and different."""
    if len({*lines}) == len(lines) and not seen & {*lines}:
        seen.update(lines)
        kept.extend(lines)
