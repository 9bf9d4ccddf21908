"""Map an API request to the IAM actions and resources that must be allowed.

Source: Service Authorization Reference of the services in this module. For other services the
action is checked, and the resource if the request contains its ARN.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Parameters = Mapping[str, Any]
Needed = tuple[str, str | None]
"""An action and a resource, as in ``policies.Request``."""

_PREFIXES = {"monitoring": "cloudwatch", "email": "ses", "execute-api": "execute-api"}
_ACTIONS = {
    "lambda:Invoke": "lambda:InvokeFunction",
    "lambda:InvokeAsync": "lambda:InvokeFunction",
    "lambda:InvokeWithResponseStream": "lambda:InvokeFunction",
    "events:PutPartnerEvents": "events:PutEvents",
    "sns:PublishBatch": "sns:Publish",
    "sqs:SendMessageBatch": "sqs:SendMessage",
    "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
    "sqs:ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
}
"""Operations with an IAM action of a different name."""
FREE = frozenset({"sts:GetCallerIdentity", "sts:GetSessionToken"})
"""Actions that need no permission."""
_WITHOUT_RESOURCE = frozenset(
    {
        *("batch:DescribeJobs", "batch:ListJobs", "batch:DescribeJobDefinitions"),
        *("cloudwatch:PutMetricData", "cloudwatch:GetMetricData", "dynamodb:ListTables"),
        *("ecr:GetAuthorizationToken", "events:ListRules", "kms:ListKeys", "kms:CreateKey"),
        *("lambda:ListFunctions", "secretsmanager:ListSecrets", "sns:ListTopics"),
        *("secretsmanager:GetRandomPassword", "sqs:ListQueues", "ssm:DescribeParameters"),
        *("states:ListStateMachines", "states:SendTaskSuccess", "states:SendTaskFailure"),
        *("states:SendTaskHeartbeat", "s3:ListAllMyBuckets"),
        *("xray:PutTraceSegments", "xray:PutTelemetryRecords"),
        *("xray:GetSamplingRules", "xray:GetSamplingTargets"),
    }
)


@dataclass(frozen=True)
class ArnScope:
    """The region and account of a request, for the ARNs of its resources.

    Args:
        region: The region's name.
        account: The account's number.
        partition: The partition, ``aws`` in most regions.
    """

    region: str
    account: str
    partition: str = "aws"

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of a resource; a resource that is an ARN is returned unchanged."""
        if resource.startswith("arn:"):
            return resource
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"


def needed(service: str, operation: str, given: Parameters, scope: ArnScope) -> list[Needed]:
    """Return the actions and resources that IAM checks for a request to a service except S3.

    Args:
        service: The service's name in the request's signature.
        operation: The operation, such as ``SubmitJob``.
        given: The parameters, by their names in the API.
        scope: The region and account of the request.
    """
    prefix = _PREFIXES.get(service, service)
    action = f"{prefix}:{operation}"
    action = _ACTIONS.get(action, action)
    if action in FREE:
        return []
    if action in _WITHOUT_RESOURCE or (prefix == "ec2" and operation.startswith("Describe")):
        return [(action, "*")]
    find = _RESOURCES.get(prefix)
    found = list(dict.fromkeys(find(operation, given, scope))) if find else []
    if not found:
        found = [one for one in _arns(given) if one.split(":")[2] == prefix][:1]
    return [(action, one) for one in found] or [(action, None)]


def _arns(given: Parameters) -> Iterator[str]:
    for value in given.values():
        if isinstance(value, str) and value.startswith("arn:") and value.count(":") >= 5:
            yield value


def _text(given: Parameters, *names: str) -> str | None:
    """Return the first parameter that exists. The case of a name's first letter is ignored."""
    for name in names:
        for known in (name, name[0].lower() + name[1:]):
            if isinstance(given.get(known), str):
                return str(given[known])
    return None


def _simple(service: str, kinds: Mapping[str, str]) -> Callable[..., Iterator[str]]:
    """Return a function that finds the resource in the first of some parameters.

    Args:
        service: The service.
        kinds: By parameter, the format of the last part of the resource's ARN.
    """

    def find(operation: str, given: Parameters, scope: ArnScope) -> Iterator[str]:
        for name, form in kinds.items():
            found = _text(given, name)
            if found is not None:
                yield scope.arn(service, found if found.startswith("arn:") else form.format(found))
                return

    return find


def _batch(operation: str, given: Parameters, scope: ArnScope) -> Iterator[str]:
    if operation == "SubmitJob":
        # The job's id is not known before the request.
        yield scope.arn("batch", "job/*")
        yield scope.arn("batch", _prefixed("job-queue/", given["jobQueue"]))
        yield scope.arn("batch", _prefixed("job-definition/", given["jobDefinition"]))
        return
    yield from _simple("batch", {"JobId": "job/{}", "ResourceArn": "{}"})(operation, given, scope)


def _prefixed(prefix: str, name: str) -> str:
    return name if name.startswith("arn:") else f"{prefix}{name}"


def _lambda(operation: str, given: Parameters, scope: ArnScope) -> Iterator[str]:
    name = _text(given, "FunctionName")
    if name is None:
        return
    qualifier = _text(given, "Qualifier")
    yield scope.arn("lambda", _prefixed("function:", name)) + (f":{qualifier}" if qualifier else "")


def _sqs(operation: str, given: Parameters, scope: ArnScope) -> Iterator[str]:
    url = _text(given, "QueueUrl")
    name = _text(given, "QueueName")
    if url is not None:
        name = url.rpartition("/")[2]
    if name is not None:
        yield scope.arn("sqs", name)


def _dynamodb(operation: str, given: Parameters, scope: ArnScope) -> Iterator[str]:
    tables = [_text(given, "TableName")]
    batches = given.get("RequestItems")
    if isinstance(batches, Mapping):
        tables += list(batches)
    for item in given.get("TransactItems") or ():
        tables += [_text(part, "TableName") for part in item.values()]
    for table in tables:
        if table is not None:
            arn = scope.arn("dynamodb", _prefixed("table/", table))
            index = _text(given, "IndexName")
            yield f"{arn}/index/{index}" if index else arn


def _ssm(operation: str, given: Parameters, scope: ArnScope) -> Iterator[str]:
    names = [_text(given, "Name"), _text(given, "Path"), *(given.get("Names") or ())]
    for name in names:
        if name is not None:
            yield scope.arn(
                "ssm", name if name.startswith("arn:") else f"parameter/{name.lstrip('/')}"
            )


def _logs(operation: str, given: Parameters, scope: ArnScope) -> Iterator[str]:
    group = _text(given, "LogGroupName", "LogGroupIdentifier")
    if group is not None:
        arn = scope.arn("logs", _prefixed("log-group:", group)).removesuffix(":*")
        yield f"{arn}:log-stream:{_text(given, 'LogStreamName') or ''}"


def _events(operation: str, given: Parameters, scope: ArnScope) -> Iterator[str]:
    if operation == "PutEvents":
        for entry in given.get("Entries") or ():
            bus = _text(entry, "EventBusName") or "default"
            yield scope.arn("events", _prefixed("event-bus/", bus))
        return
    name = _text(given, "Name", "Rule")
    if name is not None:
        bus = _text(given, "EventBusName") or "default"
        yield scope.arn("events", f"rule/{name}" if bus == "default" else f"rule/{bus}/{name}")


_RESOURCES: Mapping[str, Callable[[str, Parameters, ArnScope], Iterator[str]]] = {
    "batch": _batch,
    "dynamodb": _dynamodb,
    "ecr": _simple("ecr", {"RepositoryName": "repository/{}", "ResourceArn": "{}"}),
    "events": _events,
    "firehose": _simple("firehose", {"DeliveryStreamName": "deliverystream/{}"}),
    "glue": _simple("glue", {"JobName": "job/{}"}),
    "kinesis": _simple("kinesis", {"StreamARN": "{}", "StreamName": "stream/{}"}),
    "kms": _simple("kms", {"KeyId": "key/{}"}),
    "lambda": _lambda,
    "logs": _logs,
    "secretsmanager": _simple("secretsmanager", {"SecretId": "secret:{}"}),
    "sns": _simple("sns", {"TopicArn": "{}", "TargetArn": "{}", "ResourceArn": "{}"}),
    "sqs": _sqs,
    "ssm": _ssm,
    "states": _simple(
        "states",
        {
            "ExecutionArn": "{}",
            "StateMachineArn": "{}",
            "ActivityArn": "{}",
            "MapRunArn": "{}",
        },
    ),
    "sts": _simple("sts", {"RoleArn": "{}"}),
}
