"""What all jobs of a region share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Protocol

from lokki_tf.testing.images.launcher import Launcher

if TYPE_CHECKING:
    from lokki_tf.testing.jobs.job import Job
    from lokki_tf.testing.jobs.orders import Order


class LogSink(Protocol):
    """Where the output of jobs goes."""

    def open(self, group: str, stream: str) -> None:
        """Begin a stream.

        Raises:
            CannotStart: if there is no such group.
        """

    def write(self, group: str, stream: str, lines: Sequence[str]) -> None:
        """Add lines to a stream."""


@dataclass(frozen=True)
class Site:
    """What all jobs share.

    Args:
        launcher: starts their programs.
        logs: takes their output.
        environment: the account's variables.
        slots: how many run at a time.
        find: returns another job by its id.
        take_roles: takes a job's roles for an attempt with this log stream and returns the
            variables by which the job acts; raises CannotStart if that cannot be.
    """

    launcher: Launcher
    logs: LogSink
    environment: Mapping[str, str]
    slots: BoundedSemaphore
    find: Callable[[str], Job | None]
    take_roles: Callable[[Order, str], Mapping[str, str]]
