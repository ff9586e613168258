"""A headless Chromium, driven through its DevTools protocol over a pair of pipes."""

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from select import select
from time import monotonic
from typing import Any

import pytest

__all__ = ["Browser", "Tab", "axe_violations", "browser", "needs_chromium"]

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
needs_chromium = pytest.mark.skipif(PROGRAM is None, reason="chromium is not there")

FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
]
PATIENCE = 60.0
"""Seconds to wait, since a busy machine may be slow and no test depends on its speed."""


class Browser:
    """A running Chromium: messages are JSON, each ended by a zero byte."""

    def __init__(self, folder: Path) -> None:
        assert PROGRAM is not None
        reads, self._out = os.pipe()
        self._in, writes = os.pipe()

        def place() -> None:  # Chromium reads from 3 and writes to 4
            kept = os.dup(reads), os.dup(writes)
            os.dup2(kept[0], 3)
            os.dup2(kept[1], 4)

        self._process = subprocess.Popen(
            [PROGRAM, *FLAGS, f"--user-data-dir={folder}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            close_fds=False,
            preexec_fn=place,
        )
        os.close(reads)
        os.close(writes)
        self._last = 0
        self._rest = b""
        self.events: list[dict[str, Any]] = []

    def ask(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """Call a method and return its answer; events that arrive meanwhile are kept."""
        self._last += 1
        message: dict[str, Any] = {"id": self._last, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._out, data) :]
        while True:
            found = self._receive()
            if found.get("id") == self._last:
                assert "error" not in found, found
                result: dict[str, Any] = found["result"]
                return result
            self.events.append(found)

    def _receive(self) -> dict[str, Any]:
        end = monotonic() + PATIENCE
        while b"\0" not in self._rest:
            ready, _, _ = select([self._in], [], [], max(0.0, end - monotonic()))
            assert ready, "Chromium says nothing"
            some = os.read(self._in, 1 << 20)
            assert some, "Chromium has ended"
            self._rest += some
        one, _, self._rest = self._rest.partition(b"\0")
        found: dict[str, Any] = json.loads(one)
        return found

    def close(self) -> None:
        """End the browser."""
        os.close(self._out)  # at the end of its pipe it ends itself
        os.close(self._in)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Tab:
    """A page that is open."""

    def __init__(
        self,
        browser: Browser,
        path: Path,
        *,
        width: int = 800,
        height: int = 900,
        dark: bool = False,
    ) -> None:
        self._browser = browser
        made = browser.ask("Target.createTarget", url="about:blank")
        self._target = made["targetId"]
        attached = browser.ask("Target.attachToTarget", targetId=self._target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])
        self.ask("Page.navigate", url=path.resolve().as_uri())
        self.until("document.readyState === 'complete'")

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method of this page."""
        return self._browser.ask(method, self._session, **params)

    def run(self, script: str) -> Any:
        """The value of an expression, awaited if it is a promise."""
        found = self.ask(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def until(self, condition: str) -> None:
        """Wait for an expression to be true."""
        wait = (
            "new Promise((done) => {{ const look = () => ({}) ? done(true) "
            ": setTimeout(look, 10); look(); }})"
        )
        end = monotonic() + PATIENCE
        while monotonic() < end:
            try:
                self.run(wait.format(condition))
            except AssertionError as error:
                if "context" not in str(error) and "navigat" not in str(error):
                    raise
                continue  # it was about to load
            return
        raise AssertionError(f"never true: {condition}")

    def click(self, selector: str) -> None:
        """Click in the middle of an element."""
        x, y = self.middle(selector)
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def hover(self, selector: str) -> None:
        """Move the mouse onto an element."""
        x, y = self.middle(selector)
        self.ask("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def middle(self, selector: str) -> tuple[float, float]:
        """Where an element is."""
        x, y = self.run(
            f"(() => {{ const one = document.querySelector({json.dumps(selector)}); "
            "one.scrollIntoView({block: 'nearest'}); const r = one.getClientRects()[0]; "
            "return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        return x, y

    def press(self, key: str) -> None:
        """Press a key, named as in events."""
        codes = {"Enter": 13, "Escape": 27, "ArrowLeft": 37, "ArrowRight": 39, "Tab": 9}
        codes |= {"ArrowDown": 40, "ArrowUp": 38, "End": 35, "Home": 36}
        text = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            self.ask(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code=key,
                windowsVirtualKeyCode=codes[key],
                **(text if kind == "keyDown" else {}),
            )

    def screenshot(self, path: Path) -> None:
        """Take a picture of the page."""
        path.write_bytes(base64.b64decode(self.ask("Page.captureScreenshot")["data"]))

    def said(self) -> list[Any]:
        """What the console shows: messages, warnings, errors, and what a policy has blocked."""
        self.run("0")
        kinds = {"Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"}
        events = [e for e in self._browser.events if e.get("sessionId") == self._session]
        return [event["params"] for event in events if event["method"] in kinds]

    def asked_for(self) -> list[str]:
        """The addresses that the page has requested."""
        events = [e for e in self._browser.events if e.get("sessionId") == self._session]
        return [
            event["params"]["request"]["url"]
            for event in events
            if event["method"] == "Network.requestWillBeSent"
        ]

    def close(self) -> None:
        """Close the page."""
        self._browser.ask("Target.closeTarget", targetId=self._target)


def axe_violations(tab: Tab) -> list[Any]:
    """What axe-core finds in a page as it is now: rules and elements.

    ``CHARRNN_AXE`` names its axe.min.js (npm pack axe-core); a test skips without it.
    """
    axe = os.environ.get("CHARRNN_AXE", "")
    if not Path(axe).is_file():
        pytest.skip("CHARRNN_AXE names no axe.min.js")
    tab.run(Path(axe).read_text(encoding="utf-8") + ";0")
    found: list[Any] = tab.run(
        "axe.run().then(({violations}) => violations.map("
        "({id, nodes}) => [id, nodes.map(({html}) => html.slice(0, 200))]))"
    )
    return found


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """A Chromium with a profile in a folder; the test skips if it does not start here."""
    found = Browser(folder)
    try:
        try:
            found.ask("Browser.getVersion")
        except (AssertionError, OSError) as error:
            pytest.skip(f"chromium does not start: {error}")
        yield found
    finally:
        found.close()
