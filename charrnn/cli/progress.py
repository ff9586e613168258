"""What a training shows as it runs: a bar at a terminal, plain lines elsewhere."""

import sys
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Any

from charrnn.cli.announce import on_ranks
from charrnn.cli.errors import drop_output, fold, say
from charrnn.cli.look import progress
from charrnn.cli.output import TextWriter
from charrnn.tasks.figures import figure
from charrnn.training.bar import Bar
from charrnn.training.events import (
    Alone,
    Averaged,
    Compared,
    Event,
    Inherited,
    Measured,
    Preview,
    Repaced,
    RolledBack,
    SaveFailed,
    Settled,
    Validated,
)
from charrnn.training.loop import Step

__all__ = ["Progress", "reading"]

SECONDS_BETWEEN_LINES = 10.0
SMOOTH_OVER = 50


def reading() -> Callable[[int, int], None]:
    """Shows how much of a large text has been read: with a bar at a terminal, else with a line."""
    bar: Any = None

    def advance(done: int, total: int) -> None:
        nonlocal bar
        if bar is None:
            say(f"reading {total / 1e6:,.0f} MB of text")
            bar = progress(total, "B")
        bar.update(done - bar.n)
        if done >= total:
            bar.close()

    return advance


class Progress:
    """Shows the events of a run; progress on standard error, samples on standard output.

    Args:
        done: updates made already.
        total: updates in all.
        quiet: whether to show validations only.
        unit: the unit of the loss.
        member: which network of an average is being trained, in words.
    """

    def __init__(
        self,
        done: int,
        total: int,
        *,
        quiet: bool,
        unit: str = "nats/char",
        member: str = "",
    ) -> None:
        self.total = total
        self.quiet = quiet
        self.unit, self.member = unit, member
        self._recent: deque[tuple[float, int, float]] = deque(maxlen=SMOOTH_OVER)
        self._last_line = monotonic()
        shown = sys.stderr.isatty() and not quiet
        self._bar = Bar(done, total, unit, member) if shown else None

    def show(self, event: Event) -> None:
        """Show one event."""
        if isinstance(event, Repaced | Averaged):
            self.total = event.total
        elif isinstance(event, Settled):
            self.total = event.in_all
        if self._bar is not None:
            self._bar.follow(event)
        if isinstance(event, Step):
            self._step(event)
        elif isinstance(event, Compared):
            self._line(self._describe_compared(event))
        elif isinstance(event, Validated):
            self._line(self._describe(event))
        elif isinstance(event, Averaged):
            self._line(self._describe_average(event))
            self.member = event.next
        elif isinstance(event, Inherited):
            self._line(self._describe_inherited(event))
        elif isinstance(event, Measured):
            self._line(self._describe_threads(event))
        elif isinstance(event, Alone):
            self._line("warning: the other processes have ended; training continues in one")
        elif isinstance(event, Settled):
            self._line(
                f"no better since step {event.best}: returning to its weights; the learning "
                f"rate falls until step {event.total}"
            )
        elif isinstance(event, RolledBack):
            self._line(f"{event.why}; continuing from step {event.to} with --lr {event.lr:.2g}")
            self._recent.clear()
        elif isinstance(event, SaveFailed):
            self._line(f"warning: {event.error}; training continues")
        elif isinstance(event, Preview) and not self.quiet:
            self._preview(event)

    def close(self) -> None:
        """Remove the bar and leave the terminal in order."""
        if self._bar is not None:
            self._bar.close()

    def _step(self, step: Step) -> None:
        now = monotonic()
        self._recent.append((now, step.count, step.nats))
        if self._bar is not None:
            self._bar.advance(self._speed(step))
        elif not self.quiet and now - self._last_line >= SECONDS_BETWEEN_LINES:
            self._last_line = now
            say(f"{self._at(step.number, step.epoch)}, {self._speed(step)}")

    def _speed(self, step: Step) -> str:
        """The loss, characters a second and time left, over the last updates."""
        nats = sum(nats for _, _, nats in self._recent) / len(self._recent)
        text = f"loss {nats:.3f}"
        seconds = self._recent[-1][0] - self._recent[0][0]
        if seconds > 0:
            characters = sum(count for _, count, _ in list(self._recent)[1:])
            _, _, what = self.unit.rpartition("/")
            text += f", {characters / seconds / 1000:.1f}k {what}s/s"
            if self._bar is None:
                left = (self.total - step.number) * seconds / (len(self._recent) - 1)
                text += f", {int(left // 60)}:{int(left % 60):02d} left"
        return text

    def _describe_compared(self, event: Compared) -> str:
        shown = ", ".join(f"{name} {nats:.4f}" for name, nats in event.figures.items())
        known = f", fitted to the last {event.known:,} of the training text" if event.known else ""
        return f"baselines, in {event.unit} on the validation set{known}: {shown}"

    def _describe_inherited(self, event: Inherited) -> str:
        known = " and before that on ".join(event.known)
        text = f"step 0/{self.total}: the weights of {event.checkpoint}"
        text += f", trained on {known}" if known else "; it does not say what it was trained on"
        return text + ("" if event.score is None else f": validation {event.score.text}")

    def _describe_threads(self, event: Measured) -> str:
        times = [
            f"{1e3 * t.seconds:.3g} ms with {t.threads}{f', {t.shards} shards' * bool(t.shards)}"
            for t in event.timings
        ]
        text = f"threads: {event.threads}{on_ranks(event.ranks)}"
        if event.shards:
            text += f", each batch cut into {event.shards} shards"
        return text + (f" (measured: {', '.join(times)} a step)" if times else "")

    def _describe_average(self, event: Averaged) -> str:
        count, of = event.members, event.of
        many = str(count) if count == of else f"{count} of {of}"
        what = "member 1" if count == 1 else f"the average of {many} members"
        if of == 1:  # of an average that was planned
            what = "there is no time for an average; one network"
        score = "" if event.score is None else f": validation {event.score.text}"
        return f"step {event.step}/{self.total}: {what} is trained{score}"

    def _at(self, step: int, epoch: float) -> str:
        member = f"{self.member}, " if self.member else ""
        return f"{member}step {step}/{self.total}, epoch {epoch:.2f}"

    def _describe(self, event: Validated) -> str:
        text = f"{self._at(event.step, event.epoch)}: "
        text += f"train {figure(event.train_nats)} {self.unit}"
        if event.score is not None:
            text += f", validation {event.score.text}"
        return text + (", best so far" if event.best and event.score is not None else "")

    def _line(self, text: str) -> None:
        if self._bar is not None:
            self._bar.clear()
        say(fold(text))
        self._recent.clear()  # the time for validating does not count as training
        self._last_line = monotonic()

    def _preview(self, event: Preview) -> None:
        if self._bar is not None:
            self._bar.clear()
        try:
            writer = TextWriter()
            writer.write(f"--- step {event.step} ".ljust(72, "-").encode() + b"\n")
            writer.write(event.text)
            writer.end()
            writer.write(b"-" * 72 + b"\n")
        except (OSError, ValueError):
            self.quiet = True  # the reader has gone, but the training continues
            drop_output()
