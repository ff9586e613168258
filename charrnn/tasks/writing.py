"""Writing texts with a trained model: what is asked for, and the texts piece by piece."""

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from charrnn.errors import InputError, StuckError
from charrnn.nn.products import on_one_thread
from charrnn.nn.types import Array
from charrnn.sampling.again import Refusal
from charrnn.sampling.choice import DEFAULT, Choice, Ids, Streams, streams
from charrnn.sampling.passages import sorted_windows
from charrnn.sampling.text import Symbols, Text
from charrnn.sampling.texts import Steering
from charrnn.sampling.texts import write as write_texts
from charrnn.sampling.voices import Voice
from charrnn.tasks.ends import CANDIDATES, drawn
from charrnn.text.corpora import encoded
from charrnn.text.counts import counted
from charrnn.text.escapes import escape
from charrnn.text.items import LONGEST, NONE, Items
from charrnn.text.vocab import UnknownCharacterError, Vocabulary, codes_of

__all__ = [
    "SEPARATOR",
    "Author",
    "Character",
    "Piece",
    "Wanted",
    "begun",
    "candidates",
    "write",
]

LENGTH = 500
"""Characters that are written by default."""

AT_ONCE = 16
"""Characters of a piece: so few that a reader sees the text grow smoothly."""

UNSEEN = 256
"""The same where several texts are written side by side, which nobody watches."""

TOGETHER = 64
"""How many lines are written side by side."""

MOST_TOGETHER = 1 << 28
"""The most characters of all texts that are written side by side."""

TRIES, TRIES_EACH = 2000, 200
"""Texts that are written in search of lines: the first number, plus the second for each line."""

PICKS = 1 << 32
"""The number of the stream that decides which candidates for the first text are kept."""

SEPARATOR = 0x110000
"""Not a character: the separator between texts that are joined to one."""

Codes = npt.NDArray[Any]


@dataclass(frozen=True)
class Wanted:
    """What to write; docs/sampling.md has the exact meaning of each argument.

    Args:
        prime: the beginning of every text.
        label: the label of the texts, where a model knows labels.
        number: how many texts to write, side by side.
        length: the most characters after the prime; if not given, what suits the task.
        choice: how each character is chosen.
        shows_prime: whether the prime is part of the output.
        skips_unknown: whether characters of the prime that the model does not know are left out.
        allow: the only characters that may be written; if not given, all may.
        forbid: characters that must not be written.
        repeat_penalty: makes it less likely to continue an earlier passage; 1 is off.
        max_copy: the shortest run of characters from ``trained_on`` that must not be written; 0:
            any may. If not given, the items that the model was trained on must not be written,
            where it knows them.
        max_repeat: the shortest run of characters that must not occur twice in a text; 0: any may.
        stop: texts that end a text, and are not written.
        lines: write this many complete lines, all different, instead of texts; 0: no lines.
        new: whether lines that are in ``trained_on`` are left out.
        best_of: write this many texts and keep the one that the model considers likeliest. If not
            given, one text is written, or several where the author can weigh them.
        guesses: whether the pieces include what the model expected.
        trained_on: code points or bytes of the model's training texts.

    Raises:
        InputError: a value is out of range.
    """

    prime: str = ""
    label: str | None = None
    number: int = 1
    length: int | None = None
    choice: Choice = DEFAULT
    shows_prime: bool = True
    skips_unknown: bool = False
    allow: str | None = None
    forbid: str = ""
    repeat_penalty: float = 1.0
    max_copy: int | None = None
    max_repeat: int = 0
    stop: tuple[str, ...] = ()
    lines: int = 0
    new: bool = False
    best_of: int | None = None
    guesses: bool = False
    trained_on: tuple[Codes, ...] = ()

    def __post_init__(self) -> None:
        together = self.number * (self.best_of or 1)
        length = LENGTH if self.length is None else self.length
        if together > 1 and length * together > MOST_TOGETHER:
            raise InputError(
                f"{together} texts of {counted(length, 'character')} are too many at once: "
                f"{MOST_TOGETHER:,} characters are the most",
                "ask for shorter texts, or write one at a time",
            )
        if not 1 <= self.repeat_penalty < np.inf:
            raise InputError(f"the repeat penalty must be 1 or more, got {self.repeat_penalty}")
        if 1 in (self.max_copy, self.max_repeat):
            raise InputError("a passage of 1 character cannot be avoided", "use 2 or more")
        if self.lines and self.number > 1:
            raise InputError("lines and several texts exclude each other", "leave one out")
        if self.new and not self.lines:
            raise InputError("only lines can be new", "add --lines N")
        if "" in self.stop:
            raise InputError("the text to stop at is empty", "name a text, such as '\\n'")


class Character(NamedTuple):
    """A character that was written, and what the model expected there, before any filter."""

    code: int  # a code point, or a byte
    log_probability: float  # in nats
    entropy: float  # in nats
    best: list[tuple[int, float]]  # the likeliest characters, with their log-probabilities


class Piece(NamedTuple):
    """What a text grows by in one step."""

    data: bytes
    characters: list[Character]  # if asked for; without those of the prime
    copies: int = 0  # training items in the whole text, given at its end


@dataclass(frozen=True, eq=False)
class Author:
    """What writing needs of a trained model.

    Attributes:
        voice: predicts the next characters.
        start: ``(T,)`` symbols to read first.
        prime: the part of ``start`` that is shown.
        vocabulary: the characters that can be written.
        signs: how many symbols come before those of the characters.
        end: the symbol that ends a text, if there is one.
        never: symbols that must not be written.
        length: the number of characters by default.
        left_out: how many characters of the prime are unknown.
        items: the training items: lines, or whole texts if a symbol ends a text.
        weigh: tells ln w of texts, given by their symbols, without start or end: of several, one is
            kept with a probability proportional to w (:mod:`charrnn.tasks.ends`).
    """

    voice: Voice
    start: Ids
    prime: str
    vocabulary: Vocabulary
    signs: int = 0
    end: int | None = None
    never: tuple[int, ...] = ()
    length: int = LENGTH
    left_out: int = 0
    items: Items = NONE
    weigh: Callable[[Sequence[Ids]], Array] | None = None

    def encode(self, text: str, what: str) -> tuple[int, ...]:
        """The symbols of a text.

        Raises:
            InputError: the text has unknown characters.
        """
        ids: list[int] = self.vocabulary.encode_text(text, what).tolist()
        return tuple(symbol + self.signs for symbol in ids)

    def known(self, text: str) -> set[int]:
        """The symbols of a text's known characters."""
        codes = codes_of(_known_part(self.vocabulary, text)[0], self.vocabulary.level)
        return {symbol + self.signs for symbol in self.vocabulary.encode(codes).tolist()}

    def symbols(self, codes: Codes) -> Ids:
        """The symbols of any text; an unknown character gets the first number beyond them."""
        escaped = escape(self.vocabulary, codes)
        ids = escaped.ids.astype(np.int32) + self.signs
        ids[escaped.unknown] = self.voice.size
        return ids

    def decode(self, ids: Ids) -> bytes:
        """The bytes of characters."""
        return self.vocabulary.decode(ids - self.signs)

    @cached_property
    def codes(self) -> list[int]:
        """The code of each symbol; signs are -1."""
        return [-1] * self.signs + list(self.vocabulary.codes)


def begun(vocabulary: Vocabulary, wanted: Wanted) -> tuple[Ids, str, int]:
    """The prime in a model's characters: as numbers, as text, and how many were left out.

    Raises:
        InputError: it has unknown characters, and they are not to be left out.
    """
    if wanted.skips_unknown:
        prime, left_out = _known_part(vocabulary, wanted.prime)
        return vocabulary.encode_text(prime, "the prime"), prime, left_out
    try:
        return vocabulary.encode_text(wanted.prime, "the prime"), wanted.prime, 0
    except UnknownCharacterError as error:
        error.hint += "; --unknown skip leaves them out"
        raise


def _known_part(vocabulary: Vocabulary, text: str) -> tuple[str, int]:
    """A text without the characters that a vocabulary lacks, and how many those are."""
    if vocabulary.level == "byte":
        return text, 0
    codes = codes_of(text, "char")
    unknown = np.isin(codes, vocabulary.unknown(codes))
    kept = encoded(codes[~unknown], "char").decode()
    return kept, int(unknown.sum())


def write(
    author: Author,
    wanted: Wanted,
    rng: np.random.Generator,
    advance: Callable[[int], object] = lambda count: None,
) -> Iterator[list[Piece]]:
    """Yield what each text grows by: first the prime, then some characters at a time.

    With ``wanted.lines``, yield one line after the other, without its end.

    Args:
        author: what writes.
        wanted: what to write.
        rng: draws it; the first of several texts is the one that is written alone.
        advance: called with how many more characters of each text were drawn, but not for lines.

    Raises:
        InputError: no known character may be written, or a stop has unknown characters.
        DivergedError: the model's outputs are not finite.
        StuckError: there are too few lines of this kind, or every continuation of a text is ruled
            out.
    """
    steering = _steering(author, wanted)
    if wanted.lines:
        return _lines(author, wanted, steering, rng)
    return _texts(author, wanted, steering, rng, advance)


def candidates(author: Author, wanted: Wanted) -> int:
    """How many texts are written for each one that is asked for."""
    plain = author.weigh is None or wanted.lines or wanted.stop or not wanted.choice.temperature
    if wanted.best_of or plain or CANDIDATES * _length(author, wanted) > MOST_TOGETHER:
        return wanted.best_of or 1
    return CANDIDATES


def _length(author: Author, wanted: Wanted) -> int:
    return author.length if wanted.length is None else wanted.length


def _steering(author: Author, wanted: Wanted) -> Steering:
    ends = [] if author.end is None else [(author.end,)]
    if wanted.lines:
        ends += [(symbol,) for symbol in author.known("\n")]
        if not ends:
            raise InputError("this model knows no line ends, so it cannot write lines")
    stops = tuple(author.encode(text, f"the stop {text!r}") for text in wanted.stop)
    never = {*author.never, *author.known(wanted.forbid)}
    if wanted.allow is not None:
        never |= set(range(author.voice.size)) - author.known(wanted.allow)
    if author.voice.size == len(never):
        raise InputError("no character is left to write", "allow characters that the model knows")
    max_copy = wanted.max_copy or 0
    texts = [author.symbols(codes) for codes in wanted.trained_on] if max_copy else []
    never -= {symbol for (symbol,) in ends}
    return Steering(
        tuple(sorted(never)),
        (*ends, *stops),
        wanted.repeat_penalty,
        max_copy,
        sorted_windows(texts, author.voice.size + 1, max_copy),
        wanted.max_repeat,
        _refusal(author, wanted),
        scored=(wanted.best_of or 1) > 1,
        guesses=wanted.guesses,
    )


def _refusal(author: Author, wanted: Wanted) -> Refusal | None:
    """For running text: refuses training items; lines are left out once they are complete."""
    said = wanted.max_copy is not None or wanted.max_repeat or wanted.lines
    if said or not author.items or not wanted.choice.temperature:  # at 0 nothing is drawn
        return None
    ends = author.known("\n") if author.end is None else {author.end}

    def refuses(symbols: Symbols) -> bool:
        return author.decode(np.array(symbols, dtype=np.intp)) in author.items

    begin = len(author.start) - len(author.encode(author.prime, "the prime"))
    return Refusal(ends, begin, LONGEST, refuses)


def _texts(
    author: Author,
    wanted: Wanted,
    steering: Steering,
    rng: np.random.Generator,
    advance: Callable[[int], object],
) -> Iterator[list[Piece]]:
    prime = Piece(_shown(author, wanted), [])
    yield [prime] * wanted.number
    done, texts = [len(author.start)] * wanted.number, list[Text]()
    held, among = steering.held, candidates(author, wanted)
    if among > 1 and not wanted.best_of:
        blocks = _fitting(author, wanted, steering, rng, among, advance)
    else:
        blocks = _written(author, wanted, steering, rng, 0, wanted.number * among, advance)
        if among > 1:
            blocks = (_best(texts, among) for texts in list(blocks)[-1:])
    for texts in blocks:
        upto = [text.certain(held) for text in texts]
        yield [_piece(author, text, *part) for text, *part in zip(texts, done, upto, strict=True)]
        done = upto
    if any(text.copies for text in texts):
        yield [Piece(b"", [], text.copies) for text in texts]


def _lines(
    author: Author, wanted: Wanted, steering: Steering, rng: np.random.Generator
) -> Iterator[list[Piece]]:
    """Lines as they are found; how many are searched for at a time changes nothing."""
    begun = _shown(author, wanted).rpartition(b"\n")[2]
    prime = author.prime.encode().rpartition(b"\n")[2]
    had = _lines_of(author, wanted.trained_on) if wanted.new else set()
    refuses = wanted.new or wanted.max_copy is None
    pristine, tried, found, among = deepcopy(rng), 0, 0, wanted.best_of or 1
    while found < wanted.lines:
        if tried > TRIES + TRIES_EACH * wanted.lines:
            raise StuckError(
                f"{counted(tried, 'text')} gave {found:,} of {counted(wanted.lines, 'line')}: "
                "the others were incomplete, empty or repeated",
                "a higher --temp writes more different lines; --length allows longer ones",
            )
        count = min(max(TOGETHER // among, 1), 2 * (wanted.lines - found) + 6)
        first, each = tried * among, count * among
        blocks = list(_written(author, wanted, steering, deepcopy(pristine), first, each))
        tried += count
        for text in _best(blocks[-1], among) if blocks else []:
            piece = _piece(author, text, text.first, text.certain(0))
            line = prime + piece.data
            met = line in had or (refuses and line in author.items)
            if text.ended and line.strip() and not met and found < wanted.lines:
                had.add(line)
                found += 1
                yield [Piece(begun + piece.data, piece.characters)]


def _lines_of(author: Author, texts: tuple[Codes, ...]) -> set[bytes]:
    lines: set[bytes] = set()
    for codes in texts:
        whole = np.where(codes == SEPARATOR, ord("\n"), codes)
        lines.update(encoded(whole, author.vocabulary.level).split(b"\n"))
    return lines


def _shown(author: Author, wanted: Wanted) -> bytes:
    return author.prime.encode("utf-8", "surrogateescape") if wanted.shows_prime else b""


def _written(
    author: Author,
    wanted: Wanted,
    steering: Steering,
    rng: np.random.Generator,
    first: int,
    count: int,
    advance: Callable[[int], object] = lambda count: None,
) -> Iterator[list[Text]]:
    """Texts number ``first`` to ``first + count``, yielded every few steps."""
    steps = write_texts(
        author.voice,
        np.tile(author.start[:, None], count),
        _length(author, wanted),
        streams(rng, count, first),
        wanted.choice,
        steering,
    )
    return on_one_thread(_every(steps, AT_ONCE if count == 1 else UNSEEN, advance))


def _every(
    steps: Iterator[list[Text]], size: int, advance: Callable[[int], object]
) -> Iterator[list[Text]]:
    number, texts = 0, None
    for number, texts in enumerate(steps, 1):
        if not number % size:
            advance(size)
            yield texts
    if texts is not None and number % size:
        yield texts


def _groups(texts: list[Text], among: int) -> list[list[Text]]:
    """Every ``among`` texts in a row."""
    return [texts[k : k + among] for k in range(0, len(texts), among)]


def _best(texts: list[Text], among: int) -> list[Text]:
    """The best text of each group, by score; among equals the first."""
    return [max(group, key=lambda text: text.score) for group in _groups(texts, among)]


def _fitting(
    author: Author,
    wanted: Wanted,
    steering: Steering,
    rng: np.random.Generator,
    among: int,
    advance: Callable[[int], object],
) -> Iterator[list[Text]]:
    """All texts at once: a text of each group, drawn by what the author says of them."""
    assert author.weigh is not None
    signs = len(author.start) - len(author.encode(author.prime, "the prime"))
    u = Streams(rng, wanted.number, PICKS).random(np.empty((wanted.number, 1)))
    most = max(1, MOST_TOGETHER // (among * max(1, _length(author, wanted))))
    kept = list[Text]()
    for first in range(0, wanted.number, most):
        count = min(most, wanted.number - first) * among
        own = deepcopy(rng)
        blocks = list(_written(author, wanted, steering, own, first * among, count, advance))
        if not blocks:  # no characters are asked for
            return
        last = blocks[-1]
        whole = [np.array(text.symbols[signs : text.end], dtype=np.intp) for text in last]
        weights = author.weigh(whole).reshape(-1, among)
        for group, weight in zip(_groups(last, among), weights, strict=True):
            ended = [text.ended for text in group]
            kept.append(group[drawn(weight, ended, float(u[len(kept), 0]))])
    yield kept


def _piece(author: Author, text: Text, begin: int, end: int) -> Piece:
    data = author.decode(np.array(text.symbols[begin:end], dtype=np.intp))
    codes, written = author.codes, slice(begin - text.first, end - text.first)
    characters = [
        Character(
            codes[symbol],
            guess.log_probability,
            guess.entropy,
            [(codes[other], cost) for other, cost in guess.best],
        )
        for symbol, guess in zip(text.symbols[begin:end], text.guesses[written], strict=False)
    ]
    return Piece(data, characters)
