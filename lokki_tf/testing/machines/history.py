"""The events of an execution, as ``GetExecutionHistory`` returns them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from threading import Lock

from lokki_tf.testing.machines.values import Json


class History:
    """Events in the order in which they happened, from all branches."""

    def __init__(self) -> None:
        self._events: list[dict[str, Json]] = []
        self._lock = Lock()

    def add(self, kind: str, previous: int, details: Mapping[str, Json]) -> int:
        """Append an event.

        Args:
            kind: its type, such as ``TaskStateEntered``.
            previous: the id of the event that led to it.
            details: what belongs to it.

        Returns:
            Its id.
        """
        event: dict[str, Json] = {
            "timestamp": datetime.now(UTC),
            "type": kind,
            "previousEventId": previous,
        }
        if details:
            event[_details_field(kind)] = dict(details)
        with self._lock:
            event["id"] = len(self._events) + 1
            self._events.append(event)
        return int(event["id"])

    @property
    def events(self) -> list[dict[str, Json]]:
        """All events so far."""
        with self._lock:
            return list(self._events)


def _details_field(kind: str) -> str:
    if kind.endswith("StateEntered"):
        return "stateEnteredEventDetails"
    if kind.endswith("StateExited"):
        return "stateExitedEventDetails"
    return f"{kind[0].lower()}{kind[1:]}EventDetails"
