"""Formatting of events: one table of levels, names and sentences for every output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lokki_tf.local.strict import described, is_not_ready

from .levels import LogLevel

if TYPE_CHECKING:
    from lokki_tf.local import Event

    from .maps import Progress

BAR_WIDTH = 20


@dataclass(frozen=True, slots=True)
class Words:
    """How a kind of event is formatted.

    Args:
        level: Its severity.
        event: Its name in JSON, the same as in Lambda's logs.
        status: Status of the step, map or run, if the event has one.
        sentence: The text in the log.
        brief: The text of a line of progress; empty for none.
    """

    level: LogLevel
    event: str
    status: str | None
    sentence: str
    brief: str = ""


_WORDS = {
    "run_started": Words(LogLevel.SYSTEM, "run_start", None, "Run of '{pipeline}' started"),
    "step_started": Words(LogLevel.INFO, "step_start", None, "Step '{node}'{item} started"),
    "step_finished": Words(
        LogLevel.INFO,
        "step_end",
        "success",
        "Step '{node}'{item} completed in {took:.3f}s (status=success)",
        "{node}{item} done in {took:.3f} s",
    ),
    "step_failed": Words(
        LogLevel.ERROR,
        "step_fail",
        "failed",
        "Step '{node}'{item} failed after {took:.3f}s: {error}",
        "{node}{item} failed in {took:.3f} s: {error}",
    ),
    "step_caught": Words(
        LogLevel.WARNING,
        "step_caught",
        "failed, caught",
        "Step '{node}'{item} failed after {took:.3f}s, caught: {error}",
        "{node}{item} failed in {took:.3f} s, caught: {error}",
    ),
    "step_retried": Words(
        LogLevel.WARNING,
        "step_retry",
        "retried",
        "Step '{node}'{item} failed after {took:.3f}s, attempt {attempt}, "
        "and will be tried again: {error}",
        "{node}{item} failed in {took:.3f} s and will be tried again: {error}",
    ),
    "step_skipped": Words(
        LogLevel.INFO,
        "step_skip",
        "skipped",
        "Step '{node}'{item} skipped (status=skipped)",
        "{node}{item} skipped",
    ),
    "step_cached": Words(
        LogLevel.INFO,
        "step_cached",
        "cached",
        "Step '{node}'{item} taken from an earlier run (status=cached)",
        "{node}{item} taken from an earlier run",
    ),
    "wait_started": Words(LogLevel.INFO, "wait_start", None, "Wait '{node}'{item} started"),
    "wait_finished": Words(
        LogLevel.INFO,
        "wait_end",
        "success",
        "Wait '{node}'{item} ended after {took:.3f}s",
        "{node}{item} ended after {took:.3f} s",
    ),
    "map_started": Words(LogLevel.INFO, "map_start", None, "Map '{node}'{item} started: {items}"),
    "map_finished": Words(
        LogLevel.INFO,
        "map_end",
        "success",
        "Map '{node}'{item} completed in {took:.3f}s (status=success): {items}",
        "{node}{item} done in {took:.3f} s: {items}",
    ),
    "run_finished": Words(
        LogLevel.SUCCESS,
        "run_end",
        "success",
        "Run of '{pipeline}' completed in {took:.3f}s (status=success)",
    ),
}
# Other texts for events with an error; a failed step has a kind of its own.
_FAILED = {
    "wait_started": Words(
        LogLevel.INFO,
        "wait_start",
        "waiting",
        "Wait '{node}'{item} started: {message}",
        "waiting: {message}",
    ),
    "map_finished": Words(
        LogLevel.ERROR,
        "map_fail",
        "failed",
        "Map '{node}'{item} failed after {took:.3f}s: {error}",
        "{node}{item} failed in {took:.3f} s: {error}",
    ),
    "run_finished": Words(
        LogLevel.ERROR, "run_end", "failed", "Run of '{pipeline}' failed after {took:.3f}s"
    ),
}

_POLLED = Words(
    LogLevel.INFO,
    "step_poll",
    "waiting",
    "Step '{node}'{item} is not ready, attempt {attempt}: {message}",
    "{node}{item} is not ready: {message}",
)
"""Texts for an attempt that raises ``NotReady`` and will be repeated."""

Fields = dict[str, str | int | float]


@dataclass(frozen=True, slots=True)
class FormattedEvent:
    """A formatted event.

    Args:
        level: Its severity.
        sentence: The text in the log.
        brief: The text of a line of progress; empty for none.
        fields: The fields in JSON, by name, without those that are ``None``.
    """

    level: LogLevel
    sentence: str
    brief: str
    fields: Fields


def format_event(event: Event) -> FormattedEvent | None:
    """Format an event; ``None`` if its kind is not shown.

    Args:
        event: The event.
    """
    words = _WORDS.get(event.kind)
    if event.error is not None:
        words = _FAILED.get(event.kind, words)
    if event.kind == "step_retried" and is_not_ready(event.error):
        words = _POLLED
    if words is None:
        return None
    error = None if event.error is None else described(event.error)
    values = {
        "pipeline": event.pipeline,
        "node": event.node,
        "item": "" if event.item is None else f" [{event.item}]",
        "items": _items(event.total),
        "took": event.duration or 0.0,
        "attempt": event.attempt,
        "message": event.error,
        "error": (error or "").replace("\r", "").replace("\n", "\n    "),
    }
    # Of a map's items only warnings and errors are shown.
    minor = event.item is not None and words.level < LogLevel.WARNING
    return FormattedEvent(
        LogLevel.DEBUG if minor else words.level,
        words.sentence.format_map(values),
        words.brief.format_map(values),
        _given(
            event=words.event,
            pipeline=event.pipeline,
            step=event.step,
            node=event.node,
            item=event.item,
            attempt=None if event.step is None else event.attempt,
            duration=None if event.duration is None else round(event.duration, 6),
            status=words.status,
            total=event.total,
            error=error,
        ),
    )


def format_progress(event: Event, progress: Progress) -> FormattedEvent:
    """Format the progress of a map.

    Args:
        event: The event that advanced the map.
        progress: The map's progress.
    """
    shown = bar(progress.done, progress.total)
    return FormattedEvent(
        LogLevel.INFO,
        f"Map '{progress.node}' {shown} completed",
        f"{progress.node} {shown}",
        _given(
            event="map_progress",
            pipeline=event.pipeline,
            node=progress.node,
            done=progress.done,
            total=progress.total,
        ),
    )


def _items(total: int | None) -> str:
    """Return a number of items in words; ``None`` if a generator makes them."""
    if total is None:
        return "items of a generator"
    return f"{total:,} item{'s' * (total != 1)}" if total else "no items"


def bar(done: int, total: int) -> str:
    """Format progress as text, ``[=====>              ] 30/100 (30%)``, or ``30 done``."""
    if not total and done:
        return f"{done:,} done"
    share = done / total if total else 1.0
    filled = min(BAR_WIDTH, int(share * BAR_WIDTH))
    arrow = ">" if filled < BAR_WIDTH else ""
    return f"[{'=' * filled + arrow:<{BAR_WIDTH}}] {done:,}/{total:,} ({int(share * 100)}%)"


def _given(**fields: str | int | float | None) -> Fields:
    return {name: value for name, value in fields.items() if value is not None}
