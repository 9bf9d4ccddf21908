"""Progress as lines of text, for where there is no terminal, and the choice between both."""

from __future__ import annotations

import os
import sys
from typing import IO, TYPE_CHECKING, Any

from .levels import LogLevel, level_of
from .maps import MapCounts, Pace
from .words import tell, tell_progress

if TYPE_CHECKING:
    from lokki_tf.local import Event
    from lokki_tf.model import Graph

    from .display import ProgressDisplay
    from .words import Told


class ProgressLines:
    """A line when a step ends, fails, is tried again or skipped, and of maps now and then.

    It is a listener, and a context manager for likeness with the display.

    Args:
        stream: Where to write; ``sys.stderr`` unless given.
        graph: What runs; from it the lines know how far maps are.
        level: The lowest level that is shown.
        progress_interval: Seconds between two lines about one map.
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
        """Show an event.

        Args:
            event: What happened.
        """
        progress = self._counts.note(event)
        self._write(tell(event))
        if progress is not None and self._pace.is_due(event, progress):
            self._write(tell_progress(event, progress))

    def _write(self, told: Told | None) -> None:
        if told and told.brief and told.level >= self._level:
            # One write a line, so that what steps print does not come between.
            self._stream.write(f"{told.brief}\n")
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
) -> ProgressDisplay | ProgressLines:
    """A listener for one run: a live display on a terminal, else lines of text.

    It serves as ``on_event=``; to be sure that the display is taken down, whatever
    happens, use it in a ``with``.

    Args:
        graph: What runs; from it the listener knows how far the run is, and its maps.
        stream: Where to write; ``sys.stderr`` unless given.
        level: The lowest level that is shown.
        progress_interval: Seconds between two lines about one map.
        live: Whether a display may be: lines it is for steps in processes of their own,
            whose output would get into the display.
    """
    stream = stream or sys.stderr
    if live and _is_terminal(stream):
        from .display import ProgressDisplay

        total = None if graph is None else len(graph.nodes)
        return ProgressDisplay(total, stream=stream, graph=graph, level=level)
    return ProgressLines(stream, graph=graph, level=level, progress_interval=progress_interval)


def _is_terminal(stream: IO[str]) -> bool:
    return stream.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")
