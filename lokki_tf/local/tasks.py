"""The tasks of a worker.

A worker executes a task with ``carry_out``, and then passes its outcome to the schedule with
``settle``. If workers are threads, only the latter needs a lock.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from .frames import Frame, MapRun

if TYPE_CHECKING:
    from .work import Work


class Settling(Protocol):
    """What a task calls of the schedule to pass its outcome."""

    def ended(self, frame: Frame, index: int) -> None:
        """Record that a node has ended."""

    def again(self, call: Call, delay: float) -> None:
        """Repeat a call after some seconds."""

    def opened(self, run: MapRun) -> None:
        """Record that a map's items were read."""

    def left(self, run: MapRun) -> None:
        """Record that a worker no longer runs a map's items."""

    def pulled(self, run: MapRun) -> None:
        """Record that a worker has made items of a map."""


class Call:
    """A single call of a node's function.

    Args:
        frame: The frame of the node.
        index: The node's index.
    """

    __slots__ = ("begun", "delay", "frame", "index")

    def __init__(self, frame: Frame, index: int) -> None:
        self.frame = frame
        self.index = index
        self.delay: float | None = None
        """Seconds after which it is to be tried again."""
        self.begun = False
        """Whether its start is already recorded, by the code that submitted it."""

    def anew(self) -> Call:
        """Return the same call for another attempt."""
        return Call(self.frame, self.index)

    def carry_out(self, work: Work) -> None:
        """Call the function."""
        self.delay = work.attempt(self.frame, self.index)

    def settle(self, schedule: Settling) -> None:
        """Pass the outcome to the schedule."""
        if self.delay is None:
            schedule.ended(self.frame, self.index)
        else:
            schedule.again(self, self.delay)


class Opening:
    """Reading of a map's items.

    Args:
        frame: The frame of the map.
        index: The map's index.
    """

    __slots__ = ("_opened", "frame", "index")

    def __init__(self, frame: Frame, index: int) -> None:
        self.frame = frame
        self.index = index
        self._opened: MapRun | None = None

    def carry_out(self, work: Work) -> None:
        """Read the items."""
        self._opened = work.open(self.frame, self.index)

    def settle(self, schedule: Settling) -> None:
        """Pass the outcome to the schedule."""
        if self._opened is None:
            schedule.ended(self.frame, self.index)
        else:
            schedule.opened(self._opened)


class Sweep:
    """Runs a map's items one after another, as long as there is nothing more urgent.

    Several workers can do so for the same map: each item is claimed by the first that is free.

    Args:
        run: The map.
        is_pressing: Returns whether there is something more urgent.
    """

    __slots__ = ("_is_pressing", "_run", "_stuck")

    def __init__(self, run: MapRun, is_pressing: Callable[[], bool]) -> None:
        self._run = run
        self._is_pressing = is_pressing
        self._stuck: tuple[Frame, int, float] | None = None

    def carry_out(self, work: Work) -> None:
        """Run items."""
        self._stuck = work.sweep(self._run, self._is_pressing)

    def settle(self, schedule: Settling) -> None:
        """Pass the outcome to the schedule."""
        if self._stuck is None:
            schedule.left(self._run)
        else:  # the item counts as in progress instead of this worker
            frame, index, delay = self._stuck
            schedule.again(Call(frame, index), delay)


class Pull:
    """Makes items of a map whose generator has not ended.

    Args:
        run: The map.
    """

    __slots__ = ("_run",)

    def __init__(self, run: MapRun) -> None:
        self._run = run

    def carry_out(self, work: Work) -> None:
        """Make items."""
        work.pull(self._run)

    def settle(self, schedule: Settling) -> None:
        """Pass the outcome to the schedule."""
        schedule.pulled(self._run)


class Refeed(Call):
    """Another attempt of a step whose generator has raised, after its items have ended.

    Args:
        run: The map of the items.
    """

    __slots__ = ("_is_open", "_run")

    def __init__(self, run: MapRun) -> None:
        super().__init__(run.frame, run.index)
        self._run = run
        self._is_open = False

    def anew(self) -> Refeed:
        """Return the same call for another attempt."""
        return Refeed(self._run)

    def carry_out(self, work: Work) -> None:
        """Call the function, and start the map again."""
        self.delay, self._is_open = work.refeed(self._run)

    def settle(self, schedule: Settling) -> None:
        """Pass the outcome to the schedule."""
        if self.delay is not None:
            schedule.again(self, self.delay)
        elif self._is_open:
            schedule.opened(self._run)
        else:
            schedule.ended(self.frame, self.index)


class Closing:
    """Combines a map's results.

    Args:
        run: The map, all of whose items have ended.
    """

    __slots__ = ("_run",)

    def __init__(self, run: MapRun) -> None:
        self._run = run

    def carry_out(self, work: Work) -> None:
        """Combine the results."""
        work.close(self._run)

    def settle(self, schedule: Settling) -> None:
        """Pass the outcome to the schedule."""
        schedule.ended(self._run.frame, self._run.index)


Task = Call | Opening | Sweep | Pull | Closing
