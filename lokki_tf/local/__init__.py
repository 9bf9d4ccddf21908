"""Local runs of pipelines: scheduling, retries, results.

The entry point is :func:`run`, or :func:`run_routes` for a routed pipeline, which has no graph.
:mod:`lokki_tf.local.engine` describes the parts.
"""

from .engine import run
from .events import Event, EventKind
from .failure_notices import notify
from .result import Run
from .routed import run_routes
from .settings import Settings
from .slots import slot_of

__all__ = ["Event", "EventKind", "Run", "Settings", "notify", "run", "run_routes", "slot_of"]
