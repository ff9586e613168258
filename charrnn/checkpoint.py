"""One file of named arrays and a JSON header: written atomically, read without trust.

The format (docs/checkpoint-format.md) is what ``numpy.savez`` writes, uncompressed and without
pickle, and ``numpy.load`` reads it. The reader here accepts less than NumPy's: it never allocates
more than the file is long, whatever the file claims.
"""

import ast
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

HEADER = "header"
LARGEST = 1 << 33
LARGEST_HEADER = 1 << 24
MOST_MEMBERS = 2048
LEFTOVER = re.compile(r"\.((best|last)\.npz|previous|metrics)\.\d+\.tmp")
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
"""All that NumPy's and zipfile's readers were seen to raise on files made to break them."""


def write_checkpoint(path: Path, header: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
    """Write a file wholly or not at all.

    The bytes go to a temporary file beside ``path``, are forced to the disk, and take its name in
    one step: whoever reads ``path`` sees the old file or the new one, also after a power cut.

    Args:
        path: the file; its folder exists.
        header: JSON; ``format`` and ``format_version`` are added.
        arrays: by name; float32, float64, int64 or uint8.

    Raises:
        CheckpointError: it could not be written; what stood at ``path`` is as it was.
    """
    header = {**header, "format": FORMAT, "format_version": FORMAT_VERSION}
    # ASCII, with escapes: the name of a corpus may be bytes that are no UTF-8.
    text = json.dumps(header, sort_keys=True, allow_nan=False)
    members = {HEADER: np.frombuffer(text.encode("ascii"), dtype=np.uint8), **arrays}
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
        raise CheckpointError(
            f"could not write {path}: {error.strerror or error}",
            "free some space or check the folder's permissions; the last file saved is intact",
        ) from error


def _write_members(file: IO[bytes], members: Mapping[str, Array]) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in members.items():
            if array.dtype.str not in DTYPES or not NAME.fullmatch(name):
                raise ValueError(f"cannot save {name!r} of dtype {array.dtype}")
            info = zipfile.ZipInfo(name + ".npy", EPOCH)
            with archive.open(info, "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(array, order="C"), version=(1, 0))


def _sync_folder(folder: Path) -> None:
    """Make a rename last. Some file systems cannot; then the file is safe and the name may lag."""
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
    """Delete temporary files that a killed process left, and nobody else's."""
    for leftover in folder.glob(".*.tmp"):
        if LEFTOVER.fullmatch(leftover.name):
            leftover.unlink(missing_ok=True)


def read_checkpoint(path: Path) -> tuple[dict[str, Any], dict[str, Array]]:
    """The header and the arrays.

    Raises:
        CheckpointError: the file is missing, damaged, hostile, of another kind or too new.
    """
    try:
        # A pipe put in the file's place must not make us wait for a writer.
        with os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise CheckpointError(f"{path} is not a file")
            if status.st_size > LARGEST:
                raise CheckpointError(f"{path} is too large for a checkpoint")
            with zipfile.ZipFile(file) as archive:
                infos = _list_members(file, archive, status.st_size)
                header = _parse_header(_read_member(archive, infos.pop(HEADER)))
                _check_version(path, header)
                arrays = {name: _read_member(archive, info) for name, info in infos.items()}
    except FileNotFoundError:
        raise CheckpointError(f"{path} does not exist") from None
    except CheckpointError:
        raise
    except UNREADABLE as error:
        # NumPy's own messages can advise loading a file unsafely; they are not passed on.
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "damaged"
        raise CheckpointError(
            f"{path} is not a checkpoint that can be read ({reason})",
            "if it was cut short or changed, use another one: previous.npz is the one before",
        ) from error
    return header, arrays


def _check_version(path: Path, header: Mapping[str, Any]) -> None:
    """Before anything else is looked at: a newer format may hold what this one refuses."""
    if header.get("format") != FORMAT:
        raise CheckpointError(f"{path} is not a checkpoint of charrnn")
    version = header.get("format_version")
    if not isinstance(version, int) or version < 1:
        raise CheckpointError(f"{path} has no format version")
    if version > FORMAT_VERSION:
        raise CheckpointError(
            f"{path} was written in format {version}; this charrnn reads up to {FORMAT_VERSION}",
            "upgrade charrnn",
        )


def _list_members(
    file: IO[bytes], archive: zipfile.ZipFile, size: int
) -> dict[str, zipfile.ZipInfo]:
    """What the file holds, by name, its names and claims checked."""
    file.seek(0)
    if file.read(4) != b"PK\x03\x04":
        raise ValueError("something stands before the archive")
    infos = archive.infolist()
    if len(infos) > MOST_MEMBERS or sum(info.file_size for info in infos) > size:
        raise ValueError("more contents than the file can hold")
    members: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        name = info.filename.removesuffix(".npy")
        if info.filename == name or not NAME.fullmatch(name) or name in members:
            raise ValueError("unexpected member")
        members[name] = info
    return members


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Array:
    # Stored members cannot be bombs: their size in memory is their size on disk.
    if (
        info.compress_type != zipfile.ZIP_STORED
        or info.flag_bits & 1
        or info.compress_size != info.file_size
    ):
        raise ValueError("compressed or encrypted member")
    with archive.open(info) as member:
        return _read_array(member, info.file_size)


def _read_array(member: IO[bytes], size: int) -> Array:
    """One .npy file, its claims held against ``size`` before anything is allocated."""
    prefix = member.read(10)
    if prefix[:8] != b"\x93NUMPY\x01\x00":
        raise ValueError("not a .npy file of version 1.0")
    (length,) = struct.unpack("<H", prefix[8:])
    header = ast.literal_eval(member.read(length).decode("latin-1"))
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
    return np.frombuffer(bytearray(member.read()), dtype=dtype).reshape(shape)


def _parse_header(raw: Array) -> dict[str, Any]:
    if raw.dtype != np.uint8 or raw.size > LARGEST_HEADER:
        raise ValueError("unexpected header")
    header = json.loads(raw.tobytes().decode("utf-8"))
    if not isinstance(header, dict):
        raise TypeError("unexpected header")
    return header
