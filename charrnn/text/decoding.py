"""From the bytes of a file to its characters."""

import codecs
import io
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from shlex import quote
from typing import Any

import numpy as np
import numpy.typing as npt

from charrnn.errors import InputError
from charrnn.text.packed import document

__all__ = ["BOMS", "UNENDED", "Decoding", "chunks_of", "decode_text", "marked", "still_packed"]

CHUNK = 1 << 23
"""How many bytes are decoded at a time."""

BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark begins this one
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
MARKED = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
"""The encodings of byte order marks that Python would read as a character."""

MARK = 0xFEFF
OR_BYTES = "; or read bytes (--level byte)"

UNENDED = "its last line has no end, so the next file continues it"

AS_ASCII = ("ascii", "utf-8", "iso8859-1", "iso8859-15", "cp1252")
"""Encodings in which a byte below 128 is always the character of ASCII."""


class Decoding:
    """One file, decoded piece by piece.

    Args:
        path: the file's name, for errors.
        first: its first bytes; up to 512 tell whether it is a document or has a byte order mark.
        encoding: the encoding that was asked for; a byte order mark overrides it.
        keep_newlines: leave ``\\r\\n`` and ``\\r`` as they are; otherwise they become ``\\n``.
        or_else: the end of the errors' hints.

    Raises:
        InputError: the file is a document such as a PDF, or the encoding is unknown.
    """

    def __init__(
        self,
        path: str,
        first: bytes,
        encoding: str,
        keep_newlines: bool = False,
        or_else: str = OR_BYTES,
    ) -> None:
        _refuse_document(path, first, or_else)
        self.encoding, self._notes = marked(first, encoding)
        self._path, self._or_else = path, or_else
        self._translate = not keep_newlines
        self._decoder = io.IncrementalNewlineDecoder(
            _decoder(self.encoding), translate=self._translate
        )
        self._offset, self._line = 0, 1  # where the decoded part ends
        self._nulls = self._marks = 0

    def stands(self, chunk: bytes) -> bool:
        """Whether a chunk's bytes are also its characters, provided those before it were."""
        name = codecs.lookup(self.encoding).name
        return name in AS_ASCII and chunk.isascii() and not (self._translate and b"\r" in chunk)

    def pass_over(self, chunk: bytes) -> None:
        """Count a chunk that :meth:`stands` without decoding it."""
        self._offset += len(chunk)
        self._line += chunk.count(b"\n")
        self._nulls += chunk.count(0)

    def decode(self, chunk: bytes) -> tuple[str, npt.NDArray[Any]]:
        """The next characters, also as code points ``(n,)``; an empty chunk is the end.

        Raises:
            InputError: the bytes are not valid in the encoding; the error names the place.
        """
        self._offset += len(chunk)
        try:
            text = self._decoder.decode(chunk, final=not chunk)
        except UnicodeError as error:
            raise self._undecodable(error) from error
        self._line += chunk.count(b"\n")
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
        if np.any((codes >= 0xD800) & (codes <= 0xDFFF)):
            raise InputError(
                f"{self._path!r} read as {self.encoding} has halves of characters (lone "
                "surrogates)",
                f"name another encoding with --encoding{self._or_else}",
            )
        self._nulls += int(np.count_nonzero(codes == 0))
        self._marks += int(np.count_nonzero(codes == MARK))
        return text, codes

    def pieces(self, chunks: Iterable[bytes]) -> Iterator[tuple[str, npt.NDArray[Any]]]:
        """The whole file, in pieces as :meth:`decode` returns them."""
        return map(self.decode, chain(chunks, [b""]))

    @property
    def notes(self) -> list[str]:
        """Notes for the user on how the file was read."""
        notes, seen = [*self._notes], self._decoder.newlines
        if self._translate and seen not in (None, "\n"):
            kinds = [
                repr(kind) for kind in ((seen,) if isinstance(seen, str) else seen) if kind != "\n"
            ]
            notes.append(f"line ends {' and '.join(kinds)} became '\\n'")
        if self._nulls:
            notes.append(
                f"{self._nulls} NUL characters: is this text? (--level byte reads any file)"
            )
        if self._marks:
            marks = f"{self._marks} byte order mark{'s' * (self._marks > 1)}"
            notes.append(f"{marks} (U+FEFF) inside the text: joined files?")
        return notes

    def _undecodable(self, error: UnicodeError) -> InputError:
        hint = f"name its encoding with --encoding (charrnn inspect suggests one){self._or_else}"
        if not isinstance(error, UnicodeDecodeError):
            return InputError(f"{self._path!r} is not {self.encoding}: {error}", hint)
        # The decoder's input began with what an earlier chunk had left over.
        seen, at = error.object, error.start
        offset = self._offset - len(seen) + at
        line = self._line + seen.count(b"\n", 0, at)
        return InputError(
            f"{self._path!r} is not {self.encoding}: byte 0x{seen[at]:02x} at offset {offset} "
            f"(line {line})",
            hint,
        )


def decode_text(path: str, data: bytes, encoding: str = "utf-8") -> tuple[str, tuple[str, ...]]:
    """The text of a file's bytes, and notes on how they were read.

    A byte order mark decides and is removed, as in :func:`charrnn.text.corpora.read_corpus`.
    ``\\r\\n`` becomes ``\\n``, and so does ``\\r`` in a text without any ``\\n``; every other
    character stays.

    Raises:
        InputError: the bytes are not valid in this encoding (the error names the place), or are a
            document; or the encoding is unknown.
    """
    decoding = Decoding(path, data, encoding, keep_newlines=True, or_else="")
    text = "".join(text for text, _ in decoding.pieces(chunks_of(data)))
    _, notes = marked(data, encoding)
    if "\r\n" in text:
        text = text.replace("\r\n", "\n")
        notes.append("line ends '\\r\\n' became '\\n'")
    returns, nulls = text.count("\r"), text.count("\0")
    if returns and "\n" not in text:
        text = text.replace("\r", "\n")
        notes.append("line ends '\\r' became '\\n'")
    elif returns:
        notes.append(f"{returns} carriage returns are characters: only '\\n' ends a line")
    if nulls:
        notes.append(f"{nulls} NUL characters: is this text?")
    return text, tuple(notes)


def still_packed(kind: str) -> str:
    """A note on a compressed file whose bytes are taken as they are."""
    return f"compressed by {kind}; training on the compressed bytes: unpack it first?"


def marked(data: bytes, encoding: str) -> tuple[str, list[str]]:
    """The encoding that a byte order mark indicates, and a note.

    If UTF-8 was asked for, any mark decides; otherwise only a mark of the encoding that was asked
    for, by whichever of its names.
    """
    try:
        asked = codecs.lookup(encoding).name
    except (LookupError, TypeError, ValueError):  # decoding will report it
        return encoding, []
    for mark, marked in BOMS:
        if data.startswith(mark) and asked in ("utf-8", MARKED[mark]):
            name = marked.removesuffix("-sig").upper()
            return marked, [f"byte order mark of {name} removed"]
    return encoding, []


def chunks_of(data: bytes) -> Iterator[bytes]:
    """Bytes in pieces."""
    return (data[start : start + CHUNK] for start in range(0, len(data), CHUNK))


def _decoder(encoding: str) -> codecs.IncrementalDecoder:
    try:
        codec = codecs.lookup(encoding)
        if not codec._is_text_encoding:
            raise LookupError
        return codec.incrementaldecoder(errors="strict")
    except (LookupError, TypeError, ValueError):
        raise InputError(
            f"unknown encoding {encoding!r}", "for example utf-8, latin-1, cp1252"
        ) from None


def _refuse_document(path: str, data: bytes, or_else: str = "") -> None:
    """Raise InputError if a file is not plain text, however its bytes could be read."""
    if found := document(data):
        what, how = found
        how = re.sub(r"\bFILE\b", lambda _: quote(path), how)
        raise InputError(f"{path!r} is {what}, not a text", f"convert it to text: {how}{or_else}")
