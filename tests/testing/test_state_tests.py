"""``TestState``: mocks and their validation, the context object, Maps, retries, inspection.

Sources: Step Functions API Reference, ``TestState``, ``MockInput``, ``TestStateConfiguration``,
``InspectionData``; Developer Guide, "Testing state machines with TestState API".
"""

from __future__ import annotations

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lokki_tf.testing import LocalAws

STATES = "arn:aws:states:::"
Test = Callable[..., dict[str, Any]]


@pytest.fixture
def tested(local_aws: LocalAws) -> Test:
    """Test a state, and return the answer with its JSON parsed."""

    def run(state: dict[str, Any], value: Any = None, **more: Any) -> dict[str, Any]:
        given = {key: json.dumps(more.pop(key)) for key in ("context", "variables") if key in more}
        found = local_aws.client("stepfunctions").test_state(
            definition=json.dumps(state), input=json.dumps(value or {}), **given, **more
        )
        found.pop("ResponseMetadata")
        if "output" in found:
            found["output"] = json.loads(found["output"])
        inspected = found.get("inspectionData", {})
        for key, item in inspected.items():
            inspected[key] = json.loads(item) if isinstance(item, str) else item
        return dict(found)

    return run


def result(value: Any, **more: Any) -> dict[str, Any]:
    """Return a mock with a result."""
    return {"result": json.dumps(value), **more}


def task(resource: str, **fields: Any) -> dict[str, Any]:
    """Return a task in JSONPath."""
    return {"Type": "Task", "Resource": f"{STATES}{resource}", "End": True, **fields}


def each(**fields: Any) -> dict[str, Any]:
    """Return a Distributed Map in JSONPath."""
    config = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    states = {"One": {"Type": "Pass", "End": True}}
    inner = {"ProcessorConfig": config, "StartAt": "One", "States": states}
    return {"Type": "Map", "ItemProcessor": inner, "End": True, **fields}


@pytest.mark.parametrize(
    ("resource", "value", "mode", "message"),
    [
        ("sqs:sendMessage", {"MessageId": 1}, "STRICT", "Field 'MessageId' must be a string"),
        ("states:startExecution", {}, "STRICT", "Required field 'ExecutionArn' is missing"),
        ("states:startExecution", {}, "PRESENT", None),
        ("states:startExecution", {"StartDate": 1}, "PRESENT", "'StartDate' must be a string"),
        ("states:startExecution", {"StartDate": 1}, "NONE", None),
        ("states:startExecution.waitForTaskToken", {"x": 1}, "STRICT", None),
        ("events:putEvents", {"Entries": [{}, {"EventId": 2}]}, "STRICT", "'EventId' must be a"),
        ("dynamodb:getItem", {"Item": {"a": {"BOOL": "no"}}}, "STRICT", "must be a boolean"),
        ("aws-sdk:s3:getObject", {"StorageClass": "OLD"}, "STRICT", "is not an expected value"),
        ("aws-sdk:kms:encrypt", {"CiphertextBlob": ""}, "STRICT", "smaller than the minimum"),
        ("lambda:invoke", {"StatusCode": 200, "Payload": {"any": [1]}}, "STRICT", None),
        ("lambda:invoke", {"unknown": 1}, "STRICT", None),
        ("lambda:invoke", [1], "STRICT", "must be a JSON object"),
    ],
)
def test_mocked_results_fit_the_api(
    tested: Test, resource: str, value: Any, mode: str, message: str | None
) -> None:
    """A mocked result must fit the API of the service, as strictly as the request demands."""

    def run() -> Any:
        return tested(task(resource), mock=result(value, fieldValidationMode=mode))

    if message is None:
        assert run()["output"] == value
    else:
        with pytest.raises(ClientError, match="schema validation error") as raised:
            run()
        assert message in str(raised.value)


@pytest.mark.parametrize(
    ("state", "request_", "message"),
    [
        (each(), {}, "does not support Map or Parallel states"),
        (each(), {"mock": result({})}, "Mocked result must be an array"),
        (each(), {"mock": {"result": "{"}}, "Mocked result must be valid JSON"),
        (each(), {"mock": {}}, "should have only one"),
        (
            each(),
            {"mock": result([1]), "stateConfiguration": {"mapIterationFailureCount": 2}},
            "less than or equal to the number of Map iterations",
        ),
        (
            each(),
            {"stateConfiguration": {"mapIterationFailureCount": 1}},
            "when a mock is not specified",
        ),
        (
            {
                "Type": "Parallel",
                "Branches": [
                    {"StartAt": "A", "States": {"A": {"Type": "Succeed"}}},
                    {"StartAt": "B", "States": {"B": {"Type": "Succeed"}}},
                ],
                "End": True,
            },
            {"mock": result([1])},
            "same number of items",
        ),
        ({"Type": "Succeed"}, {"mock": result(1)}, "is not supported when a mock is specified"),
        (task("lambda:invoke"), {}, "RoleArn must be specified"),
        (task("sqs:sendMessage.waitForTaskToken"), {"roleArn": "r"}, "requires a mock"),
        (task("lambda:invoke"), {"mock": result({}), "revealSecrets": True}, "RevealSecrets"),
        ({"Type": "Unknown"}, {}, "Invalid State Machine Definition"),
        ({"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}, {"stateName": "B"}, "not found"),
        (task("lambda:invoke"), {"mock": result({}), "context": {"Map": {}}}, "'Map' field"),
        (
            task("lambda:invoke"),
            {"mock": result({}), "context": {"Execution": {"Id": 1}}},
            "Execution.Id must be a string",
        ),
        (
            task("lambda:invoke"),
            {"mock": result({}), "context": {"Task": {"Token": "t"}}},
            "contains 'Task'",
        ),
        (
            task("lambda:invoke"),
            {"mock": result({}), "context": {"State": {"Color": "t"}}},
            "Field 'Color' is not allowed",
        ),
    ],
)
def test_refused_requests(
    tested: Test, state: dict[str, Any], request_: dict[str, Any], message: str
) -> None:
    """A request that contradicts itself or its state is refused, and says why."""
    with pytest.raises(ClientError, match=message):
        tested(state, **request_)


def test_context_object(tested: Test) -> None:
    """A context object of the request takes the place of the whole context object."""
    state = task(
        "sqs:sendMessage.waitForTaskToken",
        Parameters={"QueueUrl": "q", "MessageBody.$": "$$.Task.Token"},
        ResultSelector={"day.$": "$$.Execution.Input.day", "all.$": "$$"},
    )
    context = {"Execution": {"Input": {"day": 1}}, "Task": {"Token": "t"}}
    found = tested(state, context=context, mock=result("answer"), inspectionLevel="DEBUG")
    assert found["output"] == {"day": 1, "all": context}
    assert found["inspectionData"]["afterParameters"] == {"QueueUrl": "q", "MessageBody": "t"}


def test_retries_that_have_been_made(tested: Test) -> None:
    """The number of retries so far decides on the delay, and whether there is another one."""
    retrier = {"ErrorEquals": ["Busy"], "IntervalSeconds": 2, "BackoffRate": 3, "MaxAttempts": 3}
    state = task("lambda:invoke", Retry=[{"ErrorEquals": ["Other"]}, retrier])

    def after(retries: int) -> dict[str, Any]:
        return tested(
            state,
            mock={"errorOutput": {"error": "Busy", "cause": "c"}},
            stateConfiguration={"retrierRetryCount": retries},
            inspectionLevel="DEBUG",
        )

    known = {"retryIndex": 1, "retryBackoffIntervalSeconds": 18}
    assert after(2)["status"] == "RETRIABLE"
    assert after(2)["inspectionData"]["errorDetails"] == known
    assert after(3)["status"] == "FAILED"
    assert after(3)["inspectionData"]["errorDetails"] == {"retryIndex": 1}


def test_maps(tested: Test) -> None:
    """The fields of a Map are applied to its input, or to what its reader is said to read."""
    state = each(
        ItemsPath="$.rows",
        ItemSelector={"row.$": "$$.Map.Item.Value", "n.$": "$$.Map.Item.Index"},
        MaxConcurrency=3,
        ToleratedFailureCount=1,
    )
    given = {"mock": result(["a", "b"]), "inspectionLevel": "DEBUG"}
    found = tested(state, {"rows": [7, 8]}, **given)
    assert found["inspectionData"] == {
        "input": {"rows": [7, 8]},
        "afterInputPath": {"rows": [7, 8]},
        "afterItemsPath": [7, 8],
        "afterItemSelector": [{"row": 7, "n": 0}, {"row": 8, "n": 1}],
        "maxConcurrency": 3,
        "toleratedFailureCount": 1,
        "afterResultSelector": ["a", "b"],
        "afterResultPath": ["a", "b"],
    }
    failing = tested(
        state, {"rows": [7, 8]}, stateConfiguration={"mapIterationFailureCount": 2}, **given
    )
    assert failing["error"] == "States.ExceedToleratedFailureThreshold"
    wrong = tested(state, {"rows": 7}, **given)
    assert wrong["cause"] == 'Reference path "$.rows" must point to array.'
    reading = each(
        ItemReader={
            "Resource": f"{STATES}s3:getObject",
            "ReaderConfig": {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"},
            "Parameters": {"Bucket": "b", "Key": "k"},
        },
        ItemBatcher={"MaxItemsPerBatch": 2},
    )
    data = {"mapItemReaderData": "a,b\n1,2\n3,4\n5,6\n"}
    found = tested(reading, stateConfiguration=data, **given)
    assert found["inspectionData"]["afterItemBatcher"] == [
        {"Items": [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]},
        {"Items": [{"a": "5", "b": "6"}]},
    ]


def test_variables_after_the_state(tested: Test) -> None:
    """The inspection has the variables of the request and those that the state assigns."""
    state = {"Type": "Pass", "Assign": {"b.$": "$.n"}, "End": True}
    found = tested(state, {"n": 2}, variables={"a": 1}, inspectionLevel="DEBUG")
    assert found["inspectionData"]["variables"] == {"a": 1, "b": 2}


def test_whole_states_object_in_jsonata(tested: Test) -> None:
    """The object ``$states`` contains the context object, also if an expression takes it whole."""
    state = {"Type": "Pass", "QueryLanguage": "JSONata", "Output": "{% $states %}", "End": True}
    found = tested(state, {"n": 2})["output"]
    assert found["input"] == {"n": 2}
    assert found["context"]["State"]["Name"] == "StateName"


def test_requests_of_http_tasks(local_aws: LocalAws, tested: Test) -> None:
    """With the level ``TRACE``, the inspection has the request and the response of a HTTP task."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200, "Fine")
            self.end_headers()
            self.wfile.write(b"text")

        def log_message(self, *arguments: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    parameters = {
        "ApiEndpoint": f"{url}/a",
        "Method": "GET",
        "QueryParameters": {"q": "1"},
        "Headers": {"X-One": "2"},
        "Authentication": {"ConnectionArn": "arn:aws:events:us-east-1:123456789012:connection/c/1"},
    }
    given = {"roleArn": local_aws.admin_role}
    state = task("http:invoke", Parameters=parameters)
    try:
        states = local_aws.client("stepfunctions")
        found = states.test_state(
            definition=json.dumps(state), inspectionLevel="TRACE", revealSecrets=True, **given
        )["inspectionData"]
        assert "request" not in tested(state, inspectionLevel="DEBUG", **given)["inspectionData"]
    finally:
        server.shutdown()
        server.server_close()
    assert found["request"] == {
        "protocol": "http",
        "method": "GET",
        "url": f"{url}/a?q=1",
        "headers": "[X-One: 2]",
    }
    assert found["response"]["statusCode"] == "200"
    assert found["response"]["statusMessage"] == "Fine"
    assert found["response"]["body"] == "text"
