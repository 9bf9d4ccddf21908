"""Ctrl-C while Terraform runs: it ends cleanly on the first, and would lose state on a second."""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator

_SIGNALS = [signal.SIGINT, signal.SIGTERM]
_WORDS = (
    "interrupted: Terraform ends what it has begun and keeps its state …",
    "still waiting for Terraform; once more kills it, and what it has begun may be lost",
)


@contextmanager
def forwarded(child: subprocess.Popen[str]) -> Iterator[Callable[[], bool]]:
    """Hands the first interrupt on to a child that has a process group of its own.

    So it gets one, whether the terminal sent it to everybody or somebody to us alone. The
    second only says that Terraform is still at it; the third kills it.

    Args:
        child: What runs.

    Yields:
        A function that tells whether there was an interrupt.
    """
    count = 0

    def handle(number: int, frame: Any) -> None:
        nonlocal count
        count += 1
        if count <= len(_WORDS):
            sys.stderr.write(f"\n{_WORDS[count - 1]}\n")
        if count == 1:
            child.send_signal(signal.SIGINT)
        elif count > len(_WORDS):
            child.kill()

    with _handled(handle):
        yield lambda: count > 0


@contextmanager
def left_to_child() -> Iterator[None]:
    """Leaves interrupts to a child in our own process group: the terminal sends them to it."""
    with _handled(lambda number, frame: None):
        yield


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
