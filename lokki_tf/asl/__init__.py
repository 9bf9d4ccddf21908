"""Compilation of a graph to Amazon States Language."""

from .jobs import JOB_ERRORS_PLACEHOLDER, queue_placeholder
from .machine import Machine, compile_machine
from .text import filled

__all__ = ["JOB_ERRORS_PLACEHOLDER", "Machine", "compile_machine", "filled", "queue_placeholder"]
