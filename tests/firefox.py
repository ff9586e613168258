"""A headless Firefox, driven through Marionette, its remote protocol: JSON over a socket."""

import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest

__all__ = ["Firefox", "firefox", "needs_firefox"]

PROGRAM = next(filter(None, map(shutil.which, ("firefox-esr", "firefox"))), None)
needs_firefox = pytest.mark.skipif(PROGRAM is None, reason="firefox is not there")

SETTINGS = {"marionette.port": 0, "datareporting.policy.dataSubmissionEnabled": False}
"""Port 0: a free one, which it writes into a file of its profile."""
PATIENCE = 60.0


class Firefox:
    """A window; messages are "length:[0, number, command, parameters]"."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self._rest = b""
        self._receive()  # what it says of itself
        self._last = 0
        self.ask("WebDriver:NewSession")

    def ask(self, command: str, **params: Any) -> Any:
        """Call a command and return its answer."""
        self._last += 1
        data = json.dumps([0, self._last, command, params]).encode()
        self._socket.sendall(b"%d:%s" % (len(data), data))
        _, _, error, found = self._receive()
        assert error is None, error
        return found

    def _receive(self) -> Any:
        while True:
            length, colon, rest = self._rest.partition(b":")
            if colon and len(rest) >= int(length):
                self._rest = rest[int(length) :]
                return json.loads(rest[: int(length)])
            some = self._socket.recv(1 << 20)
            assert some, "Firefox has ended"
            self._rest += some

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def open(self, path: Path) -> None:
        """Open a file."""
        self.ask("WebDriver:Navigate", url=path.resolve().as_uri())

    def run(self, script: str) -> Any:
        """The value of an expression."""
        return self.ask("WebDriver:ExecuteScript", script=f"return {script};", args=[])["value"]

    def until(self, condition: str) -> None:
        """Wait for an expression to be true."""
        end = monotonic() + PATIENCE
        while not self.run(f"Boolean({condition})"):
            assert monotonic() < end, f"never true: {condition}"
            sleep(0.05)


@contextmanager
def firefox(folder: Path) -> Iterator[Firefox]:
    """A Firefox with a profile in a folder; the test skips if it does not start here."""
    assert PROGRAM is not None
    lines = [f"user_pref({json.dumps(k)}, {json.dumps(v)});\n" for k, v in SETTINGS.items()]
    (folder / "user.js").write_text("".join(lines), encoding="utf-8")
    process = subprocess.Popen(
        [PROGRAM, "--headless", "--no-remote", "--marionette", "--profile", str(folder)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={"HOME": str(folder), "MOZ_HEADLESS": "1", "PATH": "/usr/bin:/bin"},
    )
    port, end = folder / "MarionetteActivePort", monotonic() + PATIENCE
    try:
        while not (port.is_file() and port.read_text()):
            if process.poll() is not None or monotonic() > end:
                pytest.skip("firefox does not start")
            sleep(0.05)
        found = Firefox(int(port.read_text()))
        try:
            yield found
        finally:
            found.close()
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
