"""Events as records of the logger ``lokki_tf``, and that logger set up."""

from __future__ import annotations

import logging
import os
import sys
from typing import IO, TYPE_CHECKING, Any

from . import LOGGER
from .formats import HumanFormatter, JsonFormatter
from .levels import LogLevel, level_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from lokki_tf.local import Event
    from lokki_tf.model import Graph

    from .words import Told

PROGRESS_INTERVAL = 10.0

# Without a handler of any kind, logging itself would print warnings.
logging.getLogger(LOGGER).addHandler(logging.NullHandler())
for _level in (LogLevel.SYSTEM, LogLevel.SUCCESS):
    logging.addLevelName(_level, _level.name)


class HouseHandler(logging.StreamHandler[Any]):
    """The handler that :func:`configure_logging` sets up; there is at most one.

    Args:
        stream: Where it writes; whatever ``sys.stderr`` then is unless given.
        progress_interval: Seconds between two reports of a map's progress.
    """

    def __init__(self, stream: IO[str] | None, progress_interval: float) -> None:
        self._given = stream
        super().__init__(stream)
        self.progress_interval = progress_interval

    @property
    def stream(self) -> Any:
        """Where it writes: notebooks and tests change ``sys.stderr`` as they go."""
        return self._given or sys.stderr

    @stream.setter
    def stream(self, stream: Any) -> None: ...


def configure_logging(
    level: LogLevel | int | str = LogLevel.INFO,
    use_colors: bool | None = None,
    json_output: bool = False,
    stream: IO[str] | None = None,
    *,
    show_timestamps: bool = True,
    progress_interval: float = PROGRESS_INTERVAL,
) -> logging.Logger:
    """Makes every run from here on write a log; calling it again changes how.

    To have records of runs in a log of your own, set up the logger ``lokki_tf`` as any
    other instead: once it has a level or a handler, runs write to it.

    Args:
        level: The lowest level that is written.
        use_colors: Whether levels are coloured; on a terminal they are, unless
            ``NO_COLOR`` is set or this says otherwise.
        json_output: Write one JSON object a line.
        stream: Where to write; ``sys.stderr`` unless given.
        show_timestamps: Whether lines for people begin with the time.
        progress_interval: Seconds between two reports of a map's progress.

    Returns:
        The logger ``lokki_tf``.

    Raises:
        OptionError: If there is no such level.
    """
    number = level_of(level)
    handler = HouseHandler(stream, progress_interval)
    colours = _wants_colours(handler.stream) if use_colors is None else use_colors
    handler.setFormatter(
        JsonFormatter()
        if json_output
        else HumanFormatter(use_colors=colours, show_timestamps=show_timestamps)
    )
    logger = logging.getLogger(LOGGER)
    for old in [one for one in logger.handlers if isinstance(one, HouseHandler)]:
        logger.removeHandler(old)
    logger.addHandler(handler)
    logger.setLevel(number)
    logger.propagate = False  # else the root's handlers would write everything once more
    return logger


def log_listener(graph: Graph | None = None) -> Callable[[Event], None]:
    """Takes the events of one run, and makes records of the logger ``lokki_tf`` of them.

    Args:
        graph: What runs; from it the log knows how far maps are.
    """
    from .maps import MapCounts, Pace
    from .words import tell, tell_progress

    logger = logging.getLogger(LOGGER)
    own = (one for one in logger.handlers if isinstance(one, HouseHandler))
    pace = Pace(next((one.progress_interval for one in own), PROGRESS_INTERVAL))

    counts = MapCounts(graph)

    def listen(event: Event) -> None:
        progress, told = counts.note(event), tell(event)
        if told is not None:
            _write(logger, event, told)
        if progress is not None and pace.is_due(event, progress):
            _write(logger, event, tell_progress(event, progress))

    return listen


def _write(logger: logging.Logger, event: Event, told: Told) -> None:
    if logger.isEnabledFor(told.level):
        extra = dict(told.fields)
        record = logger.makeRecord(
            LOGGER, told.level, __file__, 0, told.sentence, (), None, "run", extra
        )
        record.created, record.msecs = event.time, event.time % 1 * 1000
        logger.handle(record)


def _wants_colours(stream: Any) -> bool:
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return bool(getattr(stream, "isatty", bool)())
