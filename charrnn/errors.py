"""Errors that are the user's to know about: one line what, one line what to do, an exit code."""

__all__ = [
    "CharrnnError",
    "CheckpointError",
    "DivergedError",
    "InputError",
    "RunError",
]


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
