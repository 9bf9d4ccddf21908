"""Children of Distributed Maps are on disk unless they run; log events are compressed."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any

import pytest

from lokki_tf.testing import LocalAws
from lokki_tf.testing.state_machines.archive import Archive
from lokki_tf.testing.state_machines.execution import Execution
from lokki_tf.testing.state_machines.failures import Stopped
from tests.testing.conftest import function_arn

EVERY = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}


def mapped(function: str, **fields: Any) -> dict[str, Any]:
    """A machine with one Distributed Map, whose children call a function and then wait."""
    call = {"Type": "Task", "Resource": function_arn(function), "Next": "Then"}
    processor = {
        "ProcessorConfig": EVERY,
        "StartAt": "Call",
        "States": {"Call": call, "Then": {"Type": "Pass", "End": True}},
    }
    each = {"Type": "Map", "ItemProcessor": processor, "Label": "Each", "End": True, **fields}
    return {"StartAt": "Each", "States": {"Each": each}}


def test_only_children_that_run_are_in_memory(interpret: Callable[..., Execution]) -> None:
    """While a map of 300 items runs, at most as many child executions exist as run at a time."""
    seen, lock = [0], Lock()

    def count(value: Any) -> Any:
        with lock:
            if value % 100 == 99:
                gc.collect()
                found = [each for each in gc.get_objects() if type(each) is Execution]
                seen[0] = max(seen[0], sum(each.map_run_arn is not None for each in found))
        return value

    execution = interpret(mapped("count", MaxConcurrency=5), list(range(300)), count=count)
    assert execution.status == "SUCCEEDED"
    assert 0 < seen[0] <= 10
    (map_run,) = execution.map_runs
    assert map_run.children.live() == []


def test_children_are_restored_as_they_were(interpret: Callable[..., Execution]) -> None:
    """A child that has ended has its input, output, dates and history when it is read again."""
    execution = interpret(mapped("twice"), [1, 2, 3], twice=lambda value: value * 2)
    (map_run,) = execution.map_runs
    children = list(map_run.children.load([2, 0, 1]))
    assert [child.input_text for child in children] == ["3", "1", "2"]
    assert [child.output_text for child in children] == ["6", "2", "4"]
    for child in children:
        assert child.stop_date is not None
        assert child.start_date <= child.stop_date
        assert [event["type"] for event in child.history.events] == [
            "ExecutionStarted",
            "TaskStateEntered",
            "LambdaFunctionScheduled",
            "LambdaFunctionStarted",
            "LambdaFunctionSucceeded",
            "TaskStateExited",
            "PassStateEntered",
            "PassStateExited",
            "ExecutionSucceeded",
        ]
        assert execution.find_child(child.arn) == child
    assert execution.find_child(f"{children[0].arn}0") is None


def test_failed_children_continue_where_they_failed(prepare: Callable[..., Execution]) -> None:
    """A redrive of a map reads the failed children again, and they continue with their history."""
    broken = {2}

    def fail(value: Any) -> Any:
        if value in broken:
            raise ValueError(value)
        return value

    fields = {"ToleratedFailureCount": 0, "MaxConcurrency": 1}
    execution = prepare(mapped("fail", **fields), [1, 2, 3], fail=fail)
    execution.run()
    assert execution.error == "States.ExceedToleratedFailureThreshold"
    (map_run,) = execution.map_runs
    assert map_run.describe()["itemCounts"]["pending"] == 1
    broken.clear()
    execution.ready(None, redriven=True)
    execution.run()
    assert execution.output_text == "[1,2,3]"
    assert map_run.describe()["executionCounts"]["succeeded"] == 3
    counts = [child.redrive_count for child in map_run.children.load(range(3))]
    assert counts == [0, 1, 0]
    (child,) = map_run.children.load([1])
    kinds = [event["type"] for event in child.history.events]
    assert kinds.count("ExecutionStarted") == 1
    assert "ExecutionRedriven" in kinds


def test_no_child_starts_after_the_end(interpret: Callable[..., Execution]) -> None:
    """After a Map Run was closed, no more of its children can start."""
    execution = interpret(mapped("echo"), [1], echo=lambda value: value)
    children = execution.map_runs[0].children
    children.add("2", 1)
    assert children.close() == []
    with pytest.raises(Stopped):
        children.begin(1, None)


def test_results_beyond_the_quota_are_not_all_loaded(interpret: Callable[..., Execution]) -> None:
    """Results of more than 256 KiB fail the state, as in AWS."""
    execution = interpret(
        mapped("large"), list(range(30)), large=lambda value: f"{value:02}" + "x" * 20_000
    )
    assert execution.error == "States.DataLimitExceeded"


def test_an_archive_in_a_file_outlives_the_process(tmp_path: Path) -> None:
    """What was committed is in the file; Map Runs that are not kept are removed from it."""
    archive = Archive(tmp_path / "children")
    archive.add("a", [(0, "name", "{}")])
    archive.end("a", [(0, "SUCCEEDED", b"data")])
    archive.add("b", [(0, "name", "{}")])
    archive.commit()
    archive.add("a", [(1, "other", "{}")])  # never committed
    again = Archive(tmp_path / "copy")
    (tmp_path / "copy").write_bytes((tmp_path / "children").read_bytes())
    (tmp_path / "copy-wal").write_bytes((tmp_path / "children-wal").read_bytes())
    assert again.inputs("a", 0, 9) == [(0, "name", "{}")]
    assert again.records("a", [0]) == {0: b"data"}
    again.keep(["a"])
    assert again.position("b", "name") is None
    assert again.position("a", "name") == 0


def test_logs_of_many_calls_are_complete(local_aws: LocalAws, zip_of: Callable[..., bytes]) -> None:
    """The lines of 250 calls are returned in order, also those in compressed blocks."""
    source = "def show(event, context):\n    print('call', event)\n"
    local_aws.create_function("show", zip_of(source), "handler.show")
    functions = local_aws.client("lambda")
    for number in range(250):
        functions.invoke(FunctionName="show", Payload=str(number))
    lines = [line for line in local_aws.logs("show") if line.startswith("call")]
    assert lines == [f"call {number}" for number in range(250)]
