"""What is kept of large texts in the user's cache folder."""

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
"""Seconds after which a file that nobody wrote to is what a killed process left behind."""

VERSION = 1
"""Of what the files hold."""


def cache_folder() -> Path:
    """Where encoded texts are kept: ``CHARRNN_CACHE``, else the system's place for such files."""
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
    """Figures of a large text, found once and kept in the cache folder.

    Args:
        key: all that they depend on, as JSON has it.
        find: finds them, if they are not there.
    """
    folder = cache_folder()
    path = folder / f"{hash_of(key)}.figures"
    with suppress(OSError, ValueError, AttributeError):
        return {str(name): float(value) for name, value in json.loads(path.read_text()).items()}
    found = dict(find())
    partial = partial_of(path)
    with suppress(OSError):  # they are found again next time
        partial.write_text(json.dumps(found))
        partial.replace(path)
    return found


def partial_of(path: Path) -> Path:
    """Where a file is written before it is whole and takes its name."""
    return path.with_name(f".{path.stem}.{os.getpid()}.partial")


def delete_abandoned(folder: Path) -> None:
    """Delete what killed processes left there."""
    for path in folder.glob(".*.partial"):
        with suppress(OSError):  # another process may have deleted or renamed it
            if time() - path.stat().st_mtime > ABANDONED:
                path.unlink()


def hash_of(key: object) -> str:
    """Of what JSON can hold, and of :data:`VERSION`; 16 hexadecimal digits."""
    return hashlib.sha256(json.dumps([VERSION, key]).encode()).hexdigest()[:16]
