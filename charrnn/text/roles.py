"""Which columns of a table are its texts and labels, and whether its first row names them."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from charrnn.errors import InputError
from charrnn.text.columns import found, listed, option, told
from charrnn.text.counts import counted
from charrnn.text.tables import TableFile, shown

__all__ = [
    "LABELS",
    "SOURCES",
    "TAGS",
    "TARGETS",
    "TEXTS",
    "WORDS",
    "Chosen",
    "Role",
    "choose",
    "is_name",
    "said",
]

MOST_NAMED = 12

MOST_WORDS = 4
"""The most words in the name of a column."""

MOST_LOOKED = 200
"""Rows that are looked at to guess the columns for a hint."""


def _names(words: str) -> frozenset[str]:
    return frozenset(words.split())


TEXTS = _names(
    "text texts sentence sentences review reviews content body document doc question query "
    "comment comments tweet tweets title headline message messages utterance post abstract "
    "description input string phrase reviewtext review_text sms email data premise story line plot "
    "summary lyrics poem satz texte texto frase phrase avis reseña kommentar"
)
LABELS = _names(
    "label labels class classes category categories target sentiment stars star rating score tag "
    "tags intent intents topic topics polarity language lang emotion emotions type genre genres "
    "author gold class_label label_text labeltext coarse_label key klasse kategorie classe "
    "catégorie etiqueta étiquette clase"
)
SOURCES = _names("source src input question original sentence1 text1 prompt")
TARGETS = _names("target tgt trg output answer translation sentence2 text2 completion")
WORDS = _names("word words token tokens form text")
TAGS = _names("tag tags label labels ner ner_tag ner_tags pos pos_tag pos_tags upos chunk bio iob")
LANGUAGES = _names(
    "ar bg ca cs da de el en eo es et eu fa fi fr ga he hi hr hu hy id is it ja ka ko la lt lv mk "
    "mr ms nb nl nn no pl pt ro ru sk sl sq sr sv sw ta th tr uk ur vi yi zh "
    "english french german spanish italian portuguese russian chinese japanese dutch polish korean "
    "arabic turkish greek latin hindi englisch deutsch französisch spanisch anglais français "
    "allemand español inglés inglese italiano português"
)


@dataclass(frozen=True)
class Role:
    """What a column means to a task.

    Attributes:
        name: the name in messages.
        known: names, in lower case, by which such a column is recognised.
        repeats: whether its values are of a few kinds, as labels are.
    """

    name: str
    known: frozenset[str]
    repeats: bool = False


@dataclass(frozen=True)
class Chosen:
    """The columns of some roles.

    Attributes:
        places: one for each role, from 0.
        header: whether the first row names the columns.
        said: which columns they are, in words; empty for two columns in order without a header.
        asked: a question to the user; usually empty.
    """

    places: tuple[int, ...]
    header: bool
    said: str = ""
    asked: str = ""


def choose(
    file: TableFile,
    roles: Sequence[Role],
    names: Sequence[str],
    rows: Sequence[tuple[int, list[Any]]],
    columns: str = "",
    before: Sequence[str] = (),
) -> Chosen:
    """Choose a column for each role.

    ``columns`` decide if given; where one is a name, the first row is the header. Else the columns
    that have the names of ``before``, if all of these are there. Else, if the first row is a
    header, the columns with known names. If that does not decide, or there is no header, all
    columns in order, if there are as many as roles.

    A first row is a header if its cells are names that columns of these roles often have, or if the
    label's cell is one and is not a label in any other row.

    Args:
        file: the file, for messages.
        roles: the roles, in the task's order.
        names: the names of all columns, where the form itself gives them (JSON lines); else empty.
        rows: the rows with their numbers.
        columns: as ``--columns`` takes it.
        before: the names that the columns had in training, if they had names.

    Raises:
        InputError: there is no such column, or ``columns`` is needed to choose.
    """
    first = [str(cell) for cell in rows[0][1]] if rows else []
    named = bool(names)
    present = list(names) if named else first
    wanted = listed(columns) if columns else []
    if wanted and len(wanted) != len(roles):
        order = ",".join(role.name for role in roles)
        raise InputError(
            f"--columns {columns}: {counted(len(wanted), 'column')}, not {len(roles)}",
            f"name them in this order: {order}",
        )
    if wanted:
        by_name = named or not all(cell.isdecimal() for cell in wanted)
        names_of = present if by_name else [str(k + 1) for k in range(len(present))]
        places = found(file.path, names_of, wanted)
        header = not named and (
            by_name or _is_header([first[k] for k in places], roles, rows, places)
        )
        return Chosen(tuple(places), header, said(roles, places, present, named, header))
    plain = [_plain(name) for name in present]
    if before and all(_plain(name) in plain for name in before):
        places = [plain.index(_plain(name)) for name in before]
        return Chosen(tuple(places), not named, said(roles, places, present, named, not named))
    width = len(present)
    natural = list(range(len(roles)))
    ordered = width == len(roles)
    header = not named and ordered and _is_header(first, roles, rows, natural)
    if named or header or _names_columns(present, roles):
        known = _by_names(present, roles)
        if known is not None:
            header = not named
            return Chosen(tuple(known), header, said(roles, known, present, named, header))
    if ordered and not named:
        which = said(roles, natural, present, False, True) if header else ""
        return Chosen(tuple(natural), header, which, "" if header else _asked(roles, rows))
    if width < len(roles) and not named:
        return Chosen(tuple(natural), False)
    which = " and the ".join(role.name for role in roles)
    if width < len(roles):
        raise InputError(
            f"{file.path!r} has no {' and no '.join(role.name for role in roles)}; its rows "
            f"have only {told(present, range(width))}"
        )
    likely = _likely(roles, [cells for _, cells in rows[:MOST_LOOKED]])
    if likely:
        text = option(present, likely) if named else ",".join(str(k + 1) for k in likely)
    else:
        text = ",".join(role.name.upper() for role in roles)
    raise InputError(
        f"{file.path!r}: which of its {width} columns are the {which}? It has "
        + told(present, range(width), most=MOST_NAMED, long=True),
        f"name them by number or name, as in --columns {text}",
    )


def _likely(roles: Sequence[Role], rows: Sequence[Sequence[Any]]) -> list[int]:
    """Guess the columns of the roles by their content; empty if none fits.

    The texts' column is the longest and most distinct one; the labels' has the fewest kinds, but at
    least two. Each role gets its own column, texts first.
    """
    width = min(map(len, rows), default=0)
    columns = [[str(cells[place]) for cells in rows] for place in range(width)]
    kinds = [len(set(column)) for column in columns]
    lengths = [sum(map(len, column)) / max(1, len(column)) for column in columns]
    texts = [k for k in range(width) if kinds[k] > len(rows) / 2 and not _counts(columns[k])]
    texts.sort(key=lambda k: -lengths[k])
    labels = [k for k in range(width) if 1 < kinds[k] <= max(2, len(rows) / 2)]
    labels.sort(key=lambda k: kinds[k])
    wanted = sum(not role.repeats for role in roles)
    chosen = sorted(texts[:wanted])
    places = []
    for role in roles:
        left = [k for k in (labels if role.repeats else chosen) if k not in places]
        if not left:
            return []
        places.append(left[0])
    return places


def _counts(column: Sequence[str]) -> bool:
    """Whether cells are ascending numbers, as ids are."""
    if not all(cell.isdecimal() for cell in column):
        return False
    numbers = list(map(int, column))
    return all(a < b for a, b in pairwise(numbers))


def _plain(name: str) -> str:
    return name.strip().strip('"').casefold().replace(" ", "_").replace("-", "_")


def _names_columns(cells: Sequence[str], roles: Sequence[Role]) -> bool:
    """Whether a row with more cells than roles names a column for each role."""
    return len(cells) > len(roles) and _by_names(cells, roles) is not None


def _by_names(present: Sequence[str], roles: Sequence[Role]) -> list[int] | None:
    """For each role the only column with a known name; None if a role has none, or several."""
    places: list[int] = []
    for role in roles:
        own = [k for k, name in enumerate(present) if _plain(name) in role.known]
        exact = [k for k in own if _plain(present[k]) == role.name]
        own = exact or [k for k in own if k not in places]
        if len(own) != 1 or own[0] in places:
            return None
        places += own
    return places


def _is_header(
    cells: Sequence[str],
    roles: Sequence[Role],
    rows: Sequence[tuple[int, list[Any]]],
    places: Sequence[int],
) -> bool:
    plain = [_plain(cell) for cell in cells]
    every = frozenset().union(*(role.known for role in roles))
    if len(set(plain)) < len(plain):
        return False
    if not any(role.repeats for role in roles):
        return all(name in every for name in plain) or all(map(_is_language, cells))
    known = all(name in every for name in plain)
    labels = [name for name, role in zip(plain, roles, strict=True) if role.repeats]
    texts = [name for name, role in zip(plain, roles, strict=True) if not role.repeats]
    named = any(name in LABELS for name in labels) or all(name in TEXTS for name in texts)
    return (known or named) and _once(cells, roles, rows, places)


def _is_language(cell: str) -> bool:
    """Whether a cell names a language: ``en``, ``English``, ``French words/sentences``."""
    words = re.split(r"[^\w]+", cell.casefold())
    return len(words) <= MOST_WORDS and any(word in LANGUAGES for word in words)


def _once(
    cells: Sequence[str],
    roles: Sequence[Role],
    rows: Sequence[tuple[int, list[Any]]],
    places: Sequence[int],
) -> bool:
    """Whether the labels of the first row occur in no other row."""
    for cell, role, place in zip(cells, roles, places, strict=True):
        if role.repeats and any(place < len(row) and row[place] == cell for _, row in rows[1:]):
            return False
    return True


def _asked(roles: Sequence[Role], rows: Sequence[tuple[int, list[Any]]]) -> str:
    """A question about a first row that may be a header; usually empty."""
    for place, role in enumerate(roles):
        if not role.repeats:
            continue
        counts = Counter(str(cells[place]) for _, cells in rows if place < len(cells))
        label = str(rows[0][1][place])
        others = [count for name, count in counts.items() if name != label]
        if counts[label] == 1 and others and min(others) > 1:
            cells = ",".join(str(cell) for cell in rows[0][1])
            return (
                f"the {role.name} {shown(label)} occurs once, in row 1: a header? Then name the "
                f"columns: --columns {shown(cells)}"
            )
    return ""


def is_name(cell: str, known: frozenset[str]) -> bool:
    """Whether a cell is one of these names, in any spelling."""
    return _plain(cell) in known


def said(
    roles: Sequence[Role], places: Sequence[int], present: Sequence[str], named: bool, header: bool
) -> str:
    """Which columns are read, in words: by number, or by name where rows name their values."""
    parts = []
    for role, place in zip(roles, places, strict=True):
        column = shown(present[place]) if named else f"column {place + 1}"
        parts.append(f"{role.name}: {column}" + (f" {shown(present[place])}" if header else ""))
    return ", ".join(parts) + (", header left out" if header else "")
