"""Failure notices: who receives them, and their content, locally and as deployed."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
from hypothesis import strategies as st

from lokki_tf import DAG, Flow, MicroFunctions, Pipeline, flow, step, task
from lokki_tf.config import load_config
from lokki_tf.errors import LokkiError, StepFailed
from lokki_tf.runtime.failures import fitted

if TYPE_CHECKING:
    from pathlib import Path

    from deployment import Deployment

    from lokki_tf.testing import Execution, LocalAws

TOLD: list[dict[str, Any]] = []


@step
def tell(failure: dict[str, Any]) -> None:
    """Sends a notification."""
    print("TOLD " + __import__("json").dumps(failure))


@step
def told_here(failure: dict[str, Any]) -> None:
    TOLD.append(failure)


@step
def numbers(count: int = 3) -> list[int]:
    return list(range(count))


@step
def fails(item: Any, text: str = "on purpose") -> Any:
    if item in (2, [0, 1, 2]):
        raise LookupError(text)
    return item


@step
def together(*parts: Any) -> Any:
    return parts


@flow(on_failure=tell)
def mapped(count: int = 3):
    return numbers(count).map(fails).agg(together)


@flow(on_failure=tell)
def inline(count: int = 3):
    return numbers(count).map(fails, mode="inline").agg(together)


def beside() -> Pipeline:
    rows = numbers()
    ends = [fails(rows), together(rows)]
    return Pipeline("beside", steps=[together(*ends)], on_failure=tell)


def looping() -> MicroFunctions:
    functions = MicroFunctions("begin", max_steps=4, name="looping", on_failure=tell)

    @functions.fn()
    def begin(count: int = 0) -> Any:
        return {"$next": "again", "count": count + 1}

    @functions.fn(terminates=True)
    def again(count: int) -> Any:
        if count < 0:
            return {"done": True}
        return {"$next": "begin", "count": count}

    return functions


def stumbling() -> MicroFunctions:
    functions = MicroFunctions("begin", name="stumbling", on_failure=tell)

    @functions.fn()
    def begin(count: int = 0) -> Any:
        return {"$next": "stumble", "count": count}

    @functions.fn(terminates=True)
    def stumble(count: int) -> Any:
        raise ArithmeticError(f"at {count}")

    return functions


@step(job_type="batch")
def refuses(rows: list[int]) -> None:
    raise OverflowError(f"too many: {rows}")


def told_there(deployment: Deployment, execution: Execution) -> list[dict[str, Any]]:
    """The notices with which the step ``tell`` was called for an execution."""
    pipeline = execution.arn.split(":")[6]
    lines = deployment.aws.logs(f"{pipeline}-tell")
    found = [json.loads(one[5:]) for one in lines if one.startswith("TOLD ")]
    return [one for one in found if one["execution"] == execution.arn]


def run_here(pipeline: Any, given: dict[str, Any]) -> tuple[LokkiError, dict[str, Any]]:
    """The error of a local run, and the failures that it notified of."""
    printed: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("builtins.print", printed.append)
        with pytest.raises(LokkiError) as caught:
            pipeline.local_run(given)
    (line,) = printed
    return caught.value, json.loads(line.removeprefix("TOLD "))


@pytest.mark.parametrize(
    ("make", "given", "state", "error"),
    [
        (
            lambda: Pipeline("plain", steps=[fails(numbers())], on_failure=tell),
            {},
            "fails",
            "LookupError",
        ),
        (beside, {}, "fails", "LookupError"),
        (lambda: inline, {"count": 4}, "fails", "LookupError"),
        (stumbling, {"count": 7}, "stumble", "ArithmeticError"),
        (
            lambda: Pipeline("heavy", steps=[refuses(numbers())], on_failure=tell),
            {},
            "refuses",
            "OverflowError",
        ),
        (looping, {"count": 1}, "begin", "TooManySteps"),
    ],
    ids=["step", "branch", "inline map", "route", "job", "loop"],
)
def test_local_runs_and_executions_send_the_same_notice(
    deployment: Deployment, make: Any, given: dict[str, Any], state: str, error: str
) -> None:
    """Step, error, message and input are the same; the execution still fails as it would."""
    pipeline = make()
    _, here = run_here(pipeline, given)
    execution = deployment.execute(pipeline, given)
    (there,) = told_there(deployment, execution)
    for told in (here, there):
        assert list(told) == [
            *("pipeline", "execution", "step", "error", "cause", "input", "redriveCount")
        ]
        assert told["redriveCount"] == 0
        assert told["pipeline"] == pipeline.name
        assert (told["step"], told["error"]) == (state, error)
        assert told["input"] == given
    causes = [json.loads(told["cause"]) for told in (here, there)]
    assert causes[0]["errorType"] == causes[1]["errorType"] == error
    if error != "TooManySteps":
        assert causes[0]["errorMessage"] == causes[1]["errorMessage"]
    assert (here["execution"], there["execution"]) == ("local", execution.arn)
    assert execution.status == "FAILED"
    assert (execution.error, execution.cause) == (there["error"], there["cause"])


class Missing(FileNotFoundError): ...


@step(retry={"retries": 1, "delay": 0.01, "exceptions": (OSError, ConnectionError)})
def looks(kind: str) -> None:
    raise {"missing": Missing, "gone": FileNotFoundError, "reset": ConnectionResetError}[kind]("no")


@pytest.mark.parametrize(
    ("kind", "error"),
    [("missing", "Missing"), ("gone", "FileNotFoundError"), ("reset", "ConnectionResetError")],
)
def test_an_error_keeps_its_name_where_a_base_is_retried(
    deployment: Deployment, kind: str, error: str
) -> None:
    """Error, cause and message are those of the class that was raised, here and there."""
    pipeline = Pipeline(f"named-{kind}", steps=[looks(kind)], on_failure=tell)
    _, here = run_here(pipeline, {})
    execution = deployment.execute(pipeline)
    (there,) = told_there(deployment, execution)
    assert execution.error == ("ConnectionError" if kind == "reset" else "OSError")
    for told in (here, there):
        assert told["error"] == json.loads(told["cause"])["errorType"] == error
        assert json.loads(told["cause"])["errorMessage"] == "no"


def test_a_failed_map_has_the_error_name_of_aws(deployment: Deployment) -> None:
    """A Distributed Map fails by its threshold; a local run reports the item's own error."""
    _, here = run_here(mapped, {"count": 5})
    assert (here["step"], here["error"], here["input"]) == (
        "fails_map",
        "LookupError",
        {"count": 5},
    )
    execution = deployment.execute(mapped, {"count": 5})
    (there,) = told_there(deployment, execution)  # and none for the item's own execution
    assert (there["step"], there["input"]) == ("fails_map", {"count": 5})
    assert there["error"] == execution.error == "States.ExceedToleratedFailureThreshold"


def test_settings_reach_the_notified_step(tmp_path: Path) -> None:
    """What [lambda] gives a step it gives that one too, in a graph and in routes."""
    (tmp_path / "lokki.toml").write_text("[lambda]\nmemory_size = 2048\n")
    config = load_config(tmp_path, environ={})
    for pipeline in (beside(), stumbling()):
        made = pipeline.synth(tmp_path, config=config)
        written = json.loads((made.folder / "cdk.tf.json").read_text())["resource"]
        assert written["aws_lambda_function"]["tell"]["memory_size"] == 2048


def test_no_notice_is_sent_for_a_success(deployment: Deployment) -> None:
    """A run that succeeds gives what it gives without a notice, here and there."""
    with_notice = Pipeline("well", steps=[together(numbers())], on_failure=told_here)
    TOLD.clear()
    assert with_notice.local_run().result == ([0, 1, 2],)
    assert TOLD == []
    assert deployment.run(with_notice) == {"together": ([0, 1, 2],)}


@step
def worse(failure: dict[str, Any]) -> None:
    raise KeyError("the notice itself")


def failed_notices(deployment: Deployment, pipeline: str) -> list[dict[str, Any]]:
    """What is in a pipeline's dead-letter queue."""
    sqs = deployment.aws.client("sqs")
    url = sqs.get_queue_url(QueueName=f"{pipeline}-failures")["QueueUrl"]
    found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    return [json.loads(one["Body"]) for one in found]


def test_a_notice_that_fails_hides_nothing(deployment: Deployment) -> None:
    """The first error stays the run's; here a note has the second, there the dead-letter queue."""
    pipeline = Pipeline("worse", steps=[fails(numbers())], on_failure=worse)
    with pytest.raises(StepFailed, match="on purpose") as caught:
        pipeline.local_run()
    assert caught.value.__notes__ == [
        "the on_failure step 'worse' failed as well: KeyError: 'the notice itself'"
    ]
    execution = deployment.execute(pipeline)
    assert (execution.status, execution.error) == ("FAILED", "LookupError")
    assert "on purpose" in (execution.cause or "")
    (record,) = failed_notices(deployment, "worse")
    assert record["requestPayload"]["detail"]["executionArn"] == execution.arn
    assert "KeyError: 'the notice itself'" in record["responsePayload"]["errorMessage"]


TRIES: list[None] = []


@step(retry={"retries": 2, "delay": 0.01, "exceptions": (OSError,)})
def third_time(failure: dict[str, Any]) -> None:
    TRIES.append(None)
    print("called")
    if len(TRIES) < 3:
        raise FileNotFoundError("not yet")


def test_a_notice_is_tried_again(deployment: Deployment) -> None:
    """The step's own retries hold for it too, here and there."""
    pipeline = Pipeline("again", steps=[fails(numbers())], on_failure=third_time)
    TRIES.clear()
    with pytest.raises(StepFailed) as caught:
        pipeline.local_run()
    assert len(TRIES) == 3
    assert not hasattr(caught.value, "__notes__")
    deployment.execute(pipeline)
    assert deployment.aws.logs("again-third_time").count("called") == 3
    assert failed_notices(deployment, "again") == []


def test_every_style_takes_a_notice() -> None:
    """Pipeline, flow, DAG, Flow and MicroFunctions hand the step over; a DAG does not run it."""

    @task()
    def load() -> int:
        raise ValueError("no")

    @task()
    def alarm(failure: dict[str, Any]) -> None:
        TOLD.append(failure)

    made = [DAG("drawn", on_failure=alarm), Flow("built", on_failure=alarm).add(load)]
    for pipeline in made:
        TOLD.clear()
        with pytest.raises(StepFailed):
            pipeline.run()
        assert [one["step"] for one in TOLD] == ["load"]
        assert [one.name for one in pipeline.definition.steps] == ["load", "alarm"]
        assert list(pipeline.definition.graph.by_name) == ["load"]
    assert mapped.definition.on_failure is mapped(count=1).definition.on_failure
    assert stumbling().definition.steps[-1] is tell.step
    with pytest.raises(StepFailed):
        stumbling().run()


def test_a_notified_step_may_be_part_of_the_pipeline(deployment: Deployment) -> None:
    """The same step twice is one function, which the state machine calls and the notice as well."""

    @step
    def either(value: Any) -> Any:
        if value == 1:
            raise ValueError("one")
        print("TOLD", value["step"])
        return value

    pipeline = Pipeline("either", steps=[either(1)], on_failure=either)
    assert len(pipeline.definition.steps) == 1
    deployment.execute(pipeline)
    assert "TOLD either" in deployment.aws.logs("either-either")


def ended(aws: LocalAws, arn: str) -> dict[str, Any]:
    """An execution that another call has ended, with its notice sent."""
    states, s3 = aws.client("stepfunctions"), aws.client("s3")
    found: dict[str, Any] = states.describe_execution(executionArn=arn)
    name, run = arn.split(":")[6:]
    key = f"runs/-notices/{run}/{found['redriveCount']}.json"
    for _ in range(200):
        listed = s3.list_objects_v2(Bucket=f"{name}-123456789012-us-east-1", Prefix=key)
        if listed["KeyCount"]:
            break
        threading.Event().wait(0.05)
    return found


def test_what_no_catch_catches_is_notified(deployment: Deployment) -> None:
    """A runtime error of Step Functions, and an execution that is stopped, with the step."""
    pipeline = Pipeline("uncaught", steps=[fails(numbers())], on_failure=tell)
    aws = deployment.aws
    machine = aws.register(pipeline)
    states = aws.client("stepfunctions")
    known = json.loads(states.describe_state_machine(stateMachineArn=machine)["definition"])
    broken = {**known["States"]["fails"], "Parameters": {"Payload.$": "$.missing"}}
    aws.create_state_machine("uncaught", {**known, "States": {**known["States"], "fails": broken}})
    execution = aws.execute(machine)
    assert execution.error == "States.Runtime"
    (told,) = told_there(deployment, execution)
    assert (told["step"], told["error"], told["input"]) == ("fails", "States.Runtime", {})
    # Long enough with the account's wait_scale.
    rest = {"Type": "Wait", "Seconds": 99_999_999, "End": True}
    aws.create_state_machine("uncaught", {"StartAt": "rest", "States": {"rest": rest}})
    arn = states.start_execution(stateMachineArn=machine)["executionArn"]
    states.stop_execution(executionArn=arn, cause="enough")
    ended(aws, arn)
    (entry,) = aws.client("s3").list_objects_v2(
        Bucket="uncaught-123456789012-us-east-1", Prefix=f"runs/-notices/{arn.rpartition(':')[2]}/"
    )["Contents"]
    body = aws.client("s3").get_object(Bucket="uncaught-123456789012-us-east-1", Key=entry["Key"])[
        "Body"
    ]
    notice = json.loads(body.read())
    assert (notice["error"], notice["cause"], notice["step"]) == ("Aborted", "enough", "rest")


def test_each_failure_is_notified_once(deployment: Deployment) -> None:
    """A second delivery of an event sends nothing; a redrive that fails has its own notice."""
    pipeline = Pipeline("once", steps=[fails(numbers())], on_failure=tell)
    execution = deployment.execute(pipeline)
    aws = deployment.aws
    detail = {
        "executionArn": execution.arn,
        "name": execution.name,
        "status": "FAILED",
        "error": execution.error,
        "redriveCount": 0,
    }
    answer = aws.client("lambda").invoke(
        FunctionName="once--notices", Payload=json.dumps({"detail": detail})
    )
    assert json.loads(answer["Payload"].read()) == "duplicate"
    assert len(told_there(deployment, execution)) == 1
    aws.client("stepfunctions").redrive_execution(executionArn=execution.arn)
    for _ in range(200):
        found = told_there(deployment, execution)
        if len(found) == 2:
            break
        threading.Event().wait(0.05)
    assert [(one["redriveCount"], one["step"]) for one in found] == [(0, "fails"), (1, "fails")]


def test_a_large_input_is_left_out(deployment: Deployment) -> None:
    """An input that is too large for EventBridge's events is None, also locally."""
    pipeline = Pipeline("large", steps=[fails(numbers())], on_failure=tell)
    given = {"text": "x" * 255_000}
    execution = deployment.aws.execute(deployment.aws.register(pipeline), given)
    (there,) = told_there(deployment, execution)
    assert there["input"] is None
    assert fitted({"input": given})["input"] is None
    assert fitted({"input": {"text": "x" * 200_000}})["input"] is not None


TOPIC = "arn:aws:sns:us-east-1:123456789012:failures"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("failures", "is not the ARN of an SNS topic"),
        (f"{TOPIC}.fifo", "is not the ARN of an SNS topic"),
        (print, "neither a step nor the ARN"),
        (numbers(), "neither a step nor the ARN"),
    ],
)
def test_what_cannot_be_notified_is_refused(given: Any, says: str) -> None:
    """Neither step nor topic: an error where the pipeline is written."""
    with pytest.raises(
        LokkiError, match=rf"{says}(.|\n)*test_failure_notices.py:\d+(.|\n)*on_failure="
    ):
        Pipeline("refused", steps=[numbers()], on_failure=given)


def test_steps_that_cannot_be_notified_are_refused() -> None:
    """Without an argument, with a condition, or under another step's name, with the step's line."""

    @step
    def takes_nothing() -> None: ...

    @step(when=lambda failure: True)
    def asks(failure: Any) -> None: ...

    @step(name="numbers")
    def other(failure: Any) -> None: ...

    for given, says in (
        (takes_nothing, "cannot receive failure notices"),
        (asks, "has a condition"),
        (other, "as another of the pipeline is"),
    ):
        with pytest.raises(LokkiError, match=rf"{says}(.|\n)*test_failure_notices.py:\d+"):
            Pipeline("refused", steps=[numbers()], on_failure=given)


def test_both_forms_tell_as_deployed(local_aws: LocalAws, tmp_path: Path) -> None:
    """A function prints the notice; a topic's subscriber receives it as JSON."""
    sns, sqs = local_aws.client("sns"), local_aws.client("sqs")
    topic = sns.create_topic(Name="failures")["TopicArn"]
    queue = sqs.create_queue(QueueName="failures")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    raw = {"RawMessageDelivery": "true"}
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn["QueueArn"], Attributes=raw)
    for name, given in (("telling", tell), ("publishing", topic)):
        pipeline = Pipeline(name, steps=[fails(numbers())], on_failure=given)
        made = pipeline.synth(tmp_path)
        execution = local_aws.execute(local_aws.register(pipeline), {"lokki": {"id": "1"}})
        assert (execution.status, execution.error) == ("FAILED", "LookupError")
        if given is tell:
            lines = local_aws.logs("telling-tell")
            (line,) = (one for one in lines if one.startswith("TOLD "))
            told = json.loads(line.removeprefix("TOLD "))
        else:
            (message,) = sqs.receive_message(QueueUrl=queue)["Messages"]
            told = json.loads(message["Body"])
        assert told["step"] == "fails"
        assert told["execution"] == execution.arn
        assert told["input"] == {"lokki": {"id": "1"}}
        assert json.loads(told["cause"])["errorMessage"] == "on purpose"
        resources = json.loads((made.folder / "cdk.tf.json").read_text())["resource"]
        policies = resources["aws_iam_role_policy"]
        own = {
            one["Sid"]: one["Resource"]
            for one in json.loads(policies["notices_policy"]["policy"])["Statement"]
        }
        assert ("Publish" in own) is (given is topic)
        assert own["History"][0].endswith(f":execution:{name}:*")
        assert own["Write"] == ["${aws_s3_bucket.bucket.arn}/runs/-notices/*"]
        machine = policies["state_machine_policy"]["policy"]
        assert "sns:Publish" not in machine
        assert "aws_lambda_function.tell." not in machine
        (rule,) = resources["aws_cloudwatch_event_rule"].values()
        assert json.loads(rule["event_pattern"])["detail"] == {
            "status": ["FAILED", "TIMED_OUT", "ABORTED"],
            "stateMachineArn": ["${aws_sfn_state_machine.state_machine.arn}"],
        }


def _frail(kind: str, *values: Any) -> int:
    import os

    kinds = {"key": KeyError, "gone": FileNotFoundError, "deep": RecursionError, "own": Missing}
    if kind and not os.environ.get("MENDED"):
        raise kinds[kind](f"no {kind}")
    return len(values)


@st.composite
def failing(draw: st.DrawFn) -> tuple[Pipeline, Pipeline]:
    """A graph in which one node fails, a step or a job, retried or not; and the same, mended."""
    count = draw(st.integers(1, 5))
    fails_at = draw(st.integers(0, count - 1))
    retry = {"retries": 1, "delay": 0.01, "exceptions": (OSError,)}
    options: list[dict[str, Any]] = [{"name": "frail"}, {"name": "tried", "retry": retry}]
    options += [{**one, "name": f"{one['name']}-job", "job_type": "batch"} for one in options]
    chosen: list[tuple[dict[str, Any], str, list[int]]] = []
    for index in range(count):
        kind = draw(st.sampled_from(["key", "gone", "deep", "own"])) if index == fails_at else ""
        before = draw(st.lists(st.sampled_from(range(index)), max_size=2)) if index else []
        offered = options if kind else options[:2]  # jobs take longer
        chosen.append((draw(st.sampled_from(offered)), kind, before))

    def made(env: dict[str, str]) -> Pipeline:
        steps = {one["name"]: step(env_variables=env, **one)(_frail) for one in options}
        nodes: list[Any] = []
        for one, kind, before in chosen:
            nodes.append(steps[one["name"]](kind, *(nodes[number] for number in before)))
        return Pipeline("drawn", steps=nodes, on_failure=tell)

    return made({}), made({"MENDED": "yes"})


@hypothesis.given(made=failing(), mended=st.booleans())
@hypothesis.settings(
    max_examples=7, deadline=None, suppress_health_check=list(hypothesis.HealthCheck)
)
def test_notices_and_redrives_agree(
    deployment: Deployment, made: tuple[Pipeline, Pipeline], mended: bool
) -> None:
    """Step, error and message are those of a local run, and again after a redrive that fails.

    A redrive after the code is mended gives what a local run of that code gives.
    """
    _, here = run_here(made[0], {})
    execution, aws = deployment.execute(made[0]), deployment.aws
    if mended:
        aws.register(made[1])
    states = aws.client("stepfunctions")
    states.redrive_execution(executionArn=execution.arn)
    for _ in range(400):
        found = states.describe_execution(executionArn=execution.arn)
        there = told_there(deployment, execution)
        if found["status"] != "RUNNING" and len(there) == 2 - mended:
            break
        threading.Event().wait(0.05)
    assert [one["redriveCount"] for one in there] == ([0] if mended else [0, 1])
    for one in there:
        assert (one["step"], one["error"]) == (here["step"], here["error"])
        assert _message(one) == _message(here)
    if mended:
        assert found["status"] == "SUCCEEDED", found.get("cause")
        done = replace(execution, status="SUCCEEDED", output=json.loads(found["output"]))
        outputs = made[1].local_run().outputs
        assert aws.values(done) == {name: outputs[name] for name in made[1].graph.terminals}


def _message(notice: dict[str, Any]) -> Any:
    cause = json.loads(notice["cause"])
    return cause["errorType"], cause["errorMessage"]
