"""Selection of the next node: nodes after begun ones first, then items of maps, innermost first."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from itertools import count
from typing import Generic, TypeVar

from .frames import Frame, MapRun, clock
from .tasks import Call, Closing, Opening, Pull, Refeed, Sweep, Task

LONGEST_WAIT = 3600.0  # seconds; a waiting worker checks again then

T = TypeVar("T")


class Schedule:
    """Counts what each node waits for, and how many items of each map are in progress.

    It does not execute tasks, and has no lock: the caller must use it from one thread at a time.

    Args:
        root: The frame of the whole graph.
        sweeps: Whether workers may run items of maps with a chain as body one after another, and
            claim them by themselves.
        workers: How many batches of items can run at once, if items of maps with a batch size are
            to be combined.
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
        """Whether everything has ended; after the run was stopped, everything that had begun."""
        return not self._root.active

    def is_pressing(self) -> bool:
        """Whether there may be something that precedes items of maps; needs no lock."""
        return bool(self._ready) or bool(self.timers)

    def room(self, most: int) -> int:
        """Return the number of tasks that could be picked now, up to the given number."""
        found = len(self._ready)
        for run in reversed(self._open):
            if found >= most:
                break
            found += max(run.room, 0)
        return min(found, most)

    def pick(self) -> Task | None:
        """Return the next task, if there is one now."""
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
        """Return a call of the same node for another item of the same map, if it is next."""
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
        """Return a call that was picked, to be picked before all others."""
        self._ready.appendleft(call)

    def again(self, call: Call, delay: float) -> None:
        """Add a call that is to be picked again after a delay in seconds."""
        self.timers.add(clock() + delay, call.anew())
        if call.frame.is_stopped():
            self._drop_waiting()

    def opened(self, run: MapRun) -> None:
        """Add a map; it ends after all of its items."""
        if run.has_more or run.is_busy:
            self._list(run)
        else:
            self._close(run)

    def pulled(self, run: MapRun) -> None:
        """Record that a worker has made items of a map, or found that there are no more."""
        if run.feed is not None:
            run.feed.is_pulled = False
        if run.stopped:
            self._drop_waiting()
        self._continue(run)

    def left(self, run: MapRun) -> None:
        """Record that a worker no longer runs a map's items."""
        if run.stopped:  # by a failure that this worker has seen
            self._drop_waiting()
        self._landed(run)

    def ended(self, frame: Frame, index: int) -> None:
        """Record that a node has ended; unless it failed, its successors may be ready."""
        if not frame.stopped:
            missing = frame.missing
            for successor in frame.plan.releases[index]:
                missing[successor] -= 1
                if not missing[successor]:
                    frame.active += 1
                    self._ready.append(_task(frame, successor))
        elif frame.active > 1 or frame.owner is None or frame.owner.stopped:
            self._drop_waiting()
        self.dropped(frame)

    def dropped(self, frame: Frame) -> None:
        """Record that a node of a frame no longer runs or waits."""
        frame.active -= 1
        if not frame.active and frame.owner is not None:
            frame.owner.take(frame)
            self._landed(frame.owner)

    def _landed(self, run: MapRun) -> None:
        """Record that an item of a map has ended."""
        run.in_flight -= 1
        self._continue(run)

    def _continue(self, run: MapRun) -> None:
        if run.is_busy or (run.has_more and not run.is_stopped()):
            self._list(run)
        else:
            self._close(run)

    def _begin(self, run: MapRun) -> None:
        """Begin items of the map that is last in the list, or remove it from the list."""
        if run.room <= 0 or run.is_stopped():
            self._open.pop()
            run.is_listed = False
            if not run.is_busy:
                self._close(run)
        elif run.feed is not None and run.is_feeding:
            run.feed.is_pulled = True
            self._ready.append(Pull(run))
        elif self._sweeps and run.plan.is_straight:
            run.in_flight += 1
            self._ready.append(Sweep(run, self.is_pressing))
        else:
            count = run.batch(self._workers) if self._workers else 1
            frames = [frame for frame in (run.claim() for _ in range(count)) if frame is not None]
            run.in_flight += len(frames)
            self._ready.extend(_task(frame, index) for index in run.plan.first for frame in frames)

    def _list(self, run: MapRun) -> None:
        if not run.is_listed and run.has_more:
            run.is_listed = True
            self._open.append(run)

    def _close(self, run: MapRun) -> None:
        feed = run.feed
        if feed is not None and feed.again is not None:
            if not feed.is_retried:
                feed.is_retried = True
                self.again(Refeed(run), feed.again)
        elif not run.is_closing:
            run.is_closing = True
            self._ready.appendleft(Closing(run))

    def _drop_waiting(self) -> None:
        """Remove retries that must not begin."""
        if self.timers:
            for call in self.timers.take_if(lambda call: call.frame.is_stopped()):
                self.dropped(call.frame)


def _task(frame: Frame, index: int) -> Call | Opening:
    return Opening(frame, index) if index in frame.plan.bodies else Call(frame, index)


class Timers(Generic[T]):
    """Things that become due at a time, the earliest first."""

    __slots__ = ("_heap", "_number")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, T]] = []
        self._number = count()  # things that are due at the same time are sorted by addition

    def __bool__(self) -> bool:
        return bool(self._heap)

    def add(self, due: float, thing: T) -> None:
        """Add a thing that is due at a time of the clock passed to :meth:`due`."""
        heapq.heappush(self._heap, (due, next(self._number), thing))

    def earliest(self) -> float | None:
        """Return when the next thing is due."""
        return self._heap[0][0] if self._heap else None

    def wait(self, now: float) -> float | None:
        """Return the seconds until the next thing is due, or ``None`` if there is none."""
        if not self._heap:
            return None
        return min(max(self._heap[0][0] - now, 0.0), LONGEST_WAIT)

    def due(self, now: float) -> list[T]:
        """Remove and return the things that are due."""
        ready = []
        while self._heap and self._heap[0][0] <= now:
            ready.append(heapq.heappop(self._heap)[2])
        return ready

    def take_if(self, condition: Callable[[T], bool]) -> list[T]:
        """Remove and return the things for which a condition is true."""
        taken = [thing for _, _, thing in self._heap if condition(thing)]
        if taken:
            self._heap = [entry for entry in self._heap if not condition(entry[2])]
            heapq.heapify(self._heap)
        return taken
