"""Local runs of pipelines: scheduling, retries, results.

The entry point is :func:`run`, or :func:`run_routes` for a routed pipeline, which has no graph.
:mod:`lokki_tf.local.engine` describes the parts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lokki_tf.lazy import lazy_names

if TYPE_CHECKING:
    from .engine import run as run
    from .events import Event as Event
    from .events import EventKind as EventKind
    from .failure_notices import notify as notify
    from .result import Run as Run
    from .routed import run_routes as run_routes
    from .settings import Settings as Settings
    from .slots import slot_of as slot_of

__getattr__ = lazy_names(
    __name__,
    {
        "Event": "events",
        "EventKind": "events",
        "Run": "result",
        "Settings": "settings",
        "notify": "failure_notices",
        "run": "engine",
        "run_routes": "routed",
        "slot_of": "slots",
    },
)
