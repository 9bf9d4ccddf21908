"""The end of a call that takes longer than it may, as an error that Step Functions can catch.

Lambda and Batch end a process without a word of Python. A little earlier, a timer raises in the
main thread what becomes a ``TimeoutError`` of the step.
"""

from __future__ import annotations

from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


class OutOfTime(BaseException):
    """The call is over. No ``except Exception`` of the step's keeps it alive."""


def seconds_left(context: Any) -> float | None:
    """Seconds until a call must have ended so that its error can still be reported.

    Args:
        context: Lambda's context; templates may leave it out.
    """
    remaining = getattr(context, "get_remaining_time_in_millis", None)
    if remaining is None:
        return None
    left: float = remaining() / 1000
    return left - min(0.25, left / 10)


@contextmanager
def deadline(seconds: float | None) -> Iterator[None]:
    """Raise :class:`OutOfTime` inside when the time is over.

    Args:
        seconds: How long it may take; ``None`` for any time.
    """
    import signal  # not at the top: handlers of whole modules need none
    import threading

    timed = hasattr(signal, "setitimer")
    if not timed or not seconds or threading.current_thread() is not threading.main_thread():
        yield  # where there are no timers, what ends the process has the last word
        return

    def end(*_: Any) -> None:
        raise OutOfTime

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
