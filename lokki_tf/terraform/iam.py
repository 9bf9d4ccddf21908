"""IAM documents: one role for each step, with the least rights that it needs.

The resource is ``*`` only for actions that support no resources: X-Ray's, CloudWatch's log
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
    """Return a policy document as JSON."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def trust(service: str, conditions: dict[str, dict[str, str]] | None = None) -> str:
    """Return a trust policy: which service may assume a role, and for which source."""
    statement: Statement = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sts:AssumeRole",
    }
    if conditions:
        statement["Condition"] = conditions
    return document([statement])


def write_logs(*log_groups: str) -> Statement:
    """Allow a function or jobs to write into their log groups, which Terraform creates."""
    arns = [f"{arn}:*" for arn in log_groups]
    return _allow("Logs", ["logs:CreateLogStream", "logs:PutLogEvents"], arns)


def read_secrets(arns: Sequence[str]) -> Statement:
    """Allow a step to read its secrets in Secrets Manager."""
    return _allow("Secrets", ["secretsmanager:GetSecretValue"], arns)


def read_parameters(arns: Sequence[str]) -> Statement:
    """Allow a step to read its secrets in Parameter Store."""
    return _allow("Parameters", ["ssm:GetParameter"], arns)


def read_datasets(arns: Sequence[str]) -> Statement:
    """Allow a state machine to read files that maps run over.

    Source: Step Functions Developer Guide, "IAM policies for using Distributed Map states".
    """
    return _allow("ReadDatasets", ["s3:GetObject"], arns)


def list_objects(
    buckets: Sequence[str], prefixes: Sequence[str] = (), number: int | None = None
) -> Statement:
    """Allow a state machine to list objects that maps run over.

    Args:
        buckets: ARNs of buckets.
        prefixes: The prefixes that it may list; all if there are none.
        number: Distinguishes the statements of a policy.
    """
    sid = "ListObjects" if number is None else f"ListObjects{number}"
    statement = _allow(sid, ["s3:ListBucket"], buckets)
    if prefixes:
        statement["Condition"] = {"StringEquals": {"s3:prefix": list(prefixes)}}
    return statement


def read_objects(arns: Sequence[str]) -> Statement:
    """Allow a step to read results of other steps and large literals."""
    return _allow("Read", ["s3:GetObject"], arns)


def exchange_answers(arns: Sequence[str]) -> Statement:
    """Allow a state machine to write jobs' events, and to read their errors and next steps."""
    return _allow("EventsAndAnswers", ["s3:GetObject", "s3:PutObject"], arns)


def write_objects(arns: Sequence[str]) -> Statement:
    """Allow a step to store results that are too large to be inline."""
    return _allow("Write", ["s3:PutObject"], arns)


def write_earlier_answers(arns: Sequence[str]) -> Statement:
    """Allow a job to write its answer where definitions of earlier versions expect it."""
    return _allow("WriteEarlier", ["s3:PutObject"], arns)


def start_containers(repository_arn: str) -> list[Statement]:
    """Allow to start containers from the pipeline's image; the token's action has no resource.

    Args:
        repository_arn: ARN of the repository in ECR.
    """
    actions = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage"]
    return [
        _allow("Pull", [*actions, "ecr:GetDownloadUrlForLayer"], [repository_arn]),
        _allow("PullToken", ["ecr:GetAuthorizationToken"], ["*"]),
    ]


def run_jobs(
    definitions: Statement, queues: Sequence[str], jobs: str, rule: str
) -> list[Statement]:
    """Allow a state machine to submit jobs, and to wait for them with Step Functions' own rule.

    Args:
        definitions: The statement for the job definitions, see :func:`submit`.
        queues: ARNs of the queues.
        jobs: ARN of all jobs; their ids are not known in advance.
        rule: ARN of the rule.
    """
    return [
        definitions,
        _allow("SubmitToQueues", ["batch:SubmitJob"], [*queues, jobs]),
        _allow("StopJobs", ["batch:TerminateJob"], [jobs]),
        _allow("FollowJobs", ["batch:DescribeJobs"], ["*"]),
        _hear("HearOfJobs", rule),
    ]


def start_pipelines(
    machines: Sequence[str], executions: Sequence[str], rule: str
) -> list[Statement]:
    """Allow a state machine to start others, and to wait for their executions.

    Source: Step Functions Developer Guide, "IAM policies for calling Step Functions".

    Args:
        machines: ARNs of the other state machines.
        executions: Patterns of the ARNs of their executions.
        rule: ARN of the rule.
    """
    actions = ["states:DescribeExecution", "states:StopExecution"]
    return [
        _allow("StartPipelines", ["states:StartExecution"], machines),
        _allow("FollowPipelines", actions, executions),
        _hear("HearOfPipelines", rule),
    ]


def take_slots(objects: str, executions: str) -> list[Statement]:
    """Allow to take slots, and to find out whether the executions that hold them run.

    Args:
        objects: ARN of the slots' objects.
        executions: ARN of the pipeline's executions.
    """
    return [
        _allow("Slots", ["s3:GetObject", "s3:PutObject"], [objects]),
        _allow("Holders", ["states:DescribeExecution"], [executions]),
    ]


def _hear(sid: str, rule: str) -> Statement:
    """Allow Step Functions to receive events of what it starts, by its own rule of EventBridge."""
    return _allow(sid, ["events:PutTargets", "events:PutRule", "events:DescribeRule"], [rule])


def submit(definitions: Sequence[str]) -> Statement:
    """Allow a state machine to submit jobs of some definitions.

    Args:
        definitions: ARNs of job definitions without their revisions.
    """
    named = [one for arn in definitions for one in (arn, f"{arn}:*")]
    return _allow("SubmitJobs", ["batch:SubmitJob"], named)


def invoke(function_arns: Sequence[str]) -> Statement:
    """Allow a state machine to call its functions."""
    return _allow("Invoke", ["lambda:InvokeFunction"], function_arns)


def invoke_versions(patterns: Sequence[str]) -> Statement:
    """Allow a state machine to call versions of functions."""
    return _allow("InvokeVersions", ["lambda:InvokeFunction"], patterns)


def tagged(statement: Statement, tags: Mapping[str, str | None]) -> Statement:
    """Return a statement that is limited to resources with these tags.

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


def run_maps(
    state_machine: str, execution: str, *, nested: bool, standard: bool
) -> list[Statement]:
    """Allow a state machine to run its Distributed Maps as child executions.

    Source: Step Functions Developer Guide, "IAM policies for using Distributed Map states":
    children are redriven as ``execution:NAME/*:*``. The children of maps inside others have the
    labels of all maps around them in their names (``NAME/outer/inner``). "Redriving Map Runs":
    Express executions are not redriven but started again.

    Args:
        state_machine: Its ARN, built from its name: a reference to it would be a cycle.
        execution: The prefix of its executions' ARNs, built from its name.
        nested: Whether maps contain maps, so that executions of items start further ones.
        standard: Whether items of a map are Standard executions.
    """
    children = f"{execution}/*:*"
    state_machines = [state_machine, *([f"{state_machine}/*"] * nested)]
    executions = [f"{execution}:*", *([children] * nested)]
    statements = [
        _allow("StartMaps", ["states:StartExecution"], state_machines),
        _allow("FollowMaps", ["states:DescribeExecution", "states:StopExecution"], executions),
    ]
    if standard:
        statements.append(_allow("RedriveMaps", ["states:RedriveExecution"], [children]))
    return statements


def _allow(sid: str, actions: Sequence[str], resources: Sequence[str]) -> Statement:
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Action": list(actions),
        "Resource": list(resources),
    }


def pull_images(functions: str) -> str:
    """Return a repository's policy: Lambda may read images for some functions.

    Source: Lambda Developer Guide, "Create a Lambda function using a container image": these two
    actions, and the function's ARN as the source. Without them Lambda adds its own statement, for
    all functions of the account. Functions of pipelines whose names have the same beginning are
    included: the repository is created before the functions, and its policy cannot compare tags of
    functions.

    Args:
        functions: ARN of the functions, with wildcards.
    """
    statement = _allow("LambdaPulls", ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"], [])
    del statement["Resource"]  # the repository itself
    statement["Principal"] = {"Service": "lambda.amazonaws.com"}
    statement["Condition"] = {"StringLike": {"aws:SourceArn": functions}}
    return document([statement])


def exchange_objects(arns: Sequence[str]) -> Statement:
    """Allow a Distributed Map to read its items and to write its results."""
    actions = ["s3:GetObject", "s3:PutObject"]
    actions += ["s3:ListMultipartUploadParts", "s3:AbortMultipartUpload"]
    return _allow("ItemsAndResults", actions, arns)


def read_histories(executions: Sequence[str], *, definitions: bool = False) -> Statement:
    """Allow the function of notices to read an execution's history, to find the failed step.

    Args:
        executions: ARNs of the executions.
        definitions: Whether it also reads the state machine's definition at the start of the
            execution, for the event of the cleanup step.
    """
    actions = ["states:GetExecutionHistory"]
    actions += ["states:DescribeStateMachineForExecution"] if definitions else []
    return _allow("History", actions, executions)


def send(queues: Sequence[str]) -> Statement:
    """Allow Lambda to send failed notices to the queue, with the function's role."""
    return _allow("Send", ["sqs:SendMessage"], queues)


def queue_for(rules: Sequence[str], queue: str) -> str:
    """Return a queue's policy: EventBridge may send undeliverable events of rules.

    Source: Amazon EventBridge User Guide, "Using dead-letter queues".

    Args:
        rules: ARNs of the rules.
        queue: The queue's ARN.
    """
    statement = _allow("Undelivered", ["sqs:SendMessage"], [queue])
    statement["Principal"] = {"Service": "events.amazonaws.com"}
    statement["Condition"] = {
        "ArnEquals": {"aws:SourceArn": rules[0] if len(rules) == 1 else list(rules)}
    }
    return document([statement])


def publish(topic: str) -> Statement:
    """Allow to publish a notice to a topic."""
    return _allow("Publish", ["sns:Publish"], [topic])


def start(state_machine_arn: str) -> Statement:
    """Allow a schedule, or the function of triggers, to start the state machine."""
    return _allow("Start", ["states:StartExecution"], [state_machine_arn])


def tls_only(bucket_arn: str) -> str:
    """Return a bucket policy that denies requests without TLS."""
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
