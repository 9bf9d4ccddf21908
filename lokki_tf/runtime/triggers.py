"""The function that starts executions for events and schedules.

Rules of EventBridge, and schedules, call it with ``{"trigger": 0, "event": {…}}``: the number of a
trigger in ``triggers.json`` beside the handler, and EventBridge's event. A schedule sends an event
of the same form, with the time for which it starts the run. Each trigger in that file has

- ``name``: with which names of its executions begin;
- ``parameters``: by name, where the value is: ``{"path": ["detail", "object", "key"]}`` in the
  event, ``{"value": …}`` itself, or a form of the scheduled time: ``{"form": "day"}``;
- ``kinds``: the names of the parameters' types, as for :func:`.parameters.fits`;
- ``optional``: the parameters that have a default;
- ``timezone``: of a schedule, for the forms of its time.

EventBridge and the Scheduler deliver an event at least once. The name of an execution comes from
the event's id, or the scheduled time, so an event that is delivered again starts nothing: names of
executions are unique for 90 days. Source: Step Functions API Reference, "StartExecution".
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from .moments import moment
from .names import STATE_MACHINE, TRIGGERS
from .parameters import RESERVED, SCHEDULED, fits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, tzinfo
    from typing import Any

    Event = Mapping[str, Any]
    TriggerSpec = Mapping[str, Any]

_NAME_LENGTH = 80  # of an execution


class EventError(Exception):
    """An event does not contain what a trigger needs of it."""


def handle(call: Mapping[str, Any], context: Any = None) -> str:
    """Start an execution for an event, unless the event has started one.

    Args:
        call: The number of a trigger, and the event.
        context: Lambda's context.

    Returns:
        The ARN of the execution.

    Raises:
        EventError: If the event does not contain the parameters; Lambda sends it to the
            dead-letter queue.
    """
    import boto3
    from botocore.config import Config

    text = Path(__file__).parent.with_name(TRIGGERS).read_text(encoding="utf-8")
    trigger, event = json.loads(text)[call["trigger"]], call["event"]
    state_machine, name = os.environ[STATE_MACHINE], execution_name(trigger, event)
    region = state_machine.split(":")[3]
    config = Config(retries={"mode": "standard", "total_max_attempts": 10})
    client = boto3.client("stepfunctions", region_name=region, config=config)
    given = json.dumps(input_of(trigger, event), ensure_ascii=False)
    try:
        made = client.start_execution(stateMachineArn=state_machine, name=name, input=given)
    except client.exceptions.ExecutionAlreadyExists:
        return f"{state_machine.replace(':stateMachine:', ':execution:')}:{name}"
    return str(made["executionArn"])


def execution_name(trigger: TriggerSpec, event: Event) -> str:
    """Return the name of the execution that an event starts.

    Args:
        trigger: The trigger.
        event: The event.

    Raises:
        EventError: If the event has no id.
    """
    key = _text(event, "time" if "timezone" in trigger else "id")
    return re.sub(r"[^A-Za-z0-9_-]", "-", f"{trigger['name']}-{key}")[:_NAME_LENGTH]


def input_of(trigger: TriggerSpec, event: Event) -> dict[str, Any]:
    """Return the input of the execution that an event starts.

    Args:
        trigger: The trigger.
        event: The event.

    Raises:
        EventError: If the event lacks a parameter without a default, or one has another type.
    """
    found = {}
    for name, source in trigger["parameters"].items():
        try:
            value = _value(source, trigger, event)
        except LookupError:
            if name in trigger["optional"]:
                continue
            raise EventError(
                f"the event has no {path_text(source['path'])}, which is parameter {name!r}"
            ) from None
        kind = trigger["kinds"].get(name)
        if not fits(value, kind):
            where = f" ({path_text(source['path'])})" if "path" in source else ""
            raise EventError(
                f"parameter {name!r} must be {kind}, but the event has {value!r}{where}"
            )
        found[name] = value
    if "timezone" in trigger:
        reserved = {SCHEDULED: _text(event, "time")}
    else:
        reserved = {"event": _text(event, "id")}
    return {**found, RESERVED: {"trigger": trigger["name"], **reserved}}


def path_text(path: list[str | int]) -> str:
    """Return a path as users write it.

    Args:
        path: Names and indices.
    """
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)[1:]


def formatted(form: str, at: datetime) -> str:
    """Return a form of a time.

    Args:
        form: ``time``, ``hour``, ``day``, ``week`` or ``month``.
        at: The time, in the time zone.
    """
    if form == "time":
        return at.isoformat(timespec="seconds")
    if form == "week":
        year, week, _ = at.isocalendar()
        return f"{year}-W{week:02}"
    return at.isoformat()[: {"hour": 13, "day": 10, "month": 7}[form]]


def _text(event: Event, name: str) -> str:
    value = event.get(name) if isinstance(event, dict) else None
    if not isinstance(value, str) or not value:
        raise EventError(f"the event must have {name!r}, a text, got {value!r}")
    return value


def _value(source: Mapping[str, Any], trigger: TriggerSpec, event: Event) -> Any:
    if "value" in source:
        return source["value"]
    if "form" in source:
        at = _text(event, "time")
        try:
            time = moment(at)
        except ValueError:
            raise EventError(f"the event's time must be RFC 3339, got {at!r}") from None
        return formatted(source["form"], time.astimezone(_zone(trigger["timezone"])))
    found: Any = event
    for part in source["path"]:
        if not isinstance(found, list if isinstance(part, int) else dict):
            raise LookupError(part)
        found = found[part]
    return found


def _zone(name: str) -> tzinfo:
    """Return a time zone; Lambda's images lack its data, which a package of boto3 contains."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(name)
    except ZoneInfoNotFoundError:
        from dateutil.zoneinfo import get_zonefile_instance  # type: ignore[import-untyped]

        found: tzinfo | None = get_zonefile_instance().get(name)
        if found is None:
            raise
        return found
