"""Events as records of the logger ``lokki_tf``, and the configuration of that logger."""

from __future__ import annotations

import logging
import os
import sys
from typing import IO, TYPE_CHECKING, Any

from lokki_tf.tracebacks import ends_at_caller

from .formats import HumanFormatter, JsonFormatter
from .levels import LogLevel, level_of
from .logger import LOGGER

if TYPE_CHECKING:
    from collections.abc import Callable

    from lokki_tf.local import Event
    from lokki_tf.model import Graph

    from .words import FormattedEvent

PROGRESS_INTERVAL = 10.0

# Without a handler of any kind, logging itself would print warnings.
logging.getLogger(LOGGER).addHandler(logging.NullHandler())
for _level in (LogLevel.SYSTEM, LogLevel.SUCCESS):
    logging.addLevelName(_level, _level.name)


class ConfiguredHandler(logging.StreamHandler[Any]):
    """The handler that :func:`configure_logging` adds; there is at most one.

    Args:
        stream: Where it writes; the current ``sys.stderr`` by default.
        progress_interval: Seconds between two lines about the same map.
    """

    def __init__(self, stream: IO[str] | None, progress_interval: float) -> None:
        self._given = stream
        super().__init__(stream)
        self.progress_interval = progress_interval

    @property
    def stream(self) -> Any:
        """The stream; notebooks and tests replace ``sys.stderr`` at any time."""
        return self._given or sys.stderr

    @stream.setter
    def stream(self, stream: Any) -> None: ...


@ends_at_caller
def configure_logging(
    level: LogLevel | int | str = LogLevel.INFO,
    use_colors: bool | None = None,
    json_output: bool = False,
    stream: IO[str] | None = None,
    *,
    show_timestamps: bool = True,
    progress_interval: float = PROGRESS_INTERVAL,
) -> logging.Logger:
    """Write a log of every run from now on; a second call replaces the configuration.

    To receive records of runs in your own log, configure the logger ``lokki_tf`` as any other
    logger. Runs write to it as soon as it has a level or a handler.

    Args:
        level: The lowest level that is written.
        use_colors: Whether levels are coloured; by default on a terminal, unless ``NO_COLOR`` is
            set.
        json_output: Write one JSON object per line.
        stream: Where to write; ``sys.stderr`` by default.
        show_timestamps: Whether text lines begin with the time.
        progress_interval: Seconds between two lines about the same map.

    Returns:
        The logger ``lokki_tf``.

    Raises:
        OptionError: If there is no such level.
    """
    number = level_of(level)
    handler = ConfiguredHandler(stream, progress_interval)
    colours = _wants_colours(handler.stream) if use_colors is None else use_colors
    handler.setFormatter(
        JsonFormatter()
        if json_output
        else HumanFormatter(use_colors=colours, show_timestamps=show_timestamps)
    )
    logger = logging.getLogger(LOGGER)
    for old in [one for one in logger.handlers if isinstance(one, ConfiguredHandler)]:
        logger.removeHandler(old)
    logger.addHandler(handler)
    logger.setLevel(number)
    logger.propagate = False  # else the root's handlers would write every record again
    return logger


def log_listener(graph: Graph | None = None) -> Callable[[Event], None]:
    """Return a listener for one run that writes records to the logger ``lokki_tf``.

    Args:
        graph: The graph that runs; required for the progress of maps.
    """
    from .maps import MapCounts, Pace
    from .words import format_event, format_progress

    logger = logging.getLogger(LOGGER)
    own = (one for one in logger.handlers if isinstance(one, ConfiguredHandler))
    pace = Pace(next((one.progress_interval for one in own), PROGRESS_INTERVAL))

    counts = MapCounts(graph)

    def listen(event: Event) -> None:
        progress, formatted = counts.note(event), format_event(event)
        if formatted is not None:
            _write(logger, event, formatted)
        if progress is not None and pace.is_due(event, progress):
            _write(logger, event, format_progress(event, progress))

    return listen


def _write(logger: logging.Logger, event: Event, formatted: FormattedEvent) -> None:
    if logger.isEnabledFor(formatted.level):
        extra = dict(formatted.fields)
        record = logger.makeRecord(
            LOGGER, formatted.level, __file__, 0, formatted.sentence, (), None, "run", extra
        )
        record.created, record.msecs = event.time, event.time % 1 * 1000
        logger.handle(record)


def _wants_colours(stream: Any) -> bool:
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return bool(getattr(stream, "isatty", bool)())
