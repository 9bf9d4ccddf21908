"""Let EventBridge rules invoke functions, and send an event for each execution that ends.

Source: Step Functions Developer Guide, "Automating Step Functions event delivery with
EventBridge", for the fields of the event and the limit of 248 KB for inputs in it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from threading import Event, Thread
from typing import Any
from uuid import uuid4

from lokki_tf.model.event_patterns import matches
from lokki_tf.testing.account import Account
from lokki_tf.testing.iam.access import AccessDenied
from lokki_tf.testing.settings import ACCOUNT_ID
from lokki_tf.testing.state_machines.record import ExecutionRecord
from lokki_tf.testing.state_machines.services import ServiceError
from lokki_tf.testing.state_machines.values import dump

_INPUT_BYTES = 248 * 1024
_SERVICE = "events.amazonaws.com"


def refuse_details() -> None:
    """Replace moto's method that accepts events whose detail is not a JSON object.

    Source: Amazon EventBridge API Reference, ``PutEventsRequestEntry``, ``Detail``.
    """
    from moto.events.models import EventsBackend

    put_events = EventsBackend.put_events

    def refusing(self: Any, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return put_events(self, [{**event, **_malformed(event)} for event in events])

    setattr(EventsBackend, "put_events", refusing)  # noqa: B010


def _malformed(event: dict[str, Any]) -> dict[str, str]:
    """Return a detail that moto refuses, for a detail that is JSON and not an object."""
    try:
        accepted = isinstance(json.loads(event.get("Detail") or "{}"), dict)
    except ValueError:
        accepted = True  # moto refuses it
    return {} if accepted else {"Detail": "malformed"}


def deliver_events(account: Account) -> None:
    """Replace parts of moto, and set the handler for the end of executions.

    They are the delivery to targets, the comparison of events with patterns, and the events of S3.
    """
    from moto.events.models import EventPattern, Rule
    from moto.s3 import notifications

    def matches_event(self: Any, event: Any) -> bool:
        pattern = self.get_pattern()
        return not pattern or matches(pattern, json.loads(json.dumps(event)))

    def object_event(account_id: str, bucket: Any, event_name: str, key: Any) -> None:
        event = _object_event(bucket, event_name, key)
        for rule, target in _targets(bucket.region_name, event) if event else ():
            work = (account, bucket.region_name, rule, target, event)
            Thread(target=_call, args=work, daemon=True).start()

    def send_to_targets(self: Any, original_event: Any, transform_input: bool = True) -> None:
        if not self.event_pattern.matches_event(original_event):
            return
        functions = [one for one in self.targets if _is_function(one)]
        for target in functions:
            work = (account, self.region_name, self.arn, target, original_event)
            Thread(target=_call, args=work, daemon=True).start()
        if len(functions) < len(self.targets):
            plain(self, original_event, transform_input)

    def ended(execution: ExecutionRecord, settled: Event) -> None:
        if execution.map_run_arn:  # AWS sends no events of the children of Map Runs
            settled.set()
            return
        event = status_event(execution)
        region = execution.arn.split(":")[3]
        calls = [*_targets(region, event)]

        def deliver() -> None:
            try:
                for rule, target in calls:
                    _call(account, region, rule, target, event)
            except Exception:
                if not account.is_closed:  # which ends the processes of functions
                    raise
            finally:
                settled.set()

        if calls:
            Thread(target=deliver, daemon=True).start()
        else:
            settled.set()

    plain = Rule.send_to_targets
    setattr(Rule, "send_to_targets", send_to_targets)  # noqa: B010
    setattr(EventPattern, "matches_event", matches_event)  # noqa: B010
    # moto calls it for each change of an object, and has no public one to replace.
    setattr(notifications, "_send_event_bridge_message", object_event)  # noqa: B010
    account.execution_ended = ended


def _targets(region: str, event: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the targets that an event matches on the default bus, with the ARNs of the rules."""
    from moto.events.models import events_backends

    for rule in list(events_backends[ACCOUNT_ID][region].event_buses["default"].rules.values()):
        if rule.state == "ENABLED" and rule.event_pattern.matches_event(event):
            yield from ((rule.arn, target) for target in filter(_is_function, rule.targets))


def _is_function(target: dict[str, Any]) -> bool:
    return bool(target["Arn"].split(":")[2] == "lambda")


def _call(
    account: Account, region: str, rule: str, target: dict[str, Any], event: dict[str, Any]
) -> None:
    """Invoke a function for a rule. If that fails, send the event to the dead-letter queue.

    Both require a permission in the resource's policy. Source: EventBridge User Guide, "Using
    resource-based policies for Amazon EventBridge".
    """
    from lokki_tf.testing.moto_gaps.lambda_functions import run_event, send

    source = {"aws:SourceArn": rule, "aws:SourceAccount": ACCOUNT_ID}
    try:
        account.access.require_service(_SERVICE, "lambda:InvokeFunction", target["Arn"], source)
        run_event(account, region, target["Arn"], _payload(target, event).encode())
    except (ServiceError, AccessDenied):
        if "DeadLetterConfig" in target:
            queue = target["DeadLetterConfig"]["Arn"]
            with suppress(AccessDenied):  # AWS does not report this denial
                account.access.require_service(_SERVICE, "sqs:SendMessage", queue, source)
                send(account, queue, json.dumps(event))


def _object_event(bucket: Any, event_name: str, key: Any) -> dict[str, Any] | None:
    """Return the EventBridge event of a created or deleted object; None for other events.

    Source: Amazon S3 User Guide, "EventBridge event message structure". moto's has a constant id,
    and other names of some fields.
    """
    kind, _, action = event_name.removeprefix("s3:").partition(":")
    kinds = {"ObjectCreated": "Object Created", "ObjectRemoved": "Object Deleted"}
    if kind not in kinds:
        return None
    created = kind == "ObjectCreated"
    actions = {"Put": "PutObject", "Post": "POST Object", "Copy": "CopyObject"}
    about = {"size": key.size, "etag": key.etag.replace('"', "")} if created else {}
    versions = {"version-id": key.version_id} if key.version_id not in (None, "null") else {}
    now = datetime.now(UTC)
    return {
        "version": "0",
        "id": str(uuid4()),
        "detail-type": kinds[kind],
        "source": "aws.s3",
        "account": ACCOUNT_ID,
        "time": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "region": bucket.region_name,
        "resources": [bucket.arn],
        "detail": {
            "version": "0",
            "bucket": {"name": bucket.name},
            "object": {
                "key": key.name,
                **about,
                **versions,
                "sequencer": f"{int(now.timestamp() * 1_000_000):018X}",
            },
            "request-id": uuid4().hex[:16].upper(),
            "requester": ACCOUNT_ID,
            "source-ip-address": "127.0.0.1",
            "reason": actions.get(action, "CompleteMultipartUpload") if created else "DeleteObject",
        },
    }


def _payload(target: dict[str, Any], event: dict[str, Any]) -> str:
    """Return what a target receives: the event, a constant, or a template with the event.

    Source: EventBridge User Guide, "Amazon EventBridge input transformation".
    """
    if "Input" in target:
        return str(target["Input"])
    if isinstance(event["time"], int | float):  # in moto's events
        at = datetime.fromtimestamp(event["time"], UTC)
        event = {**event, "time": f"{at:%Y-%m-%dT%H:%M:%SZ}"}
    text = json.dumps({name: one for name, one in event.items() if name != "ingestion-time"})
    if "InputTransformer" not in target:
        return text
    transformer = target["InputTransformer"]
    if transformer.get("InputPathsMap"):
        raise ServiceError(
            "NotImplemented", "the local AWS has no input transformers with paths", status=501
        )
    return str(transformer["InputTemplate"]).replace("<aws.events.event.json>", text)


def status_event(execution: ExecutionRecord) -> dict[str, Any]:
    """Return the EventBridge event with the status of an execution."""
    given: str | None = execution.input_text
    if len(dump(given).encode()) > _INPUT_BYTES:
        given = None
    stopped = execution.stop_date
    return {
        "version": "0",
        "id": str(uuid4()),
        "detail-type": "Step Functions Execution Status Change",
        "source": "aws.states",
        "account": ACCOUNT_ID,
        "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": execution.arn.split(":")[3],
        "resources": [execution.arn],
        "detail": {
            "executionArn": execution.arn,
            "stateMachineArn": execution.state_machine_arn,
            "name": execution.name,
            "status": execution.status,
            "startDate": int(execution.start_date.timestamp() * 1000),
            "stopDate": None if stopped is None else int(stopped.timestamp() * 1000),
            "input": given,
            "inputDetails": {"included": given is not None},
            "output": execution.output_text,
            "outputDetails": {"included": True} if execution.output_text else None,
            "error": execution.error,
            "cause": execution.cause,
            "redriveCount": execution.redrive_count,
        },
    }
