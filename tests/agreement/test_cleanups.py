"""Cleanup steps: they run once, with the same results, in local runs and in executions."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import library
import pytest
from hypothesis import HealthCheck, given, settings
from strategies import routed, with_cleanup
from thorough import TIMES
from ways import IN_THIS_PROCESS

from lokki_tf import DAG, Flow, MicroFunctions, Pipeline, RetryConfig, flow, run_context, step, task
from lokki_tf.errors import LokkiError, LoopError, RunTimeoutError, StepFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from deployment import Deployment

    from lokki_tf.testing import Execution

MARK = "CLEANED "


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # for the locks of pipelines with a limit of runs


def cleaned_here(pipeline: Any, given: dict[str, Any], **options: Any) -> tuple[Any, str]:
    """Return the run, or its error, and what the cleanup step printed."""
    printed: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("builtins.print", lambda *texts: printed.append(" ".join(texts)))
        try:
            ended: Any = pipeline.local_run(given, wait_scale=0, **options)
        except (StepFailed, LoopError) as error:
            ended = error
    (line,) = (one for one in printed if one.startswith(MARK))
    return ended, line.split(" ", 2)[2]


def cleaned_there(deployment: Deployment, execution: Execution) -> str:
    """Return what the cleanup step printed in an execution, in which it ran once."""
    pipeline, name = execution.arn.split(":")[6:8]
    lines = [line for line in deployment.aws.logs(f"{pipeline}-cleaned") if line.startswith(MARK)]
    (line,) = (one for one in lines if one.split()[1] == name)
    return line.split(" ", 2)[2]


@given(made=with_cleanup())
@settings(
    max_examples=8 * TIMES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_cleanup_steps_agree(made: tuple[Pipeline, str | None], deployment: Deployment) -> None:
    """The cleanup step of any graph runs once, with equal results, here and there."""
    agree(*made, deployment)


@given(made=with_cleanup(jobs=True))
@settings(
    max_examples=3 * TIMES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_cleanup_steps_of_jobs_agree(
    made: tuple[Pipeline, str | None], deployment: Deployment
) -> None:
    """The same for pipelines with jobs of Batch, whose errors another state raises."""
    agree(*made, deployment)


def agree(pipeline: Pipeline, failing: str | None, deployment: Deployment) -> None:
    """Compare the outcome and the arguments of the cleanup step in all ways to run a pipeline."""
    there = deployment.execute(pipeline)
    arguments = cleaned_there(deployment, there)
    for options in IN_THIS_PROCESS:
        ended, here = cleaned_here(pipeline, {}, **options)
        assert here == arguments
        if failing is None:
            assert deployment.aws.values(there) == {
                name: ended.outputs[name] for name in pipeline.graph.terminals
            }
            assert ended.status["cleaned"] == "done"
        else:
            assert ended.step == failing
            assert ended.run.status["cleaned"] == "done"
    assert there.status == ("SUCCEEDED" if failing is None else "FAILED")
    if failing is not None:
        assert there.error == "Refused"


@given(made=routed(answered=True))
@settings(
    max_examples=8 * TIMES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_routed_cleanup_steps_agree(
    made: tuple[MicroFunctions, dict[str, Any], dict[str, Any]], deployment: Deployment
) -> None:
    """The cleanup step of a routed pipeline receives the latest state, here and there."""
    functions, data, answers = made
    pipeline = MicroFunctions.from_functions(functions, cleanup=library.cleaned_state)
    there = deployment.execute(pipeline, data, answers)
    arguments = cleaned_there(deployment, there)
    for options in ({}, {"strict": True}):
        ended, here = cleaned_here(pipeline, data, answers=answers, **options)
        assert here == arguments
        assert (there.error == "TooManySteps") == isinstance(ended, LoopError)


@step
def lock(name: str = "orders") -> dict[str, str]:
    return {"name": name}


@step
def load(held: Any) -> list[int]:
    return [1, 2]


@step
def refuses(rows: Any, text: str = "on purpose") -> Any:
    raise LookupError(text)


@step
def release(held: Any, rows: Any = ()) -> str:
    """Releases a lock."""
    print("CLEANED", run_context().run_id, repr((held, rows)))
    return "released"


@step
def tell(failure: dict[str, Any]) -> None:
    """Sends a notification."""
    print("TOLD " + __import__("json").dumps(failure))


@step(retry=RetryConfig(1, delay=0))
def worse(held: Any) -> None:
    print("CLEANED", run_context().run_id, repr(held))
    raise KeyError("own")


def notices(deployment: Deployment, pipeline: str) -> list[dict[str, Any]]:
    """Return the failure notices that a pipeline has sent."""
    lines = deployment.aws.logs(f"{pipeline}-tell")
    return [json.loads(one[5:]) for one in lines if one.startswith("TOLD ")]


def queued(deployment: Deployment, pipeline: str) -> list[dict[str, Any]]:
    """Return what is in a pipeline's dead-letter queue."""
    sqs = deployment.aws.client("sqs")
    url = sqs.get_queue_url(QueueName=f"{pipeline}-failures")["QueueUrl"]
    found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    return [json.loads(one["Body"]) for one in found]


def failing(name: str, cleanup: Any, **options: Any) -> Pipeline:
    """A pipeline whose last step fails; its first result is ``held``."""
    held = lock()
    return Pipeline(name, steps=[refuses(load(held))], cleanup=cleanup(held), **options)


def test_a_cleanup_that_fails_after_a_failure_is_reported(deployment: Deployment) -> None:
    """The run keeps its own error; that of the cleanup is a note, in the run and in the notice."""
    pipeline = failing("worse", worse, on_failure=tell)
    printed: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("builtins.print", lambda *texts: printed.append(" ".join(texts)))
        with pytest.raises(LookupError, match="on purpose") as caught:
            pipeline.local_run(wait_scale=0)
    run = caught.value.run
    assert run.status["worse"] == "failed"
    assert run.attempts["worse"] == 2
    assert isinstance(run.errors["worse"], KeyError)
    assert any("step 'worse' failed after 2 attempts" in one for one in caught.value.__notes__)
    *cleaned, told = printed
    here = json.loads(told.removeprefix("TOLD "))
    execution = deployment.execute(pipeline)
    assert (execution.status, execution.error) == ("FAILED", "LookupError")
    lines = [one for one in deployment.aws.logs("worse-worse") if one.startswith(MARK)]
    assert [one.split(" ", 2)[2] for one in (*cleaned, *lines)] == ["{'name': 'orders'}"] * 4
    (there,) = notices(deployment, "worse")
    for notice in (here, there):
        assert (notice["step"], notice["error"]) == ("refuses", "LookupError")
        assert notice["cleanup"]["error"] == "KeyError"
        assert json.loads(notice["cleanup"]["cause"])["errorMessage"] == "'own'"
    assert queued(deployment, "worse") == []


def test_a_cleanup_that_fails_after_success_fails_the_run(deployment: Deployment) -> None:
    """The run fails with the error of its cleanup, which is not called again."""
    held = lock()
    pipeline = Pipeline("late", steps=[load(held)], cleanup=worse(held), on_failure=tell)
    with pytest.raises(KeyError, match="own") as caught:
        pipeline.local_run(wait_scale=0)
    assert caught.value.run.outputs == {"lock": {"name": "orders"}, "load": [1, 2]}
    execution = deployment.execute(pipeline)
    assert (execution.status, execution.error) == ("FAILED", "KeyError")
    assert len([one for one in deployment.aws.logs("late-worse") if one.startswith(MARK)]) == 2
    (notice,) = notices(deployment, "late")
    assert (notice["step"], notice["error"]) == ("worse", "KeyError")
    assert "cleanup" not in notice


def without_payload(deployment: Deployment, pipeline: Pipeline, state: str) -> str:
    """Register a pipeline in which a state fails with an error that cannot be caught."""
    aws = deployment.aws
    machine = aws.register(pipeline)
    described = aws.client("stepfunctions").describe_state_machine(stateMachineArn=machine)
    known = json.loads(described["definition"])
    known["States"][state]["Parameters"] = {"Payload.$": "$.missing"}
    aws.create_state_machine(pipeline.name, known)
    return machine


def until(found: Callable[[], Any]) -> Any:
    """Return what a function returns once it is true."""
    for _ in range(400):
        known = found()
        if known:
            return known
        threading.Event().wait(0.05)
    raise AssertionError("nothing was found")


@step
def freed(lock: Any, name: str, mode: str = "all") -> None:
    """Releases what a parameter of the run names."""
    context = run_context()
    print("CLEANED", context.run_id, repr((lock, name, mode, context.step, context.parameters)))


@flow(cleanup=freed)
def locking(name: str = "orders", mode: str = "all") -> Any:
    return lock(name).next(refuses)


@pytest.mark.parametrize("ending", ["runtime", "abort"])
def test_what_no_state_can_catch_leads_to_cleanup(deployment: Deployment, ending: str) -> None:
    """The step is called once, with the run's parameters, but without results."""
    aws, pipeline = deployment.aws, locking.named(f"uncaught-{ending}")
    states = aws.client("stepfunctions")
    given = {"name": "bills"}
    if ending == "runtime":
        machine = without_payload(deployment, pipeline, "refuses")
        execution = aws.execute(machine, given)
        assert execution.error == "States.Runtime"
        arn = execution.arn
    else:
        machine = aws.register(pipeline)
        described = states.describe_state_machine(stateMachineArn=machine)
        known = json.loads(described["definition"])
        longest = {"Type": "Wait", "Seconds": 99_999_999, "Next": "freed"}
        known["States"]["refuses"] = longest
        aws.create_state_machine(pipeline.name, known)
        arn = states.start_execution(stateMachineArn=machine, input=json.dumps(given))[
            "executionArn"
        ]
        until(lambda: "WaitStateEntered" in str(states.get_execution_history(executionArn=arn)))
        states.stop_execution(executionArn=arn)
    name = f"uncaught-{ending}-freed"
    (line,) = until(lambda: [one for one in aws.logs(name) if one.startswith(MARK)])
    parameters = {"name": "bills", "mode": "all"}
    expected = (None, "bills", "all", "freed", parameters)
    assert line == f"CLEANED {arn.rpartition(':')[2]} {expected!r}"
    assert queued(deployment, pipeline.name) == []


@step
def slow(held: Any) -> None:
    time.sleep(60)


def test_the_time_limit_of_a_pipeline_leads_to_cleanup(deployment: Deployment) -> None:
    """After timeout_seconds= the step is called once without results, here and there."""
    held = lock()
    pipeline = Pipeline("limited", steps=[slow(held)], cleanup=release(held), timeout_seconds=3)
    printed: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("builtins.print", lambda *texts: printed.append(" ".join(texts)))
        with pytest.raises(RunTimeoutError) as caught:
            pipeline.local_run()
    (line,) = printed
    assert line.split(" ", 2)[2] == "(None, ())"
    assert caught.value.run.status["release"] == "done"
    execution = deployment.execute(pipeline)
    assert execution.status == "TIMED_OUT"

    def lines() -> list[str]:
        known = deployment.aws.logs("limited-release")
        return [one for one in known if one.startswith(MARK)]

    (there,) = until(lines)
    assert there.split(" ", 2)[2] == "(None, ())"


def test_the_rule_repeats_no_cleanup(deployment: Deployment) -> None:
    """After a failure that a state has caught, the step ran once, also after a second event."""
    pipeline = failing("once-cleaned", release)
    execution = deployment.execute(pipeline)
    assert execution.error == "LookupError"
    detail = {
        "executionArn": execution.arn,
        "name": execution.name,
        "status": "FAILED",
        "error": execution.error,
        "redriveCount": 1,  # an event whose notice was not sent
    }
    answer = deployment.aws.client("lambda").invoke(
        FunctionName="once-cleaned--notices", Payload=json.dumps({"detail": detail})
    )
    assert json.loads(answer["Payload"].read()) == "sent"
    lines = [one for one in deployment.aws.logs("once-cleaned-release") if one.startswith(MARK)]
    assert [one.split(" ", 2)[2] for one in lines] == ["({'name': 'orders'}, ())"]


def test_an_uncaught_error_and_a_failed_cleanup_are_in_the_queue(deployment: Deployment) -> None:
    """A cleanup step that the rule calls in vain is retried, and its event kept."""
    pipeline = failing("in-vain", worse, on_failure=tell)
    machine = without_payload(deployment, pipeline, "load")
    assert deployment.aws.execute(machine).error == "States.Runtime"
    (event,) = until(lambda: queued(deployment, "in-vain"))
    assert "step 'worse': KeyError" in json.dumps(event)
    (notice,) = notices(deployment, "in-vain")
    assert (notice["step"], notice["cleanup"]["error"]) == ("load", "KeyError")
    assert len([one for one in deployment.aws.logs("in-vain-worse") if one.startswith(MARK)]) == 2


def test_every_style_takes_a_cleanup() -> None:
    """Pipeline, flow, DAG, Flow and MicroFunctions run it; no result contains its own."""
    seen: list[Any] = []

    @task()
    def held() -> str:
        return "lock"

    @task()
    def free(held: Any) -> None:
        seen.append(held)

    @step
    def freeing(held: Any, more: int = 1) -> None:
        seen.append((held, more))

    functions = MicroFunctions("begin", name="routed", cleanup=freeing)

    @functions.fn(terminates=True)
    def begin(held: str) -> Any:
        return {"held": held + "ed", "done": True}

    made = [
        DAG("drawn", tasks=[held], cleanup=free),
        DAG("variables", cleanup=free),
        Flow("built", cleanup=free).add(held),
    ]
    for pipeline in made:
        seen.clear()
        assert pipeline.local_run().outputs == {"held": "lock"}
        assert seen == ["lock"]
        assert [one.name for one in pipeline.definition.steps] == ["held", "free"]
    seen.clear()
    assert functions.run(held="lock") == {"held": "locked", "done": True}
    assert seen == [("locked", 1)]


def test_an_interrupt_leads_to_cleanup() -> None:
    """After Ctrl-C the step is called as after an abort in AWS: without results."""
    seen: list[Any] = []

    @step
    def interrupts(held: Any) -> None:
        raise KeyboardInterrupt

    @step
    def freeing(held: Any, rows: int = 1) -> None:
        seen.append((held, rows))

    held = lock()
    pipeline = Pipeline("interrupted", steps=[interrupts(held)], cleanup=freeing(held, rows=2))
    for executor in ("thread", "sequential"):
        seen.clear()
        with pytest.raises(KeyboardInterrupt):
            pipeline.local_run(executor=executor)
        assert seen == [(None, 2)]


def test_a_state_never_replaces_a_cleanup(tmp_path: Path) -> None:
    """With results of an earlier run, all other steps are cached, and cleanup runs again."""
    path = tmp_path / "cleanups"

    @step
    def counts(held: Any, path: str) -> None:
        with Path(path).open("a") as file:
            file.write("x")

    held = lock()
    pipeline = Pipeline("kept", steps=[load(held)], cleanup=counts(held, str(path)))
    for _ in range(2):
        run = pipeline.local_run(state=tmp_path / "state")
    assert run.status == {"lock": "cached", "load": "cached", "counts": "done"}
    assert path.read_text() == "xx"


def test_processes_run_a_cleanup() -> None:
    """With processes, results of other processes are passed to the step, or None."""
    ended, here = cleaned_here(failing("processes", release), {}, executor="process")
    assert here == "({'name': 'orders'}, ())"
    assert ended.run.status["release"] == "done"


def test_parts_of_a_result_that_does_not_exist_are_none(deployment: Deployment) -> None:
    """A part, alone or in a list, is None if the whole is."""
    rows = refuses(lock())
    cleanup = library.cleaned(rows["name"], [rows[0]["id"], 1])
    pipeline = Pipeline("parts-cleaned", steps=[load(rows)], cleanup=cleanup)
    there = deployment.execute(pipeline)
    for options in ({}, {"strict": True}):
        _, here = cleaned_here(pipeline, {}, **options)
        assert here == cleaned_there(deployment, there) == "((None, [None, 1]), {})"


@step
def unknown(lock: Any, lok: Any) -> None: ...


@step(job_type="batch")
def in_batch(lock: Any) -> None: ...


@step(poll=5)
def polls(lock: Any) -> None: ...


@step(catch=ValueError)
def catches(lock: Any) -> None: ...


@step(name="load")
def namesake(lock: Any) -> None: ...


HELD = lock()


@pytest.mark.parametrize(
    ("cleanup", "says"),
    [
        (5, "neither a step nor a call"),
        (unknown, "'lok' of cleanup step 'unknown' is neither a result nor"),
        (release, "'held' of cleanup step 'release' is neither a result nor"),
        (in_batch, "is a job of Batch"),
        (polls, "polls, but must run"),
        (catches, "has catch="),
        (namesake, "cleanup is a step named 'load'"),
        (release(lock()), "is not part of the pipeline"),
        (load(HELD).map(release), "must be a step or a call"),
        (release(HELD, catch=KeyError), "has catch="),
    ],
)
def test_a_cleanup_that_cannot_run_is_refused(cleanup: Any, says: str) -> None:
    """It is an error with its place, where the pipeline is written."""
    with pytest.raises(LokkiError, match=rf"{says}(.|\n)*test_cleanups.py:\d+"):
        Pipeline("refused", steps=[load(HELD)], cleanup=cleanup)


def test_a_routed_cleanup_that_cannot_run_is_refused() -> None:
    """A parameter that no step passes is an error with its place."""
    functions = MicroFunctions("begin", name="routed", cleanup=unknown)

    @functions.fn(terminates=True)
    def begin(lock: str) -> Any:
        return {"done": True}

    with pytest.raises(LokkiError, match=r"'lok' of cleanup step(.|\n)*test_cleanups.py:\d+"):
        _ = functions.definition


def test_a_pipeline_with_a_cleanup_is_no_part_of_another() -> None:
    """Its steps would run without the cleanup, so it is an error with its place."""
    held = lock()
    inner = Pipeline("inner", steps=[load(held)], cleanup=release(held))
    with pytest.raises(LokkiError, match=r"with cleanup=(.|\n)*test_cleanups.py:\d+"):
        Pipeline("outer", steps=[inner()])
