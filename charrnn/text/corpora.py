"""Reading a corpus: files, standard input or Python's own help, to code points or bytes."""

import codecs
import hashlib
import io
import re
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from shlex import quote
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from charrnn.errors import InputError
from charrnn.text.held_out import LINE_END, whole_lines
from charrnn.text.packed import LARGEST, compression, document, unpacked

__all__ = [
    "BOMS",
    "Corpus",
    "TextStream",
    "decode_text",
    "encoded",
    "marked",
    "opened",
    "read_bytes",
    "read_corpus",
]

CHUNK = 1 << 23
STREAMED = 1 << 16
"""Bytes of a stream that are read at a time, at most."""
BEGINNING = 10
"""Bytes of a stream that tell whether it is compressed, or has a byte order mark."""
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
"""The encodings whose marks these are: Python would read the mark as a character."""

MARK = 0xFEFF
OR_BYTES = "; or read bytes (--level byte)"


@dataclass(frozen=True)
class Corpus:
    """A text as integers.

    Attributes:
        level: ``"char"`` or ``"byte"``.
        codes: ``(N,)`` code points or bytes.
        sha256: of the bytes of all files in order; of characters, as they are when unpacked.
        notes: what a reader should know: a byte order mark removed, line ends changed, ...
    """

    level: str
    codes: npt.NDArray[Any]
    sha256: str
    notes: tuple[str, ...] = field(default=())


def encoded(codes: npt.NDArray[Any], level: str) -> bytes:
    """A corpus' codes as the bytes of a file: UTF-8 of code points; bytes as they are."""
    if level == "byte":
        return codes.astype(np.uint8).tobytes()
    text = codes.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")
    return text.encode("utf-8", "surrogatepass")


def read_corpus(
    paths: Sequence[str],
    *,
    level: str = "char",
    encoding: str = "utf-8",
    keep_newlines: bool = False,
    lines: bool = False,
    stdin: BinaryIO | None = None,
) -> Corpus:
    """Read files in order, as ``cat`` would join them.

    Args:
        paths: file names; ``-`` is standard input; none means the topics of Python's own help.
        level: ``"char"`` or ``"byte"``; bytes are taken as they are, also of a compressed file.
        encoding: of the files. With the default a byte order mark decides instead, where there
            is one.
        keep_newlines: leave ``\\r\\n`` and ``\\r`` as they are; normally they become ``\\n``.
        lines: each line is an item: blank ones are left out, and the last of each file is ended.
        stdin: what ``-`` reads.

    Raises:
        InputError: a file cannot be read or decoded, with the place; or the corpus is empty.
    """
    as_is = level == "byte"
    if not paths:
        sources = [("Python's own help", _python_help())]
    else:
        sources = [
            ("standard input" if path == "-" else path, read_bytes(path, stdin, as_is=as_is))
            for path in paths
        ]
    digest = hashlib.sha256()
    pieces: list[npt.NDArray[Any]] = []
    notes: list[str] = []
    for number, (path, data) in enumerate(sources, start=1):
        digest.update(data)
        own, found = [np.frombuffer(data, dtype=np.uint8)], list[str]()
        if as_is and (packed := compression(data)):
            found.append(
                f"compressed by {packed}; training on the compressed bytes: unpack it first?"
            )
        if level == "char":
            own, found = _decode(path, data, encoding, keep_newlines)
        if lines and data:
            whole, blank = whole_lines(np.concatenate(own))
            own = [whole]
            found += [f"{blank:,} blank line{'s' * (blank > 1)} left out"] if blank else []
        elif level == "char" and number < len(sources) and not _is_ended(own):
            found.append("its last line has no end, so the next file continues it")
        pieces += own
        notes += [f"{path}: {note}" for note in found]
    if not sum(map(len, pieces)):
        raise InputError(f"the corpus is empty ({', '.join(path for path, _ in sources)})")
    return Corpus(level, np.concatenate(pieces), digest.hexdigest(), tuple(notes))


def _is_ended(pieces: Sequence[npt.NDArray[Any]]) -> bool:
    """Whether a text ends with a line end, or has nothing that could be gone on with."""
    last = next((int(piece[-1]) for piece in reversed(pieces) if len(piece)), LINE_END)
    return last in (LINE_END, ord("\r"))


class TextStream:
    """Files read in order piece by piece, as :func:`read_corpus` reads them whole.

    Args:
        paths, level, encoding, keep_newlines, stdin: as there; at least one path.

    Attributes:
        size: how many bytes have been read.
        digest: the SHA-256 of those bytes.
    """

    def __init__(
        self,
        paths: Sequence[str],
        *,
        level: str = "char",
        encoding: str = "utf-8",
        keep_newlines: bool = False,
        stdin: BinaryIO | None = None,
    ) -> None:
        self._paths, self._stdin = paths, stdin
        self._level, self._encoding, self._keep_newlines = level, encoding, keep_newlines
        self.size = 0
        self.digest = hashlib.sha256()

    def __iter__(self) -> Iterator[npt.NDArray[Any]]:
        """Code points or bytes ``(n,)``, of a pipe as soon as they are there; n may be 0.

        Raises:
            InputError: a file cannot be read or decoded, with the place.
        """
        for path in self._paths:
            name = "standard input" if path == "-" else path
            with opened(path, self._stdin) as file:
                first = file.read(BEGINNING)
                if compression(first):
                    data = unpacked(first + _limited(file, name), name)
                    first, rest = data[:BEGINNING], iter([data[BEGINNING:]])
                else:
                    rest = self._rest(file)
                chunks = map(self._counted, chain([first] * bool(first), rest))
                if self._level == "byte":
                    yield from (np.frombuffer(chunk, np.uint8) for chunk in chunks)
                    continue
                _refuse_document(name, first, OR_BYTES)
                encoding, _ = marked(first, self._encoding)
                decoder = _decoder(encoding)
                newlines = io.IncrementalNewlineDecoder(decoder, translate=not self._keep_newlines)
                yield from (
                    codes for _, codes in _pieces(name, chunks, encoding, newlines, OR_BYTES)
                )

    def _rest(self, file: Any) -> Iterator[bytes]:
        while chunk := file.read1(STREAMED):
            yield chunk

    def _counted(self, chunk: bytes) -> bytes:
        self.size += len(chunk)
        self.digest.update(chunk)
        return chunk


def _python_help() -> bytes:
    from pydoc_data import topics

    return "\n\n".join(topics.topics[name] for name in sorted(topics.topics)).encode()


def read_bytes(path: str, stdin: BinaryIO | None = None, *, as_is: bool = False) -> bytes:
    """All bytes of a file or pipe, or of standard input for ``-`` (``stdin``, if given).

    What is compressed by gzip, bzip2 or xz, by its content, is unpacked unless wanted ``as_is``.

    Raises:
        InputError: it is missing, a directory, a device, a terminal, damaged or too large, or
            cannot be read.
    """
    what = "standard input" if path == "-" else repr(path)
    with opened(path, stdin) as file:
        data = _limited(file, what)
    return data if as_is else unpacked(data, what)


@contextmanager
def opened(path: str, stdin: BinaryIO | None = None) -> Iterator[BinaryIO]:
    """A file or pipe, or standard input for ``-``, to be read.

    Raises:
        InputError: it is missing, a directory, a device or a terminal, or cannot be read.
    """
    if path == "":
        raise InputError("the name of a corpus is empty", "give a file, or - for standard input")
    if path == "-":
        stdin = stdin or sys.stdin.buffer
        if stdin.isatty():
            raise InputError(
                "standard input is a terminal", "pipe a text in: charrnn train - < FILE"
            )
        yield stdin
        return
    try:
        mode = Path(path).stat().st_mode
        if stat.S_ISDIR(mode):
            raise InputError(f"{path!r} is a directory", "give the files in it: FOLDER/*.txt")
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
            raise InputError(f"{path!r} is a device, not a file")
        with Path(path).open("rb") as file:
            yield file
    except FileNotFoundError:
        raise InputError(f"file {path!r} does not exist") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"cannot read {path!r}: {reason}") from error


def _limited(file: BinaryIO, what: str) -> bytes:
    data = bytearray()  # grows with the file: read(n) would take n bytes of memory at once
    while chunk := file.read(CHUNK):
        data += chunk
        if len(data) > LARGEST:
            raise InputError(f"{what} is larger than {LARGEST >> 30} GiB", "train on a part of it")
    return bytes(data)


def decode_text(path: str, data: bytes, encoding: str = "utf-8") -> tuple[str, tuple[str, ...]]:
    """The text of a file's bytes, and what was noticed.

    A byte order mark decides and goes, as in :func:`read_corpus`. ``\\r\\n`` becomes ``\\n``, and
    so does ``\\r`` in a text without any ``\\n``; else it stays, as every other character does.

    Raises:
        InputError: the bytes are not of this encoding, with the place, or of a document; or
            nobody knows the encoding.
    """
    _refuse_document(path, data)
    encoding, notes = marked(data, encoding)
    decoder = _decoder(encoding)
    text = "".join(text for text, _ in _pieces(path, _chunks(data), encoding, decoder))
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


def _decode(
    path: str, data: bytes, encoding: str, keep_newlines: bool
) -> tuple[list[npt.NDArray[Any]], list[str]]:
    """Code points, in pieces whose dtype is as small as it can be, and what was noticed."""
    _refuse_document(path, data, OR_BYTES)
    encoding, notes = marked(data, encoding)
    newlines = io.IncrementalNewlineDecoder(_decoder(encoding), translate=not keep_newlines)
    pieces = [
        codes.astype(np.min_scalar_type(int(codes.max(initial=0))))
        for _, codes in _pieces(path, _chunks(data), encoding, newlines, OR_BYTES)
    ]
    seen = newlines.newlines
    if not keep_newlines and seen not in (None, "\n"):
        kinds = [
            repr(kind) for kind in ((seen,) if isinstance(seen, str) else seen) if kind != "\n"
        ]
        notes.append(f"line ends {' and '.join(kinds)} became '\\n'")
    nulls = sum(int(np.count_nonzero(piece == 0)) for piece in pieces)
    if nulls:
        notes.append(f"{nulls} NUL characters: is this text? (--level byte reads any file)")
    marks = sum(int(np.count_nonzero(piece == MARK)) for piece in pieces)
    if marks:
        notes.append(
            f"{marks} byte order mark{'s' * (marks > 1)} (U+FEFF) inside the text: joined files?"
        )
    return pieces, notes


def _refuse_document(path: str, data: bytes, or_else: str = "") -> None:
    """Raise InputError if a file is none of plain text, whatever its bytes could be read as."""
    if found := document(data):
        what, how = found
        how = re.sub(r"\bFILE\b", lambda _: quote(path), how)
        raise InputError(f"{path!r} is {what}, not a text", f"convert it to text: {how}{or_else}")


def marked(data: bytes, encoding: str) -> tuple[str, list[str]]:
    """The encoding that a byte order mark tells, and a note.

    Where UTF-8 was asked for, any mark decides; else only one of the encoding that was named, by
    whichever of its names.
    """
    try:
        asked = codecs.lookup(encoding).name
    except (LookupError, TypeError, ValueError):  # which whoever decodes will say
        return encoding, []
    for mark, marked in BOMS:
        if data.startswith(mark) and asked in ("utf-8", MARKED[mark]):
            name = marked.removesuffix("-sig").upper()
            return marked, [f"byte order mark of {name} removed"]
    return encoding, []


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


def _chunks(data: bytes) -> Iterator[bytes]:
    return (data[start : start + CHUNK] for start in range(0, len(data), CHUNK))


def _pieces(
    path: str,
    chunks: Iterable[bytes],
    encoding: str,
    decoder: codecs.IncrementalDecoder | io.IncrementalNewlineDecoder,
    or_else: str = "",
) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    """The text in pieces, each also as code points; ``or_else`` ends the hints of its errors."""
    offset, line = 0, 1  # of the end of what has been decoded
    for chunk in chain(chunks, [b""]):
        offset += len(chunk)
        try:
            text = decoder.decode(chunk, final=not chunk)
        except UnicodeError as error:
            raise _undecodable(path, encoding, offset, line, error, or_else) from error
        line += chunk.count(b"\n")
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
        if np.any((codes >= 0xD800) & (codes <= 0xDFFF)):
            raise InputError(
                f"{path!r} read as {encoding} has halves of characters (lone surrogates)",
                f"name another encoding with --encoding{or_else}",
            )
        yield text, codes


def _undecodable(
    path: str, encoding: str, end: int, line: int, error: UnicodeError, or_else: str
) -> InputError:
    """What there is to say of bytes that end at ``end``, the last of them from ``line`` on."""
    hint = f"name its encoding with --encoding (charrnn inspect suggests one){or_else}"
    if not isinstance(error, UnicodeDecodeError):
        return InputError(f"{path!r} is not {encoding}: {error}", hint)
    # The decoder saw what an earlier chunk had left over in front of the last one.
    seen, at = error.object, error.start
    offset = end - len(seen) + at
    line += seen.count(b"\n", 0, at)
    return InputError(
        f"{path!r} is not {encoding}: byte 0x{seen[at]:02x} at offset {offset} (line {line})",
        hint,
    )
