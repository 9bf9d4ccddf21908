"""Limits of maps that are parameters of the run, and maps inside of others."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from golden_files import agrees_with_golden
from ways import IN_THIS_PROCESS, WAYS

from lokki_tf import Parameter, Pipeline, flow, start_pipeline, step
from lokki_tf.errors import BindingError, OptionError

if TYPE_CHECKING:
    from deployment import Deployment

HERE = Path(__file__).name


@step
def numbers(count: int) -> list[int]:
    return list(range(count))


@step
def upto(number: int) -> list[int]:
    return list(range(number))


@step(timeout_seconds=60)
def plus(number: int, more: int = 1) -> int:
    return number + more


@step
def gathered(values: Any) -> Any:
    return values


@flow
def limited(count: int = 4, parallel: int = 2):
    return numbers(count).map(plus, concurrency_limit=parallel).agg(gathered)


@flow
def required(parallel: int):
    return numbers(4).map(plus, concurrency_limit=parallel, mode="inline").agg(gathered)


@flow
def nested(outer: int = 2, inner: int = 3, count: int = 4):
    opened = numbers(count).map(upto, concurrency_limit=outer)
    closed = opened.map(plus, concurrency_limit=inner, execution_type="express").agg(gathered)
    return closed.agg(gathered)


@flow
def inlined(wide: int = 3):
    return gathered([limited(2, parallel=wide), limited(2, parallel=5), limited(2, parallel=0)])


@flow
def mixed(count: int = 4, plus: int = 2):
    return (
        numbers(count).map(upto).map(added, concurrency_limit=plus, more=plus_of(1)).agg(gathered)
    )


@step(name="plus")
def plus_of(number: int) -> int:
    return number


@step
def added(number: int, more: int) -> int:
    return number + more


parallel = Parameter("parallel", int, default=1)
called = Pipeline(
    "called-limits",
    steps=[
        numbers(3).map([plus, plus], concurrency_limit=parallel, batch_size=2),
        numbers(2).map(plus, concurrency_limit=parallel),
    ],
)
CASES: list[tuple[Any, dict[str, Any], list[int]]] = [
    (limited, {}, [2]),
    (limited, {"parallel": 3}, [3]),
    (limited, {"parallel": 0}, [0]),
    (limited, {"parallel": 10_000}, [10_000]),
    (required, {"parallel": 1}, []),
    (nested, {"outer": 1}, [1]),
    (inlined, {"wide": 4}, [0, 4, 5]),
    (mixed, {}, [0]),
    (called, {}, [1, 1]),
]


@pytest.mark.parametrize(("pipeline", "given", "limits"), CASES, ids=str)
def test_results_and_limits_agree(
    pipeline: Any, given: dict[str, Any], limits: list[int], deployment: Deployment
) -> None:
    """A run has the limits of its parameters or their defaults, and the results of others."""
    results = [pipeline.local_run(given, **way).outputs for way in WAYS]
    assert all(one == results[0] for one in results)
    execution = deployment.execute(pipeline, given)
    there = deployment.aws.values(execution)
    assert there == {name: results[0][name] for name in there}
    states = deployment.aws.client("stepfunctions")
    found = states.list_map_runs(executionArn=execution.arn)["mapRuns"]
    described = [states.describe_map_run(mapRunArn=one["mapRunArn"]) for one in found]
    assert sorted(one["maxConcurrency"] for one in described) == limits


def test_inner_maps_have_the_limit_too(deployment: Deployment) -> None:
    """The items of a map pass the parameter to the maps inside of them."""
    execution = deployment.execute(nested, {"inner": 7})
    states = deployment.aws.client("stepfunctions")
    (outer,) = states.list_map_runs(executionArn=execution.arn)["mapRuns"]
    items = states.list_executions(mapRunArn=outer["mapRunArn"])["executions"]
    inner = [
        states.describe_map_run(mapRunArn=one["mapRunArn"])["maxConcurrency"]
        for item in items
        for one in states.list_map_runs(executionArn=item["executionArn"])["mapRuns"]
    ]
    assert inner == [7] * 4


class Busy:
    """Counts how many calls run at once."""

    def __init__(self) -> None:
        self.lock, self.now, self.most = threading.Lock(), 0, 0

    def __call__(self, number: int) -> int:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.02)
        with self.lock:
            self.now -= 1
        return number


@pytest.mark.parametrize("way", IN_THIS_PROCESS, ids=str)
@pytest.mark.parametrize("most", [1, 3])
def test_local_runs_have_the_limit(way: dict[str, Any], most: int) -> None:
    """No more items run at once than the parameter says, and as many where there are workers."""
    busy = Busy()

    @step
    def works(number: int) -> int:
        return busy(number)

    limit = Parameter("most", int, default=2)
    pipeline = Pipeline("busy", steps=[numbers(12).map(works, concurrency_limit=limit)])
    pipeline.local_run({"most": most}, max_workers=None if way.get("executor") else 6, **way)
    assert busy.most == (1 if way.get("executor") == "sequential" else most)


def test_the_state_machine(request: pytest.FixtureRequest) -> None:
    """The golden machine: a state before each map that assigns its limit, which the map reads."""
    text = json.dumps(nested.generate_step_functions(), indent=2)
    agrees_with_golden(request, "map-limits.statemachine.json", f"{text}\n")


@pytest.mark.parametrize("pipeline", [limited, required, nested], ids=lambda one: str(one.name))
@pytest.mark.parametrize("value", [-1, 10_001])
def test_a_limit_out_of_range_is_refused_when_a_run_begins(
    pipeline: Any, value: int, deployment: Deployment
) -> None:
    """The error is that of the first step in AWS, and of a local run before any step."""
    name = "inner" if pipeline is nested else "parallel"
    says = f"{name!r} is the concurrency_limit of a map and must be from 0, for no limit, to 10,000"
    with pytest.raises(BindingError) as raised:
        pipeline.local_run({name: value})
    assert raised.value.message == f"{says}, got {value}"
    execution = deployment.execute(pipeline, {name: value})
    assert execution.error == "ValueError"
    assert f"{says}, got {value}" in execution.cause
    assert [e for e in execution.history if e["type"] == "TaskStateExited"] == []


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ({"parallel": "2"}, "TypeError", "'parallel' in the execution's input must be int"),
        ({"parallel": None}, "TypeError", "'parallel' in the execution's input must be int"),
        ({"parallel": 2.5}, "TypeError", "'parallel' in the execution's input must be int"),
        ({}, "ValueError", "the execution's input has no 'parallel', which the flow requires"),
    ],
    ids=str,
)
def test_a_limit_that_is_no_number_is_refused(
    given: dict[str, Any], error: str, says: str, deployment: Deployment
) -> None:
    """A wrong type, and a required limit that is missing, are errors in both worlds."""
    with pytest.raises(BindingError, match="parallel"):
        required.local_run(given)
    execution = deployment.execute(required, given)
    assert execution.error == error
    assert says in execution.cause


def test_a_started_pipeline_refuses_a_limit_alike(deployment: Deployment) -> None:
    """Local runs of a pipeline that starts another raise what the other's first step raises."""
    deployment.aws.register(limited)
    starting = Pipeline("starting-limited", steps=[start_pipeline("limited", {"parallel": -3})])
    with pytest.raises(Exception, match="must be from 0, for no limit, to 10,000, got -3"):
        starting.local_run()
    execution = deployment.execute(starting)
    assert execution.error == "PipelineFailed"
    assert "must be from 0, for no limit, to 10,000, got -3" in execution.cause


# Definitions that are refused.


@flow
def of_text(parallel: str = "2"):
    return numbers(3).map(plus, concurrency_limit=parallel)


@flow
def of_anything(parallel):
    return numbers(3).map(plus, concurrency_limit=parallel)


@flow
def too_wide(parallel: int = 10_001):
    return numbers(3).map(plus, concurrency_limit=parallel)


@flow
def without(parallel: int | None = None):
    return numbers(3).map(plus, concurrency_limit=parallel)


@flow
def outside():
    return limited(parallel=-1)


@flow
def computed():
    return limited(parallel=plus(1))


@flow
def a_result():
    return numbers(3).map(plus, concurrency_limit=plus(1))


@pytest.mark.parametrize(
    ("pipeline", "says"),
    [
        (of_text, "is of str, but must be of type int"),
        (of_anything, "is of Any, but must be of type int"),
        (too_wide, "has the default 10001, but must be a whole number from 0"),
        (without, "has the default None, but must be a whole number from 0"),
        (outside, "must be a whole number of at least 1, or 0 for no limit, got -1"),
        (computed, "so its value must be a whole number or a parameter of the run"),
        (a_result, "or a parameter of the run, got the result of step 'plus'"),
    ],
    ids=lambda one: getattr(one, "name", None),
)
def test_limits_that_cannot_be_known_are_errors(pipeline: Any, says: str) -> None:
    """The error has the place of the map, or of the pipeline that is included."""
    with pytest.raises(OptionError) as raised:
        _ = pipeline.definition
    assert says in raised.value.message
    assert raised.value.place is not None
    assert raised.value.place.file.endswith(HERE)


# Maps inside of maps.


def deep(*limits: Any, mode: str = "distributed") -> Pipeline:
    """A pipeline with maps inside of each other, the outermost first."""
    chain: Any = numbers(2)
    for limit in limits:
        chain = chain.map(upto, concurrency_limit=limit)
        chain = chain.next(gathered)
    return Pipeline("deep", steps=[chain.map(plus, mode=mode)])


@pytest.mark.parametrize(
    ("pipeline", "says"),
    [
        (deep(999), None),
        (deep(1_000), "up to 1,001 Map Runs can be open at once"),
        (deep(None), "up to 10,001 Map Runs can be open at once"),
        (deep(None, mode="inline"), None),
        (deep(31, 31), None),
        (deep(32, 31), "up to 1,025 Map Runs can be open at once"),
        (deep(Parameter("wide", int, default=999)), None),
        (deep(Parameter("wide", int, default=1_000)), "up to 1,001 Map Runs"),
        (deep(Parameter("wide", int, default=0)), "up to 10,001 Map Runs"),
        (deep(Parameter("wide", int)), None),
    ],
    ids=[
        *("999", "1000", "no limit", "inline", "31 times 31", "32 times 31"),
        *("parameter", "wide parameter", "unlimited parameter", "unknown"),
    ],
)
def test_more_map_runs_than_an_account_allows_are_a_warning(
    pipeline: Pipeline, says: str | None
) -> None:
    """A map inside of another is reported if its runs could use an account's quota."""
    found = [one for one in pipeline.check() if one.rule == "map-runs"]
    assert len(found) == (says is not None)
    for one in found:
        assert says is not None
        assert says in one.message
        assert one.severity == "warning"
        assert ("forever" in one.message) == ("1,025" in says)
