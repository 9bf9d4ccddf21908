"""The rules, and the function, that start executions for events."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lokki_tf.asl.text import escaped
from lokki_tf.model import EventPattern, PipelineDone, S3Created, Schedule
from lokki_tf.runtime.names import STATE_MACHINE
from lokki_tf.terraform import triggers
from lokki_tf.terraform.cdk import aws, value_in_json

from .helpers import add_dead_letters, add_helper

if TYPE_CHECKING:
    from lokki_tf.model import Trigger

    from .base import Base

_EVENT = "<aws.events.event.json>"  # EventBridge User Guide, "Input transformation": all of it


@dataclass(frozen=True, slots=True)
class Triggered:
    """What the schedules of triggers use.

    Args:
        function: The function that starts executions.
        queue: The queue of events that could not start one.
    """

    function: aws.lambda_function.LambdaFunction
    queue: aws.sqs_queue.SqsQueue


def add_triggers(
    base: Base, state_machine: aws.sfn_state_machine.SfnStateMachine
) -> Triggered | None:
    """Add the function of triggers, its dead-letter queue and the rules of events, if any.

    Args:
        base: What all resources share.
        state_machine: The state machine.
    """
    helper = next((one for one in base.plan.helpers if one.kind == "triggers"), None)
    if helper is None:
        return None
    definition = base.plan.definition
    rules = {
        number: _add_rule(base, number, trigger)
        for number, trigger in enumerate(definition.triggers)
        if not isinstance(trigger, Schedule)
    }
    name = triggers.queue_name(definition.name)
    queue = add_dead_letters(base, "triggers", name, [rule.arn for rule in rules.values()])
    variables = {STATE_MACHINE: state_machine.arn}
    function = add_helper(base, helper, variables=variables, queue=queue.arn)
    aws.lambda_function_event_invoke_config.LambdaFunctionEventInvokeConfig(
        base.scope,
        base.scope.resource_id("triggers_failed"),
        function_name=function.function_name,
        destination_config={"on_failure": {"destination": queue.arn}},
    )
    triggered = Triggered(function, queue)
    for number, rule in rules.items():
        _add_target(base, number, rule, triggered)
    _send_own_events(base)
    return triggered


def _add_rule(
    base: Base, number: int, trigger: S3Created | EventPattern | PipelineDone
) -> aws.cloudwatch_event_rule.CloudwatchEventRule:
    definition = base.plan.definition
    account = base.account
    if isinstance(trigger, EventPattern):  # whose references may have any text as their values
        account = replace(account, refs=value_in_json)
    pattern = triggers.event_pattern(definition, trigger, base.config, account)
    return aws.cloudwatch_event_rule.CloudwatchEventRule(
        base.scope,
        base.scope.resource_id(f"trigger_{number + 1}"),
        name=triggers.rule_name(definition.name, number),
        description=f"Events that start {definition.name}",
        event_bus_name=_bus_of(base, trigger),
        event_pattern=escaped(json.dumps(pattern)),
        state=base.config.schedule.state,
        tags=base.scope.tags(),
    )


def _add_target(
    base: Base,
    number: int,
    rule: aws.cloudwatch_event_rule.CloudwatchEventRule,
    triggered: Triggered,
) -> None:
    trigger, function = base.plan.definition.triggers[number], triggered.function
    permission = aws.lambda_permission.LambdaPermission(
        base.scope,
        base.scope.resource_id(f"trigger_{number + 1}_permission"),
        action="lambda:InvokeFunction",
        function_name=function.function_name,
        principal="events.amazonaws.com",
        source_arn=rule.arn,
    )
    aws.cloudwatch_event_target.CloudwatchEventTarget(
        base.scope,
        base.scope.resource_id(f"trigger_{number + 1}_target"),
        rule=rule.name,
        event_bus_name=_bus_of(base, trigger),
        target_id="triggers",
        arn=function.arn,
        input_transformer={"input_template": triggers.call_of(number, _EVENT)},
        dead_letter_config={"arn": triggered.queue.arn},
        retry_policy={
            "maximum_event_age_in_seconds": trigger.max_age_seconds,
            "maximum_retry_attempts": trigger.retries,
        },
        depends_on=[permission],
    )


def _bus_of(base: Base, trigger: Trigger) -> str | None:
    return base.account.text(trigger.bus) if isinstance(trigger, EventPattern) else None


def _send_own_events(base: Base) -> None:
    """Let the pipeline's own bucket send its events to EventBridge, if a trigger is about it."""
    definition, config = base.plan.definition, base.config
    own = any(
        isinstance(one, S3Created) and triggers.is_own(definition, one, config)
        for one in definition.triggers
    )
    if own and not config.aws.artifact_bucket:
        aws.s3_bucket_notification.S3BucketNotification(
            base.scope,
            base.scope.resource_id("bucket_events"),
            bucket=base.bucket.id,
            eventbridge=True,
        )
