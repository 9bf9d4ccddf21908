"""``LocalAws(persist=…)`` keeps the account in a folder; the command ``local-aws`` offers it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lokki_tf.testing import LocalAws, LocalAwsError
from lokki_tf.testing.persistence.folder import StateFolder

SOURCE = """
import time

def handle(event, context):
    if event == {"slow": True}:
        time.sleep(60)
    if event == 3:
        raise ValueError(event)
    return event
"""
EVERY = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}


def task(**fields: Any) -> dict[str, Any]:
    """Return a task that calls the function."""
    parameters = {"FunctionName": "echo", "Payload.$": "$"}
    resource = "arn:aws:states:::lambda:invoke"
    return {
        "Type": "Task",
        "Resource": resource,
        "Parameters": parameters,
        "OutputPath": "$.Payload",
        "End": True,
        **fields,
    }


def fill(aws: LocalAws, zip_bytes: bytes) -> dict[str, str]:
    """Create resources of many services, and return the ARNs of executions."""
    client = aws.client
    s3 = client("s3")
    s3.create_bucket(Bucket="kept")
    s3.put_bucket_versioning(Bucket="kept", VersioningConfiguration={"Status": "Enabled"})
    for size in (1, 200_000):
        s3.put_object(Bucket="kept", Key="key", Body=b"x" * size, Metadata={"size": str(size)})
    url = client("sqs").create_queue(QueueName="kept")["QueueUrl"]
    client("sqs").send_message(QueueUrl=url, MessageBody="message")
    topic = client("sns").create_topic(Name="kept")["TopicArn"]
    queue = "arn:aws:sqs:us-east-1:123456789012:kept"
    client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
    client("secretsmanager").create_secret(Name="kept", SecretString="secret")
    client("ssm").put_parameter(Name="/kept", Value="parameter", Type="SecureString")
    client("events").put_rule(Name="kept", EventPattern='{"source": ["a"]}')
    client("scheduler").create_schedule_group(Name="kept")
    client("batch").describe_job_queues()
    aws.create_function("echo", zip_bytes, "handler.handle")
    inner = {"StartAt": "Call", "States": {"Call": task()}, "ProcessorConfig": EVERY}
    each = {"Type": "Map", "ItemProcessor": inner, "Label": "Each", "End": True}
    each["ToleratedFailurePercentage"] = 50
    aws.create_state_machine("every", {"StartAt": "Each", "States": {"Each": each}})
    aws.create_state_machine("one", {"StartAt": "Call", "States": {"Call": task()}})
    return {
        "done": aws.execute("every", [1, 2, 3], name="done").arn,
        "failed": aws.execute("one", 3, name="failed").arn,
    }


def check(aws: LocalAws, arns: dict[str, str]) -> None:
    """Require all that ``fill`` has created, as it was."""
    client = aws.client
    s3 = client("s3")
    found = s3.get_object(Bucket="kept", Key="key")
    assert (len(found["Body"].read()), found["Metadata"]) == (200_000, {"size": "200000"})
    versions = s3.list_object_versions(Bucket="kept")["Versions"]
    assert [(each["Size"], each["IsLatest"]) for each in versions] == [(200_000, True), (1, False)]
    url = client("sqs").get_queue_url(QueueName="kept")["QueueUrl"]
    (message,) = client("sqs").receive_message(QueueUrl=url, VisibilityTimeout=0)["Messages"]
    assert message["Body"] == "message"
    (topic,) = client("sns").list_topics()["Topics"]
    assert client("sns").list_subscriptions_by_topic(**topic)["Subscriptions"]
    assert client("secretsmanager").get_secret_value(SecretId="kept")["SecretString"] == "secret"
    parameter = client("ssm").get_parameter(Name="/kept", WithDecryption=True)["Parameter"]
    assert parameter["Value"] == "parameter"
    assert [each["Name"] for each in client("events").list_rules()["Rules"]] == ["kept"]
    groups = client("scheduler").list_schedule_groups()["ScheduleGroups"]
    assert "kept" in [each["Name"] for each in groups]
    states = client("stepfunctions")
    assert states.describe_execution(executionArn=arns["failed"])["error"] == "ValueError"
    done = states.describe_execution(executionArn=arns["done"])
    assert json.loads(done["output"])[:2] == [1, 2]
    events = states.get_execution_history(executionArn=arns["done"])["events"]
    assert [events[0]["type"], events[-1]["type"]] == ["ExecutionStarted", "ExecutionSucceeded"]
    (map_run,) = states.list_map_runs(executionArn=arns["done"])["mapRuns"]
    arn = map_run["mapRunArn"]
    failed = states.list_executions(mapRunArn=arn, statusFilter="FAILED")["executions"]
    history = states.get_execution_history(executionArn=failed[0]["executionArn"])["events"]
    assert history[-1]["type"] == "ExecutionFailed"
    assert any("ValueError" in line for line in aws.logs("echo"))
    assert aws.execute("one", 5).output == 5


def test_the_account_is_as_it_was(tmp_path: Path, zip_of: Callable[..., bytes]) -> None:
    """All resources, executions and logs are the same after a restart with the same folder."""
    with LocalAws(persist=tmp_path / "state", containers=False) as aws:
        arns = fill(aws, zip_of(SOURCE))
        with pytest.raises(LocalAwsError, match="another local AWS uses the folder"):
            LocalAws(persist=tmp_path / "state").__enter__()
    with LocalAws(persist=tmp_path / "state", containers=False) as aws:
        check(aws, arns)
        aws.reset()
    with LocalAws(persist=tmp_path / "state", containers=False) as aws:
        assert aws.client("stepfunctions").list_state_machines()["stateMachines"] == []
    assert list((tmp_path / "state" / "contents").iterdir()) == []


def test_a_killed_server_loses_little(tmp_path: Path, zip_of: Callable[..., bytes]) -> None:
    """A server that is killed has saved what was there two seconds before.

    Executions that ran are aborted, and a redrive continues them.
    """
    aws = LocalAws(persist=tmp_path, containers=False).__enter__()
    try:
        arns = fill(aws, zip_of(SOURCE))
        states = aws.client("stepfunctions")
        one = arns["failed"].replace(":execution:", ":stateMachine:").rpartition(":")[0]
        running = states.start_execution(stateMachineArn=one, input='{"slow": true}', name="slow")
        saved = (tmp_path / "state").stat().st_mtime if (tmp_path / "state").exists() else 0.0
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and b"slow" not in _pickles(tmp_path):
            time.sleep(0.1)
        assert (tmp_path / "state").stat().st_mtime >= saved
        assert aws._server is not None
        os.kill(aws._server._process.pid, signal.SIGKILL)
    finally:
        aws.close()
    with LocalAws(persist=tmp_path, containers=False) as aws:
        check(aws, arns)
        states = aws.client("stepfunctions")
        found = states.describe_execution(executionArn=running["executionArn"])
        assert (found["status"], found["error"]) == ("ABORTED", "LocalAws.Interrupted")
        zip_bytes = zip_of("def handle(event, context): return 'continued'")
        aws.client("lambda").update_function_code(FunctionName="echo", ZipFile=zip_bytes)
        states.redrive_execution(executionArn=running["executionArn"])
        while found["status"] in ("ABORTED", "RUNNING"):
            time.sleep(0.05)
            found = states.describe_execution(executionArn=running["executionArn"])
        assert found["output"] == '"continued"'


def _pickles(folder: Path) -> bytes:
    try:
        with zipfile.ZipFile(folder / "state") as archive:
            return archive.read("stepfunctions/123456789012/us-east-1")
    except (OSError, KeyError):
        return b""


def test_an_interrupted_write_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If writing is interrupted, the folder has the state that was written before."""
    folder = StateFolder(tmp_path)
    folder.write({"a/b/c": b"first"})

    def interrupted(self: Path, target: Path) -> Path:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", interrupted)
        with pytest.raises(KeyboardInterrupt):
            folder.write({"a/b/c": b"second"})
    assert folder.read() == {"a/b/c": b"first"}
    folder.write({"a/b/c": b"second"})
    assert folder.read() == {"a/b/c": b"second"}


def test_contents_are_written_once_and_removed_when_unused(tmp_path: Path) -> None:
    """A large content has one file while a state refers to it; a changed file is an error."""
    folder = StateFolder(tmp_path)
    folder.begin()
    names = [folder.put(b"a" * 9), folder.put(b"a" * 9), folder.put(b"b")]
    folder.write({"s": b"1"})
    assert sorted(each.name for each in folder._contents.iterdir()) == sorted(set(names))
    folder.begin()
    folder.put(b"b")
    folder.write({"s": b"2"})
    assert [each.name for each in folder._contents.iterdir()] == [names[2]]
    (folder._contents / names[2]).write_bytes(b"c")
    with pytest.raises(LocalAwsError, match="was changed"):
        folder.get(names[2])


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"format": 99}, "has format 99"),
        ({"moto": "5.1.0"}, "was written with moto 5.1.0"),
        ({"python": "3.9"}, "was written with Python 3.9"),
    ],
)
def test_states_of_other_versions_are_refused(
    tmp_path: Path, about: dict[str, Any], message: str
) -> None:
    """A state that another version has written is not read, and the error says what to do."""
    folder = StateFolder(tmp_path)
    folder.write({"a": b"1"})
    with zipfile.ZipFile(tmp_path / "state") as archive:
        known = json.loads(archive.read("about.json"))
    with zipfile.ZipFile(tmp_path / "state", "w") as archive:
        archive.writestr("about.json", json.dumps({**known, **about}))
    with pytest.raises(LocalAwsError, match=message) as raised:
        folder.read()
    assert raised.value.remedy is not None


def test_a_damaged_state_is_an_error(tmp_path: Path) -> None:
    """A server does not start with a state that cannot be read, and leaves it as it is."""
    (tmp_path / "state").write_bytes(b"PK damaged")
    with pytest.raises(LocalAwsError, match="cannot be read"):
        LocalAws(persist=tmp_path).__enter__()
    assert (tmp_path / "state").read_bytes() == b"PK damaged"


def test_the_command_prints_how_it_is_used(tmp_path: Path) -> None:
    """``local-aws`` prints exports to stdout and lines for lokki.toml to stderr, and ends cleanly.

    A port that is used is an error.
    """
    command = [sys.executable, "-m", "lokki_tf", "local-aws"]
    with LocalAws() as other:
        port = other.endpoint_url.rpartition(":")[2]
        used = subprocess.run([*command, "--port", port], capture_output=True, text=True)
        assert used.returncode == 1
        assert f"port {port} of 127.0.0.1 cannot be used" in used.stderr
    process = subprocess.Popen(
        [*command, "--port", port, "--persist", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    url = f"http://127.0.0.1:{port}"
    assert process.stdout.readline() == f"export AWS_ENDPOINT_URL={url}\n"
    lines = iter(process.stderr.readline, "# running until Ctrl-C\n")
    assert f'# endpoint = "{url}"\n' in list(lines)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    process.stdout.close()
    process.stderr.close()
    assert (tmp_path / "state").exists()


def test_the_next_free_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without ``--port`` the first port from 4566 that is free is taken."""
    import socket

    from lokki_tf.testing import command

    with socket.create_server(("127.0.0.1", 0)) as used:
        port = used.getsockname()[1]
        monkeypatch.setattr(command, "_PORTS", range(port, port + 50))
        assert port < command._free_port() < port + 50
        monkeypatch.setattr(command, "_PORTS", range(port, port + 1))
        with pytest.raises(LocalAwsError, match="no port"):
            command._free_port()
