"""The Terraform of jobs: where they run, by which roles, and what the machine knows of them."""

from __future__ import annotations

import json
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

from lokki_tf import Pipeline, step


def work() -> int:
    return 1


def worker(number: int) -> FunctionType:
    """The function with another name, since steps are distinguished by their names."""
    made = FunctionType(work.__code__, work.__globals__, f"work_{number}")
    made.__qualname__ = made.__name__
    return made


def written(folder: Path, *options: dict[str, Any]) -> dict[str, Any]:
    """The stack of a pipeline with a job for each set of options."""
    steps = [step(job_type="batch", **one)(worker(number)) for number, one in enumerate(options)]
    made = Pipeline("jobs", steps=[one() for one in steps]).synth(folder)
    found: dict[str, Any] = json.loads((made.folder / "cdk.tf.json").read_text())
    return found


@pytest.mark.parametrize(
    ("options", "types"),
    [
        ({}, ["optimal"]),
        ({"architecture": "arm64"}, ["m7g", "c7g", "r7g"]),
        ({"gpu": 1}, ["g4dn", "g5"]),
    ],
    ids=["x86", "arm", "gpu"],
)
def test_instances_can_run_the_image(
    tmp_path: Path, options: dict[str, Any], types: list[str]
) -> None:
    """What Batch calls optimal is x86: an image for arm64, or a GPU, needs others."""
    made = written(tmp_path, {"platform": "ec2", **options})
    (place,) = made["resource"]["aws_batch_compute_environment"].values()
    assert place["compute_resources"]["instance_type"] == types


def test_a_job_on_a_given_queue_needs_no_network_of_ours(tmp_path: Path) -> None:
    """With an existing queue, no default VPC is read and no security group is created."""
    made = written(tmp_path, {"job_queue": "there"})
    assert "aws_vpc" not in made.get("data", {})
    assert "aws_security_group" not in made["resource"]
    (job,) = made["resource"]["aws_batch_job_definition"].values()
    properties = json.loads(job["container_properties"])
    assert properties["networkConfiguration"] == {"assignPublicIp": "ENABLED"}
    named = {one["name"] for one in properties["environment"]}
    assert {"AWS_REGION", "AWS_DEFAULT_REGION"} <= named


def test_the_group_of_jobs_is_called_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a VPC of the user's, too; the provider does not replace a group for its description."""
    (tmp_path / "lokki.toml").write_text('[aws.vpc]\nid = "vpc-1"\n')
    monkeypatch.chdir(tmp_path)
    (group,) = written(tmp_path, {})["resource"]["aws_security_group"].values()
    assert group["description"] == "Batch jobs of a pipeline: out, never in"
    assert group["lifecycle"] == {"ignore_changes": ["description"]}


def test_the_machine_names_no_revision(tmp_path: Path) -> None:
    """An execution that began before a deployment submits the deployed job definition."""
    made = written(tmp_path, {})
    (machine,) = made["resource"]["aws_sfn_state_machine"].values()
    assert "aws_batch_job_definition.work_0_job.arn_prefix" in machine["definition"]


def test_policies_keep_within_their_size(tmp_path: Path) -> None:
    """However many jobs there are, a role's own policies have less than 10,240 characters."""
    made = written(tmp_path, *[{}] * 60)
    policies: dict[str, int] = {}
    for one in made["resource"]["aws_iam_role_policy"].values():
        policies[one["role"]] = policies.get(one["role"], 0) + len(one["policy"])
    assert max(policies.values()) < 10_240
