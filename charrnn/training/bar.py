"""A progress bar of a training: at a terminal, in a notebook, in a script that asks for one."""

import shutil
import sys
import warnings
from typing import Any

from charrnn.training.events import Averaged, Event, Repaced, RolledBack, Settled, Validated
from charrnn.training.loop import Step

__all__ = ["Bar", "in_notebook"]

FORM = "{desc}{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}{postfix}]"


def in_notebook() -> bool:
    """Whether this is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return type(shell).__name__ == "ZMQInteractiveShell"


class Bar:
    """A progress bar that counts updates.

    Args:
        done: updates made already.
        total: updates in all.
        unit: the unit of the loss.
        member: which network of an average is being trained, in words.
    """

    def __init__(self, done: int, total: int, unit: str, member: str = "") -> None:
        self.unit = unit
        self._losses = {"loss": "", "validation": ""}
        self.bar: Any
        if in_notebook():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # without widgets, the bar is made of characters
                from tqdm.auto import tqdm as notebook_tqdm
            self.bar = notebook_tqdm(total=total, initial=done, unit="step", desc=member or None)
            return
        from tqdm import tqdm

        # Some pseudo-terminals report a width of 0, which tqdm would believe.
        known = shutil.get_terminal_size((0, 0)).columns
        width: dict[str, Any] = {"dynamic_ncols": True} if known else {"ncols": 80}
        self.bar = tqdm(
            total=total, initial=done, unit="step", bar_format=FORM, desc=member or None, **width
        )

    def show(self, event: Event) -> None:
        """Show one event of a run."""
        if isinstance(event, Step):
            self._losses["loss"] = f"loss {event.nats:.3f}"
            self.advance(", ".join(filter(None, self._losses.values())))
        elif isinstance(event, Validated) and event.score is not None:
            self._losses["validation"] = f"validation {event.score.text}"
        else:
            self.follow(event)

    def follow(self, event: Event) -> None:
        """Move the bar to where a run has returned, or to its new end."""
        if isinstance(event, Repaced):
            self.bar.total = event.total
        elif isinstance(event, Settled):
            self.bar.total = event.in_all
        elif isinstance(event, Averaged):
            self.bar.total = event.total
            if event.next:
                self.bar.set_description(event.next, refresh=False)
        elif isinstance(event, RolledBack):
            self.bar.reset()
            self.bar.update(event.to)

    def advance(self, text: str) -> None:
        """Count one update, and show ``text`` behind the bar."""
        self.bar.set_postfix_str(text, refresh=False)
        self.bar.update()

    def clear(self) -> None:
        """Remove the bar to make room for a line; the next update shows it again."""
        self.bar.clear()

    def close(self) -> None:
        """Close the bar and leave the terminal in order."""
        self.bar.close()
