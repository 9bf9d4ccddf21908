"""A run as a table: for notebooks, for rich, and as plain text."""

from __future__ import annotations

import reprlib
from collections import Counter
from collections.abc import Iterator
from html import escape
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from .strict import described

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lokki_tf.model import Definition

MOST_ROWS = 200  # a longer table would be slow in a notebook
COLUMNS = ("step", "status", "seconds", "result")
_COLOURS = {
    "done": "green", "cached": "blue", "skipped": "gray", "failed": "red",
    "failed, caught": "darkorange",
    "interrupted": "darkorange", "aborted": "darkorange", "not run": "gray",
    "running": "blue",
}  # fmt: skip


class Tabular(Protocol):
    """What a table shows of a run, see :class:`lokki_tf.local.Run`, or of one in AWS."""

    definition: Definition
    duration: float

    @property
    def status(self) -> Mapping[str, str]:
        """The status of each node, by name."""

    @property
    def timings(self) -> Mapping[str, tuple[float, float]]:
        """Start and end of each node, in seconds."""

    @property
    def errors(self) -> Mapping[str, BaseException | str]:
        """The error of each node that failed, by name."""

    @property
    def outputs(self) -> Mapping[str, Any]:
        """The results of nodes that are done, by name."""

    @property
    def failed_items(self) -> Mapping[str, Mapping[Any, BaseException]]:
        """The errors of failed items by index, for each map with failed items."""


class Row(NamedTuple):
    """The cells of a node's row."""

    step: str
    status: str
    seconds: str
    result: str


def as_text(run: Tabular) -> str:
    """Return the table as plain text."""
    rows = [Row(*COLUMNS), *rows_of(run)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join([summary(run), *lines, *_more(run)])


def as_html(run: Tabular) -> str:
    """Return the table as HTML, all text escaped."""
    head = "".join(f"<th style='text-align:left'>{name}</th>" for name in COLUMNS)
    body = "".join(
        f"<tr><td style='text-align:left'>{escape(row.step)}</td>"
        f"<td style='text-align:left;color:{_COLOURS[row.status]}'>{row.status}</td>"
        f"<td>{row.seconds}</td>"
        f"<td style='text-align:left'><code>{escape(row.result)}</code></td></tr>"
        for row in rows_of(run)
    )
    more = "".join(f"<p>{line}</p>" for line in _more(run))
    return (
        f"<p>{escape(summary(run))}</p>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"
    )


def as_rich(run: Tabular) -> Any:
    """Return the table for rich."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(summary(run)), caption="".join(_more(run)) or None)
    for name in COLUMNS:
        table.add_column(name, justify="right" if name == "seconds" else "left")
    for row in rows_of(run):
        # As Text: rich would interpret [brackets] in a plain string as markup.
        status = Text(row.status, style=_COLOURS[row.status].replace("darkorange", "yellow"))
        table.add_row(Text(row.step), status, row.seconds, Text(row.result))
    return table


def summary(run: Tabular) -> str:
    """Return a summary of a run in one line."""
    counts = Counter(run.status.values())
    listed = ", ".join(f"{count} {status}" for status, count in counts.items())
    return f"{run.definition.name}: {listed or 'no steps'} in {run.duration:.3f} s"


def rows_of(run: Tabular) -> Iterator[Row]:
    """Yield the first nodes, and in any case the first that failed."""
    status, timings, errors, outputs = run.status, run.timings, run.errors, run.outputs
    left_out = run.failed_items
    failed = list(errors)[:MOST_ROWS]
    others = (name for name in status if name not in errors)
    shown = {*failed, *islice(others, MOST_ROWS - len(failed))}
    for name in (name for name in status if name in shown):
        start, end = timings.get(name, (None, None))
        seconds = "" if start is None or end is None else f"{end - start:.3f}"
        if name in errors:
            result = _shortened(described(errors[name]))
        else:
            result = _shown(outputs[name]) if name in outputs else ""
            if name in left_out:
                result = _shortened(f"without {len(left_out[name]):,} that failed: {result}")
        yield Row(name, status[name], seconds, result)


def _more(run: Tabular) -> list[str]:
    hidden = len(run.status) - MOST_ROWS
    return [f"… and {hidden:,} more"] if hidden > 0 else []


def _shown(value: Any) -> str:
    """Format a value in one short line; it may be large, or its repr may raise."""
    try:
        return _shortened(_REPR.repr(value))
    except Exception:  # reprlib selects by class names, and users may have a class named "array"
        return f"<{type(value).__qualname__}>"


def shortened_repr(value: Any) -> str:
    """The representation of a value, shortened if it is long: a notebook keeps it with the cell."""
    try:
        text = _LONG.repr(value)
    except Exception:  # as in _shown
        return f"<{type(value).__qualname__}>"
    if _LEFT_OUT not in text:  # nothing was left out, so the exact one is as short
        return repr(value)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + _LEFT_OUT


def _shortened(text: str) -> str:
    line = " ".join(text[:500].split())
    return line if len(line) <= 80 else line[:79] + "…"


_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = 80
_LONGEST = 5_000  # characters
_LEFT_OUT = "..."  # what reprlib writes
_LONG = reprlib.Repr()
_LONG.maxlevel = 10
_LONG.maxlist = _LONG.maxtuple = _LONG.maxdict = _LONG.maxset = _LONG.maxfrozenset = 50
_LONG.maxarray = _LONG.maxdeque = 50
_LONG.maxstring = _LONG.maxother = _LONG.maxlong = 500
