"""Whether, and after which delay, a failed node is tried again.

A retry library would sleep where the function was called, but a waiting node must not block a
worker. So this module only computes the delay, and the scheduler keeps the node until then.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from lokki_tf.model import Node, RetryConfig
from lokki_tf.model.retries import DEATHS, TIMEOUTS, Attempts, Poll, lists, reported_as
from lokki_tf.runtime.polls import NotReady, late

from .calls import is_overdue

if TYPE_CHECKING:
    from lokki_tf.model.retries import ErrorType


class Retries:
    """The remaining retries of each node, by its index.

    Args:
        scale: What waits are multiplied by.
    """

    __slots__ = ("_left", "_saved", "_scale")

    def __init__(self, scale: float = 1.0) -> None:
        self._scale = scale
        self._left: dict[int, Attempts] = {}
        self._saved: dict[int, float] = {}  # seconds of polls that the scale has left out

    def delay(
        self,
        index: int,
        retry: Sequence[RetryConfig],
        error: BaseException,
        every: Iterable[tuple[ErrorType, ...]] | None = None,
        *,
        died: bool = False,
    ) -> float | None:
        """Return the seconds before the next attempt, or ``None`` if there is none.

        Args:
            index: The node's index.
            retry: Its retriers.
            error: The error of the attempt.
            every: The lists of the retriers and of the catcher, if there is one.
            died: Whether its process ended, so that the error is not the step's.
        """
        if not retry:
            return None
        left = self._left.setdefault(index, Attempts(retry, every))
        delay = left.wait(None) if died else left.wait(error, names_of(error))
        if delay is None:
            return None
        self._saved[index] = self._saved.get(index, 0.0) + delay * (1 - self._scale)
        return delay * self._scale

    def timely(
        self, index: int, retry: Sequence[RetryConfig], error: BaseException, seconds: float
    ) -> BaseException:
        """Return the error of an attempt: ``TimeoutError`` if the step has polled long enough.

        Args:
            index: The node's index.
            retry: Its retriers.
            error: The error that the step raised.
            seconds: Time since the first attempt began.
        """
        poll = next((one for one in retry if isinstance(one, Poll)), None)
        if poll is None or not isinstance(error, NotReady):
            return error
        waited = seconds + self._saved.get(index, 0.0)
        return error if waited < poll.timeout else late(error, poll.timeout)


def names_of(error: BaseException) -> tuple[str, ...]:
    """Return the names that AWS has for what an error of a call means."""
    return TIMEOUTS if is_overdue(error) else ()


def is_caught(node: Node, error: BaseException, *, died: bool = False) -> bool:
    """Return whether a node's catcher lists an error.

    Args:
        node: The node.
        error: The error of its last attempt.
        died: Whether its process ended, so that the error is not the step's.
    """
    if died:
        return lists(node.catch, None, DEATHS)
    return lists(node.catch, reported_as(error, node.listed), names_of(error))
