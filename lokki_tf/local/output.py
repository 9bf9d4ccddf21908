"""What steps print and log, recorded while it is written as before."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import time
from typing import Any, TextIO, cast

from lokki_tf.runtime.context import CURRENT

Keep = Callable[[tuple[Any, ...], float, str], None]
LONGEST_LINE = 2_000


class Tee:
    """A stream whose complete lines are recorded while a step runs.

    Args:
        stream: The stream that it replaces, to which everything is written.
        keep: Receives what :data:`.CURRENT` contains, the time, and a line.
    """

    def __init__(self, stream: TextIO, keep: Keep) -> None:
        self._stream = stream
        self._keep: Keep | None = keep
        self._rests: dict[int, tuple[tuple[Any, ...], str]] = {}
        """Incomplete lines by thread, so that those of two threads are not mixed."""

    def write(self, text: str) -> int:
        """Write text.

        Args:
            text: The text.
        """
        current, keep = CURRENT.get(), self._keep
        if current is not None and keep is not None and not _is_logged():
            thread = threading.get_ident()
            of, begun = self._rests.pop(thread, (current, ""))
            if of is not current:
                keep(of, time(), begun)
                begun = ""
            *lines, rest = (begun + text).split("\n")
            if rest:
                self._rests[thread] = current, rest[-LONGEST_LINE:]
            for line in lines:
                keep(current, time(), line[:LONGEST_LINE])
        return self._stream.write(text)

    def writelines(self, lines: Any) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def end(self) -> None:
        """Record incomplete lines, and nothing from now on; other code may hold the stream."""
        keep, self._keep = self._keep, None
        for current, rest in self._rests.values():
            if keep is not None:
                keep(current, time(), rest)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _is_logged() -> bool:
    """Return whether a handler of logging writes, whose record has been recorded already."""
    return bool(sys._getframe(2).f_globals.get("__name__") == "logging")


@contextmanager
def recorded(keep: Keep) -> Iterator[None]:
    """Record what steps print and log, within the context.

    Records of :mod:`logging` are recorded as they are made, so that no handler is needed for them.

    Args:
        keep: Receives what :data:`.CURRENT` contains, the time, and a line.
    """
    import logging

    make = logging.getLogRecordFactory()
    active = True

    def made(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        current = CURRENT.get()
        if active and current is not None and record.name.partition(".")[0] != "lokki_tf":
            text = f"{record.levelname} {record.name}: {_text(record)}"
            keep(current, record.created, text[:LONGEST_LINE])
        return record

    own = sys.stdout, sys.stderr
    tees = [Tee(stream, keep) for stream in own]
    logging.setLogRecordFactory(made)
    sys.stdout, sys.stderr = (cast("TextIO", one) for one in tees)
    try:
        yield
    finally:
        active = False
        for one in tees:
            one.end()
        if logging.getLogRecordFactory() is made:
            logging.setLogRecordFactory(make)
        # Other code, such as a display, may have replaced them since.
        sys.stdout = own[0] if cast("Any", sys.stdout) is tees[0] else sys.stdout
        sys.stderr = own[1] if cast("Any", sys.stderr) is tees[1] else sys.stderr


def _text(record: Any) -> str:
    try:
        return str(record.getMessage())
    except Exception:  # its arguments do not fit its text; logging reports that itself
        return str(record.msg)
