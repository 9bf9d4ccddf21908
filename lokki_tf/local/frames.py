"""What is in progress: an evaluation of a graph, and a map with its items."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from time import perf_counter
from typing import Any, Protocol

from lokki_tf.errors import LokkiError
from lokki_tf.model import Map, RetryConfig

from .plan import Plan
from .result import NOTHING, ItemKey
from .retry import Retries

clock = perf_counter

Items = list[Any] | tuple[Any, ...] | range


class Frame:
    """An evaluation of a graph: of a whole pipeline, or of a map's body for one item.

    Each node is written to by one thread at a time, and each has its own places in the
    lists: so nothing here needs a lock but what only :class:`~.schedule.Schedule` touches.

    Args:
        plan: What is evaluated.
        values: What is known, in the order of :class:`Plan`.
        owner: The map, for an item.
        item: The item's index.
    """

    __slots__ = (
        "_again",
        "_retries",
        "active",
        "attempts",
        "ends",
        "errors",
        "item",
        "known",
        "missing",
        "owner",
        "plan",
        "skipped",
        "starts",
        "stopped",
        "values",
    )

    def __init__(
        self, plan: Plan, values: list[Any], owner: MapRun | None = None, item: int | None = None
    ) -> None:
        self.plan = plan
        self.values = values
        self.owner = owner
        self.item = item
        self.stopped = False
        """Whether nothing more of it is to begin."""
        self.missing = plan.missing.copy()
        """For the schedule: of how many nodes each still waits for the end."""
        self.active = len(plan.first)
        """For the schedule: how many nodes run, wait for a worker, or for their retry."""
        self.starts: list[float | None] = [None] * len(plan.nodes)
        self.ends: list[float | None] = [None] * len(plan.nodes)
        self.attempts: dict[int, int] = {}  # only of nodes that failed once
        self.errors: dict[int, BaseException] = {}
        self.skipped: set[int] | None = None  # that have been, if any
        self.known: Any = None  # what the cache knows of it
        self._again: dict[int, float] = {}  # when the latest attempt after the first began
        self._retries: Retries | None = None

    def is_stopped(self) -> bool:
        """Whether nothing more is to begin of it, or of what it is a part of."""
        return self.stopped or (self.owner is not None and self.owner.is_stopped())

    @property
    def key(self) -> ItemKey:
        """The item's index; in a map inside a map, the outer ones stand before it."""
        indices: list[int] = []
        frame = self
        while frame.owner is not None:
            indices.append(frame.item or 0)
            frame = frame.owner.frame
        return indices[0] if len(indices) == 1 else tuple(reversed(indices))

    def begin(self, index: int) -> None:
        """An attempt of a node begins."""
        if index in self.attempts:
            self.attempts[index] += 1
            self._again[index] = clock()
        else:
            self.starts[index] = clock()

    def withdraw(self, index: int) -> None:
        """An attempt that was announced has not begun after all."""
        if index in self.attempts:
            self.attempts[index] -= 1
        else:
            self.starts[index] = None

    def end(self, index: int, now: float, seconds: float | None = None) -> None:
        """An attempt has ended; it took so long, if that was measured elsewhere."""
        self.ends[index] = now
        if seconds is not None:
            if index in self._again:
                self._again[index] = now - seconds
            else:
                self.starts[index] = now - seconds

    def skip(self, index: int) -> None:
        """A node is skipped: whoever takes its result gets ``None``."""
        if self.skipped is None:
            self.skipped = set()
        self.skipped.add(index)

    def took(self, index: int) -> float:
        """Seconds of a node's latest attempt."""
        began = self._again.get(index, self.starts[index])
        ended = self.ends[index]
        return 0.0 if began is None or ended is None else ended - began

    def retry_after(self, index: int, config: RetryConfig, error: BaseException) -> float | None:
        """Seconds to wait before a node's next attempt, or ``None`` if there is to be none."""
        if self._retries is None:
            self._retries = Retries()
        return self._retries.delay(index, config, error)

    def skip_to(self, index: int) -> None:
        """Note that all nodes before this one, on a straight way, have ended."""
        for before in range(index):
            for successor in self.plan.successors[before]:
                self.missing[successor] -= 1


class _Sized(Iterator[Any], Protocol):
    def __length_hint__(self) -> int: ...


class MapRun:
    """A map whose items are known, until all of them have ended.

    An item costs a place in a list until it is claimed, and a :class:`Frame` until it has
    ended. To claim one needs no lock: an iterator over a list is safe between threads.

    Args:
        frame: Where the map stands.
        index: Its position there.
        items: The items.
        arguments: What every item gets, by name.
    """

    def __init__(
        self, frame: Frame, index: int, items: Items, arguments: Mapping[str, Any]
    ) -> None:
        node = frame.plan.nodes[index]
        assert isinstance(node, Map)
        self.node = node
        self.frame = frame
        self.index = index
        self.plan = frame.plan.bodies[index]
        self.total = len(items)
        self.results: list[Any] = [NOTHING] * self.total
        self.failures: dict[int, Failure] = {}
        self.stopped = False
        """Whether more items have failed than may, so that none is to begin."""
        self._source: _Sized = iter(items)  # type: ignore[assignment]  # all three have a hint
        self._numbered = enumerate(self._source)
        self._values = self.plan.values(arguments, NOTHING)
        self._limit = node.options.concurrency_limit or sys.maxsize
        self.known: Any = None  # what the cache knows of it
        # For the schedule:
        self.in_flight = 0
        self.is_listed = False
        self.is_closing = False

    def is_stopped(self) -> bool:
        """Whether no item of it is to begin."""
        return self.stopped or self.frame.is_stopped()

    @property
    def remaining(self) -> int:
        """How many items nobody has begun."""
        return self._source.__length_hint__()

    @property
    def room(self) -> int:
        """How many items may begin now."""
        return min(self.remaining, self._limit - self.in_flight)

    def batch(self, workers: int) -> int:
        """How many items to begin together, so that no worker goes without."""
        share = min(self.remaining, self._limit) // workers
        return max(1, min(self.node.options.batch_size, self.room, share))

    @property
    def is_complete(self) -> bool:
        """Whether every item has a result or has failed."""
        return sum(one is NOTHING for one in self.results) == len(self.failures)

    @property
    def first_failure(self) -> Failure:
        """Why the first item that failed did so."""
        return next(iter(self.failures.values()))

    def claim(self) -> Frame | None:
        """An evaluation for the next item, or ``None`` if there is none."""
        claimed = next(self._numbered, None)
        if claimed is None:
            return None
        number, item = claimed
        values = self._values.copy()
        values[self.plan.item] = item
        return Frame(self.plan, values, self, number)

    def take(self, frame: Frame) -> None:
        """An item has ended: its result is there, unless it failed."""
        assert frame.item is not None
        self.results[frame.item] = frame.values[self.plan.last]

    def fails_with(self, failed: int) -> bool:
        """Whether it is too many when so many items have failed."""
        share = self.node.options.tolerated_failure_percentage
        count = self.node.options.tolerated_failure_count
        if share is None and count is None:
            return failed > 0
        over_share = share is not None and failed * 100 > share * self.total
        return over_share or (count is not None and failed > count)


Failure = LokkiError | MapRun
"""Why a node has failed: what the user is told, or the map inside that says more."""
