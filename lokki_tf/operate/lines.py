"""Lines of steps' logs in AWS, formatted like the log of a local run."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from lokki_tf.local.events import Event, EventKind
from lokki_tf.reporting import HumanFormatter, LogLevel
from lokki_tf.reporting.words import format_event

if TYPE_CHECKING:
    from .logs import LogLine

_KINDS: Mapping[str, EventKind] = {
    "step_start": "step_started",
    "step_end": "step_finished",
    "step_skip": "step_skipped",
    "step_fail": "step_failed",
}


class LineWriter:
    """Formats lines of logs.

    Args:
        use_colors: Whether levels are coloured.
    """

    def __init__(self, *, use_colors: bool = False) -> None:
        self._plain = HumanFormatter(use_colors=use_colors, show_timestamps=False)

    def text(self, line: LogLine) -> str:
        """Return a line as text.

        Args:
            line: A line of a log.
        """
        moment = f"{datetime.fromtimestamp(line.time).astimezone():%Y-%m-%d %H:%M:%S}"
        run = f"  {line.run}" if line.run else ""
        return f"{moment}{run}  {self.words(line)}"

    def words(self, line: LogLine) -> str:
        """Return a line without its time and run.

        Args:
            line: A line of a log.
        """
        if line.entry.get("event") in _KINDS:
            return self._event(line.entry, line.time)
        message = line.entry.get("message", line.text)
        return f"{line.node or line.step}: {str(message).replace(chr(10), chr(10) + '    ')}"

    def _event(self, entry: Mapping[str, Any], when: float) -> str:
        error = entry.get("error")
        event = Event(
            _KINDS[entry["event"]],
            entry["node"],
            entry["node"],
            when,
            entry.get("duration"),
            error=None if error is None else cast("Any", str(error)),  # shown unchanged
        )
        words = format_event(event)
        if words is None:
            return str(entry)
        level = getattr(LogLevel, str(entry.get("level")), words.level)
        item = f" [{entry['place']}]" if entry.get("place") else ""
        sentence = words.sentence.replace(f"'{entry['node']}'", f"'{entry['node']}'{item}", 1)
        record = logging.LogRecord("lokki_tf", level, "", 0, sentence, None, None)
        return self._plain.format(record)


class LogLines(list["LogLine"]):
    """Lines of logs, which are shown as text."""

    def __str__(self) -> str:
        writer = LineWriter()
        return "\n".join(map(writer.text, self))

    __repr__ = __str__
