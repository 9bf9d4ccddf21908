"""lokki's example of a job with its settings: only the import lines are this project's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from applied import Applied, stack
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


@stack
def on_a_queue(aws: LocalAws, folder: Path) -> Path:
    """A stack for a queue that the account has."""
    (folder / "lokki.toml").write_text(SETTINGS)
    make_queue(aws, name="my-batch-queue")
    return batch_flow.synth(folder, config=load_config(folder, environ={})).folder


def test_the_example_runs_on_the_queue_that_is_there(applied: Applied) -> None:
    """Settings and options are used for jobs in an existing queue; results equal the local ones."""
    there = applied.values("on_a_queue")
    assert there == {"heavy_computation": {"rows": 3, "most": 3}, "by_settings": [1, 2, 3]}
    here = batch_flow.local_run().outputs
    assert there == {name: here[name] for name in there}
    batch = applied.aws.client("batch")
    defined = batch.describe_job_definitions(status="ACTIVE")["jobDefinitions"]
    sizes = {
        one["jobDefinitionName"]: [
            each["value"] for each in one["containerProperties"]["resourceRequirements"]
        ]
        for one in defined
    }
    assert sizes["lokki-batch-heavy_computation"] == ["8", "16384"]
    assert sizes["lokki-batch-by_settings"] == ["4", "8192"]
