"""Whether, and after which delay, a failed node is tried again.

A retry library would sleep where the function was called, but a waiting node must not block a
worker. So this module only computes the delay, and the scheduler keeps the node until then.
"""

from __future__ import annotations

from collections.abc import Iterator

from lokki_tf.model import RetryConfig


class Retries:
    """The remaining retries of each node, by its index.

    Args:
        scale: What waits are multiplied by.
    """

    __slots__ = ("_left", "_scale")

    def __init__(self, scale: float = 1.0) -> None:
        self._scale = scale
        self._left: dict[int, Iterator[float]] = {}

    def delay(
        self, index: int, config: RetryConfig, error: BaseException, *, died: bool = False
    ) -> float | None:
        """Return the seconds before the next attempt, or ``None`` if there is none.

        Args:
            index: The node's index.
            config: Its retries.
            error: The error of the attempt.
            died: Whether its process ended, which is retried whichever errors are listed.
        """
        if not config.retries or not (died or is_listed(error, config.exceptions)):
            return None
        delay = next(self._left.setdefault(index, config.waits()), None)
        return None if delay is None else delay * self._scale


def is_listed(error: BaseException, exceptions: tuple[type[BaseException], ...]) -> bool:
    """Return whether an error is of one of these classes or a subclass of one.

    An error that could not be pickled in another process was replaced by an object with the full
    names of its classes.
    """
    if isinstance(error, exceptions):
        return True
    names = getattr(error, "__lokki_classes__", ())
    return any(full_name(listed) in names for listed in exceptions)


def full_name(kind: type) -> str:
    """Return module and name of a class, the same in a script and in its worker processes."""
    module = "__main__" if kind.__module__ == "__mp_main__" else kind.__module__
    return f"{module}.{kind.__qualname__}"
