"""The local AWS answers as AWS does, in details that its documentation does not state.

Where a test names no page of the documentation, the right value is the one that AWS has answered,
observed in histories of executions in real accounts.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lokki_tf.testing import LocalAws
from lokki_tf.testing.state_machines.definition import check
from lokki_tf.testing.state_machines.execution import Execution
from lokki_tf.testing.state_machines.expressions import parse_expression
from lokki_tf.testing.state_machines.failures import PathSyntaxError
from lokki_tf.testing.state_machines.references import View
from lokki_tf.testing.state_machines.variables import Budget, Variables

Interpret = Callable[..., Execution]
Output = Callable[[Execution], Any]
Task = Callable[..., dict[str, Any]]
STATES = "arn:aws:states:::"
PASS = {"Type": "Pass", "End": True}
PLACED = "An error occurred while executing the state 'A' (entered at the event id #2). "


def machine(**states: Any) -> dict[str, Any]:
    """Return a definition that starts at its first state."""
    return {"StartAt": next(iter(states)), "States": states}


def evaluated(text: str, value: Any = None) -> Any:
    """Return the value of an expression."""
    return parse_expression(text).evaluate(View(value, {}, Variables(Budget())))


def types(run: Execution) -> list[str]:
    """Return the types of an execution's events."""
    return [event["type"] for event in run.history.events]


@pytest.mark.parametrize(
    ("payload", "arrives"),
    [("0.5", 0.5), ('"text"', "text"), ("null", None), ({"a": "0.5"}, {"a": "0.5"}), (None, {})],
)
def test_payload_that_is_text(
    interpret: Interpret, output: Output, task: Task, payload: Any, arrives: Any
) -> None:
    """lambda:invoke sends a Payload that is text as it is, and an empty object for null."""
    state = task("echo", OutputPath="$.Payload")
    state["Parameters"] = {**state["Parameters"], "Payload.$": "$"}
    del state["Parameters"]["Payload"]
    given = {"Type": "Pass", "Result": payload, "Next": "B"}
    assert output(interpret(machine(A=given, B=state), echo=lambda event: event)) == arrives


@pytest.mark.parametrize(
    ("path", "found"),
    [("$.no[*]", []), ("$.no[1:]", []), ("$.no.a[*].b", []), ("$.[?(@.n > 1)]", [{"n": 2}])],
)
def test_indefinite_paths(path: str, found: Any) -> None:
    """An indefinite path below a missing key selects nothing; a filter may follow a dot."""
    assert evaluated(path, [{"n": 1}, {"n": 2}] if "?" in path else {}) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("States.MathAdd(1.5, 1.51)", 4),
        ("States.MathAdd(-1.5, 0)", -1),
        ("States.MathAdd('2', 1)", 3),
        ("States.MathRandom(1.2, 2.3)", 1),
        ("States.Format('{}', $)", "{a=1, b=[x, null, {c=1.5}]}"),
        ("States.StringToJson('')", None),
    ],
)
def test_intrinsic_functions(text: str, found: Any) -> None:
    """Numbers may be fractions or text and are rounded as in Java, which also formats objects."""
    assert evaluated(text, {"a": 1, "b": ["x", None, {"c": 1.5}]}) == found


def test_escaped_quotation_mark() -> None:
    """The strings of intrinsic functions do not have escaped quotation marks."""
    assert evaluated("States.Format('a \\'b\\' \"c\"')") == "a 'b' \"c\""
    with pytest.raises(PathSyntaxError):
        parse_expression("States.Format('a \\\"c\\\"')")


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("SecondsPath", -1, "The SecondsPath parameter references a negative value: $.t == -1"),
        ("SecondsPath", 1.5, "The SecondsPath parameter cannot be parsed as a long value"),
        ("TimestampPath", "2030-01-01 00:00:00Z", "does not reference a valid ISO-8601 extended"),
        ("TimestampPath", "2999-01-01T00:00:00Z", "Wait state delay is too long."),
    ],
)
def test_waits_that_fail(interpret: Interpret, field: str, value: Any, message: str) -> None:
    """The path of a Wait state must lead to a number of seconds or a time that is not too far."""
    run = interpret(machine(A={"Type": "Wait", field: "$.t", "End": True}), {"t": value})
    assert (run.status, run.error) == ("FAILED", "States.Runtime")
    assert str(run.cause).startswith(PLACED)
    assert message in str(run.cause)


def test_absent_error_and_cause(interpret: Interpret) -> None:
    """What a Fail state leaves out stays absent, and is null where it is caught."""
    run = interpret(machine(A={"Type": "Fail"}))
    assert (run.status, run.error, run.cause) == ("FAILED", None, None)
    assert run.history.events[-1]["executionFailedEventDetails"] == {}
    caught = machine(
        P={
            "Type": "Parallel",
            "Branches": [machine(A={"Type": "Fail", "Error": "Refused"})],
            "Catch": [{"ErrorEquals": ["Refused"], "Next": "B"}],
            "End": True,
        },
        B=PASS,
    )
    run = interpret(caught)
    assert json.loads(str(run.output_text)) == {"Error": "Refused", "Cause": None}


def test_timeout_has_no_cause(interpret: Interpret, output: Output, task: Task) -> None:
    """A timeout has no cause; a catcher receives an empty one."""

    def slow(event: Any) -> None:
        time.sleep(1.3)

    state = task("slow", TimeoutSeconds=1)
    run = interpret(machine(A=state), slow=slow)
    assert (run.error, run.cause) == ("States.Timeout", None)
    timed_out = run.history.events[-2]
    assert timed_out["taskTimedOutEventDetails"] == {
        "resourceType": "lambda",
        "resource": "invoke",
        "error": "States.Timeout",
    }
    state["Catch"] = [{"ErrorEquals": ["States.Timeout"], "Next": "B"}]
    run = interpret(machine(A=state, B=PASS), slow=slow)
    assert output(run) == {"Error": "States.Timeout", "Cause": ""}


@pytest.mark.parametrize("listed", ["States.HeartbeatTimeout", "States.Timeout"])
def test_missed_heartbeat(interpret: Interpret, output: Output, task: Task, listed: str) -> None:
    """A missed heartbeat is States.Timeout; rules may list either name.

    Source of the second name: Step Functions Developer Guide, "Handling errors in Step Functions
    workflows".
    """
    state = task("ask", {"token.$": "$$.Task.Token"}, HeartbeatSeconds=1)
    state["Resource"] += ".waitForTaskToken"
    state["Catch"] = [{"ErrorEquals": [listed], "Next": "B"}]
    run = interpret(machine(A=state, B=PASS), ask=lambda event: None)
    assert output(run) == {"Error": "States.Timeout", "Cause": ""}
    [scheduled] = [e for e in run.history.events if e["type"] == "TaskScheduled"]
    assert scheduled["taskScheduledEventDetails"]["heartbeatInSeconds"] == 1
    assert {"TaskSubmitted", "TaskTimedOut"} <= set(types(run))


def test_failed_attempts_of_a_map(interpret: Interpret) -> None:
    """A Map state fails once, after its last attempt, and its event has no details."""
    state = {
        "Type": "Map",
        "ItemProcessor": machine(A={"Type": "Fail", "Error": "E"}),
        "Retry": [{"ErrorEquals": ["E"], "MaxAttempts": 1}],
        "End": True,
    }
    run = interpret(machine(M=state), [1])
    assert types(run)[2:] == [
        *["MapStateStarted", "MapIterationStarted", "FailStateEntered", "MapIterationFailed"] * 2,
        "MapStateFailed",
        "ExecutionFailed",
    ]
    assert "mapStateFailedEventDetails" not in run.history.events[-2]


def test_aborted_branches(interpret: Interpret, task: Task) -> None:
    """The failed task of a branch and states of other branches are recorded as aborted."""

    def fail(event: Any) -> None:
        raise ValueError

    waiting = machine(W={"Type": "Wait", "Seconds": 600, "End": True})
    state = {"Type": "Parallel", "Branches": [machine(A=task("fail")), waiting], "End": True}
    run = interpret(machine(P=state), fail=fail)
    assert run.error == "ValueError"
    assert next(kind for kind in types(run) if "Aborted" in kind) == "TaskStateAborted"
    assert types(run)[-2:] == ["ParallelStateFailed", "ExecutionFailed"]


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("MaxConcurrencyPath", "1", None),
        ("MaxConcurrencyPath", "one", 'refers to value "one" which is not a valid integer: $.n'),
        ("ToleratedFailureCountPath", "1", None),
        ("ToleratedFailureCountPath", -1, "ToleratedFailureCount cannot be negative."),
        ("ToleratedFailurePercentagePath", "1.5", None),
        ("ToleratedFailurePercentagePath", 100.1, "must be between 0 and 100."),
    ],
)
def test_numbers_at_paths(
    interpret: Interpret, field: str, value: Any, message: str | None
) -> None:
    """The numbers to which paths of a Map state lead may be text, and must be in their range."""
    config = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    state = {
        "Type": "Map",
        "ItemsPath": "$.items",
        field: "$.n",
        "ItemProcessor": {**machine(A=PASS), "ProcessorConfig": config},
        "End": True,
    }
    run = interpret(machine(M=state), {"items": [1, 2], "n": value})
    if message is None:
        assert run.output_text == "[1,2]"
        assert run.history.events[2]["mapStateStartedEventDetails"] == {"length": 2}
    else:
        assert run.error == "States.Runtime"
        assert message in str(run.cause)
        assert "MapStateFailed" not in types(run)


@pytest.mark.parametrize(
    "state",
    [
        {"Type": "Fail", "Error": "E", "ErrorPath": "$.e"},
        {"Type": "Fail", "Cause": "C", "CausePath": "$.c"},
        {"Type": "Wait", "Timestamp": "2030-01-01 00:00:00Z", "End": True},
        {"Type": "Wait", "Timestamp": "2030-01-01T00:00:00", "End": True},
        {"Type": "Task", "Resource": f"{STATES}dynamodb:query", "End": True},
        {"Type": "Task", "Resource": f"{STATES}nowhere:call", "End": True},
        {"Type": "Task", "Resource": f"{STATES}sqs:sendMessage.sync", "End": True},
        {"Type": "Task", "Resource": f"{STATES}aws-sdk:s3:getObject.sync", "End": True},
        {"Type": "Map", "ItemProcessor": machine(B=PASS), "Iterator": machine(C=PASS), "End": True},
        {
            "Type": "Map",
            "ItemProcessor": machine(B=PASS),
            "Parameters": {},
            "ItemSelector": {},
            "End": True,
        },
        *(
            {
                "Type": "Map",
                "ItemProcessor": {
                    **machine(B=PASS),
                    "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                },
                "End": True,
                **more,
            }
            for more in (
                {"Label": "Each\n"},
                {"Label": ""},
                {"MaxConcurrency": 1, "MaxConcurrencyPath": "$.n"},
                {
                    "ItemReader": {
                        "Resource": f"{STATES}s3:getObject",
                        "ReaderConfig": {"InputType": "JSON", "MaxItems": 1, "MaxItemsPath": "$.n"},
                        "Parameters": {"Bucket": "b", "Key": "k"},
                    }
                },
            )
        ),
    ],
    ids=str,
)
def test_refused_states(state: Any) -> None:
    """Fields that exclude each other, unknown integrations and invalid times are refused."""
    assert check(json.dumps(machine(A=state))) != ()


@pytest.mark.parametrize(
    ("resource", "message"),
    [
        (f"{STATES}states:startExecution.sync", "does not support '.sync' service integration"),
        (f"{STATES}sqs:sendMessage.waitForTaskToken", "does not support '.waitForTaskToken'"),
        ("arn:aws:states:us-east-1:123456789012:activity:do", "does not support Activity ARN"),
    ],
)
def test_express_state_machines_wait_for_nothing(
    local_aws: LocalAws, resource: str, message: str
) -> None:
    """A state machine of the type EXPRESS has no tasks that wait for jobs, tokens or workers.

    Source: Step Functions Developer Guide, "Choosing workflow type in Step Functions".
    """
    state = {"Type": "Task", "Resource": resource, "Parameters": {}, "End": True}
    text = json.dumps(machine(A=state))
    assert check(text) == ()
    with pytest.raises(ClientError, match="InvalidDefinition") as refused:
        local_aws.client("stepfunctions").create_state_machine(
            name="express", definition=text, roleArn=local_aws.admin_role, type="EXPRESS"
        )
    assert message in str(refused.value)


@pytest.fixture
def run_task(local_aws: LocalAws) -> Callable[..., Any]:
    """Run a machine of one task with the integration of a service."""

    def run(resource: str, parameters: Any, value: Any = None) -> Any:
        state = {
            "Type": "Task",
            "Resource": f"{STATES}{resource}",
            "Parameters": parameters,
            "End": True,
        }
        local_aws.create_state_machine("calls", machine(A=state))
        return local_aws.execute("calls", value)

    return run


@pytest.mark.parametrize(
    ("body", "written"),
    [("text", '"text"'), ({"a": 1}, '{"a":1}'), (0, "0"), (False, "false"), ([], "[]")],
)
def test_body_of_an_object(
    local_aws: LocalAws, run_task: Callable[..., Any], body: Any, written: str
) -> None:
    """aws-sdk:s3:putObject writes the JSON of any Body, with the quotes of text."""
    s3 = local_aws.client("s3")
    s3.create_bucket(Bucket="bodies")
    run = run_task("aws-sdk:s3:putObject", {"Bucket": "bodies", "Key": "k", "Body": body})
    assert run.succeeded, run.cause
    assert s3.get_object(Bucket="bodies", Key="k")["Body"].read().decode() == written


@pytest.mark.parametrize(
    ("resource", "parameters", "error"),
    [
        ("dynamodb:putItem", {"TableName": "t", "Item.$": "$.no"}, "AmazonDynamoDBException"),
        ("aws-sdk:dynamodb:putItem", {"TableName": "t", "Item.$": "$.no"}, "DynamoDbException"),
        ("dynamodb:getItem", {"TableName": "no", "Key": {"k": {"S": "a"}}}, None),
        ("aws-sdk:dynamodb:getItem", {"TableName": "no", "Key": {"k": {"S": "a"}}}, None),
        ("sqs:sendMessage", {"QueueUrl": "q", "MessageBody.$": "$.no"}, "AmazonSQSException"),
        ("aws-sdk:s3:listObjectsV2", {"Bucket": "nobody-has-it"}, "NoSuchBucketException"),
        ("aws-sdk:secretsmanager:getSecretValue", {"SecretId": "no"}, None),
        ("aws-sdk:sfn:describeExecution", {"ExecutionArn": "no"}, "InvalidArnException"),
    ],
)
def test_errors_of_services(
    run_task: Callable[..., Any], resource: str, parameters: Any, error: str | None
) -> None:
    """Errors have the names of the AWS SDK for Java, also if a required field is null."""
    prefixes = {"dynamodb": "DynamoDB", "sqs": "SQS", "aws-sdk:dynamodb": "DynamoDb"}
    prefixes |= {"aws-sdk:secretsmanager": "SecretsManager", "aws-sdk:sfn": "Sfn"}
    prefix = prefixes.get(resource.rpartition(":")[0], "S3")
    run = run_task(resource, parameters, {"no": None})
    assert run.error == f"{prefix}.{error or 'ResourceNotFoundException'}", run.cause


def test_null_is_left_out(local_aws: LocalAws, run_task: Callable[..., Any]) -> None:
    """Fields that are null are left out, and not those of JSON; optimized calls add metadata."""
    arn = local_aws.create_state_machine("inner", machine(A=PASS))
    parameters = {"StateMachineArn": arn, "Name.$": "$.no", "Input.$": "$.no"}
    for service, metadata in (("states", True), ("aws-sdk:sfn", False)):
        run = run_task(f"{service}:startExecution", parameters, {"no": None})
        assert run.succeeded, run.cause
        assert ("SdkHttpMetadata" in run.output) is metadata
    parameters["Input"] = {"kept": None}
    del parameters["Input.$"]
    assert run_task("states:startExecution.sync:2", parameters, {"no": None}).output["Output"] == {
        "kept": None
    }


def test_csv_rows(local_aws: LocalAws) -> None:
    """Fields that a row of CSV lacks are empty, further ones are left out; headers are unique."""
    s3 = local_aws.client("s3")
    s3.create_bucket(Bucket="rows")
    reader: dict[str, Any] = {
        "Resource": f"{STATES}s3:getObject",
        "ReaderConfig": {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"},
        "Parameters": {"Bucket": "rows", "Key": "k"},
    }
    state = {
        "Type": "Map",
        "ItemReader": reader,
        "ItemProcessor": {
            **machine(A=PASS),
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        },
        "End": True,
    }
    s3.put_object(Bucket="rows", Key="k", Body=b"a,b\n1\n2,3,4\n")
    local_aws.create_state_machine("rows", machine(M=state))
    assert local_aws.execute("rows").output == [{"a": "1", "b": ""}, {"a": "2", "b": "3"}]
    s3.put_object(Bucket="rows", Key="k", Body=b"a,a\n1,2\n")
    run = local_aws.execute("rows")
    assert (run.error, run.cause) == (
        "States.ItemReaderFailed",
        "CSV headers cannot contain duplicates.",
    )
    s3.put_object(Bucket="rows", Key="k", Body=b"a,b\n1,2\n")
    reader["ReaderConfig"]["MaxItemsPath"] = "$.n"
    local_aws.create_state_machine("rows", machine(M=state))
    run = local_aws.execute("rows", {"n": -1})
    assert (run.error, run.cause) == ("States.ItemReaderFailed", "field MaxItems must be positive")


def test_retries_in_the_context(interpret: Interpret, output: Output, task: Task) -> None:
    """The context object has the number of retries in states with retriers only."""
    path = {"Parameters": {"n.$": "$$.State.RetryCount"}}
    assert interpret(machine(A={**PASS, **path})).error == "States.Runtime"
    state = task("echo", {"n.$": "$$.State.RetryCount"}, OutputPath="$.Payload")
    assert output(interpret(machine(A=state), echo=lambda event: event)) == {"n": 0}


def test_object_without_checksum(local_aws: LocalAws, run_task: Callable[..., Any]) -> None:
    """aws-sdk:s3:getObject returns no checksums unless ChecksumMode is given.

    Source: Amazon S3 API Reference, ``GetObject``, ``ChecksumMode``.
    """
    s3 = local_aws.client("s3")
    s3.create_bucket(Bucket="checked")
    s3.put_object(Bucket="checked", Key="k", Body=b"text")
    found = run_task("aws-sdk:s3:getObject", {"Bucket": "checked", "Key": "k"}).output
    assert (found["Body"], found["ServerSideEncryption"]) == ("text", "AES256")
    assert not [key for key in found if key.startswith("Checksum")]
