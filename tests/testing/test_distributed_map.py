"""Distributed Maps: items from S3, children, batches, tolerated failures, results in S3."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from lokki_tf.testing import Execution, LocalAws

Task = Callable[..., dict[str, Any]]
BUCKET = "maps"
S3 = "arn:aws:states:::s3"


def machine(**states: Any) -> dict[str, Any]:
    """Return a definition that starts at its first state."""
    return {"StartAt": next(iter(states)), "States": states}


@pytest.fixture(autouse=True)
def functions(local_aws: LocalAws, zip_of: Callable[..., bytes]) -> None:
    """Deploy a bucket, a function that returns its event and one that fails for odd numbers."""
    source = """
def echo(event, context): return event
def odd(event, context):
    if event % 2: raise ValueError(f"{event} is odd")
    return event
"""
    for name in ("echo", "odd"):
        local_aws.create_function(name, zip_of(source), f"handler.{name}")
    local_aws.client("s3").create_bucket(Bucket=BUCKET)


@pytest.fixture
def run_map(local_aws: LocalAws, task: Task) -> Callable[..., Execution]:
    """Run a machine that is one Distributed Map."""

    def run(value: Any, function: str = "echo", before: Any = None, **fields: Any) -> Execution:
        state = task(function, OutputPath="$.Payload")
        state["Parameters"].pop("Payload")
        state["Parameters"]["Payload.$"] = "$"
        config = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
        processor = {**machine(Child=state), "ProcessorConfig": config}
        each = {"Type": "Map", "ItemProcessor": processor, "Label": "Each", "End": True, **fields}
        states = {"Before": before, "Each": each} if before else {"Each": each}
        local_aws.create_state_machine("map", machine(**states))
        return local_aws.execute("map", value)

    return run


def read(aws: LocalAws, key: str) -> Any:
    """Return a JSON object of the bucket."""
    return json.load(aws.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"])


def put(aws: LocalAws, key: str, text: str) -> None:
    """Write an object of the bucket."""
    aws.client("s3").put_object(Bucket=BUCKET, Key=key, Body=text.encode())


def reader(key: str, **config: Any) -> dict[str, Any]:
    """Return an ItemReader of an object whose key is in the input."""
    return {
        "Resource": f"{S3}:getObject",
        "ReaderConfig": config,
        "Parameters": {"Bucket": BUCKET, "Key": key},
    }


WRITER = {"Resource": f"{S3}:putObject", "Parameters": {"Bucket": BUCKET, "Prefix": "out"}}


def test_items_of_the_input(run_map: Callable[..., Execution]) -> None:
    """Without a reader the items are the input's, and results come in their order."""
    items = [3, ["ü"], {"a": None}]
    found = run_map({"items": items}, ItemsPath="$.items", MaxConcurrency=2)
    assert (found.output, found.cause) == (items, None)


@pytest.mark.parametrize(
    ("text", "config", "items"),
    [
        ('[1, {"a": 2}]', {"InputType": "JSON"}, [1, {"a": 2}]),
        ('{"x": {"y": [7]}}', {"InputType": "JSON", "ItemsPointer": "/x/y"}, [7]),
        ('1\n{"a": "ü"}\n', {"InputType": "JSONL"}, [1, {"a": "ü"}]),
        ("n,m\n1,2\n", {"InputType": "CSV"}, [{"n": "1", "m": "2"}]),
        ("[1, 2, 3]", {"InputType": "JSON", "MaxItems": 2}, [1, 2]),
        ("[]", {"InputType": "JSON"}, []),
    ],
)
def test_items_from_s3(
    run_map: Callable[..., Execution],
    local_aws: LocalAws,
    text: str,
    config: dict[str, Any],
    items: list[Any],
) -> None:
    """ItemReader reads JSON, JSON lines and CSV."""
    put(local_aws, "items", text)
    assert run_map({}, ItemReader=reader("items", **config)).output == items


def test_unreadable_items(run_map: Callable[..., Execution], local_aws: LocalAws) -> None:
    """Items that are missing or no array fail with States.ItemReaderFailed."""
    put(local_aws, "text", '"text"')
    for key in ("nothing", "text"):
        found = run_map({}, ItemReader=reader(key, InputType="JSON"))
        assert found.error == "States.ItemReaderFailed"


def test_item_selector(run_map: Callable[..., Execution]) -> None:
    """ItemSelector sees the item in the context object, the Map's input and its variables."""
    before = {"Type": "Pass", "Assign": {"outer": "v"}, "Next": "Each"}
    selector = {
        "i.$": "$$.Map.Item.Index",
        "v.$": "$$.Map.Item.Value.n",
        "k.$": "$.k",
        "outer.$": "$outer",
    }
    value = {"items": [{"n": 5}, {"n": 6}], "k": 0}
    found = run_map(value, before=before, ItemsPath="$.items", ItemSelector=selector)
    assert found.output == [{"i": i, "v": 5 + i, "k": 0, "outer": "v"} for i in (0, 1)]


def test_children_see_no_outer_variables(local_aws: LocalAws) -> None:
    """A child that refers to an outer variable fails; it may have one of the same name."""
    for inner, error in (
        ({"Type": "Pass", "Parameters": {"v.$": "$outer"}, "End": True}, "Threshold"),
        ({"Type": "Pass", "Assign": {"outer": 2}, "End": True}, None),
    ):
        config = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
        processor = {**machine(Child=inner), "ProcessorConfig": config}
        states = machine(
            Before={"Type": "Pass", "Assign": {"outer": 1}, "Next": "Each"},
            Each={"Type": "Map", "ItemProcessor": processor, "Label": "L", "End": True},
        )
        local_aws.create_state_machine("outer", states)
        found = local_aws.execute("outer", [1])
        assert error in str(found.error) if error else found.succeeded


def test_children_are_executions(local_aws: LocalAws) -> None:
    """A child has its own ARN, name and input in its context object, and is listed."""
    wanted = {
        "id.$": "$$.Execution.Id",
        "in.$": "$$.Execution.Input",
        "m.$": "$$.StateMachine.Name",
    }
    inner = {"Type": "Pass", "Parameters": wanted, "End": True}
    config = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    processor = {**machine(Child=inner), "ProcessorConfig": config}
    state = {"Type": "Map", "ItemProcessor": processor, "Label": "Each", "End": True}
    local_aws.create_state_machine("children", machine(A=state))
    found = local_aws.execute("children", [{"n": 1}])
    child = found.output[0]
    assert child["id"].startswith("arn:aws:states:us-east-1:123456789012:execution:children/Each:")
    assert (child["in"], child["m"]) == ({"n": 1}, "children/Each")
    states = local_aws.client("stepfunctions")
    map_run = states.list_map_runs(executionArn=found.arn)["mapRuns"][0]["mapRunArn"]
    listed = states.list_executions(mapRunArn=map_run)["executions"]
    assert [item["executionArn"] for item in listed] == [child["id"]]
    assert states.describe_execution(executionArn=child["id"])["mapRunArn"] == map_run
    assert states.get_execution_history(executionArn=child["id"])["events"]


def test_batches(run_map: Callable[..., Execution]) -> None:
    """ItemBatcher gives a child several items and the common input."""
    batcher = {"MaxItemsPerBatch": 2, "BatchInput": {"k.$": "$.k"}}
    found = run_map({"items": [1, 2, 3], "k": "v"}, ItemsPath="$.items", ItemBatcher=batcher)
    assert found.output == [
        {"BatchInput": {"k": "v"}, "Items": [1, 2]},
        {"BatchInput": {"k": "v"}, "Items": [3]},
    ]


def test_batches_by_size(run_map: Callable[..., Execution]) -> None:
    """A batch's input has no more bytes than MaxInputBytesPerBatch."""
    found = run_map(["x" * 50] * 5, ItemBatcher={"MaxInputBytesPerBatch": 120})
    assert [len(batch["Items"]) for batch in found.output] == [2, 2, 1]
    assert all(len(json.dumps(batch, separators=(",", ":"))) <= 120 for batch in found.output)


@pytest.mark.parametrize(
    ("tolerance", "status"),
    [
        ({}, "FAILED"),
        ({"ToleratedFailureCount": 1}, "FAILED"),
        ({"ToleratedFailureCount": 2}, "SUCCEEDED"),
        ({"ToleratedFailurePercentage": 40.0}, "FAILED"),
        ({"ToleratedFailurePercentage": 50}, "SUCCEEDED"),
        ({"ToleratedFailurePercentage": 100, "ToleratedFailureCount": 1}, "FAILED"),
    ],
)
def test_tolerated_failures(
    run_map: Callable[..., Execution], tolerance: dict[str, Any], status: str
) -> None:
    """A Map fails when more items fail than are tolerated, by count or by percentage."""
    found = run_map([0, 1, 2, 3], "odd", **tolerance)
    wanted = None if status == "SUCCEEDED" else "States.ExceedToleratedFailureThreshold"
    assert (found.status, found.error) == (status, wanted)
    if found.succeeded:
        assert [found.output[0], found.output[2]] == [0, 2]
        assert found.output[1]["Error"] == "ValueError"


def test_results_in_s3(run_map: Callable[..., Execution], local_aws: LocalAws) -> None:
    """ResultWriter writes AWS's manifest and result files, and the result says where."""
    found = run_map([0, 1, 2], "odd", ResultWriter=WRITER, ToleratedFailureCount=3)
    details = found.output["ResultWriterDetails"]
    run_id = found.output["MapRunArn"].rpartition(":")[2]
    assert ":mapRun:map/Each:" in found.output["MapRunArn"]
    assert details == {"Bucket": BUCKET, "Key": f"out/{run_id}/manifest.json"}
    manifest = read(local_aws, details["Key"])
    assert (manifest["DestinationBucket"], manifest["MapRunArn"]) == (
        BUCKET,
        found.output["MapRunArn"],
    )
    files = manifest["ResultFiles"]
    assert [file["Key"] for file in files["SUCCEEDED"]] == [f"out/{run_id}/SUCCEEDED_0.json"]
    assert files["PENDING"] == []
    results = read(local_aws, files["SUCCEEDED"][0]["Key"])
    assert sorted((result["Input"], result["Output"]) for result in results) == [
        ("0", "0"),
        ("2", "2"),
    ]
    assert set(results[0]) == {
        "ExecutionArn",
        "Input",
        "InputDetails",
        "Name",
        "Output",
        "OutputDetails",
        "RedriveCount",
        "RedriveStatus",
        "RedriveStatusReason",
        "StartDate",
        "StateMachineArn",
        "Status",
        "StopDate",
    }
    failure = read(local_aws, files["FAILED"][0]["Key"])[0]
    assert (failure["Input"], failure["Error"], failure["Status"]) == ("1", "ValueError", "FAILED")
    assert "1 is odd" in failure["Cause"]


def test_results_of_a_failed_run(run_map: Callable[..., Execution], local_aws: LocalAws) -> None:
    """A run that fails exports too: what succeeded, what failed, and what never began."""
    # So many that some are left, however slowly a run takes note of its first failure.
    found = run_map([1] * 200, "odd", ResultWriter=WRITER, MaxConcurrency=1)
    assert found.error == "States.ExceedToleratedFailureThreshold"
    states = local_aws.client("stepfunctions")
    map_run = states.list_map_runs(executionArn=found.arn)["mapRuns"][0]["mapRunArn"]
    described = states.describe_map_run(mapRunArn=map_run)
    assert (described["status"], described["itemCounts"]["total"]) == ("FAILED", 200)
    assert described["itemCounts"]["failed"] >= 1
    manifest = read(local_aws, f"out/{map_run.rpartition(':')[2]}/manifest.json")
    pending = read(local_aws, manifest["ResultFiles"]["PENDING"][0]["Key"])
    assert {"Input", "Name", "ExecutionArn"} <= set(pending[0])


def test_missing_bucket(run_map: Callable[..., Execution]) -> None:
    """Results that cannot be written fail with States.ResultWriterFailed."""
    writer = {**WRITER, "Parameters": {"Bucket": "no-such-bucket", "Prefix": ""}}
    assert run_map([1], ResultWriter=writer).error == "States.ResultWriterFailed"


def test_descriptions_of_map_runs(run_map: Callable[..., Execution], local_aws: LocalAws) -> None:
    """Results count as written without a ResultWriter, too; the listed ARN has the label.

    Source: recordings of AWS's ListMapRuns and DescribeMapRun.
    """
    found = run_map([1, 3], "odd", ToleratedFailurePercentage=100)
    states = local_aws.client("stepfunctions")
    (listed,) = states.list_map_runs(executionArn=found.arn)["mapRuns"]
    owner = listed["executionArn"].replace(":execution:", ":stateMachine:").rpartition(":")[0]
    assert listed["stateMachineArn"].startswith(f"{owner}/")
    described = states.describe_map_run(mapRunArn=listed["mapRunArn"])
    for counts in (described["itemCounts"], described["executionCounts"]):
        assert (counts["failed"], counts["resultsWritten"], counts["total"]) == (2, 2, 2)


def test_history(run_map: Callable[..., Execution]) -> None:
    """The parent's history contains events of the Map Run, not of its children."""
    found = run_map([1, 2])
    assert [event["type"] for event in found.history] == [
        "ExecutionStarted",
        "MapStateEntered",
        "MapStateStarted",
        "MapRunStarted",
        "MapRunSucceeded",
        "MapStateSucceeded",
        "MapStateExited",
        "ExecutionSucceeded",
    ]


def test_thousand_items(run_map: Callable[..., Execution], local_aws: LocalAws) -> None:
    """All results of a thousand items arrive, in more than one file."""
    put(local_aws, "many", json.dumps(list(range(1000))))
    found = run_map({}, ItemReader=reader("many", InputType="JSON"), ResultWriter=WRITER)
    files = read(local_aws, found.output["ResultWriterDetails"]["Key"])["ResultFiles"]["SUCCEEDED"]
    results = [result for file in files for result in read(local_aws, file["Key"])]
    assert len(files) > 1
    assert sorted(json.loads(result["Output"]) for result in results) == list(range(1000))
