"""One file of named arrays and a JSON header: written atomically, read without trust.

The format (docs/checkpoint-format.md) is what ``numpy.savez`` writes, uncompressed and without
pickle, and ``numpy.load`` reads it. The reader here accepts less than NumPy's: it never allocates
more than the file is long, whatever the file claims.
"""

import ast
import hashlib
import io
import json
import os
import re
import stat
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np

from charrnn.errors import CheckpointError
from charrnn.nn.types import Array

__all__ = ["FORMAT", "FORMAT_VERSION", "read_checkpoint", "remove_leftovers", "write_checkpoint"]

FORMAT = "charrnn"
FORMAT_VERSION = 1

HEADER, DIGEST, NAMES = "header", "digest", "arrays"
NO_DIGEST = "0" * 64
LARGEST = 1 << 33
LARGEST_HEADER = 1 << 24
MOST_VALUES, MOST_CONTAINERS = 1 << 20, 1 << 18
"""The most commas in a header, and the most brackets that open a list or an object. A value of
two bytes takes seventy in memory, an object two hundred."""
MOST_MEMBERS = 2048
LARGEST_DIRECTORY = MOST_MEMBERS << 8
LONGEST_DESCRIPTION = 512
"""The most bytes for an array's dtype and shape; NumPy writes 118 for up to four numbers."""
END, LOCATOR, LONG_END = 22, 20, 56
"""Lengths of the end of a zip file: the end record, and two more before it in a large file."""
LEFTOVER = re.compile(r"\.((best|last|member-\d+)\.npz|previous|metrics|latest)\.\d+\.tmp")
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.]{0,99}")
DTYPES = {"<f4": np.float32, "<f8": np.float64, "<i8": np.int64, "|u1": np.uint8}
EPOCH = (1980, 1, 1, 0, 0, 0)  # equal contents make equal files

UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    RuntimeError,
    MemoryError,
    OverflowError,
    SyntaxError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    tokenize.TokenError,
)
"""The errors that NumPy's and zipfile's readers raise on files made to break them."""


def write_checkpoint(path: Path, header: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
    """Write a file wholly or not at all.

    The bytes go to a temporary file beside ``path``, are forced to the disk, and take its name in
    one step: a reader of ``path`` sees the old file or the new one, even after a power cut.

    Args:
        path: the file; its folder exists.
        header: JSON; ``format``, ``format_version``, ``arrays`` (their names) and ``digest`` are
            added.
        arrays: by name; float32, float64, int64 or uint8.

    Raises:
        CheckpointError: the file cannot be written; an earlier one at ``path`` is unchanged.
    """
    _check_arrays(arrays)
    form = {"format": FORMAT, "format_version": FORMAT_VERSION}
    header = {**header, **form, NAMES: sorted(arrays), DIGEST: NO_DIGEST}
    # ASCII, with escapes: the name of a corpus may be bytes that are not UTF-8.
    text = json.dumps(header, sort_keys=True, allow_nan=False).encode("ascii")
    try:
        _of_bearable_size(text)
    except _UnfitError as error:
        raise CheckpointError(f"could not write {path}: {error}") from None
    sums = {name: _sum_of(array) for name, array in arrays.items()}
    blank, digest = (f'"{DIGEST}": "{it}"'.encode() for it in (NO_DIGEST, _digest(text, sums)))
    text = text.replace(blank, digest)
    members = {HEADER: np.frombuffer(text, dtype=np.uint8), **arrays}
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        try:
            with temporary.open("xb") as file:
                _write_members(file, members)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)
    except OSError as error:
        intact = "; the last file saved is intact" if path.exists() else ""
        raise CheckpointError(
            f"could not write {path}: {error.strerror or error}",
            f"free some space or check the folder's permissions{intact}",
        ) from error


def _check_arrays(arrays: Mapping[str, Array]) -> None:
    """Raise ValueError for arrays that could not be read again."""
    for name, array in arrays.items():
        if array.dtype.str not in DTYPES or not NAME.fullmatch(name) or name == HEADER:
            raise ValueError(f"cannot save {name!r} of dtype {array.dtype}")


def _sum_of(array: Array) -> str:
    """The SHA-256 of an array's .npy file."""
    start = io.BytesIO()
    array = np.asarray(array, order="C")
    np.lib.format.write_array_header_1_0(start, np.lib.format.header_data_from_array_1_0(array))
    sha256 = hashlib.sha256(start.getvalue())
    sha256.update(array.data)
    return sha256.hexdigest()


def _digest(header: bytes, sums: Mapping[str, str]) -> str:
    """The digest of a file's parts; checksums of each would not notice a missing part.

    Args:
        header: its JSON, with :data:`NO_DIGEST` for the digest.
        sums: the SHA-256 of each other member, by name.
    """
    lines = "".join(f"{sums[name]}  {name}.npy\n" for name in sorted(sums))
    return hashlib.sha256(header + lines.encode("ascii")).hexdigest()


def _write_members(file: IO[bytes], members: Mapping[str, Array]) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in members.items():
            info = zipfile.ZipInfo(name + ".npy", EPOCH)
            with archive.open(info, "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(array, order="C"), version=(1, 0))


def _sync_folder(folder: Path) -> None:
    """Make a rename permanent. Some file systems cannot; then the file is safe and may lag."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass
    finally:
        os.close(descriptor)


def remove_leftovers(folder: Path) -> None:
    """Delete temporary files that a killed process left, and no others."""
    for leftover in folder.glob(".*.tmp"):
        if LEFTOVER.fullmatch(leftover.name):
            leftover.unlink(missing_ok=True)


def read_checkpoint(
    path: Path, *, exactly: bool = False
) -> tuple[dict[str, Any], dict[str, Array]]:
    """Read the header and the arrays.

    Args:
        exactly: whether the file must be bit for bit the one that was written. Otherwise someone
            may have changed numbers, with NumPy for instance; but no array may be missing.

    Raises:
        CheckpointError: the file is missing, damaged, hostile, of another kind or too new.
    """
    try:
        # If a pipe was put in the file's place, do not wait for a writer.
        with os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise CheckpointError(f"{path} is not a file")
            if status.st_size > LARGEST:
                raise CheckpointError(f"{path} is too large for a checkpoint")
            _check_directory(file, status.st_size)
            with zipfile.ZipFile(file) as archive:
                infos = _list_members(file, archive, status.st_size)
                raw, _ = _read_member(archive, infos.pop(HEADER))
                header = _parse_header(raw)
                _check_version(path, header)
                read = {name: _read_member(archive, info) for name, info in infos.items()}
            sums = {name: found for name, (_, found) in read.items()}
            _check_digest(header, raw, sums, exactly=exactly)
            arrays = {name: array for name, (array, _) in read.items()}
    except FileNotFoundError:
        raise CheckpointError(f"{path} does not exist") from None
    except CheckpointError:
        raise
    except UNREADABLE as error:
        # NumPy's own messages can advise loading a file unsafely, so they are not passed on.
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "damaged"
        if isinstance(error, _UnfitError):
            reason = str(error)
        raise CheckpointError(
            f"{path} is not a readable checkpoint ({reason})",
            "it may be cut short or changed; use another one, such as the previous.npz beside it",
        ) from error
    return header, arrays


def _check_version(path: Path, header: Mapping[str, Any]) -> None:
    """Raise CheckpointError for a newer format, before anything else in the file is refused."""
    if header.get("format") != FORMAT:
        raise CheckpointError(f"{path} is not a checkpoint of charrnn")
    version = header.get("format_version")
    if not isinstance(version, int) or not 0 < version < 1 << 31:
        raise CheckpointError(f"{path} has no format version")
    if version > FORMAT_VERSION:
        raise CheckpointError(
            f"{path} was written in format {version}; this charrnn reads up to {FORMAT_VERSION}",
            "upgrade charrnn",
        )


class _UnfitError(ValueError):
    """What is wrong with a file, in our own words."""


def _check_directory(file: IO[bytes], size: int) -> None:
    """Refuse a directory that would take long to read, by what the end of the file claims.

    zipfile reads all of a directory at once, and makes an object for each entry.
    """
    file.seek(max(0, size - LONG_END - LOCATOR - END))
    tail = file.read()
    end, locator, long_end = tail[-END:], tail[-LOCATOR - END : -END], tail[: -LOCATOR - END]
    if end[:4] != b"PK\x05\x06":
        raise _UnfitError("its end is missing, or something follows it")
    count, length = struct.unpack("<HI", end[10:16])
    if locator[:4] == b"PK\x06\x07":
        (at,) = struct.unpack("<Q", locator[8:16])
        if long_end[:4] != b"PK\x06\x06" or at != size - len(tail):
            raise _UnfitError("its directory is damaged")
        count, length = struct.unpack("<QQ", long_end[32:48])
    if count > MOST_MEMBERS or length > LARGEST_DIRECTORY:
        raise _UnfitError(
            f"its directory claims {count:,} arrays in {length:,} bytes; "
            f"{MOST_MEMBERS:,} in {LARGEST_DIRECTORY:,} are the most"
        )


def _list_members(
    file: IO[bytes], archive: zipfile.ZipFile, size: int
) -> dict[str, zipfile.ZipInfo]:
    """The members of the file by name, after checking their names and claims."""
    file.seek(0)
    if file.read(4) != b"PK\x03\x04":
        raise ValueError("something comes before the archive")
    infos = archive.infolist()
    if len(infos) > MOST_MEMBERS or sum(info.file_size for info in infos) > size:
        raise ValueError("it claims more contents than the file can hold")
    members: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        name = info.filename.removesuffix(".npy")
        if info.filename == name or not NAME.fullmatch(name) or name in members:
            raise ValueError("unexpected member")
        members[name] = info
    return members


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> tuple[Array, str]:
    """An array, and the SHA-256 of its .npy file."""
    # Stored members cannot be bombs: their size in memory is their size on disk.
    if (
        info.compress_type != zipfile.ZIP_STORED
        or info.flag_bits & 1
        or info.compress_size != info.file_size
    ):
        raise ValueError("compressed or encrypted member")
    with archive.open(info) as member:
        return _read_array(member, info.file_size)


def _read_array(member: IO[bytes], size: int) -> tuple[Array, str]:
    """One .npy file, whose claims are compared with ``size`` before anything is allocated."""
    prefix = member.read(10)
    if prefix[:8] != b"\x93NUMPY\x01\x00":
        raise ValueError("not a .npy file of version 1.0")
    (length,) = struct.unpack("<H", prefix[8:])
    if length > LONGEST_DESCRIPTION:
        raise _UnfitError(
            f"an array is described in {length:,} bytes; {LONGEST_DESCRIPTION} are the most"
        )
    described = member.read(length)
    header = ast.literal_eval(described.decode("latin-1"))
    shape, dtype = header["shape"], DTYPES[header["descr"]]
    if set(header) != {"descr", "fortran_order", "shape"} or header["fortran_order"] is not False:
        raise ValueError("unexpected .npy header")
    if not isinstance(shape, tuple) or len(shape) > 4:
        raise ValueError("unexpected shape")
    if not all(type(extent) is int and extent >= 0 for extent in shape):
        raise ValueError("unexpected shape")
    if 10 + length + prod(shape) * np.dtype(dtype).itemsize != size:
        raise ValueError("shape does not match the data")
    # Reading to the very end makes zipfile compare the checksum.
    data = bytearray(member.read())
    sha256 = hashlib.sha256(prefix + described)
    sha256.update(data)
    return np.frombuffer(data, dtype=dtype).reshape(shape), sha256.hexdigest()


def _parse_header(raw: Array) -> dict[str, Any]:
    if raw.dtype != np.uint8:
        raise ValueError("unexpected header")
    header = json.loads(
        str(_of_bearable_size(raw.tobytes()), "utf-8"), parse_constant=_refuse_constant
    )
    if not isinstance(header, dict):
        raise TypeError("unexpected header")
    return header


def _refuse_constant(name: str) -> None:
    raise _UnfitError(f"a number in its header is {name}")


def _of_bearable_size(data: bytes) -> bytes:
    """Return a header unchanged, if its values do not take up much more memory than it does."""
    if len(data) > LARGEST_HEADER:
        raise _UnfitError(f"its header has {len(data):,} bytes; {LARGEST_HEADER:,} are the most")
    values, containers = data.count(b","), data.count(b"[") + data.count(b"{")
    if values > MOST_VALUES or containers > MOST_CONTAINERS:
        raise _UnfitError(
            f"its header has {values:,} values in {containers:,} lists and objects; "
            f"{MOST_VALUES:,} in {MOST_CONTAINERS:,} are the most"
        )
    return data


def _check_digest(
    header: dict[str, Any], raw: Array, sums: Mapping[str, str], *, exactly: bool
) -> None:
    """Take the names and the digest out of the header, and compare the file with them.

    Earlier versions wrote no digest, and then one without the names.
    """
    digest, names = header.pop(DIGEST, None), header.pop(NAMES, None)
    if names is not None and names != sorted(sums):
        raise _UnfitError("its arrays differ from those in its header")
    if digest is None or (names is not None and not exactly):
        return
    fits = isinstance(digest, str) and len(digest) == len(NO_DIGEST)
    if fits:
        blank = raw.tobytes().replace(digest.encode(), NO_DIGEST.encode())
        fits = digest == _digest(blank, sums)
    if not fits:
        raise _UnfitError("its contents do not match its checksum")
