"""A process that dies under a step: tried again where ``retry=`` says that the step may be."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lokki_tf import MicroFunctions, Pipeline, RetryConfig, ReturnUpdates, flow, step
from lokki_tf.errors import StepFailed

if TYPE_CHECKING:
    from deployment import Deployment

ONCE = RetryConfig(retries=1, delay=0, exceptions=(ZeroDivisionError,))


def die_at_first(folder: str, name: str = "x") -> str:
    """End this process the first time, and return the name the second time."""
    path = Path(folder, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return name


def in_graph(folder: str, retry: Any) -> Any:
    @step(retry=retry)
    def dies(folder: str) -> str:
        return die_at_first(folder)

    return Pipeline("dies", steps=[dies(folder)])


def in_job(folder: str, retry: Any) -> Any:
    @step(job_type="batch", retry=retry)
    def works(folder: str) -> str:
        return die_at_first(folder)

    return Pipeline("dies-job", steps=[works(folder)])


def in_map(folder: str, retry: Any) -> Any:
    @step
    def names() -> list[str]:
        return ["a", "b"]

    @step(retry=retry)
    def each(name: str, folder: str) -> str:
        return die_at_first(folder, name)

    @flow(name="dies-map")
    def mapped(folder: str = folder):
        return names().map(each, folder=folder, concurrency_limit=1)

    return mapped


@pytest.mark.parametrize("make", [in_graph, in_job, in_map])
def test_a_step_with_retries_runs_again_after_its_process_died(
    make: Any, deployment: Deployment, tmp_path: Path
) -> None:
    """Whichever errors it lists, here in another process as in AWS, in functions and jobs."""
    there = deployment.run(make(str(tmp_path / "there"), ONCE))
    here = make(str(tmp_path / "here"), ONCE).local_run(executor="process", max_workers=1)
    assert {name: here.outputs[name] for name in there} == there


@pytest.mark.parametrize("make", [in_graph, in_job])
def test_a_step_without_retries_does_not_run_again(
    make: Any, deployment: Deployment, tmp_path: Path
) -> None:
    """Its process may have done what must not happen twice."""
    there = deployment.execute(make(str(tmp_path / "there"), None))
    assert (there.status, there.error) in [
        ("FAILED", "Runtime.ExitError"),
        ("FAILED", "Batch.JobDied"),
    ]
    with pytest.raises(StepFailed, match="BrokenProcessPool"):
        make(str(tmp_path / "here"), None).local_run(executor="process")


def test_routes_run_a_step_again_after_its_process_died(
    deployment: Deployment, tmp_path: Path
) -> None:
    """So do functions that return the next one."""
    pipe = MicroFunctions("begin", name="dies-routed")

    @pipe.fn(terminates=True, retry=ONCE)
    def begin(folder: str) -> Any:
        return ReturnUpdates(None, name=die_at_first(folder))

    there = deployment.run(pipe, {"folder": str(tmp_path)})
    assert there["begin"]["name"] == "x"


def test_deaths_of_jobs_count_as_retries(deployment: Deployment, tmp_path: Path) -> None:
    """A job runs at most ``retries + 1`` times, whether it dies or raises."""

    @step(job_type="batch", retry=ONCE)
    def fails(folder: str) -> None:
        path = Path(folder, str(len(list(Path(folder).iterdir()))))
        path.touch()
        if path.name == "0":
            os.kill(os.getpid(), signal.SIGKILL)
        raise ZeroDivisionError

    execution = deployment.execute(Pipeline("fails", steps=[fails(str(tmp_path))]))
    assert (execution.error, len(list(tmp_path.iterdir()))) == ("ZeroDivisionError", 2)


def test_retriers_list_what_lambda_reports_of_a_dead_process() -> None:
    """Also where the state machine is the only one that sees it, once a step has retries."""
    found = {}
    for retry in (ONCE, None):
        machine = in_graph("x", retry).generate_step_functions()
        found[retry] = json.dumps(machine["States"]["dies"]["Retry"])
    for name in ("Lambda.Unknown", "Runtime.ExitError", "Runtime.OutOfMemory", "Sandbox.Failure"):
        assert (name in found[ONCE], name in found[None]) == (True, False)
