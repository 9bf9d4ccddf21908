"""Compilation of a graph to Amazon States Language."""

from .cleanups import failed_title
from .jobs import JOB_ERRORS_PLACEHOLDER, queue_placeholder
from .literals import REF_BYTES, ref_placeholder
from .locks import BUSY, LOCKS_PLACEHOLDER
from .routes import INLINE_BYTES as ROUTED_INLINE_BYTES
from .starts import STARTS_PLACEHOLDER, store_placeholder
from .state_machine import StateMachine, compile_state_machine
from .text import filled

__all__ = [
    "BUSY",
    "JOB_ERRORS_PLACEHOLDER",
    "LOCKS_PLACEHOLDER",
    "REF_BYTES",
    "ROUTED_INLINE_BYTES",
    "STARTS_PLACEHOLDER",
    "StateMachine",
    "compile_state_machine",
    "failed_title",
    "filled",
    "queue_placeholder",
    "ref_placeholder",
    "store_placeholder",
]
