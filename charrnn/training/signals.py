"""Stopping a training: the first signal finishes the step and saves, the second one quits."""

import os
import signal
from collections.abc import Callable
from threading import current_thread, main_thread
from types import FrameType
from typing import Self

__all__ = ["StopOnSignal"]


class StopOnSignal:
    """While entered, SIGINT, SIGTERM and SIGHUP ask the training to stop.

    Outside the main thread, where signals cannot be caught, it does nothing.

    Args:
        tell: called with a line on what will happen, when the first signal comes.
    """

    def __init__(self, tell: Callable[[str], object] = lambda line: None) -> None:
        self._tell = tell
        self.received: int | None = None
        self._previous: dict[int, Callable[[int, FrameType | None], object] | int | None] = {}

    def __enter__(self) -> Self:
        if current_thread() is not main_thread():
            return self
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            # A signal that the caller chose to ignore (nohup) stays ignored.
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

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
