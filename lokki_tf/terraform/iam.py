"""IAM documents: one role a step, each with the least that it needs.

``*`` stands as a resource only where AWS gives an action none: X-Ray's, CloudWatch's log
delivery, and the network interfaces of functions in a VPC (Service Authorization Reference).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Statement = dict[str, Any]

TRACING: Statement = {
    "Sid": "Tracing",
    "Effect": "Allow",
    "Action": ["xray:PutTraceSegments", "xray:PutTelemetryRecords"],
    "Resource": ["*"],
}
SAMPLING: Statement = {
    "Sid": "Sampling",
    "Effect": "Allow",
    "Action": ["xray:GetSamplingRules", "xray:GetSamplingTargets"],
    "Resource": ["*"],
}
NETWORK: Statement = {
    "Sid": "NetworkInterfaces",
    "Effect": "Allow",
    "Action": [
        "ec2:CreateNetworkInterface",
        "ec2:DeleteNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "ec2:AssignPrivateIpAddresses",
        "ec2:UnassignPrivateIpAddresses",
    ],
    "Resource": ["*"],
}
# Step Functions Developer Guide, "Logging using CloudWatch Logs": these take no resource.
LOG_DELIVERY: Statement = {
    "Sid": "LogDelivery",
    "Effect": "Allow",
    "Action": [
        "logs:CreateLogDelivery",
        "logs:DeleteLogDelivery",
        "logs:DescribeLogGroups",
        "logs:DescribeResourcePolicies",
        "logs:GetLogDelivery",
        "logs:ListLogDeliveries",
        "logs:PutResourcePolicy",
        "logs:UpdateLogDelivery",
    ],
    "Resource": ["*"],
}


def document(statements: Iterable[Statement]) -> str:
    """A policy document as JSON."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def trust(service: str, conditions: dict[str, dict[str, str]] | None = None) -> str:
    """A trust policy: who may take a role, and on whose behalf."""
    statement: Statement = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sts:AssumeRole",
    }
    if conditions:
        statement["Condition"] = conditions
    return document([statement])


def write_logs(*log_groups: str) -> Statement:
    """A function writes into its own log group, which Terraform has made; jobs into theirs."""
    arns = [f"{arn}:*" for arn in log_groups]
    return _allow("Logs", ["logs:CreateLogStream", "logs:PutLogEvents"], arns)


def read_objects(arns: Sequence[str]) -> Statement:
    """A step reads results of others and large literals."""
    return _allow("Read", ["s3:GetObject"], arns)


def exchange_answers(arns: Sequence[str]) -> Statement:
    """A state machine writes jobs' events, and reads errors and where a routed step leads."""
    return _allow("EventsAndAnswers", ["s3:GetObject", "s3:PutObject"], arns)


def write_objects(arns: Sequence[str]) -> Statement:
    """A step stores a result that is too large to travel inline."""
    return _allow("Write", ["s3:PutObject"], arns)


def start_containers(repository_arn: str) -> list[Statement]:
    """Containers are started from the pipeline's image; a token has no resource to name.

    Args:
        repository_arn: Of the repository in ECR.
    """
    actions = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage"]
    return [
        _allow("Pull", [*actions, "ecr:GetDownloadUrlForLayer"], [repository_arn]),
        _allow("PullToken", ["ecr:GetAuthorizationToken"], ["*"]),
    ]


def run_jobs(
    definitions: Statement, queues: Sequence[str], jobs: str, rule: str
) -> list[Statement]:
    """A state machine submits jobs, and waits for them by a rule of Step Functions' own.

    Args:
        definitions: The statement for the job definitions, see :func:`submit`.
        queues: ARNs of the queues.
        jobs: ARN of all jobs; AWS gives them names that nobody knows before.
        rule: ARN of the rule.
    """
    return [
        definitions,
        _allow("SubmitToQueues", ["batch:SubmitJob"], [*queues, jobs]),
        _allow("StopJobs", ["batch:TerminateJob"], [jobs]),
        _allow("FollowJobs", ["batch:DescribeJobs"], ["*"]),
        _allow(
            "HearOfJobs", ["events:PutTargets", "events:PutRule", "events:DescribeRule"], [rule]
        ),
    ]


def submit(definitions: Sequence[str]) -> Statement:
    """A state machine submits jobs of some definitions.

    Args:
        definitions: ARNs of job definitions without their revisions.
    """
    named = [one for arn in definitions for one in (arn, f"{arn}:*")]
    return _allow("SubmitJobs", ["batch:SubmitJob"], named)


def invoke(function_arns: Sequence[str]) -> Statement:
    """A state machine calls its functions."""
    return _allow("Invoke", ["lambda:InvokeFunction"], function_arns)


def tagged(statement: Statement, tags: Mapping[str, str | None]) -> Statement:
    """A statement for resources with these tags alone.

    Source: Lambda Developer Guide, "Using attribute-based access control in Lambda"; Service
    Authorization Reference, "AWS Batch" (job definitions).

    Args:
        statement: The statement.
        tags: Values of tags; ``None`` for a tag that the resources do not have.
    """
    keys = {f"aws:ResourceTag/{name}": value for name, value in tags.items()}
    condition: dict[str, Any] = {"StringEquals": {k: v for k, v in keys.items() if v is not None}}
    absent = {key: "true" for key, value in keys.items() if value is None}
    return {**statement, "Condition": {**condition, **({"Null": absent} if absent else {})}}


def run_maps(machine: str, execution: str, *, nested: bool) -> list[Statement]:
    """A state machine runs its Distributed Maps as executions of its own.

    Source: Step Functions Developer Guide, "IAM policies for using Distributed Map states":
    children are redriven as ``execution:NAME/*:*``. The children of maps inside others have the
    labels of all maps around them in their names (``NAME/outer/inner``).

    Args:
        machine: ARN of the state machine, built from its name: a reference to it would be a
            circle.
        execution: The beginning of the ARNs of its executions, built alike.
        nested: Whether maps run others: there, the executions of an item start more.
    """
    children = f"{execution}/*:*"
    machines = [machine, *([f"{machine}/*"] * nested)]
    executions = [f"{execution}:*", *([children] * nested)]
    return [
        _allow("StartMaps", ["states:StartExecution"], machines),
        _allow("FollowMaps", ["states:DescribeExecution", "states:StopExecution"], executions),
        _allow("RedriveMaps", ["states:RedriveExecution"], [children]),
    ]


def _allow(sid: str, actions: Sequence[str], resources: Sequence[str]) -> Statement:
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Action": list(actions),
        "Resource": list(resources),
    }


def pull_images(functions: str) -> str:
    """A repository's policy: Lambda reads images for some functions.

    Source: Lambda Developer Guide, "Create a Lambda function using a container image": these
    two actions, and the function's ARN as the source. Where they are missing Lambda adds them
    itself, for all functions of the account. Functions of a pipeline whose name begins alike are
    covered too: the repository is there before the functions, and repositories' policies compare
    no tags of functions.

    Args:
        functions: ARN of the functions, with wildcards.
    """
    statement = _allow("LambdaPulls", ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"], [])
    del statement["Resource"]  # the repository itself
    statement["Principal"] = {"Service": "lambda.amazonaws.com"}
    statement["Condition"] = {"StringLike": {"aws:SourceArn": functions}}
    return document([statement])


def exchange_objects(arns: Sequence[str]) -> Statement:
    """A Distributed Map reads its items and writes its results."""
    actions = ["s3:GetObject", "s3:PutObject"]
    actions += ["s3:ListMultipartUploadParts", "s3:AbortMultipartUpload"]
    return _allow("ItemsAndResults", actions, arns)


def read_histories(executions: Sequence[str]) -> Statement:
    """What sends notices finds the failed step in an execution's history."""
    return _allow("History", ["states:GetExecutionHistory"], executions)


def send(queues: Sequence[str]) -> Statement:
    """Lambda sends notices that failed to the queue, by the right of the function's role."""
    return _allow("Send", ["sqs:SendMessage"], queues)


def queue_for(rule: str, queue: str) -> str:
    """A queue's policy: EventBridge sends events of a rule that it cannot deliver.

    Source: Amazon EventBridge User Guide, "Using dead-letter queues".

    Args:
        rule: The rule's ARN.
        queue: The queue's ARN.
    """
    statement = _allow("Undelivered", ["sqs:SendMessage"], [queue])
    statement["Principal"] = {"Service": "events.amazonaws.com"}
    statement["Condition"] = {"ArnEquals": {"aws:SourceArn": rule}}
    return document([statement])


def publish(topic: str) -> Statement:
    """A notice is published to a topic."""
    return _allow("Publish", ["sns:Publish"], [topic])


def start(machine_arn: str) -> Statement:
    """A schedule starts the state machine."""
    return _allow("Start", ["states:StartExecution"], [machine_arn])


def tls_only(bucket_arn: str) -> str:
    """A bucket policy that refuses whatever comes without TLS."""
    return document(
        [
            {
                "Sid": "OnlyTls",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": [bucket_arn, f"{bucket_arn}/*"],
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }
        ]
    )
