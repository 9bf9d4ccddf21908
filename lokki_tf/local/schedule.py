"""Who is ready: nodes are numbers here, their positions in the graph."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from lokki_tf.model import Node

LONGEST_WAIT = 3600.0  # seconds; whoever waits looks again then


class Schedule:
    """Counts, for each node, the predecessors that have not ended.

    It knows nothing of how a node runs, and it is not guarded: whoever drives a run calls
    it from one thread at a time.

    Args:
        nodes: Each stands after all that it depends on.
    """

    __slots__ = ("_missing", "_successors")

    def __init__(self, nodes: Sequence[Node]) -> None:
        position = {node.name: index for index, node in enumerate(nodes)}
        self._successors: list[list[int]] = [[] for _ in nodes]
        self._missing: list[int] = []
        for index, node in enumerate(nodes):
            before = node.predecessors
            self._missing.append(len(before))
            for name in before:
                self._successors[position[name]].append(index)

    def first(self) -> list[int]:
        """The nodes that wait for no other."""
        return [index for index, missing in enumerate(self._missing) if not missing]

    def ended(self, index: int) -> list[int]:
        """Note that a node has ended; returns those that are ready because of it."""
        missing, ready = self._missing, []
        for successor in self._successors[index]:
            missing[successor] -= 1
            if not missing[successor]:
                ready.append(successor)
        return ready


class Timers:
    """Nodes that become ready at a certain time, the earliest first."""

    __slots__ = ("_heap",)

    def __init__(self) -> None:
        self._heap: list[tuple[float, int]] = []

    def __bool__(self) -> bool:
        return bool(self._heap)

    def add(self, due: float, index: int) -> None:
        """Let a node be ready at a time of the clock that :meth:`due` is asked with."""
        heapq.heappush(self._heap, (due, index))

    def earliest(self) -> float | None:
        """When the next node is due."""
        return self._heap[0][0] if self._heap else None

    def wait(self, now: float) -> float | None:
        """Seconds until the next node is due, or ``None`` if there is none."""
        if not self._heap:
            return None
        return min(max(self._heap[0][0] - now, 0.0), LONGEST_WAIT)

    def due(self, now: float) -> list[int]:
        """Take out the nodes whose time has come."""
        ready = []
        while self._heap and self._heap[0][0] <= now:
            ready.append(heapq.heappop(self._heap)[1])
        return ready

    def clear(self) -> None:
        """Forget all of them."""
        self._heap.clear()
