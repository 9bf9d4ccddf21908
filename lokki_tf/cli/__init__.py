"""The command line of a pipeline: ``main(pipe)`` at the end of its script."""

from .commands import command_line, main

__all__ = ["command_line", "main"]
