"""The local AWS as a whole: executions of state machines, its API, its end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lokki_tf.errors import MissingToolError
from lokki_tf.testing import Execution, ExecutionNotFinished, LocalAws, LocalAwsError
from lokki_tf.testing.server_process import MOTO
from lokki_tf.testing.state_machines.services import Callback, Callbacks

ROOT = Path(__file__).parents[2]
Task = Callable[..., dict[str, Any]]


def machine(**states: Any) -> dict[str, Any]:
    """Return a definition that starts at its first state."""
    return {"StartAt": next(iter(states)), "States": states}


@pytest.fixture(autouse=True)
def functions(local_aws: LocalAws, zip_of: Callable[..., bytes]) -> None:
    """Deploy a function that returns its event, and one that fails."""
    source = """
class Broken(Exception): pass
def echo(event, context): return event
def broken(event, context): raise Broken("as told")
"""
    for name in ("echo", "broken"):
        local_aws.create_function(name, zip_of(source), f"handler.{name}")


def test_execute(local_aws: LocalAws, task: Task) -> None:
    """execute() runs a deployed machine to its end, by name or ARN."""
    states = machine(A=task("echo", {"k.$": "$.k"}, OutputPath="$.Payload"))
    arn = local_aws.create_state_machine("echoes", states)
    for name in ("echoes", arn):
        found = local_aws.execute(name, {"k": "ü"})
        assert (found.status, found.output, found.error) == ("SUCCEEDED", {"k": "ü"}, None)
    assert found.succeeded
    assert found.arn.startswith(arn.replace(":stateMachine:", ":execution:"))
    assert found.duration > 0
    assert found.history[-1]["type"] == "ExecutionSucceeded"


def test_failure(local_aws: LocalAws, task: Task) -> None:
    """A failed execution has the error and cause of AWS."""
    local_aws.create_state_machine("fails", machine(A=task("broken")))
    found = local_aws.execute("fails")
    assert (found.status, found.error, found.output) == ("FAILED", "Broken", None)
    assert json.loads(str(found.cause))["errorMessage"] == "as told"


def test_api(local_aws: LocalAws, task: Task) -> None:
    """boto3 returns the same data of an execution as for AWS."""
    states = local_aws.client("stepfunctions")
    arn = local_aws.create_state_machine("seen", machine(A=task("echo", {"a": 1})))
    local_aws.execute(arn, name="one")
    with pytest.raises(states.exceptions.ExecutionAlreadyExists):
        states.start_execution(stateMachineArn=arn, name="one", input='{"other": 1}')
    started = states.start_execution(stateMachineArn=arn)
    local_aws.execute(arn)  # which began later
    listed = states.list_executions(stateMachineArn=arn)["executions"]
    assert len(listed) == 3
    assert all(item["name"] for item in listed)
    described = states.describe_execution(executionArn=listed[-1]["executionArn"])
    assert (described["name"], described["status"]) == ("one", "SUCCEEDED")
    assert json.loads(described["output"])["Payload"] == {"a": 1}
    events = states.get_execution_history(executionArn=started["executionArn"])["events"]
    assert events[0]["executionStartedEventDetails"]["input"] == "{}"


def test_update_takes_effect(local_aws: LocalAws) -> None:
    """A machine that is created again under its name runs the new definition."""
    for value in (1, 2):
        state = {"Type": "Pass", "Result": value, "End": True}
        local_aws.create_state_machine("changing", machine(A=state))
        assert local_aws.execute("changing").output == value


def test_invalid_definition(local_aws: LocalAws) -> None:
    """An invalid definition is refused, and ValidateStateMachineDefinition says why."""
    states = local_aws.client("stepfunctions")
    with pytest.raises(states.exceptions.InvalidDefinition, match="Missing 'Next' target: B"):
        local_aws.create_state_machine("bad", machine(A={"Type": "Pass", "Next": "B"}))
    text = json.dumps(machine(A={"Type": "Pass", "Next": "B"}))
    found = states.validate_state_machine_definition(definition=text)
    assert found["result"] == "FAIL"
    assert found["diagnostics"][0]["location"] == "/States/A/Next"
    good = json.dumps(machine(A={"Type": "Succeed"}))
    assert states.validate_state_machine_definition(definition=good)["result"] == "OK"


def test_versions(local_aws: LocalAws) -> None:
    """Published versions are listed."""
    states = local_aws.client("stepfunctions")
    arn = local_aws.create_state_machine("versioned", machine(A={"Type": "Succeed"}))
    assert states.list_state_machine_versions(stateMachineArn=arn)["stateMachineVersions"] == []
    states.publish_state_machine_version(stateMachineArn=arn)
    found = states.list_state_machine_versions(stateMachineArn=arn)["stateMachineVersions"]
    assert [item["stateMachineVersionArn"] for item in found] == [f"{arn}:1"]


def test_stop_and_wait(local_aws: LocalAws) -> None:
    """An execution that waits is not finished in time; StopExecution aborts it at once."""
    states = local_aws.client("stepfunctions")
    wait = {"Type": "Wait", "Seconds": 900, "End": True}
    arn = local_aws.create_state_machine("waits", machine(A=wait))
    with pytest.raises(ExecutionNotFinished, match="still running"):
        local_aws.execute(arn, name="long", timeout=0.05)
    execution = arn.replace(":stateMachine:", ":execution:") + ":long"
    states.stop_execution(executionArn=execution, error="E", cause="C")
    found = states.describe_execution(executionArn=execution)
    assert (found["status"], found["error"], found["cause"]) == ("ABORTED", "E", "C")


def test_task_token(local_aws: LocalAws) -> None:
    """A task that waits for its token ends with what SendTaskSuccess brings."""
    states = local_aws.client("stepfunctions")
    sqs = local_aws.client("sqs")
    queue = sqs.create_queue(QueueName="tokens")["QueueUrl"]
    state = {
        "Type": "Task",
        "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        "Parameters": {"QueueUrl": queue, "MessageBody": {"token.$": "$$.Task.Token"}},
        "End": True,
    }
    arn = local_aws.create_state_machine("asks", machine(A=state))
    states.start_execution(stateMachineArn=arn, name="asks")
    message = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=10)["Messages"][0]
    token = json.loads(message["Body"])["token"]
    states.send_task_success(taskToken=token, output='{"answer": 42}')
    execution = arn.replace(":stateMachine:", ":execution:") + ":asks"
    deadline = time.monotonic() + 60
    while states.describe_execution(executionArn=execution)["status"] == "RUNNING":
        assert time.monotonic() < deadline
    assert json.loads(states.describe_execution(executionArn=execution)["output"]) == {"answer": 42}


def test_a_token_is_answered_once() -> None:
    """A second answer is refused, also before the task has continued; heartbeats are accepted."""

    def refuse(callback: Callback) -> None:
        callback.failure = ("Refused", "")

    for change in (refuse, lambda callback: callback.answered.set()):
        callbacks = Callbacks()
        token = callbacks.open().token
        assert [callbacks.answer(token, lambda _: None) for _ in range(2)] == [True, True]
        assert [callbacks.answer(token, change) for _ in range(2)] == [True, False]


def test_other_services(local_aws: LocalAws) -> None:
    """Other services are called by their integrations, in ASL's spelling both ways."""
    local_aws.create_state_machine(
        "child", machine(A={"Type": "Pass", "Parameters": {"n.$": "$.n"}, "End": True})
    )
    arn = "arn:aws:states:us-east-1:123456789012:stateMachine:child"
    child = {
        "Type": "Task",
        "Resource": "arn:aws:states:::states:startExecution.sync:2",
        "Parameters": {"StateMachineArn": arn, "Input": {"n.$": "$.n"}},
        "OutputPath": "$.Output",
        "Next": "B",
    }
    put = {
        "Type": "Task",
        "Resource": "arn:aws:states:::aws-sdk:s3:createBucket",
        "Parameters": {"Bucket": "from-a-machine"},
        "ResultPath": None,
        "End": True,
    }
    local_aws.create_state_machine("parent", machine(A=child, B=put))
    found = local_aws.execute("parent", {"n": 3})
    assert (found.output, found.cause) == ({"n": 3}, None)
    local_aws.client("s3").head_bucket(Bucket="from-a-machine")


def test_unknown_machine(local_aws: LocalAws) -> None:
    """A machine that does not exist is an error of the local AWS."""
    with pytest.raises(LocalAwsError, match="StateMachineDoesNotExist"):
        local_aws.execute("ghost")


def test_the_older_name_of_an_argument_is_deprecated(local_aws: LocalAws, task: Task) -> None:
    """``machine=`` of execute works, with a warning that names ``state_machine=``."""
    arn = local_aws.create_state_machine("older", machine(A=task("echo", {"n": 1})))
    with pytest.warns(DeprecationWarning, match="write state_machine="):
        assert local_aws.execute(machine=arn).succeeded
    assert local_aws.execute(state_machine=arn).succeeded


def test_environment(local_aws: LocalAws) -> None:
    """A program with these environment variables uses the account without other changes."""
    local_aws.client("s3").create_bucket(Bucket="seen-by-a-program")
    program = (
        "import boto3; print([b['Name'] for b in boto3.client('s3').list_buckets()['Buckets']])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **local_aws.environment},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "seen-by-a-program" in done.stdout


def test_reset(task: Task) -> None:
    """reset() deletes all resources and stops all executions."""
    with LocalAws() as aws:
        wait = {"Type": "Wait", "Seconds": 900, "End": True}
        arn = aws.create_state_machine("waits", machine(A=wait))
        aws.client("stepfunctions").start_execution(stateMachineArn=arn)
        aws.client("s3").create_bucket(Bucket="gone")
        aws.reset()
        assert aws.client("stepfunctions").list_state_machines()["stateMachines"] == []
        assert aws.client("s3").list_buckets()["Buckets"] == []


def test_closed() -> None:
    """The error of a local AWS that is not running shows how to use it."""
    with pytest.raises(LocalAwsError, match="with LocalAws"):
        _ = LocalAws().endpoint_url


def test_ends_with_its_parent() -> None:
    """When the process that started it dies, server and workers end."""
    program = """
import os, sys
from lokki_tf.testing import LocalAws
aws = LocalAws().__enter__()
print(aws._server._process.pid, flush=True)
os._exit(1)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    pid = int(done.stdout)
    deadline = time.monotonic() + 60
    while os.path.exists(f"/proc/{pid}") and time.monotonic() < deadline:
        with open(f"/proc/{pid}/stat") as file:
            if file.read().rsplit(")", 1)[1].split()[0] == "Z":
                break
        os.sched_yield()
    else:
        assert not os.path.exists(f"/proc/{pid}")


def test_import_is_light() -> None:
    """Importing lokki_tf.testing imports neither moto nor boto3."""
    program = """
import sys
import lokki_tf.testing
print(sorted({"moto", "boto3", "botocore", "werkzeug", "flask"} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without moto, using a local AWS says what to install."""
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *more: None if name == "moto" else find(name, *more),
    )
    with pytest.raises(Exception, match=r"pip install 'lokki-tf\[testing\]'"):
        LocalAws().__enter__()


@pytest.mark.parametrize("version", ["5.1.22", "5.3.0", "6.0.0"])
def test_a_version_of_moto_that_was_not_tried(
    monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    """A moto outside the range is an error that names it and the range."""
    monkeypatch.setattr("importlib.metadata.version", lambda name: version)
    with pytest.raises(MissingToolError, match=rf"at least 5\.2 and before 5\.3, got {version}"):
        LocalAws().__enter__()


def test_the_range_of_moto_is_the_one_that_is_installed() -> None:
    """The range that is checked is that of the extra."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    oldest, first_untried = (".".join(map(str, bound)) for bound in MOTO)
    assert f"moto>={oldest},<{first_untried}" in extras["optional-dependencies"]["testing"]


def test_the_pytest_plugin_imports_nothing() -> None:
    """The plugin, which every pytest run imports, imports no module of lokki_tf."""
    program = "import sys, pytest_lokki_tf; print([m for m in sys.modules if 'lokki_tf.' in m])"
    done = subprocess.run(
        [sys.executable, "-c", f"{program}; print('lokki_tf' in sys.modules)"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["[]", "False"]


def test_express(local_aws: LocalAws, task: Task) -> None:
    """StartSyncExecution answers with the output."""
    states = local_aws.client("stepfunctions")
    definition = json.dumps(machine(A=task("echo", {"a": 1}, OutputPath="$.Payload")))
    role = local_aws.admin_role
    arn = states.create_state_machine(
        name="express", definition=definition, roleArn=role, type="EXPRESS"
    )["stateMachineArn"]
    found = states.start_sync_execution(stateMachineArn=arn, input="{}")
    assert (found["status"], json.loads(found["output"])) == ("SUCCEEDED", {"a": 1})


def test_names_are_unique(local_aws: LocalAws) -> None:
    """A machine cannot be created under the name of another one; the same again is fine."""
    states = local_aws.client("stepfunctions")
    role = local_aws.admin_role
    texts = [json.dumps(machine(**{name: {"Type": "Succeed"}})) for name in ("A", "B")]
    states.create_state_machine(name="unique", definition=texts[0], roleArn=role)
    states.create_state_machine(name="unique", definition=texts[0], roleArn=role)
    with pytest.raises(states.exceptions.StateMachineAlreadyExists):
        states.create_state_machine(name="unique", definition=texts[1], roleArn=role)


@pytest.mark.parametrize(
    ("service", "call"),
    [
        ("ssm", lambda client: client.list_nodes()),
        ("ec2", lambda client: client.describe_verified_access_groups()),
    ],
)
def test_what_is_missing_is_no_server_error(
    local_aws: LocalAws, service: str, call: Callable[[Any], Any]
) -> None:
    """An operation that moto lacks fails with an error that clients do not retry."""
    from botocore.exceptions import ClientError

    with pytest.raises(ClientError, match="the local AWS failed") as caught:
        call(local_aws.client(service))
    assert caught.value.response["ResponseMetadata"]["RetryAttempts"] == 0


def test_an_execution_shows_itself_shortened() -> None:
    """The repr of an execution shortens a large output but not the error."""
    one = Execution("arn:x", "x", "FAILED", list(range(100_000)), "Error", "c" * 200, [{}], 1.0)
    assert len(repr(one)) < 500
    assert "output=[0, 1, 2, 3, 4, 5, ...]" in repr(one)
    assert "c" * 200 in repr(one)
