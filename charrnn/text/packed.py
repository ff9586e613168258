"""Files that are not plain text: compressed ones, which are unpacked, and documents."""

import bz2
import gzip
import lzma
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import IO, Any

from charrnn.errors import InputError

__all__ = ["LARGEST", "compression", "document", "unpacked", "unpacking"]

LARGEST = 1 << 32
"""The most bytes of a file, as it is or unpacked."""

ZSTD_CHUNK = 1 << 14
"""Bytes of zstd that are unpacked at a time, since few may become many."""

CHUNK, LIGHT = 1 << 20, 1 << 27
"""What unpacks to more than ``LIGHT`` bytes is measured, in chunks, before it is kept."""


class _Gzip:
    """Reads gzip's members, one after the other, and ignores what follows them."""

    def __init__(self, file: Any) -> None:
        self._file, self._begun = gzip.GzipFile(fileobj=file), False

    def read(self, size: int) -> bytes:
        pieces = list[bytes]()
        while size > 0:
            try:
                piece = self._file.read1(size)
            except gzip.BadGzipFile as error:  # what follows is not another member
                if not (self._begun and str(error).startswith("Not a gzipped file")):
                    raise
                piece = b""
            if not piece:
                break
            self._begun = True
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)


class _Zstd:
    """Reads zstd's frames, one after the other. Raises ImportError without the package."""

    def __init__(self, file: Any) -> None:
        from zstandard import ZstdDecompressor, ZstdError

        self._file, self._error = file, ZstdError
        self._begin = ZstdDecompressor().decompressobj
        self._pieces, self._held = self._read(), b""

    def read(self, size: int) -> bytes:
        pieces = [self._held]
        while size > sum(map(len, pieces)) and (piece := next(self._pieces, b"")):
            pieces.append(piece)
        found = b"".join(pieces)
        self._held = found[size:]
        return found[:size]

    def _read(self) -> Iterator[bytes]:
        frame = self._begin()
        while packed := self._file.read(ZSTD_CHUNK):
            while packed:
                frame = self._begin() if frame.eof else frame
                try:
                    piece = frame.decompress(packed)
                except self._error as error:
                    raise OSError(str(error)) from error
                if piece:
                    yield piece
                packed = frame.unused_data if frame.eof else b""
        if not frame.eof:
            raise EOFError("it ends within a frame")


PACKED: tuple[tuple[bytes, str, Callable[[Any], Any]], ...] = (
    (rb"\x1f\x8b\x08", "gzip", _Gzip),
    (rb"\xfd7zXZ\0", "xz", lzma.LZMAFile),
    (rb"BZh[1-9](1AY&SY|\x17\x72\x45\x38\x50\x90)", "bzip2", bz2.BZ2File),
    (rb"\x28\xb5\x2f\xfd", "zstd", _Zstd),
)
DAMAGED = (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError)

SAVE, UNPACK, OCR = "save it as plain text", "unpack it first", "read it by OCR: tesseract FILE -"
DOCUMENTS = (
    (rb"%PDF-", "a PDF", "pdftotext FILE -"),
    (
        rb"PK\x03\x04.{26}mimetypeapplication/epub",
        "a zip archive, an EPUB book",
        "pandoc -t plain FILE",
    ),
    (
        rb"PK\x03\x04.{26}mimetypeapplication/vnd\.oasis",
        "a zip archive of OpenDocument (.odt)",
        SAVE,
    ),
    (rb"PK\x03\x04.{26}\[Content_Types\]", "a zip archive of Office (.docx, .xlsx)", SAVE),
    (rb"PK\x03\x04", "a zip archive, as .docx, .odt and .epub are", f"unzip it, or {SAVE}"),
    (rb"PK\x05\x06", "an empty zip archive", "ask who made it"),
    (rb"\xd0\xcf\x11\xe0", "an old Office document", SAVE),
    (rb"\{\\rtf", "an RTF document", SAVE),
    (rb"[^\0]{1,100}\0.{156,255}ustar", "a tar archive", "tar -xOf FILE"),
    (rb"Rar!\x1a\x07", "a RAR archive", UNPACK),
    (rb"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (rb"\x89PNG\r\n", "a PNG image", OCR),
    (rb"\xff\xd8\xff", "a JPEG image", OCR),
    (rb"GIF8[79]a.{4,12}\0", "a GIF image", OCR),
    (rb"II\*\0|MM\0\*", "a TIFF image", OCR),
    (rb"RIFF.{4}WEBP", "a WebP image", OCR),
)
"""How documents begin, what they are, and how to convert them to text."""


def compression(data: bytes) -> str | None:
    """How a file is compressed, judged by its content; None if it is not."""
    return next((name for begins, name, _ in PACKED if re.match(begins, data)), None)


def document(data: bytes) -> tuple[str, str] | None:
    """What kind of document a file is, and how to convert it to text; None if it may be text."""
    start = data[:512]
    for begins, what, how in DOCUMENTS:
        if re.match(begins, start, re.DOTALL):
            return what, how
    again = compression(data)
    return (f"compressed by {again} (is it so twice?)", UNPACK) if again else None


def unpacked(data: bytes, what: str) -> bytes:
    """The content of a compressed file; any other file's bytes as they are.

    Args:
        data: a file's bytes.
        what: its name, for errors.

    Raises:
        InputError: it is damaged or cut off, or unpacks to more than a file may have.
    """
    for begins, name, opened in PACKED:
        if re.match(begins, data):
            with _damage(name, what):
                found = _unpacked(opened, data)
            if found is None:
                raise InputError(
                    f"{what} unpacks to more than {LARGEST >> 30} GiB", "train on a part of it"
                )
            return found
    return data


def unpacking(file: IO[bytes], what: str, first: bytes) -> Iterator[bytes]:
    """The content of a compressed file, in pieces; any other file's bytes as they are.

    Args:
        file: the file, at its beginning.
        what: its name, for errors.
        first: its first bytes.

    Raises:
        InputError: it is damaged or cut off.
    """
    for begins, name, opened in PACKED:
        if re.match(begins, first):
            with _damage(name, what):
                yield from _pieces(opened(file))
            return
    yield from _pieces(file)


@contextmanager
def _damage(name: str, what: str) -> Iterator[None]:
    """Raise InputError where a compressed file is damaged, or its kind needs a package."""
    try:
        yield
    except ImportError:
        raise InputError(
            f"{what} is compressed by {name}, and the package that unpacks it is not installed",
            "python -m pip install zstandard; or unpack it first: zstd -d FILE",
        ) from None
    except DAMAGED as error:
        raise InputError(
            f"{what} is compressed by {name}, and damaged or cut off: {error}", "fetch it again"
        ) from None


def _unpacked(opened: Callable[[Any], Any], data: bytes) -> bytes | None:
    """The unpacked bytes; None if they are too many, which is found without keeping them."""
    found: bytes = opened(BytesIO(data)).read(LIGHT)
    if len(found) < LIGHT:
        return found
    size = 0
    for piece in _pieces(opened(BytesIO(data))):
        size += len(piece)
        if size > LARGEST:
            return None
    return b"".join([*_pieces(opened(BytesIO(data)))])


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    while piece := file.read(CHUNK):
        yield piece
