"""Ctrl-C while Terraform runs: it ends cleanly on the first, and would lose state on a second."""

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
    "interrupted: Terraform ends what it has begun and keeps its state …",
    "still waiting for Terraform; once more kills it, and what it has begun may be lost",
)
_STDERR = 2


class Interruption:
    """Hands the first interrupt on to a child that has a process group of its own.

    So it gets one, whether the terminal sent it to everybody or somebody to us alone. The
    second only says that Terraform is still at it; the third kills it.
    """

    def __init__(self) -> None:
        self.count = 0
        self._child: subprocess.Popen[str] | None = None

    def reach(self, child: subprocess.Popen[str]) -> None:
        """From now on a child is told, also of what has come before it was there.

        Args:
            child: What runs.
        """
        self._child = child
        if self.count:
            child.send_signal(signal.SIGINT)

    def handle(self, number: int, frame: Any) -> None:
        """An interrupt has come."""
        self.count += 1
        if self.count <= len(_WORDS):
            # Not by sys.stderr, in the middle of whose writing this may come.
            os.write(_STDERR, f"\n{_WORDS[self.count - 1]}\n".encode())
        if self._child is None:
            return
        if self.count == 1:
            self._child.send_signal(signal.SIGINT)
        elif self.count > len(_WORDS):
            self._child.kill()


@contextmanager
def forwarded() -> Iterator[Interruption]:
    """Interrupts reach a child once."""
    interruption = Interruption()
    with _handled(interruption.handle):
        yield interruption


@contextmanager
def left_to_child() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Leaves Ctrl-C to children in our own process group, which the terminal sends to all.

    Gives the list that a child is to be put into: what somebody sends to us alone is handed on.
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
