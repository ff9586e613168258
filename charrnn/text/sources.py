"""Where the bytes of a corpus come from: files, folders, standard input, Python's own help."""

import os
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from glob import glob, has_magic
from pathlib import Path
from typing import BinaryIO

from charrnn.errors import InputError
from charrnn.text.packed import LARGEST, unpacked

__all__ = ["files_in", "limited", "matching", "named", "opened", "python_help", "read_bytes"]

CHUNK = 1 << 23

UNPACKED = 4
"""How many times larger than the compressed file its content is assumed to be."""


def matching(paths: Sequence[str]) -> tuple[str, ...]:
    """Replace each pattern (``texts/*.txt``) in the paths by the files that it matches, sorted.

    Raises:
        InputError: a pattern matches nothing.
    """
    found: list[str] = []
    for given in paths:
        # No shell has replaced a leading ~ in quotes. Path would fail where there is no such user.
        path = given if os.path.lexists(given) else os.path.expanduser(given)  # noqa: PTH111
        if not has_magic(path) or os.path.lexists(path):
            found.append(path)
            continue
        names = glob(path, recursive=True)  # noqa: PTH207 - Path.glob takes relative patterns only
        files = sorted(name for name in names if not Path(name).is_dir())
        if not files:
            raise InputError(
                f"no file matches {given!r}",
                "check the folder and the ending; ** also reads the folders below",
            )
        found += files
    return tuple(found)


def files_in(paths: Sequence[str]) -> list[str]:
    """Replace each folder in the paths by all files below it, sorted by their paths.

    Files and folders whose names begin with a dot are left out.

    Raises:
        InputError: a folder has no file.
    """
    found: list[str] = []
    for path in paths:
        if path in ("", "-") or not os.path.isdir(path):  # noqa: PTH112 - of any length
            found.append(path)
            continue
        files = [
            str(file)
            for file in sorted(Path(path).rglob("*"))
            if file.is_file()
            and not any(part.startswith(".") for part in file.relative_to(path).parts)
        ]
        if not files:
            raise InputError(f"the folder {path!r} has no files", "name the files to read")
        found += files
    return found


def named(path: str) -> str:
    """What messages call a path."""
    return "standard input" if path == "-" else path


def python_help() -> bytes:
    """The topics of Python's own help, one after the other."""
    from pydoc_data import topics

    return "\n\n".join(topics.topics[name] for name in sorted(topics.topics)).encode()


def read_bytes(path: str, stdin: BinaryIO | None = None, *, as_is: bool = False) -> bytes:
    """All bytes of a file or pipe, or of standard input for ``-`` (``stdin``, if given).

    What is compressed by gzip, bzip2, xz or zstd, judged by its content, is unpacked unless
    ``as_is`` is set.

    Raises:
        InputError: the file is missing, a directory, a device, a terminal, damaged or too large, or
            cannot be read.
    """
    what = "standard input" if path == "-" else repr(path)
    with opened(path, stdin) as file:
        data = limited(file, what)
    return data if as_is else unpacked(data, what)


@contextmanager
def opened(path: str, stdin: BinaryIO | None = None) -> Iterator[BinaryIO]:
    """Open a file or pipe, or standard input for ``-``, for reading.

    Raises:
        InputError: the file is missing, a directory, a device or a terminal, or cannot be read.
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


def limited(file: BinaryIO, what: str) -> bytes:
    """All bytes of a file.

    Raises:
        InputError: the file is too large.
    """
    data = bytearray()  # grows with the file: read(n) would take n bytes of memory at once
    while chunk := file.read(CHUNK):
        data += chunk
        if len(data) > LARGEST:
            raise InputError(f"{what} is larger than {LARGEST >> 30} GiB", "train on a part of it")
    return bytes(data)
