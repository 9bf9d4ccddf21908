"""Short texts in pictures: what distinguishes a node, what starts a pipeline, and what ends it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lokki_tf.model import (
    Dataset,
    EventPattern,
    Map,
    Node,
    PipelineDone,
    S3Created,
    Schedule,
    Step,
    Wait,
)
from lokki_tf.model.durations import duration

from .characters import clipped
from .status import format_count

if TYPE_CHECKING:
    from lokki_tf.model import AnyNode, Definition, Route, TerraformRef, Trigger
    from lokki_tf.model.retries import ErrorType

_LONGEST, _MOST_ROUTES = 60, 8
_BUSY = {"queue": "others wait", "skip": "others are skipped", "fail": "others fail"}


def notes_of(node: AnyNode, *, is_cleanup: bool = False) -> tuple[str, ...]:
    """Return what a picture says about a node beside its name: that it polls, for example.

    Args:
        node: The node.
        is_cleanup: Whether it is the cleanup step.
    """
    return tuple(clipped(one, _LONGEST) for one in _notes(node, is_cleanup=is_cleanup))


def _notes(node: AnyNode, *, is_cleanup: bool) -> Iterator[str]:
    if is_cleanup:
        yield "always runs"
    if isinstance(node, Map):
        if isinstance(node.items, Dataset):
            yield node.items.label
        return
    if isinstance(node, Wait):
        return
    options = node.step.options
    if node.when is not None:
        yield "runs if its condition is true"
    if options.poll is not None:
        yield f"polls every {duration(options.poll)}"
    if options.callback:
        yield "waits for an answer"
    if node.catch:
        yield f"catches {', '.join(map(_error, node.catch))}"


def _error(error: ErrorType) -> str:
    return error if isinstance(error, str) else error.__name__


def starts_of(definition: Definition) -> tuple[str, ...]:
    """Return what starts runs of a pipeline, and how many may run at once.

    Args:
        definition: The pipeline.
    """
    found = [] if definition.schedule is None else [definition.schedule]
    found += map(_trigger, definition.triggers)
    most = definition.max_concurrent_runs
    if most is not None:
        found.append(f"at most {format_count(most, 'run')}: {_BUSY[definition.when_busy]}")
    return tuple(clipped(one, _LONGEST) for one in found)


def ends_of(definition: Definition) -> tuple[str, ...]:
    """Return what receives the failure notice of a pipeline, if anything does.

    Args:
        definition: The pipeline.
    """
    notified = definition.on_failure
    if notified is None:
        return ()
    name = (
        notified.name
        if isinstance(notified, Step)
        else f"SNS topic {_value(notified).rpartition(':')[2]}"
    )
    return (clipped(f"on failure: {name}", _LONGEST),)


def _trigger(trigger: Trigger) -> str:
    if isinstance(trigger, Schedule):
        zone = f" {trigger.timezone}" if trigger.timezone else ""
        return f"{trigger.expression}{zone}"
    if isinstance(trigger, S3Created):
        bucket = "own bucket" if trigger.bucket is None else _value(trigger.bucket)
        return f"S3 object in {bucket}: {trigger.prefix}*{trigger.suffix}"
    if isinstance(trigger, PipelineDone):
        how = "ends" if trigger.status == "any" else f"has {trigger.status}"
        return f"pipeline {trigger.name} {how}"
    return f"event: {_pattern(trigger)}"


def _value(given: str | TerraformRef) -> str:
    return given if isinstance(given, str) else f"{given.before}{given.address}{given.after}"


def _pattern(trigger: EventPattern) -> str:
    """Return the sources and types of events that match; the whole pattern if it has neither."""
    fields = (trigger.pattern.get(name) for name in ("source", "detail-type"))
    texts = [
        one if isinstance(one, str) else repr(one)
        for values in fields
        if isinstance(values, list | tuple)
        for one in values
    ]
    return ", ".join(texts) or str(dict(trigger.pattern))


def routes_in(node: AnyNode) -> tuple[str, ...]:
    """Return a line for each step of a routed pipeline, with the steps that can follow.

    Args:
        node: The node; others than routed pipelines have no such lines.
    """
    routes = [*node.visits.values()] if isinstance(node, Node) else []
    lines = [_way(one) for one in routes[:_MOST_ROUTES]]
    more = len(routes) - len(lines)
    return tuple(clipped(one, _LONGEST) for one in [*lines, *([f"… {more} more"] if more else [])])


def _way(route: Route) -> str:
    following = [*route.reaches, *(["the end"] if route.ends and route.reaches else [])]
    return f"• {route.name}" + (f" → {', '.join(following)}" if following else "")
