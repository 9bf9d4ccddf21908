"""The events of an execution, as ``GetExecutionHistory`` returns them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from threading import Lock

from lokki_tf.testing.machines.failures import RUNTIME, StateFailure
from lokki_tf.testing.machines.limits import HISTORY_EVENTS
from lokki_tf.testing.machines.values import Json

FULL = f"The execution reached the maximum number of history events ({HISTORY_EVENTS})."


class History:
    """Events in the order in which they happened, from all branches.

    Step Functions ends an execution that would need more than 25,000: the last one is
    ``ExecutionSucceeded``, or else ``ExecutionFailed`` (Developer Guide, "Avoid reaching the
    history quota").
    """

    def __init__(self) -> None:
        self._events: list[dict[str, Json]] = []
        self._lock = Lock()

    def add(
        self, kind: str, previous: int, details: Mapping[str, Json], *, is_last: bool = False
    ) -> int:
        """Append an event.

        Args:
            kind: its type, such as ``TaskStateEntered``.
            previous: the id of the event that led to it.
            details: what belongs to it.
            is_last: whether it says how the execution has ended.

        Returns:
            Its id.

        Raises:
            StateFailure: if only the last event has room.
        """
        event: dict[str, Json] = {
            "timestamp": datetime.now(UTC),
            "type": kind,
            "previousEventId": previous,
        }
        if details:
            event[_details_field(kind)] = dict(details)
        with self._lock:
            if self._is_full and not is_last:
                raise StateFailure(RUNTIME, FULL)
            event["id"] = len(self._events) + 1
            self._events.append(event)
        return int(event["id"])

    @property
    def is_full(self) -> bool:
        """Whether only the last event has room."""
        with self._lock:
            return self._is_full

    @property
    def _is_full(self) -> bool:
        return len(self._events) >= HISTORY_EVENTS - 1

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
