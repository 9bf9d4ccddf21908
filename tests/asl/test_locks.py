"""The state that takes a slot: one with a limit of runs, none without it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from golden_files import agrees_with_golden

from lokki_tf import MicroFunctions, Parameter, Pipeline, ReturnUpdates, step
from lokki_tf.asl import compile_state_machine
from lokki_tf.asl.text import render
from lokki_tf.checks import check_state_machine
from lokki_tf.errors import LimitError, OptionError
from lokki_tf.runtime.busy import CHECK, LONGEST_WAIT

BEHAVIOURS = ("queue", "skip", "fail")


@step
def load(day: str) -> list[int]:
    return [len(day)]


@step
def total(rows: list[int]) -> int:
    return sum(rows)


@step
def report(rows: list[int]) -> str:
    return str(rows)


@step
def release(load: list[int] | None) -> None: ...


def graph(**options: Any) -> Pipeline:
    rows = load(Parameter("day", str))
    return Pipeline("limited", [total(rows), report(rows)], **options)


def routed(max_steps: int = 25, **options: Any) -> MicroFunctions:
    pipe = MicroFunctions("begin", name="limited-routes", max_steps=max_steps, **options)

    @pipe.fn(catch={ValueError: "end"})
    def begin() -> ReturnUpdates:
        return ReturnUpdates("end")

    @pipe.fn(terminates=True)
    def end(again: int = 0) -> dict[str, Any]:
        return {"again": again}

    return pipe


def compiled(pipeline: Pipeline) -> dict[str, Any]:
    return compile_state_machine(pipeline.definition).definition


def test_the_state_machine_is_as_reviewed(request: pytest.FixtureRequest) -> None:
    """The state is before all others; a skipped execution has a skipped result for each end."""
    pipeline = graph(max_concurrent_runs=2, when_busy="skip", cleanup=release)
    text = json.dumps(pipeline.generate_step_functions(), indent=2, ensure_ascii=False)
    agrees_with_golden(request, "locks.statemachine.json", text + "\n")


@pytest.mark.parametrize("make", [graph, routed])
@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_one_state_more_is_entered(make: Any, behaviour: str) -> None:
    """All other states are the same as without the limit; only a skipped execution ends apart."""
    plain = compiled(make())
    limited = compiled(make(max_concurrent_runs=1, when_busy=behaviour))
    added = limited["States"].keys() - plain["States"].keys()
    assert added == {CHECK, *(["Skipped"] if behaviour == "skip" else [])}
    assert limited["StartAt"] == CHECK
    assert limited["States"][CHECK]["Next"] == plain["StartAt"]
    for name, state in plain["States"].items():
        assert render(limited["States"][name]) == render(state)


@pytest.mark.parametrize("make", [graph, routed])
@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_step_functions_accepts_the_definition(make: Any, behaviour: str) -> None:
    """The rules about compiled state machines find nothing, with and without a cleanup step."""
    options: tuple[dict[str, Any], ...] = ({}, {"cleanup": release} if make is graph else {})
    for more in options:
        pipeline = make(max_concurrent_runs=3, when_busy=behaviour, **more)
        assert check_state_machine(compiled(pipeline)) == []


def test_a_run_waits_for_a_day() -> None:
    """The delays between attempts add up to a day; their events are a fifth of the limit."""
    (retrier, *_) = compiled(graph(max_concurrent_runs=1))["States"][CHECK]["Retry"]
    delay, waited = float(retrier["IntervalSeconds"]), 0.0
    for _ in range(retrier["MaxAttempts"]):
        waited += delay
        delay = min(delay * retrier["BackoffRate"], retrier["MaxDelaySeconds"])
    assert LONGEST_WAIT <= waited < LONGEST_WAIT + 60
    assert "JitterStrategy" not in retrier  # the sum would be half of that
    assert 3 * retrier["MaxAttempts"] < 25_000 / 5


def test_the_events_of_the_wait_are_counted() -> None:
    """A routed pipeline with too many steps for the events that are left is refused."""
    most = 3_000
    looping = MicroFunctions("begin", name="looping", max_steps=most)
    waiting = MicroFunctions("begin", name="looping", max_steps=most, max_concurrent_runs=1)
    for pipe in (looping, waiting):

        @pipe.fn()
        def begin(count: int = 0) -> ReturnUpdates:
            return ReturnUpdates("begin" if count < 9 else "end", count=count + 1)

        @pipe.fn(terminates=True)
        def end(count: int) -> dict[str, int]:
            return {"count": count}

    compiled(looping)
    with pytest.raises(LimitError, match="max_steps=3000 allows executions with more than"):
        compiled(waiting)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"max_concurrent_runs": 0}, "max_concurrent_runs must be a whole number from 1 to 100"),
        ({"max_concurrent_runs": True}, "max_concurrent_runs must be a whole number"),
        ({"max_concurrent_runs": "1"}, "max_concurrent_runs must be a whole number"),
        ({"max_concurrent_runs": 101}, "max_concurrent_runs must be a whole number from 1 to 100"),
        ({"max_concurrent_runs": 1, "when_busy": "wait"}, "when_busy"),
        ({"when_busy": "skip"}, "when_busy='skip' and any number of runs at once"),
    ],
)
def test_options_out_of_their_range_are_refused(options: dict[str, Any], says: str) -> None:
    """The error is raised where the pipeline is written."""
    with pytest.raises(OptionError, match=says) as caught:
        graph(**options)
    assert caught.value.place is not None
    assert caught.value.place.file == __file__
