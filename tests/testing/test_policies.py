"""Evaluation of IAM policies."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from lokki_tf.terraform.iam import pull_images
from lokki_tf.testing.iam.access import Access, AccessDenied, Role
from lokki_tf.testing.iam.conditions import UnknownOperatorError, holds
from lokki_tf.testing.iam.policies import Policy, Principal, Request, covers, evaluate
from lokki_tf.testing.iam.requests import ArnScope, needed
from lokki_tf.testing.moto_gaps.access_control import may_change_policies

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/team/load"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/load/one"
WHO = Principal(ROLE, SESSION)
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1234"
OBJECT = "arn:aws:s3:::bucket/runs/a"
READ = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::bucket/runs/*"}


def policy(*statements: dict[str, Any], kind: str = "identity") -> Policy:
    """Return a policy of statements."""
    return Policy("own", json.dumps({"Version": "2012-10-17", "Statement": statements}), kind)


def request(action: str = "s3:GetObject", resource: str | None = OBJECT, **context: str) -> Request:
    """Return a request of the role."""
    return Request(WHO, action, resource, {key: [text] for key, text in context.items()})


def allowed(*statements: dict[str, Any], **more: Any) -> bool:
    """Return whether a role with these statements may read the object."""
    return evaluate(request(), [policy(*statements)], **more).allowed


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({}, True),
        ({"Action": "s3:Get*"}, True),
        ({"Action": "S3:getobject"}, True),
        ({"Action": ["s3:PutObject", "s3:GetObject"]}, True),
        ({"Action": "s3:PutObject"}, False),
        ({"Action": "*"}, True),
        ({"Resource": "*"}, True),
        ({"Resource": "arn:aws:s3:::bucket/run?/a"}, True),
        ({"Resource": "arn:aws:s3:::bucket/RUNS/*"}, False),
        ({"Resource": "arn:aws:s3:::bucket"}, False),
        ({"Resource": ["arn:aws:s3:::other/*", OBJECT]}, True),
        ({"Effect": "Deny"}, False),
    ],
)
def test_a_statement_applies_by_action_and_resource(change: dict[str, Any], wanted: bool) -> None:
    """Actions are compared without case, resources with it; both may have wildcards."""
    assert allowed({**READ, **change}) is wanted


def test_what_a_statement_excepts_is_not_allowed_by_it() -> None:
    """NotAction and NotResource match everything that they do not name."""
    without_action = {key: READ[key] for key in ("Effect", "Resource")}
    assert allowed({**without_action, "NotAction": "s3:Put*"})
    assert not allowed({**without_action, "NotAction": "s3:Get*"})
    without_resource = {key: READ[key] for key in ("Effect", "Action")}
    assert allowed({**without_resource, "NotResource": "arn:aws:s3:::other/*"})
    assert not allowed({**without_resource, "NotResource": "arn:aws:s3:::bucket/*"})


def test_an_explicit_denial_stands_above_everything() -> None:
    """A Deny that applies wins over each Allow, wherever it is."""
    deny = {"Effect": "Deny", "Action": "s3:*", "Resource": "*"}
    found = evaluate(request(), [policy(READ, deny)])
    assert not found.allowed
    assert found.reason == "with an explicit deny in an identity-based policy"
    by_bucket = policy({**deny, "Principal": "*"}, kind="resource")
    assert evaluate(request(), [policy(READ)], resource=by_bucket).reason.endswith(
        "in a resource-based policy"
    )
    assert not allowed(READ, boundary=policy(READ, deny))


def test_a_permissions_boundary_limits_and_grants_nothing() -> None:
    """Both the boundary and a policy must allow a request."""
    assert allowed(READ, boundary=policy(READ))
    assert not allowed(boundary=policy(READ))
    found = evaluate(request(), [policy(READ)], boundary=policy({**READ, "Action": "s3:Put*"}))
    assert found.reason == "because no permissions boundary allows the s3:GetObject action"


@pytest.mark.parametrize(
    ("principal", "alone", "bounded"),
    [
        ({"AWS": ROLE}, True, False),
        ({"AWS": [SESSION]}, True, True),
        ("*", True, False),
        ({"AWS": "*"}, True, False),
        ({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, False, False),
        ({"AWS": ACCOUNT}, False, False),
        ({"AWS": "arn:aws:iam::999999999999:role/load"}, False, False),
        ({"Service": "lambda.amazonaws.com"}, False, False),
    ],
)
def test_a_resources_policy_grants_by_itself(principal: Any, alone: bool, bounded: bool) -> None:
    """A bucket's policy allows what it names; the account as principal leaves it to policies.

    A boundary limits it, unless it names the session.
    """
    bucket = policy({**READ, "Principal": principal}, kind="resource")
    assert allowed(resource=bucket) is alone
    nothing = policy({**READ, "Resource": "arn:aws:s3:::none"})
    assert allowed(resource=bucket, boundary=nothing) is bounded


def test_a_key_is_used_by_its_own_policy_alone() -> None:
    """A role's policy has an effect on a key only if the key's policy delegates to the account."""
    use = {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": KEY}
    root = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    delegating = policy(
        {"Effect": "Allow", "Principal": root, "Action": "kms:*", "Resource": "*"}, kind="resource"
    )
    other = {"AWS": f"arn:aws:iam::{ACCOUNT}:role/other"}
    closed = policy(
        {"Effect": "Allow", "Principal": other, "Action": "kms:*", "Resource": "*"}, kind="resource"
    )

    def used(key: Policy, *statements: dict[str, Any]) -> bool:
        wanted = request("kms:Decrypt", KEY)
        return evaluate(wanted, [policy(*statements)], resource=key, by_resource_alone=True).allowed

    assert used(delegating, use)
    assert not used(delegating)
    assert not used(closed, use)


def test_a_service_is_trusted_by_name_and_condition() -> None:
    """A trust policy allows a service to assume the role for the named account."""
    trust = policy(
        {
            "Effect": "Allow",
            "Principal": {"Service": ["states.amazonaws.com"]},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}},
        },
        kind="resource",
    )

    def assumed(service: str, account: str) -> bool:
        context = {"aws:sourceaccount": [account]}
        wanted = Request(Principal(service=service), "sts:AssumeRole", ROLE, context)
        return evaluate(wanted, (), resource=trust, by_resource_alone=True).allowed

    assert assumed("states.amazonaws.com", ACCOUNT)
    assert not assumed("states.amazonaws.com", "999999999999")
    assert not assumed("lambda.amazonaws.com", ACCOUNT)


CONTEXT = {
    "aws:sourcearn": ["arn:aws:lambda:us-east-1:1:function:daily-load"],
    "aws:securetransport": ["false"],
    "kms:encryptioncontext:aws:s3:arn": ["arn:aws:s3:::bucket"],
    "aws:tagkeys": ["a", "b"],
    "s3:max-keys": ["10"],
    "aws:currenttime": ["2024-06-01T00:00:00Z"],
    "aws:sourceip": ["10.1.2.3"],
    "aws:principaltag/team": ["red"],
}


@pytest.mark.parametrize(
    ("operator", "key", "value", "wanted"),
    [
        ("StringEquals", "kms:EncryptionContext:aws:s3:arn", "arn:aws:s3:::bucket", True),
        ("StringEquals", "KMS:encryptioncontext:AWS:s3:ARN", "arn:aws:s3:::bucket", True),
        ("StringEquals", "kms:EncryptionContext:aws:s3:arn", "arn:aws:s3:::b*", False),
        ("StringLike", "kms:EncryptionContext:aws:s3:arn", ["x", "arn:aws:s3:::b*"], True),
        ("StringEquals", "aws:absent", "x", False),
        ("StringEqualsIfExists", "aws:absent", "x", True),
        ("StringNotEquals", "aws:absent", "x", True),
        ("StringNotEquals", "aws:PrincipalTag/team", ["blue", "red"], False),
        ("StringNotLike", "aws:PrincipalTag/team", "b*", True),
        ("StringEqualsIgnoreCase", "aws:PrincipalTag/team", "RED", True),
        ("ArnLike", "aws:SourceArn", "arn:aws:lambda:*:*:function:daily-*", True),
        ("ArnEquals", "aws:SourceArn", "arn:aws:lambda:*:1:function:daily-????", True),
        ("ArnLike", "aws:SourceArn", "arn:aws:lambda:*", False),
        ("ArnNotLike", "aws:SourceArn", "arn:aws:lambda:*:*:function:daily-*", False),
        ("Bool", "aws:SecureTransport", "false", True),
        ("Bool", "aws:SecureTransport", True, False),
        ("Null", "aws:absent", "true", True),
        ("Null", "aws:SourceIp", True, False),
        ("NumericLessThanEquals", "s3:max-keys", "10", True),
        ("NumericLessThan", "s3:max-keys", 10, False),
        ("NumericEquals", "s3:max-keys", "many", False),
        ("DateGreaterThan", "aws:CurrentTime", "2024-01-01T00:00:00Z", True),
        ("DateLessThan", "aws:CurrentTime", "2024-01-01", False),
        ("IpAddress", "aws:SourceIp", "10.0.0.0/8", True),
        ("NotIpAddress", "aws:SourceIp", ["192.168.0.0/16", "10.1.2.3"], False),
        ("ForAllValues:StringEquals", "aws:TagKeys", ["a", "b", "c"], True),
        ("ForAllValues:StringEquals", "aws:TagKeys", ["a"], False),
        ("ForAllValues:StringEquals", "aws:absent", ["a"], True),
        ("ForAnyValue:StringEquals", "aws:TagKeys", ["b", "c"], True),
        ("ForAnyValue:StringEquals", "aws:absent", ["b"], False),
        ("StringEquals", "aws:PrincipalTag/team", "${aws:PrincipalTag/team}", True),
        ("StringEquals", "aws:PrincipalTag/team", "${aws:absent, 'red'}", True),
        ("StringLike", "aws:PrincipalTag/team", "${*}", False),
    ],
)
def test_conditions(operator: str, key: str, value: Any, wanted: bool) -> None:
    """Each operator compares as IAM documents it, a missing key included."""
    assert holds({operator: {key: value}}, CONTEXT) is wanted


def test_all_conditions_of_a_statement_must_hold() -> None:
    """Several operators and several keys are joined by AND."""
    good = {"s3:max-keys": "10"}
    assert holds({"NumericEquals": good, "Bool": {"aws:SecureTransport": "false"}}, CONTEXT)
    assert not holds({"NumericEquals": good, "Bool": {"aws:SecureTransport": "true"}}, CONTEXT)
    assert not holds({"NumericEquals": {**good, "aws:absent": "1"}}, CONTEXT)


def test_an_operator_that_does_not_exist_is_an_error() -> None:
    """A misspelt operator is an error and not a condition that is false."""
    with pytest.raises(UnknownOperatorError, match="StringMatches"):
        holds({"StringMatches": {"aws:SourceIp": "x"}}, CONTEXT)


@pytest.mark.parametrize(
    ("pattern", "resource", "wanted"),
    [
        ("arn:aws:s3:::bucket/runs/*", "arn:aws:s3:::bucket/runs/a/b:c", True),
        ("arn:aws:s3:::bucket/runs/*", "arn:aws:s3:::bucket/runs", False),
        ("arn:aws:lambda:*:*:function:daily-*", "arn:aws:lambda:r:1:function:daily-prod-a:1", True),
        ("arn:aws:lambda:*:*:function:*-a", "arn:aws:lambda:r:1:function:daily-a", True),
        ("arn:aws:logs:r:1:log-group:/x:*", "arn:aws:logs:r:1:log-group:/x:log-stream:y", True),
        ("arn:aws:logs:r:1:log-group:/x", "arn:aws:logs:r:1:log-group:/x:log-stream:y", False),
        ("arn:aws:states:r:1:execution:n/*:*", "arn:aws:states:r:1:execution:n/label:uuid", True),
        ("arn:aws:states:r:1:execution:n:*", "arn:aws:states:r:1:execution:n/label:uuid", False),
        ("arn:*", "arn:aws:s3:::bucket", True),
    ],
)
def test_patterns_of_resources(pattern: str, resource: str, wanted: bool) -> None:
    """A star crosses slashes; at the end of a part of an ARN it crosses colons too."""
    assert covers(pattern, resource) is wanted


def test_variables_in_resources() -> None:
    """Policy variables are replaced by the request's values; without a value nothing matches."""
    own = {**READ, "Resource": "arn:aws:s3:::bucket/${aws:PrincipalTag/team}/*"}
    wanted = Request(WHO, "s3:GetObject", "arn:aws:s3:::bucket/red/a", CONTEXT)
    assert evaluate(wanted, [policy(own)]).allowed
    assert not evaluate(request(resource="arn:aws:s3:::bucket//a"), [policy(own)]).allowed


def test_a_resource_that_is_unknown_is_not_compared() -> None:
    """If the resource of a request is unknown, the action and the conditions decide."""
    unknown = request("glue:StartJobRun", None)
    run = {"Effect": "Allow", "Action": "glue:StartJobRun", "Resource": "arn:aws:glue:r:1:job/a"}
    assert evaluate(unknown, [policy(run)]).allowed
    assert not evaluate(unknown, [policy(READ)]).allowed
    assert evaluate(unknown, [policy(run, {**run, "Effect": "Deny"})]).allowed
    everything = {**run, "Effect": "Deny", "Resource": "*"}
    assert not evaluate(unknown, [policy(run, everything)]).allowed


PLACE = ArnScope("r", "1")


@pytest.mark.parametrize(
    ("service", "operation", "given", "wanted"),
    [
        (
            *("lambda", "Invoke", {"FunctionName": "f"}),
            [("lambda:InvokeFunction", "arn:aws:lambda:r:1:function:f")],
        ),
        (
            *("sqs", "SendMessageBatch", {"QueueUrl": "http://127.0.0.1:1/1/queue"}),
            [("sqs:SendMessage", "arn:aws:sqs:r:1:queue")],
        ),
        (
            *("dynamodb", "BatchGetItem", {"RequestItems": {"a": {}, "b": {}}}),
            [
                ("dynamodb:BatchGetItem", "arn:aws:dynamodb:r:1:table/a"),
                ("dynamodb:BatchGetItem", "arn:aws:dynamodb:r:1:table/b"),
            ],
        ),
        (
            *("ssm", "GetParameters", {"Names": ["/a/b", "c"]}),
            [
                ("ssm:GetParameters", "arn:aws:ssm:r:1:parameter/a/b"),
                ("ssm:GetParameters", "arn:aws:ssm:r:1:parameter/c"),
            ],
        ),
        (
            *("events", "PutEvents", {"Entries": [{"Source": "a"}]}),
            [("events:PutEvents", "arn:aws:events:r:1:event-bus/default")],
        ),
        (
            *("monitoring", "PutMetricData", {"Namespace": "a"}),
            [("cloudwatch:PutMetricData", "*")],
        ),
        ("ec2", "DescribeSubnets", {}, [("ec2:DescribeSubnets", "*")]),
        ("sts", "GetCallerIdentity", {}, []),
        (
            *("athena", "GetWorkGroup", {"WorkGroup": "a"}),
            [("athena:GetWorkGroup", None)],
        ),
        (
            *("glue", "TagResource", {"ResourceArn": "arn:aws:glue:r:1:job/a"}),
            [("glue:TagResource", "arn:aws:glue:r:1:job/a")],
        ),
    ],
)
def test_actions_and_resources_of_requests(
    service: str, operation: str, given: dict[str, Any], wanted: list[Any]
) -> None:
    """A request is checked under IAM's name of the action, for each resource that it names."""
    assert needed(service, operation, given, PLACE) == wanted


def test_a_jobs_submission_needs_the_job_its_queue_and_its_definition() -> None:
    """SubmitJob is checked for three resources."""
    given = {"jobQueue": "q", "jobDefinition": "arn:aws:batch:r:1:job-definition/d"}
    assert needed("batch", "SubmitJob", given, PLACE) == [
        ("batch:SubmitJob", f"arn:aws:batch:r:1:{name}")
        for name in ("job/*", "job-queue/q", "job-definition/d")
    ]


def test_the_policy_of_a_repository_is_needed_to_pull() -> None:
    """Lambda pulls for the pipeline's functions by its statement, and not without it."""
    document = json.loads(pull_images("arn:aws:lambda:eu-west-1:123456789012:function:daily-*"))
    repository = "arn:aws:ecr:eu-west-1:123456789012:repository/daily"

    def allowed(name: str, statements: list[Any]) -> set[str]:
        source = f"arn:aws:lambda:eu-west-1:123456789012:function:{name}"
        policy = Policy(repository, json.dumps({**document, "Statement": statements}), "resource")
        lambda_service = Principal(service="lambda.amazonaws.com")
        return {
            action
            for action in ("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:PutImage")
            if evaluate(
                Request(lambda_service, action, repository, {"aws:sourcearn": [source]}),
                (),
                resource=policy,
                by_resource_alone=True,
            ).allowed
        }

    pulling = {"ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"}
    assert allowed("daily-load", document["Statement"]) == pulling
    assert allowed("weekly-load", document["Statement"]) == set()
    (statement,) = document["Statement"]
    for action in pulling:
        left = {**statement, "Action": [action]}
        assert allowed("daily-load", [left]) == {action}


@dataclass
class Directory:
    """An account with one role, whose policies and tags a test changes."""

    policies: tuple[Policy, ...] = ()
    boundary: Policy | None = None
    bucket: Policy | None = None
    tagged: dict[str, str] = field(default_factory=dict)

    def role(self, arn: str) -> Role | None:
        """Return the role."""
        trust = Policy("trust", "{}", "resource")
        return Role(arn, self.policies, trust, self.boundary, (("team", "data"),))

    def roles(self) -> Iterable[Role]:
        """Return the role as the only one."""
        return [one for one in [self.role(ROLE)] if one is not None]

    def resource_policy(self, action: str, resource: str) -> Policy | None:
        """Return the bucket's policy."""
        return self.bucket

    def tags(self, resource: str) -> dict[str, str]:
        """Return the tags of the resource."""
        return self.tagged


def test_a_repeated_decision_follows_each_change() -> None:
    """Equal requests are decided once, and again after a change of what they depend on."""
    account = Directory((policy(READ),))
    access = Access(account, "us-east-1")

    def allows(principal: Principal = WHO, **context: str) -> bool:
        access.policies_changed()
        for _ in range(2):
            with suppress(AccessDenied):
                access.require(principal, "s3:GetObject", OBJECT, context)
        first, second = access.decisions[-2:]
        assert first is second
        return second.allowed

    assert allows()
    account.boundary = policy({**READ, "Action": "s3:Put*"}, kind="boundary")
    assert not allows()
    account.boundary = None
    account.bucket = policy({**READ, "Effect": "Deny", "Principal": "*"}, kind="resource")
    assert not allows()
    account.bucket = None
    equal = {"StringEquals": {"aws:ResourceTag/kind": "${aws:PrincipalTag/team}", "s3:prefix": "a"}}
    account.policies = (policy({**READ, "Condition": equal}),)
    assert not allows(**{"s3:prefix": "a"})
    account.tagged = {"kind": "data"}
    assert allows(**{"s3:prefix": "a"})
    assert not allows(**{"s3:prefix": "b"})
    own = {"ArnLike": {"aws:PrincipalArn": "*"}, "StringLike": {"aws:userid": "*:one"}}
    account.policies = (policy({**READ, "Condition": own}),)
    assert allows()
    assert not allows(Principal(ROLE, SESSION.replace("/one", "/two")))
    account.policies = ()
    assert not allows()
    assert [one.allowed for one in access.decisions].count(True) == 2 * 3


@pytest.mark.parametrize(
    "condition",
    [
        {"NumericLessThan": {"AWS:EpochTime": "99999999999"}},
        {"DateGreaterThan": {"aws:currentTime": "2020-01-01T00:00:00Z"}},
        {"StringNotEquals": {"aws:userid": "${aws:CurrentTime}"}},
    ],
)
def test_a_condition_on_the_time_is_evaluated_at_each_request(condition: dict[str, Any]) -> None:
    """A decision that depends on the time is never taken from an equal request before."""
    access = Access(Directory((policy({**READ, "Condition": condition}),)), "us-east-1")
    for _ in range(2):
        access.require(WHO, "s3:GetObject", OBJECT)
    first, second = access.decisions
    assert first == second
    assert first is not second


@pytest.mark.parametrize(
    ("service", "path", "query", "wanted"),
    [
        ("iam", "/", "", True),
        ("lambda", "/2015-03-31/functions/a/policy", "", True),
        ("cloudformation", "/", "", True),
        ("s3", "/bucket", "policy", True),
        ("s3", "/bucket/", "", True),
        ("s3", "/", "policy=", True),
        ("s3", "/bucket/runs/a", "x-id=PutObject", False),
        ("states", "/", "", False),
        ("", "/bucket/runs/a", "", True),
    ],
)
def test_requests_that_may_change_policies(
    service: str, path: str, query: str, wanted: bool
) -> None:
    """Only requests for objects, and to services without policies, leave decisions as they are."""
    signed = f"AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/{service}/aws4_request"
    environ = {"PATH_INFO": path, "QUERY_STRING": query}
    if service:
        environ["HTTP_AUTHORIZATION"] = signed
    assert may_change_policies(environ) is wanted
