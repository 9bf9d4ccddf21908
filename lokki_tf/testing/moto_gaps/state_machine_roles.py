"""Check the roles of state machines. moto accepts any role.

``check_role`` is called when a state machine is created or updated, ``begin`` for each execution.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from moto.core.exceptions import AWSError

from lokki_tf.testing.account import Account
from lokki_tf.testing.iam.access import AccessDenied
from lokki_tf.testing.moto_gaps.state_machine_keys import key_of
from lokki_tf.testing.settings import ACCOUNT_ID
from lokki_tf.testing.state_machines.resources import parse_resource
from lokki_tf.testing.state_machines.values import Json, load

_SERVICE = "states.amazonaws.com"
_LOG_DELIVERY = (
    "CreateLogDelivery",
    "GetLogDelivery",
    "UpdateLogDelivery",
    "DeleteLogDelivery",
    "ListLogDeliveries",
    "PutResourcePolicy",
    "DescribeResourcePolicies",
    "DescribeLogGroups",
)
"""The actions of CloudWatch Logs that a state machine's role must allow if logging is enabled.

Source: aws-cdk, ``aws-stepfunctions/lib/state-machine.ts``, the use of ``LogOptions``.
"""
_TRACING = (
    "PutTraceSegments",
    "PutTelemetryRecords",
    "GetSamplingRules",
    "GetSamplingTargets",
)
"""Source: Step Functions Developer Guide, "X-Ray policies"."""
_RULES = {
    "batch": "StepFunctionsGetEventsForBatchJobsRule",
    "states": "StepFunctionsGetEventsForStepFunctionsExecutionRule",
}
"""The EventBridge rules that inform Step Functions of the end of jobs and executions (``.sync``).

Source: Step Functions Developer Guide, "IAM policies for AWS Batch" and "… for calling Step
Functions workflow executions".
"""
_RULE_ACTIONS = ("PutTargets", "PutRule", "DescribeRule")


class AccessDeniedException(AWSError):
    """Step Functions cannot assume the role, or the role lacks a required permission."""

    TYPE = "AccessDeniedException"
    STATUS = 400


class KmsAccessDeniedException(AWSError):
    """The role may not use the state machine's KMS key."""

    TYPE = "KmsAccessDeniedException"
    STATUS = 400


def check_role(account: Account, state_machine: Any) -> None:
    """Check the permissions of a role that are required to create or update a state machine.

    Raises:
        AccessDeniedException: If Step Functions cannot assume the role, or the role lacks a
            permission.
    """
    if not account.access.enforced:
        return
    region = state_machine.arn.split(":")[3]
    require = _requires(account, state_machine)
    _assume(account, state_machine)
    services = {
        integration.service
        for integration in map(parse_resource, _resources(load(state_machine.definition)))
        if integration is not None and integration.pattern.startswith(".sync")
    }
    for service in sorted(services & _RULES.keys()):
        rule = f"arn:aws:events:{region}:{ACCOUNT_ID}:rule/{_RULES[service]}"
        for action in _RULE_ACTIONS:
            message = f"'{state_machine.roleArn}' is not authorized to create managed-rule."
            require(f"events:{action}", rule, {}, message)
    if (state_machine.loggingConfiguration or {}).get("level", "OFF") == "OFF":
        return
    message = "The state machine IAM Role is not authorized to access the Log Destination."
    for action in _LOG_DELIVERY:
        require(f"logs:{action}", "*", {}, message)
    key = key_of(state_machine)
    if key is not None:
        source = {"kms:EncryptionContext:SourceArn": f"arn:aws:logs:{region}:{ACCOUNT_ID}:*"}
        require("kms:GenerateDataKey", key, source, message)


def begin(account: Account, state_machine: Any) -> None:
    """Assume a state machine's role for an execution.

    Raises:
        AccessDeniedException: If the role's trust policy does not allow it.
        KmsAccessDeniedException: If the role may not use the state machine's KMS key.
    """
    access = account.access
    if not access.enforced:
        return
    _assume(account, state_machine)
    principal = access.session(state_machine.roleArn, "states").principal
    if (state_machine.tracingConfiguration or {}).get("enabled"):
        # The execution runs even if its traces cannot be sent.
        for action in _TRACING:
            access.allows(principal, f"xray:{action}", "*")
    key = key_of(state_machine)
    if key is None:
        return
    context = {"kms:EncryptionContext:aws:states:stateMachineArn": state_machine.arn}
    for action in ("kms:GenerateDataKey", "kms:Decrypt"):
        try:
            access.require(principal, action, key, context, by_resource_alone=True)
        except AccessDenied as denied:
            raise KmsAccessDeniedException(denied.message) from None


def _requires(
    account: Account, state_machine: Any
) -> Callable[[str, str, dict[str, str], str], None]:
    principal = account.access.session(state_machine.roleArn, "states").principal

    def require(action: str, resource: str, context: dict[str, str], message: str) -> None:
        kms = action.startswith("kms:")
        try:
            account.access.require(principal, action, resource, context, by_resource_alone=kms)
        except AccessDenied as denied:
            raise AccessDeniedException(f"{message} {denied.message}") from None

    return require


def _assume(account: Account, state_machine: Any) -> None:
    source = {"aws:SourceAccount": ACCOUNT_ID, "aws:SourceArn": state_machine.arn}
    try:
        account.access.assume(state_machine.roleArn, _SERVICE, source)
    except AccessDenied as denied:
        raise AccessDeniedException(
            f"Neither the global service principal {_SERVICE}, nor the regional one is authorized "
            f"to assume the provided role. {denied.message}"
        ) from None


def _resources(value: Json) -> Iterator[str]:
    """Yield the ``Resource`` of each state in a definition."""
    if isinstance(value, dict):
        if isinstance(value.get("Resource"), str):
            yield value["Resource"]
        for inner in value.values():
            yield from _resources(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _resources(inner)
