"""A limit of runs: local runs and executions that begin while it is reached behave alike."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lokki_tf import (
    DAG,
    MicroFunctions,
    Parameter,
    Pipeline,
    PipelineFailed,
    flow,
    start_pipeline,
    step,
    task,
)
from lokki_tf.config import load_config
from lokki_tf.errors import AlreadyRunning, AwsError, BindingError, RunTimeoutError
from lokki_tf.operate import redriving, runs
from lokki_tf.operate.backfill_values import BackfillValue
from lokki_tf.operate.backfilling import backfill, found_runs, planned
from lokki_tf.operate.clients import Aws
from lokki_tf.operate.deployed import Deployed
from lokki_tf.operate.stack import Stack
from lokki_tf.pipeline.backfills import local_backfill
from lokki_tf.runtime import locks
from lokki_tf.runtime.busy import CHECK
from lokki_tf.runtime.store import split
from lokki_tf.testing import LocalAws

if TYPE_CHECKING:
    from lokki_tf.local import Run

BEHAVIOURS = ("queue", "skip", "fail")
LOCAL = ({}, {"strict": True})


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    """An account in which an execution that waits tries again every quarter of a second."""
    with LocalAws(retry_delay_scale=0.05) as account:
        yield account


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def until_open(gate: str) -> str:
    """Wait until a file exists; one that does not exist after twenty seconds is an error."""
    for _ in range(2000):
        if not gate or Path(gate).exists():
            return "held"
        time.sleep(0.01)
    raise LookupError("the gate was not opened")


@step
def hold(gate: str = "") -> str:
    return until_open(gate)


@step
def tell(failure: dict[str, Any]) -> None:
    print("TOLD", failure["error"], failure["step"])


@step
def tidy(hold: str | None) -> None:
    print("TIDIED", hold)


def calls(name: str, **options: Any) -> Pipeline:
    return Pipeline(name, [hold(Parameter("gate", str, default=""))], **options)


def chains(name: str, **options: Any) -> Pipeline:
    @flow(name=name, **options)
    def chained(gate: str = "") -> Any:
        return hold(gate=gate)

    return chained


def operators(name: str, **options: Any) -> Pipeline:
    @task
    def hold(gate: str) -> str:
        return until_open(gate)

    return DAG(name, tasks=[hold], **options)


def routes(name: str, **options: Any) -> Pipeline:
    pipe = MicroFunctions("begin", name=name, **options)

    @pipe.fn(terminates=True)
    def begin(gate: str = "") -> dict[str, str]:
        return {"gate": until_open(gate)}

    return pipe


STYLES: Mapping[str, Callable[..., Pipeline]] = {
    "calls": calls,
    "chains": chains,
    "operators": operators,
    "routes": routes,
}


class Holder:
    """A local run in another thread that has begun, and ends when its gate opens."""

    def __init__(self, pipeline: Pipeline, gate: Path, **options: Any) -> None:
        self.gate, begun = gate, threading.Event()

        def on_event(event: Any) -> None:
            if event.kind == "step_started":
                begun.set()

        given = {"gate": str(gate)}
        self.thread = threading.Thread(
            target=pipeline.local_run, args=(given,), kwargs={"on_event": on_event, **options}
        )
        self.thread.start()
        assert begun.wait(60)

    def open(self) -> None:
        """Let the run end."""
        self.gate.touch()
        self.thread.join()


def entered(aws: LocalAws, arn: str) -> list[str]:
    """Return the states that an execution has entered so far."""
    history = aws.client("stepfunctions").get_execution_history(executionArn=arn)["events"]
    return [
        one["stateEnteredEventDetails"]["name"]
        for one in history
        if one["type"].endswith("StateEntered")
    ]


def until(holds: Callable[[], Any]) -> Any:
    """Return what a function returns once it is true."""
    for _ in range(1200):
        found = holds()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("it did not happen")


class Holding:
    """An execution that holds a slot, until its gate opens."""

    def __init__(self, aws: LocalAws, machine: str, gate: Path, name: str = "holder") -> None:
        self.aws, self.gate, self.states = aws, gate, aws.client("stepfunctions")
        text = json.dumps({"gate": str(gate)})
        started = self.states.start_execution(stateMachineArn=machine, name=name, input=text)
        self.arn = started["executionArn"]
        until(lambda: len(entered(aws, self.arn)) > 1)

    @property
    def status(self) -> str:
        """The execution's status."""
        return str(self.states.describe_execution(executionArn=self.arn)["status"])

    def open(self) -> None:
        """Let the execution end."""
        self.gate.touch()
        self.ended()

    def ended(self) -> str:
        """Return its status at its end."""
        return str(until(lambda: self.status != "RUNNING" and self.status))


def outcome_here(pipeline: Pipeline, holder: Holder, **options: Any) -> Any:
    """Return how a local run ends that begins while another holds the slot."""

    def on_event(event: Any) -> None:
        if event.kind == "wait_started":
            holder.gate.touch()

    try:
        run: Run = pipeline.local_run({"gate": ""}, on_event=on_event, **options)
    except AlreadyRunning as error:
        nothing = dict.fromkeys(error.run.status, "not run") == error.run.status
        return type(error).__name__, nothing and error.message.partition(":")[0]
    finally:
        holder.open()
    if run.busy is not None:
        assert set(run.status.values()) == {"skipped"}
        return "skipped", run.result, run.busy.partition(":")[0]
    return "done", run.result


def outcome_there(aws: LocalAws, pipeline: Pipeline, gate: Path) -> Any:
    """Return how an execution ends that begins while another holds the slot."""
    machine = aws.register(pipeline)
    holder, states = Holding(aws, machine, gate), aws.client("stepfunctions")
    arn = states.start_execution(
        stateMachineArn=machine, name="second", input=json.dumps({"gate": ""})
    )["executionArn"]

    def refused() -> bool:
        history = states.get_execution_history(executionArn=arn)["events"]
        return any(one["type"] == "TaskFailed" for one in history)

    until(refused)
    if pipeline.definition.when_busy == "queue":
        assert states.describe_execution(executionArn=arn)["status"] == "RUNNING"
        holder.open()
    run = until(lambda: (one := runs.describe(deployed(aws, pipeline), arn)).ended and one)
    holder.open()
    assert holder.status == "SUCCEEDED"
    if run.status == "FAILED":
        message = json.loads(run.cause)["errorMessage"]
        assert message == f"another run of {pipeline.name!r} is going on: holder"
        return run.error, message.partition(":")[0]
    from lokki_tf.operate.results import result

    value = result(deployed(aws, pipeline), run)
    if run.busy is not None:
        assert run.busy.endswith(": holder")
        return "skipped", value, run.busy.partition(":")[0]
    return "done", value


def deployed(aws: LocalAws, pipeline: Pipeline) -> Deployed:
    """Return a pipeline on the local AWS for commands."""
    config = load_config()
    local = replace(config.aws, endpoint=aws.endpoint_url, region=aws.region)
    stack = Stack.of(pipeline.definition, replace(config, aws=local))
    arn = f"arn:aws:states:{aws.region}:123456789012:stateMachine:{pipeline.name}"
    return Deployed(stack, arn, {}, Aws(stack.config))


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_runs_and_executions_agree_while_another_is_going_on(
    style: str, behaviour: str, aws: LocalAws, tmp_path: Path
) -> None:
    """A second run waits, is skipped, or fails, in every style, here and there."""
    options = {"max_concurrent_runs": 1, "when_busy": behaviour}
    pipeline = STYLES[style](f"one-{style}-{behaviour}", **options)
    here = [
        outcome_here(pipeline, Holder(pipeline, tmp_path / f"here{number}"), **ways)
        for number, ways in enumerate(LOCAL)
    ]
    there = outcome_there(aws, pipeline, tmp_path / "there")
    assert here == [there] * len(LOCAL)
    busy = f"another run of {pipeline.name!r} is going on"
    held = {"gate": "held"} if style == "routes" else "held"
    assert (
        there
        == {
            "queue": ("done", held),
            "skip": ("skipped", None, busy),
            "fail": ("AlreadyRunning", busy),
        }[behaviour]
    )


def test_two_runs_have_two_slots(aws: LocalAws, tmp_path: Path) -> None:
    """max_concurrent_runs=2 lets two run; the message of the third names both."""
    pipeline = calls("two", max_concurrent_runs=2, when_busy="fail")
    holders = [Holder(pipeline, tmp_path / f"here{number}") for number in range(2)]
    with pytest.raises(AlreadyRunning, match=r"2 runs of 'two' are going on: .*, .*"):
        pipeline.local_run()
    holders[0].open()
    assert pipeline.local_run().result == "held"
    holders[1].open()
    machine = aws.register(pipeline)
    there = [Holding(aws, machine, tmp_path / name, name) for name in ("a", "b")]
    refused = aws.execute(machine)
    assert refused.error == "AlreadyRunning"
    assert "2 runs of 'two' are going on: a, b" in (refused.cause or "")
    there[0].open()
    assert aws.execute(machine).succeeded
    there[1].open()


@pytest.mark.parametrize("ending", ["abort", "timeout", "failure"])
def test_a_slot_outlives_no_ending(ending: str, aws: LocalAws, tmp_path: Path) -> None:
    """After an abort, a timeout or a failure of its holder, the slot is free at once."""
    limit = {"timeout_seconds": 3} if ending == "timeout" else {}
    pipeline = calls(f"ending-{ending}", max_concurrent_runs=1, when_busy="fail", **limit)
    machine = aws.register(pipeline)
    holder = Holding(aws, machine, tmp_path / "never")
    assert aws.execute(machine).error == "AlreadyRunning"
    if ending == "abort":
        holder.states.stop_execution(executionArn=holder.arn)
    status = {"abort": "ABORTED", "timeout": "TIMED_OUT", "failure": "FAILED"}[ending]
    assert holder.ended() == status
    assert aws.execute(machine).succeeded
    here = Holder(pipeline, tmp_path / "here")
    here.open()
    assert pipeline.local_run().result == "held"


def test_of_many_executions_at_once_one_runs(aws: LocalAws, tmp_path: Path) -> None:
    """Executions that start at the same moment never run together, and all run in the end."""

    @step
    def alone(folder: str) -> int:
        marks = Path(folder)
        (marks / "in").mkdir()  # an error if another one is in it
        time.sleep(0.05)
        (marks / "in").rmdir()
        return 1

    pipeline = Pipeline("crowd", [alone(Parameter("folder", str))], max_concurrent_runs=1)
    machine, found = aws.register(pipeline), []
    given = {"folder": str(tmp_path)}
    threads = [
        threading.Thread(target=lambda: found.append(aws.execute(machine, given).succeeded))
        for _ in range(6)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert found == [True] * 6


@pytest.mark.parametrize("behaviour", ["skip", "fail"])
def test_cleanup_does_not_follow_where_nothing_ran(
    behaviour: str, aws: LocalAws, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A skipped run calls neither step; one that fails calls on_failure= only."""
    pipeline = calls(
        f"after-{behaviour}",
        max_concurrent_runs=1,
        when_busy=behaviour,
        on_failure=tell,
        cleanup=tidy,
    )
    told = [f"TOLD AlreadyRunning {CHECK}"] if behaviour == "fail" else []
    outcome_here(pipeline, Holder(pipeline, tmp_path / "here"))
    assert capfd.readouterr().out.splitlines() == [*told, "TIDIED held"]  # the holder's
    outcome_there(aws, pipeline, tmp_path / "there")
    if told:
        until(lambda: [one for one in aws.logs(f"{pipeline.name}-tell") if "TOLD" in one])
    logs = [*aws.logs(f"{pipeline.name}-tell"), *aws.logs(f"{pipeline.name}-tidy")]
    assert [one for one in logs if one.startswith(("TOLD", "TIDIED"))] == [*told, "TIDIED held"]


def test_an_execution_that_is_aborted_while_it_waits_is_not_cleaned_up(
    aws: LocalAws, tmp_path: Path
) -> None:
    """Its notice names the state in which it waited."""
    pipeline = calls("waited", max_concurrent_runs=1, on_failure=tell, cleanup=tidy)
    machine = aws.register(pipeline)
    holder, states = Holding(aws, machine, tmp_path / "gate"), aws.client("stepfunctions")
    arn = states.start_execution(stateMachineArn=machine, input="{}")["executionArn"]
    until(lambda: entered(aws, arn))
    states.stop_execution(executionArn=arn)
    told = f"TOLD Aborted {CHECK}"
    assert until(lambda: [one for one in aws.logs("waited-tell") if "TOLD" in one]) == [told]
    assert [one for one in aws.logs("waited-tidy") if "TIDIED" in one] == []
    holder.open()


def test_the_time_limit_includes_the_wait(aws: LocalAws, tmp_path: Path) -> None:
    """A run that waits longer than timeout_seconds= of its pipeline fails, here and there."""
    pipeline = calls("hurried", max_concurrent_runs=1, timeout_seconds=1)
    patient = calls("hurried", max_concurrent_runs=1)
    holder = Holder(patient, tmp_path / "here")
    with pytest.raises(RunTimeoutError) as caught:
        pipeline.local_run()
    assert caught.value.run.status == {"hold": "not run"}
    holder.open()
    there = Holding(aws, aws.register(patient), tmp_path / "there")
    assert aws.execute(aws.register(pipeline)).status == "TIMED_OUT"
    there.open()


CHILDREN = {
    behaviour: calls(f"child-{behaviour}", max_concurrent_runs=1, when_busy=behaviour)
    for behaviour in BEHAVIOURS
}


@pytest.mark.parametrize("behaviour", ["skip", "fail"])
def test_started_pipelines_have_the_limit(behaviour: str, aws: LocalAws, tmp_path: Path) -> None:
    """start_pipeline() of a busy pipeline has the result None, or raises PipelineFailed."""
    child = CHILDREN[behaviour]
    parent = Pipeline(f"parent-{behaviour}", [start_pipeline(child.name)])
    holder, here = Holder(child, tmp_path / "here"), None
    busy = f"another run of {child.name!r} is going on"
    try:
        for ways in LOCAL:
            here = parent.local_run(**ways).result
    except PipelineFailed as error:  # the step's own error, also
        here = str(error.__cause__).rpartition(":")[0]
    finally:
        holder.open()
    machine = aws.register(parent)
    there = Holding(aws, machine.replace(parent.name, child.name), tmp_path / "there")
    execution = aws.execute(machine)
    there.open()
    if behaviour == "skip":
        assert here is None
        assert aws.values(execution) == {child.name: None}
    else:
        assert here == f"pipeline {child.name!r} failed: AlreadyRunning: {busy}"
        assert execution.error == "PipelineFailed"
        assert f"{here}: holder" in json.loads(execution.cause or "")["errorMessage"]


def slot(aws: LocalAws, pipeline: Pipeline) -> dict[str, Any]:
    """Return what the slot of a pipeline contains."""
    bucket, _ = split(f"{deployed(aws, pipeline).store}/")
    body = aws.client("s3").get_object(Bucket=bucket, Key="locks/0.json")["Body"].read()
    found: dict[str, Any] = json.loads(body)
    return found


@step
def gated(gate: str) -> str:
    if not Path(gate).exists():
        raise LookupError("the gate is shut")
    return "done"


@step
def pause(gated: str, gate: str) -> str:
    return until_open(f"{gate}-2")


def redrivable(name: str) -> Pipeline:
    gate = Parameter("gate", str)
    return Pipeline(name, [pause(gated(gate), gate)], max_concurrent_runs=1, when_busy="fail")


def test_a_redrive_takes_a_slot(aws: LocalAws, tmp_path: Path) -> None:
    """It is refused while another run is going on; afterwards others find its slot held."""
    pipeline = redrivable("redriven")
    machine, there = aws.register(pipeline), deployed(aws, pipeline)
    failed = aws.execute(machine, {"gate": str(tmp_path / "a")}, name="failed")
    assert failed.error == "LookupError"
    (tmp_path / "b").touch()
    states = aws.client("stepfunctions")
    given = json.dumps({"gate": str(tmp_path / "b")})
    other = states.start_execution(stateMachineArn=machine, name="other", input=given)
    until(lambda: "pause" in entered(aws, other["executionArn"]))
    with pytest.raises(AwsError, match="cannot be redriven: another run of 'redriven' is going on"):
        redriving.redrive(there, runs.describe(there, "failed"))
    (tmp_path / "b-2").touch()
    until(lambda: not runs.describe(there, "other").is_running)
    assert slot(aws, pipeline)["execution"] == other["executionArn"]
    (tmp_path / "a").touch()
    redriving.redrive(there, runs.describe(there, "failed"))
    assert slot(aws, pipeline).items() >= {"execution": failed.arn, "redrives": 1}.items()
    until(lambda: "pause" in entered(aws, failed.arn))
    assert aws.execute(machine, {"gate": str(tmp_path / "b")}).error == "AlreadyRunning"
    (tmp_path / "a-2").touch()
    ended = until(lambda: (one := runs.describe(there, "failed")).ended and one)
    assert ended.status == "SUCCEEDED"
    assert aws.execute(machine, {"gate": str(tmp_path / "b")}).succeeded


def test_a_slot_is_held_between_its_write_and_the_redrive(
    aws: LocalAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a minute, a slot that was written for a redrive counts as held; later it is free."""
    pipeline = redrivable("early")
    machine, there = aws.register(pipeline), deployed(aws, pipeline)
    failed = aws.execute(machine, {"gate": str(tmp_path / "a")}, name="failed")
    slots = locks.Slots(aws.client("s3"), aws.client("stepfunctions"), there.store)
    assert slots.take(1, failed.arn, 1) == []
    for name in ("a", "a-2"):
        (tmp_path / name).touch()
    refused = aws.execute(machine, {"gate": str(tmp_path / "a")}, name="refused")
    assert (refused.error, "failed" in (refused.cause or "")) == ("AlreadyRunning", True)
    assert slots.take(1, refused.arn, 0) == [failed.arn]
    monkeypatch.setattr(locks, "FRESH", 0)
    assert slots.take(1, refused.arn, 0) == []


def test_a_run_that_failed_because_another_was_going_on_is_redriven(
    aws: LocalAws, tmp_path: Path
) -> None:
    """Its first state runs again, with the slot that the command has taken; also with cleanup=."""
    pipeline = calls("again", max_concurrent_runs=1, when_busy="fail", cleanup=tidy)
    machine, there = aws.register(pipeline), deployed(aws, pipeline)
    holder = Holding(aws, machine, tmp_path / "gate")
    refused = aws.execute(machine, name="refused")
    assert refused.error == "AlreadyRunning"
    holder.open()
    redriving.redrive(there, runs.describe(there, "refused"))
    ended = until(lambda: (one := runs.describe(there, "refused")).ended and one)
    assert (ended.status, ended.redrives) == ("SUCCEEDED", 1)


@step
def intrudes(bucket: str) -> str:
    import boto3
    from botocore.exceptions import ClientError

    try:
        boto3.client("s3").put_object(Bucket=bucket, Key="locks/0.json", Body=b"{}")
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return "written"


def test_steps_cannot_write_slots(aws: LocalAws) -> None:
    """The role of a step allows no object outside of its own folder."""
    pipeline = Pipeline("intruder", [intrudes(Parameter("bucket", str))], max_concurrent_runs=1)
    bucket, _ = split(f"{deployed(aws, pipeline).store}/")
    assert aws.values(aws.run(pipeline, {"bucket": bucket})) == {"intrudes": "AccessDenied"}


def test_a_part_of_another_pipeline_has_no_limit_of_its_own() -> None:
    """Its executions are those of the other one, so the option is refused."""
    part = calls("limited", max_concurrent_runs=1)
    with pytest.raises(BindingError, match="'limited' is a pipeline with max_concurrent_runs="):
        part(gate="")


def test_a_backfill_reports_values_that_were_skipped(aws: LocalAws, tmp_path: Path) -> None:
    """Their runs have not succeeded: --again starts them, here and there."""
    pipeline = calls("backfilled", max_concurrent_runs=1, when_busy="skip")
    machine, there = aws.register(pipeline), deployed(aws, pipeline)
    value = BackfillValue("", "")

    def skipped(outcomes: Any) -> list[tuple[str, bool]]:
        return [(one.status, "another run" in (one.error or "")) for one in outcomes]

    def backfilled(*, again: bool) -> list[tuple[str, bool]]:
        runs = found_runs(there, planned([value], "gate", {}, None))
        return skipped(one.outcome for one in backfill(there, runs, most=1, again=again))

    holder = Holder(pipeline, tmp_path / "here")
    assert skipped(local_backfill(pipeline, [value], "gate", {})) == [("SKIPPED", True)]
    holder.open()
    assert skipped(local_backfill(pipeline, [value], "gate", {})) == [("SUCCEEDED", False)]
    holding = Holding(aws, machine, tmp_path / "there")
    assert backfilled(again=False) == [("SKIPPED", True)]
    holding.open()
    assert backfilled(again=False) == [("SKIPPED", True)]
    assert backfilled(again=True) == [("SUCCEEDED", False)]
    assert backfilled(again=True) == [("SUCCEEDED", False)]
