"""Formatters of log records: text for people, JSON for programs."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

from .levels import LogLevel

FIELDS = (
    *("event", "pipeline", "step", "node", "item", "attempt", "duration", "status"),
    *("done", "total", "message", "error"),
)
"""The fields of a line of JSON after ``level`` and ``ts``, in order; absent ones are left out."""

_COLOURS = {
    logging.DEBUG: "2",  # dim
    LogLevel.INFO: "34",  # blue
    LogLevel.SYSTEM: "35",  # magenta
    LogLevel.SUCCESS: "32",  # green
    LogLevel.WARNING: "33",  # yellow
    LogLevel.ERROR: "31",  # red
    logging.CRITICAL: "31",
}


_SHORT = {"WARNING": "WARN"}  # the usual name in other logs


class HumanFormatter(logging.Formatter):
    """Formats lines such as ``14:30:05  [INFO] Step 'load' started``.

    Args:
        use_colors: Whether the level is coloured.
        show_timestamps: Whether lines begin with the time.
    """

    def __init__(self, *, use_colors: bool = False, show_timestamps: bool = True) -> None:
        super().__init__(datefmt="%H:%M:%S")
        self._use_colors = use_colors
        self._show_timestamps = show_timestamps

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # logging's name
        """Return the line, without the traceback that ``logging`` appends."""
        name = _level_name(record)
        word = f"[{_SHORT.get(name, name)}]"
        colour = _COLOURS.get(record.levelno)
        if self._use_colors and colour:
            word = f"\x1b[{colour}m{word}\x1b[0m"
        time = f"{self.formatTime(record, self.datefmt)}  " if self._show_timestamps else ""
        return f"{time}{word} {record.message}"


class JsonFormatter(logging.Formatter):
    """Formats one JSON object per line, with the :data:`FIELDS` that the record has."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {"level": _level_name(record), "ts": time.replace("+00:00", "Z")}
        record.message = record.getMessage()
        line |= {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def _level_name(record: logging.LogRecord) -> str:
    try:
        return LogLevel(record.levelno).name
    except ValueError:
        return record.levelname
