"""The schedules that start a pipeline."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lokki_tf.model import Schedule
from lokki_tf.runtime.parameters import scheduled_input
from lokki_tf.terraform import iam, triggers
from lokki_tf.terraform.cdk import aws
from lokki_tf.terraform.required import has_schedules

from .roles import add_role

if TYPE_CHECKING:
    from .base import Base
    from .triggers import Triggered


# The scheduler replaces this text by the time for which it starts the run: EventBridge Scheduler
# User Guide, "Adding context attributes".
_INPUT = json.dumps(scheduled_input("<aws.scheduler.scheduled-time>"))


def add_schedules(
    base: Base,
    state_machine: aws.sfn_state_machine.SfnStateMachine,
    triggered: Triggered | None,
) -> None:
    """Add the pipeline's EventBridge schedules in a group, and their role, if it has any.

    Args:
        base: What all resources share.
        state_machine: The state machine.
        triggered: The function of triggers and its dead-letter queue.
    """
    definition, settings = base.plan.definition, base.config.schedule
    if not has_schedules(definition):
        return
    group = aws.scheduler_schedule_group.SchedulerScheduleGroup(
        base.scope,
        base.scope.resource_id("schedule_group"),
        name=base.permissions.schedule_name,
        tags=base.scope.tags(),
    )
    trusted = iam.trust(
        "scheduler.amazonaws.com",
        {"StringEquals": {"aws:SourceAccount": base.account.number, "aws:SourceArn": group.arn}},
    )
    function, queue = (triggered.function.arn, triggered.queue.arn) if triggered else ("", "")
    role = add_role(
        base,
        "schedule",
        trusted,
        [iam.document(base.permissions.of_schedules(state_machine.arn, function, queue))],
        base.scope.tags(),
        given=settings.role,
    )

    def add(id_: str, name: str, schedule: Schedule, target: dict[str, Any]) -> None:
        minutes = schedule.flexible_window_minutes
        window: dict[str, Any] = {"mode": "OFF"}
        if minutes:
            window = {"mode": "FLEXIBLE", "maximum_window_in_minutes": minutes}
        aws.scheduler_schedule.SchedulerSchedule(
            base.scope,
            base.scope.resource_id(id_),
            name=name,
            group_name=group.name,
            schedule_expression=schedule.expression,
            schedule_expression_timezone=schedule.timezone,
            state=settings.state,
            kms_key_arn=base.permissions.key,
            flexible_time_window=window,
            target={**target, "role_arn": role.arn},
            depends_on=list(role.policies),
        )

    if definition.schedule:
        plain = Schedule(
            definition.schedule,
            timezone=settings.timezone,
            flexible_window_minutes=settings.flexible_window_minutes,
        )
        target = {"arn": state_machine.arn, "input": _INPUT}
        add("schedule", base.permissions.schedule_name, plain, target)
    for number, trigger in enumerate(definition.triggers):
        if isinstance(trigger, Schedule):
            event = json.dumps(triggers.SCHEDULED_EVENT)
            target = {
                "arn": function,
                "input": triggers.call_of(number, event),
                "dead_letter_config": {"arn": queue},
                "retry_policy": {
                    "maximum_event_age_in_seconds": trigger.max_age_seconds,
                    "maximum_retry_attempts": trigger.retries,
                },
            }
            name = triggers.schedule_name(definition.name, number)
            add(f"trigger_{number + 1}", name, trigger, target)
