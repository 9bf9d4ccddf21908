"""From a graph to Amazon States Language."""

from .jobs import queue_placeholder
from .machine import Machine, compile_machine
from .text import filled

__all__ = ["Machine", "compile_machine", "filled", "queue_placeholder"]
