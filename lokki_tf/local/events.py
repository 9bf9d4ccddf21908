"""What happens in a run, told as it happens: one stream for logs, progress and pictures."""

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
    "step_retried",
    "step_skipped",
    "step_cached",
    "map_started",
    "map_finished",
    "run_finished",
]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a run.

    Args:
        kind: What happened. ``step_retried`` stands in place of ``step_failed`` where
            another attempt follows, whose ``step_started`` comes after the wait. With an
            executor of the user's, a step counts as started when it is handed over.
            A map starts when its items are known, and finishes when all of them have.
            ``step_skipped`` comes in place of ``step_finished`` where a condition was false;
            ``step_cached`` stands alone, for a result of an earlier run.
        node: The node's name, or ``None`` for the run itself.
        step: The step's name, or ``None`` for the run itself.
        time: When, as ``time.time()`` counts.
        duration: Seconds that the attempt, or the run, took; ``None`` where it begins.
        attempt: Which attempt of the node this is, from 1.
        error: What was raised.
        pipeline: The pipeline's name.
        item: Inside a map, the index of the item.
        total: Of a map, how many items there are; 0 if it failed before it had any.
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
    """Hands events on one at a time, in order, from whichever thread they come.

    Args:
        on_event: Takes each event.
    """

    __slots__ = ("_lock", "_on_event")

    def __init__(self, on_event: Callable[[Event], None]) -> None:
        self._lock = threading.Lock()
        self._on_event: Callable[[Event], None] | None = on_event

    def tell(self, event: Event, *, last: bool = False) -> None:
        """Hand an event on.

        An error of the listener costs it the rest of the stream and nobody the run.

        Args:
            event: What happened.
            last: Whether to pass over all that comes after. Then a listener that is
                stuck in another thread is waited for a second and no longer.
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
                f"on_event raised {type(error).__name__}: {error}; it hears nothing more, "
                "the run goes on",
                RuntimeWarning,
                stacklevel=3,
            )
