"""IAM documents: one role a step, each with the least that it needs.

``*`` stands as a resource only where AWS gives an action none: X-Ray's, CloudWatch's log
delivery, and the network interfaces of functions in a VPC (Service Authorization Reference).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

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


def write_logs(log_group_arn: str) -> Statement:
    """A function writes into its own log group, which Terraform has made."""
    return {
        "Sid": "Logs",
        "Effect": "Allow",
        "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
        "Resource": [f"{log_group_arn}:*"],
    }


def read_objects(arns: Sequence[str]) -> Statement:
    """A step reads results of others and large literals."""
    return {"Sid": "Read", "Effect": "Allow", "Action": ["s3:GetObject"], "Resource": list(arns)}


def write_objects(arns: Sequence[str]) -> Statement:
    """A step stores a result that is too large to travel inline."""
    return {"Sid": "Write", "Effect": "Allow", "Action": ["s3:PutObject"], "Resource": list(arns)}


def invoke(function_arns: Sequence[str]) -> Statement:
    """A state machine calls its functions."""
    return {
        "Sid": "Invoke",
        "Effect": "Allow",
        "Action": ["lambda:InvokeFunction"],
        "Resource": list(function_arns),
    }


def run_maps(machine: str, execution: str, labels: Sequence[str]) -> list[Statement]:
    """A state machine runs its Distributed Maps as executions of its own.

    Args:
        machine: ARN of the state machine, built from its name: a reference to it would be a
            circle.
        execution: The beginning of the ARNs of its executions, built alike.
        labels: Of the maps.
    """
    return [
        {
            "Sid": "StartMaps",
            "Effect": "Allow",
            "Action": ["states:StartExecution"],
            "Resource": [machine],
        },
        {
            "Sid": "FollowMaps",
            "Effect": "Allow",
            "Action": ["states:DescribeExecution", "states:StopExecution"],
            "Resource": [f"{execution}:*"],
        },
        {
            "Sid": "RedriveMaps",
            "Effect": "Allow",
            "Action": ["states:RedriveExecution"],
            "Resource": [f"{execution}/{label}:*" for label in labels],
        },
    ]


def exchange_objects(arns: Sequence[str]) -> Statement:
    """A Distributed Map reads its items and writes its results."""
    return {
        "Sid": "ItemsAndResults",
        "Effect": "Allow",
        "Action": [
            "s3:GetObject",
            "s3:PutObject",
            "s3:ListMultipartUploadParts",
            "s3:AbortMultipartUpload",
        ],
        "Resource": list(arns),
    }


def start(machine_arn: str) -> Statement:
    """A schedule starts the state machine."""
    return {
        "Sid": "Start",
        "Effect": "Allow",
        "Action": ["states:StartExecution"],
        "Resource": [machine_arn],
    }


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
