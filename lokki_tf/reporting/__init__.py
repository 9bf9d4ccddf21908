"""What a run says of itself: its events as log records, as lines, as a live display.

``words`` puts an event into words, once for all, and ``maps`` counts items. ``log`` makes
records of the logger ``lokki_tf`` of them, which ``formats`` writes for people or machines;
``lines`` and ``display`` show progress, where there is no terminal and where there is one.

This file loads nothing, so that a run that nobody listens to pays nothing.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from lokki_tf.local import Event
    from lokki_tf.model import Graph

    from .display import ProgressDisplay as ProgressDisplay
    from .formats import HumanFormatter as HumanFormatter
    from .formats import JsonFormatter as JsonFormatter
    from .levels import LogLevel as LogLevel
    from .lines import ProgressLines as ProgressLines
    from .lines import listener_for as listener_for
    from .log import configure_logging as configure_logging
    from .log import log_listener as log_listener

LOGGER = "lokki_tf"
"""The logger that hears of runs."""

_LAZY = {
    "HumanFormatter": "formats",
    "JsonFormatter": "formats",
    "LogLevel": "levels",
    "ProgressDisplay": "display",
    "ProgressLines": "lines",
    "configure_logging": "log",
    "listener_for": "lines",
    "log_listener": "log",
}

__all__ = [
    "LOGGER",
    "HumanFormatter",
    "JsonFormatter",
    "LogLevel",
    "ProgressDisplay",
    "ProgressLines",
    "configure_logging",
    "heard",
    "is_configured",
    "listener_for",
    "log_listener",
]


def is_configured() -> bool:
    """Whether somebody, :func:`configure_logging` or the user, has set the logger up.

    That is: it has a level of its own, or a handler that writes.
    """
    logging = sys.modules.get("logging")
    if logging is None:
        return False
    logger = logging.root.manager.loggerDict.get(LOGGER)
    return isinstance(logger, logging.Logger) and (
        logger.level != logging.NOTSET
        or any(type(handler) is not logging.NullHandler for handler in logger.handlers)
    )


def heard(
    on_event: Callable[[Event], None] | None, graph: Graph | None = None
) -> Callable[[Event], None] | None:
    """Who is to hear a run: the caller's listener, and the log where one is configured.

    Args:
        on_event: The caller's listener, or ``None``.
        graph: What runs; from it the log knows how far maps are.
    """
    if not is_configured():
        return on_event
    from .log import log_listener

    log = log_listener(graph)
    if on_event is None:
        return log
    own = on_event

    def both(event: Event) -> None:
        log(event)
        own(event)

    return both


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_LAZY[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY])
