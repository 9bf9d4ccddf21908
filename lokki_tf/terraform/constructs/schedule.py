"""The schedule that starts a pipeline."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lokki_tf.runtime.parameters import scheduled_input
from lokki_tf.terraform import iam
from lokki_tf.terraform.cdk import aws

from .roles import add_role

if TYPE_CHECKING:
    from .base import Base


# The scheduler replaces this text by the time for which it starts the run: EventBridge Scheduler
# User Guide, "Adding context attributes".
_INPUT = json.dumps(scheduled_input("<aws.scheduler.scheduled-time>"))


def add_schedule(base: Base, state_machine: aws.sfn_state_machine.SfnStateMachine) -> None:
    """Add an EventBridge schedule in its own group, and its role, if the pipeline has a schedule.

    Args:
        base: What all resources share.
        state_machine: The state machine.
    """
    definition = base.plan.definition
    if not definition.schedule:
        return
    name = base.permissions.schedule_name
    group = aws.scheduler_schedule_group.SchedulerScheduleGroup(
        base.scope, base.scope.resource_id("schedule_group"), name=name, tags=base.scope.tags()
    )
    trusted = iam.trust(
        "scheduler.amazonaws.com",
        {"StringEquals": {"aws:SourceAccount": base.account.number, "aws:SourceArn": group.arn}},
    )
    settings = base.config.schedule
    statements = base.permissions.of_schedule(state_machine.arn)
    role = add_role(
        base,
        "schedule",
        trusted,
        [iam.document(statements)],
        base.scope.tags(),
        given=settings.role,
    )
    window: dict[str, Any] = {"mode": "OFF"}
    if settings.flexible_window_minutes:
        minutes = settings.flexible_window_minutes
        window = {"mode": "FLEXIBLE", "maximum_window_in_minutes": minutes}
    aws.scheduler_schedule.SchedulerSchedule(
        base.scope,
        base.scope.resource_id("schedule"),
        name=name,
        group_name=group.name,
        schedule_expression=definition.schedule,
        schedule_expression_timezone=settings.timezone,
        state=settings.state,
        kms_key_arn=base.permissions.key,
        flexible_time_window=window,
        target={"arn": state_machine.arn, "role_arn": role.arn, "input": _INPUT},
        depends_on=list(role.policies),
    )
