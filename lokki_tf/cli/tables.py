"""Tables of runs in AWS, of their steps, and of imports of bundles."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lokki_tf.drawing.status import format_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import Console
    from rich.table import Table

    from lokki_tf.model import Graph
    from lokki_tf.operate.backfill_values import BackfillOutcome
    from lokki_tf.operate.import_check import ImportResult
    from lokki_tf.operate.runs import AwsRun
    from lokki_tf.operate.states import StepState
    from lokki_tf.operate.waiting import Waiting

_PAUSE = 2.0  # seconds between two looks
_WIDE = 250  # without a terminal, lines are not cut
_STYLES = {
    "SUCCEEDED": "green", "RUNNING": "cyan", "FAILED": "red", "TIMED_OUT": "red",
    "ABORTED": "yellow", "PENDING_REDRIVE": "cyan",
    "done": "green", "running": "cyan", "failed": "red", "aborted": "yellow",
    "skipped": "dim", "not run": "dim", "failed, caught": "yellow",
    "ok": "green", "not checked": "yellow", "connects": "yellow",
}  # fmt: skip


def waiting_table(tasks: Sequence[Waiting]) -> None:
    """Print steps that wait for an answer, one a line, without their long tokens."""
    from rich.text import Text

    table = _table("run", "step", "item", "waits for")
    for one in tasks:
        waited = (datetime.now(UTC) - one.since).total_seconds()
        item = "" if one.item is None else str(one.item)
        table.add_row(Text(one.run), Text(one.node), item, format_duration(waited))
    _console().print(table)


def print_tables(*tables: Table) -> None:
    """Print tables, one below the other."""
    for one in tables:
        _console().print(one)


def watch_tables(look: Callable[[], tuple[Sequence[Table], bool]]) -> None:
    """Show tables and renew them in place, until nothing changes any more.

    Without a terminal, they are printed once, at the end.

    Args:
        look: Returns the tables, and whether they are final.
    """
    from rich.console import Group
    from rich.live import Live

    with Live(console=_console(), auto_refresh=False) as live:
        while True:
            tables, is_final = look()
            live.update(Group(*tables), refresh=True)
            if is_final:
                return
            time.sleep(_PAUSE)


def runs_table(runs: Sequence[AwsRun]) -> Table:
    """Return a table of runs, one a line."""
    from rich.text import Text

    table = _table("run", "status", "began", "took", "error")
    for run in runs:
        redriven = f" ({run.redrives} redriven)" if run.redrives else ""
        end = run.ended or datetime.now(UTC)
        status = run.status.lower().replace("_", " ") if run.busy is None else "skipped"
        style = _STYLES.get(run.status if run.busy is None else status, "")
        table.add_row(
            Text(run.name),
            Text(status + redriven, style=style),
            f"{run.began.astimezone():%Y-%m-%d %H:%M:%S}",
            format_duration((end - run.began).total_seconds()),
            Text(run.error or run.busy or ""),
        )
    return table


def steps_table(steps: Sequence[StepState], graph: Graph) -> Table:
    """Return a table of the steps of a run, one a line; equal ones are one line, as in pictures.

    Args:
        steps: The steps.
        graph: The pipeline's graph; that of a routed pipeline is empty.
    """
    from rich.text import Text

    table = _table("step", "status", "took", "retries", "error")
    for title, shown in _rows(steps, graph):
        first = shown[0]
        error = (first.error or "").partition("\n")[0]
        table.add_row(
            Text(title),
            Text(f"{first.status}{_items(shown)}", style=_STYLES.get(first.status, "")),
            _took([one.duration for one in shown if one.duration is not None]),
            str(sum(one.retries for one in shown) or ""),
            Text(error),
        )
    return table


def _rows(steps: Sequence[StepState], graph: Graph) -> list[tuple[str, list[StepState]]]:
    by_name = {one.node: one for one in steps}
    if not graph.nodes or set(graph.by_name) != set(by_name):
        return [(one.node, [one]) for one in steps]
    from lokki_tf.drawing import rows_of

    rows = rows_of(graph, {name: one.status for name, one in by_name.items()})
    return [
        (label if len(names) == 1 else f"{label} ×{len(names):,}", [by_name[one] for one in names])
        for label, names in rows
    ]


def _took(durations: Sequence[float]) -> str:
    """Return a duration, or the shortest and the longest one."""
    shown = [format_duration(one) for one in (min(durations), max(durations))] if durations else []
    return " to ".join(dict.fromkeys(shown))


def backfill_table(parameter: str, outcomes: Sequence[BackfillOutcome]) -> None:
    """Print runs of a backfill, one a line.

    Args:
        parameter: Name of the parameter.
        outcomes: The runs.
    """
    from rich.text import Text

    named = any(one.run for one in outcomes)
    table = _table(parameter, *(["run"] if named else []), "status", "error")
    for one in outcomes:
        status = one.status.lower().replace("_", " ")
        error = (one.error or "").partition("\n")[0]
        table.add_row(
            Text(one.value.text),
            *([Text(one.run or "")] if named else []),
            Text(status, style=_STYLES.get(one.status, "")),
            Text(error),
        )
    _console().print(table)


def imports_table(results: Sequence[ImportResult]) -> None:
    """Print the results of importing bundles, one a line."""
    from rich.text import Text

    table = _table("step", "import", "ms", "files", "zip", "error")
    for result in results:
        status = _status(result)
        table.add_row(
            Text(result.step),
            Text(status, style=_STYLES[status]),
            "" if result.milliseconds is None else f"{result.milliseconds:,.0f}",
            f"{result.file_bytes:,} bytes",
            f"{result.zip_bytes:,} bytes",
            Text(_explained(result)),
        )
    _console().print(table)


def _status(result: ImportResult) -> str:
    if result.error:
        return "failed"
    if result.unchecked:
        return "not checked"
    return "connects" if result.connections else "ok"


def _explained(result: ImportResult) -> str:
    text = result.error or result.unchecked or ""
    if result.connections and not result.error:
        text = f"opens a connection to {', '.join(result.connections)} at import"
    return f"{text}\n  at {result.place}" if result.place else text


def _items(steps: Sequence[StepState]) -> str:
    known = [one.items for one in steps if one.items is not None]
    if not known:
        return ""
    done, failed, total = map(sum, zip(*known, strict=True))
    lost = f", {failed:,} failed" if failed else ""
    return f", {done:,} of {total:,} items{lost}"


def _table(*columns: str) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in columns:
        more: dict[str, Any] = {"no_wrap": name != "error"}
        if name in ("took", "retries", "ms", "files", "zip"):
            more["justify"] = "right"
        table.add_column(name, **more)
    return table


def _console() -> Console:
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else _WIDE, highlight=False)
