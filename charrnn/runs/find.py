"""Find the checkpoint that a user means."""

import codecs
import os
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path
from shlex import quote

from charrnn.checkpoint import read_checkpoint
from charrnn.errors import CheckpointError, InputError

__all__ = [
    "DEFAULT_FOLDER",
    "LATEST",
    "NO_RUNS",
    "find_checkpoint",
    "find_run",
    "found_again",
    "in_words",
    "is_checkpoint",
    "run_names",
    "shipped_model",
    "there_are",
]

DEFAULT_FOLDER = Path("checkpoints")
LATEST, COMES_ALONG = "latest", "pydoc"
FILES = ("best.npz", "last.npz", "previous.npz")
NO_RUNS = "there are no runs here yet; to make one: charrnn train CORPUS"
BEGINNING = 1 << 12
"""How many bytes tell whether a file is a text."""
MOST_NAMES, LONGEST_NAME = 10, 200
"""The most file names in a message, and the most characters of one."""

SHIPPED = (
    Path(__file__).parent.parent / "shipped.npz",  # in an installed package
    Path(__file__).parent.parent.parent / "checkpoints" / "pydoc.npz",  # in a clone
)


def find_checkpoint(argument: str | None, tasks: Collection[str] | None = None) -> tuple[Path, str]:
    """The file that a user means, and how it was found, in words; empty if it was named.

    Args:
        argument: a file, a run's folder (its best model, else its last) or a run's name; None means
            the run saved last from this folder, else the model that comes with charrnn.
        tasks: with no argument, only the last run of one of these tasks; the model that comes with
            charrnn is a language model.

    Raises:
        InputError: there is no such file.
    """
    if argument is not None:
        path, is_folder, is_there = find_run(argument), False, False
        with suppress(OSError, ValueError):  # a text given by mistake may be too long for a name
            is_folder, is_there = path.is_dir(), path.exists()
        if is_folder:
            for name in FILES:
                if (path / name).is_file():
                    return path / name, ""
            hint = "name a run's folder or an .npz file"
            raise InputError(f"{argument!r} holds no checkpoint", there_are(path) or hint)
        if not is_there:
            raise InputError(f"checkpoint {argument!r} does not exist", there_are() or NO_RUNS)
        # (``predict`` has its own hint: to predict from its lines.)
        if (tasks is None or "lm" in tasks) and _is_text(path):
            scorer = next(iter(run_names()), "RUN")
            raise InputError(
                f"{argument!r} is a text, not a model",
                f"to score it: charrnn eval {quote(scorer)} {quote(argument)}; to train on it: "
                f"charrnn train {quote(argument)}",
            )
        return path, ""
    for run in filter(None, (_latest(), *(DEFAULT_FOLDER / name for name in run_names()))):
        for name in FILES[:2]:
            if (run / name).is_file() and (tasks is None or _task(run / name) in tasks):
                return run / name, "the run saved last"
    if tasks is not None and "lm" not in tasks:
        wanted = " or ".join(f"--task {task}" for task in sorted(tasks))
        raise InputError(f"there is no run of {wanted} here", there_are() or "name a checkpoint")
    return shipped_model(), "the model that comes with charrnn"


def find_run(argument: str) -> Path:
    """The path as given or, if nothing is there, the run of that name.

    ``latest`` is the last run, ``pydoc`` the model that comes with charrnn.
    """
    path = Path(argument)
    with suppress(OSError, ValueError):
        named = DEFAULT_FOLDER / argument
        if argument and not path.exists() and path.name == argument.rstrip("/" + os.sep):
            if named.is_dir():
                return named
            latest = _latest()
            if argument == LATEST and latest is not None:
                return latest
            if argument == COMES_ALONG:
                shipped, here = shipped_model(), Path.cwd()
                return shipped.relative_to(here) if shipped.is_relative_to(here) else shipped
    return path


def _is_text(path: Path) -> bool:
    """Whether a file given as a model begins as a text does."""
    if path.suffix == ".npz" or not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            begins = file.read(BEGINNING)
        text = codecs.getincrementaldecoder("utf-8")().decode(begins)
    except (OSError, UnicodeDecodeError):
        return False
    return bool(text) and "\0" not in text and not begins.startswith(b"PK")


def is_checkpoint(argument: str) -> bool:
    """Whether this names a checkpoint, a run's folder or a run."""
    path = find_run(argument)
    with suppress(OSError, ValueError):
        held = path.is_dir() and any((path / name).is_file() for name in FILES)
        return held or (path.suffix == ".npz" and path.is_file())
    return False


def _latest() -> Path | None:
    """The folder of the run saved last, as it was noted; None if no valid note is there."""
    with suppress(OSError, ValueError):
        noted = os.fsdecode((DEFAULT_FOLDER / LATEST).read_bytes()).strip()
        run = Path(os.path.normpath(DEFAULT_FOLDER / noted))
        if noted and any((run / name).is_file() for name in FILES):
            return run
    return None


def _task(path: Path) -> object:
    try:
        return read_checkpoint(path)[0]["config"]["task"]
    except (CheckpointError, KeyError, TypeError):
        return None


def found_again(path: str, folder: Path) -> str:
    """The path, from here, of a file that a run noted.

    The run noted the file as it was named when the run began. If it was named from a folder above
    the run's, it is found there. (The reader compares its hash.)
    """
    if path in ("", "-") or os.path.exists(path):  # noqa: PTH110 - there may be thousands
        return path
    for parent in folder.absolute().parents:
        there = os.path.join(parent, path)  # noqa: PTH118
        if os.path.isfile(there):  # noqa: PTH113
            return os.path.relpath(there)
    return path


def in_words(names: Sequence[str], between: str = " ") -> str:
    """File names for a message: only the first few of many, and long ones shortened."""
    shown = [n if len(n) <= LONGEST_NAME else f"{n[:LONGEST_NAME]}..." for n in names[:MOST_NAMES]]
    more = len(names) - len(shown)
    return between.join(shown) + (f" and {more:,} more" if more else "")


def run_names(folder: Path = DEFAULT_FOLDER) -> list[str]:
    """The runs in a folder, the latest first."""
    with suppress(OSError):
        runs = [path for path in folder.iterdir() if (path / FILES[1]).is_file()]
        runs.sort(key=lambda path: (path / FILES[1]).stat().st_mtime, reverse=True)
        return [path.name for path in runs]
    return []


def shipped_model() -> Path:
    """The checkpoint that comes with charrnn.

    Raises:
        InputError: it is not there.
    """
    for shipped in SHIPPED:
        if shipped.is_file():
            return shipped
    raise InputError("there is no model here yet", "train one: charrnn train CORPUS")


def there_are(folder: Path = DEFAULT_FOLDER) -> str:
    """A hint that lists the existing runs; empty without any."""
    names = run_names(folder)
    if folder != DEFAULT_FOLDER:
        names = [str(folder / name) for name in names]
    shown = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
    return f"the runs here are {shown}" if names else ""
