"""Progress as lines of text, and the choice between lines and a live display."""

from __future__ import annotations

import os
import sys
from typing import IO, TYPE_CHECKING, Any

from .levels import LogLevel, level_of
from .maps import MapCounts, Pace
from .words import format_event, format_progress

if TYPE_CHECKING:
    from lokki_tf.local import Event
    from lokki_tf.model import Graph

    from .display import ProgressDisplay
    from .words import FormattedEvent


class ProgressLines:
    """A listener that writes lines for ended, failed, retried and skipped steps.

    It also writes the progress of maps at intervals. Like the display, it is a context manager.

    Args:
        stream: Where to write; ``sys.stderr`` by default.
        graph: The graph that runs; required for the progress of maps.
        level: The lowest level that is shown.
        progress_interval: Seconds between two lines about the same map.
    """

    def __init__(
        self,
        stream: IO[str] | None = None,
        *,
        graph: Graph | None = None,
        level: LogLevel | int | str = LogLevel.INFO,
        progress_interval: float = 10.0,
    ) -> None:
        self._stream = stream or sys.stderr
        self._level = level_of(level)
        self._counts = MapCounts(graph)
        self._pace = Pace(progress_interval)

    def __call__(self, event: Event) -> None:
        """Write a line for an event.

        Args:
            event: The event.
        """
        progress = self._counts.note(event)
        self._write(format_event(event))
        if progress is not None and self._pace.is_due(event, progress):
            self._write(format_progress(event, progress))

    def _write(self, formatted: FormattedEvent | None) -> None:
        if formatted and formatted.brief and formatted.level >= self._level:
            # One write per line, so that output of steps does not come in between.
            self._stream.write(f"{formatted.brief}\n")
            self._stream.flush()

    def __enter__(self) -> ProgressLines:
        return self

    def __exit__(self, *_: Any) -> None: ...


def listener_for(
    graph: Graph | None = None,
    *,
    stream: IO[str] | None = None,
    level: LogLevel | int | str = LogLevel.INFO,
    progress_interval: float = 10.0,
    live: bool = True,
    total: int | None = None,
) -> ProgressDisplay | ProgressLines:
    """Return a listener for one run: a live display on a terminal, else lines of text.

    Pass it as ``on_event=``. Used in a ``with`` statement, it also removes the display if the run
    does not end normally.

    Args:
        graph: The graph that runs; required for the progress of the run and its maps.
        stream: Where to write; ``sys.stderr`` by default.
        level: The lowest level that is shown.
        progress_interval: Seconds between two lines about the same map.
        live: Whether a display is allowed. Pass ``False`` for steps in processes, whose output
            would be written into the display.
        total: Number of nodes that will run; by default all of the graph.
    """
    stream = stream or sys.stderr
    if live and is_terminal(stream):
        from .display import ProgressDisplay

        if total is None and graph is not None:
            total = len(graph.nodes)
        return ProgressDisplay(total, stream=stream, graph=graph, level=level)
    return ProgressLines(stream, graph=graph, level=level, progress_interval=progress_interval)


def is_terminal(stream: IO[str]) -> bool:
    """Return whether a stream is a terminal that can show a live display.

    Args:
        stream: The stream.
    """
    return stream.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")
