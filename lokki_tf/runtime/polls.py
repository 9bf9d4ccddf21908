"""Steps that wait for something outside: ``@step(poll=30)`` and ``NotReady``."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class NotReady(Exception):
    """What a step waits for is not there yet; a step with ``poll=`` runs again later.

    Args:
        message: What it waits for, for people.
    """

    __module__ = "lokki_tf.runtime.polls"


def timely(error: Exception, poll: dict[str, Any]) -> Exception:
    """Return the error of an attempt: ``TimeoutError`` if the step has polled long enough.

    Args:
        error: The error that the step raised.
        poll: ``timeout``, in seconds, and when the state was ``entered``.
    """
    if not isinstance(error, NotReady):
        return error
    import time

    from .moments import moment

    if time.time() - moment(poll["entered"]).timestamp() < poll["timeout"]:
        return error
    return late(error, poll["timeout"])


def late(error: Exception, timeout: int) -> TimeoutError:
    """Return the error of a step that has polled long enough.

    Args:
        error: The last ``NotReady``.
        timeout: The time limit in seconds.
    """
    text = f"not ready within {timeout} seconds: {error}"
    return TimeoutError(text).with_traceback(error.__traceback__)
