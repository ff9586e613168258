"""A run is a folder: ``best.npz``, ``last.npz``, ``previous.npz``, ``metrics.jsonl``."""

import json
import os
import shlex
import shutil
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from charrnn.checkpoint import LEFTOVER, remove_leftovers, write_checkpoint
from charrnn.errors import CheckpointError, InputError, RunError
from charrnn.nn.types import Array
from charrnn.runs.find import DEFAULT_FOLDER, LATEST
from charrnn.runs.model import Model, load_model

try:
    import fcntl
except ImportError:  # Windows, where two processes in one folder go unnoticed
    fcntl = None  # type: ignore[assignment]

__all__ = ["RunFolder", "new_folder", "remove_if_empty"]


LOCK = "run.lock"
METRICS = "metrics.jsonl"
LONGEST_NOTE = 1 << 16
MOST_THREADS = 1 << 10
"""The most processes that a log is believed to name."""


def new_folder(name: str) -> Path:
    """``checkpoints/NAME-K`` with the first free K; a folder without a save counts as free."""
    safe = "".join(c if c.isalnum() or c in "-_" else "-" for c in name).lstrip("-")[:60] or "run"
    number = 1
    while not _is_free(DEFAULT_FOLDER / f"{safe}-{number}"):
        number += 1
    return DEFAULT_FOLDER / f"{safe}-{number}"


def _is_free(path: Path) -> bool:
    """Whether nothing is there, or only what a run leaves that was killed before its first save."""
    if not path.exists():
        return True
    try:
        names = {file.name for file in path.iterdir() if not LEFTOVER.fullmatch(file.name)}
        if fcntl is None or LOCK not in names or names - {LOCK, METRICS}:
            return False
        with (path / LOCK).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # not a folder, or another process is about to save
        return False
    return True


class RunFolder:
    """The files of one run, locked against other processes until closed.

    Args:
        path: the folder, which is made if it is missing.
        resume: whether a run must already be there, or must not.
        command: the command that begins the run again, noted in case it is killed before a save.

    Raises:
        InputError: a run is there and must not be, or the reverse.
        RunError: the folder cannot be written, or another process is training in it.
    """

    def __init__(self, path: Path, *, resume: bool, command: str = "") -> None:
        self.path = path
        self.best = path / "best.npz"
        self.last = path / "last.npz"
        self.previous = path / "previous.npz"
        self.metrics = path / METRICS
        self._command = command
        self._last_is_whole = True
        self._note_stays = False  # keeps the note of a killed start for the next attempt
        if resume and not path.is_dir():
            raise InputError(f"{str(path)!r} holds no run to resume", "name a run's folder")
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._lock = self._take_lock()
        except OSError as error:
            raise RunError(f"cannot write to {path}: {error.strerror or error}") from error
        try:
            # Only the process that holds the lock knows what is there.
            self._check_presence(resume)
            remove_leftovers(path)
            remove_leftovers(DEFAULT_FOLDER)  # left by a process that was marking the latest run
            self._sign(command)
        except OSError as error:
            self.close()
            with suppress(OSError):  # leave no folder that was not there
                path.rmdir()
            raise RunError(f"cannot write to {path}: {error.strerror or error}") from error
        except InputError:
            self.close()
            raise

    def _check_presence(self, resume: bool) -> None:
        """Raise InputError if a run is there and must not be, or the reverse."""
        present = self.last.exists() or self.previous.exists()
        if resume and not present:
            message = f"{str(self.path)!r} holds no run to resume"
            begun = self._noted_command()
            self._note_stays = begun is not None
            if begun is None:
                raise InputError(message, "name a run's folder")
            where = "start it again"
            if self.best.exists():
                where += " with another --out"
            raise InputError(f"{message}: it stopped before its first save", f"{where}: {begun}")
        if not resume and (present or self.best.exists()):
            again = f"continue it (charrnn train --resume {shlex.quote(str(self.path))}), or "
            raise InputError(
                f"{str(self.path)!r} already holds a run",
                f"{again if present else ''}choose another --out",
            )

    def _noted_command(self) -> str | None:
        """The command of a start that was killed, from its lock file, which is not trusted.

        None, if the file does not have it. Whatever it contains is quoted as arguments of
        ``charrnn``.
        """
        self._lock.seek(0)
        _, _, line = self._lock.read(LONGEST_NOTE).partition("\n")
        try:
            words = shlex.split(line.partition("\n")[0])
        except ValueError:
            return None
        return shlex.join(words) if words[:2] == ["charrnn", "train"] else None

    def _take_lock(self) -> IO[str]:
        """Take a lock of the kernel's, which ends with the process, however that ends."""
        path = self.path / LOCK
        while True:
            lock = path.open("a+", encoding="utf-8", errors="surrogateescape")
            try:
                if fcntl is not None:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                holder = lock.readline(LONGEST_NOTE).strip() or "another process"
                lock.close()
                raise RunError(
                    f"{self.path} is in use by {holder}", "wait for it, or stop it"
                ) from None
            if path.exists() and os.path.samestat(os.fstat(lock.fileno()), path.stat()):
                break
            lock.close()  # the holder removed the file meanwhile: this lock guards nothing
        return lock

    def _sign(self, command: str) -> None:
        """Note in the lock file who holds it, and the command that begins the run again."""
        self._lock.truncate(0)
        self._lock.write(f"process {os.getpid()} on {socket.gethostname()}\n{command}\n")
        self._lock.flush()

    def close(self) -> None:
        """Release the folder to other processes."""
        if not (self._note_stays or self._nothing_saved()):
            with suppress(OSError):  # Windows does not remove open files
                (self.path / LOCK).unlink()
        with suppress(OSError):  # a full disk, where the signature is still buffered
            self._lock.close()

    def _nothing_saved(self) -> bool:
        """Whether a training ended without a save: the note then says how to begin it again."""
        saved = self.last.exists() or self.previous.exists()
        return bool(self._command) and not saved and (self.metrics.exists() or self.best.exists())

    def __del__(self) -> None:
        # __init__ may have failed, and imported names may be gone when Python ends.
        lock = getattr(self, "_lock", None)
        if lock is not None:
            lock.close()

    def save_last(self, header: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        """Write ``last.npz``; the earlier one becomes ``previous.npz``.

        Raises:
            CheckpointError: the file cannot be written; ``last.npz`` is unchanged.
        """
        if self.last.exists() and self._last_is_whole:
            spare = self.path / f".previous.{os.getpid()}.tmp"
            try:
                with _removed_on_failure(spare):
                    spare.unlink(missing_ok=True)
                    try:
                        spare.hardlink_to(self.last)
                    except OSError:  # the file system has no links
                        shutil.copyfile(self.last, spare)
                    spare.replace(self.previous)
            except OSError as error:
                raise CheckpointError(
                    f"could not write {self.previous}: {error.strerror}"
                ) from error
        write_checkpoint(self.last, header, arrays)
        self._last_is_whole = True
        self._mark_latest()

    def best_of(self, member: int) -> Path:
        """The file of a member's best weights while it trains; the first has ``best.npz``."""
        return self.best if member == 1 else self.path / f"member-{member}.npz"

    def save_best(
        self, header: Mapping[str, Any], arrays: Mapping[str, Array], member: int = 1
    ) -> None:
        """Write ``best.npz``, or the best weights of a later member.

        Raises:
            CheckpointError: the file cannot be written; an earlier one is unchanged.
        """
        write_checkpoint(self.best_of(member), header, arrays)

    def drop_best(self, member: int) -> None:
        """Remove the file of a member that is now part of the model."""
        if member > 1:
            with suppress(OSError):
                self.best_of(member).unlink()

    def _mark_latest(self) -> None:
        """Let ``checkpoints/latest`` name this run; a failure is ignored."""
        try:
            DEFAULT_FOLDER.mkdir(exist_ok=True)
            temporary = DEFAULT_FOLDER / f".{LATEST}.{os.getpid()}.tmp"
            note = os.fsencode(os.path.relpath(self.path, DEFAULT_FOLDER)) + b"\n"
            with _removed_on_failure(temporary):
                temporary.write_bytes(note)
                temporary.replace(DEFAULT_FOLDER / LATEST)
        except OSError:
            return

    def load_last(self, cell: str | None = None) -> tuple[Model, str | None]:
        """Load the state to continue from: ``last.npz``, or ``previous.npz`` and the reason.

        Args:
            cell: ``FILE.py:CLASS``, for a run that uses your own cell.

        Raises:
            CheckpointError: neither file can be read.
            InputError: the cell must be named, or its source has changed.
        """
        try:
            return load_model(self.last, cell, exactly=True), None
        except CheckpointError as error:
            if not self.previous.exists():
                raise
            self._last_is_whole = False  # it must not replace previous.npz
            again = load_model(self.previous, cell, exactly=True)
            return again, f"{error}; continuing from {self.previous}"

    def log(self, record: Mapping[str, Any]) -> None:
        """Append one line to ``metrics.jsonl``. A full disk does not stop a training."""
        try:
            with self.metrics.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")
        except OSError:
            return

    def cut_log(self, step: int) -> None:
        """Drop lines later than the save at ``step``; they will be written again."""
        if not self.metrics.exists():
            return
        # The line on a run's return to this step was logged after the step had been saved.
        kept = [
            line + "\n"
            for line, at, record in self._logged()
            if at < step + (record.get("event") != "rolled back")
        ]
        temporary = self.path / f".metrics.{os.getpid()}.tmp"
        with _removed_on_failure(temporary):
            temporary.write_text("".join(kept), encoding="utf-8")
            temporary.replace(self.metrics)

    def has_logged(self, event: str, step: int) -> bool:
        """Whether ``metrics.jsonl`` has a line of this event and step."""
        return any((at, one.get("event")) == (step, event) for _, at, one in self._logged())

    def noted_threads(self) -> int:
        """The number of processes in the last training, by ``metrics.jsonl``; 0 if it says none."""
        noted = [
            one.get("threads") for _, _, one in self._logged() if one.get("event") == "threads"
        ]
        return next((n for n in noted[-1:] if type(n) is int and 0 < n <= MOST_THREADS), 0)

    def _logged(self) -> Iterator[tuple[str, float, dict[str, Any]]]:
        """The lines of ``metrics.jsonl``: the event, the step and all that each contains."""
        if not self.metrics.exists():
            return
        for line in self.metrics.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                record = json.loads(line)
                step = float(record["step"])
            except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
                continue  # half a line, from a kill in the middle of a write
            yield line, step, record


@contextmanager
def _removed_on_failure(temporary: Path) -> Iterator[None]:
    """Remove a temporary file if it cannot be put in its place."""
    try:
        yield
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def remove_if_empty(folder: RunFolder) -> None:
    """Remove the folder of a run that never began, and the folder of all runs if it is empty."""
    with suppress(OSError):
        folder.path.rmdir()
        if folder.path.parent == DEFAULT_FOLDER:
            DEFAULT_FOLDER.rmdir()
