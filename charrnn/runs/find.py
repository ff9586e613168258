"""Which checkpoint a user means."""

import os
from contextlib import suppress
from pathlib import Path

from charrnn.errors import InputError

__all__ = [
    "DEFAULT_FOLDER",
    "LATEST",
    "find_checkpoint",
    "find_run",
    "found_again",
    "run_names",
    "shipped_model",
]

DEFAULT_FOLDER = Path("checkpoints")
LATEST = "latest"
FILES = ("best.npz", "last.npz", "previous.npz")

SHIPPED = (
    Path(__file__).parent.parent / "shipped.npz",  # in an installed package
    Path(__file__).parent.parent.parent / "checkpoints" / "pydoc.npz",  # in a clone
)


def find_checkpoint(argument: str | None) -> tuple[Path, str]:
    """The file that a user means, and how it was found, in words.

    Args:
        argument: a file, a run's folder (its best model, else its last) or a run's name; nothing
            means the run saved last from this folder, else the model that comes with charrnn.

    Raises:
        InputError: there is none.
    """
    if argument is not None:
        path = find_run(argument)
        if path.is_dir():
            for name in FILES:
                if (path / name).is_file():
                    return path / name, "as given"
            raise InputError(
                f"{argument!r} holds no checkpoint", "name a run's folder or an .npz file"
            )
        if not path.exists():
            raise InputError(f"checkpoint {argument!r} does not exist", _there_are())
        return path, "as given"
    with suppress(OSError, ValueError):  # no note, or one that is damaged
        noted = os.fsdecode((DEFAULT_FOLDER / LATEST).read_bytes()).strip()
        for name in FILES[:2]:
            if noted and (DEFAULT_FOLDER / noted / name).is_file():
                return Path(os.path.normpath(DEFAULT_FOLDER / noted / name)), "the run saved last"
    return shipped_model(), "the model that comes with charrnn"


def find_run(argument: str) -> Path:
    """A path as given; or, if nothing is there, the run of that name."""
    path = Path(argument)
    with suppress(OSError, ValueError):
        named = DEFAULT_FOLDER / argument
        if argument and not path.exists() and path.name == argument and named.is_dir():
            return named
    return path


def found_again(path: str, folder: Path) -> str:
    """A file that a run noted, as its path is from here.

    It was noted as it was named when the run began; what was named from a folder that the run's is
    in is found there. (Whoever reads it compares its hash.)
    """
    with suppress(OSError, ValueError):
        if path in ("", "-") or Path(path).exists():
            return path
        for parent in folder.absolute().parents:
            if (parent / path).is_file():
                return os.path.relpath(parent / path)
    return path


def run_names() -> list[str]:
    """The runs in the default folder, the latest first."""
    with suppress(OSError):
        runs = [path for path in DEFAULT_FOLDER.iterdir() if (path / FILES[1]).is_file()]
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
    raise InputError("there is no model yet", "train one: charrnn train CORPUS")


def _there_are() -> str:
    names = run_names()
    shown = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
    return f"there are the runs {shown}" if names else ""
