"""Progress as a live display at the bottom of a terminal.

Steps that have ended are printed as lines, in the format of :mod:`.lines`. Below them are the
running steps, and the run itself::

      load done in 0.512 s
      resize     [=====>              ] 30/100 (30%)  3.2 s
      thumbnail                                       1.0 s
      daily      [==========>         ] 2/4 (50%)     3.8 s
"""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import IO, TYPE_CHECKING, Any

from lokki_tf.drawing import FEWEST, rows_of
from lokki_tf.runtime.busy import CHECK

from .levels import LogLevel, level_of
from .maps import MapCounts, Progress
from .words import bar, format_event

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

    from lokki_tf.local import Event
    from lokki_tf.model import Graph

    from .above import Redirection

MOST_ROWS = 10
TICK = 0.125  # seconds between two updates
SOON = 0.03  # seconds since the last update, after which text printed by a step causes a new one
_SPINNER = "|/-\\"
_STYLES = {LogLevel.ERROR: "red", LogLevel.WARNING: "yellow"}
_BEGIN = frozenset({"step_started", "map_started", "wait_started"})
_END = frozenset(
    {
        "step_finished",
        "step_failed",
        "step_caught",
        "step_skipped",
        "step_cached",
        "map_finished",
        "wait_finished",
    }
)


@dataclass(slots=True)
class _Row:
    """A running node."""

    since: float
    progress: Progress | None = None


class ProgressDisplay:
    """A listener that shows a run in a live display, until the run ends.

    Events may come from several threads and do not wait for the terminal: a thread of the display
    draws it several times a second. An error while drawing ends the display, and never affects the
    run.

    Args:
        total: Number of nodes that will run, if known.
        stream: The terminal; ``sys.stderr`` by default.
        graph: The graph that runs; required for the progress of maps.
        level: The lowest level that is shown as a line.
        notes: Texts beside the rows of nodes, by their names.
        clock: Returns the time, as ``time.time`` does.
    """

    def __init__(
        self,
        total: int | None = None,
        *,
        stream: IO[str] | None = None,
        graph: Graph | None = None,
        level: LogLevel | int | str = LogLevel.INFO,
        notes: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        from rich.console import Console

        self.console: Console = Console(file=stream or sys.stderr)
        self._notes = notes or {}
        self._level = level_of(level)
        self._clock = clock
        self._state = threading.Lock()
        self._graph = graph
        self._counts = MapCounts(graph)
        self._equal: dict[str, tuple[int, str]] | None = None
        self._rows: dict[str, _Row] = {}
        self._visits = frozenset(graph.visits if graph is not None else ())
        self._ended = 0
        self._total = total
        self._name = ""
        self._since: float | None = None
        self._lines: deque[tuple[str, str | None]] = deque()  # lines to print, with their styles
        # rich draws incorrectly if two threads print at once, so drawing holds this lock.
        self._drawing = threading.RLock()
        self._drawn = 0.0
        self._live: Live | None = None
        self._redirection: Redirection | None = None
        self._closed = threading.Event()

    def __call__(self, event: Event) -> None:
        """Show an event.

        Args:
            event: The event.
        """
        if self._closed.is_set():
            return
        try:
            self._note(event)
            if event.kind == "run_finished":
                self.close()
                return
            formatted = format_event(event)
            if formatted and formatted.brief and formatted.level >= self._level:
                self._lines.append((formatted.brief, _STYLES.get(formatted.level, "")))
            self._open()
        except Exception:
            self.close()

    def say(self, text: str, style: str = "") -> None:
        """Print a line above the rows, at the next update; also from a signal handler.

        Args:
            text: The line.
            style: rich's name of its style.
        """
        self._lines.append((text, style))

    def __enter__(self) -> ProgressDisplay:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        """Remove the display; printed lines remain."""
        with self._drawing:
            if self._closed.is_set():
                return
            self._closed.set()
            for end in (
                self._redirection and self._redirection.undo,
                self._draw,
                self._live and self._live.stop,
            ):
                try:
                    if end:
                        end()
                except Exception:
                    continue  # the terminal was closed, and the display with it

    def picture(self) -> RenderableType:
        """Return the rows that are shown at the bottom of the terminal."""
        from rich.table import Table
        from rich.text import Text

        now = self._clock()
        with self._state:
            running = list(self._rows.items())
            ended, since = self._ended, self._since
        room = max(1, min(MOST_ROWS, self.console.height - 3))
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(no_wrap=True, overflow="ellipsis")
        grid.add_column(no_wrap=True)
        grid.add_column(no_wrap=True, justify="right")
        running = self._folded(running)
        for name, row in running[:room]:
            progress = row.progress
            share = bar(progress.done, progress.total) if progress else self._notes.get(name, "")
            grid.add_row(Text(name), Text(share), _seconds(now - row.since))
        if len(running) > room:
            grid.add_row(Text(f"and {len(running) - room} more", style="dim"))
        if self._total is not None:
            share = bar(ended, self._total)
        else:
            begun = ended or running
            share = f"{ended:,} done" if begun else _SPINNER[int(now / TICK) % len(_SPINNER)]
        grid.add_row(Text(self._name, style="bold"), Text(share), _seconds(now - (since or now)))
        return grid

    def _folded(self, running: list[tuple[str, _Row]]) -> list[tuple[str, _Row]]:
        """Return the rows; equal nodes have one, with their number, since the first began."""
        if self._graph is None or len(running) < FEWEST:
            return running
        if self._equal is None:
            groups = enumerate(rows_of(self._graph, {}))
            self._equal = {one: (at, label) for at, (label, names) in groups for one in names}
        rows: dict[Hashable, list[tuple[str, _Row]]] = {}
        for name, row in running:
            is_equal = row.progress is None and name in self._equal
            rows.setdefault(self._equal[name] if is_equal else name, []).append((name, row))
        return [
            same[0]
            if len(same) == 1
            else (f"{self._equal[same[0][0]][1]} ×{len(same):,}", same[0][1])
            for same in rows.values()
        ]

    def _note(self, event: Event) -> None:
        with self._state:
            if self._since is None:
                self._since, self._name = event.time, event.pipeline
            progress = self._counts.note(event)
            if progress is not None:
                self._rows.setdefault(progress.node, _Row(progress.since)).progress = progress
            if event.node is None or event.item is not None:
                return
            if event.kind in _BEGIN:
                self._rows.setdefault(event.node, _Row(event.time))
            elif event.kind in _END:
                self._rows.pop(event.node, None)
                # Neither is among the total.
                self._ended += event.node != CHECK and event.node not in self._visits

    def _open(self) -> None:
        if self._live is not None:
            return
        from rich.live import Live

        from .above import Redirection

        with self._drawing:
            if self._live is not None or self._closed.is_set():
                return
            self._live = Live(
                console=self.console,
                get_renderable=self.picture,
                transient=True,
                auto_refresh=False,
                redirect_stdout=False,  # see :mod:`.above`
                redirect_stderr=False,
            )
            self._redirection = Redirection(self._print)
            self._live.start()
        threading.Thread(target=self._tick, name="lokki_tf-display", daemon=True).start()

    def _tick(self) -> None:
        while not self._closed.wait(TICK):
            try:
                with self._drawing:
                    if not self._closed.is_set():
                        self._draw()
            except Exception:
                self.close()

    def _print(self, text: str) -> None:
        """Print the output of a step.

        It is printed at once, so that nothing is lost if the process dies, unless there is so much
        output that drawing would slow the step down.
        """
        self._lines.append((text, None))
        if monotonic() - self._drawn < SOON and not self._closed.is_set():
            return
        try:
            with self._drawing:
                self._draw()
        except Exception:
            self.close()

    def _draw(self) -> None:
        from rich.text import Text

        from lokki_tf.local.answers import ASKING

        if ASKING.is_set():  # a question is in the terminal
            if self._live is not None and self._live.is_started:
                self._live.stop()
            return
        if self._live is not None and not self._live.is_started and not self._closed.is_set():
            self._live.start()
        shown = []
        while self._lines:
            text, style = self._lines.popleft()
            shown.append(Text.from_ansi(text) if style is None else Text(text, style=style))
        with self.console:
            if shown:
                self.console.print(Text("\n").join(shown), soft_wrap=True, highlight=False)
            if self._live is not None and self._live.is_started:
                self._live.refresh()
        self._drawn = monotonic()


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s"
