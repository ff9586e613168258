"""Stopping a training: the first signal finishes the step and saves, the second one quits."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread
from types import FrameType
from typing import NoReturn, Self

__all__ = ["StopOnSignal", "quit_on_signal"]

Handler = Callable[[int, FrameType | None], object]


def _handle_by(handler: Handler, *names: str) -> dict[int, Handler | int | None]:
    """Give these signals a handler, and return the ones they had.

    A signal that the caller chose to ignore (nohup) stays ignored. Outside of the main thread,
    where signals cannot be caught, nothing happens.
    """
    if current_thread() is not main_thread():
        return {}
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    caught = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    return {number: signal.signal(number, handler) for number in caught}


def _give_back(previous: dict[int, Handler | int | None]) -> None:
    for number, handler in previous.items():
        signal.signal(number, handler)


@contextmanager
def quit_on_signal(tell: Callable[[], object]) -> Iterator[None]:
    """Before there is anything to save: leave by an exception, so that nothing is left behind.

    SIGTERM and SIGHUP raise SystemExit with 128 + the signal, as SIGINT raises KeyboardInterrupt.

    Args:
        tell: called when one of the three has come.
    """

    def leave(number: int, frame: FrameType | None) -> NoReturn:
        raise SystemExit(128 + number)

    previous = _handle_by(leave, "SIGTERM", "SIGHUP")
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        tell()
        raise
    finally:
        _give_back(previous)


class StopOnSignal:
    """While entered, SIGINT, SIGTERM and SIGHUP ask the training to stop.

    Args:
        tell: called with a line on what will happen, when the first signal comes.
    """

    def __init__(self, tell: Callable[[str], object] = lambda line: None) -> None:
        self._tell = tell
        self.received: int | None = None
        self._previous: dict[int, Handler | int | None] = {}

    def __enter__(self) -> Self:
        self._previous = _handle_by(self._handle, "SIGINT", "SIGTERM", "SIGHUP")
        return self

    def __exit__(self, *exception: object) -> None:
        _give_back(self._previous)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None:
            os._exit(128 + number)
        self.received = number
        self._tell(
            "\nstopping after this step (and its validation); press Ctrl-C again to quit at "
            "once without saving"
        )

    @property
    def exit_code(self) -> int:
        """128 plus the number of the signal: 130 for Ctrl-C."""
        return 128 + (self.received or 0)
