"""What a worker can be given to do.

A task is carried out by whoever has time, and is then settled: the schedule learns what
came of it. Only the latter needs to be guarded where workers are threads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .frames import Frame, MapRun

if TYPE_CHECKING:
    from .schedule import Schedule
    from .work import Work


class Call:
    """Call a node's function once.

    Args:
        frame: Where the node stands.
        index: Its position there.
    """

    __slots__ = ("begun", "delay", "frame", "index")

    def __init__(self, frame: Frame, index: int) -> None:
        self.frame = frame
        self.index = index
        self.delay: float | None = None
        """Seconds after which it is to be tried again."""
        self.begun = False
        """Whether it has been announced, where that is not for the task itself to do."""

    def carry_out(self, work: Work) -> None:
        """Do it."""
        self.delay = work.attempt(self.frame, self.index)

    def settle(self, schedule: Schedule) -> None:
        """Tell what came of it."""
        if self.delay is None:
            schedule.ended(self.frame, self.index)
        else:
            schedule.again(self, self.delay)


class Opening:
    """Look at a map's items.

    Args:
        frame: Where the map stands.
        index: Its position there.
    """

    __slots__ = ("_opened", "frame", "index")

    def __init__(self, frame: Frame, index: int) -> None:
        self.frame = frame
        self.index = index
        self._opened: MapRun | None = None

    def carry_out(self, work: Work) -> None:
        """Do it."""
        self._opened = work.open(self.frame, self.index)

    def settle(self, schedule: Schedule) -> None:
        """Tell what came of it."""
        if self._opened is None:
            schedule.ended(self.frame, self.index)
        else:
            schedule.opened(self._opened)


class Sweep:
    """Work off a map's items one after another, as long as there is nothing else to do.

    Whoever has time sweeps along: each item goes to the first who is free for it.

    Args:
        run: The map.
        is_pressing: Tells when there is something else to do.
    """

    __slots__ = ("_is_pressing", "_run", "_stuck")

    def __init__(self, run: MapRun, is_pressing: Callable[[], bool]) -> None:
        self._run = run
        self._is_pressing = is_pressing
        self._stuck: tuple[Frame, int, float] | None = None

    def carry_out(self, work: Work) -> None:
        """Do it."""
        self._stuck = work.sweep(self._run, self._is_pressing)

    def settle(self, schedule: Schedule) -> None:
        """Tell what came of it."""
        if self._stuck is None:
            schedule.left(self._run)
        else:  # the place that this worker had among those in flight is now that item's
            frame, index, delay = self._stuck
            schedule.again(Call(frame, index), delay)


class Closing:
    """Put a map's results together.

    Args:
        run: The map, all of whose items have ended.
    """

    __slots__ = ("_run",)

    def __init__(self, run: MapRun) -> None:
        self._run = run

    def carry_out(self, work: Work) -> None:
        """Do it."""
        work.close(self._run)

    def settle(self, schedule: Schedule) -> None:
        """Tell what came of it."""
        schedule.ended(self._run.frame, self._run.index)


Task = Call | Opening | Sweep | Closing
