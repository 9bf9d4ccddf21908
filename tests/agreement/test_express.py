"""Maps whose items are Express executions: the same results, and what AWS does not do for them."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ways import WAYS

from lokki_tf import Failure, NotReady, Parameter, Pipeline, flow, run_context, start_pipeline, step
from lokki_tf import wait as waiting
from lokki_tf.config import AwsConfig, Config, LambdaConfig
from lokki_tf.errors import LimitError, OptionError
from lokki_tf.operate import redriving, runs
from lokki_tf.operate.clients import Aws
from lokki_tf.operate.deployed import Deployed
from lokki_tf.operate.failures import failure
from lokki_tf.operate.stack import Stack
from lokki_tf.operate.states import RunHistory
from lokki_tf.operate.waiting import waiting_steps
from lokki_tf.testing import LocalAws

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lokki_tf.testing import Execution

PAST = datetime(2020, 1, 1, tzinfo=UTC)
HERE = Path(__file__).name
SHORT = {"timeout_seconds": 60}


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    """A local AWS that waits for a thousandth of the time, and denies nothing."""
    with LocalAws(retry_delay_scale=0.0, wait_scale=0.001, containers=False) as account:
        yield account
        assert [one for one in account.iam_decisions if not one.allowed] == []


@step
def numbers(count: int) -> list[int]:
    return list(range(count))


@step(**SHORT)
def plus(number: int, more: Any = 1) -> Any:
    return number + more


@step(**SHORT)
def odd(number: int) -> Any:
    return [(number,), {number, -1}, "x" * 300_000][number % 3]


@step(**SHORT)
def refuses(number: int, bad: Any = (2,)) -> int:
    if number in bad:
        raise ValueError(f"number {number} is bad")
    return number


@step(poll=2, poll_timeout=60, **SHORT)
def ready(number: Any) -> Any:
    if run_context().attempt < 3:
        raise NotReady("not yet")
    return number, run_context().item_index, run_context().attempt


@step
def upto(number: int) -> list[int]:
    return list(range(number))


@step
def gathered(values: Any) -> Any:
    return values


@step
def as_text(values: list[Any]) -> str:
    return repr([str(one) if isinstance(one, Failure) else one for one in values])


@flow
def chained(count: int = 4, more: int = 2):
    inner = numbers(count).map(plus, execution_type="express", more=more).wait(seconds=30)
    return inner.next(odd).next(ready).agg(gathered)


@flow
def batched(count: int = 5):
    return numbers(count).map(plus, execution_type="express", batch_size=2).agg(gathered)


@flow
def within(count: int = 3):
    opened = numbers(count).map(upto, execution_type="express").map(plus, mode="inline")
    return opened.agg(gathered).agg(gathered)


@flow
def inner_express(count: int = 3):
    opened = numbers(count).map(upto).map(plus, execution_type="express", more=numbers(1)[0])
    return opened.agg(gathered).agg(gathered)


@flow
def tolerant(count: int = 4):
    mapped = numbers(count).map(refuses, execution_type="express", tolerated_failure_count=1)
    return mapped.agg(gathered)


@flow
def caught(count: int = 4):
    return numbers(count).map(refuses, execution_type="express", catch=True).agg(as_text)


@flow
def until(count: int = 2):
    return numbers(count).map(plus, execution_type="express").wait(until=PAST)


called = Pipeline(
    "called",
    steps=[numbers(Parameter("count", int, default=3)).map([plus, odd], execution_type="express")],
)
PIPELINES: list[Any] = [
    *(chained, batched, within, inner_express, tolerant, caught, until, called),
]


@pytest.mark.parametrize("pipeline", PIPELINES, ids=[one.name for one in PIPELINES])
def test_results_agree(pipeline: Any, aws: LocalAws) -> None:
    """Express items give the results of local runs, of every kind."""
    results = [pipeline.local_run(wait_scale=0, **way).result for way in WAYS]
    assert all(one == results[0] for one in results)
    assert list(aws.values(aws.run(pipeline)).values()) == [results[0]]


def test_the_state_machine() -> None:
    """A map with Express items differs from another in its execution type alone."""
    express, plain = (
        Pipeline("alike", steps=[numbers(3).map(plus, execution_type=one).agg(gathered)])
        for one in ("express", "standard")
    )
    text = json.dumps(express.generate_step_functions())
    assert text.count('"EXPRESS"') == 1
    assert json.loads(text.replace('"EXPRESS"', '"STANDARD"')) == plain.generate_step_functions()


# Runs that fail.


@flow
def one_fails(count: int = 4):
    return numbers(count).map(refuses, execution_type="express").agg(gathered)


@flow
def second_fails(count: int = 4):
    opened = numbers(count).map(plus, execution_type="express", more=0).next(refuses)
    return opened.agg(gathered)


@flow
def nested_fails(count: int = 4):
    opened = numbers(count).map(upto).map(refuses, execution_type="express", bad=[1])
    return opened.agg(gathered).agg(gathered)


def run_of(aws: LocalAws, pipeline: Any, execution: Execution) -> tuple[Deployed, runs.AwsRun]:
    """A run in the local AWS, as the commands find it."""
    config = Config(aws=AwsConfig(endpoint=aws.endpoint_url, region=aws.region))
    stack = Stack(pipeline.definition, config, Path("nowhere"), "python pipeline.py")
    machine = execution.arn.replace(":execution:", ":stateMachine:").rpartition(":")[0]
    deployed = Deployed(stack, machine, {}, Aws(config))
    return deployed, runs.describe(deployed, execution.arn.rpartition(":")[2])


@pytest.mark.parametrize(
    ("pipeline", "says"),
    [
        (one_fails, "step 'refuses' [2] failed in AWS: ValueError: number 2 is bad"),
        (second_fails, "map 'plus_map' [2] failed in AWS: ValueError: number 2 is bad"),
        (nested_fails, "step 'refuses' [1] failed in AWS: ValueError: number 1 is bad"),
    ],
    ids=["one step", "two steps", "nested"],
)
def test_the_failed_item_is_reported(pipeline: Any, says: str, aws: LocalAws) -> None:
    """Item and error are those of the item's execution, although it has no history."""
    deployed, run = run_of(aws, pipeline, aws.execute(aws.register(pipeline)))
    assert run.status == runs.FAILED
    found = failure(deployed, run)
    assert found.message == says
    assert "in refuses" in found.trace
    states = {one.node: one for one in RunHistory.of(deployed, run).states()}
    (map_name,) = (name for name in states if name.endswith("_map"))
    assert states[map_name].status == "failed"
    assert states[map_name].items is not None
    assert states[map_name].items[1:] == (1, 4)


def test_items_have_no_history_and_cannot_be_stopped(aws: LocalAws) -> None:
    """Express items are listed and described by their map's run, and refused by other actions."""
    execution = aws.run(tolerant)
    states = aws.client("stepfunctions")
    (map_run,) = states.list_map_runs(executionArn=execution.arn)["mapRuns"]
    items = states.list_executions(mapRunArn=map_run["mapRunArn"])["executions"]
    assert sorted(one["status"] for one in items) == ["FAILED", *["SUCCEEDED"] * 3]
    (failed,) = (one["executionArn"] for one in items if one["status"] == "FAILED")
    assert failed.startswith("arn:aws:states:us-east-1:123456789012:express:tolerant/refuses_map:")
    assert states.describe_execution(executionArn=failed)["error"] == "ValueError"
    for action in (states.get_execution_history, states.stop_execution, states.redrive_execution):
        with pytest.raises(states.exceptions.InvalidArn, match="not valid in this context"):
            action(executionArn=failed)


def test_a_redrive_begins_failed_items_anew(aws: LocalAws, tmp_path: Path) -> None:
    """Items that succeeded do not run again; others run again from their first step."""
    file = tmp_path / "calls"

    @step(**SHORT)
    def noted(number: int, path: str) -> int:
        with open(path, "a") as calls:
            calls.write(f"{number}\n")
        return number

    @step(**SHORT)
    def fails_first(number: int, path: str) -> int:
        with open(path) as calls:
            if number == 1 and calls.read().split().count("1") == 1:
                raise ValueError("not yet")
        return number

    given = str(file)
    chain = numbers(3).map(noted, path=given, execution_type="express", concurrency_limit=1)
    pipeline = Pipeline("again", steps=[chain.next(fails_first, path=given).agg(gathered)])
    deployed, run = run_of(aws, pipeline, aws.execute(aws.register(pipeline)))
    assert run.status == runs.FAILED
    redriving.redrive(deployed, run)
    ended = runs.ended(deployed, run)
    assert (ended.status, json.loads(ended.output or "")) == (
        runs.SUCCEEDED,
        {"gathered": {"value": [0, 1, 2]}},
    )
    assert Counter(file.read_text().split()) == {"0": 1, "1": 2, "2": 1}


@step(callback=True)
def asks() -> Any: ...


def test_items_are_not_searched_for_steps_that_wait_for_answers(aws: LocalAws) -> None:
    """While Express items run, the tasks that wait for an answer are found elsewhere."""

    @step(**SHORT)
    def sleeps(number: int) -> int:
        import time

        time.sleep(3)
        return number

    mapped = numbers(2).map(sleeps, execution_type="express").agg(gathered)
    pipeline = Pipeline("asking", steps=[mapped, asks()])
    machine = aws.register(pipeline)
    states = aws.client("stepfunctions")
    arn = states.start_execution(stateMachineArn=machine)["executionArn"]
    deployed, _ = run_of(aws, pipeline, type("Started", (), {"arn": arn})())  # type: ignore[arg-type]
    while (
        not (found := waiting_steps(deployed))
        or not states.list_map_runs(executionArn=arn)["mapRuns"]
    ):
        pass
    assert [one.node for one in found] == ["asks"]
    states.send_task_success(taskToken=found[0].token, output="1")


def test_an_item_ends_after_five_minutes(aws: LocalAws) -> None:
    """A wait until a time that is further ahead ends the item with ``States.Timeout``."""
    late = Parameter("late", str)
    chain = numbers(2).map(plus, execution_type="express").wait(until=late)
    pipeline = Pipeline("too-late", steps=[chain])
    machine = aws.register(pipeline)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    execution = aws.execute(machine, {"late": tomorrow.isoformat()})
    assert execution.error == "States.ExceedToleratedFailureThreshold"
    deployed, run = run_of(aws, pipeline, execution)
    says = (
        r"step 'plus' \[[01]\] failed in AWS: States.Timeout: the item took longer than 5 minutes"
    )
    assert re.match(says, failure(deployed, run).message)
    assert aws.execute(machine, {"late": "2020-01-01T00:00:00Z"}).status == "SUCCEEDED"


# What an Express execution cannot do.


@step(job_type="batch", timeout_seconds=60)
def crunch(number: int) -> int:
    return number


@step(poll=10)
def patient(number: int) -> int:
    return number


@step(callback=True)
def approved(number: int) -> int:
    return number


@flow
def starts(number: int):
    return start_pipeline("express-other", {"number": number})


EXCLUDED: dict[str, tuple[Any, str]] = {
    "job": (lambda opened: opened.next(crunch), "step 'crunch', a job of AWS Batch, is in a map"),
    "callback": (
        lambda opened: opened.next(approved),
        "step 'approved' has callback=True in a map",
    ),
    "start": (lambda opened: opened.next(starts), "pipeline 'express-other' is started in a map"),
    "map": (lambda opened: opened.next(upto).map(plus), "a Distributed Map is in a map"),
    "wait": (lambda opened: opened.wait(minutes=5).next(plus), "a wait of 5 min is in a map"),
    "poll": (lambda opened: opened.next(patient), "a poll of up to 1 h (poll_timeout=) of step"),
}


@pytest.mark.parametrize("what", EXCLUDED)
def test_what_express_items_cannot_contain(what: str) -> None:
    """An error names the step, wait or map, and the line where it is in the pipeline."""
    grow, says = EXCLUDED[what]
    with pytest.raises(LimitError if what in ("wait", "poll") else OptionError) as raised:
        Pipeline("excluded", steps=[grow(numbers(3).map(plus, execution_type="express"))])
    assert says in raised.value.message
    assert [one.rule for one in raised.value.findings] == ["express"]
    assert raised.value.place is not None
    assert raised.value.place.file.endswith(HERE)
    allowed = Pipeline("allowed", steps=[grow(numbers(3).map(plus, concurrency_limit=9))])
    assert allowed.early_findings() == []


def test_waits_are_added_up() -> None:
    """Waits of less than five minutes each, one after another, are an error of the map."""
    opened = numbers(3).map(plus, execution_type="express").wait(seconds=150)
    with pytest.raises(LimitError, match="take 5 min together"):
        Pipeline("long", steps=[opened.wait(seconds=150)])
    opened = numbers(3).map(plus, execution_type="express").wait(seconds=150)
    assert Pipeline("short", steps=[opened.wait(seconds=149)]).early_findings() == []


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "an item can take 15 min"),
        ({"timeout_seconds": 300}, "an item can take 5 min"),
        ({"timeout_seconds": 299}, None),
        ({"timeout_seconds": 100, "retry": 2}, "an item can take 303 s"),
        ({"timeout_seconds": 100, "retry": 1}, None),
        ({"timeout_seconds": 1, "retry": 10**8 - 1}, "an item can take more than 50 min"),
        ({"timeout_seconds": 1, "poll": 5, "poll_timeout": 299}, "an item can take 5 min"),
        ({"timeout_seconds": 1, "poll": 5, "poll_timeout": 298}, None),
    ],
    ids=str,
)
def test_items_that_can_take_too_long_are_a_warning(
    options: dict[str, Any], says: str | None
) -> None:
    """Time limits, retries and waits that allow more than five minutes are reported."""

    @step(**options)
    def work(number: int) -> int:
        return number

    pipeline = Pipeline("limits", steps=[numbers(3).map(work, execution_type="express")])
    found = [one for one in pipeline.check() if one.rule == "express"]
    assert len(found) == (says is not None)
    assert all(one.severity == "warning" and says in one.message for one in found if says)
    assert pipeline.local_run().result == [0, 1, 2]


def test_settings_shorten_time_limits() -> None:
    """The warning reads the time limits of lokki.toml."""
    mapped = numbers(3).map(upto, execution_type="express")
    pipeline = Pipeline("settled", steps=[mapped])
    assert [one.rule for one in pipeline.check()] == ["express"]
    settings = Config(lambda_=LambdaConfig(timeout_seconds=120))
    assert list(pipeline.check(config=settings)) == []


def test_inline_items_are_no_executions() -> None:
    """Both options together are an error, and so is another word."""
    with pytest.raises(OptionError, match="cannot be combined") as caught_error:
        numbers(3).map(plus, execution_type="express", mode="inline")
    assert caught_error.value.place is not None
    assert caught_error.value.place.file.endswith(HERE)
    with pytest.raises(OptionError, match="must be one of standard, express, got 'fast'"):
        numbers(3).map(plus, execution_type="fast")


def test_waits_before_maps_are_not_counted() -> None:
    """What is outside of the map may take longer."""
    mapped = numbers(3).wait(hours=1).map(plus, execution_type="express")
    pipeline = Pipeline("outside", steps=[gathered(1).after(waiting(hours=2)), mapped])
    assert list(pipeline.check()) == []
