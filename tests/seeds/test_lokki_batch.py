"""lokki's example of a job with its settings: only the import lines are this project's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from batch_jobs import make_queue

from lokki_tf import flow, step
from lokki_tf.config import load_config

if TYPE_CHECKING:
    from pathlib import Path

    from lokki_tf.testing import LocalAws

SETTINGS = """
[batch]
job_queue = "my-batch-queue"
job_definition_name = "lokki-batch"
vcpu = 4
memory_mb = 8192
timeout_seconds = 3600
"""


def process_heavy_data(data):
    return {"rows": len(data), "most": max(data)}


@step
def fetch_data():
    return [3, 1, 2]


@step(job_type="batch", vcpu=8, memory_mb=16384, timeout_seconds=3600)
def heavy_computation(data):
    # Run as AWS Batch job instead of Lambda
    return process_heavy_data(data)


@step(job_type="batch")
def by_settings(data):
    return sorted(data)


@flow
def batch_flow():
    data = fetch_data()
    return heavy_computation(data), by_settings(data)


@pytest.mark.terraform
def test_the_example_runs_on_the_queue_that_is_there(local_aws: LocalAws, tmp_path: Path) -> None:
    """Settings and options are used for jobs in an existing queue; results equal the local ones."""
    (tmp_path / "lokki.toml").write_text(SETTINGS)
    make_queue(local_aws, name="my-batch-queue")
    made = batch_flow.synth(tmp_path, config=load_config(tmp_path, environ={}))
    outputs = local_aws.deploy(made.folder)
    execution = local_aws.execute(outputs["state_machine_arn"])
    assert execution.succeeded, execution.cause
    there = local_aws.values(execution)
    assert there == {"heavy_computation": {"rows": 3, "most": 3}, "by_settings": [1, 2, 3]}
    here = batch_flow.local_run().outputs
    assert there == {name: here[name] for name in there}
    assert local_aws.plan_is_empty(made.folder)
    batch = local_aws.client("batch")
    defined = batch.describe_job_definitions(status="ACTIVE")["jobDefinitions"]
    sizes = {
        one["jobDefinitionName"]: [
            each["value"] for each in one["containerProperties"]["resourceRequirements"]
        ]
        for one in defined
    }
    assert sizes["lokki-batch-heavy_computation"] == ["8", "16384"]
    assert sizes["lokki-batch-by_settings"] == ["4", "8192"]
