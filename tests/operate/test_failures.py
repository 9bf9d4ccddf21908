"""Why a run failed in AWS, and whether it can go on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lokki_tf import Pipeline, flow, step
from lokki_tf.config import AwsConfig, Config
from lokki_tf.errors import AwsError
from lokki_tf.operate import runs
from lokki_tf.operate.clients import Aws
from lokki_tf.operate.failures import failure, find_blame
from lokki_tf.operate.stack import Deployed, Stack

if TYPE_CHECKING:
    from deployment import Deployment


@step
def broken(value: int) -> int:
    raise ValueError(f"no {value}")


@step(job_type="batch")
def crunch(value: int) -> int:
    raise OverflowError("too many")


@step
def tell(failed: dict[str, Any]) -> None:
    raise OSError("nobody listens")


@step
def numbers() -> list[int]:
    return [1, 2]


@flow
def jobs() -> Any:
    return numbers().map(crunch)


def failed_run(deployment: Deployment, pipeline: Pipeline) -> tuple[Deployed, runs.AwsRun]:
    """A run that has failed in the local AWS, as the commands find it."""
    execution = deployment.execute(pipeline)
    aws = deployment.aws
    config = Config(aws=AwsConfig(endpoint=aws.endpoint_url, region=aws.region))
    stack = Stack(pipeline.definition, config, Path("nowhere"), "python pipeline.py")
    machine = execution.arn.replace(":execution:", ":stateMachine:").rpartition(":")[0]
    deployed = Deployed(stack, machine, {}, Aws(config))
    return deployed, runs.describe(deployed, execution.arn.rpartition(":")[2])


def test_the_step_is_blamed_and_not_who_tells_of_it(deployment: Deployment) -> None:
    """Where the notice fails as well, the error is still the step's."""
    pipeline = Pipeline("blame", steps=[broken(3)], on_failure=tell)
    deployed, run = failed_run(deployment, pipeline)
    assert str(failure(deployed, run)).startswith("step 'broken' failed in AWS: ValueError: no 3")


@pytest.mark.parametrize(
    "pipeline",
    [
        Pipeline("told", steps=[broken(3)], on_failure=tell),
        Pipeline("job", steps=[crunch(3)]),
        jobs,
    ],
    ids=["told", "job", "jobs in a map"],
)
def test_what_only_fails_does_not_go_on(deployment: Deployment, pipeline: Pipeline) -> None:
    """AWS would take up the state that fails: so redrive refuses, and nobody is sent there."""
    deployed, run = failed_run(deployment, pipeline)
    assert "pipeline.py start" in str(failure(deployed, run).remedy)
    with pytest.raises(AwsError, match="ended in a state that only fails") as caught:
        runs.redrive(deployed, run)
    assert str(caught.value.remedy) == "python pipeline.py start begins anew"


@flow
def items() -> Any:
    return numbers().map(broken)


@pytest.mark.parametrize(
    ("pipeline", "where"),
    [(Pipeline("plain", steps=[broken(3)]), "step 'broken'"), (items, "step 'broken' [")],
    ids=["step", "map"],
)
def test_a_task_that_failed_goes_on(deployment: Deployment, pipeline: Pipeline, where: str) -> None:
    """A step in Lambda fails in its own state, which a redrive takes up, and fails by its name."""
    deployed, run = failed_run(deployment, pipeline)
    for _ in range(2):
        found = find_blame(deployed, run)
        assert found.where.startswith(where)
        assert not found.is_final
        assert "redrive --run" in str(failure(deployed, run).remedy)
        runs.redrive(deployed, run)
        run = runs.ended(deployed, run)
        assert run.status == runs.FAILED
