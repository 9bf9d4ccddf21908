"""Triggers: names, event patterns, and the file that their function reads.

Source of the patterns: Amazon S3 User Guide, "Using EventBridge"; AWS Step Functions Developer
Guide, "Automating Step Functions event delivery with EventBridge".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import ScheduleError
from lokki_tf.model import (
    REQUIRED,
    EventPattern,
    Finding,
    PipelineDone,
    S3Created,
    Schedule,
    TerraformRef,
    shortened,
)
from lokki_tf.model.event_patterns import matches, wildcard
from lokki_tf.model.triggers import ScheduledTime, path_of

from .account import Account
from .names import QUEUE_NAME_LENGTH, RULE_NAME_LENGTH, SCHEDULE_NAME_LENGTH, prefix_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lokki_tf.config import Config
    from lokki_tf.model import Definition, Trigger

FAILED = ["FAILED", "TIMED_OUT", "ABORTED"]
"""The statuses of executions that have failed."""
SCHEDULED_EVENT: Mapping[str, Any] = {
    "version": "0",
    "id": "<aws.scheduler.execution-id>",
    "detail-type": "Scheduled Event",
    "source": "aws.scheduler",
    "time": "<aws.scheduler.scheduled-time>",
    "resources": ["<aws.scheduler.schedule-arn>"],
    "detail": {},
}
"""The event of a schedule; the Scheduler replaces what is in angle brackets. Source: EventBridge
Scheduler User Guide, "Adding context attributes"."""
_OWN_FOLDERS = ("runs/", "literals/", "code/", "helpers/", "layers/", "locks/")
_KINDS = {Schedule: "schedule", S3Created: "object", EventPattern: "event", PipelineDone: "after"}
_STATUSES = {"succeeded": ["SUCCEEDED"], "failed": FAILED, "any": ["SUCCEEDED", *FAILED]}
_ANY = Account("*", "*", "*", refs=lambda ref: "*")


def rule_name(pipeline: str, number: int) -> str:
    """Return the name of a trigger's rule; names of pipelines contain no dot.

    Args:
        pipeline: The pipeline's name.
        number: The trigger's number, from 0.
    """
    return shortened(f"{pipeline}.trigger-{number + 1}", RULE_NAME_LENGTH)


def schedule_name(pipeline: str, number: int) -> str:
    """Return the name of a trigger's schedule, as for :func:`rule_name`."""
    return shortened(f"{pipeline}.trigger-{number + 1}", SCHEDULE_NAME_LENGTH)


def scheduled_triggers(definition: Definition) -> list[int]:
    """Return the numbers of the triggers that are schedules.

    Args:
        definition: The pipeline.
    """
    return [n for n, one in enumerate(definition.triggers) if isinstance(one, Schedule)]


def queue_name(pipeline: str) -> str:
    """Return the name of the queue of events that could not start an execution."""
    return shortened(f"{pipeline}-triggers", QUEUE_NAME_LENGTH)


def call_of(number: int, event: str) -> str:
    """Return what the function of triggers receives.

    Args:
        number: The trigger's number, from 0.
        event: The event as JSON, or what EventBridge replaces by it.
    """
    return f'{{"trigger":{number},"event":{event}}}'


def triggers_file(definition: Definition) -> bytes:
    """Return the file that the function of triggers reads.

    Args:
        definition: The pipeline, under its settings.
    """
    found = [spec_of(definition, number) for number in range(len(definition.triggers))]
    return json.dumps(found, ensure_ascii=False, indent=1).encode()


def spec_of(definition: Definition, number: int) -> dict[str, Any]:
    """Return a trigger as :mod:`lokki_tf.runtime.triggers` describes it.

    Args:
        definition: The pipeline, under its settings.
        number: The trigger's number, from 0.
    """
    trigger, declared = definition.triggers[number], definition.parameters
    spec: dict[str, Any] = {
        "name": f"{_KINDS[type(trigger)]}-{number + 1}",
        "parameters": {name: _source(trigger, value) for name, value in trigger.parameters.items()},
        "kinds": {
            one.name: one.kind.__name__
            for one in declared
            if isinstance(one.kind, type) and one.name in trigger.parameters
        },
        "optional": [one.name for one in declared if one.default is not REQUIRED],
    }
    if isinstance(trigger, Schedule):
        spec["timezone"] = trigger.timezone
    return spec


def event_pattern(
    definition: Definition,
    trigger: S3Created | EventPattern | PipelineDone,
    config: Config,
    account: Account,
) -> Mapping[str, Any]:
    """Return the event pattern of a trigger that is not a schedule.

    Args:
        definition: The pipeline, under its settings.
        trigger: The trigger.
        config: Settings, as in ``lokki.toml``.
        account: The account and region.
    """
    if isinstance(trigger, EventPattern):
        return {name: _filled(one, account) for name, one in trigger.pattern.items()}
    if isinstance(trigger, PipelineDone):
        arn = account.arn("states", f"stateMachine:{trigger.name}")
        return {
            "source": ["aws.states"],
            "detail-type": ["Step Functions Execution Status Change"],
            "detail": {
                "status": _STATUSES[trigger.status],
                "stateMachineArn": [_exactly(arn, account)],
            },
        }
    own = is_own(definition, trigger, config)
    name = bucket_of(definition, config, account) if own else account.text(trigger.bucket)
    detail: dict[str, Any] = {"bucket": {"name": [_exactly(str(name), account)]}}
    if trigger.prefix and trigger.suffix:
        keys = f"{wildcard(trigger.prefix)}*{wildcard(trigger.suffix)}"
        detail["object"] = {"key": [{"wildcard": keys}]}
    elif trigger.prefix or trigger.suffix:
        end = "prefix" if trigger.prefix else "suffix"
        detail["object"] = {"key": [{end: trigger.prefix or trigger.suffix}]}
    return {"source": ["aws.s3"], "detail-type": ["Object Created"], "detail": detail}


def matching(definition: Definition, event: Any, config: Config) -> Iterator[int]:
    """Yield the numbers of the triggers that an event matches, in any account and region.

    Args:
        definition: The pipeline, under its settings.
        event: EventBridge's event.
        config: Settings, as in ``lokki.toml``.
    """
    for number, trigger in enumerate(definition.triggers):
        if isinstance(trigger, Schedule):
            found = _is_scheduled(event, schedule_name(definition.name, number))
        else:
            found = matches(event_pattern(definition, trigger, config, _ANY), event)
        if found:
            yield number


def _is_scheduled(event: Any, schedule: str) -> bool:
    """Return whether an event is of a schedule; events that users write may have a time alone."""
    if not isinstance(event, dict) or event.get("source", "aws.scheduler") != "aws.scheduler":
        return False
    arns = event.get("resources", [])
    return not arns or any(str(arn).endswith(f"/{schedule}") for arn in arns)


def is_own(definition: Definition, trigger: S3Created, config: Config) -> bool:
    """Return whether a trigger is about the bucket that the pipeline uses.

    Args:
        definition: The pipeline.
        trigger: The trigger.
        config: Settings, as in ``lokki.toml``.
    """
    if trigger.bucket is None:
        return True
    if config.aws.artifact_bucket or not isinstance(trigger.bucket, str):
        return trigger.bucket == config.aws.artifact_bucket
    written = re.escape(Account("0", "0").bucket_name(definition.name).removesuffix("0-0"))
    return re.fullmatch(rf"{written}\d{{12}}-[a-z0-9-]+", trigger.bucket) is not None


def bucket_of(definition: Definition, config: Config, account: Account) -> str:
    """Return the name of the pipeline's bucket.

    Args:
        definition: The pipeline.
        config: Settings, as in ``lokki.toml``.
        account: The account and region.
    """
    given = account.text(config.aws.artifact_bucket)
    return given or account.bucket_name(definition.name)


def others_buckets(definition: Definition, config: Config) -> list[str]:
    """Return the buckets of triggers that the stack does not create, each once.

    Args:
        definition: The pipeline.
        config: Settings, as in ``lokki.toml``.
    """
    found = dict.fromkeys(
        trigger.bucket or config.aws.artifact_bucket
        for trigger in definition.triggers
        if isinstance(trigger, S3Created)
        and (config.aws.artifact_bucket or not is_own(definition, trigger, config))
    )
    return [one if isinstance(one, str) else repr(one) for one in found]


def check_triggers(definition: Definition, config: Config) -> Iterator[Finding]:
    """Yield an error for each trigger by which a run could start the next one.

    Args:
        definition: The pipeline, under its settings.
        config: Settings, as in ``lokki.toml``.
    """
    first = prefix_of(definition.name, config)
    written = [*_events_of_runs(definition, config)]
    for trigger in definition.triggers:
        if isinstance(trigger, EventPattern) and trigger.bus == "default":
            pattern = event_pattern(definition, trigger, config, _ANY)
            if any(matches(pattern, event) for event in written):
                yield Finding(
                    "trigger",
                    f"{trigger!r}: the pattern matches the events of objects that runs write "
                    f"({first}runs/), so each run would start the next one, without an end",
                    definition.place,
                    'restrict it, for example {"detail": {"bucket": {"name": ["other-bucket"]}}}',
                    error=ScheduleError,
                )
        if not isinstance(trigger, S3Created) or not is_own(definition, trigger, config):
            continue
        for folder in (f"{first}{name}" for name in _OWN_FOLDERS):
            if trigger.prefix.startswith(folder) or folder.startswith(trigger.prefix):
                yield Finding(
                    "trigger",
                    f"{trigger!r}: the prefix includes objects that runs write ({folder}), so "
                    "each run would start the next one, without an end",
                    definition.place,
                    'choose a prefix of your own, for example prefix="inbox/"',
                    error=ScheduleError,
                )
                break


def _events_of_runs(definition: Definition, config: Config) -> Iterator[dict[str, Any]]:
    """Yield an event of S3 for an object of each step, if the bucket certainly sends its events."""
    if not any(
        isinstance(one, S3Created) and is_own(definition, one, config)
        for one in definition.triggers
    ):
        return
    account = Account("123456789012", "us-east-1")
    bucket = bucket_of(definition, config, account)
    for name in sorted({step.name for step in definition.steps}):
        key = f"{prefix_of(definition.name, config)}runs/{name}/run/{'0' * 64}.pickle.gz"
        yield {
            "version": "0",
            "id": "17793124-05d4-b198-2fde-7ededc63b103",
            "detail-type": "Object Created",
            "source": "aws.s3",
            "account": "123456789012",
            "time": "2024-01-31T09:00:00Z",
            "region": "us-east-1",
            "resources": [f"arn:aws:s3:::{bucket}"],
            "detail": {
                "version": "0",
                "bucket": {"name": bucket},
                "object": {"key": key, "size": 5, "etag": "0" * 32, "sequencer": "0"},
                "reason": "PutObject",
            },
        }


def _exactly(text: str, account: Account) -> Any:
    """Return a value of a pattern: the text, or with any account and region a wildcard."""
    return {"wildcard": text} if account is _ANY else text


def _filled(value: Any, account: Account) -> Any:
    """Return a part of a pattern with the values of its references."""
    if isinstance(value, TerraformRef):
        return _exactly(account.text(value), account)
    if isinstance(value, Mapping):
        return {name: _filled(one, account) for name, one in value.items()}
    return [_filled(one, account) for one in value] if isinstance(value, list | tuple) else value


def _source(trigger: Trigger, value: Any) -> dict[str, Any]:
    if not isinstance(trigger, Schedule):
        return {"path": list(path_of(value) or ())}
    return {"form": value.form} if isinstance(value, ScheduledTime) else {"value": value}
