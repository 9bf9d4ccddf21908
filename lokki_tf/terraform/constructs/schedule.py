"""The schedule that starts a pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lokki_tf.terraform import iam
from lokki_tf.terraform.cdk import aws

from .roles import acting

if TYPE_CHECKING:
    from lokki_tf.model import Definition

    from .construct import PipelineConstruct


def add_schedule(
    scope: PipelineConstruct, definition: Definition
) -> aws.scheduler_schedule.SchedulerSchedule:
    """Add an EventBridge schedule in its own group, and the role with which it starts runs.

    Args:
        scope: The construct with the state machine.
        definition: A pipeline with a schedule.
    """
    name = scope.permissions.schedule_name
    group = aws.scheduler_schedule_group.SchedulerScheduleGroup(
        scope, scope.resource_id("schedule_group"), name=name, tags=scope.tags()
    )
    trusted = iam.trust(
        "scheduler.amazonaws.com",
        {"StringEquals": {"aws:SourceAccount": scope.account.number, "aws:SourceArn": group.arn}},
    )
    settings = scope.config.schedule
    statements = scope.permissions.of_schedule(scope.state_machine.arn)
    role = acting(
        scope,
        "schedule",
        trusted,
        [iam.document(statements)],
        scope.tags(),
        given=settings.role,
    )
    window: dict[str, Any] = {"mode": "OFF"}
    if settings.flexible_window_minutes:
        minutes = settings.flexible_window_minutes
        window = {"mode": "FLEXIBLE", "maximum_window_in_minutes": minutes}
    return aws.scheduler_schedule.SchedulerSchedule(
        scope,
        scope.resource_id("schedule"),
        name=name,
        group_name=group.name,
        schedule_expression=definition.schedule or "",
        schedule_expression_timezone=settings.timezone,
        state=settings.state,
        kms_key_arn=scope.permissions.key,
        flexible_time_window=window,
        # Without an input, the scheduler sends its own notification: EventBridge Scheduler API
        # Reference, "Target".
        target={"arn": scope.state_machine.arn, "role_arn": role.arn, "input": "{}"},
        depends_on=list(role.policies),
    )
