"""Errors on one line, exit codes, and messages that stay out of the data."""

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
"""What a terminal would obey: controls, but for tab and line feed; what turns the order of a line's
characters round ("Trojan Source", Boucher and Anderson, 2021); and what ends a line or says
something that nobody sees (no width, byte order marks, tags)."""
MIN_WIDTH = 40
CLOSED = "standard output is closed"
BROKEN_PIPE = 141  # 128 + SIGPIPE, as of a program that the signal ends


def printable(text: str) -> str:
    """What is obeyed and not seen, shown as symbols: ``\\x1b``, ``\\u202e``, ``\\U000e0041``.

    A text, a label or a file's name must not rule a terminal.
    """
    return CONTROL.sub(lambda match: escaped(match[0]), text)


def escaped(character: str) -> str:
    """As Python writes it in a string."""
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def say(message: str) -> None:
    """A line for people, on standard error. A closed terminal is no reason to stop."""
    message = printable(message)
    try:
        print(message, file=sys.stderr, flush=True)  # noqa: T201 - this is the place that prints
    except (OSError, ValueError):
        return


JOINED = r"(?<=[a-z]) (?=[0-9.-])|(?<=[0-9]) (?=½|\S*/\S)|(?<=½) "
"""Spaces at which no line ends: of a name and its figure, of a figure and its unit."""


def fold(message: str) -> str:
    """A long line broken between words where the terminal, or ``COLUMNS``, is narrower than it.

    No figure is then cut in two at the edge, or parted from its name. For reports; what is to be
    pasted stays one line.
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
    """Stand in for standard streams that were closed before we began, and set up standard output.

    The lowest first: otherwise the next file that is opened would take the place of one, and be
    written to. Results for a closed standard output are an error once they are written, as they are
    to other programs: what stands in for it takes none. A file or a pipe gets UTF-8, whatever the
    locale's encoding; a terminal gets what it can show, all else as escapes.
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
    """For what is printed outside a command (``--help``, ``--version``): no traceback either."""
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
    """Turn what a command raises into one line, a hint and an exit code; never a traceback.

    With ``CHARRNN_DEBUG`` set, the traceback comes as well.
    """

    @functools.wraps(command)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
            sys.stdout.flush()
        except CharrnnError as error:
            _fail(error, str(error), error.hint, error.exit_code)
        except BrokenPipeError:
            _leave_quietly()
        except OSError as error:
            if error.errno == errno.EPIPE:
                _leave_quietly()
            _fail(error, _what_failed(error), "", 1)
        except MemoryError as error:
            _fail(
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
            _fail(
                error,
                f"this is a bug in charrnn: {type(error).__name__}: {error} ({versions})",
                "please report it with what CHARRNN_DEBUG=1 prints",
                1,
            )

    return wrapper


def _what_failed(error: OSError) -> str:
    """In words."""
    return CLOSED if error.errno == errno.EBADF else error.strerror or str(error)


def _fail(error: BaseException, message: str, hint: str, code: int) -> NoReturn:
    if os.environ.get("CHARRNN_DEBUG"):
        import traceback

        traceback.print_exception(error)
    say(f"error: {message}" + (f"\nhint: {hint}" if hint else ""))
    drop_output()
    raise typer.Exit(code)


def _leave_quietly() -> NoReturn:
    """The reader went away (``| head``): say nothing, as the standard tools do."""
    drop_output()
    raise typer.Exit(BROKEN_PIPE)


def drop_output() -> None:
    """Let the interpreter's last flush go nowhere where standard output cannot take it."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
