"""Jobs and functions run in containers, where a Docker API answers."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from container_images import docker_client, image_of

from lokki_tf.testing import LocalAws

CLIENT = docker_client()
pytestmark = pytest.mark.skipif(
    CLIENT is None, reason="no Docker API answers at DOCKER_HOST or the default socket"
)
ROLE = "arn:aws:iam::123456789012:role/containers"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of an image of the tests' entry script."""
    folder = tmp_path_factory.mktemp("image")
    shutil.copy(Path(__file__).with_name("entry.py"), folder)
    return image_of(CLIENT, folder)


@pytest.fixture(scope="module")
def account(image: str) -> Iterator[LocalAws]:
    """An account with a queue and a job definition; it knows no folder."""
    with LocalAws(retry_delay_scale=0.0) as aws:
        batch, ec2 = aws.client("batch"), aws.client("ec2")
        batch.create_compute_environment(
            computeEnvironmentName="compute",
            type="MANAGED",
            computeResources={
                "type": "FARGATE_SPOT",
                "maxvCpus": 4,
                "subnets": [ec2.describe_subnets()["Subnets"][0]["SubnetId"]],
                "securityGroupIds": [
                    ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"]
                ],
            },
        )
        batch.create_job_queue(
            jobQueueName="queue",
            priority=1,
            state="ENABLED",
            computeEnvironmentOrder=[{"order": 1, "computeEnvironment": "compute"}],
        )
        define(aws, "job", image)
        aws.client("iam").create_role(
            RoleName="containers",
            AssumeRolePolicyDocument=json.dumps(
                {"Statement": [{"Principal": {"Service": "lambda.amazonaws.com"}}]}
            ),
        )
        yield aws


def define(aws: LocalAws, name: str, image: str) -> None:
    """Register a job definition."""
    aws.client("batch").register_job_definition(
        jobDefinitionName=name,
        type="container",
        platformCapabilities=["FARGATE"],
        containerProperties={
            "image": image,
            "executionRoleArn": ROLE,
            "environment": [{"name": "VALUE", "value": "given"}],
            "resourceRequirements": [
                {"type": "VCPU", "value": "0.25"},
                {"type": "MEMORY", "value": "512"},
            ],
        },
    )


def run(aws: LocalAws, *command: str, job: str = "job", **more: Any) -> dict[str, Any]:
    """Submit a job and return its description when it has ended."""
    job_id = submit(aws, *command, job=job, **more)
    return ended(aws, job_id)


def submit(aws: LocalAws, *command: str, job: str = "job", **more: Any) -> str:
    """Submit a job and return its id."""
    overrides = {"command": list(command)} if command else {}
    answer: dict[str, str] = aws.client("batch").submit_job(
        jobName="job", jobQueue="queue", jobDefinition=job, containerOverrides=overrides, **more
    )
    return answer["jobId"]


def ended(aws: LocalAws, job_id: str, *statuses: str) -> dict[str, Any]:
    """Return a job's description as soon as it has one of some statuses."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        job: dict[str, Any] = aws.client("batch").describe_jobs(jobs=[job_id])["jobs"][0]
        if job["status"] in (statuses or ("SUCCEEDED", "FAILED")):
            return job
        time.sleep(0.05)
    raise AssertionError(job)


def log(aws: LocalAws, job: dict[str, Any]) -> list[str]:
    """Return what a job has printed."""
    events = aws.client("logs").get_log_events(
        logGroupName="/aws/batch/job", logStreamName=job["container"]["logStreamName"]
    )
    return [event["message"] for event in events["events"]]


def test_job(account: LocalAws) -> None:
    """A job runs in a container, with its variables and the account's, and its output is kept."""
    job = run(account, "environment")
    assert (job["status"], job["container"]["exitCode"]) == ("SUCCEEDED", 0), job
    assert job["statusReason"] == "Essential container in task exited"
    printed = log(account, job)
    assert printed[0] == "begun environment"
    found = json.loads(next(line for line in printed if line.startswith("{")))
    wanted = {"VALUE": "given", "AWS_BATCH_JOB_ID": job["jobId"], **account.environment}
    assert wanted.items() <= found.items()


def test_folder(account: LocalAws) -> None:
    """The program's working directory is the image's."""
    assert "/app ['entry.py']" in log(account, run(account, "folder"))


def test_exit_code_and_attempts(account: LocalAws) -> None:
    """A program that fails fails the job, with its exit code, after all its attempts."""
    job = run(account, "exit", "3", retryStrategy={"attempts": 2})
    assert (job["status"], job["container"]["exitCode"]) == ("FAILED", 3)
    assert len(job["attempts"]) == 2


def test_timeout(account: LocalAws) -> None:
    """A program that takes too long is killed, and its container is gone."""
    job = run(account, "sleep", "60", timeout={"attemptDurationSeconds": 1})
    assert (job["status"], job["container"]["exitCode"]) == ("FAILED", 137)
    assert job["statusReason"] == "Job attempt duration exceeded timeout"


def test_terminate(account: LocalAws) -> None:
    """A job that runs is ended by TerminateJob."""
    job_id = submit(account, "sleep", "60")
    ended(account, job_id, "RUNNING")
    account.client("batch").terminate_job(jobId=job_id, reason="enough")
    assert ended(account, job_id)["statusReason"] == "enough"


def test_unknown_image(account: LocalAws) -> None:
    """An image that no registry has fails the job with AWS's word for it."""
    define(account, "nowhere", "127.0.0.1:1/nowhere:1")
    job = run(account, job="nowhere")
    assert job["status"] == "FAILED"
    assert job["statusReason"].startswith("CannotPullContainerError: ")


def test_function(account: LocalAws, image: str) -> None:
    """A function that is an image runs in a container that stays warm, and its errors are told."""
    functions = account.client("lambda")
    functions.create_function(
        FunctionName="image",
        PackageType="Image",
        Role=ROLE,
        Code={"ImageUri": image},
        ImageConfig={"Command": ["step"]},
        Timeout=20,
        Environment={"Variables": {"MINE": "1"}},
    )

    def call(event: Any) -> Any:
        answer = functions.invoke(FunctionName="image", Payload=json.dumps(event))
        return json.loads(answer["Payload"].read())

    assert call({"a": 1}) == {"event": {"a": 1}, "count": 1, "command": ["step"], "folder": "/app"}
    assert call("environment").items() >= {"MINE": "1", **account.environment}.items()
    assert call("raise")["errorType"] == "KeyError"
    assert call("exit")["errorType"] == "Runtime.ExitError"
    assert call(None)["count"] == 1
    assert "event 2" in account.logs("image")


def test_nothing_is_left(image: str) -> None:
    """The end of a local AWS is the end of its containers."""
    with LocalAws() as aws:
        role = aws.client("iam").create_role(
            RoleName="containers",
            AssumeRolePolicyDocument=json.dumps(
                {"Statement": [{"Principal": {"Service": "lambda.amazonaws.com"}}]}
            ),
        )
        functions = aws.client("lambda")
        functions.create_function(
            FunctionName="left",
            PackageType="Image",
            Role=role["Role"]["Arn"],
            Code={"ImageUri": image},
            Timeout=20,
        )
        functions.invoke(FunctionName="left", Payload=b"1")
        label = f"lokki_tf.local_aws={aws.endpoint_url}"
        assert len(CLIENT.containers.list(filters={"label": label})) == 1
    assert CLIENT.containers.list(all=True, filters={"label": label}) == []
