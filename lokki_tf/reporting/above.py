"""What steps print while there is a live display: it goes above, line by line."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any, TextIO, cast


class Above:
    """Stands in for ``sys.stdout`` or ``sys.stderr``, and hands whole lines on.

    Args:
        stream: What it stands for; all but writing is left to it.
        show: Prints a line above the display.
    """

    def __init__(self, stream: TextIO, show: Callable[[str], None]) -> None:
        self._stream = stream
        self._show = show
        self._rests: dict[int, str] = {}  # by thread, so that no two share a line

    def write(self, text: str) -> int:
        """Take text; what ends a line is shown.

        Args:
            text: What somebody prints.
        """
        thread = threading.get_ident()
        *lines, rest = (self._rests.pop(thread, "") + text).split("\n")
        if rest:
            self._rests[thread] = _overwritten(rest) + ("\r" if rest.endswith("\r") else "")
        if lines:
            self._show("\n".join(map(_overwritten, lines)))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Take several texts."""
        self.write("".join(lines))

    def flush(self) -> None:
        """Nothing: half a line would be drawn over."""

    def close_lines(self) -> None:
        """Show what no newline has ended."""
        while self._rests:
            self._show(_overwritten(self._rests.popitem()[1]))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _overwritten(line: str) -> str:
    """A line as it looks in the end, after returns to its start."""
    return line.rstrip("\r").rpartition("\r")[2]


class Redirection:
    """``sys.stdout`` and ``sys.stderr`` led above a display, until it is undone.

    Handlers of :mod:`logging` that write to either go along.

    Args:
        show: Prints a line above the display.
    """

    def __init__(self, show: Callable[[str], None]) -> None:
        global _current
        self._own = (sys.stdout, sys.stderr)
        self._above = [cast("TextIO", Above(stream, show)) for stream in self._own]
        _change(dict(zip(self._own, self._above, strict=True)))
        _current = self

    def undo(self) -> None:
        """Put both back, unless somebody else has changed them since."""
        global _current
        for one in self._above:
            cast("Above", one).close_lines()
        self.restore()
        _current = None

    def restore(self) -> None:
        """Put both back, and show nothing."""
        _change(dict(zip(self._above, self._own, strict=True)))


def _change(streams: Mapping[TextIO, TextIO]) -> None:
    sys.stdout = streams.get(sys.stdout, sys.stdout)
    sys.stderr = streams.get(sys.stderr, sys.stderr)
    for handler in _log_handlers():
        if handler.stream in streams:
            handler.setStream(streams[handler.stream])


def _log_handlers() -> list[Any]:
    """The handlers of all loggers that write to a stream of the process."""
    logging = sys.modules.get("logging")
    if logging is None:
        return []
    loggers = [logging.root, *logging.root.manager.loggerDict.values()]
    handlers = [one for logger in loggers for one in getattr(logger, "handlers", ())]
    return [one for one in handlers if type(one) is logging.StreamHandler]


_current: Redirection | None = None


def _in_child() -> None:
    """A fork has no display, and must not wait for locks that the parent's held."""
    if _current is not None:
        _current.restore()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
