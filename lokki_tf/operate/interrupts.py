"""Ctrl-C while Terraform runs: it ends cleanly after one, and would lose state after two."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_WORDS = (
    "interrupted: Terraform finishes the operations in progress and saves its state …",
    "still waiting for Terraform; another Ctrl-C kills it and can lose operations in progress",
)
_STDERR = 2


class Interruption:
    """Forwards the first interrupt to a child process in its own process group.

    So the child receives one signal, whether the terminal sent it to the whole process group or
    another process to this one only. The second only prints that Terraform still runs; the third
    kills it.

    Args:
        say: Shows a line of text, also while a signal handler has interrupted the same.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self.count = 0
        self._say = say
        self._child: subprocess.Popen[str] | None = None

    def reach(self, child: subprocess.Popen[str]) -> None:
        """Forward interrupts to a child, also one that came before it was started.

        Args:
            child: The process.
        """
        self._child = child
        if self.count:
            child.send_signal(signal.SIGINT)

    def handle(self, number: int, frame: Any) -> None:
        """Handle a signal."""
        self.count += 1
        if self.count <= len(_WORDS):
            self._say(_WORDS[self.count - 1])
        if self._child is None:
            return
        if self.count == 1:
            self._child.send_signal(signal.SIGINT)
        elif self.count > len(_WORDS):
            self._child.kill()


def write_at_once(text: str) -> None:
    """Write a line to stderr, but not by ``sys.stderr``: a signal may interrupt a write to it.

    Args:
        text: The line.
    """
    os.write(_STDERR, f"\n{text}\n".encode())


@contextmanager
def forwarded(say: Callable[[str], None] = write_at_once) -> Iterator[Interruption]:
    """Forward interrupts to a child once, within the context.

    Args:
        say: Shows a line of text, also in a signal handler.
    """
    interruption = Interruption(say)
    with _handled(interruption.handle):
        yield interruption


@contextmanager
def left_to_child() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Leave Ctrl-C to children in this process group, to which the terminal sends it too.

    Yields the list to which children are to be added: other signals, which only this process
    receives, are forwarded to them.
    """
    children: list[subprocess.Popen[bytes]] = []

    def handle(number: int, frame: Any) -> None:
        for child in children:
            if number != signal.SIGINT:
                child.send_signal(number)

    with _handled(handle):
        yield children


@contextmanager
def _handled(handle: Callable[[int, Any], None]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers
        return
    own = {number: signal.signal(number, handle) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in own.items():
            signal.signal(number, handler)
