"""The types of programs of images: what to start, and the interface of a running program."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

GRACE_SECONDS = 1.0
"""The time between SIGTERM and SIGKILL. AWS allows 30 s."""
KILLED = 137
"""The exit code of a container that was ended by SIGKILL."""

Lines = Callable[[Sequence[str]], None]
"""Receives lines of output while the program runs."""


@dataclass(frozen=True)
class Program:
    """A program to start from an image.

    Args:
        image: The image's URI.
        command: Replaces the image's ``CMD``; None to keep it.
        environment: Environment variables in addition to those of the image.
        entry_point: Replaces the image's ``ENTRYPOINT``; None to keep it.
        working_directory: Replaces the image's ``WORKDIR``; None to keep it.
    """

    image: str
    command: tuple[str, ...] | None
    environment: Mapping[str, str]
    entry_point: tuple[str, ...] | None = None
    working_directory: str | None = None


class Running(Protocol):
    """A program that was started."""

    def wait(self, seconds: float) -> int | None:
        """Wait for the program's end and return its exit code; None after a timeout."""

    def stop(self, grace: float = GRACE_SECONDS) -> int:
        """Send SIGTERM, after a grace period SIGKILL, and return the exit code."""

    def settle(self) -> None:
        """Wait until the output so far has been passed on."""


class CannotStart(Exception):
    """A program cannot be started.

    Args:
        reason: The error of AWS, such as ``CannotPullContainerError: …``.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
