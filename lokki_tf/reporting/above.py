"""Redirect what steps print to the space above a live display, line by line.

rich's own redirection (``Live(redirect_stdout=True)``) is not used: it mixes the lines of threads
that print at once, prints incomplete lines when they are flushed, and leaves handlers of
:mod:`logging` and forked processes with streams of the display. Source: rich, ``file_proxy.py``.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any, TextIO, cast


class Above:
    """A replacement for ``sys.stdout`` or ``sys.stderr`` that shows complete lines.

    Args:
        stream: The stream that it replaces; all but writing is forwarded to it.
        show: Prints a line above the display.
    """

    def __init__(self, stream: TextIO, show: Callable[[str], None]) -> None:
        self._stream = stream
        self._show = show
        self._rests: dict[int, str] = {}  # by thread, so that lines of two threads are not mixed

    def write(self, text: str) -> int:
        """Add text, and show the lines that it completes.

        Args:
            text: The printed text.
        """
        thread = threading.get_ident()
        *lines, rest = (self._rests.pop(thread, "") + text).split("\n")
        if rest:
            self._rests[thread] = _overwritten(rest) + ("\r" if rest.endswith("\r") else "")
        if lines:
            self._show("\n".join(map(_overwritten, lines)))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Add several texts."""
        self.write("".join(lines))

    def flush(self) -> None:
        """Do nothing: the display would overwrite an incomplete line."""

    def close_lines(self) -> None:
        """Show incomplete lines."""
        while self._rests:
            self._show(_overwritten(self._rests.popitem()[1]))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _overwritten(line: str) -> str:
    """Return a line as a terminal shows it after carriage returns."""
    return line.rstrip("\r").rpartition("\r")[2]


class Redirection:
    """Redirects ``sys.stdout`` and ``sys.stderr`` above a display, until :meth:`undo`.

    Handlers of :mod:`logging` that write to one of them are redirected as well.

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
        """Restore both streams, unless other code has replaced them since."""
        global _current
        for one in self._above:
            cast("Above", one).close_lines()
        self.restore()
        _current = None

    def restore(self) -> None:
        """Restore both streams without showing incomplete lines."""
        _change(dict(zip(self._above, self._own, strict=True)))


def _change(streams: Mapping[TextIO, TextIO]) -> None:
    sys.stdout = streams.get(sys.stdout, sys.stdout)
    sys.stderr = streams.get(sys.stderr, sys.stderr)
    for handler in _log_handlers():
        if handler.stream in streams:
            handler.setStream(streams[handler.stream])


def _log_handlers() -> list[Any]:
    """Return the handlers of all loggers that write to the standard streams."""
    logging = sys.modules.get("logging")
    if logging is None:
        return []
    loggers = [logging.root, *logging.root.manager.loggerDict.values()]
    handlers = [one for logger in loggers for one in getattr(logger, "handlers", ())]
    return [one for one in handlers if type(one) is logging.StreamHandler]


_current: Redirection | None = None


def _in_child() -> None:
    """Restore the streams in a forked process, which must not wait for the parent's locks."""
    if _current is not None:
        _current.restore()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
