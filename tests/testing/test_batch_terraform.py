"""Terraform with the AWS provider deploys all that jobs on Fargate need.

The provider always waits 30 s for every queue, at its creation and at its deletion.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lokki_tf.testing import LocalAws

pytestmark = pytest.mark.terraform
HERE = Path(__file__).parent
SECOND = {"value": "second", "memory": "1024", "vcpus": 32, "seconds": 700}


@pytest.fixture(scope="module")
def account() -> Iterator[LocalAws]:
    """A local AWS for these tests alone: destroy must leave nothing in it."""
    with LocalAws(containers=False, enforce_iam=False) as aws:  # its roles have no policies
        yield aws


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration that brings its image along."""
    path = tmp_path_factory.mktemp("batch")
    shutil.copy(HERE / "terraform" / "batch" / "main.tf.json", path)
    (path / "image" / "app").mkdir(parents=True)
    shutil.copy(HERE / "entry.py", path / "image" / "app")
    image = {"uri": "tests:1", "app": "image/app", "entry": "entry.py"}
    (path / "image.json").write_text(json.dumps(image))
    return path


@pytest.fixture(scope="module")
def deployed(account: LocalAws, folder: Path) -> dict[str, Any]:
    """The outputs of deploying it."""
    return account.deploy(folder)


def job_of(account: LocalAws, machine: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Run the machine, and return its job's description and the environment that the job saw."""
    found = account.execute(machine, {"day": 1})
    assert found.succeeded, found
    stream = found.output["Container"]["LogStreamName"]
    events = account.client("logs").get_log_events(logGroupName="/tests/jobs", logStreamName=stream)
    return found.output, json.loads(events["events"][1]["message"])


def test_deployed_job_runs(deployed: dict[str, Any], account: LocalAws) -> None:
    """What was deployed runs: the image's folder, its variables, the event, the log group."""
    job, variables = job_of(account, deployed["machine"])
    assert job["Container"]["LogStreamName"].startswith("step/default/")
    assert job["Container"]["NetworkConfiguration"] == {"AssignPublicIp": "ENABLED"}
    assert (variables["VALUE"], json.loads(variables["LOKKI_EVENT"])) == ("first", {"day": 1})
    assert job["Timeout"] == {"AttemptDurationSeconds": 600}
    assert job["RetryStrategy"]["Attempts"] == 2
    assert (job["Tags"], job["PropagateTags"]) == ({"execution": "one"}, True)


def test_plan_is_empty_after_apply(
    deployed: dict[str, Any], account: LocalAws, folder: Path
) -> None:
    """A plan after apply changes nothing."""
    assert account.plan_is_empty(folder)


def test_update_and_destroy(deployed: dict[str, Any], account: LocalAws, folder: Path) -> None:
    """A new revision takes effect with an empty plan after it; destroy leaves nothing."""
    outputs = account.deploy(folder, SECOND)
    assert (deployed["revision"], outputs["revision"]) == (1, 2)
    assert account.plan_is_empty(folder, SECOND)
    job, variables = job_of(account, outputs["machine"])
    assert variables["VALUE"] == "second"
    assert {"Type": "MEMORY", "Value": "1024"} in job["Container"]["ResourceRequirements"]
    batch, iam = account.client("batch"), account.client("iam")
    environments = batch.describe_compute_environments()["computeEnvironments"]
    assert {each["computeResources"]["maxvCpus"] for each in environments} == {32}
    account.destroy(folder, SECOND)
    left = {
        "environments": batch.describe_compute_environments()["computeEnvironments"],
        "queues": batch.describe_job_queues()["jobQueues"],
        "definitions": batch.describe_job_definitions(status="ACTIVE")["jobDefinitions"],
        "roles": iam.list_roles()["Roles"],
        "profiles": iam.list_instance_profiles()["InstanceProfiles"],
        "repositories": account.client("ecr").describe_repositories()["repositories"],
        "groups": account.client("ec2").describe_security_groups(
            Filters=[{"Name": "group-name", "Values": ["jobs"]}]
        )["SecurityGroups"],
    }
    assert {kind: found for kind, found in left.items() if found} == {}
