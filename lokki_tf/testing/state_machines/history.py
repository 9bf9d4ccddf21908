"""The event history of an execution, in the format of ``GetExecutionHistory``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from threading import Lock

from lokki_tf.testing.state_machines.failures import RUNTIME, StateFailure
from lokki_tf.testing.state_machines.limits import HISTORY_EVENTS
from lokki_tf.testing.state_machines.values import Json

DETAILS = {"truncated": False}
"""The field that accompanies each input and output in the history."""

_WITH_DETAILS = ("ExecutionFailed", "ExecutionAborted", "ExecutionTimedOut")
"""The events that have details even if these are empty."""

FULL = f"The execution reached the maximum number of history events ({HISTORY_EVENTS})."


class History:
    """The events of all branches, in the order in which they happened.

    Step Functions fails an execution that needs more than 25,000 events. The last of these is
    reserved for ``ExecutionSucceeded`` or ``ExecutionFailed`` (Developer Guide, "Avoid reaching
    the history quota"). Express executions have no such limit.

    Args:
        events: The events that have happened already.
        is_limited: Whether the number of events is limited.
    """

    def __init__(self, events: Iterable[dict[str, Json]] = (), *, is_limited: bool = True) -> None:
        self._is_limited = is_limited
        self._events = list(events)
        self._lock = Lock()

    def __getstate__(self) -> dict[str, object]:
        """Return what is kept with the state of the account."""
        return {"_is_limited": self._is_limited, "_events": self.events}

    def __setstate__(self, state: dict[str, object]) -> None:
        """Restore what was kept."""
        vars(self).update(state, _lock=Lock())

    def add(
        self, kind: str, previous: int, details: Mapping[str, Json], *, is_last: bool = False
    ) -> int:
        """Append an event.

        Args:
            kind: The event's type, such as ``TaskStateEntered``.
            previous: The id of the event that led to this one.
            details: The fields of the event's details.
            is_last: Whether the event records the end of the execution.

        Returns:
            The event's id.

        Raises:
            StateFailure: If there is space for the last event only.
        """
        event: dict[str, Json] = {
            "timestamp": datetime.now(UTC),
            "type": kind,
            "previousEventId": previous,
        }
        if details or kind in _WITH_DETAILS:
            event[_details_field(kind)] = dict(details)
        with self._lock:
            if self._is_full and not is_last:
                raise StateFailure(RUNTIME, FULL)
            event["id"] = len(self._events) + 1
            self._events.append(event)
        return int(event["id"])

    @property
    def is_full(self) -> bool:
        """Whether there is space for the last event only."""
        with self._lock:
            return self._is_full

    @property
    def _is_full(self) -> bool:
        return self._is_limited and len(self._events) >= HISTORY_EVENTS - 1

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
