"""A checker of tunes in ABC notation: do the bars hold what the metre says?

It reads the ABC of collections of traditional tunes (the standard of C. Walshaw, versions 1.6 and
2.1): one voice, the fields M:, L: and K: each on a line or all of them in front of the notes. A bar
between two plain bar lines must fill the metre exactly. A bar at an edge of a part (the beginning,
the end, a repeat, a double bar line, a first or second ending) may be shorter, as a pickup is or
what a pickup completes, if another such bar makes up for what it lacks; none may be longer. Old
files break lines with "!", and where a part begins at such a break without any sign, its pickup and
the bar before it may share one bar between them. A bar line must end the tune.

Durations are fractions of a whole note; nothing is rounded.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

DEFAULT_UNIT = Fraction(1, 8)
MODES = {
    "": "Major",
    "m": "Minor",
    "maj": "Major",
    "min": "Minor",
    "ion": "Major",
    "aeo": "Minor",
    "dor": "Dorian",
    "phr": "Phrygian",
    "lyd": "Lydian",
    "mix": "Mixolydian",
    "loc": "Locrian",
}
TUPLET_TIME = {2: 3, 3: 2, 4: 3, 6: 2, 8: 3}  # p notes in the time of so many; else 2, or 3

_METRE = r"C\|?|[1-9][0-9]?/[1-9][0-9]?|none"
_MODE = (
    r"(?:maj(?:or)?|min(?:or)?|ion(?:ian)?|aeo(?:lian)?|dor(?:ian)?|phr(?:ygian)?|lyd(?:ian)?"
    r"|mix(?:olydian)?|loc(?:rian)?)"
)
_KEY = rf"[A-G][b#]?(?:[ ]*(?i:{_MODE})(?![a-zA-Z])|m(?![a-zA-Z]))?"
_FIELD = rf"X:[ ]*\d*|M:[ ]*(?:{_METRE})|L:[ ]*[1-9][0-9]?/[1-9][0-9]{{0,2}}|K:[ ]*(?:{_KEY})"
_PITCH = r"[\^_=]{0,2}[A-Ga-gxz][,']*"
_LENGTH = r"(?:\d{1,3})?(?:/\d{1,3}|/{0,4})"
_TOKEN = re.compile(
    rf"""
      (?P<space>[\s\\`]+)
    | (?P<field>\[(?:{_FIELD})[ ]*\]|{_FIELD})
    | (?P<skipped>"[^"\n]*"|\+[^+\n]*\+|\{{[^}}\n]*\}}|[~.uvTHLMOPS])
    | (?P<line>!)
    | (?P<bar>\[\|:*|::+|:*\|[|\]]*:*)(?P<ending>\d(?:[,-]\d)*)?
    | (?P<bracketed>\[\d(?:[,-]\d)*)
    | \((?P<tuplet>[2-9])(?::(?P<time>[1-9]?)(?::(?P<notes>[1-9]?))?)?
    | (?P<slur>[()])
    | \[(?P<chord>(?:{_PITCH}{_LENGTH}|[ ~.uv-])+)\](?P<chordlength>{_LENGTH})
    | (?P<note>{_PITCH})(?P<length>{_LENGTH})
    | (?P<broken>>{{1,3}}|<{{1,3}})
    | (?P<tie>-)
    """,
    re.VERBOSE,
)
_NOTE = re.compile(rf"(?P<note>{_PITCH})(?P<length>{_LENGTH})")
_OTHER_FIELD = re.compile(r"(?![XMLK]:)[A-Za-z]:(?![|:])")


class Header(NamedTuple):
    """The fields that decide how long bars are, as the tune begins; None where one is missing."""

    metre: str | None
    unit: str | None
    key: str | None


@dataclass
class _Bar:
    """What stands between two bar lines."""

    full: Fraction | None  # what the metre asks for; None where it is free
    number: int
    edge_before: bool
    line_before: bool
    edge_after: bool = False
    line_after: bool = False
    durations: list[Fraction] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def at_edge(self) -> bool:
        return self.edge_before or self.edge_after

    @property
    def length(self) -> Fraction:
        return sum(self.durations, Fraction(0))


def check_tune(text: str, *, completed: bool = True) -> list[str]:
    """What is wrong with one tune; nothing if it is valid.

    Args:
        completed: whether a pickup, and a bar cut short at another edge, must fill one bar
            together; else any bar at an edge may be shorter.
    """
    if not text.strip():
        return ["no tune"]
    header, body = _split(text)
    missing = [f"no {name}:" for name, value in zip("MLK", header, strict=True) if value is None]
    if re.search(r"\n\s*\n", text.strip()):
        missing.append("an empty line inside the tune")
    reader = _Reader(header)
    for token in _tokens(body):
        reader.read(token)
    problems, bars = missing + reader.problems, reader.finish()
    if not bars:
        return [*problems, "no notes"]
    problems += [problem for bar in bars for problem in bar.problems]
    return problems + _length_problems(bars, completed)


def key_of(text: str) -> str | None:
    """The key of K: in words, "D Major" or "A Dorian"; None if there is none."""
    key = _split(text)[0].key
    if key is None:
        return None
    tonic = key[: 2 if key[1:2] in ("b", "#") else 1]
    return f"{tonic} {MODES[key[len(tonic) :].strip().lower()[:3]]}"


def last_note(text: str) -> str | None:
    """The letter of the last note that is no rest, in upper case; None if there is none."""
    last = None
    for token in _tokens(_split(text)[1]):
        if isinstance(token, re.Match) and (note := token["note"] or token["chord"]):
            letters = [letter for letter in note.upper() if letter in "ABCDEFG"]
            last = letters[0] if letters else last
    return last


def split_tunes(text: str) -> list[str]:
    """The tunes of a collection, which empty lines part."""
    return [tune for tune in re.split(r"\n\s*\n", text.strip()) if tune.strip()]


def _split(text: str) -> tuple[Header, str]:
    """The fields in front of the notes, and the rest; the other fields of lines are dropped."""
    lines = [line.split("%")[0].strip() for line in text.strip().splitlines()]
    if len(lines) > 1:
        lines = [line for line in lines if not _OTHER_FIELD.match(line)]
    body = "\n".join(lines)
    values = dict[str, str]()
    while match := re.match(rf"\s*({_FIELD})[ ]*", body):
        name, value = match[1].split(":")
        body = body[match.end() :]
        values[name] = value.strip()
        if name == "K":
            break
    return Header(values.get("M"), values.get("L"), values.get("K")), body


def _tokens(body: str) -> Iterator[re.Match[str] | str]:
    """The tokens of the notes; a character that begins none comes by itself."""
    at = 0
    while at < len(body):
        match = _TOKEN.match(body, at)
        yield match or body[at]
        at = match.end() if match else at + 1


class _Reader:
    """The state of a reading: the bar at hand, and what waits for the next note."""

    def __init__(self, header: Header) -> None:
        self.unit = _fraction(header.unit) or DEFAULT_UNIT
        self.full = _full(header.metre)
        self.compound = _compound(header.metre)
        self.bars = list[_Bar]()
        self.bar = _Bar(self.full, 1, edge_before=True, line_before=True)
        self.waiting = Fraction(1)  # what a broken rhythm leaves for the next note
        self.tuplet = (0, Fraction(1))  # notes still to come, and their factor
        self.problems = list[str]()

    def read(self, match: re.Match[str] | str) -> None:
        """One token, or a character that is none."""
        if isinstance(match, str):
            self.problems.append(f"bar {self.bar.number}: {match!r} is no part of a tune")
        elif match["note"]:
            self._note(_times(match["length"]))
        elif match["chord"]:
            first = _NOTE.search(match["chord"])
            own = _times(first["length"]) if first else None
            outer = _times(match["chordlength"])
            self._note(own * outer if own is not None and outer is not None else None)
        elif match["broken"]:
            self._broken(match["broken"])
        elif match["tuplet"]:
            p = int(match["tuplet"])
            q = int(match["time"] or 0) or TUPLET_TIME.get(p, 3 if self.compound else 2)
            self._close_tuplet()
            self.tuplet = (int(match["notes"] or 0) or p, Fraction(q, p))
        elif match["bar"]:
            heavy = len(match["bar"]) > 1 or match["ending"] is not None
            self._line(edge=heavy)
        elif match["bracketed"]:
            self._line(edge=True)
        elif match["line"]:
            self._break()
        elif match["space"]:
            if "\n" in match["space"]:
                self._break()
        elif match["field"]:
            self._field(match["field"].strip("[] "))

    def finish(self) -> list[_Bar]:
        """The bars, once the text has ended."""
        if self.bar.durations:
            self.bar.problems.append("no bar line at the end")
            self._line(edge=True)
        elif self.bars:
            self.bars[-1].edge_after = True
        return self.bars

    def _note(self, times: Fraction | None) -> None:
        if times is None:
            self.bar.problems.append(f"bar {self.bar.number}: a length of nothing")
            return
        left, factor = self.tuplet
        duration = self.unit * times * self.waiting * (factor if left else 1)
        self.tuplet = (max(left - 1, 0), factor)
        self.waiting = Fraction(1)
        self.bar.durations.append(duration)

    def _broken(self, sign: str) -> None:
        short = Fraction(1, 2 ** len(sign))
        if not self.bar.durations or self.waiting != 1:
            self.bar.problems.append(f"bar {self.bar.number}: {sign} without a note before it")
            return
        before, self.waiting = (2 - short, short) if sign[0] == ">" else (short, 2 - short)
        self.bar.durations[-1] *= before

    def _line(self, edge: bool) -> None:
        """A bar line: the bar ends, or two lines stand together and are one."""
        bar = self.bar
        if self.waiting != 1:
            bar.problems.append(f"bar {bar.number}: a broken rhythm without a note after it")
            self.waiting = Fraction(1)
        self._close_tuplet()
        empty = not bar.durations and not bar.problems
        if empty and (edge or bar.edge_before or bar.line_before):
            bar.edge_before |= edge
            if edge and self.bars:
                self.bars[-1].edge_after = True
            return
        bar.edge_after = edge
        self.bars.append(bar)
        self.bar = _Bar(self.full, bar.number + 1, edge_before=edge, line_before=False)

    def _break(self) -> None:
        """The end of a line: of interest only just after a bar line."""
        if not self.bar.durations:
            self.bar.line_before = True
            if self.bars:
                self.bars[-1].line_after = True

    def _field(self, text: str) -> None:
        name, value = text.split(":")
        if name == "L":
            self.unit = _fraction(value) or self.unit
        elif name == "M":
            self.full = _full(value)
            self.compound = _compound(value)
            if not self.bar.durations:
                self.bar.full = self.full

    def _close_tuplet(self) -> None:
        if self.tuplet[0]:
            self.bar.problems.append(f"bar {self.bar.number}: a tuplet that lacks notes")
            self.tuplet = (0, Fraction(1))


def _length_problems(bars: list[_Bar], completed: bool) -> list[str]:
    """The bars that are too long, too short where they may not be, or never made up for."""
    return [
        f"bar {bar.number} holds {bar.length} of {bar.full}"
        for at, bar in enumerate(bars)
        if bar.full is not None and bar.length != bar.full
        if not _may_be_short(bars, at)
        if completed or not (bar.at_edge and 0 < bar.length < bar.full)
    ]


def _may_be_short(bars: list[_Bar], at: int) -> bool:
    """Whether the bar is cut at an edge or at the end of a line, and its other half is there."""
    bar = bars[at]
    if bar.line_before and at > 0 and _shared(bars[at - 1], bar):
        return True
    if bar.line_after and at + 1 < len(bars) and _shared(bar, bars[at + 1]):
        return True
    edges = (other for other in bars if other is not bar and other.at_edge)
    return bar.at_edge and any(_shared(bar, other) for other in edges)


def _shared(one: _Bar, other: _Bar) -> bool:
    """Whether the two, neither of them empty, fill one bar together."""
    lengths = one.length, other.length
    return all(lengths) and sum(lengths) == one.full == other.full


def _times(text: str) -> Fraction | None:
    """The factor that a note's length stands for: "3/2", "2", "/", "//"; None for nothing."""
    number, _, divisor = text.partition("/")
    slashes = text.count("/")
    above = int(number or 1)
    below = int(divisor.strip("/") or 2**slashes)
    return Fraction(above, below) if above and below else None


def _fraction(text: str | None) -> Fraction | None:
    """A field's fraction; None for nothing."""
    return Fraction(text.strip()) if text else None


def _full(metre: str | None) -> Fraction | None:
    """The length of a bar."""
    if metre is None or metre.strip() == "none":
        return None
    return Fraction(1) if metre.strip()[0] == "C" else _fraction(metre)


def _compound(metre: str | None) -> bool:
    """Whether the beats of the metre are of three."""
    beats = (metre or "").strip().partition("/")[0]
    return beats.isdigit() and int(beats) % 3 == 0
