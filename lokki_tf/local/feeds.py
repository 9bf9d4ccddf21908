"""Items of a generator, which a map takes while the generator makes further ones.

The generator is never far ahead of the workers: it continues when no item is left, for at most
:data:`MOST_AHEAD` items, :data:`MOST_BYTES` or :data:`SLICE` seconds. In AWS it runs to its end
before the map begins. With processes it has one of its own, see :mod:`.feeders`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from .spool import Spool

MOST_AHEAD = 64
"""Items that exist and that no worker has begun."""
MOST_BYTES = 8 * 2**20
"""Bytes of such items, approximately."""
SLICE = 0.001
"""Seconds after which the generator lets a worker begin the items."""


class WorkerDiedError(Exception):
    """A worker process has ended during a call; the cause is the error of its pool."""


class NotSentError(Exception):
    """A value cannot be sent to another process, or from it.

    Args:
        what: The value.
        reason: Why not.
    """

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(what, reason)
        self.what = what
        self.reason = reason


class Feed:
    """The items of a generator for one map.

    Args:
        producer: The index of the node whose result the generator is.
        items: The generator, or another iterator; or what represents it, in another process.
    """

    def __init__(self, producer: int, items: Any) -> None:
        self.producer = producer
        self.items = items
        self.seconds = 0.0
        """How long the generator has run."""
        self.waiting: deque[tuple[int, Any]] = deque()
        """Items that no worker has begun, with their numbers."""
        self.kept = Spool()
        """All items, which are the node's result."""
        self.taken = 0
        """The number of items that exist."""
        self.is_over = False
        """Whether the generator has ended or raised, so that these are all."""
        self.is_pulled = False
        """Whether a worker runs the generator now."""
        self.is_retried = False
        """Whether its next attempt is scheduled."""
        self.again: float | None = None
        """Seconds after which the step runs again, if it has raised and is retried."""

    def __iter__(self) -> Iterator[tuple[int, Any]]:
        return self

    def __next__(self) -> tuple[int, Any]:
        try:
            return self.waiting.popleft()
        except IndexError:
            raise StopIteration from None

    def __length_hint__(self) -> int:
        return len(self.waiting)

    def converted(self, _: Any) -> Feed:
        """Return itself: its items are serialized one by one."""
        return self

    def add(self, item: Any) -> None:
        """Add an item for a worker."""
        self.kept[self.taken] = item
        self.waiting.append((self.taken, item))
        self.taken += 1

    @property
    def is_wanted(self) -> bool:
        """Whether the generator is to continue."""
        return not self.waiting and not self.is_over and not self.is_pulled

    def close(self) -> None:
        """End the generator, whose further items are not needed."""
        self.is_over = True
        self.waiting.clear()
        with suppress(Exception):  # of the user's, in a finally clause; or it has no close()
            self.items.close()
