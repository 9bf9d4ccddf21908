"""Who is ready: what has begun goes on first, then items of maps begin, innermost first."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from itertools import count
from typing import Generic, TypeVar

from .frames import Frame, MapRun, clock
from .tasks import Call, Closing, Opening, Sweep, Task

LONGEST_WAIT = 3600.0  # seconds; whoever waits looks again then

T = TypeVar("T")


class Schedule:
    """Counts what each node waits for, and how many items of each map are in flight.

    It knows nothing of how a task is carried out, and it is not guarded: whoever drives a
    run calls it from one thread at a time.

    Args:
        root: The evaluation of the whole graph.
        sweeps: Whether workers may work off the items of straight maps in a row, claiming
            them by themselves.
        workers: How many batches of items can run at once, if items are to be put into
            batches for those maps that have a batch size.
    """

    def __init__(self, root: Frame, *, sweeps: bool = False, workers: int = 0) -> None:
        self._root = root
        self._sweeps = sweeps
        self._workers = workers
        self._ready: deque[Task] = deque(_task(root, index) for index in root.plan.first)
        self._open: list[MapRun] = []  # all that have room, and some that have no more
        self.timers: Timers[Call] = Timers()

    @property
    def is_over(self) -> bool:
        """Whether all has ended, or all that had begun when the run was stopped."""
        return not self._root.active

    def is_pressing(self) -> bool:
        """Whether there may be something that goes before items of maps; needs no guard."""
        return bool(self._ready) or bool(self.timers)

    def room(self, most: int) -> int:
        """How many tasks could be picked now, counted no further than so many."""
        found = len(self._ready)
        for run in reversed(self._open):
            if found >= most:
                break
            found += max(run.room, 0)
        return min(found, most)

    def pick(self) -> Task | None:
        """Take the next task, if there is one now."""
        if self.timers:
            self._ready.extend(self.timers.due(clock()))
        while True:
            while self._ready:
                task = self._ready.popleft()
                if not isinstance(task, Call | Opening) or not task.frame.is_stopped():
                    return task
                self.dropped(task.frame)
            if not self._open:
                return None
            self._begin(self._open[-1])

    def pick_beside(self, call: Call) -> Call | None:
        """Take a call of the same node for another item of the same map, if it is next."""
        if not self._ready or call.frame.owner is None:
            return None
        other = self._ready[0]
        if not isinstance(other, Call) or other.frame.is_stopped():
            return None
        if other.frame.owner is not call.frame.owner or other.index != call.index:
            return None
        self._ready.popleft()
        return other

    def put_back(self, call: Call) -> None:
        """A call that was picked is to be picked again, before all else."""
        self._ready.appendleft(call)

    def again(self, call: Call, delay: float) -> None:
        """A call is to be picked again after so many seconds."""
        self.timers.add(clock() + delay, Call(call.frame, call.index))
        if call.frame.is_stopped():
            self._drop_waiting()

    def opened(self, run: MapRun) -> None:
        """A map has items; it has not ended before they have."""
        self._list(run)

    def left(self, run: MapRun) -> None:
        """A worker no longer works off a map's items."""
        if run.stopped:  # by a failure that this worker has met
            self._drop_waiting()
        self._landed(run)

    def ended(self, frame: Frame, index: int) -> None:
        """A node has ended: what waited for it alone is ready, unless it failed."""
        if not frame.stopped:
            missing = frame.missing
            for successor in frame.plan.successors[index]:
                missing[successor] -= 1
                if not missing[successor]:
                    frame.active += 1
                    self._ready.append(_task(frame, successor))
        elif frame.active > 1 or frame.owner is None or frame.owner.stopped:
            self._drop_waiting()
        self.dropped(frame)

    def dropped(self, frame: Frame) -> None:
        """One fewer node of a frame runs or waits."""
        frame.active -= 1
        if not frame.active and frame.owner is not None:
            frame.owner.take(frame)
            self._landed(frame.owner)

    def _landed(self, run: MapRun) -> None:
        """One fewer of a map's items is in flight."""
        run.in_flight -= 1
        if run.in_flight or (run.remaining and not run.is_stopped()):
            self._list(run)
        else:
            self._close(run)

    def _begin(self, run: MapRun) -> None:
        """Begin items of a map that is listed last, or take it from the list."""
        if run.room <= 0 or run.is_stopped():
            self._open.pop()
            run.is_listed = False
            if not run.in_flight:
                self._close(run)
        elif self._sweeps and run.plan.is_straight:
            run.in_flight += 1
            self._ready.append(Sweep(run, self.is_pressing))
        else:
            count = run.batch(self._workers) if self._workers else 1
            frames = [frame for frame in (run.claim() for _ in range(count)) if frame is not None]
            run.in_flight += len(frames)
            self._ready.extend(_task(frame, index) for index in run.plan.first for frame in frames)

    def _list(self, run: MapRun) -> None:
        if not run.is_listed and run.remaining:
            run.is_listed = True
            self._open.append(run)

    def _close(self, run: MapRun) -> None:
        if not run.is_closing:
            run.is_closing = True
            self._ready.appendleft(Closing(run))

    def _drop_waiting(self) -> None:
        """Nobody waits for a retry that is not to begin."""
        if self.timers:
            for call in self.timers.take_if(lambda call: call.frame.is_stopped()):
                self.dropped(call.frame)


def _task(frame: Frame, index: int) -> Call | Opening:
    return Opening(frame, index) if index in frame.plan.bodies else Call(frame, index)


class Timers(Generic[T]):
    """Things whose time comes, the earliest first."""

    __slots__ = ("_heap", "_number")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, T]] = []
        self._number = count()  # what is due at the same time comes in the order of adding

    def __bool__(self) -> bool:
        return bool(self._heap)

    def add(self, due: float, thing: T) -> None:
        """Let a thing come at a time of the clock that :meth:`due` is asked with."""
        heapq.heappush(self._heap, (due, next(self._number), thing))

    def earliest(self) -> float | None:
        """When the next thing is due."""
        return self._heap[0][0] if self._heap else None

    def wait(self, now: float) -> float | None:
        """Seconds until the next thing is due, or ``None`` if there is none."""
        if not self._heap:
            return None
        return min(max(self._heap[0][0] - now, 0.0), LONGEST_WAIT)

    def due(self, now: float) -> list[T]:
        """Take out the things whose time has come."""
        ready = []
        while self._heap and self._heap[0][0] <= now:
            ready.append(heapq.heappop(self._heap)[2])
        return ready

    def take_if(self, condition: Callable[[T], bool]) -> list[T]:
        """Take out the things for which a condition holds."""
        taken = [thing for _, _, thing in self._heap if condition(thing)]
        if taken:
            self._heap = [entry for entry in self._heap if not condition(entry[2])]
            heapq.heapify(self._heap)
        return taken
