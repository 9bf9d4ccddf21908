"""Why a run failed in AWS, and whether it can go on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lokki_tf import Pipeline, flow, step
from lokki_tf.config import AwsConfig, Config
from lokki_tf.errors import AwsError
from lokki_tf.operate import redriving, runs
from lokki_tf.operate.clients import Aws
from lokki_tf.operate.deployed import Deployed
from lokki_tf.operate.failures import failure, find_blame
from lokki_tf.operate.stack import Stack

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


def test_the_step_is_reported_and_not_the_code_that_reports_it(deployment: Deployment) -> None:
    """Where the notice fails as well, the error is still the step's."""
    pipeline = Pipeline("blame", steps=[broken(3)], on_failure=tell)
    deployed, run = failed_run(deployment, pipeline)
    assert str(failure(deployed, run)).startswith("step 'broken' failed in AWS: ValueError: no 3")


@step
def release(value: Any = 1) -> None: ...


@step
def stuck(value: Any = 1) -> None:
    raise OSError("stuck")


@pytest.mark.parametrize("cleanup", [release, stuck], ids=["cleaned", "cleanup failed"])
def test_a_run_that_was_cleaned_up_cannot_be_redriven(deployment: Deployment, cleanup: Any) -> None:
    """The step that failed first is reported, and a new run is the remedy."""
    name = f"cleaned-{cleanup.__name__}"
    pipeline = Pipeline(name, steps=[broken(3)], cleanup=cleanup)
    deployed, run = failed_run(deployment, pipeline)
    found = failure(deployed, run)
    assert str(found).startswith("step 'broken' failed in AWS: ValueError: no 3")
    assert "start" in str(found.remedy)
    assert "redrive" not in str(found.remedy)
    with pytest.raises(AwsError, match=f"its cleanup step '{cleanup.__name__}' has run"):
        redriving.redrive(deployed, run)


def test_a_cleanup_that_failed_after_success_can_be_redriven(deployment: Deployment) -> None:
    """Only the cleanup step runs again."""
    deployed, run = failed_run(deployment, Pipeline("late-stuck", steps=[numbers()], cleanup=stuck))
    assert find_blame(deployed, run).where == "step 'stuck'"
    redriving.redrive(deployed, run)
    assert runs.ended(deployed, run).redrives == 1


@flow
def items() -> Any:
    return numbers().map(broken)


@pytest.mark.parametrize(
    ("pipeline", "where"),
    [
        (Pipeline("plain", steps=[broken(3)]), "step 'broken'"),
        (Pipeline("told", steps=[broken(3)], on_failure=tell), "step 'broken'"),
        (Pipeline("job", steps=[crunch(3)]), "step 'crunch'"),
        (jobs, "step 'crunch' ["),
        (items, "step 'broken' ["),
    ],
    ids=["step", "told", "job", "jobs in a map", "map"],
)
def test_what_failed_goes_on(deployment: Deployment, pipeline: Pipeline, where: str) -> None:
    """A step, a job, a map: a redrive repeats what failed, which fails by its own name again."""
    deployed, run = failed_run(deployment, pipeline)
    for _ in range(2):
        found = find_blame(deployed, run)
        assert found.where.startswith(where)
        assert not found.is_final
        assert "redrive --run" in str(failure(deployed, run).remedy)
        redriving.redrive(deployed, run)
        run = runs.ended(deployed, run)
        assert run.status == runs.FAILED


@pytest.mark.parametrize(
    ("reason", "says"),
    [
        ("Execution redrivable period exceeded", "it ended more than 14 days ago"),
        ("Execution has exceeded the max execution time.", "it began more than a year ago"),
        ("Execution history event limit exceeded", "24,999 events or more, and AWS allows 25,000"),
        ("Something new", "Something new"),
    ],
)
def test_a_refused_redrive_names_the_limit(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, reason: str, says: str
) -> None:
    """The error has the limit that a run exceeds, and a reason that is unknown as it is."""
    pipeline = Pipeline("limits", steps=[broken(3)])
    deployed, run = failed_run(deployment, pipeline)
    plain = deployed.aws.call

    def call(service: str, operation: str, **given: Any) -> dict[str, Any]:
        if operation == "redrive_execution":
            raise AwsError("refused", code="ExecutionNotRedrivable")
        return {**plain(service, operation, **given), "redriveStatusReason": reason}

    monkeypatch.setattr(deployed.aws, "call", call)
    with pytest.raises(AwsError, match=says):
        redriving.redrive(deployed, run)
