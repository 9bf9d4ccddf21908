"""Redriven executions continue from the failed states, as AWS documents."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from lokki_tf.testing.state_machines.execution import Execution

Prepare = Callable[..., Execution]
Output = Callable[[Execution], Any]
Task = Callable[..., dict[str, Any]]


class Shop:
    """Functions that count their calls and fail until they are fixed."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.broken = True

    def good(self, event: Any) -> Any:
        """Return the event."""
        self.calls[event.get("name", "good")] += 1
        return event

    def bad(self, event: Any) -> Any:
        """Return the event after the fix; fail before."""
        self.calls[event.get("name", "bad")] += 1
        if self.broken:
            raise ValueError("broken")
        return event


def redriven(run: Execution, shop: Shop) -> Execution:
    """Run until the failure, fix the functions, and redrive to the end."""
    run.run()
    assert run.status == "FAILED"
    shop.broken = False
    run.redrive()
    assert run.done.wait(20)
    return run


def kinds(run: Execution) -> list[str]:
    """Return the types of a run's events."""
    return [event["type"] for event in run.history.events]


def test_it_goes_on_from_the_failed_state(prepare: Prepare, output: Output, task: Task) -> None:
    """Successful states do not run again; the failed state has its input and variables."""
    states = {
        "A": task("good", {"name": "a"}, Assign={"kept.$": "$.Payload.name"}, Next="B"),
        "B": task("bad", {"name": "b", "kept.$": "$kept"}, OutputPath="$.Payload"),
    }
    shop = Shop()
    run = prepare({"StartAt": "A", "States": states}, good=shop.good, bad=shop.bad)
    assert output(redriven(run, shop)) == {"name": "b", "kept": "a"}
    assert shop.calls == {"a": 1, "b": 2}
    assert run.redrive_count == 1
    assert run.error is None


def test_the_history_goes_on(prepare: Prepare, task: Task) -> None:
    """ExecutionRedriven follows the failure, and no state is entered a second time."""
    shop = Shop()
    states = {"B": task("bad")}
    run = redriven(prepare({"StartAt": "B", "States": states}, bad=shop.bad), shop)
    assert kinds(run) == [
        *("ExecutionStarted", "TaskStateEntered", "TaskScheduled", "TaskStarted", "TaskFailed"),
        *("ExecutionFailed", "ExecutionRedriven", "TaskScheduled", "TaskStarted"),
        *("TaskSucceeded", "TaskStateExited", "ExecutionSucceeded"),
    ]
    ids = [event["id"] for event in run.history.events]
    assert ids == list(range(1, len(ids) + 1))


def test_branches_that_succeeded_stay(prepare: Prepare, output: Output, task: Task) -> None:
    """Of a Parallel state, only the branches that did not end run again."""
    done = {"StartAt": "X", "States": {"X": task("good", {"name": "x"}, OutputPath="$.Payload")}}
    fails = {
        "StartAt": "Y",
        "States": {
            "Y": task("good", {"name": "y"}, Next="Z"),
            "Z": task("bad", {"name": "z"}, OutputPath="$.Payload"),
        },
    }
    parallel = {"Type": "Parallel", "Branches": [done, fails], "End": True}
    shop = Shop()
    run = prepare({"StartAt": "P", "States": {"P": parallel}}, good=shop.good, bad=shop.bad)
    # The first branch may be stopped before it is done, and runs again then.
    assert output(redriven(run, shop)) == [{"name": "x"}, {"name": "z"}]
    assert shop.calls["y"] == 1
    assert shop.calls["z"] == 2


def test_iterations_that_succeeded_stay(prepare: Prepare, output: Output, task: Task) -> None:
    """Of an inline Map, only the iterations that failed run again, with results in order."""
    shop = Shop()

    def odd(event: Any) -> Any:
        shop.calls[str(event["n"])] += 1
        if shop.broken and event["n"] == 2:
            raise ValueError("broken")
        return event["n"] * 10

    state = {
        "Type": "Map",
        "MaxConcurrency": 1,
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "INLINE"},
            "StartAt": "I",
            "States": {"I": task("odd", {"n.$": "$"}, OutputPath="$.Payload")},
        },
        "End": True,
    }
    run = prepare({"StartAt": "M", "States": {"M": state}}, [0, 1, 2, 3], odd=odd)
    assert output(redriven(run, shop)) == [0, 10, 20, 30]
    assert (shop.calls["0"], shop.calls["1"], shop.calls["2"]) == (1, 1, 2)


def test_limits_of_redrives(prepare: Prepare, task: Task) -> None:
    """An execution cannot be redriven 14 days after its end or with a nearly full history."""
    shop = Shop()
    run = prepare({"StartAt": "B", "States": {"B": task("bad")}}, bad=shop.bad)
    run.run()
    assert run.not_redrivable is None
    assert run.stop_date is not None
    run.stop_date -= timedelta(days=15)
    assert run.not_redrivable == "Execution redrivable period exceeded"
    run.stop_date += timedelta(days=15)
    for _ in range(24_999 - len(run.history.events)):
        run.history.add("WaitStateEntered", 0, {})
    assert run.not_redrivable == "Execution history event limit exceeded"


def test_retries_count_anew(prepare: Prepare, task: Task) -> None:
    """After a redrive a state has all its retries again."""
    shop = Shop()
    retry = [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 2}]
    run = prepare({"StartAt": "B", "States": {"B": task("bad", Retry=retry)}}, bad=shop.bad)
    run.run()
    assert shop.calls["bad"] == 3
    run.redrive()
    assert run.done.wait(20)
    assert run.status == "FAILED"
    assert shop.calls["bad"] == 6


def test_children_of_a_map_run_that_succeeded_stay(
    local_aws: Any, zip_of: Callable[..., bytes], tmp_path: Any
) -> None:
    """A Distributed Map continues in the same Map Run with the children that did not succeed."""
    gate, counts = tmp_path / "gate", tmp_path / "counts"
    source = (
        "import os\n"
        "def handler(event, context):\n"
        f"    open({str(counts)!r}, 'a').write(f'{{event}};')\n"
        f"    if event == 2 and not os.path.exists({str(gate)!r}): raise ValueError('shut')\n"
        "    return event * 10\n"
    )
    function = local_aws.create_function("redriven", zip_of(source), "handler.handler")
    state = {
        "Type": "Map",
        "MaxConcurrency": 1,
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            "StartAt": "I",
            "States": {"I": {"Type": "Task", "Resource": function, "End": True}},
        },
        "End": True,
    }
    machine = local_aws.create_state_machine("redriven", {"StartAt": "M", "States": {"M": state}})
    failed = local_aws.execute(machine, [0, 1, 2, 3], name="one")
    assert failed.error == "States.ExceedToleratedFailureThreshold"
    gate.touch()
    states = local_aws.client("stepfunctions")
    states.redrive_execution(executionArn=failed.arn)
    (map_run,) = states.list_map_runs(executionArn=failed.arn)["mapRuns"]
    told = _ended(states, failed.arn)
    assert json.loads(told["output"]) == [0, 10, 20, 30]
    assert (told["redriveCount"], told["redriveStatus"]) == (1, "NOT_REDRIVABLE")
    assert states.describe_map_run(mapRunArn=map_run["mapRunArn"])["redriveCount"] == 1
    calls = counts.read_text().split(";")
    assert (calls.count("0"), calls.count("1"), calls.count("2")) == (1, 1, 2)
    with pytest.raises(states.exceptions.ExecutionNotRedrivable):
        states.redrive_execution(executionArn=failed.arn)


def _ended(states: Any, arn: str) -> dict[str, Any]:
    while True:
        told: dict[str, Any] = states.describe_execution(executionArn=arn)
        if told["status"] != "RUNNING":
            return told
