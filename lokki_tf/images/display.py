"""Progress of an image: a bar per layer on a terminal, else a line per step of the build."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from .progress import OnProgress, Progress

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

_STEP = re.compile(r"(\[\d+/\d+\] )?(STEP|Step) \d+/\d+ ?:")
_NEWS = re.compile(r"The push refers to|.*: digest: ")


@contextmanager
def shown(stream: IO[str] | None = None) -> Iterator[OnProgress]:
    """Yield a listener that shows progress inside the ``with`` statement.

    Args:
        stream: Where to write; ``sys.stderr`` by default.
    """
    from rich.console import Console

    console = Console(file=stream or sys.stderr, highlight=False)
    if not console.is_terminal:
        yield lambda one: _print_line(console, one)
        return
    from rich.progress import BarColumn, DownloadColumn, TextColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Bars(*columns, console=console, transient=True) as bars:
        layers: dict[str, TaskID] = {}
        yield lambda one: _draw(bars, layers, one)


def _print_line(console: Console, one: Progress) -> None:
    if _STEP.match(one.text) or _NEWS.match(one.text):
        console.print(one.text, markup=False, soft_wrap=True)


def _draw(bars: Bars, layers: dict[str, TaskID], one: Progress) -> None:
    if not one.layer:
        _print_line(bars.console, one)
        return
    if one.layer not in layers:
        layers[one.layer] = bars.add_task(one.layer, total=None)
    # Docker's last message about a layer contains no size.
    size = {"total": one.total, "completed": one.done} if one.total else {}
    bars.update(layers[one.layer], description=f"{one.layer} {one.text}", **size)  # type: ignore[arg-type]
