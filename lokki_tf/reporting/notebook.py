"""Progress in a notebook: lines below the cell, which are removed at the end of the run."""

from __future__ import annotations

import io
import sys
from html import escape
from typing import TYPE_CHECKING, Any

from .levels import LogLevel
from .lines import ProgressLines

if TYPE_CHECKING:
    from lokki_tf.local import Event
    from lokki_tf.model import Graph


def in_notebook() -> bool:
    """Return whether the process is the kernel of a notebook."""
    shell = "IPython" in sys.modules and sys.modules["IPython"].get_ipython()
    return hasattr(shell, "kernel")


class NotebookOutput(io.StringIO):
    """A stream whose text is shown in one output of the cell, until the ``with`` statement ends."""

    _output: Any = None

    def __enter__(self) -> NotebookOutput:
        from IPython import display

        new: Any = display.DisplayHandle  # IPython's types lack it
        self._output = new()
        self._output.display({"text/plain": ""}, raw=True)
        return self

    def __exit__(self, *_: Any) -> None:
        self._show("")

    def flush(self) -> None:
        """Show what was written."""
        if self._output is not None:
            self._show(self.getvalue())

    def _show(self, text: str) -> None:
        html = f"<pre>{escape(text)}</pre>" if text else ""
        self._output.update({"text/plain": text, "text/html": html}, raw=True)


class NotebookProgress:
    """A listener that shows a run's lines of progress in one output, until the run ends.

    The cell's value is then the only thing that shows the steps.

    Args:
        graph: The graph that runs; required for the progress of maps.
        level: The lowest level that is shown.
        progress_interval: Seconds between two lines about the same map.
    """

    def __init__(
        self,
        graph: Graph | None = None,
        *,
        level: LogLevel | int | str = LogLevel.INFO,
        progress_interval: float = 10.0,
    ) -> None:
        self._output = NotebookOutput()
        self._lines = ProgressLines(
            self._output, graph=graph, level=level, progress_interval=progress_interval
        )

    def __call__(self, event: Event) -> None:
        """Show an event.

        Args:
            event: The event.
        """
        self._lines(event)

    def __enter__(self) -> NotebookProgress:
        self._output.__enter__()
        return self

    def __exit__(self, *_: Any) -> None:
        self._output.__exit__()
