"""Jobs and functions run in containers, where a Docker API answers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from batch_jobs import define, ended, log, make_queue, places, submit
from container_images import docker_client, image_of

from lokki_tf.testing import LocalAws

CLIENT = docker_client()
pytestmark = pytest.mark.containers


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of an image of the tests' entry script."""
    folder = tmp_path_factory.mktemp("image")
    shutil.copy(Path(__file__).with_name("entry.py"), folder)
    return image_of(CLIENT, folder)


@pytest.fixture(scope="module")
def account(image: str) -> Iterator[LocalAws]:
    """An account with a queue and a job definition, without registered folders."""
    with LocalAws(retry_delay_scale=0.0) as aws:
        make_queue(aws, "FARGATE_SPOT")
        define(aws, "ok", image, environment=[{"name": "VALUE", "value": "given"}])
        yield aws


def run(aws: LocalAws, *command: str, **more: Any) -> dict[str, Any]:
    """Submit a job and return its description when it has ended."""
    return ended(aws, submit(aws, *command, **more))


def test_job(account: LocalAws) -> None:
    """A job runs in a container, with its variables and the account's, and its output is kept."""
    job = run(account, "environment")
    assert (job["status"], job["container"]["exitCode"]) == ("SUCCEEDED", 0), job
    assert job["statusReason"] == "Essential container in task exited"
    printed = log(account, job)
    assert printed[0] == "begun environment"
    found = json.loads(next(line for line in printed if line.startswith("{")))
    wanted = {"VALUE": "given", "AWS_BATCH_JOB_ID": job["jobId"], **places(account)}
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
    """A program that exceeds the time limit is killed, and its container is removed."""
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
    """An image that does not exist fails the job with the error of AWS."""
    define(account, "nowhere", "127.0.0.1:1/nowhere:1")
    job = run(account, job="nowhere")
    assert job["status"] == "FAILED"
    assert job["statusReason"].startswith("CannotPullContainerError: ")


def test_function(account: LocalAws, image: str) -> None:
    """A function with an image runs in a container that is reused, and its errors are reported."""
    functions = account.client("lambda")
    functions.create_function(
        FunctionName="image",
        PackageType="Image",
        Role=account.admin_role,
        Code={"ImageUri": image},
        ImageConfig={"Command": ["step"]},
        Timeout=20,
        Environment={"Variables": {"MINE": "1"}},
    )

    def call(event: Any) -> Any:
        answer = functions.invoke(FunctionName="image", Payload=json.dumps(event))
        return json.loads(answer["Payload"].read())

    assert call({"a": 1}) == {"event": {"a": 1}, "count": 1, "command": ["step"], "folder": "/app"}
    assert call("environment").items() >= {"MINE": "1", **places(account)}.items()
    assert call("raise")["errorType"] == "KeyError"
    assert call("exit")["errorType"] == "Runtime.ExitError"
    assert call(None)["count"] == 1
    assert "event 2" in account.logs("image")


def test_nothing_is_left(image: str) -> None:
    """A local AWS removes its containers when it is closed."""
    with LocalAws() as aws:
        functions = aws.client("lambda")
        functions.create_function(
            FunctionName="left",
            PackageType="Image",
            Role=aws.admin_role,
            Code={"ImageUri": image},
            Timeout=20,
        )
        functions.invoke(FunctionName="left", Payload=b"1")
        label = f"lokki_tf.local_aws={aws.endpoint_url}"
        assert len(CLIENT.containers.list(filters={"label": label})) == 1
    assert CLIENT.containers.list(all=True, filters={"label": label}) == []
