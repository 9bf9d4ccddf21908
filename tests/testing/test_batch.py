"""Batch's jobs run as processes, from the folder of their image."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from batch_jobs import SIZE, define, ended, log, make_queue, places, submit

from lokki_tf.errors import LokkiError
from lokki_tf.testing import LocalAws

Run = Callable[..., dict[str, Any]]
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/tests:1"
SYNC = "arn:aws:states:::batch:submitJob.sync"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the image is made of."""
    folder = tmp_path_factory.mktemp("image")
    shutil.copy(Path(__file__).with_name("entry.py"), folder)
    return folder


@pytest.fixture(scope="module")
def account(app: Path) -> Iterator[LocalAws]:
    """An account with a queue, a job definition and an image."""
    with LocalAws(retry_delay_scale=0.0, containers=False) as aws:
        aws.register_image("tests:1", app)
        make_queue(aws)
        define(aws, "ok", IMAGE)
        yield aws


@pytest.fixture
def run(account: LocalAws) -> Run:
    """Submit a job with a command, and return its description when it has ended."""

    def submit_and_wait(*command: str, **more: Any) -> dict[str, Any]:
        return ended(account, submit(account, *command, **more))

    return submit_and_wait


def test_success(run: Run, account: LocalAws) -> None:
    """A job succeeds, and its output is in the log that it names."""
    job = run("ok")
    assert (job["status"], job["container"]["exitCode"]) == ("SUCCEEDED", 0)
    assert job["statusReason"] == "Essential container in task exited"
    assert job["container"]["logStreamName"].startswith("ok/default/")
    assert log(account, job) == ["begun ok", "to stderr"]
    assert job["createdAt"] <= job["startedAt"] <= job["stoppedAt"]
    assert len(job["attempts"]) == 1


def test_failure(run: Run) -> None:
    """A job whose program fails is FAILED, with the exit code."""
    job = run("exit", "3")
    assert (job["status"], job["container"]["exitCode"]) == ("FAILED", 3)
    assert job["attempts"][0]["container"]["exitCode"] == 3


def test_environment(run: Run, account: LocalAws, monkeypatch: pytest.MonkeyPatch) -> None:
    """Overrides replace the definition's values; the parent's environment is not inherited."""
    monkeypatch.setenv("NOT_FOR_JOBS", "1")
    given = [{"name": "A", "value": "definition"}, {"name": "B", "value": "kept"}]
    define(account, "variables", IMAGE, environment=given)
    job = run(
        "environment",
        job="variables",
        containerOverrides={"environment": [{"name": "A", "value": "override"}]},
    )
    found = json.loads(log(account, job)[1])
    assert (found["A"], found["B"]) == ("override", "kept")
    assert found["AWS_BATCH_JOB_ID"] == job["jobId"]
    assert found["AWS_BATCH_JOB_ATTEMPT"] == "1"
    assert (found["AWS_BATCH_JQ_NAME"], found["AWS_BATCH_CE_NAME"]) == ("queue", "queue-compute")
    assert places(account).items() <= found.items()
    assert not {"PYTHONPATH", "VIRTUAL_ENV", "NOT_FOR_JOBS"} & set(found)
    shown = {each["name"]: each["value"] for each in job["container"]["environment"]}
    assert shown == {"A": "override", "B": "kept"}


def test_command_and_parameters(run: Run, account: LocalAws) -> None:
    """Ref::name in a command is replaced, by the definition's value or the submitter's."""
    job = run("ok", "Ref::day", "Ref::days", parameters={"day": "monday", "days": "7"})
    assert log(account, job)[0] == "begun ok monday 7"
    assert job["container"]["command"] == ["ok", "monday", "7"]


def test_folder(run: Run, account: LocalAws, app: Path) -> None:
    """A job's working directory is the image's folder."""
    assert log(account, run("folder"))[1] == f"{app} ['entry.py']"


def test_timeout(run: Run) -> None:
    """An attempt that exceeds the timeout is killed and not repeated."""
    job = run("sleep", "60", timeout={"attemptDurationSeconds": 1}, retryStrategy={"attempts": 3})
    assert (job["status"], job["container"]["exitCode"]) == ("FAILED", 137)
    assert job["statusReason"] == "Job attempt duration exceeded timeout"
    assert len(job["attempts"]) == 1


def test_attempts(run: Run) -> None:
    """A retry strategy gives a job more attempts, each with its number and its log."""
    job = run("until", "2", retryStrategy={"attempts": 3})
    assert job["status"] == "SUCCEEDED"
    assert [each["container"]["exitCode"] for each in job["attempts"]] == [7, 0]
    streams = {each["container"]["logStreamName"] for each in job["attempts"]}
    assert len(streams) == 2
    rules = [{"onExitCode": "7", "action": "EXIT"}]
    job = run("until", "2", retryStrategy={"attempts": 3, "evaluateOnExit": rules})
    assert (job["status"], len(job["attempts"])) == ("FAILED", 1)


def test_terminate(run: Run, account: LocalAws) -> None:
    """A running job is ended by TerminateJob, with its reason, but not by CancelJob."""
    job_id = submit(account, "sleep", "60")
    ended(account, job_id, "RUNNING")
    account.client("batch").cancel_job(jobId=job_id, reason="no")
    account.client("batch").terminate_job(jobId=job_id, reason="enough")
    job = ended(account, job_id)
    assert (job["status"], job["statusReason"]) == ("FAILED", "enough")
    assert job["container"]["exitCode"] == 137


def test_dependencies(run: Run, account: LocalAws) -> None:
    """A job waits for the jobs that it depends on, fails with them, and can be cancelled."""
    first = submit(account, "sleep", "60")
    waiting = [submit(account, "ok", dependsOn=[{"jobId": first}]) for _ in range(2)]
    ended(account, waiting[0], "PENDING")
    account.client("batch").cancel_job(jobId=waiting[0], reason="not needed")
    assert ended(account, waiting[0])["statusReason"] == "not needed"
    account.client("batch").terminate_job(jobId=first, reason="enough")
    assert ended(account, waiting[1])["statusReason"] == "Dependent Job failed"
    listed = account.client("batch").list_jobs(jobQueue="queue", jobStatus="FAILED")
    assert {first, *waiting} <= {each["jobId"] for each in listed["jobSummaryList"]}


def test_unknown_image(run: Run, account: LocalAws) -> None:
    """A job with an image that does not exist fails with the error of AWS."""
    define(account, "nowhere", "123456789012.dkr.ecr.us-east-1.amazonaws.com/nowhere:1")
    job = run("ok", job="nowhere")
    assert job["status"] == "FAILED"
    assert job["statusReason"].startswith("CannotPullContainerError: ")
    assert job["container"]["reason"] == job["statusReason"]
    assert "startedAt" not in job


def test_log_group(run: Run, account: LocalAws) -> None:
    """The output goes where the log configuration says, if that group exists."""
    options = {"awslogs-group": "/jobs", "awslogs-stream-prefix": "step"}
    configuration = {"logDriver": "awslogs", "options": options}
    define(account, "logged", IMAGE, logConfiguration=configuration)
    assert "ResourceInitializationError" in run("ok", job="logged")["statusReason"]
    account.client("logs").create_log_group(logGroupName="/jobs")
    job = run("ok", job="logged")
    assert job["container"]["logStreamName"].startswith("step/default/")
    assert log(account, job, "/jobs")[0] == "begun ok"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"executionRoleArn": ""}, "EXECUTION_ROLE_ARN"),
        ({"resourceRequirements": SIZE[:1]}, "VCPU and MEMORY"),
        ({"resourceRequirements": [SIZE[0], {"type": "MEMORY", "value": "4096"}]}, "not valid"),
    ],
)
def test_fargate_is_strict(account: LocalAws, change: dict[str, Any], message: str) -> None:
    """A job definition that Fargate cannot run is refused."""
    client = account.client("batch")
    with pytest.raises(client.exceptions.ClientException, match=message):
        define(account, "refused", IMAGE, **change)


def test_no_such_folder(account: LocalAws, tmp_path: Path) -> None:
    """An image without its entry script is refused, with what to do."""
    with pytest.raises(LokkiError, match=r"does not contain entry\.py"):
        account.register_image("tests:2", tmp_path)


def test_nothing_is_left(app: Path) -> None:
    """A local AWS ends its jobs when it is closed."""
    with LocalAws(containers=False) as aws:
        aws.register_image("tests:1", app)
        make_queue(aws)
        define(aws, "ok", IMAGE)
        job = ended(aws, submit(aws, "pid"), "RUNNING")
        while len(log(aws, job)) < 2:
            time.sleep(0.01)
        process = int(log(aws, job)[1])
        os.kill(process, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


# What Step Functions makes of it.


def machine(**more: Any) -> dict[str, Any]:
    """Return a state machine definition with one state that runs a job."""
    parameters = {"JobName": "job", "JobQueue": "queue", "JobDefinition": "ok"}
    parameters |= more.pop("Parameters", {})
    state = {"Type": "Task", "Resource": SYNC, "Parameters": parameters, "End": True, **more}
    return {"StartAt": "Job", "States": {"Job": state}}


def test_submit_job_sync(account: LocalAws) -> None:
    """The result of a job is its description with ASL's field names; an event is not changed."""
    environment = [{"Name": "LOKKI_EVENT", "Value.$": "States.JsonToString($)"}]
    overrides = {"Command": ["environment"], "Environment": environment}
    account.create_state_machine("sync", machine(Parameters={"ContainerOverrides": overrides}))
    found = account.execute("sync", {"day": "ö"})
    assert found.succeeded, found
    job = found.output
    assert (job["Status"], job["JobName"], job["Container"]["ExitCode"]) == ("SUCCEEDED", "job", 0)
    assert job["Attempts"][0]["StatusReason"] == "Essential container in task exited"
    assert {each["Name"] for each in job["Container"]["Environment"]} == {
        "LOKKI_EVENT",
        "MANAGED_BY_AWS",
    }
    described = {"container": {"logStreamName": job["Container"]["LogStreamName"]}}
    variables = json.loads(log(account, described)[1])
    assert json.loads(variables["LOKKI_EVENT"]) == {"day": "ö"}
    assert found.duration < 5


def test_failed_job(account: LocalAws) -> None:
    """A job that fails is States.TaskFailed, with its description as the cause; Retry retries."""
    definition = machine(
        Parameters={"ContainerOverrides": {"Command": ["exit", "3"]}},
        Retry=[{"ErrorEquals": ["States.TaskFailed"], "MaxAttempts": 1}],
    )
    account.create_state_machine("failed", definition)
    found = account.execute("failed")
    assert found.error == "States.TaskFailed"
    job = json.loads(str(found.cause))
    assert (job["Status"], job["Container"]["ExitCode"]) == ("FAILED", 3)
    assert list(job) == sorted(job)
    assert [event["type"] for event in found.history].count("TaskFailed") == 2


def test_timeout_of_the_state(account: LocalAws) -> None:
    """States.Timeout ends the job."""
    overrides = {"ContainerOverrides": {"Command": ["sleep", "60"]}, "JobName": "too-slow"}
    account.create_state_machine("slow", machine(Parameters=overrides, TimeoutSeconds=1))
    assert account.execute("slow").error == "States.Timeout"
    assert ended(account, named(account, "too-slow"))["status"] == "FAILED"


def test_stopped_execution(account: LocalAws) -> None:
    """Stopping an execution ends its job."""
    overrides = {"ContainerOverrides": {"Command": ["sleep", "60"]}, "JobName": "stopped"}
    arn = account.create_state_machine("stopped", machine(Parameters=overrides))
    states = account.client("stepfunctions")
    execution = states.start_execution(stateMachineArn=arn)["executionArn"]
    deadline = time.monotonic() + 60
    while not any_named(account, "stopped") and time.monotonic() < deadline:
        time.sleep(0.01)
    states.stop_execution(executionArn=execution)
    assert ended(account, named(account, "stopped"))["status"] == "FAILED"


def any_named(aws: LocalAws, name: str) -> list[str]:
    """Return the ids of the jobs of a name."""
    filters = [{"name": "JOB_NAME", "values": [name]}]
    found = aws.client("batch").list_jobs(jobQueue="queue", filters=filters)["jobSummaryList"]
    return [each["jobId"] for each in found]


def named(aws: LocalAws, name: str) -> str:
    """Return the id of the one job of a name."""
    (found,) = any_named(aws, name)
    return found


def test_without_waiting(account: LocalAws) -> None:
    """Without .sync the result is the job's id, and the job runs on."""
    account.create_state_machine("plain", machine(Resource=SYNC.removesuffix(".sync")))
    found = account.execute("plain").output
    assert {"JobArn", "JobId", "JobName"} < set(found)
    assert ended(account, found["JobId"])["status"] == "SUCCEEDED"


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"Timeout": {"Seconds": 60}}, "States.Runtime"),
        ({"ContainerOverrides": {"command": ["ok"]}}, "States.Runtime"),
        ({"ContainerOverrides": {"Environment": {"A": "b"}}}, "States.Runtime"),
        ({"JobQueue": "nowhere"}, "Batch.ClientException"),
        ({"JobDefinition": "undefined"}, "Batch.ClientException"),
    ],
)
def test_refused_parameters(account: LocalAws, parameters: Any, error: str) -> None:
    """Unknown fields fail the state; a request that Batch refuses is an error of Batch."""
    account.create_state_machine("refused", machine(Parameters=parameters))
    assert account.execute("refused").error == error


@pytest.mark.parametrize("parameters", [{"Nonsense": 1}, {"jobName": "lower"}])
def test_refused_definitions(account: LocalAws, parameters: Any) -> None:
    """A state machine with unknown fields in its job cannot be created."""
    states = account.client("stepfunctions")
    with pytest.raises(states.exceptions.InvalidDefinition, match="is not supported by"):
        account.create_state_machine("never", machine(Parameters=parameters))


def test_event_too_long(account: LocalAws) -> None:
    """A job fails whose overrides, escaped as JSON, are longer than a container may have."""
    environment = [{"Name": "LOKKI_EVENT", "Value.$": "States.JsonToString($)"}]
    overrides = {"ContainerOverrides": {"Environment": environment}}
    account.create_state_machine("long", machine(Parameters=overrides))
    assert account.execute("long", {"text": "x" * 7000}).succeeded
    found = account.execute("long", {"text": "x" * 8100})
    job = json.loads(str(found.cause))
    assert job["StatusReason"] == "Container Overrides length must be at most 8192"
    assert job["Attempts"] == []
    found = account.execute("long", {"text": "x" * 40_000})
    assert found.error == "Batch.ClientException"
    assert "Job size must be less than 30 KiB" in str(found.cause)


def test_jobs_in_a_map(account: LocalAws) -> None:
    """Many jobs run at a time, and one that fails ends the others."""
    overrides = {"Command.$": "States.Array('sleep', States.Format('{}', $))"}
    body = machine(Parameters={"JobName": "mapped", "ContainerOverrides": overrides})
    state = {"Type": "Map", "ItemProcessor": body, "End": True}
    account.create_state_machine("map", {"StartAt": "Map", "States": {"Map": state}})
    assert len(account.execute("map", [0] * 10).output) == 10
    before = set(any_named(account, "mapped"))
    found = account.execute("map", ["60", "60", "nonsense"])
    assert found.error == "States.TaskFailed"
    for job_id in set(any_named(account, "mapped")) - before:
        assert ended(account, job_id)["status"] == "FAILED"
