"""Measure Distributed Maps of the local AWS: seconds, and the memory of its server process.

    python benchmarks/distributed_map.py [--items 10000 30000 100000] [--express]

Each size has a server of its own. Every item is a child execution that calls one Lambda function.
The processor time is that of the server with the processes of functions, and that of the server
alone: it depends less on other programs than the seconds do. The first column of memory is that
before the map, the second the largest amount while it runs. The last columns are times to read the
children afterwards: a page of ``ListExecutions``, and the description and the history of one child.
"""

from __future__ import annotations

import argparse
import io
import json
import time
import zipfile
from threading import Event, Thread
from typing import Any

import psutil

from lokki_tf.testing import LocalAws

INVOKE = "arn:aws:states:::lambda:invoke"
GOALS = {10_000: "4 s, at most 5.8 s", 100_000: "50 s"}


def definition(aws: LocalAws, items: int, kind: str) -> dict[str, Any]:
    """A map over as many objects with a number, read from a file in S3."""
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="items")
    body = json.dumps([{"number": number, "name": f"item {number}"} for number in range(items)])
    s3.put_object(Bucket="items", Key="items.json", Body=body)
    call = {
        "Type": "Task",
        "Resource": INVOKE,
        "Parameters": {"FunctionName": "echo", "Payload.$": "$"},
        "OutputPath": "$.Payload",
        "End": True,
    }
    config = {"Mode": "DISTRIBUTED", "ExecutionType": kind}
    each = {
        "Type": "Map",
        "Label": "Each",
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": {"InputType": "JSON"},
            "Parameters": {"Bucket": "items", "Key": "items.json"},
        },
        "ItemProcessor": {"ProcessorConfig": config, "StartAt": "Call", "States": {"Call": call}},
        "ResultPath": None,
        "ResultWriter": {
            "Resource": "arn:aws:states:::s3:putObject",
            "Parameters": {"Bucket": "items", "Prefix": "results"},
        },
        "End": True,
    }
    return {"StartAt": "Each", "States": {"Each": each}}


def code() -> bytes:
    """The zip of a function that returns its event."""
    with io.BytesIO() as data:
        with zipfile.ZipFile(data, "w") as archive:
            archive.writestr("handler.py", "def echo(event, context):\n    return event\n")
        return data.getvalue()


class Watch:
    """The largest memory of a process while a block runs, in MB.

    Args:
        process: The process.
    """

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self._ended = Event()
        self._thread = Thread(target=self._look, daemon=True)
        self.before = self.largest = process.memory_info().rss / 2**20

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(0.05):
            self.largest = max(self.largest, self._process.memory_info().rss / 2**20)


def cpu(server: psutil.Process) -> float:
    """Seconds of processor time of the server."""
    times = server.cpu_times()
    return float(times.user + times.system)


def all_cpu(server: psutil.Process) -> float:
    """Seconds of processor time of the server and of the processes of functions."""
    return sum(map(cpu, (server, *server.children(recursive=True))))


def measure(items: int, kind: str) -> str:
    """A line of the table for a map of as many items."""
    with LocalAws() as aws:
        aws.create_function("echo", code(), "handler.echo")
        aws.create_state_machine("map", definition(aws, items, kind))
        port = int(aws.endpoint_url.rpartition(":")[2])
        server = next(
            child
            for child in psutil.Process().children()
            if any(each.laddr.port == port for each in child.net_connections("inet"))
        )
        with Watch(server) as memory:
            used, all_used = cpu(server), all_cpu(server)
            start = time.perf_counter()
            execution = aws.execute("map", {}, timeout=600)
            seconds = time.perf_counter() - start
            used, all_used = cpu(server) - used, all_cpu(server) - all_used
        if not execution.succeeded:
            raise RuntimeError(f"{execution.error}: {execution.cause}")
        states = aws.client("stepfunctions")
        (run,) = states.list_map_runs(executionArn=execution.arn)["mapRuns"]
        counts = states.describe_map_run(mapRunArn=run["mapRunArn"])["itemCounts"]
        if counts["succeeded"] != items:
            raise RuntimeError(f"{counts} of {items} items")
        start = time.perf_counter()
        page = states.list_executions(mapRunArn=run["mapRunArn"])["executions"]
        listed = time.perf_counter() - start
        start = time.perf_counter()
        states.describe_execution(executionArn=page[50]["executionArn"])
        if kind == "STANDARD":
            states.get_execution_history(executionArn=page[50]["executionArn"])
        described = time.perf_counter() - start
    return (
        f"{items:>9,}{seconds:>9.1f}{all_used:>8.1f}{used:>8.1f}{used / items * 1e6:>9.0f}"
        f"{memory.before:>9.0f}{memory.largest:>9.0f}{listed * 1000:>9.0f}"
        f"{described * 1000:>10.0f}   {GOALS.get(items, '')}"
    )


def main() -> None:
    """Print a line for each size."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--items", type=int, nargs="+", default=[1_000, 10_000, 30_000])
    parser.add_argument("--express", action="store_true", help="Express children")
    given = parser.parse_args()
    print(
        f"{'items':>9}{'s':>9}{'CPU s':>8}{'server':>8}{'µs/item':>9}{'MB':>9}{'MB most':>9}"
        f"{'list ms':>9}{'look ms':>10}"
    )
    for items in given.items:
        print(measure(items, "EXPRESS" if given.express else "STANDARD"), flush=True)


if __name__ == "__main__":
    main()
