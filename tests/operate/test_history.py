"""Histories of executions, told as runs tell of themselves."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from histories import events_of, tracker_of
from seeds import orchwipy_sample

from lokki_tf import Pipeline, flow, step
from lokki_tf.errors import StepFailed
from lokki_tf.operate.states import StepState, _add_up

if TYPE_CHECKING:
    from deployment import Deployment

    from lokki_tf.local import Event


@step
def numbers(count: int) -> list[int]:
    return list(range(count))


@step(retry=2)
def shaky(number: int) -> int:
    if number == 2:
        raise ValueError("two")
    return number


@step(when=lambda values: len(values) > 10)
def many(values: list[int]) -> int:
    return len(values)


@step
def both(left: Any, right: Any) -> Any:
    return [left, right]


@flow
def inline(count: int = 2):
    return numbers(count=count).map(shaky, mode="inline").agg(many)


@flow
def distributed(count: int = 2):
    return numbers(count=count).map(shaky).agg(many)


def told(deployment: Deployment, pipeline: Pipeline, payload: Any = None) -> list[Event]:
    """The history of an execution in the local AWS."""
    execution = deployment.execute(pipeline, payload)
    return events_of(deployment.aws, pipeline.definition, execution.arn)[1]


def kinds(events: list[Event], *names: str) -> Counter[Any]:
    """The number of events by kind, node and item."""
    return Counter((one.node, one.kind) for one in events if one.node in names)


def test_an_execution_has_the_events_of_a_local_run(deployment: Deployment) -> None:
    """The same events, in an order that a run here might have."""
    values = numbers(3)
    pipeline = Pipeline("told", steps=[both(many(values), values)])
    here: list[Event] = []
    pipeline.local_run(on_event=here.append)
    there = told(deployment, pipeline)
    assert [one.kind for one in there] == [one.kind for one in here]
    assert kinds(there, "numbers", "many", "both") == kinds(here, "numbers", "many", "both")
    assert there[-1].error is None
    assert all(one.pipeline == "told" for one in there)


def test_attempts_are_reported_one_by_one(deployment: Deployment) -> None:
    """Failures before a retry are shown as retried, the last one as a failure."""
    pipeline = Pipeline("shaky", steps=[shaky(2)])
    events = told(deployment, pipeline)
    assert [(one.kind, one.attempt) for one in events if one.node] == [
        ("step_started", 1),
        ("step_retried", 1),
        ("step_started", 2),
        ("step_retried", 2),
        ("step_started", 3),
        ("step_failed", 3),
    ]
    assert [str(one.error) for one in events if one.kind == "step_failed"] == ["two"]
    assert events[-1].kind == "run_finished"
    assert type(events[-1].error).__name__ == "ValueError"


@pytest.mark.parametrize("pipeline", [inline, distributed], ids=["inline", "distributed"])
def test_items_of_maps_are_reported(deployment: Deployment, pipeline: Any) -> None:
    """A map tells how many items it has, and each that ends."""
    events = told(deployment, pipeline)
    started = [one for one in events if one.kind == "map_started"]
    assert [(one.node, one.total) for one in started] == [("shaky_map", 2)]
    ended = [one for one in events if one.node == "shaky" and one.kind == "step_finished"]
    assert sorted(one.item for one in ended if one.item is not None) == [0, 1]
    assert [one.total for one in events if one.kind == "map_finished"] == [2]
    assert kinds(events, "many") == {("many", "step_started"): 1, ("many", "step_skipped"): 1}


@pytest.mark.parametrize("pipeline", [inline, distributed], ids=["inline", "distributed"])
def test_a_map_that_fails_is_reported(deployment: Deployment, pipeline: Any) -> None:
    """An item that fails ends its map, with an error, and the run."""
    events = told(deployment, pipeline, {"count": 3})
    (finished,) = [one for one in events if one.kind == "map_finished"]
    assert finished.error is not None
    if pipeline is inline:  # whose event has no details
        assert "two" in str(finished.error)
    assert [one.item for one in events if one.kind == "step_failed"]
    assert events[-1].error is not None


def test_a_routed_pipeline_is_reported_by_its_steps(deployment: Deployment) -> None:
    """Steps have their own names, whatever their states are called."""
    given = {"greeting": "Hi there", "choice": "c"}
    here: list[Event] = []
    orchwipy_sample.orch.local_run(given, on_event=here.append)
    there = told(deployment, orchwipy_sample.orch, given)
    assert [(one.node, one.kind) for one in there] == [(one.node, one.kind) for one in here]


@step(job_type="batch", retry=1)
def heavy(values: list[int]) -> int:
    if len(values) > 3:
        raise OverflowError("too many")
    return sum(values)


@pytest.mark.parametrize("count", [3, 4], ids=["done", "failed"])
def test_jobs_are_reported_as_steps(deployment: Deployment, count: int) -> None:
    """A job is shown as one step although it has several states, with its own error."""
    pipeline = Pipeline("jobs", steps=[heavy(numbers(count))])
    here: list[Event] = []
    with suppress(StepFailed):
        pipeline.local_run(on_event=here.append)
    there = told(deployment, pipeline)
    assert [(one.kind, one.node) for one in there] == [(one.kind, one.node) for one in here]
    errors = [
        [str(one.error) for one in events if one.kind == "step_failed"] for events in (here, there)
    ]
    assert errors[0] == errors[1] == ["too many"] * (count - 3)


@step(job_type="batch", when=lambda values: len(values) > 3)
def rare(values: list[int]) -> int:
    return sum(values)


@pytest.mark.parametrize("count", [3, 4], ids=["skipped", "done"])
def test_a_skipped_job_is_reported_as_skipped(deployment: Deployment, count: int) -> None:
    """Whether a job's condition was false is read from the job's answer."""
    pipeline = Pipeline("rare", steps=[rare(numbers(count))])
    here: list[Event] = []
    pipeline.local_run(on_event=here.append)
    there = told(deployment, pipeline)
    assert [(one.kind, one.node) for one in there] == [(one.kind, one.node) for one in here]
    kinds = {one.kind for one in there if one.node == "rare"}
    assert ("step_skipped" in kinds) == (count == 3)


@step
def listen(failed: dict[str, Any]) -> None:
    """Takes notice."""


@step
def odd_fails(number: int) -> int:
    if number % 2:
        raise ValueError("odd")
    return number


@pytest.mark.parametrize("on_failure", [None, listen], ids=["plain", "with a notice"])
def test_a_map_that_has_failed_is_reported_once(deployment: Deployment, on_failure: Any) -> None:
    """Its failure has the execution's own words, and a notice does not make it a success."""

    @flow(on_failure=on_failure)
    def failing():
        return numbers(count=3).map(odd_fails)

    there = told(deployment, failing)
    (finished,) = [one for one in there if one.kind == "map_finished"]
    assert type(finished.error).__name__ == "States.ExceedToleratedFailureThreshold"
    assert there[-1].error is not None


@step(retry={"retries": 1, "delay": 0.01})
def refuses(values: Any) -> Any:
    raise ValueError("never")


@step(job_type="batch", retry={"retries": 1, "delay": 0.01})
def refuses_as_job(values: Any) -> Any:
    raise ValueError("never")


@flow
def items(count: int = 2):
    return numbers(count=count).map(refuses)


@flow
def inline_items(count: int = 2):
    return numbers(count=count).map(refuses, mode="inline")


@pytest.mark.parametrize(
    ("pipeline", "name", "retries"),
    [
        (Pipeline("paused", steps=[refuses(numbers(1))]), "refuses", 2),
        (Pipeline("paused-job", steps=[refuses_as_job(numbers(1))]), "refuses_as_job", 2),
        (items, "refuses_map", 0),
        (inline_items, "refuses_map", 0),
    ],
    ids=["step", "job", "distributed map", "inline map"],
)
def test_a_pause_before_a_redrive_is_no_time_of_a_step(
    deployment: Deployment, pipeline: Any, name: str, retries: int
) -> None:
    """A run that went on an hour later took as long as it ran, with retries of both times."""
    execution = deployment.execute(pipeline)
    states = deployment.aws.client("stepfunctions")
    states.redrive_execution(executionArn=execution.arn)
    for _ in range(400):
        history = states.get_execution_history(executionArn=execution.arn)["events"]
        if [one["type"] for one in history].count("ExecutionFailed") == 2:
            break
        threading.Event().wait(0.05)
    redriven = next(one["id"] for one in history if one["type"] == "ExecutionRedriven")
    for event in history:
        if event["id"] >= redriven:
            event["timestamp"] += timedelta(hours=1)

    tracker = tracker_of(deployment.aws, pipeline.definition)
    steps: dict[str, StepState] = {}
    _add_up(steps, [event for one in history for event in tracker.read(one)])
    assert (steps[name].status, steps[name].retries) == ("failed", retries)
    assert steps[name].duration is not None
    assert 0 < steps[name].duration < 600


@step
def fails(value: Any) -> None:
    raise LookupError("no")


@step(catch=ValueError)
def caught(value: Any, kind: str) -> None:
    raise {"value": ValueError, "key": KeyError}[kind]("no")


@step
def release(value: Any) -> None: ...


@step
def stuck(value: Any) -> None:
    raise OSError("stuck")


@pytest.mark.parametrize(
    ("name", "last", "cleanup"),
    [
        ("done", lambda rows: both(rows, 1), release),
        ("failed", fails, release),
        ("in-map", lambda rows: rows.map(fails, mode="inline"), release),
        ("caught", lambda rows: caught(rows, "value"), release),
        ("uncaught", lambda rows: caught(rows, "key"), release),
        ("stuck", fails, stuck),
        ("late", lambda rows: both(rows, 1), stuck),
    ],
)
def test_a_cleanup_step_has_the_events_of_a_local_run(
    deployment: Deployment, name: str, last: Any, cleanup: Any
) -> None:
    """It comes last, after the failures before it."""
    rows = numbers(1)  # items of a map run at the same time in AWS
    pipeline = Pipeline(f"history-{name}", steps=[last(rows)], cleanup=cleanup(rows))
    here: list[Event] = []
    with suppress(StepFailed):
        pipeline.local_run(on_event=here.append)
    there = told(deployment, pipeline)
    listed = [[(one.kind, one.node) for one in events] for events in (here, there)]
    assert listed[0] == listed[1]
    assert {node for _, node in listed[0]} >= {"numbers", cleanup.__name__}
    states: dict[str, StepState] = {}
    _add_up(states, there)
    assert states[cleanup.__name__].status == ("failed" if cleanup is stuck else "done")
