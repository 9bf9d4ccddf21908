"""The event history of an execution, in the format of ``GetExecutionHistory``."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from threading import Lock
from time import time
from typing import TypeAlias

from lokki_tf.testing.state_machines.failures import RUNTIME, StateFailure
from lokki_tf.testing.state_machines.limits import HISTORY_EVENTS
from lokki_tf.testing.state_machines.values import Json

DETAILS = {"truncated": False}
"""The field that accompanies each input and output in the history."""

_WITH_DETAILS = ("ExecutionFailed", "ExecutionAborted", "ExecutionTimedOut")
"""The events that have details even if these are empty."""

_Stored: TypeAlias = tuple[float, str, int, Mapping[str, Json]]
"""An event as it is kept: its time in seconds since 1970, its type, the id of the event that led
to it, and its details. Its id is its position, from 1."""

FULL = f"The execution reached the maximum number of history events ({HISTORY_EVENTS})."


class History:
    """The events of all branches, in the order in which they happened.

    Step Functions fails an execution that needs more than 25,000 events. The last of these is
    reserved for ``ExecutionSucceeded`` or ``ExecutionFailed`` (Developer Guide, "Avoid reaching
    the history quota"). Express executions have no such limit.

    Args:
        packed: The events that have happened already, as ``packed`` returns them. They are
            unpacked when they are first needed.
        is_limited: Whether the number of events is limited.
    """

    def __init__(self, packed: bytes = b"", *, is_limited: bool = True) -> None:
        self._is_limited = is_limited
        self._packed = packed
        self._unpacked: list[_Stored] = []
        self._lock = Lock()

    def __getstate__(self) -> dict[str, object]:
        """Return what is kept with the state of the account."""
        return {"_is_limited": self._is_limited, "_packed": self.packed, "_unpacked": []}

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
            details: The fields of the event's details, which must not be changed later.
            is_last: Whether the event records the end of the execution.

        Returns:
            The event's id.

        Raises:
            StateFailure: If there is space for the last event only.
        """
        with self._lock:
            if self._is_full and not is_last:
                raise StateFailure(RUNTIME, FULL)
            self._events.append((time(), kind, previous, details))
            return len(self._events)

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
            stored = list(self._events)
        return [_event(number, *one) for number, one in enumerate(stored, 1)]

    @property
    def packed(self) -> bytes:
        """All events so far, as they are kept."""
        with self._lock:
            return self._packed or pickle.dumps(self._events, pickle.HIGHEST_PROTOCOL)

    @property
    def _events(self) -> list[_Stored]:
        if self._packed:
            self._unpacked, self._packed = pickle.loads(self._packed), b""
        return self._unpacked


def _event(
    number: int, seconds: float, kind: str, previous: int, details: Mapping[str, Json]
) -> dict[str, Json]:
    event: dict[str, Json] = {
        "timestamp": datetime.fromtimestamp(seconds, UTC),
        "type": kind,
        "previousEventId": previous,
    }
    if details or kind in _WITH_DETAILS:
        event[_details_field(kind)] = dict(details)
    event["id"] = number
    return event


@cache
def _details_field(kind: str) -> str:
    if kind.endswith("StateEntered"):
        return "stateEnteredEventDetails"
    if kind.endswith("StateExited"):
        return "stateExitedEventDetails"
    return f"{kind[0].lower()}{kind[1:]}EventDetails"
