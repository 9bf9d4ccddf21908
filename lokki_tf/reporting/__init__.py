"""Output of a run's events: as log records, as lines of text, and as a live display.

``words`` formats an event, the same for every output, and ``maps`` counts the items of maps.
``log`` writes records to the logger ``lokki_tf``, which ``formats`` turns into text or JSON.
``lines`` and ``display`` show progress, without and with a terminal. This module imports its parts
when they are first used, so that a run without a listener does not pay for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lokki_tf.lazy import lazy_names

from .logger import LOGGER, is_configured

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
    "combined_listener",
    "configure_logging",
    "is_configured",
    "listener_for",
    "log_listener",
]


def combined_listener(
    on_event: Callable[[Event], None] | None, graph: Graph | None = None
) -> Callable[[Event], None] | None:
    """Combine the caller's listener and the log, if one is configured.

    Args:
        on_event: The caller's listener, or ``None``.
        graph: The graph that runs; required for the progress of maps in the log.

    Returns:
        A listener that calls both, the only one of the two, or ``None``.
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


__getattr__ = lazy_names(__name__, _LAZY)


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY])
