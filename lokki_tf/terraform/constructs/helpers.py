"""Helper functions: for errors of jobs, and for failure notices with their rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lokki_tf.model import StepOptions
from lokki_tf.packaging import HANDLER_NAME
from lokki_tf.runtime.names import STORE
from lokki_tf.terraform import failure_notices, iam
from lokki_tf.terraform.cdk import aws
from lokki_tf.terraform.names import LOG_GROUP

from .functions import Functions
from .roles import add_role

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lokki_tf.model import Step
    from lokki_tf.terraform.plan import Helper

    from .base import Base

_DEFAULTS = StepOptions()
_KEPT_SECONDS = 14 * 24 * 3600  # SQS's longest retention of a message


def add_helper(
    base: Base,
    helper: Helper,
    *,
    variables: Mapping[str, str] | None = None,
    called: Sequence[str] = (),
    queue: str = "",
) -> aws.lambda_function.LambdaFunction:
    """Add a function with its code, log group, role and policy.

    Args:
        base: What all resources share.
        helper: The function.
        variables: Its environment, in addition to the pipeline's store.
        called: Of notices: ARNs of the steps' functions that it calls.
        queue: Of notices and triggers: ARN of the queue of events that could not be handled.
    """
    kind, tags = helper.kind, base.scope.tags()
    logs = base.log_group(f"{kind}_logs", f"{LOG_GROUP}{helper.name}", tags)
    role = add_role(
        base,
        kind,
        iam.trust("lambda.amazonaws.com"),
        [iam.document(base.permissions.of_helper(kind, logs.arn, called, queue))],
        tags,
        given=base.config.lambda_.role,
    )
    file = f"{helper.folder}.zip"
    code = base.upload(f"{kind}_code", file, file, helper.package.content_hash)
    return aws.lambda_function.LambdaFunction(
        base.scope,
        base.scope.resource_id(kind),
        function_name=helper.name,
        role=role.arn,
        s3_bucket=code.bucket,
        s3_key=code.key,
        source_code_hash=helper.package.content_hash,
        handler=HANDLER_NAME,
        runtime=_DEFAULTS.python_runtime,
        architectures=[_DEFAULTS.architecture],
        memory_size=_DEFAULTS.memory_size,
        timeout=helper.timeout,
        environment={"variables": {STORE: base.store, **helper.variables, **(variables or {})}},
        kms_key_arn=base.permissions.key,
        tracing_config={"mode": "Active"},
        publish=base.publishes if helper.placeholder else None,
        tags=tags,
        depends_on=[logs, *role.policies],
    )


def add_dead_letters(
    base: Base, kind: str, name: str, rules: Sequence[str]
) -> aws.sqs_queue.SqsQueue:
    """Add a queue of events that could not be handled.

    Args:
        base: What all resources share.
        kind: What the events are for, as in the resource's id.
        name: Its name.
        rules: ARNs of the rules whose undeliverable events EventBridge sends to it.
    """
    key, arn = base.permissions.key, base.account.arn("sqs", name)  # its policy contains its ARN
    return aws.sqs_queue.SqsQueue(
        base.scope,
        base.scope.resource_id(f"{kind}_queue"),
        name=name,
        message_retention_seconds=_KEPT_SECONDS,
        sqs_managed_sse_enabled=None if key else True,
        kms_master_key_id=key,
        policy=iam.queue_for(rules, arn) if rules else None,
        tags=base.scope.tags(),
    )


def add_notices(
    base: Base, functions: Functions, state_machine: aws.sfn_state_machine.SfnStateMachine
) -> None:
    """Add the rule that calls the function of notices when an execution has failed, if any.

    Events that EventBridge cannot deliver, and notices that the function cannot send, are sent to a
    queue.

    Args:
        base: What all resources share.
        functions: The functions of steps.
        state_machine: The state machine.
    """
    helper = next((one for one in base.plan.helpers if one.kind == "notices"), None)
    if helper is None:
        return
    definition = base.plan.definition
    name = definition.name
    rule = aws.cloudwatch_event_rule.CloudwatchEventRule(
        base.scope,
        base.scope.resource_id("failures_rule"),
        name=failure_notices.rule_name(name),
        description=f"Executions of {name} that have failed",
        event_pattern=failure_notices.event_pattern(state_machine.arn),
        tags=base.scope.tags(),
    )
    queue = add_dead_letters(base, "failures", failure_notices.queue_name(name), [rule.arn])

    def arn_of(step: Step) -> str:
        return str(functions[step.name][0].arn)

    variables, called = (
        failure_notices.variables(base.plan, arn_of, base.text),
        failure_notices.called_steps(definition),
    )
    arns = list(map(arn_of, called))
    function = add_helper(base, helper, variables=variables, called=arns, queue=queue.arn)
    aws.lambda_function_event_invoke_config.LambdaFunctionEventInvokeConfig(
        base.scope,
        base.scope.resource_id("notices_failed"),
        function_name=function.function_name,
        # The function retries its calls itself; another run of it would retry them again.
        maximum_retry_attempts=0,
        destination_config={"on_failure": {"destination": queue.arn}},
    )
    permission = aws.lambda_permission.LambdaPermission(
        base.scope,
        base.scope.resource_id("notices_permission"),
        action="lambda:InvokeFunction",
        function_name=function.function_name,
        principal="events.amazonaws.com",
        source_arn=rule.arn,
    )
    aws.cloudwatch_event_target.CloudwatchEventTarget(
        base.scope,
        base.scope.resource_id("failures_target"),
        rule=rule.name,
        target_id="notices",
        arn=function.arn,
        dead_letter_config={"arn": queue.arn},
        depends_on=[permission],
    )
