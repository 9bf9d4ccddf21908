"""Chromium without a window, driven by its DevTools protocol over a pipe.

Source: Chrome DevTools Protocol, and ``--remote-debugging-pipe``: JSON messages that end with a NUL
byte, on file descriptors 3 and 4.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)


def program() -> str | None:
    """Return the path of Chromium or Chrome, if there is one."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((found for name in names if (found := shutil.which(name))), None)


class Tab:
    """An open page.

    Args:
        send: File descriptor for messages to the browser.
        receive: File descriptor for messages from it.
    """

    def __init__(self, send: int, receive: int) -> None:
        self._send, self._receive = send, receive
        self._rest, self._number = b"", 0
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        found = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = found["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result.

        Args:
            method: Its name.
            parameters: Its parameters.
        """
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._send, json.dumps(message).encode() + b"\0")
        while True:
            found = self._next()
            if found.get("id") == self._number:
                assert "error" not in found, found
                result: dict[str, Any] = found["result"]
                return result
            self.events.append(found)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            data = os.read(self._receive, 2**16)
            assert data, "the browser has ended"
            self._rest += data
        message, _, self._rest = self._rest.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found

    def open(self, file: Path) -> None:
        """Open a file, and return when it is loaded.

        Args:
            file: An HTML file.
        """
        self.visit(file.absolute().as_uri())

    def visit(self, url: str) -> None:
        """Open a page, and return when it is loaded.

        Args:
            url: Its URL.
        """
        self.events.clear()
        self.call("Page.navigate", url=url)
        while not any(one.get("method") == "Page.loadEventFired" for one in self.events):
            self.events.append(self._next())

    def value(self, expression: str) -> Any:
        """Return the value of an expression in JavaScript.

        Args:
            expression: The expression.
        """
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def press(self, key: str, code: int, text: str = "") -> None:
        """Press a key.

        Args:
            key: Its name: ``Tab``.
            code: Its code on Windows.
            text: The text that it types.
        """
        common = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        typed = {"text": text} if text else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", **common, **typed)
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    @property
    def requests(self) -> list[str]:
        """The URLs of all requests since the page was opened, also of those that were blocked."""
        sent = [one for one in self.events if one.get("method") == "Network.requestWillBeSent"]
        return [one["params"]["request"]["url"] for one in sent]


@contextmanager
def browser() -> Iterator[Tab]:
    """A browser with an empty profile, which ends with the context."""
    found = program()
    assert found is not None
    to_read, to_send = os.pipe()
    from_read, from_send = os.pipe()

    def descriptors() -> None:  # in the child: 3 is read, 4 is written
        read, write = os.dup(to_read), os.dup(from_send)
        os.dup2(read, 3)
        os.dup2(write, 4)

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        command = [found, *_FLAGS, f"--user-data-dir={folder}"]
        process = subprocess.Popen(
            command, preexec_fn=descriptors, close_fds=False, stderr=subprocess.DEVNULL
        )
        os.close(to_read)
        os.close(from_send)
        try:
            yield Tab(to_send, from_read)
        finally:
            process.terminate()
            process.wait()
            os.close(to_send)
            os.close(from_read)
