"""Runs a pipeline on this machine: scheduling, retries, results.

:func:`run` is the only way in; :mod:`lokki_tf.local.engine` tells how it goes.
"""

from .engine import run
from .events import Event, EventKind
from .result import Run

__all__ = ["Event", "EventKind", "Run", "run"]
