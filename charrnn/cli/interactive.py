"""``charrnn sample --interactive``: a text that a person and a model write in turns.

At a terminal it uses prompt_toolkit, which is optional; through a pipe it answers line by line.
"""

import asyncio
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from charrnn.cli.errors import printable, say
from charrnn.cli.output import FileWriter, TextWriter, written_to
from charrnn.errors import CharrnnError, InputError
from charrnn.runs.draft import Draft
from charrnn.text.counts import counted

if TYPE_CHECKING:
    from prompt_toolkit.application import Application
    from prompt_toolkit.formatted_text import StyleAndTextTuples

__all__ = ["Desk", "converse", "write_together"]

INSTALL = "python -m pip install prompt_toolkit"
KEYS = (
    "Tab sentence   ^N line   ^G {count} characters   ^R again   ^O alternatives   ^Z undo\n"
    "↑↓ temperature {temperature:.2f}   ^S save   ^Q leave"
)
STYLE = {"person": "bold", "model": "ansicyan", "keys": "reverse", "note": "ansiyellow"}
STEP = 0.05
OFFERED = 5


def write_together(draft: Draft, out: str | None, count: int) -> None:
    """Write at the terminal, if there is one; else answer lines. The text is then printed.

    Args:
        draft: the text so far.
        out: the file to save to; if not given, the user is asked.
        count: characters that Ctrl-G writes.

    Raises:
        InputError: there is a terminal, and prompt_toolkit is missing.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        with written_to(out) as writer:
            converse(draft, sys.stdin.buffer, writer)
        return
    try:
        import prompt_toolkit  # noqa: F401
    except ImportError as error:
        raise InputError(f"--interactive needs prompt_toolkit ({error})", INSTALL) from None
    desk = Desk(draft, out, count)
    desk.application().run()
    if draft.text:
        writer = TextWriter()
        writer.write(draft.text.encode("utf-8", "surrogateescape"))
        writer.end()


def converse(draft: Draft, lines: Any, writer: TextWriter | FileWriter) -> None:
    """Answer each line of a stream with one that continues it and all before.

    Raises:
        InputError: raised after the last line, if the model did not know some character.
    """
    odd = 0
    for number, line in enumerate(lines, 1):
        text = line.decode("utf-8", "replace").rstrip("\r\n") + "\n"
        answer = ""
        try:
            draft.type(text)
        except InputError as error:
            say(f"note: line {number}: {error}")
            odd += 1
        else:
            answer = "".join(draft.go_on("line")).strip("\n")
        writer.write(answer.encode("utf-8", "surrogateescape") + b"\n")
    if odd:
        raise InputError(f"{counted(odd, 'line', 'have')} characters that are new to the model")


class Desk:
    """The screen: the text, the choices, and the keys.

    Args:
        draft: the text.
        out: the file to save to; if not given, the user is asked.
        count: characters that Ctrl-G writes.
    """

    def __init__(self, draft: Draft, out: str | None, count: int) -> None:
        self.draft, self.out, self.count = draft, out, count
        self.offered: list[str] = []
        self.note = ""
        self.asking: str | None = None  # the name of a file that is being typed
        self._writing: asyncio.Task[None] | None = None
        self._stopped, self._waiting = False, ""  # keys typed while the model stops

    def shown(self) -> "StyleAndTextTuples":
        """The text in the colours of its authors."""
        pieces: StyleAndTextTuples = [
            ("class:model" if part.by_model else "class:person", printable(part.text))
            for part in self.draft.parts
        ]
        return [*pieces, ("[SetCursorPosition]", "")]

    def below(self) -> "StyleAndTextTuples":
        """The choices, the message and the keys."""
        lines: StyleAndTextTuples = []
        for number, text in enumerate(self.offered, 1):
            lines.append(("class:model", f"{number} {printable(text.strip())}\n"))
        if self.asking is not None:
            lines.append(("class:note", f"save as: {printable(self.asking)}\n"))
        elif self.note:
            lines.append(("class:note", f"{printable(self.note)}\n"))
        keys = KEYS.format(count=self.count, temperature=self.draft.temperature)
        if self.offered:
            keys = f"1–{len(self.offered)} picks one   Esc cancels"
        elif self.asking is not None:
            keys = "Enter saves   Esc cancels"
        elif self.busy:
            keys = "Esc stops"
        return [*lines, ("class:keys", keys)]

    @property
    def busy(self) -> bool:
        """Whether the model is writing."""
        return self._writing is not None and not self._writing.done()

    def start(self, app: "Application[None]", grown: Callable[[], Iterator[object]]) -> None:
        """Let the model write, a piece at a time, while keys are handled."""
        self.note, self.offered, self._stopped = "", [], False

        async def write() -> None:
            loop, end = asyncio.get_running_loop(), object()
            try:
                pieces = grown()
                while not self._stopped:
                    if await loop.run_in_executor(None, next, pieces, end) is end:
                        break
                    app.invalidate()
            except CharrnnError as error:
                self.note = str(error)
            finally:
                self._writing = None
                waiting, self._waiting = self._waiting, ""
                for character in waiting:
                    self.typed(character)
                app.invalidate()

        self._writing = app.create_background_task(write())

    def offer(self, app: "Application[None]") -> None:
        """Show some continuations."""
        found: list[str] = []

        def look() -> Iterator[object]:
            for text in self.draft.alternatives(OFFERED):
                found.append(text)
                yield None
            self.offered = found

        self.start(app, look)
        self.note = "looking for continuations"

    def stop(self) -> None:
        """Stop the model after its next piece; what it wrote stays."""
        self._stopped = True
        self.offered, self.asking, self.note = [], None, ""

    def typed(self, character: str) -> None:
        """Handle a character that is typed: of the text, of a choice or of a file's name."""
        if self.asking is not None:
            self.asking += character
        elif self.offered:
            if character.isdecimal() and 0 < int(character) <= len(self.offered):
                self.draft.take(self.offered[int(character) - 1])
                self.offered = []
        elif self.busy:
            self._waiting += character if self._stopped else ""
        else:
            self.note = ""
            try:
                self.draft.type(character)
            except InputError as error:
                self.note = str(error)

    def erased(self) -> None:
        """Handle backspace."""
        if self.asking is not None:
            self.asking = self.asking[:-1]
        elif not self.busy:
            self.draft.erase()

    def entered(self) -> None:
        """Handle Enter: a line end, or the end of a file's name."""
        if self.asking is None:
            self.typed("\n")
        else:
            self.out, self.asking = self.asking or None, None
            self.save()

    def save(self) -> None:
        """Write the file, or ask for its name."""
        if self.out is None:
            self.asking = ""
            return
        text = self.draft.text
        try:
            Path(self.out).write_bytes(text.encode("utf-8", "surrogateescape"))
            self.note = f"saved {counted(len(text), 'character')} in {self.out}"
        except (OSError, ValueError) as error:
            self.note, self.out = f"cannot write {self.out}: {error}", None

    def application(self, **streams: Any) -> "Application[None]":
        """The screen as prompt_toolkit runs it.

        Args:
            streams: ``input`` and ``output``, instead of the terminal's.
        """
        from prompt_toolkit.application import Application
        from prompt_toolkit.key_binding import KeyBindings
        from prompt_toolkit.layout import FormattedTextControl, HSplit, Layout, Window
        from prompt_toolkit.styles import Style

        text = Window(
            FormattedTextControl(self.shown, focusable=True, show_cursor=True), wrap_lines=True
        )
        below = Window(FormattedTextControl(self.below), wrap_lines=True, dont_extend_height=True)
        keys = KeyBindings()
        app: Application[None] = Application(
            Layout(HSplit([text, below])),
            key_bindings=keys,
            style=Style.from_dict(STYLE),
            full_screen=True,
            **streams,
        )
        draft = self.draft

        def on(key: str, action: Callable[[], object], *, always: bool = False) -> None:
            def act(event: object) -> None:
                if always or not (self.busy or self.offered or self.asking is not None):
                    action()

            keys.add(key, eager=True)(act)

        def warm(step: float) -> None:
            draft.temperature = max(0.0, round(draft.temperature + step, 2))

        on("tab", lambda: self.start(app, lambda: draft.go_on("sentence")))
        on("c-n", lambda: self.start(app, lambda: draft.go_on("line")))
        on("c-g", lambda: self.start(app, lambda: draft.go_on("characters", self.count)))
        on("c-r", lambda: self.start(app, draft.again))
        on("c-o", lambda: self.offer(app))
        on("c-z", draft.undo)
        on("up", lambda: warm(STEP))
        on("down", lambda: warm(-STEP))
        on("c-s", self.save)
        on("escape", self.stop, always=True)
        on("c-c", self.stop, always=True)
        on("c-q", app.exit, always=True)
        on("c-d", app.exit, always=True)
        on("enter", self.entered, always=True)
        on("backspace", self.erased, always=True)

        def typed(event: Any) -> None:
            for character in event.data.replace("\r\n", "\n").replace("\r", "\n"):
                if character.isprintable() or character == "\n":
                    self.typed(character)

        keys.add("<any>")(typed)
        keys.add("<bracketed-paste>")(typed)
        return app
