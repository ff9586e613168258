"""A run is a folder: ``best.npz``, ``last.npz``, ``previous.npz``, ``metrics.jsonl``."""

import json
import os
import shutil
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from charrnn.checkpoint import remove_leftovers, write_checkpoint
from charrnn.errors import CheckpointError, InputError, RunError
from charrnn.nn.types import Array
from charrnn.runs.find import DEFAULT_FOLDER, LATEST
from charrnn.runs.model import Model, load_model

try:
    import fcntl
except ImportError:  # not on Windows; there two processes in one folder go unnoticed
    fcntl = None  # type: ignore[assignment]

__all__ = ["RunFolder", "new_folder", "remove_if_empty"]


def new_folder(name: str) -> Path:
    """``checkpoints/NAME-K`` with the first K that is free."""
    safe = "".join(c if c.isalnum() or c in "-_" else "-" for c in name)[:60] or "run"
    number = 1
    while (DEFAULT_FOLDER / f"{safe}-{number}").exists():
        number += 1
    return DEFAULT_FOLDER / f"{safe}-{number}"


class RunFolder:
    """The files of one run, held against other processes until closed.

    Args:
        path: the folder; made if need be.
        resume: whether a run must be there already, or must not.

    Raises:
        InputError: there is a run and there must not be, or the reverse.
        RunError: the folder cannot be written, or another process trains in it.
    """

    def __init__(self, path: Path, *, resume: bool) -> None:
        self.path = path
        self.best = path / "best.npz"
        self.last = path / "last.npz"
        self.previous = path / "previous.npz"
        self.metrics = path / "metrics.jsonl"
        self._last_is_whole = True
        if resume and not path.is_dir():
            raise InputError(f"{str(path)!r} holds no run to resume", "name a run's folder")
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._lock = self._take_lock()
            remove_leftovers(path)
        except OSError as error:
            raise RunError(f"cannot write to {path}: {error.strerror or error}") from error
        # Only who holds the lock knows what is there.
        present = self.last.exists() or self.previous.exists()
        if resume and not present:
            self.close()
            raise InputError(f"{str(path)!r} holds no run to resume", "name a run's folder")
        if not resume and (present or self.best.exists()):
            self.close()
            raise InputError(
                f"{str(path)!r} holds a run already",
                f"go on with it (--resume {path}), or choose another --out",
            )

    def _take_lock(self) -> IO[str]:
        """A lock of the kernel's, gone when the process is, however it ends."""
        path = self.path / "run.lock"
        while True:
            lock = path.open("a+", encoding="utf-8")
            try:
                if fcntl is not None:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                holder = lock.read().strip() or "another process"
                lock.close()
                raise RunError(
                    f"{self.path} is in use by {holder}", "wait for it, or stop it"
                ) from None
            if path.exists() and os.path.samestat(os.fstat(lock.fileno()), path.stat()):
                break
            lock.close()  # who held it took the file away meanwhile: it guards nothing any more
        lock.truncate(0)
        lock.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        lock.flush()
        return lock

    def close(self) -> None:
        """Let others in."""
        with suppress(OSError):  # Windows keeps open files
            (self.path / "run.lock").unlink()
        self._lock.close()

    def __del__(self) -> None:
        with suppress(AttributeError):  # of one that never got so far
            self._lock.close()

    def save_last(self, header: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        """Write ``last.npz``; what it was becomes ``previous.npz``.

        Raises:
            CheckpointError: it could not be written; ``last.npz`` is as it was.
        """
        if self.last.exists() and self._last_is_whole:
            spare = self.path / f".previous.{os.getpid()}.tmp"
            try:
                spare.unlink(missing_ok=True)
                try:
                    spare.hardlink_to(self.last)
                except OSError:  # a file system without links
                    shutil.copyfile(self.last, spare)
                spare.replace(self.previous)
            except OSError as error:
                spare.unlink(missing_ok=True)
                raise CheckpointError(
                    f"could not write {self.previous}: {error.strerror}"
                ) from error
        write_checkpoint(self.last, header, arrays)
        self._last_is_whole = True
        self._mark_latest()

    def save_best(self, header: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        """Write ``best.npz``.

        Raises:
            CheckpointError: it could not be written; what stood there is as it was.
        """
        write_checkpoint(self.best, header, arrays)

    def _mark_latest(self) -> None:
        """Let ``checkpoints/latest`` name this run; if that fails, a convenience is lost."""
        try:
            DEFAULT_FOLDER.mkdir(exist_ok=True)
            temporary = DEFAULT_FOLDER / f".{LATEST}.{os.getpid()}.tmp"
            temporary.write_bytes(os.fsencode(os.path.relpath(self.path, DEFAULT_FOLDER)) + b"\n")
            temporary.replace(DEFAULT_FOLDER / LATEST)
        except OSError:
            return

    def load_last(self, cell: str | None = None) -> tuple[Model, str | None]:
        """The state to go on from: ``last.npz``, or ``previous.npz`` and why.

        Args:
            cell: ``FILE.py:CLASS``, for a run whose cell is its author's own.

        Raises:
            CheckpointError: neither can be read.
            InputError: the cell must be named, or its source has changed.
        """
        try:
            return load_model(self.last, cell, exactly=True), None
        except CheckpointError as error:
            if not self.previous.exists():
                raise
            self._last_is_whole = False  # it must not take the place of previous.npz
            again = load_model(self.previous, cell, exactly=True)
            return again, f"{error}; going on from {self.previous}"

    def log(self, record: Mapping[str, Any]) -> None:
        """Append one line to ``metrics.jsonl``. A full disk must not stop a training."""
        try:
            with self.metrics.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")
        except OSError:
            return

    def cut_log(self, step: int) -> None:
        """Drop lines later than the save at ``step``: they will be written again."""
        if not self.metrics.exists():
            return
        kept = []
        for line in self.metrics.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                record = json.loads(line)
                # That a run returned to this step was said after it had been saved.
                if record["step"] < step + (record.get("event") != "rolled back"):
                    kept.append(line + "\n")
            except (ValueError, KeyError, TypeError):
                continue  # half a line, from a kill in the middle of a write
        temporary = self.path / f".metrics.{os.getpid()}.tmp"
        temporary.write_text("".join(kept), encoding="utf-8")
        temporary.replace(self.metrics)


def remove_if_empty(folder: RunFolder) -> None:
    """A run that never began leaves no folder, nor one for all runs that has none."""
    with suppress(OSError):
        folder.path.rmdir()
        if folder.path.parent == DEFAULT_FOLDER:
            DEFAULT_FOLDER.rmdir()
