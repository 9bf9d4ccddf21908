"""Compilation of a graph to Amazon States Language."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lokki_tf.lazy import lazy_names

if TYPE_CHECKING:
    from .cleanups import failed_title as failed_title
    from .jobs import JOB_ERRORS_PLACEHOLDER as JOB_ERRORS_PLACEHOLDER
    from .jobs import queue_placeholder as queue_placeholder
    from .literals import REF_BYTES as REF_BYTES
    from .literals import ref_placeholder as ref_placeholder
    from .locks import BUSY as BUSY
    from .locks import LOCKS_PLACEHOLDER as LOCKS_PLACEHOLDER
    from .starts import STARTS_PLACEHOLDER as STARTS_PLACEHOLDER
    from .starts import store_placeholder as store_placeholder
    from .state_machine import StateMachine as StateMachine
    from .state_machine import compile_state_machine as compile_state_machine
    from .text import filled as filled

__getattr__ = lazy_names(
    __name__,
    {
        "BUSY": "locks",
        "JOB_ERRORS_PLACEHOLDER": "jobs",
        "LOCKS_PLACEHOLDER": "locks",
        "REF_BYTES": "literals",
        "STARTS_PLACEHOLDER": "starts",
        "StateMachine": "state_machine",
        "compile_state_machine": "state_machine",
        "failed_title": "cleanups",
        "filled": "text",
        "queue_placeholder": "jobs",
        "ref_placeholder": "literals",
        "store_placeholder": "starts",
    },
)
