"""Steps that poll: attempts, time limits and errors, in all styles, here and in AWS."""

from __future__ import annotations

import json
import pickle
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from golden_files import agrees_with_golden
from ways import WAYS

from lokki_tf import (
    DAG,
    MicroFunctions,
    NotReady,
    Pipeline,
    RetryConfig,
    ReturnUpdates,
    flow,
    run_context,
    step,
    task,
)
from lokki_tf.errors import DefinitionError, LimitError, OptionError, StepFailed
from lokki_tf.testing import LocalAws

if TYPE_CHECKING:
    from deployment import Deployment

HERE = Path(__file__).name


def third(value: Any) -> Any:
    """Is ready at the third attempt."""
    if run_context().attempt < 3:
        raise NotReady(f"{run_context().attempt} of 3")
    return value, run_context().attempt


ready = step(name="ready", poll=5)(third)


@step
def numbers(count: int) -> list[int]:
    return list(range(count))


@step
def gathered(values: Any) -> Any:
    return values


@flow
def mapped(count: int = 3, mode: str = ""):
    return numbers(count).map(ready).agg(gathered)


@flow
def within(count: int = 2):
    return numbers(count).map(ready, mode="inline").agg(gathered)


@task
def begin() -> int:
    return 7


polling = task(name="polling", poll=5, poll_backoff=2)(third)
drawn = DAG("drawn", tasks=[begin >> polling])
routed = MicroFunctions("look", name="routed")


@routed.fn(poll=5, poll_timeout=60)
def look(*, value: int = 1) -> Any:
    return ReturnUpdates("end", found=third(value))


@routed.fn(terminates=True)
def end(*, found: Any, value: int = 1) -> Any:
    return {"found": found}


PIPELINES: list[Any] = [
    Pipeline("called", steps=[gathered(ready(1))]),
    mapped,
    within,
    drawn,
]


@pytest.mark.parametrize("pipeline", PIPELINES, ids=[one.name for one in PIPELINES])
def test_polls_agree(pipeline: Any, deployment: Deployment) -> None:
    """A step runs again until it is ready, the same in every kind of run and style."""
    results = [pipeline.local_run(wait_scale=0, **way).result for way in WAYS]
    assert all(one == results[0] for one in results)
    assert list(deployment.run(pipeline).values()) == [results[0]]


def test_polls_of_routed_steps_agree(deployment: Deployment) -> None:
    """Functions that return their next function poll as well."""
    here = routed.run(value=3, wait_scale=0)
    assert here == {"found": (3, 3)}
    assert deployment.run(routed, {"value": 3}) == {"end": here}


@step(poll=10, poll_timeout=25)
def never(value: Any = None) -> None:
    raise NotReady("still running")


class Later(NotReady):
    """A step's own reason to wait."""


@step(poll=1, poll_timeout=1, retry=RetryConfig(1, delay=0, exceptions=(TimeoutError,)))
def late(folder: str) -> None:
    attempt = len(list(Path(folder).iterdir()))
    Path(folder, str(attempt)).touch()
    time.sleep(0.4)
    raise Later("not today")


@pytest.mark.parametrize("way", WAYS)
def test_a_poll_ends_with_its_time_limit(way: dict[str, Any]) -> None:
    """The error is ``TimeoutError`` with the last message, after as many attempts as have room."""
    with pytest.raises(TimeoutError, match="not ready within 25 seconds: still running") as caught:
        Pipeline("never", steps=[never()]).local_run(wait_scale=0, **way)
    assert isinstance(caught.value, StepFailed)
    assert caught.value.attempts == 4  # at about 0, 10, 20 and 30 seconds


def test_time_limits_of_polls_agree(tmp_path: Path) -> None:
    """In AWS the runtime raises ``TimeoutError`` by the clock; retriers that list it apply."""
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    with pytest.raises(TimeoutError, match="not ready within 1 seconds: not today"):
        Pipeline("late", steps=[late(str(tmp_path / "here"))]).local_run()
    with LocalAws() as aws:
        there = aws.run(Pipeline("late", steps=[late(str(tmp_path / "there"))]))
    assert (there.status, there.error) == ("FAILED", "TimeoutError")
    assert "not ready within 1 seconds: not today" in there.cause
    counts = [len(list((tmp_path / name).iterdir())) for name in ("here", "there")]
    assert counts == [3, 3]  # two within the limit, then the retry


def test_a_poll_ends_with_its_time_limit_without_delays(local_aws: LocalAws) -> None:
    """If no delays pass between attempts, the time of the poll is that which would have passed."""
    found = local_aws.run(Pipeline("never", steps=[never()]))
    assert (found.status, found.error) == ("FAILED", "TimeoutError")
    assert "not ready within 25 seconds: still running" in str(found.cause)
    attempts = [event for event in found.history if event["type"] == "LambdaFunctionScheduled"]
    scheduled = [event for event in found.history if event["type"] == "TaskScheduled"]
    assert len(attempts or scheduled) == 4


@step(poll=1)
def breaks(value: Any = None) -> None:
    if run_context().attempt == 1:
        raise NotReady
    raise LookupError("on purpose")


@step
def unpolled(value: Any = None) -> None:
    raise NotReady("nobody repeats it")


@pytest.mark.parametrize(("one", "error"), [(breaks, "LookupError"), (unpolled, "NotReady")])
def test_other_errors_end_a_poll(one: Any, error: str, deployment: Deployment) -> None:
    """Any other error fails the step; without ``poll=``, ``NotReady`` is an error as any other."""
    pipeline = Pipeline("ended", steps=[one()])
    with pytest.raises(StepFailed) as caught:
        pipeline.local_run(wait_scale=0)
    assert type(caught.value.__cause__).__name__ == error
    assert deployment.execute(pipeline).error == error


def test_nothing_runs_while_a_poll_waits(deployment: Deployment) -> None:
    """Between attempts there is no event: each attempt has three, and the state is one."""
    history = deployment.execute(Pipeline("events", steps=[ready(1)])).history
    kinds = [one["type"] for one in history]
    attempt = ["TaskScheduled", "TaskStarted", "TaskFailed"]
    assert kinds == [
        *("ExecutionStarted", "TaskStateEntered", *attempt, *attempt),
        *("TaskScheduled", "TaskStarted", "TaskSucceeded", "TaskStateExited"),
        "ExecutionSucceeded",
    ]


def test_the_retrier_of_a_poll(request: pytest.FixtureRequest) -> None:
    """The golden machine: the retrier of ``NotReady`` is before those of ``retry=``."""

    @flow
    def polled() -> Any:
        return numbers(3).map(ready).agg(never, retry=2)

    text = json.dumps(polled.generate_step_functions(), indent=2) + "\n"
    agrees_with_golden(request, "poll.statemachine.json", text)
    retriers = json.loads(text)["States"]["never"]["Retry"]
    assert retriers[2] == {
        "ErrorEquals": ["NotReady"],
        "IntervalSeconds": 10,
        "MaxAttempts": 4,
        "BackoffRate": 1.0,
    }
    assert retriers[3]["ErrorEquals"] == ["States.ALL"]


def test_the_end_of_a_process_is_no_poll() -> None:
    """A process that dies is retried by ``retry=`` alone, not as often as a poll."""
    machine = Pipeline("dies", steps=[never()]).generate_step_functions()
    named = [name for one in machine["States"]["never"]["Retry"] for name in one["ErrorEquals"]]
    assert "Runtime.ExitError" not in named


def test_not_ready_is_pickled_by_one_name() -> None:
    """Errors of workers and of AWS are of the same class."""
    error = pickle.loads(pickle.dumps(NotReady("later")))
    assert (type(error), str(error)) == (NotReady, "later")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"poll": 0}, "poll must be a whole number from 1 to 31,536,000 seconds, got 0"),
        ({"poll": 1.5}, "poll must be a whole number"),
        ({"poll": True}, "poll must be a whole number"),
        ({"poll": "30"}, "poll must be a whole number"),
        ({"poll": 40_000_000}, "poll must be a whole number"),
        ({"poll": 30, "poll_timeout": -1}, "poll_timeout must be a whole number"),
        ({"poll": 30, "poll_timeout": 31_536_001}, "poll_timeout must be a whole number"),
        ({"poll": 30, "poll_backoff": 0.5}, "poll_backoff must be a number of at least 1"),
        ({"poll_timeout": 30}, "poll_timeout= is given without poll="),
        ({"poll_backoff": 2}, "poll_backoff= is given without poll="),
        ({"poll": 60, "poll_timeout": 30}, "poll=60 is longer than poll_timeout=30"),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    """Wrong options of polls are errors at the step's line."""
    with pytest.raises(OptionError, match=message) as caught:
        step(**options)(third)
    assert caught.value.place is not None
    assert Path(caught.value.place.file).name == HERE


def test_a_poll_with_too_many_events() -> None:
    """A poll that could exceed 25,000 events is an error with the step's line."""
    often = step(name="often", poll=1, poll_timeout=10_000)(third)
    with pytest.raises(LimitError, match="polls up to 10,001 times, with 3 events each") as caught:
        Pipeline("often", steps=[often(1)])
    assert caught.value.place is not None
    assert Path(caught.value.place.file).name == HERE
    less = step(name="less", poll=1, poll_timeout=10_000, poll_backoff=1.1)(third)
    Pipeline("less", steps=[less(1)])


def test_polls_are_refused_in_batches_and_jobs() -> None:
    """A poll cannot repeat a batch, and a job would cost while it waits."""

    @flow
    def batched() -> Any:
        return numbers(3).map(ready, batch_size=2)

    with pytest.raises(OptionError, match="polls in a map with batch_size"):
        _ = batched.definition
    job = step(name="job", poll=5, job_type="batch")(third)
    with pytest.raises(DefinitionError, match="poll"):
        Pipeline("job", steps=[job(1)])


def test_the_last_message_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """Progress shows what a step waits for."""
    from lokki_tf.reporting.words import format_event

    events: list[Any] = []
    Pipeline("shown", steps=[ready(1)]).local_run(wait_scale=0, on_event=events.append)
    lines = [format_event(one) for one in events]
    briefs = [one.brief for one in lines if one is not None and one.brief]
    assert briefs[:2] == ["ready is not ready: 1 of 3", "ready is not ready: 2 of 3"]
