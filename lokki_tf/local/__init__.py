"""Runs a pipeline on this machine: scheduling, retries, results.

:func:`run` is the way in; :mod:`lokki_tf.local.engine` tells how it goes. A routed pipeline,
which has no graph, goes in by :func:`run_routes`.
"""

from .engine import run
from .events import Event, EventKind
from .notices import notify
from .result import Run
from .routed import run_routes

__all__ = ["Event", "EventKind", "Run", "notify", "run", "run_routes"]
