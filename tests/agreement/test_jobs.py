"""Jobs of Batch at random places: the same here, and in processes as deployed."""

from __future__ import annotations

import decimal
import fractions
import json
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import library
import pytest
from agreement.test_random import agree, agree_on_failure, agree_on_routes
from hypothesis import HealthCheck, Phase, given, settings
from library import echo, listing
from strategies import chains, drawn, failing, pipelines, routed
from thorough import TIMES

from lokki_tf import DAG, MicroFunctions, Pipeline, RetryConfig, flow, step, task
from lokki_tf.errors import StepFailed
from lokki_tf.packaging import cut, package
from lokki_tf.runtime.failure import trace_of

if TYPE_CHECKING:
    from pathlib import Path

    from deployment import Deployment

QUIET = settings(
    max_examples=6 * TIMES,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # a failing example costs minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@given(pipeline=pipelines(most=6, jobs=True))
@QUIET
def test_jobs_agree(pipeline: Pipeline, deployment: Deployment) -> None:
    """Anywhere in a graph, a job takes and gives what a step does."""
    agree(pipeline, {}, deployment)


@given(pipeline=drawn(jobs=True))
@QUIET
def test_skipped_jobs_agree(pipeline: Pipeline, deployment: Deployment) -> None:
    """Jobs and tasks with conditions, in any graph, are skipped there as here."""
    agree(pipeline, {}, deployment)


@given(made=failing(jobs=True))
@QUIET
def test_failing_and_skipped_jobs_agree(
    made: tuple[Pipeline, str | None], deployment: Deployment
) -> None:
    """A job that fails ends the run with its own error, wherever it is; a skipped one does not."""
    agree_on_failure(*made, deployment)


@given(drawn=chains(jobs=True))
@QUIET
def test_jobs_in_maps_agree(drawn: tuple[Pipeline, dict[str, Any]], deployment: Deployment) -> None:
    """A job may give a map's items, work on each, and take the results; maps nested or not."""
    agree(*drawn, deployment)


@given(made=routed(jobs=True))
@QUIET
def test_jobs_in_routes_agree(
    made: tuple[Any, dict[str, Any], dict[str, Any]], deployment: Deployment
) -> None:
    """A job may return which step comes next."""
    agree_on_routes(*made, deployment)


echo_job, listing_job = map(library.as_job, (echo, listing))


def test_many_results_reach_a_job(deployment: Deployment) -> None:
    """Fifty results go as references: the request to Batch stays short."""
    calls = [echo(number) for number in range(50)]
    pipeline = Pipeline("many", steps=[listing_job(*calls)])
    assert deployment.run(pipeline) == {"listing_job": list(range(50))}


def test_conditions_of_jobs_agree(deployment: Deployment) -> None:
    """A job whose condition is false is skipped there as here."""

    @task()
    def load() -> int:
        return 3

    @task(job_type="batch", when=lambda n: n > 5)
    def large(n: int) -> int:
        return n

    @task(job_type="batch", when=lambda n: n <= 5)
    def small(n: int) -> int:
        return -n

    @task()
    def both(large: int | None, small: int | None) -> Any:
        return large, small

    load >> [large, small] >> both
    agree(DAG("conditions"), {}, deployment)
    assert submitted(deployment, "conditions") == ["conditions-small"]


def submitted(deployment: Deployment, pipeline: str) -> list[str]:
    """Names of the jobs that ran in a pipeline's queue."""
    batch = deployment.aws.client("batch")
    lists = [
        batch.list_jobs(jobQueue=f"{pipeline}-fargate", jobStatus=status)["jobSummaryList"]
        for status in ("SUCCEEDED", "FAILED")
    ]
    return [job["jobName"] for jobs in lists for job in jobs]


def negative(item: Any) -> bool:
    return isinstance(item, int) and item < 0


@step(job_type="batch", when=negative)
def absolute(item: int) -> int:
    return -item


@step(job_type="batch", when=negative)
def listed(item: int) -> list[int]:
    return [item, -item]


LAST: dict[str, Any] = {
    "alone": lambda: [absolute(3)],
    "beside": lambda: [absolute(3), absolute(-3), echo(1)],
    "after": lambda: [echo(absolute(3)), echo(absolute(echo(-3)))],
    "of-map": lambda: [listed(3).map(echo).agg(echo), listed(-3).map(echo).agg(echo)],
    "in-map": lambda: [listing(1, -2, 3).map(absolute).agg(echo)],
    "in-inline": lambda: [listing(1, -2, 3).map(absolute, mode="inline").agg(echo)],
}


@pytest.mark.parametrize("name", LAST)
def test_a_job_is_submitted_only_where_its_condition_holds(
    deployment: Deployment, name: str
) -> None:
    """Wherever a job is, none is submitted to be skipped, and the results are those here."""
    pipeline = Pipeline(name, steps=LAST[name]())
    agree(pipeline, {}, deployment)
    assert len(submitted(deployment, name)) == (0 if name == "alone" else 1)


@pytest.mark.parametrize("retry", [0, 1])
def test_a_condition_of_a_job_that_raises_fails_the_step(
    deployment: Deployment, tmp_path: Path, retry: int
) -> None:
    """A condition's error is the step's, and is retried as the step's."""
    log = tmp_path / "log"
    log.write_text("")

    def asked(path: str) -> bool:
        with open(path, "a") as file:
            file.write("x")
        return 1 / 0 > 1

    @step(job_type="batch", when=asked, retry=RetryConfig(retries=retry, delay=0.01))
    def divided(path: str) -> None: ...

    pipeline = Pipeline(f"raising-{retry}", steps=[divided(str(log))])
    with pytest.raises(StepFailed) as caught:
        pipeline.local_run()
    assert (caught.value.step, len(log.read_text())) == ("divided", 1 + retry)
    log.write_text("")
    execution = deployment.execute(pipeline)
    assert (execution.status, execution.error) == ("FAILED", "ZeroDivisionError")
    assert len(log.read_text()) == 1 + retry
    assert submitted(deployment, f"raising-{retry}") == []


@step(job_type="batch", when=lambda n: fractions.Fraction(n) > 1)
def light(n: int) -> Any:
    return decimal.Decimal(n)


@step(job_type="batch", when=bool, requirements=["attrs==23.2.0"])
def heavy(n: int) -> int:
    return n


def test_only_the_condition_of_a_job_is_in_its_function() -> None:
    """The function that decides has none of what the job imports, unless the job has packages."""
    pipeline = Pipeline("light", steps=[light(2), heavy(1)])
    decides, also = [one for one in pipeline.definition.steps if one.is_condition]
    assert (decides.name, decides.in_image) == ("light-when", False)
    assert (also.name, also.in_image) == ("heavy-when", True)
    code = package(cut(decides)).files["lambda_function.py"].decode()
    assert "import fractions" in code
    assert "decimal" not in code


def test_parameters_reach_jobs(deployment: Deployment) -> None:
    """A flow's parameters and defaults, with all that needs escaping on the way."""

    @step(job_type="batch")
    def shown(text: str, more: Any, fixed: Any) -> Any:
        return text, more, fixed

    @flow
    def daily(text: str = 'it\'s {a} \\ "b" ${x} %{y} é', more: list[int] = [1]):  # noqa: B006
        return shown(text, more, {"a.$": ["$.b", "{}"], "c": "'"})

    agree(daily, {}, deployment)
    agree(daily, {"text": "{}'\\\\", "more": [2, 3]}, deployment)


class Flaky(Exception): ...


class Worse(Flaky): ...


@pytest.mark.parametrize(
    ("error", "retry", "tried"),
    [
        (Worse, {"retries": 2, "exceptions": (Flaky,)}, 3),
        (ValueError, {"retries": 2, "exceptions": (OSError,)}, 1),
        (ValueError, {"retries": 2}, 3),
        (ValueError, {}, 1),
    ],
    ids=["subclass", "unlisted", "all", "none"],
)
def test_failing_jobs_agree(
    deployment: Deployment,
    tmp_path: Path,
    error: type[Exception],
    retry: dict[str, Any],
    tried: int,
) -> None:
    """A failing job is tried as often as here, and the execution fails with its own error."""
    log = tmp_path / "log"

    @step(job_type="batch", retry=RetryConfig(delay=0.01, **retry))
    def fails(path: str) -> None:
        with open(path, "a") as file:
            file.write("x")
        raise error("on purpose")

    pipeline = Pipeline("failing", steps=[fails(str(log))])
    with pytest.raises(Exception, match="on purpose"):
        pipeline.local_run()
    assert len(log.read_text()) == tried
    log.write_text("")
    execution = deployment.execute(pipeline)
    assert (execution.status, execution.error) == ("FAILED", _reported(error))
    assert "on purpose" in execution.cause
    assert 'raise error("on purpose")' in trace_of(execution.cause).splitlines()[-2]
    assert len(log.read_text()) == tried


def _reported(error: type[Exception]) -> str:
    return "Flaky" if error is Worse else error.__name__


def numbers_of(count: int = 2) -> list[int]:
    return list(range(1, count + 1))


def doubled(number: int) -> int:
    import os

    if os.environ.get("BROKEN") and number == 2:
        raise LookupError("broken")
    return number * 2


def in_graph(env: dict[str, str]) -> Any:
    """A job beside a step, whose results a third takes."""
    job = step(job_type="batch", env_variables=env)(doubled)
    return Pipeline("mended-graph", steps=[listing(job(2), echo(3))])


def in_map(env: dict[str, str]) -> Any:
    """A job for each item of a map."""
    job = step(job_type="batch", env_variables=env)(doubled)
    return Pipeline("mended-map", steps=[step(numbers_of)().map(job).agg(listing)])


def in_routes(env: dict[str, str]) -> Any:
    """A job that leads to another step."""
    functions = MicroFunctions("begin", name="mended-routes")

    @functions.fn(job_type="batch", env_variables=env)
    def begin(number: int = 2) -> Any:
        import os

        if os.environ.get("BROKEN"):
            raise LookupError("broken")
        return {"$next": "finish", "number": number * 2}

    @functions.fn(terminates=True)
    def finish(number: int) -> Any:
        return {"number": number}

    return functions


@pytest.mark.parametrize("make", [in_graph, in_map, in_routes])
def test_a_failed_job_is_redriven(deployment: Deployment, make: Any) -> None:
    """After its code is fixed, a redrive runs the job again, and all later steps."""
    aws = deployment.aws
    failed = aws.execute(aws.register(make({"BROKEN": "yes"})))
    assert failed.status == "FAILED"
    assert failed.error in ("LookupError", "States.ExceedToleratedFailureThreshold")
    aws.register(make({}))
    states = aws.client("stepfunctions")
    states.redrive_execution(executionArn=failed.arn)
    for _ in range(600):
        found = states.describe_execution(executionArn=failed.arn)
        if found["status"] != "RUNNING":
            break
        threading.Event().wait(0.05)
    assert (found["status"], found["redriveCount"]) == ("SUCCEEDED", 1), found.get("cause")
    local = make({}).local_run({})
    (name,) = json.loads(found["output"])
    done = replace(failed, status="SUCCEEDED", output=json.loads(found["output"]))
    assert aws.values(done) == {name: local.outputs[name]}


def test_a_job_that_is_killed_fails_the_execution(deployment: Deployment) -> None:
    """If the process ends without reporting an error, the execution's cause says so."""

    @step(job_type="batch")
    def dies() -> None:
        import os

        os._exit(137)

    execution = deployment.execute(Pipeline("dies", steps=[dies()]))
    assert (execution.status, execution.error) == ("FAILED", "Batch.JobDied")
    assert "ended without reporting an error" in execution.cause


def test_a_job_that_takes_too_long_fails_alike(deployment: Deployment) -> None:
    """A job ends itself when its time is over, and the execution fails as a run here does."""

    def endless() -> None:
        import threading

        threading.Event().wait(90)

    job = step(job_type="batch", timeout_seconds=60)(endless)
    arn = deployment.aws.register(Pipeline("endless", steps=[job()]))
    states = deployment.aws.client("stepfunctions")
    definition = states.describe_state_machine(stateMachineArn=arn)["definition"]
    assert '"seconds": 60' in definition
    # Batch allows no less than 60 seconds; the job measures its own time.
    shorter = definition.replace('"seconds": 60', '"seconds": 1')
    states.update_state_machine(stateMachineArn=arn, definition=shorter)
    execution = deployment.aws.execute(arn)
    assert (execution.status, execution.error) == ("FAILED", "TimeoutError")
    assert "the call took longer than timeout_seconds" in execution.cause
    with pytest.raises(TimeoutError, match="longer than timeout_seconds"):
        Pipeline("endless", steps=[step(timeout_seconds=1)(endless)()]).local_run()


def test_batch_has_time_for_all_tries_of_a_job(deployment: Deployment) -> None:
    """What Batch allows is the time of all tries that the job makes itself, and their waits."""
    retry = RetryConfig(retries=2, delay=10, backoff=2, exceptions=(OSError,))

    def work() -> None: ...

    found = {}
    for retries in (retry, RetryConfig(retries=2), None):
        made = step(job_type="batch", timeout_seconds=100, retry=retries)(work)
        machine = Pipeline("tries", steps=[made()]).generate_step_functions()
        found[retries] = machine["States"]["work"]["Parameters"]["Timeout"]
    seconds = [one["AttemptDurationSeconds"] for one in found.values()]
    assert seconds == [360, 130, 130]
