"""Events of a run, as they happen: one stream for logs, progress and pictures."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal as OneOf

EventKind = OneOf[
    "run_started",
    "step_started",
    "step_finished",
    "step_failed",
    "step_caught",
    "step_retried",
    "step_skipped",
    "step_cached",
    "wait_started",
    "wait_finished",
    "map_started",
    "map_finished",
    "run_finished",
]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a run.

    Args:
        kind: The kind of event. ``step_retried`` replaces ``step_failed`` if another attempt
            follows, whose ``step_started`` comes after the wait. With a custom executor, a step
            counts as started when it is submitted. ``step_caught`` replaces ``step_failed`` if the
            error was caught, so that the result is a ``Failure``. A map starts when its items are
            known, and finishes when all of them have. ``step_skipped`` replaces ``step_finished``
            if a condition was false; ``step_cached`` has no ``step_started``, and means a result of
            an earlier run. Waits of a pipeline start and finish as steps do.
        node: Name of the node, or ``None`` for the run itself.
        step: Name of the step, or ``None`` for the run itself, maps and waits.
        time: Time of the event, as ``time.time()`` counts.
        duration: Seconds that the attempt, or the run, took; ``None`` at its start.
        attempt: Number of the node's attempt, from 1.
        error: The error that was raised; for the wait for a slot, ``AlreadyRunning``.
        pipeline: Name of the pipeline.
        item: Inside a map, the index of the item.
        total: For a map, its number of items; 0 if it failed before they were known.
    """

    kind: EventKind
    node: str | None
    step: str | None
    time: float
    duration: float | None = None
    attempt: int = 1
    error: BaseException | None = None
    pipeline: str = ""
    item: int | None = None
    total: int | None = None


class Listener:
    """Passes events to a listener one at a time, in order, from any thread.

    Args:
        on_event: The listener.
    """

    __slots__ = ("_lock", "_on_event")

    def __init__(self, on_event: Callable[[Event], None]) -> None:
        self._lock = threading.Lock()
        self._on_event: Callable[[Event], None] | None = on_event

    def tell(self, event: Event, *, last: bool = False) -> None:
        """Pass an event to the listener.

        If the listener raises, it receives no more events, and the run continues.

        Args:
            event: The event.
            last: Whether to ignore all later events. A listener that is blocked in another thread
                is then waited for one second at most.
        """
        if not self._lock.acquire(timeout=1.0 if last else -1):
            self._on_event = None
            return
        try:
            on_event = self._on_event
            if last:
                self._on_event = None
            if on_event is not None:
                self._hand_on(on_event, event)
        finally:
            self._lock.release()

    def _hand_on(self, on_event: Callable[[Event], None], event: Event) -> None:
        try:
            on_event(event)
        except Exception as error:
            import warnings

            self._on_event = None
            warnings.warn(
                f"on_event raised {type(error).__name__}: {error}; it receives no "
                "more events, the run continues",
                RuntimeWarning,
                stacklevel=3,
            )
