"""Texts that come one a line, each good or bad by itself, as soon as it is there."""

import codecs
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from charrnn.errors import InputError
from charrnn.text.decoding import BOMS, marked

__all__ = ["Record", "records", "unusable"]

LINE_END = re.compile(r"\r\n|\r|\n")
SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Record:
    """A text to answer.

    Attributes:
        number: its line, or its place among the arguments, from 1.
        text: what can be read of it.
        fault: why it cannot be answered, in words; nothing if it can.
    """

    number: int
    text: str
    fault: str = ""


def unusable(text: str, *, tabs: bool = False) -> str:
    """Why a text is none to predict from; nothing if it is one.

    It is blank, or has a tab (then it is a row of a table) where it must not have ``tabs``, or
    halves of characters, which are what is left of bytes that were not decoded.
    """
    if "\t" in text and not tabs:
        return "has a tab: is it a training row? (--columns 1 reads its first column)"
    if not text.strip():
        return "is empty"
    return "has halves of characters (lone surrogates)" if SURROGATE.search(text) else ""


def records(chunks: Iterable[bytes], encoding: str) -> Iterator[list[Record]]:
    """The lines of a file that comes in pieces, after each piece those that it has ended.

    A line ends at a line feed, a carriage return or both together. The last one needs no end. A
    byte order mark decides on the encoding, as in :func:`charrnn.text.corpora.read_corpus`. Blank
    lines that end the file are none of its lines: a blank line comes with the next one.

    Args:
        chunks: bytes; no line is kept back once its end is there.
        encoding: of the bytes. Of a line that is not of this encoding, ``fault`` says so.
    """
    number, blank = 0, list[Record]()
    for lines in _lines(_with_mark(chunks), encoding):
        ready = list[Record]()
        for text, undecodable in lines:
            number += 1
            record = Record(number, text, undecodable or unusable(text))
            if not undecodable and not text.strip() and "\t" not in text:
                blank.append(record)
            else:
                ready += [*blank, record]
                blank.clear()
        if ready:
            yield ready


Line = tuple[str, str]
"""A text, and what is wrong with its bytes."""


def _with_mark(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The chunks, the first of them long enough to hold a byte order mark if it begins as one."""
    head = b""
    waiting = True
    for chunk in chunks:
        head += chunk
        waiting = waiting and any(len(head) < len(m) and m.startswith(head) for m, _ in BOMS)
        if not waiting:
            yield head
            head = b""
    if head:
        yield head


def _lines(chunks: Iterator[bytes], encoding: str) -> Iterator[list[Line]]:
    first = next(chunks, b"")
    encoding, _ = marked(first, encoding)
    if encoding == "utf-8-sig":
        first, encoding = first.removeprefix(codecs.BOM_UTF8), "utf-8"
    try:
        ends_as_ascii = "\r\n".encode(encoding) == b"\r\n"
    except LookupError:
        raise InputError(f"unknown encoding {encoding!r}") from None
    pieces = chain([first], chunks)
    if ends_as_ascii:
        for ended in _split(piece.decode("latin-1") for piece in pieces):
            yield [_decoded(line.encode("latin-1"), encoding) for line in ended]
    else:
        yield from _decoded_first(pieces, encoding)


def _split(texts: Iterable[str]) -> Iterator[list[str]]:
    """The lines that each piece of a text ends; after the last one, what has no end."""
    begun, after_return = list[str](), False
    for text in filter(None, texts):
        # A line feed that follows is the second half of a line end.
        head, *more = LINE_END.split(text.removeprefix("\n") if after_return else text)
        after_return = text.endswith("\r")
        begun.append(head)
        if more:
            yield ["".join(begun), *more[:-1]]
            begun = more[-1:]
    if any(begun):
        yield ["".join(begun)]


def _decoded(line: bytes, encoding: str) -> Line:
    try:
        return line.decode(encoding), ""
    except UnicodeDecodeError as error:
        what = f"is not {encoding}: byte 0x{line[error.start]:02x}, its byte {error.start + 1}"
        return line.decode(encoding, "replace"), what
    except UnicodeError as error:  # of encodings that name no place
        return line.decode(encoding, "replace"), f"is not {encoding}: {error}"


def _decoded_first(chunks: Iterator[bytes], encoding: str) -> Iterator[list[Line]]:
    """Lines of an encoding whose line ends are other bytes than ASCII's, such as UTF-16.

    Halves of characters come through, to be found in their lines; what else is wrong has no
    line's end after it that could be trusted, and is the last line.
    """
    decoder = codecs.getincrementaldecoder(encoding)("surrogatepass")
    failed: list[str] = []

    def texts() -> Iterator[str]:
        try:
            for chunk in chunks:
                yield decoder.decode(chunk)
            yield decoder.decode(b"", final=True)
        except UnicodeError as error:
            failed.append(f"is not {encoding}: {error}; the rest is not read")

    for lines in _split(texts()):
        yield [(line, "") for line in lines]
    if failed:
        yield [("", failed[0])]
