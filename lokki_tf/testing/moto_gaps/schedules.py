"""Check the roles of schedules, and run schedules on request.

moto accepts any role and never runs schedules.
"""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from botocore.exceptions import ClientError

from lokki_tf.testing.account import Account
from lokki_tf.testing.iam.access import AccessDenied
from lokki_tf.testing.moto_gaps.lambda_functions import run_event, send
from lokki_tf.testing.settings import ACCOUNT_ID

_SERVICE = "scheduler.amazonaws.com"
_RIGHTS = {"states": "states:StartExecution", "lambda": "lambda:InvokeFunction"}
_UNTRUSTED = (
    "The execution role you provide must allow AWS EventBridge Scheduler to assume the role."
)


class ScheduleNotRunError(Exception):
    """A schedule cannot start its target."""


def check_roles(account: Account) -> None:
    """Refuse to create or update schedules with roles that the Scheduler cannot assume."""
    from moto.scheduler.exceptions import ValidationException
    from moto.scheduler.models import Schedule

    # The methods of moto, which are replaced below.
    create, update = Schedule.__init__, Schedule.update

    def check(schedule: Any) -> None:
        try:
            _assume(account, schedule)
        except AccessDenied as denied:
            raise ValidationException(f"{_UNTRUSTED} {denied.message}") from None

    def init(self: Any, *given: Any, **more: Any) -> None:
        create(self, *given, **more)
        check(self)

    def update_and_check(self: Any, **more: Any) -> None:
        update(self, **more)
        check(self)

    setattr(Schedule, "__init__", init)  # noqa: B010
    setattr(Schedule, "update", update_and_check)  # noqa: B010


def run_schedule(account: Account, name: str, group: str, at: str | None = None) -> str:
    """Call the target of a schedule now, with the permissions of the schedule's role.

    Args:
        account: The account.
        name: The schedule's name.
        group: The name of the schedule group.
        at: The time for which the schedule starts it, such as ``2030-01-31T09:00:00Z``; by default
            now.

    Returns:
        The ARN of the execution, or what the function returns.

    Raises:
        ScheduleNotRunError: If the schedule does not exist, its target is something else, or
            its role lacks a permission.
    """
    from moto.scheduler.models import scheduler_backends
    from moto.stepfunctions.models import stepfunctions_backends

    region = account.settings.region
    groups = scheduler_backends[ACCOUNT_ID][region].schedule_groups
    schedule: Any = groups[group].schedules.get(name) if group in groups else None
    if schedule is None:
        raise ScheduleNotRunError(f"the schedule group {group!r} has no schedule {name!r}")
    target = schedule.target
    service = target["Arn"].split(":")[2]
    if service not in _RIGHTS:
        raise ScheduleNotRunError(
            f"the schedule's target must be a state machine or a function, got {target['Arn']}"
        )
    try:
        _assume(account, schedule)
        principal = account.access.session(target["RoleArn"], name).principal
        if schedule.kms_key_arn:
            account.access.require(
                principal,
                "kms:Decrypt",
                schedule.kms_key_arn,
                {"kms:EncryptionContext:aws:scheduler:schedule:arn": schedule.arn},
                by_resource_alone=True,
            )
        account.access.require(principal, _RIGHTS[service], target["Arn"])
    except AccessDenied as denied:
        _send_undelivered(account, schedule)
        raise ScheduleNotRunError(denied.message) from None
    # Without an Input, the Scheduler sends its own JSON.
    text = target.get("Input") or json.dumps({"id": schedule.arn})
    attributes = {
        "schedule-arn": schedule.arn,
        "scheduled-time": at or f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "execution-id": uuid4().hex[:16],
        "attempt-number": "1",
    }
    for attribute, value in attributes.items():
        text = text.replace(f"<aws.scheduler.{attribute}>", value)
    if service == "lambda":
        return _invoked(account, region, target, text)
    states: Any = stepfunctions_backends[ACCOUNT_ID][region]
    return str(states.start_execution(target["Arn"], None, text).arn)


def _send_undelivered(account: Account, schedule: Any) -> None:
    """Send the input of a schedule that cannot call its target to the dead-letter queue.

    Source: EventBridge Scheduler User Guide, "Configuring a dead-letter queue".
    """
    queue = (schedule.target.get("DeadLetterConfig") or {}).get("Arn")
    if queue:
        with suppress(ClientError):  # AWS does not report that the role may not write to it
            send(account, queue, schedule.target.get("Input") or "{}", schedule.target["RoleArn"])


def _invoked(account: Account, region: str, target: dict[str, Any], text: str) -> str:
    """Invoke a function for a schedule, and return what it returns.

    The Scheduler invokes it asynchronously. Here its result is waited for, so that the execution
    that it starts is known.
    """
    answer, error = run_event(account, region, target["Arn"], text.encode())
    if error is not None:
        raise ScheduleNotRunError(f"the function of the schedule has failed: {answer}")
    return str(json.loads(answer))


def _assume(account: Account, schedule: Any) -> None:
    """Assume the schedule's role.

    The source ARN in the request is that of the schedule group. Source: EventBridge Scheduler User
    Guide, "Confused deputy prevention".
    """
    group = schedule.arn.replace(":schedule/", ":schedule-group/").rpartition("/")[0]
    source = {"aws:SourceAccount": ACCOUNT_ID, "aws:SourceArn": group}
    account.access.assume(schedule.target["RoleArn"], _SERVICE, source)
