"""The user's cache folder, and what is kept there of large texts."""

import hashlib
import json
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from time import time

__all__ = ["cache_folder", "delete_abandoned", "hash_of", "partial_of", "remembered"]

ABANDONED = 3600.0
"""Seconds without a write after which an unfinished file was left behind by a killed process."""

VERSION = 1
"""The version of what the files hold; another version is another name."""


def cache_folder() -> Path:
    """The folder: ``CHARRNN_CACHE``, else the system's place for cached files."""
    if own := os.environ.get("CHARRNN_CACHE"):
        return Path(own).absolute()
    if sys.platform == "win32":
        place = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        place = Path.home() / "Library" / "Caches"
    else:
        place = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(place) / "charrnn" / "texts"


def remembered(key: object, find: Callable[[], Mapping[str, float]]) -> dict[str, float]:
    """Figures of a large text, computed once and kept in the cache folder.

    Args:
        key: everything that the figures depend on, as JSON can hold it.
        find: computes the figures, if they are not there.
    """
    folder = cache_folder()
    path = folder / f"{hash_of(key)}.figures"
    with suppress(OSError, ValueError, AttributeError):
        return {str(name): float(value) for name, value in json.loads(path.read_text()).items()}
    found = dict(find())
    partial = partial_of(path)
    with suppress(OSError):  # then they are computed again next time
        partial.write_text(json.dumps(found))
        partial.replace(path)
    return found


def partial_of(path: Path) -> Path:
    """The name of a file while it is being written."""
    return path.with_name(f".{path.stem}.{os.getpid()}.partial")


def delete_abandoned(folder: Path) -> None:
    """Delete what killed processes left in a folder."""
    for path in folder.glob(".*.partial"):
        with suppress(OSError):  # another process may have deleted or renamed it
            if time() - path.stat().st_mtime > ABANDONED:
                path.unlink()


def hash_of(key: object) -> str:
    """A hash of ``key``, which JSON can hold, and of :data:`VERSION`: 16 hexadecimal digits."""
    return hashlib.sha256(json.dumps([VERSION, key]).encode()).hexdigest()[:16]
