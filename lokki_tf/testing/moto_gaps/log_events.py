"""Log events in little memory: moto has an object for each, and a function writes three a call."""

from __future__ import annotations

import marshal
import zlib
from collections.abc import Iterable, Iterator
from itertools import count
from threading import Lock
from typing import Any, Self

from moto.logs.models import LogEvent, LogStream

_BLOCK = 300
"""The number of events that are compressed together."""
_ids = count()
_FIELDS = ("event_id", "ingestion_time", "timestamp", "message")


class LogEvents:
    """The events of a log stream; takes the place of moto's list."""

    def __init__(self) -> None:
        self._blocks: list[bytes] = []
        self._latest: list[tuple[Any, ...]] = []
        self._lock = Lock()

    def __iadd__(self, events: Iterable[LogEvent]) -> Self:
        self.add((event.ingestion_time, event.timestamp, event.message) for event in events)
        return self

    def add(self, rows: Iterable[tuple[int, float, str]]) -> None:
        """Add events.

        Args:
            rows: The time of ingestion, the time and the message of each.
        """
        with self._lock:
            self._latest += [(next(_ids), *row) for row in rows]
            if len(self._latest) >= _BLOCK:
                self._blocks.append(zlib.compress(marshal.dumps(self._latest), 1))
                self._latest = []

    def __bool__(self) -> bool:
        return bool(self._blocks or self._latest)

    def __iter__(self) -> Iterator[LogEvent]:
        with self._lock:
            blocks, latest = list(self._blocks), list(self._latest)
        for block in blocks:
            yield from map(_event, marshal.loads(zlib.decompress(block)))
        yield from map(_event, latest)

    def __getstate__(self) -> dict[str, Any]:
        with self._lock:
            return {"_blocks": list(self._blocks), "_latest": list(self._latest)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _lock=Lock())


def compress_log_events() -> None:
    """Replace the list of events in moto's log streams."""
    made = LogStream.__init__

    def make(self: Any, *arguments: Any, **more: Any) -> None:
        made(self, *arguments, **more)
        self.events = LogEvents()

    setattr(LogStream, "__init__", make)  # noqa: B010


def _event(values: tuple[Any, ...]) -> LogEvent:
    event: LogEvent = object.__new__(LogEvent)
    vars(event).update(zip(_FIELDS, values, strict=True))
    return event
