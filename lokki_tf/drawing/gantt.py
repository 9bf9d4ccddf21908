"""A run as a Gantt chart: one row per node, with a bar from its start to its end.

Two stages: :mod:`.timeline` computes the rows and the axis, this module writes them as SVG. Bars
are to scale. The picture is as wide as its labels need, and has its own white background, so that
it looks the same in light and dark notebooks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .characters import CHARACTER, clipped, columns, markup, number
from .status import INK, LOOKS, format_duration, format_outcome, tooltip
from .summary import summary
from .timeline import Row, Timeline, timeline

if TYPE_CHECKING:
    from lokki_tf.model import Definition, Outcome, Status

_PAD, _GAP = 18.0, 8.0
_HEAD, _AXIS, _ROW = 66.0, 24.0, 24.0
_PLOT, _BAR, _THIN, _LEAST = 520.0, 12.0, 3.0, 1.5
_TITLE = 1.25  # times the size of all other text
_LONGEST_NAME, _LONGEST_TITLE = 30, 60
_MANY_ROWS = 25  # with more rows the axis is repeated at the bottom
_QUIET, _LINES, _STRIPES = "#5b6778", "#dfe4ec", "#f5f7fa"
_THIN_STATUSES = ("cached", "skipped")
_CRITICAL = "critical chain"


def to_gantt(definition: Definition, outcomes: Mapping[str, Outcome], duration: float) -> str:
    """Draw a run as SVG; nodes on the critical chain have an outline.

    Args:
        definition: The pipeline.
        outcomes: The outcome of each node, by name; a missing node has not run.
        duration: Duration of the run in seconds.
    """
    run = timeline(definition.whole, outcomes, duration)
    title, took = clipped(definition.name, _LONGEST_TITLE), f"· {format_duration(duration)}"
    middle = _PAD + (columns(title) + 1) * CHARACTER * _TITLE
    frame = _framed(run, middle + columns(took) * CHARACTER * _TITLE)
    width, height = number(frame.width), number(frame.height)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="monospace" font-size="12" '
        f'fill="{INK}" role="img">',
        f"<title>{markup(f'{definition.name} {took}')}</title>",
        f"<desc>{markup(summary(definition, outcomes))}</desc>",
        f'<rect x="0.5" y="0.5" width="{number(frame.width - 1)}" '
        f'height="{number(frame.height - 1)}" rx="8" fill="#fff" stroke="{_LINES}"/>',
        _text(title, _PAD, 30, INK, ' font-size="15" font-weight="bold"'),
        _text(took, middle, 30, _QUIET, ' font-size="15"'),
        *_legend(run),
        *_axis(run, frame),
        *_rows(run, frame),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where the axis begins, pixels per second, and where the rows and the picture end."""

    left: float
    scale: float
    bottom: float
    width: float
    height: float

    def extent(self, row: Row) -> tuple[float, float]:
        """Return the left and right end of a row's bar.

        Every bar has a visible width, and none extends beyond the axis.
        """
        if row.outcome.status in _THIN_STATUSES:
            wide = _THIN
        else:
            wide = max((row.end - row.start) * self.scale, _LEAST)
        begin = self.left + min(row.start * self.scale, _PLOT - wide)
        return begin, begin + wide


def _framed(run: Timeline, title: float) -> _Frame:
    """Compute the frame from the widths of all labels, so that they fit.

    Args:
        run: The rows and the axis.
        title: The right end of the title, in pixels.
    """
    names = [row.name for row in run.rows] + [name for name, _ in run.waiting]
    longest = max((columns(clipped(name, _LONGEST_NAME)) for name in names), default=0)
    left = _PAD + longest * CHARACTER + 2 * _GAP
    bottom = _HEAD + _AXIS + len(names) * _ROW
    height = bottom + (_AXIS if len(names) > _MANY_ROWS else _GAP)
    frame = _Frame(left, _PLOT / run.span, bottom, 0.0, height)
    ends = [title, *(end for *_, end in _legend_places(run))]
    ends += [left + _PLOT + columns(run.ticks[-1].label) * CHARACTER / 2]
    ends += [frame.extent(row)[1] + _GAP + columns(_beside(row)) * CHARACTER for row in run.rows]
    ends += [
        left + _GAP + columns(format_outcome(outcome)) * CHARACTER for _, outcome in run.waiting
    ]
    return _Frame(left, frame.scale, bottom, max(ends) + _PAD, height)


def _legend_places(run: Timeline) -> Iterator[tuple[str, Status | None, float, float]]:
    """Yield each entry of the legend: text, status, left end, right end."""
    outcomes = [row.outcome for row in run.rows] + [outcome for _, outcome in run.waiting]
    counts = Counter(outcome.status for outcome in outcomes)
    entries: list[tuple[str, Status | None]] = [
        (f"{counts[status]} {status}", status) for status in LOOKS if counts[status]
    ]
    x = _PAD
    for text, status in [*entries, *([(_CRITICAL, None)] if run.rows else [])]:
        end = x + _BAR + _GAP + columns(text) * CHARACTER
        yield text, status, x, end
        x = end + 2 * _GAP


def _legend(run: Timeline) -> Iterator[str]:
    for text, status, x, _ in _legend_places(run):
        if status is None:
            yield _outline(x + 2, 45, _BAR - 4, 8)
        else:
            yield f'<rect x="{number(x)}" y="43" width="12" height="12" {_style(status)}/>'
        yield _text(text, x + _BAR + _GAP, 53, _QUIET)


def _axis(run: Timeline, frame: _Frame) -> Iterator[str]:
    top, rows = _HEAD + _AXIS, len(run.rows) + len(run.waiting)
    striped = "".join(
        f"M{number(_GAP)} {number(top + index * _ROW)}h{number(frame.width - 2 * _GAP)}"
        f"v{number(_ROW)}H{number(_GAP)}z"
        for index in range(0, rows, 2)
    )
    yield f'<path d="{striped}" fill="{_STRIPES}"/>'
    ticks = [(tick.label, frame.left + tick.seconds * frame.scale) for tick in run.ticks]
    grid = "".join(f"M{number(x)} {number(top)}V{number(frame.bottom)}" for _, x in ticks)
    yield f'<path d="{grid}" stroke="{_LINES}"/>'
    for y in (top - _GAP, frame.bottom + _GAP * 2)[: 1 + (rows > _MANY_ROWS)]:
        for label, x in ticks:
            yield _text(label, x, y, _QUIET, ' text-anchor="middle"')


def _rows(run: Timeline, frame: _Frame) -> Iterator[str]:
    y = _HEAD + _AXIS + _ROW / 2
    for row in run.rows:
        yield f"<g><title>{markup(tooltip(row.name, row.outcome))}</title>"
        yield _text(clipped(row.name, _LONGEST_NAME), _PAD, y + 4)
        yield from _bar(row, frame, y - _BAR / 2)
        yield _text(_beside(row), frame.extent(row)[1] + _GAP, y + 4, _words(row.outcome))
        yield "</g>"
        y += _ROW
    for name, outcome in run.waiting:
        yield f"<g><title>{markup(tooltip(name, outcome))}</title>"
        yield _text(clipped(name, _LONGEST_NAME), _PAD, y + 4, _QUIET)
        yield _text(format_outcome(outcome), frame.left + _GAP, y + 4, LOOKS[outcome.status].line)
        yield "</g>"
        y += _ROW


def _bar(row: Row, frame: _Frame, y: float) -> Iterator[str]:
    begin, end = frame.extent(row)
    yield (
        f'<rect x="{begin:.2f}" y="{number(y)}" width="{end - begin:.2f}" '
        f'height="{number(_BAR)}" {_style(row.outcome.status)}/>'
    )
    if row.critical:
        yield _outline(begin, y, end - begin, _BAR)


def _style(status: Status) -> str:
    """Return the style of a bar: filled if the node ended, else hollow with a dashed outline."""
    look = LOOKS[status]
    if status in ("interrupted", "not run"):
        return f'rx="2" fill="{look.fill}" stroke="{look.line}" stroke-dasharray="3 2"'
    return f'rx="2" fill="{look.line}"'


def _outline(x: float, y: float, width: float, height: float) -> str:
    return (
        f'<rect x="{number(x - 2)}" y="{number(y - 2)}" width="{number(width + 4)}" '
        f'height="{number(height + 4)}" rx="4" fill="none" stroke="{INK}"/>'
    )


def _beside(row: Row) -> str:
    """Return the text beside a bar: only the duration if the first attempt succeeded."""
    if row.outcome.status == "done" and row.outcome.attempts <= 1:
        return format_duration(row.end - row.start)
    return format_outcome(row.outcome)


def _words(outcome: Outcome) -> str:
    return _QUIET if outcome.status == "done" else LOOKS[outcome.status].line


def _text(text: str, x: float, y: float, fill: str = INK, more: str = "") -> str:
    colour = "" if fill == INK else f' fill="{fill}"'
    return f'<text x="{number(x)}" y="{number(y)}"{colour}{more}>{markup(text)}</text>'
