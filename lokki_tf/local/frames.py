"""State of what is in progress: an evaluation of a graph, and a map with its items."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from time import perf_counter
from typing import Any, Protocol

from lokki_tf.datasets.spool import Spool as Dataset
from lokki_tf.errors import LokkiError
from lokki_tf.model import Map, Node

from .copies import Kept, guarded, plain
from .feeds import MOST_AHEAD, Feed
from .plan import RunPlan
from .result import NOTHING, ItemKey
from .retry import Retries
from .spool import Spool

clock = perf_counter

Items = list[Any] | tuple[Any, ...] | range | Dataset


MOST_AT_ONCE = 64 * 2**20
"""Bytes of items in progress, and of their results, if these are read one after another."""
LEAST_AT_ONCE = 8
"""The number of items that may be in progress, of any size."""


class Frame:
    """An evaluation of a graph: of a whole pipeline, or of a map's body for one item.

    Each node is written by one thread at a time, and has its own elements of the lists. So only
    what :class:`~.schedule.Schedule` uses needs a lock.

    Args:
        plan: The plan of the graph.
        values: The values, in the order of :class:`RunPlan`.
        owner: The map, for an item.
        item: The item's index.
    """

    __slots__ = (
        "_again",
        "_retries",
        "active",
        "attempts",
        "caught",
        "ends",
        "errors",
        "item",
        "kept",
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
        self, plan: RunPlan, values: list[Any], owner: MapRun | None = None, item: int | None = None
    ) -> None:
        self.plan = plan
        self.values = values
        self.owner = owner
        self.item = item
        given = values[len(plan.nodes) :] if owner is None else ()
        self.kept = any(type(one) is Kept for one in given) if owner is None else owner.kept
        """Whether there are values of which each step has a copy."""
        self.stopped = False
        """Whether no more of its nodes may begin."""
        self.missing = plan.missing.copy()
        """For the schedule: the number of predecessors that each node still waits for."""
        self.active = len(plan.first)
        """For the schedule: the number of nodes that run, wait for a worker, or for their retry."""
        self.starts: list[float | None] = [None] * len(plan.nodes)
        self.ends: list[float | None] = [None] * len(plan.nodes)
        self.attempts: dict[int, int] = {}  # only nodes that failed once
        self.errors: dict[int, BaseException] = {}
        self.skipped: set[int] | None = None  # indices of skipped nodes, if any
        self.caught: set[int] | None = None  # indices of nodes that have failed, if any is caught
        self.known: Any = None  # used by the cache
        self._again: dict[int, float] = {}  # start of the latest attempt after the first
        self._retries: Retries | None = None

    def is_stopped(self) -> bool:
        """Whether no more of its nodes may begin, because it or an enclosing frame has stopped."""
        return self.stopped or (self.owner is not None and self.owner.is_stopped())

    @property
    def key(self) -> ItemKey:
        """The item's index; in a map inside a map, a tuple that begins with the outer indices."""
        indices: list[int] = []
        frame = self
        while frame.owner is not None:
            indices.append(frame.item or 0)
            frame = frame.owner.frame
        return indices[0] if len(indices) == 1 else tuple(reversed(indices))

    def begin(self, index: int) -> None:
        """Record that an attempt of a node begins."""
        if index in self.attempts:
            self.attempts[index] += 1
            self._again[index] = clock()
        else:
            self.starts[index] = clock()

    def withdraw(self, index: int) -> None:
        """Record that an announced attempt has not begun."""
        if index in self.attempts:
            self.attempts[index] -= 1
        else:
            self.starts[index] = None

    def end(self, index: int, now: float, seconds: float | None = None) -> None:
        """Record that an attempt has ended, with its duration if that was measured elsewhere."""
        self.ends[index] = now
        if seconds is not None:
            if index in self._again:
                self._again[index] = now - seconds
            else:
                self.starts[index] = now - seconds

    def skip(self, index: int) -> None:
        """Skip a node, whose result is ``None`` for its consumers."""
        if self.skipped is None:
            self.skipped = set()
        self.skipped.add(index)

    def took(self, index: int) -> float:
        """Return the duration of a node's latest attempt in seconds."""
        ended = self.ends[index]
        return 0.0 if ended is None else self.elapsed(index, ended)

    def elapsed(self, index: int, now: float) -> float:
        """Seconds from the beginning of a node's latest attempt until a time of the clock."""
        began = self._again.get(index, self.starts[index])
        return 0.0 if began is None else now - began

    def timely(self, index: int, error: BaseException) -> BaseException:
        """Return the error of an attempt: ``TimeoutError`` if the step has polled long enough."""
        node, began = self.plan.nodes[index], self.starts[index]
        if not isinstance(node, Node) or began is None:
            return error
        return self._tried.timely(index, node.retry, error, clock() - began)

    @property
    def _tried(self) -> Retries:
        if self._retries is None:
            self._retries = Retries(self.plan.settings.wait_scale)
        return self._retries

    def retry_after(
        self,
        index: int,
        node: Node,
        error: BaseException,
        *,
        died: bool = False,
    ) -> float | None:
        """Return the seconds before a node's next attempt, or ``None`` if there is none."""
        return self._tried.delay(index, node.retry, error, node.listed, died=died)

    def take_over(self, other: Frame, index: int) -> None:
        """Take the outcome of a node from another frame of the same plan.

        Args:
            other: The frame in which it has run.
            index: The node's index.
        """
        self.starts[index], self.ends[index] = other.starts[index], other.ends[index]
        self.attempts |= {one: other.attempts[one] for one in other.attempts if one == index}
        self.errors |= {one: other.errors[one] for one in other.errors if one == index}

    def skip_to(self, index: int) -> None:
        """Record that all nodes before this one, in a chain of nodes, have ended."""
        for before in range(index):
            for successor in self.plan.successors[before]:
                self.missing[successor] -= 1


class _Sized(Iterator[Any], Protocol):
    def __length_hint__(self) -> int: ...


class MapRun:
    """A map, until all of its items have ended.

    An item takes an element of a list until it is claimed, and a :class:`Frame` until it has ended.
    Claiming one needs no lock: an iterator over a list is thread-safe.

    Args:
        frame: The frame of the map.
        index: The map's index in it.
        items: The items, or what makes them while others run.
        arguments: Arguments of every item, by name.
    """

    def __init__(
        self, frame: Frame, index: int, items: Items | Feed, arguments: Mapping[str, Any]
    ) -> None:
        node = frame.plan.nodes[index]
        assert isinstance(node, Map)
        self.node = node
        self.frame = frame
        self.index = index
        self.plan = frame.plan.bodies[index]
        self.results: list[Any] | Spool = []
        self.failures: dict[int, Failure] = {}
        self.stopped = False
        """Whether more items have failed than allowed, so that no more may begin."""
        self.feed: Feed | None = None
        """What makes the items, unless all exist."""
        self._total = 0
        self._source: _Sized
        self._numbered: Iterator[tuple[int, Any]]
        self.take_items(items)
        self._values = self.plan.values(arguments, NOTHING)
        kept = [one for one in self._values if type(one) is Kept]
        for one in kept:
            one.prepare()
        self.kept = bool(kept)
        """Whether items share values of which each step has a copy."""
        self._limit = _limit_of(node, frame) or sys.maxsize
        self.known: Any = None  # used by the cache
        # For the schedule:
        self.in_flight = 0
        self.is_listed = False
        self.is_closing = False

    def take_items(self, items: Items | Feed) -> None:
        """Begin with the items, or start again with others.

        Args:
            items: As for the class.
        """
        self.feed = items if isinstance(items, Feed) else None
        self._total = 0 if isinstance(items, Feed) else len(items)
        spooled = self.index in self.frame.plan.spooled
        self.results = Spool() if spooled else [NOTHING] * self._total
        self.failures.clear()
        self.stopped = False
        self._source = iter(items)  # type: ignore[assignment]  # all have a hint
        # Those of a dataset and of a generator are numbered, as threads share an iterator that is
        # not in C.
        is_numbered = isinstance(items, Dataset | Feed)
        self._numbered = self._source if is_numbered else enumerate(self._source)

    def is_stopped(self) -> bool:
        """Whether no more of its items may begin."""
        return self.stopped or self.frame.is_stopped()

    @property
    def total(self) -> int:
        """The number of items; while a generator makes them, of those that exist."""
        return self._total if self.feed is None else self.feed.taken

    @property
    def is_busy(self) -> bool:
        """Whether items are in progress, or are being made."""
        return bool(self.in_flight) or (self.feed is not None and self.feed.is_pulled)

    @property
    def is_feeding(self) -> bool:
        """Whether a worker is to make items."""
        return self.feed is not None and self.feed.is_wanted

    @property
    def has_more(self) -> bool:
        """Whether there are items that have not been claimed, or they are to be made."""
        return bool(self.remaining) or self.is_feeding

    @property
    def remaining(self) -> int:
        """The number of items that have not been claimed."""
        return self._source.__length_hint__()

    @property
    def room(self) -> int:
        """The number of items that may begin now, or be made."""
        limit = self._limit
        if isinstance(self.results, Spool) and self.results.count:
            size = self.results.bytes // self.results.count
            if self.feed is not None and self.feed.taken:
                size += self.feed.kept.bytes // self.feed.taken
            limit = min(limit, max(LEAST_AT_ONCE, MOST_AT_ONCE // (size + 1)))
        return min(self.remaining + self.is_feeding, limit - self.in_flight)

    def batch(self, workers: int) -> int:
        """Return how many items to begin together, so that no worker is idle."""
        share = min(self.remaining, self._limit) // workers
        return max(1, min(self.node.options.batch_size, self.room, share))

    @property
    def is_complete(self) -> bool:
        """Whether every item has a result or has failed."""
        if isinstance(self.results, Spool):
            return self.total - self.results.count == len(self.failures)
        results = self.results[: self.total]
        return sum(one is NOTHING for one in results) == len(self.failures)

    @property
    def first_failure(self) -> Failure:
        """Return the failure of the first item that failed."""
        return next(iter(self.failures.values()))

    def claim(self) -> Frame | None:
        """Return a frame for the next item, or ``None`` if there is none."""
        claimed = next(self._numbered, None)
        if claimed is None:
            return None
        number, item = claimed
        if self.feed is not None and type(self.results) is list:
            self._make_room(number, self.results)
        values = self._values.copy()
        frame = Frame(self.plan, values, self, number)
        if self.plan.guards_item:
            item = guarded(item)
            frame.kept = frame.kept or type(item) is Kept
        values[self.plan.item] = item
        return frame

    def _make_room(self, number: int, results: list[Any]) -> None:
        """Extend the results, whose number is unknown; by an operation that threads share."""
        if len(results) <= number:
            results.extend([NOTHING] * (self.total - len(results) + MOST_AHEAD))

    @property
    def changed(self) -> list[str]:
        """The arguments that items share, and that one of them has changed."""
        names = [name for name, _ in self.node.arguments]
        stored = [(name, self._values[self.plan.parameter(name)]) for name in names]
        return [name for name, one in stored if type(one) is Kept and one.is_changed]

    def take(self, frame: Frame) -> None:
        """Store the result of an item that has ended, unless it failed."""
        assert frame.item is not None
        result = plain(frame.values[self.plan.last])
        if result is not NOTHING:
            self.results[frame.item] = result

    def fails_with(self, failed: int) -> bool:
        """Return whether this number of failed items is too large."""
        share = self.node.options.tolerated_failure_percentage
        count = self.node.options.tolerated_failure_count
        if share is None and count is None:
            return failed > 0
        known = self.feed is None or self.feed.is_over  # a share of how many
        over_share = share is not None and known and failed * 100 > share * self.total
        return over_share or (count is not None and failed > count)


def _limit_of(node: Map, frame: Frame) -> int | None:
    """Return the largest number of items at once; ``None`` or 0 for no limit."""
    if node.limit is None:
        return node.options.concurrency_limit
    limit: int = frame.plan.thawed(frame.values[frame.plan.parameter(node.limit.name)])
    return limit


Failure = LokkiError | MapRun
"""Why a node has failed: the error for the user, or the map inside which it happened."""
