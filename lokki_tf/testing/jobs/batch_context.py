"""What all jobs of a region share: logs, environment variables, slots and roles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import BoundedSemaphore, Event
from typing import TYPE_CHECKING, Protocol

from lokki_tf.testing.images.launcher import Launcher

if TYPE_CHECKING:
    from lokki_tf.testing.jobs.orders import Order


class LogSink(Protocol):
    """Stores the output of jobs."""

    def open(self, group: str, stream: str) -> None:
        """Create a log stream.

        Raises:
            CannotStart: If the log group does not exist.
        """

    def write(self, group: str, stream: str, lines: Sequence[str]) -> None:
        """Add lines to a log stream."""


class Dependency(Protocol):
    """What a job reads of another that it depends on."""

    status: str
    done: Event


@dataclass(frozen=True)
class BatchContext:
    """What all jobs of a region share.

    Args:
        launcher: Starts the jobs' programs.
        logs: Stores the jobs' output.
        environment: The environment variables of the account.
        slots: Limits the number of jobs that run at a time.
        find: Returns a job by its id.
        take_roles: Assumes the roles of a job for an attempt with a log stream, and returns
            environment variables with credentials. It raises CannotStart if this is not allowed.
    """

    launcher: Launcher
    logs: LogSink
    environment: Mapping[str, str]
    slots: BoundedSemaphore
    find: Callable[[str], Dependency | None]
    take_roles: Callable[[Order, str], Mapping[str, str]]
