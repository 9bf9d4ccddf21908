"""Progress as a live display at the foot of a terminal.

What has ended stands above as lines, as :mod:`.lines` writes them; below stand the steps
that run, and the run itself::

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
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import IO, TYPE_CHECKING, Any

from .levels import LogLevel, level_of
from .maps import MapCounts, Progress
from .words import bar, tell

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

    from lokki_tf.local import Event
    from lokki_tf.model import Graph

    from .above import Redirection

MOST_ROWS = 10
TICK = 0.125  # seconds between two pictures
SOON = 0.03  # seconds since the last picture, after which a step's print draws a new one
_STYLES = {LogLevel.ERROR: "red", LogLevel.WARNING: "yellow"}
_BEGIN = frozenset({"step_started", "map_started"})
_END = frozenset({"step_finished", "step_failed", "step_skipped", "step_cached", "map_finished"})


@dataclass(slots=True)
class _Row:
    """A node that runs."""

    since: float
    progress: Progress | None = None


class ProgressDisplay:
    """A listener that shows a run as it goes. It takes itself down when the run ends.

    Events may come from many threads, and cost them no drawing: a thread of the display's
    own draws, several times a second. Whatever goes wrong with the display, the run never
    hears of it: the display ends, and no more.

    Args:
        total: How many nodes will run, if that is known.
        stream: The terminal; ``sys.stderr`` unless given.
        graph: What runs; from it the display knows how far maps are.
        level: The lowest level that is shown as a line.
        clock: Gives the time, as ``time.time`` does.
    """

    def __init__(
        self,
        total: int | None = None,
        *,
        stream: IO[str] | None = None,
        graph: Graph | None = None,
        level: LogLevel | int | str = LogLevel.INFO,
        clock: Callable[[], float] = time.time,
    ) -> None:
        from rich.console import Console

        self.console: Console = Console(file=stream or sys.stderr)
        self._level = level_of(level)
        self._clock = clock
        self._state = threading.Lock()
        self._counts = MapCounts(graph)
        self._rows: dict[str, _Row] = {}
        self._ended = 0
        self._total = total
        self._name = ""
        self._since: float | None = None
        self._lines: deque[tuple[str, str | None]] = deque()  # to be shown, with their styles
        # rich draws wrong where two threads print at once, so all drawing is under this.
        self._drawing = threading.RLock()
        self._drawn = 0.0
        self._live: Live | None = None
        self._redirection: Redirection | None = None
        self._closed = threading.Event()

    def __call__(self, event: Event) -> None:
        """Show an event.

        Args:
            event: What happened.
        """
        if self._closed.is_set():
            return
        try:
            self._note(event)
            if event.kind == "run_finished":
                self.close()
                return
            told = tell(event)
            if told and told.brief and told.level >= self._level:
                self._lines.append((told.brief, _STYLES.get(told.level, "")))
            self._open()
        except Exception:
            self.close()

    def __enter__(self) -> ProgressDisplay:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        """Take the display down; what stands above remains."""
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
                    continue  # the terminal has gone, and the display with it

    def picture(self) -> RenderableType:
        """What stands at the foot of the terminal now."""
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
        for name, row in running[:room]:
            progress = row.progress
            share = bar(progress.done, progress.total) if progress else ""
            grid.add_row(Text(name), Text(share), _seconds(now - row.since))
        if len(running) > room:
            grid.add_row(Text(f"and {len(running) - room} more", style="dim"))
        share = f"{ended:,} done" if self._total is None else bar(ended, self._total)
        grid.add_row(Text(self._name, style="bold"), Text(share), _seconds(now - (since or now)))
        return grid

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
                self._ended += 1

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
                redirect_stdout=False,  # rich would read markup into what steps print
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
        """Show what a step prints: at once, lest it be lost if the process dies, unless it
        prints so much that drawing would slow it down."""
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
