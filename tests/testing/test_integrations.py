"""What users' own state machines call: services, endpoints, activities, versions, mocks."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lokki_tf.testing import Execution, LocalAws, LocalAwsError, TaskError

STATES = "arn:aws:states:::"
RunTask = Callable[..., Execution]


def machine(**states: Any) -> dict[str, Any]:
    """Return a definition that starts at its first state."""
    return {"StartAt": next(iter(states)), "States": states}


@pytest.fixture
def run_task(local_aws: LocalAws) -> RunTask:
    """Run a machine of one task."""

    def run(resource: str, parameters: Any = None, value: Any = None, **more: Any) -> Execution:
        arn = resource if resource.startswith("arn:") else f"{STATES}{resource}"
        state = {"Type": "Task", "Resource": arn, "End": True, **more}
        if parameters is not None:
            state["Parameters"] = parameters
        local_aws.create_state_machine("calls", machine(A=state))
        return local_aws.execute("calls", value)

    return run


def test_database(local_aws: LocalAws, run_task: RunTask) -> None:
    """Tasks put, change and get items of DynamoDB."""
    local_aws.client("dynamodb").create_table(
        TableName="rows",
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    key = {"TableName": "rows", "Key": {"k": {"S": "a"}}}
    item = {"TableName": "rows", "Item": {"k": {"S": "a"}, "n": {"N": "1"}}}
    assert run_task("dynamodb:putItem", item).succeeded
    change = {
        **key,
        "UpdateExpression": "SET n = n + :one",
        "ExpressionAttributeValues": {":one": {"N": "1"}},
    }
    assert run_task("dynamodb:updateItem", change).succeeded
    found = run_task("dynamodb:getItem", key).output
    assert found["Item"] == {"k": {"S": "a"}, "n": {"N": "2"}}
    assert found["SdkHttpMetadata"]["HttpStatusCode"] == 200
    assert (
        run_task(
            "aws-sdk:dynamodb:query",
            {
                "TableName": "rows",
                "KeyConditionExpression": "k = :k",
                "ExpressionAttributeValues": {":k": {"S": "a"}},
            },
        ).output["Count"]
        == 1
    )
    assert run_task("dynamodb:deleteItem", key).succeeded
    assert "Item" not in run_task("dynamodb:getItem", key).output


def test_messages(local_aws: LocalAws, run_task: RunTask) -> None:
    """Tasks send messages to SQS and SNS, and a worker answers the token in a message."""
    sqs, sns = local_aws.client("sqs"), local_aws.client("sns")
    queue = sqs.create_queue(QueueName="messages")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    topic = sns.create_topic(Name="news")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn["QueueArn"])

    def receive() -> Any:
        [message] = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=10)["Messages"]
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return json.loads(message["Body"])

    assert run_task("sqs:sendMessage", {"QueueUrl": queue, "MessageBody": {"n": 1}}).succeeded
    assert receive() == {"n": 1}
    assert run_task("sns:publish", {"TopicArn": topic, "Message": "hello"}).succeeded
    assert receive()["Message"] == "hello"
    body = {"token.$": "$$.Task.Token"}
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(
            run_task,
            "sqs:sendMessage.waitForTaskToken",
            {"QueueUrl": queue, "MessageBody": body},
            TimeoutSeconds=30,
        )
        token = receive()["token"]
        local_aws.client("stepfunctions").send_task_success(taskToken=token, output='{"done": 1}')
        assert waiting.result().output == {"done": 1}


def test_events(run_task: RunTask) -> None:
    """A task puts events; entries that EventBridge refuses are an error.

    Source: Step Functions Developer Guide, "Add EventBridge events".
    """
    entry = {"Source": "tests", "DetailType": "Tested", "Detail": {"n": 1}}
    assert run_task("events:putEvents", {"Entries": [entry]}).output["FailedEntryCount"] == 0
    for detail in ("no JSON", '"text"'):
        run = run_task("events:putEvents", {"Entries": [{**entry, "Detail": detail}]})
        assert run.error == "EventBridge.FailedEntry"
        assert json.loads(str(run.cause))["FailedEntryCount"] == 1


def test_secrets_and_parameters(local_aws: LocalAws, run_task: RunTask) -> None:
    """Tasks read secrets and parameters."""
    local_aws.client("secretsmanager").create_secret(Name="s", SecretString="hidden")
    local_aws.client("ssm").put_parameter(Name="/p", Value="v", Type="String")
    found = run_task("aws-sdk:secretsmanager:getSecretValue", {"SecretId": "s"}).output
    assert found["SecretString"] == "hidden"
    assert len(run_task("aws-sdk:secretsmanager:listSecrets", {}).output["SecretList"]) == 1
    found = run_task("aws-sdk:ssm:getParameter", {"Name": "/p"}).output
    assert found["Parameter"]["Value"] == "v"
    assert run_task("aws-sdk:ssm:getParameter", {"Name": "/no"}).error == (
        "Ssm.ParameterNotFoundException"
    )


def test_executions(local_aws: LocalAws, run_task: RunTask) -> None:
    """A task starts an execution and waits for it; a failure has its description as cause."""
    states = {"A": {"Type": "Pass", "Result": {"n": 1}, "End": True}}
    inner = local_aws.create_state_machine("inner", {"StartAt": "A", "States": states})
    parameters = {"StateMachineArn": inner, "Input": {"x": 1}}
    assert run_task("states:startExecution.sync:2", parameters).output["Output"] == {"n": 1}
    assert run_task("states:startExecution.sync", parameters).output["Output"] == '{"n":1}'
    local_aws.create_state_machine("inner", machine(A={"Type": "Fail", "Error": "E"}))
    run = run_task("states:startExecution.sync:2", parameters)
    assert run.error == "States.TaskFailed"
    assert json.loads(str(run.cause))["Error"] == "E"


def test_activity(local_aws: LocalAws, run_task: RunTask) -> None:
    """A worker receives the tasks of an activity, and answers with a result, an error or nothing.

    Source: Step Functions Developer Guide, "Learn about Activities in Step Functions".
    """
    states = local_aws.client("stepfunctions")
    arn = states.create_activity(name="work")["activityArn"]
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(run_task, arn, {"n": 1}, HeartbeatSeconds=20)
        task = states.get_activity_task(activityArn=arn, workerName="me")
        assert json.loads(task["input"]) == {"n": 1}
        states.send_task_heartbeat(taskToken=task["taskToken"])
        states.send_task_success(taskToken=task["taskToken"], output="[2]")
        run = waiting.result()
        assert run.output == [2]
        kinds = [each["type"] for each in run.history]
        assert kinds[2:5] == ["ActivityScheduled", "ActivityStarted", "ActivitySucceeded"]
        assert run.history[3]["activityStartedEventDetails"] == {"workerName": "me"}
        waiting = threads.submit(run_task, arn)
        task = states.get_activity_task(activityArn=arn)
        states.send_task_failure(taskToken=task["taskToken"], error="Broken", cause="why")
        assert (waiting.result().error, waiting.result().cause) == ("Broken", "why")
    assert run_task(arn, TimeoutSeconds=1).error == "States.Timeout"
    with pytest.raises(ClientError, match="InvalidToken"):
        states.send_task_success(taskToken="invented", output="1")


def test_versions_and_aliases(local_aws: LocalAws) -> None:
    """Executions of a version or an alias run its definition, and name it.

    Source: Step Functions Developer Guide, "Manage continuous deployments with versions and
    aliases in Step Functions".
    """
    states = local_aws.client("stepfunctions")

    def publish(result: str) -> str:
        definition = machine(A={"Type": "Pass", "Result": result, "End": True})
        arn = local_aws.create_state_machine("released", definition)
        return str(
            states.publish_state_machine_version(stateMachineArn=arn)["stateMachineVersionArn"]
        )

    first, second = publish("one"), publish("two")
    again = states.publish_state_machine_version(stateMachineArn=first.rpartition(":")[0])
    assert again["stateMachineVersionArn"] == second
    alias = states.create_state_machine_alias(
        name="live", routingConfiguration=[{"stateMachineVersionArn": first, "weight": 100}]
    )["stateMachineAliasArn"]
    assert local_aws.execute(first).output == "one"
    assert local_aws.execute(second).output == "two"
    run = local_aws.execute(alias)
    assert run.output == "one"
    described = states.describe_execution(executionArn=run.arn)
    assert (described["stateMachineAliasArn"], described["stateMachineVersionArn"]) == (
        alias,
        first,
    )
    assert described["stateMachineArn"] == first.rpartition(":")[0]
    states.update_state_machine_alias(
        stateMachineAliasArn=alias,
        routingConfiguration=[{"stateMachineVersionArn": second, "weight": 100}],
    )
    assert local_aws.execute(alias).output == "two"
    listed = states.list_executions(stateMachineArn=alias)["executions"]
    assert len(listed) == 2
    with pytest.raises(ClientError, match="ConflictException"):
        states.create_state_machine_alias(
            name="live", routingConfiguration=[{"stateMachineVersionArn": first, "weight": 100}]
        )


class _Endpoint(BaseHTTPRequestHandler):
    """Answers with what it has received."""

    def do_POST(self) -> None:
        """Answer with the request, or with an error."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        self.send_response(404 if "missing" in self.path else 200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        found = {"path": self.path, "body": body, "kind": self.headers["Content-Type"]}
        self.wfile.write(json.dumps(found).encode())

    def log_message(self, *args: Any) -> None:
        """Write nothing."""


@pytest.fixture
def endpoint() -> Iterator[str]:
    """Return the URL of an HTTP endpoint of this computer."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Endpoint)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_endpoints(endpoint: str, run_task: RunTask) -> None:
    """A task calls an endpoint of this computer; others must be mocked.

    Source: Step Functions Developer Guide, "Call HTTPS APIs in Step Functions workflows".
    """
    parameters = {"ApiEndpoint": f"{endpoint}/a", "Method": "POST", "RequestBody": {"n": 1}}
    found = run_task("http:invoke", {**parameters, "QueryParameters": {"q": [1, 2]}}).output
    assert (found["StatusCode"], found["StatusText"]) == (200, "OK")
    assert found["ResponseBody"] == {
        "path": "/a?q=1&q=2",
        "body": '{"n":1}',
        "kind": "application/json",
    }
    encoded = {**parameters, "Transform": {"RequestBodyEncoding": "URL_ENCODED"}}
    assert run_task("http:invoke", encoded).output["ResponseBody"]["body"] == "n=1"
    run = run_task("http:invoke", {**parameters, "ApiEndpoint": f"{endpoint}/missing"})
    assert run.error == "States.Http.StatusCode.404"
    run = run_task("http:invoke", {**parameters, "ApiEndpoint": "https://example.com/"})
    assert run.error == "States.Http.Socket"
    assert "LocalAws.mock" in str(run.cause)


def test_mocked_responses(local_aws: LocalAws, run_task: RunTask) -> None:
    """Tasks receive mocked results and errors in their order, and their parameters are kept."""
    name = "glue:startJobRun.sync"
    local_aws.mock(name, TaskError("Glue.Busy", "later"), {"JobRunState": "SUCCEEDED"})
    retry = [{"ErrorEquals": ["Glue.Busy"], "IntervalSeconds": 1, "MaxAttempts": 1}]
    run = run_task(name, {"JobName.$": "$.job"}, {"job": "j"}, Retry=retry)
    assert run.output == {"JobRunState": "SUCCEEDED"}
    assert local_aws.mocked(f"{STATES}{name}") == [{"JobName": "j"}] * 2
    assert "TaskSubmitted" in [each["type"] for each in run.history]
    local_aws.mock(name, "all")
    local_aws.mock(name, "one", state="A")
    assert run_task(name, {}).output == "one"
    local_aws.unmock(name)
    assert local_aws.mocked(name) == []
    with pytest.raises(LocalAwsError, match="no integration 'glue:start'"):
        local_aws.mock("glue:start", 1)
    with pytest.raises(LocalAwsError, match="no response"):
        local_aws.mock(name)


def test_mocked_function(local_aws: LocalAws, run_task: RunTask) -> None:
    """A function that does not exist can be mocked, by its ARN or as lambda:invoke."""
    arn = "arn:aws:lambda:us-east-1:123456789012:function:absent"
    local_aws.mock(arn, [1])
    assert run_task(arn).output == [1]
    local_aws.mock("lambda:invoke", {"Payload": 2})
    mocked = run_task("lambda:invoke", {"FunctionName": arn}, ResultPath="$.r").output
    local_aws.unmock()
    assert mocked == {"r": {"Payload": 2}}
    assert run_task(arn).error == "Lambda.ResourceNotFoundException"


def test_one_state(local_aws: LocalAws) -> None:
    """TestState runs one state, with a mocked result or error, and follows no transition.

    Source: Step Functions API Reference, "TestState".
    """
    states = local_aws.client("stepfunctions")
    state = {
        "Type": "Task",
        "Resource": f"{STATES}glue:startJobRun.sync",
        "QueryLanguage": "JSONata",
        "Arguments": {"JobName": "{% $job %}"},
        "Output": {"n": "{% $states.input.n + $states.result.Count %}"},
        "Retry": [{"ErrorEquals": ["Glue.Busy"]}],
        "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "After"}],
        "Next": "Following",
    }

    def tested(**more: Any) -> Any:
        found = states.test_state(
            definition=json.dumps(state),
            roleArn=local_aws.admin_role,
            input='{"n": 1}',
            variables='{"job": "j"}',
            **more,
        )
        found.pop("ResponseMetadata")
        return found

    assert tested(mock={"result": '{"Count": 2}'}) == {
        "status": "SUCCEEDED",
        "output": '{"n":3}',
        "nextState": "Following",
    }
    pass_state = {"Type": "Pass", "InputPath": "$.a", "ResultPath": "$.r", "End": True}
    inspected = states.test_state(
        definition=json.dumps(pass_state), input='{"a": 1}', inspectionLevel="DEBUG"
    )["inspectionData"]
    assert {key: json.loads(text) for key, text in inspected.items()} == {
        "input": {"a": 1},
        "afterInputPath": 1,
        "afterParameters": 1,
        "afterResultSelector": 1,
        "afterResultPath": {"a": 1, "r": 1},
    }
    busy = {"error": "Glue.Busy", "cause": "later"}
    assert tested(mock={"errorOutput": busy}) == {"status": "RETRIABLE", **busy}
    other = {"error": "Glue.Other", "cause": "no"}
    assert tested(mock={"errorOutput": other}) == {
        "status": "CAUGHT_ERROR",
        "output": '{"Error":"Glue.Other","Cause":"no"}',
        "nextState": "After",
        **other,
    }
    found = states.test_state(definition='{"Type": "Fail", "Error": "E"}')
    assert (found["status"], found["error"]) == ("FAILED", "E")


def test_log_of_an_invocation(
    local_aws: LocalAws, zip_of: Callable[..., bytes], run_task: Callable[..., Execution]
) -> None:
    """``LogType`` ``Tail`` returns the end of the log, at most 4 KB, to clients and to tasks.

    Source: Lambda API Reference, ``Invoke``.
    """
    source = "def f(event, context):\n    print('x' * 9000)\n    print('the end')\n"
    local_aws.create_function("logging", zip_of(source), "handler.f")
    given = {"FunctionName": "logging", "LogType": "Tail"}
    answers = [
        local_aws.client("lambda").invoke(**given)["LogResult"],
        run_task("lambda:invoke", given).output["LogResult"],
    ]
    for answer in answers:
        log = base64.b64decode(answer)
        assert len(log) == 4096
        assert b"the end" in log
        assert b"REPORT" in log
    assert "LogResult" not in run_task("lambda:invoke", {"FunctionName": "logging"}).output


def test_pages(local_aws: LocalAws) -> None:
    """Tokens of pages are opaque; one that is wrong or too long is refused, as in AWS."""
    for number in range(5):
        local_aws.create_state_machine(
            f"page-{number}", {"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}
        )
        local_aws.execute("page-0", name=f"run-{number}")
    states = local_aws.client("stepfunctions")
    arn = "arn:aws:states:us-east-1:123456789012:stateMachine:page-0"
    pages = states.get_paginator("list_executions").paginate(
        stateMachineArn=arn, PaginationConfig={"PageSize": 2}
    )
    names = [[each["name"] for each in page["executions"]] for page in pages]
    assert names == [["run-4", "run-3"], ["run-2", "run-1"], ["run-0"]]
    with pytest.raises(states.exceptions.InvalidToken):
        states.list_executions(stateMachineArn=arn, nextToken="2")
    with pytest.raises(ClientError, match="length less than or equal to 3096"):
        states.list_executions(stateMachineArn=arn, nextToken="2" * 3097)
