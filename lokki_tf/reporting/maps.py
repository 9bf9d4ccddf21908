"""Progress of maps, counted from the events of their items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lokki_tf.model import Map

if TYPE_CHECKING:
    from lokki_tf.local import Event
    from lokki_tf.model import Graph

_ENDS = frozenset({"step_finished", "step_skipped", "step_cached", "map_finished", "wait_finished"})


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of a map.

    Args:
        node: Name of the map.
        done: Number of items that have ended, failed ones included.
        total: Number of items.
        since: Start of the map, in seconds as ``time.time()`` counts.
    """

    node: str
    done: int
    total: int
    since: float


class MapCounts:
    """Counts the items of a pipeline's maps. A map inside a map counts as part of an item.

    Args:
        graph: The pipeline's graph; without it nothing is counted.
    """

    def __init__(self, graph: Graph | None) -> None:
        maps = [node for node in graph.nodes if isinstance(node, Map)] if graph else []
        self._map_of = {inner.name: one.name for one in maps for inner in one.body.nodes}
        self._last = {name for one in maps for name in one.body.terminals}
        self._progress: dict[str, Progress] = {}
        self._failed: dict[str, set[int]] = {}

    def note(self, event: Event) -> Progress | None:
        """Return the progress of the map that an event has advanced, if any.

        Args:
            event: The event.
        """
        if event.kind == "map_started" and event.item is None and event.node is not None:
            began = Progress(event.node, 0, event.total or 0, event.time)
            self._progress[event.node], self._failed[event.node] = began, set()
            return began
        name = self._map_of.get(event.node or "", "")
        so_far = self._progress.get(name)
        if so_far is None or event.item is None or not self._ends_item(event, name):
            return None
        further = Progress(name, so_far.done + 1, so_far.total, so_far.since)
        self._progress[name] = further
        return further

    def _ends_item(self, event: Event, name: str) -> bool:
        """Return whether an item has ended: its last node did, or the first of its nodes failed."""
        if event.kind == "step_caught":
            return event.node in self._last
        if event.kind == "step_failed" or (event.kind in _ENDS and event.error is not None):
            before = len(self._failed[name])
            self._failed[name].add(event.item or 0)
            return len(self._failed[name]) > before
        return event.kind in _ENDS and event.node in self._last


class Pace:
    """Selects the progress reports to show: one per interval, none at the start or end of a map.

    Args:
        interval: Seconds, by the times of the events.
    """

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._last: dict[str, float] = {}

    def is_due(self, event: Event, progress: Progress) -> bool:
        """Return whether a map's progress is to be shown now.

        Args:
            event: The event that advanced the map.
            progress: The map's progress.
        """
        last = self._last.get(progress.node, progress.since)
        if not 0 < progress.done < progress.total or event.time - last < self._interval:
            return False
        self._last[progress.node] = event.time
        return True
