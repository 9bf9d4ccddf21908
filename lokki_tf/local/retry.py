"""Whether, and after how long, a failed node is tried again.

No retry library here: those sleep where the function was called, and a wait must hold no
worker. This only answers; whoever drives the run keeps the node until its time has come.
"""

from __future__ import annotations

from collections.abc import Iterator

from lokki_tf.model import RetryConfig


class Retries:
    """What is left of each node's retries, by the node's position."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left: dict[int, Iterator[float]] = {}

    def delay(self, index: int, config: RetryConfig, error: BaseException) -> float | None:
        """Seconds to wait before the next attempt, or ``None`` if there is to be none.

        Args:
            index: The node's position.
            config: Its retries.
            error: What the attempt raised.
        """
        if not config.retries or not is_listed(error, config.exceptions):
            return None
        return next(self._left.setdefault(index, config.waits()), None)


def is_listed(error: BaseException, exceptions: tuple[type[BaseException], ...]) -> bool:
    """Whether an error is of one of these classes or a subclass of one.

    An error that could not come back from another process has a stand-in, which carries
    the full names of the classes that it was of.
    """
    if isinstance(error, exceptions):
        return True
    names = getattr(error, "__lokki_classes__", ())
    return any(full_name(listed) in names for listed in exceptions)


def full_name(kind: type) -> str:
    """Module and name of a class, the same in a script and in its worker processes."""
    module = "__main__" if kind.__module__ == "__mp_main__" else kind.__module__
    return f"{module}.{kind.__qualname__}"
