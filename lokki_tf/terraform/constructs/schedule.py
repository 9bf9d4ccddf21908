"""The schedule that starts a pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cdktf_cdktf_provider_aws.iam_role_policy import IamRolePolicy
from cdktf_cdktf_provider_aws.scheduler_schedule import SchedulerSchedule
from cdktf_cdktf_provider_aws.scheduler_schedule_group import SchedulerScheduleGroup

from lokki_tf.terraform import iam

if TYPE_CHECKING:
    from lokki_tf.model import Definition

    from .construct import PipelineConstruct


def add_schedule(scope: PipelineConstruct, definition: Definition) -> SchedulerSchedule:
    """An EventBridge schedule in a group of its own, and the role by which it starts runs.

    Args:
        scope: Holds the state machine.
        definition: With a schedule.
    """
    name = scope.permissions.schedule_name
    group = SchedulerScheduleGroup(
        scope, scope.resource_id("schedule_group"), name=name, tags=scope.tags()
    )
    trusted = iam.trust(
        "scheduler.amazonaws.com",
        {"StringEquals": {"aws:SourceAccount": scope.account.number, "aws:SourceArn": group.arn}},
    )
    role = scope.role("schedule_role", trusted, scope.tags())
    policy = IamRolePolicy(
        scope,
        scope.resource_id("schedule_policy"),
        name="lokki",
        role=role.id,
        policy=iam.document(scope.permissions.of_schedule(scope.state_machine.arn)),
    )
    settings = scope.config.schedule
    window: dict[str, Any] = {"mode": "OFF"}
    if settings.flexible_window_minutes:
        minutes = settings.flexible_window_minutes
        window = {"mode": "FLEXIBLE", "maximum_window_in_minutes": minutes}
    return SchedulerSchedule(
        scope,
        scope.resource_id("schedule"),
        name=name,
        group_name=group.name,
        schedule_expression=definition.schedule or "",
        schedule_expression_timezone=settings.timezone,
        state=settings.state,
        kms_key_arn=scope.permissions.key,
        flexible_time_window=window,
        target={"arn": scope.state_machine.arn, "role_arn": role.arn},
        depends_on=[policy],
    )
