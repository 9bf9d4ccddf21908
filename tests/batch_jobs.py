"""A queue, job definitions and jobs of Batch, for tests on a local AWS."""

from __future__ import annotations

import time
from typing import Any

from lokki_tf.testing import LocalAws

SIZE = [{"type": "VCPU", "value": "0.25"}, {"type": "MEMORY", "value": "512"}]


def make_queue(aws: LocalAws, kind: str = "FARGATE", name: str = "queue") -> None:
    """Make a queue, on Fargate unless it is to be of another kind."""
    batch, ec2 = aws.client("batch"), aws.client("ec2")
    batch.create_compute_environment(
        computeEnvironmentName=f"{name}-compute",
        type="MANAGED",
        computeResources={
            "type": kind,
            "maxvCpus": 4,
            "subnets": [ec2.describe_subnets()["Subnets"][0]["SubnetId"]],
            "securityGroupIds": [ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"]],
        },
    )
    batch.create_job_queue(
        jobQueueName=name,
        priority=1,
        state="ENABLED",
        computeEnvironmentOrder=[{"order": 1, "computeEnvironment": f"{name}-compute"}],
    )


def define(aws: LocalAws, name: str, image: str, **container: Any) -> None:
    """Register a job definition."""
    properties = {
        "image": image,
        "executionRoleArn": aws.admin_role,
        "resourceRequirements": SIZE,
        **container,
    }
    aws.client("batch").register_job_definition(
        jobDefinitionName=name,
        type="container",
        platformCapabilities=["FARGATE"],
        containerProperties=properties,
    )


def submit(aws: LocalAws, *command: str, job: str = "ok", **more: Any) -> str:
    """Submit a job with a command and return its id."""
    overrides = {"command": list(command), **more.pop("containerOverrides", {})}
    arguments = {"jobName": "job", "jobQueue": "queue", "jobDefinition": job, **more}
    answer: dict[str, str] = aws.client("batch").submit_job(
        containerOverrides=overrides, **arguments
    )
    return answer["jobId"]


def ended(aws: LocalAws, job_id: str, *statuses: str) -> dict[str, Any]:
    """Return a job's description as soon as it has one of some statuses."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        job: dict[str, Any] = aws.client("batch").describe_jobs(jobs=[job_id])["jobs"][0]
        if job["status"] in (statuses or ("SUCCEEDED", "FAILED")):
            return job
        time.sleep(0.01)
    raise AssertionError(job)


def places(aws: LocalAws) -> dict[str, str]:
    """Return the variables of the account's place, without its credentials."""
    keys = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    return {name: text for name, text in aws.environment.items() if name not in keys}


def log(aws: LocalAws, job: dict[str, Any], group: str = "/aws/batch/job") -> list[str]:
    """Return what a job has printed."""
    events = aws.client("logs").get_log_events(
        logGroupName=group, logStreamName=job["container"]["logStreamName"]
    )
    return [event["message"] for event in events["events"]]
