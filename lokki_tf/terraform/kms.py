"""IAM statements for the user's KMS key: one for each use, limited to its encryption context.

Sources: the guides of S3 ("Reducing the cost of SSE-KMS with S3 Bucket Keys": the context is the
bucket's ARN with a bucket key, else the object's), Step Functions ("Data at rest encryption"),
Lambda ("Securing environment variables"), EventBridge Scheduler ("Encryption at rest"), SNS, SQS.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .account import Account
    from .iam import Statement

Conditions = Mapping[str, Mapping[str, str | Sequence[str]]]
_CONTEXT = "kms:EncryptionContext"


def for_objects(
    key: str, account: Account, arns: Sequence[str], *, reads: bool, writes: bool = True
) -> Statement:
    """Allow to use objects that S3 encrypts with the key.

    Args:
        key: The key's ARN.
        account: The account and region.
        arns: ARNs of the bucket and of the objects.
        reads: Whether objects are read.
        writes: Whether they are written.
    """
    actions = ["kms:Decrypt"] * reads + ["kms:GenerateDataKey"] * writes
    through = {"kms:ViaService": f"s3.{account.region}.{account.domain}"}
    context = {f"{_CONTEXT}:aws:s3:arn": list(arns)}
    conditions: Conditions = {"StringEquals": through, "StringLike": context}
    return _allow("ObjectKey", actions, key, conditions)


def for_variables(key: str, functions: Sequence[str]) -> Statement:
    """Allow Lambda to decrypt a function's environment variables at its start.

    Args:
        key: The key's ARN.
        functions: The function's ARN; with versions, also the pattern of theirs. AWS does not
            document which of the two the encryption context of a version has.
    """
    first, *more = functions
    context = {f"{_CONTEXT}:aws:lambda:FunctionArn": [first, *more] if more else first}
    operator = "StringLike" if more else "StringEquals"
    return _allow("VariablesKey", ["kms:Decrypt"], key, {operator: context})


def for_secrets(key: str, account: Account, arns: Sequence[str]) -> Statement:
    """Allow Secrets Manager to decrypt secrets for a step.

    Source: AWS Secrets Manager User Guide, "Secret encryption and decryption".

    Args:
        key: The key's ARN.
        account: The account and region.
        arns: ARNs of the secrets, or patterns.
    """
    return _allow_reading("SecretsKey", key, account, "secretsmanager", "SecretARN", arns)


def for_parameters(key: str, account: Account, arns: Sequence[str]) -> Statement:
    """Allow Parameter Store to decrypt parameters for a step.

    Source: AWS Systems Manager User Guide, "AWS KMS encryption for AWS Systems Manager Parameter
    Store SecureString parameters".

    Args:
        key: The key's ARN.
        account: The account and region.
        arns: ARNs of the parameters.
    """
    return _allow_reading("ParametersKey", key, account, "ssm", "PARAMETER_ARN", arns)


def for_executions(
    key: str, state_machines: Sequence[str], *, writes: bool = True, sid: str = "ExecutionsKey"
) -> Statement:
    """Allow to use a state machine's encrypted definition and executions.

    Args:
        key: The key's ARN.
        state_machines: ARNs of the state machine, and of its Distributed Maps, or patterns.
        writes: Whether it is the state machine itself, and not a reader of histories.
        sid: The statement's id.
    """
    context = {f"{_CONTEXT}:aws:states:stateMachineArn": list(state_machines)}
    actions = ["kms:Decrypt"] + ["kms:GenerateDataKey"] * writes
    return _allow(sid, actions, key, {"StringLike": context})


def for_log_delivery(key: str, account: Account) -> Statement:
    """Allow Step Functions to deliver encrypted logs to CloudWatch.

    Args:
        key: The key's ARN.
        account: The account and region.
    """
    context = {f"{_CONTEXT}:SourceArn": account.arn("logs", "*")}
    return _allow("LogDeliveryKey", ["kms:GenerateDataKey"], key, {"StringLike": context})


def for_schedules(key: str, schedules: Sequence[str]) -> Statement:
    """Allow EventBridge Scheduler to decrypt the inputs of schedules.

    Args:
        key: The key's ARN.
        schedules: The schedules' ARNs.
    """
    arns = schedules[0] if len(schedules) == 1 else list(schedules)
    context = {f"{_CONTEXT}:aws:scheduler:schedule:arn": arns}
    return _allow("ScheduleKey", ["kms:Decrypt"], key, {"StringEquals": context})


def for_queue(key: str, account: Account, queue: str) -> Statement:
    """Allow to send messages to an SQS queue that the key encrypts.

    Source: Amazon SQS Developer Guide, "Key management".

    Args:
        key: The key's ARN.
        account: The account and region.
        queue: The queue's ARN.
    """
    service = f"sqs.{account.region}.{account.domain}"
    return _allow_messages("QueueKey", key, service, "aws:sqs:arn", queue)


def for_topic(key: str, account: Account, topic: str) -> Statement:
    """Allow to send messages to an SNS topic that the key encrypts.

    Args:
        key: The key's ARN.
        account: The account and region.
        topic: The topic's ARN; of a reference, the topic is in the account's region.
    """
    region = topic.split(":")[3] if topic.startswith("arn:") else account.region
    service = f"sns.{region}.{account.domain}"
    return _allow_messages("TopicKey", key, service, "aws:sns:topicArn", topic)


def _allow_reading(
    sid: str, key: str, account: Account, service: str, context: str, arns: Sequence[str]
) -> Statement:
    """Return the statement for reading encrypted values, only through their service."""
    through = {"kms:ViaService": f"{service}.{account.region}.{account.domain}"}
    like = {f"{_CONTEXT}:{context}": list(arns)}
    return _allow(sid, ["kms:Decrypt"], key, {"StringEquals": through, "StringLike": like})


def _allow_messages(sid: str, key: str, service: str, context: str, arn: str) -> Statement:
    """Return the statement for sending to one queue or topic, only through its service."""
    equals = {"kms:ViaService": service, f"{_CONTEXT}:{context}": arn}
    actions = ["kms:Decrypt", "kms:GenerateDataKey"]
    return _allow(sid, actions, key, {"StringEquals": equals})


def _allow(sid: str, actions: Sequence[str], key: str, conditions: Conditions) -> Statement:
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Action": list(actions),
        "Resource": [key],
        "Condition": conditions,
    }
