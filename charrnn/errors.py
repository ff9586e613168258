"""Errors for the user: one line on what is wrong, one on what to do, and an exit code.

Exit code 2: the command line or the input must change. 1: something could not be done. A command
stopped by a signal ends with 128 and the signal's number.
"""

__all__ = [
    "CharrnnError",
    "CheckpointError",
    "DivergedError",
    "InputError",
    "RunError",
    "StuckError",
    "as_type",
]

from typing import Any, TypeVar


class CharrnnError(Exception):
    """Base of all errors that a command reports in one line.

    Args:
        message: what was given and what is wrong with it.
        hint: one thing to do about it.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class InputError(CharrnnError):
    """The command line or the input must change."""

    exit_code = 2


class CheckpointError(CharrnnError):
    """A checkpoint cannot be read or written."""


class DivergedError(CharrnnError):
    """The loss or the gradient is no longer a number."""


class RunError(CharrnnError):
    """A run's folder cannot be used."""


class StuckError(CharrnnError):
    """There is no text of the kind that was asked for, or none was found."""


NOUNS: dict[type, str] = {bool: "True or False", int: "a whole number", float: "a number"}

V = TypeVar("V")


def as_type(name: str, value: Any, kind: type[V], least: float | None = None) -> V:
    """``value``, if it is of the type that ``name`` takes; an int may stand for a float.

    Raises:
        InputError: it is of another type, or less than ``least``.
    """
    number = kind is float and isinstance(value, int) and not isinstance(value, bool)
    if not number and (not isinstance(value, kind) or isinstance(value, bool) > (kind is bool)):
        raise InputError(f"{name} must be {NOUNS.get(kind, 'a str')}, got {value!r}")
    if least is not None and not value >= least:
        raise InputError(f"{name} must be {least:g} or more, got {value!r}")
    found: V = value
    return found
