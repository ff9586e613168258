"""Errors on one line, exit codes, and messages that are kept apart from the data."""

import errno
import functools
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn, ParamSpec

import typer

from charrnn import __version__
from charrnn.errors import CharrnnError

__all__ = [
    "drop_output",
    "escaped",
    "fail",
    "fold",
    "open_streams",
    "output_errors",
    "printable",
    "reported",
    "say",
]

P = ParamSpec("P")
CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u2028-\u202e\u2066-\u2069\ufeff\U000e0001-\U000e007f]"
)
"""Characters that a terminal would act on: controls, except tab and line feed; those that reverse
the order of characters ("Trojan Source", Boucher and Anderson, 2021); and those that end a line
or are invisible (no width, byte order marks, tags)."""
MIN_WIDTH = 40
CLOSED = "standard output is closed"
BROKEN_PIPE = 141  # 128 + SIGPIPE, as for a program that the signal ends


def printable(text: str) -> str:
    """Replace characters that a terminal would act on: ``\\x1b``, ``\\u202e``, ``\\U000e0041``.

    A text, a label or a file's name must not control a terminal.
    """
    return CONTROL.sub(lambda match: escaped(match[0]), text)


def escaped(character: str) -> str:
    """A character as Python writes it in a string."""
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def say(message: str) -> None:
    """Print a line for the user on standard error. A closed terminal is not an error."""
    message = printable(message)
    try:
        print(message, file=sys.stderr, flush=True)  # noqa: T201 - this is the place that prints
    except (OSError, ValueError):
        return


JOINED = r"(?<=[a-z]) (?=[0-9.-])|(?<=[0-9]) (?=½|\S*/\S)|(?<=½) "
"""Spaces at which no line is broken: before a name's figure, and before a figure's unit."""


def fold(message: str) -> str:
    """Break a long line between words if the terminal, or ``COLUMNS``, is narrower.

    No figure is then cut in two at the edge, or separated from its name. This is for reports; lines
    that are to be pasted stay whole.
    """
    if not (os.environ.get("COLUMNS") or (sys.stderr is not None and sys.stderr.isatty())):
        return message
    indent = " " * (len(message) - len(message.lstrip()) + 2)
    folded = textwrap.fill(
        re.sub(JOINED, "\0", message),
        max(MIN_WIDTH, shutil.get_terminal_size().columns - 1),
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return folded.replace("\0", " ")


def open_streams() -> None:
    """Replace standard streams that were closed before the start, and set up standard output.

    The lowest is replaced first: otherwise the next file to be opened would take its number, and be
    written to. Writing results to a closed standard output is an error, as in other programs: its
    replacement is read-only. A file or a pipe gets UTF-8, whatever the locale's encoding is; a
    terminal gets what it can show, and escapes for the rest.
    """
    if sys.stdin is None:
        sys.stdin = Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115 - for good
    if sys.stdout is None:
        read_only = os.open(os.devnull, os.O_RDONLY)
        sys.stdout = open(read_only, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - of a descriptor
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - for good
    if hasattr(sys.stdout, "reconfigure"):
        encoding = None if sys.stdout.isatty() else "utf-8"
        sys.stdout.reconfigure(encoding=encoding, errors="backslashreplace")


@contextmanager
def output_errors() -> Iterator[None]:
    """Handle errors of what is printed outside a command (``--help``): no traceback either."""
    try:
        yield
        sys.stdout.flush()
    except OSError as error:
        if error.errno != errno.EPIPE:
            say(f"error: {_what_failed(error)}")
        drop_output()
        sys.exit(BROKEN_PIPE if error.errno == errno.EPIPE else 1)
    except KeyboardInterrupt:
        sys.exit(130)


def reported(command: Callable[P, None]) -> Callable[P, None]:
    """Turn an error of a command into one line, a hint and an exit code; never a traceback.

    With ``CHARRNN_DEBUG`` set, the traceback is printed as well.
    """

    @functools.wraps(command)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
            sys.stdout.flush()
        except CharrnnError as error:
            fail(error, str(error), error.hint, error.exit_code)
        except BrokenPipeError:
            _leave_quietly()
        except OSError as error:
            if error.errno == errno.EPIPE:
                _leave_quietly()
            fail(error, _what_failed(error), "", 1)
        except MemoryError as error:
            fail(
                error,
                "out of memory",
                "use a smaller --batch-size, --seq-len, --hidden or --number",
                1,
            )
        except (typer.Exit, typer.Abort, KeyboardInterrupt, SystemExit):
            raise
        except Exception as error:
            if type(error).__module__.startswith("typer"):
                raise
            import numpy as np

            versions = (
                f"charrnn {__version__}, numpy {np.__version__}, Python {sys.version.split()[0]}"
            )
            fail(
                error,
                f"this is a bug in charrnn: {type(error).__name__}: {error} ({versions})",
                "please report it with what CHARRNN_DEBUG=1 prints",
                1,
            )

    return wrapper


def _what_failed(error: OSError) -> str:
    """What an OSError means, in words."""
    return CLOSED if error.errno == errno.EBADF else error.strerror or str(error)


def fail(error: BaseException, message: str, hint: str, code: int) -> NoReturn:
    """Print an error, and end the command with an exit code."""
    if os.environ.get("CHARRNN_DEBUG"):
        import traceback

        traceback.print_exception(error)
    say(f"error: {message}" + (f"\nhint: {hint}" if hint else ""))
    drop_output()
    raise typer.Exit(code)


def _leave_quietly() -> NoReturn:
    """The reader has gone (``| head``): exit silently, as the standard tools do."""
    drop_output()
    raise typer.Exit(BROKEN_PIPE)


def drop_output() -> None:
    """Discard the interpreter's last output if standard output cannot take it."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
