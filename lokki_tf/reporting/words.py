"""An event in words: one table of levels, names and sentences for every output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lokki_tf.local.strict import described

from .levels import LogLevel

if TYPE_CHECKING:
    from lokki_tf.local import Event

    from .maps import Progress

BAR_WIDTH = 20


@dataclass(frozen=True, slots=True)
class Words:
    """How a kind of event is told.

    Args:
        level: How much it matters.
        event: Its name in JSON, the same here as in Lambda.
        status: What became of the step, map or run, if that is said.
        sentence: What the log says.
        brief: What a line of progress says; nothing if it is empty.
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
# What ends with an error is told otherwise; a failed step has a kind of its own.
_FAILED = {
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

Fields = dict[str, str | int | float]


@dataclass(frozen=True, slots=True)
class Told:
    """An event, told.

    Args:
        level: How much it matters.
        sentence: For the log.
        brief: For a line of progress; empty for none.
        fields: For machines, by name; none is ``None``.
    """

    level: LogLevel
    sentence: str
    brief: str
    fields: Fields


def tell(event: Event) -> Told | None:
    """An event in words, or ``None`` if there are none for its kind.

    Args:
        event: What happened.
    """
    words = _WORDS.get(event.kind)
    if event.error is not None:
        words = _FAILED.get(event.kind, words)
    if words is None:
        return None
    error = None if event.error is None else described(event.error)
    values = {
        "pipeline": event.pipeline,
        "node": event.node,
        "item": "" if event.item is None else f" [{event.item}]",
        "items": f"{event.total:,} item{'s' * (event.total != 1)}" if event.total else "no items",
        "took": event.duration or 0.0,
        "attempt": event.attempt,
        "error": (error or "").replace("\r", "").replace("\n", "\n    "),
    }
    # Of a map's many items only trouble is news.
    minor = event.item is not None and words.level < LogLevel.WARNING
    return Told(
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


def tell_progress(event: Event, progress: Progress) -> Told:
    """How far a map is, in words.

    Args:
        event: What has brought it there.
        progress: How far it is.
    """
    shown = bar(progress.done, progress.total)
    return Told(
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


def bar(done: int, total: int) -> str:
    """Progress as text, ``[=====>              ] 30/100 (30%)``."""
    share = done / total if total else 1.0
    filled = min(BAR_WIDTH, int(share * BAR_WIDTH))
    arrow = ">" if filled < BAR_WIDTH else ""
    return f"[{'=' * filled + arrow:<{BAR_WIDTH}}] {done:,}/{total:,} ({int(share * 100)}%)"


def _given(**fields: str | int | float | None) -> Fields:
    return {name: value for name, value in fields.items() if value is not None}
