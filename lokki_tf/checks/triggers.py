"""Triggers: their schedules, and the parameters of the runs that they start.

Sources of the fields of events: Amazon S3 User Guide, "EventBridge event message structure"; AWS
Step Functions Developer Guide, "Automating Step Functions event delivery with EventBridge".
"""

from __future__ import annotations

import json
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from lokki_tf.config.rules import zone
from lokki_tf.errors import BindingError, ScheduleError
from lokki_tf.model import (
    REQUIRED,
    EventPattern,
    Finding,
    PipelineDone,
    S3Created,
    Schedule,
)
from lokki_tf.model.event_patterns import matches
from lokki_tf.model.triggers import ScheduledTime, path_of
from lokki_tf.runtime.parameters import RESERVED, fits

from .schedule import EXPRESSIONS, problem_with

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lokki_tf.errors import DefinitionError
    from lokki_tf.model import Definition, FlowParameter, Trigger

_TEXT, _NUMBER = "str", "int"
_OF_S3: Mapping[str, str] = {
    "detail.version": _TEXT,
    "detail.bucket.name": _TEXT,
    "detail.object.key": _TEXT,
    "detail.object.size": _NUMBER,
    "detail.object.etag": _TEXT,
    "detail.object.version-id": _TEXT,
    "detail.object.sequencer": _TEXT,
    "detail.request-id": _TEXT,
    "detail.requester": _TEXT,
    "detail.source-ip-address": _TEXT,
    "detail.reason": _TEXT,
}
_OF_EXECUTIONS: Mapping[str, str] = {
    "detail.executionArn": _TEXT,
    "detail.stateMachineArn": _TEXT,
    "detail.name": _TEXT,
    "detail.status": _TEXT,
    "detail.startDate": _NUMBER,
    "detail.stopDate": _NUMBER,
    "detail.input": _TEXT,
    "detail.output": _TEXT,
    "detail.error": _TEXT,
    "detail.cause": _TEXT,
    "detail.redriveCount": _NUMBER,
}
_MOST_INPUT = 262_144  # bytes; Step Functions Developer Guide, "Quotas"
_MOST_SHOWN = 200  # characters of a trigger in a message
_STATUSES = ("RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED")


def check(definition: Definition) -> Iterator[Finding]:
    """Check the pipeline's triggers, one by one."""
    for trigger in definition.triggers:
        for message, remedy, error in _faults(definition, trigger):
            text = repr(trigger)
            shown = text if len(text) <= _MOST_SHOWN else f"{text[: _MOST_SHOWN - 1]}…"
            yield Finding("trigger", f"{shown}: {message}", definition.place, remedy, error=error)


def _faults(
    definition: Definition, trigger: Trigger
) -> Iterator[tuple[str, str, type[DefinitionError]]]:
    if isinstance(trigger, Schedule):
        problem = problem_with(trigger.expression)
        if problem:
            yield f"schedule {trigger.expression!r} {problem}", EXPRESSIONS, ScheduleError
        rule = zone()
        if trigger.timezone is not None and not rule.fits(trigger.timezone):
            yield f"timezone must be {rule.expected}", "name a zone of IANA", ScheduleError
    own = f"pipeline {definition.name!r}"
    if isinstance(trigger, PipelineDone) and trigger.name == definition.name:
        yield (
            f"the end of each run of {own} would start the next run, without an end",
            "name another pipeline",
            ScheduleError,
        )
    if isinstance(trigger, EventPattern) and _matches_own(definition.name, trigger):
        yield (
            f"the pattern matches the events of executions of {own}: each run would start another",
            'restrict it, for example {"detail": {"stateMachineArn": [{"anything-but": '
            f'{{"wildcard": "*:stateMachine:{definition.name}*"}}}}]}}}}',
            ScheduleError,
        )
    yield from _faulty_parameters(definition, trigger)


def _matches_own(name: str, trigger: EventPattern) -> bool:
    """Return whether an event of an execution of the pipeline matches a pattern."""
    arn = f"arn:aws:states:us-east-1:123456789012:execution:{name}:run"
    state_machine = arn.replace(":execution:", ":stateMachine:").removesuffix(":run")
    detail = {"executionArn": arn, "stateMachineArn": state_machine, "name": "run"}
    return trigger.bus == "default" and any(
        matches(
            trigger.pattern,
            {
                "version": "0",
                "id": "id",
                "detail-type": "Step Functions Execution Status Change",
                "source": "aws.states",
                "account": "123456789012",
                "time": "2024-01-31T09:00:00Z",
                "region": "us-east-1",
                "resources": [arn],
                "detail": {**detail, "status": status},
            },
        )
        for status in _STATUSES
    )


def _faulty_parameters(
    definition: Definition, trigger: Trigger
) -> Iterator[tuple[str, str, type[DefinitionError]]]:
    declared = {one.name: one for one in definition.parameters}
    takes_more = definition.routes is not None and definition.routes.takes_more
    names = ", ".join(declared) or "none"
    for name, value in trigger.parameters.items():
        if name == RESERVED:
            yield f"{RESERVED!r} is reserved", "choose another name", BindingError
        elif name in declared:
            problem = _problem_with_value(trigger, value, declared[name])
            if problem:
                yield f"parameter {name!r} {problem[0]}", problem[1], BindingError
        elif not takes_more:
            remedy = f"its parameters are: {names}"
            yield f"the pipeline has no parameter {name!r}", remedy, BindingError
    size = len(json.dumps(trigger.parameters, default=str, ensure_ascii=False).encode())
    if size > _MOST_INPUT:
        yield (
            f"its parameters have {size:,} bytes; an execution's input has at most {_MOST_INPUT:,}",
            "store large data in S3 and pass its URI, or load it in a step",
            BindingError,
        )
    lacking = [
        one.name
        for one in declared.values()
        if one.default is REQUIRED and one.name not in trigger.parameters
    ]
    if lacking:
        yield (
            f"the runs that it starts lack parameter {', '.join(map(repr, lacking))}",
            f"add parameters={{{lacking[0]!r}: …}}, or give the parameter a default",
            BindingError,
        )


def _problem_with_value(
    trigger: Trigger, value: Any, declared: FlowParameter
) -> tuple[str, str] | None:
    kind = declared.kind.__name__ if isinstance(declared.kind, type) else None
    if not isinstance(trigger, Schedule):
        return _problem_with_path(trigger, value, kind)
    if isinstance(value, ScheduledTime):
        value = "2024-01-31"  # all forms are texts
    elif not _is_json(value):
        return f"must be JSON, got {value!r}", "pass texts, numbers, lists or dicts"
    optional = value is None and declared.default is None
    if optional or fits(value, kind):
        return None
    return f"must be {kind}, got {trigger.parameters[declared.name]!r}", "pass a value of that type"


def _problem_with_path(trigger: Trigger, text: Any, kind: str | None) -> tuple[str, str] | None:
    fields = _OF_S3 if isinstance(trigger, S3Created) else _OF_EXECUTIONS
    path = path_of(text)
    if isinstance(trigger, EventPattern) or path is None or path[0] != "detail":
        return None
    written = str(text).removeprefix("$.")
    if written not in fields:
        if any(one.startswith(f"{written}.") for one in fields):  # an object of the event
            return None
        near = get_close_matches(written, fields, 1)
        known = near[0] if near else ", ".join(fields)
        return f"is {text!r}, which such an event does not have", f"the event has {known}"
    found = fields[written]
    if kind in (None, found, "object") or (kind, found) == ("float", _NUMBER):
        return None
    if not fits("" if found == _TEXT else 0, kind):
        return f"must be {kind}, but {text} is {found}", f"declare the parameter as {found}"
    return None


def _is_json(value: Any) -> bool:
    try:
        return bool(json.loads(json.dumps(value, allow_nan=False)) == value)
    except (TypeError, ValueError):
        return False
