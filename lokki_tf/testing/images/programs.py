"""What is to run, and what can be asked of it once it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

GRACE_SECONDS = 1.0
"""Between the request to end and the end by force. AWS allows 30 s."""
KILLED = 137
"""The exit code of a container that was ended by force."""

Lines = Callable[[Sequence[str]], None]
"""Takes lines of output as they come."""


@dataclass(frozen=True)
class Program:
    """The program of an image, as one run of it wants it.

    Args:
        image: the image's URI.
        command: what is handed to the entry point; None for the image's own.
        environment: the variables, beside those that the image itself sets.
        entry_point: what is started in place of the image's own entry point.
        working_directory: where, in place of the image's own.
    """

    image: str
    command: tuple[str, ...] | None
    environment: Mapping[str, str]
    entry_point: tuple[str, ...] | None = None
    working_directory: str | None = None


class Running(Protocol):
    """A program that was started."""

    def wait(self, seconds: float) -> int | None:
        """Wait for its end and return its exit code; None if it still runs after that time."""

    def stop(self, grace: float = GRACE_SECONDS) -> int:
        """Ask it to end, end it by force if it does not, and return its exit code."""

    def settle(self) -> None:
        """Return when what it has printed so far has been handed on."""


class CannotStart(Exception):
    """A program that cannot be started.

    Args:
        reason: in AWS's words, such as ``CannotPullContainerError: …``.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
