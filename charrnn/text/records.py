"""Texts that arrive one on each line, each good or bad by itself."""

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
    """A text to predict from.

    Attributes:
        number: the number of its line or argument, from 1.
        text: what can be read of it.
        fault: why it cannot be used, in words; empty if it can.
    """

    number: int
    text: str
    fault: str = ""


def unusable(text: str, *, tabs: bool = False) -> str:
    """Why a text cannot be predicted from; empty if it can.

    It is blank, or has a tab (so it is a row of a table) without ``tabs``, or contains surrogates,
    which are what is left of bytes that could not be decoded.
    """
    if "\t" in text and not tabs:
        return "has a tab: is it a training row? (--columns 1 reads its first column)"
    if not text.strip():
        return "is empty"
    return "has halves of characters (lone surrogates)" if SURROGATE.search(text) else ""


def records(chunks: Iterable[bytes], encoding: str) -> Iterator[list[Record]]:
    """The lines of a file that arrives in pieces; after each piece, the lines that it completes.

    A line ends at a line feed, a carriage return or both together. The last one needs no end. A
    byte order mark decides on the encoding, as in :func:`charrnn.text.corpora.read_corpus`. Blank
    lines at the end of the file do not count: a blank line is yielded with the next line.

    Args:
        chunks: bytes; a line is yielded as soon as its end has arrived.
        encoding: the encoding. If a line is not valid in it, the line's ``fault`` says so.
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
    """The chunks; the first is long enough to hold a byte order mark if it begins like one."""
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
    """The lines that each piece of a text completes; at the end, a last line without an end."""
    begun, after_return = list[str](), False
    for text in filter(None, texts):
        # A line feed that follows belongs to the same line end.
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
    except UnicodeError as error:  # some encodings name no place
        return line.decode(encoding, "replace"), f"is not {encoding}: {error}"


def _decoded_first(chunks: Iterator[bytes], encoding: str) -> Iterator[list[Line]]:
    """Lines in an encoding whose line ends are not ASCII's bytes, such as UTF-16.

    Lone surrogates are passed through, to be found in their lines; after any other fault no line
    end can be trusted, so the faulty line is the last one.
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
