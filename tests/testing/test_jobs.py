"""The rules for Batch jobs and the folders of images, without running jobs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lokki_tf.testing.images.registry import ImageFolder, Registry
from lokki_tf.testing.jobs.orders import JobDefinition, Order
from lokki_tf.testing.jobs.retries import is_retried
from lokki_tf.testing.jobs.sizes import check_fargate

EXITED = "Essential container in task exited"
RETRY_HOST = {"onStatusReason": "Host EC2*", "action": "RETRY"}
EXIT_ALL = {"onReason": "*", "action": "exit"}


@pytest.mark.parametrize(
    ("rules", "attempt", "status_reason", "retried"),
    [
        ([], 1, EXITED, True),
        ([], 3, EXITED, False),
        ([RETRY_HOST], 1, EXITED, True),
        ([RETRY_HOST, EXIT_ALL], 1, EXITED, False),
        ([RETRY_HOST, EXIT_ALL], 1, "Host EC2 (instance i-1) terminated.", True),
        ([{"onExitCode": "3", "action": "EXIT"}], 1, EXITED, False),
        ([{"onExitCode": "4*", "action": "EXIT"}], 1, EXITED, True),
        ([{"onExitCode": "3", "onReason": "x", "action": "EXIT"}], 1, EXITED, True),
    ],
)
def test_retries(rules: list[Any], attempt: int, status_reason: str, retried: bool) -> None:
    """The first rule of which all conditions match decides; without one, a failure is retried."""
    strategy = {"attempts": 3, "evaluateOnExit": rules}
    found = is_retried(strategy, attempt, status_reason=status_reason, reason="", exit_code=3)
    assert found == retried


@pytest.mark.parametrize(
    ("cpus", "memory", "valid"),
    [
        ("0.25", "512", True),
        ("0.25", "4096", False),
        ("1", "8192", True),
        ("1.0", "2048", True),
        ("16", "122880", True),
        ("3", "8192", False),
    ],
)
def test_fargate_sizes(cpus: str, memory: str, valid: bool) -> None:
    """Fargate has certain sizes of memory for each number of vCPUs."""
    sizes = [{"type": "VCPU", "value": cpus}, {"type": "MEMORY", "value": memory}]
    found = check_fargate({"executionRoleArn": "role", "resourceRequirements": sizes})
    assert (found is None) == valid


def test_overrides() -> None:
    """What is submitted wins over the definition, variable by variable and size by size."""
    definition = JobDefinition(
        name="step",
        arn="arn:aws:batch:us-east-1:123456789012:job-definition/step:1",
        container={
            "image": "a:1",
            "command": ["step"],
            "environment": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
            "resourceRequirements": [{"type": "MEMORY", "value": "512"}],
        },
        timeout={"attemptDurationSeconds": 600},
        retry={"attempts": 2},
    )
    order = Order(
        id="1",
        arn="arn:aws:batch:us-east-1:123456789012:job/1",
        name="job",
        queue_arn="arn:aws:batch:us-east-1:123456789012:job-queue/queue",
        environment_name="compute",
        definition=definition,
        overrides={
            "environment": [{"name": "B", "value": "3"}],
            "resourceRequirements": [{"type": "MEMORY", "value": "1024"}],
        },
        timeout={"attemptDurationSeconds": 60},
    )
    assert order.variables == {"A": "1", "B": "3"}
    assert order.container["resourceRequirements"] == [{"type": "MEMORY", "value": "1024"}]
    assert (order.command, order.seconds) == (("step",), 60)
    assert order.retry_strategy == {"attempts": 2, "evaluateOnExit": []}


def test_registry(tmp_path: Path) -> None:
    """An image is found by repository and tag; its registry is ignored."""
    (tmp_path / "entry.py").touch()
    registry = Registry()
    registry.add(ImageFolder("team/daily:1", tmp_path, "entry.py"))
    for uri in ("123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/daily:1", "team/daily:1"):
        assert registry.find(uri) is not None
    for uri in ("team/daily:2", "daily:1", "localhost:5000/daily:1"):
        assert registry.find(uri) is None
