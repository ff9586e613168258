"""Errors inside a cell that a user wrote, and where in their file they are."""

import functools
import inspect
import linecache
import os
import re
import traceback
from collections.abc import Callable, Mapping
from dataclasses import FrozenInstanceError
from pathlib import Path
from types import FrameType, FunctionType
from typing import Any

import numpy as np

from charrnn.errors import InputError

__all__ = ["CellError", "place", "raised_at", "report_errors", "shown"]


class CellError(InputError):
    """Your own cell cannot be loaded, or fails, or returns something that does not fit.

    Its message says which file, which line, and what is wrong.
    """


def place(function: Callable[..., Any]) -> str:
    """Where a function is defined: ``my_cell.py:14``."""
    code = inspect.unwrap(function).__code__
    return f"{shown(code.co_filename)}:{code.co_firstlineno}"


def raised_at(error: BaseException, namespace: Mapping[str, Any], otherwise: str) -> CellError:
    """A CellError that names the deepest line of ``error`` within a module.

    Args:
        error: the error that was caught.
        namespace: the module's globals (not its file, since a notebook has many files).
        otherwise: what to name if no line is in the module.
    """
    if isinstance(error, SyntaxError) and error.filename:
        line = (error.text or "").strip()
        return CellError(f"{shown(error.filename)}:{error.lineno}: {line}: {_told(error)}")
    found = [
        (frame, number)
        for frame, number in traceback.walk_tb(error.__traceback__)
        if frame.f_globals is namespace
        and number is not None
        # Code that a dataclass generates has no lines of its own.
        and frame.f_code.co_filename != "<string>"
    ]
    if not found:
        return CellError(f"{otherwise}: {_told(error)}")
    frame, number = found[-1]
    filename = frame.f_code.co_filename
    linecache.checkcache(filename)
    line = linecache.getline(filename, number, frame.f_globals).strip()
    shapes = _shapes(frame, line)
    hint = f"the shapes there: {shapes}" if shapes else ""
    if isinstance(error, FrozenInstanceError):
        hint = "a cell keeps nothing: return from step what step_back will need"
    return CellError(f"{shown(filename)}:{number}: {line}: {_told(error)}", hint)


def report_errors(cls: type) -> None:
    """Let all methods of ``cls`` that override a method raise only :class:`CellError`.

    (And MemoryError, which is not a mistake in the cell.)
    """
    for name, method in list(vars(cls).items()):
        if (
            isinstance(method, FunctionType)
            and (name in ("__init__", "__post_init__") or not name.startswith("_"))
            and any(name in vars(base) for base in cls.__mro__[1:])
        ):
            setattr(cls, name, _reporting(method))


def _reporting(method: FunctionType) -> Callable[..., Any]:
    @functools.wraps(method)
    def reporting(*args: Any, **kwargs: Any) -> Any:
        try:
            return method(*args, **kwargs)
        except (CellError, MemoryError):
            raise
        except (Exception, SystemExit) as error:
            raise raised_at(error, method.__globals__, place(method)) from error

    return reporting


def _told(error: BaseException) -> str:
    """The type and message of an error, on one line."""
    message = error.msg if isinstance(error, SyntaxError) else str(error)
    return " ".join(f"{type(error).__name__}: {message}".split())


def shown(filename: str) -> str:
    """A file's path relative to the working directory, if it is below that."""
    relative = os.path.relpath(filename) if Path(filename).is_absolute() else filename
    return filename if relative.startswith(os.pardir) else relative


def _shapes(frame: FrameType, line: str) -> str:
    """The shapes of the arrays that a line names, including those in a dictionary."""
    words, shapes = set(re.findall(r"\w+", line)), []
    for name, value in frame.f_locals.items():
        if name not in words:
            continue
        if isinstance(value, np.ndarray):
            shapes.append(f"{name} {value.shape}")
        elif isinstance(value, Mapping):
            shapes += [
                f"{name}[{key!r}] {array.shape}"
                for key, array in value.items()
                if key in words and isinstance(array, np.ndarray)
            ]
    return ", ".join(shapes)
