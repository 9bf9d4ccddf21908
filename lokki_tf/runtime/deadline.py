"""Time limits of calls, as errors that Step Functions can catch.

Lambda and Batch end a process without an exception in Python. A little earlier, a timer raises an
error in the main thread, which is reported as a ``TimeoutError`` of the step.
"""

from __future__ import annotations

from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


class OutOfTime(BaseException):
    """The call's time is over. No ``except Exception`` of the step catches it."""


def seconds_left(context: Any) -> float | None:
    """Return the seconds within which a call must end so that its error can still be reported.

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
    """Raise :class:`OutOfTime` in the context when the time is over.

    Args:
        seconds: The time limit; ``None`` for no limit.
    """
    import signal  # imported here, since many handlers need no limit
    import threading

    timed = hasattr(signal, "setitimer")
    if not timed or not seconds or threading.current_thread() is not threading.main_thread():
        yield  # without timers, only Lambda or Batch ends the process
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
