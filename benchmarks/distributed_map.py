"""Measure Distributed Maps of the local AWS: seconds, and the memory of its server process.

    python benchmarks/distributed_map.py [--kind flow] [--items 10000 100000] [--beside FOLDER]

Each line has a server of its own. Every item is a child execution:

- ``flow``: of a flow of three steps that ``LocalAws.run`` executes; each child calls the step;
- ``lambda``: of a state machine, whose children call one Lambda function each;
- ``pass``: of a state machine, whose children have one Pass state each.

The processor time is that of the server with the processes of functions, and that of the server
alone: it depends less on other programs than the seconds do. The first column of memory is that
before the map, the second the largest amount while it runs. The last columns are times to read the
children afterwards: a page of ``ListExecutions``, and the description and the history of one child.

``--beside`` measures another checkout of lokki_tf in turn, such as a worktree of an earlier commit,
with the ratio of the processor times.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from threading import Event, Thread
from typing import Any

import psutil

from lokki_tf import Flow, flow, step
from lokki_tf.testing import Execution, LocalAws

INVOKE = "arn:aws:states:::lambda:invoke"
GOALS = {10_000: "4 s, at most 5.8 s", 100_000: "50 s"}


@step
def numbers(count: int) -> list[int]:
    """The items of a map."""
    return list(range(count))


@step
def square(number: int) -> int:
    """The result of one item."""
    return number * number


@step
def total(squares: list[int]) -> int:
    """The result of the flow."""
    return sum(squares)


@flow
def squares(count: int) -> Flow:
    """Add the squares of as many numbers."""
    return numbers(count).map(square).agg(total)


def definition(aws: LocalAws, items: int, kind: str, execution_type: str) -> dict[str, Any]:
    """A map over as many objects with a number, read from a file in S3."""
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="items")
    body = json.dumps([{"number": number, "name": f"item {number}"} for number in range(items)])
    s3.put_object(Bucket="items", Key="items.json", Body=body)
    call: dict[str, Any] = {"Type": "Pass", "Parameters": {"number.$": "$.number"}, "End": True}
    if kind == "lambda":
        call = {
            "Type": "Task",
            "Resource": INVOKE,
            "Parameters": {"FunctionName": "echo", "Payload.$": "$"},
            "OutputPath": "$.Payload",
            "End": True,
        }
    config = {"Mode": "DISTRIBUTED", "ExecutionType": execution_type}
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


def execute(aws: LocalAws, items: int, kind: str) -> Execution:
    """Execute the map, which has been prepared."""
    if kind == "flow":
        return aws.run(squares, {"count": items}, timeout=600)
    return aws.execute("map", {}, timeout=600)


def measure(items: int, kind: str, execution_type: str) -> str:
    """A line of the table for a map of as many items."""
    with LocalAws() as aws:
        if kind == "flow":
            aws.run(squares, {"count": 3})  # registers the flow
        else:
            aws.create_function("echo", code(), "handler.echo")
            aws.create_state_machine("map", definition(aws, items, kind, execution_type))
        port = int(aws.endpoint_url.rpartition(":")[2])
        server = next(
            child
            for child in psutil.Process().children()
            if any(each.laddr.port == port for each in child.net_connections("inet"))
        )
        with Watch(server) as memory:
            used, all_used = cpu(server), all_cpu(server)
            start = time.perf_counter()
            execution = execute(aws, items, kind)
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
        if execution_type == "STANDARD":
            states.get_execution_history(executionArn=page[50]["executionArn"])
        described = time.perf_counter() - start
    return (
        f"{items:>9,}{seconds:>9.1f}{all_used:>8.1f}{used:>8.1f}{used / items * 1e6:>9.0f}"
        f"{memory.before:>9.0f}{memory.largest:>9.0f}{listed * 1000:>9.0f}"
        f"{described * 1000:>10.0f}   {GOALS.get(items, '')}"
    )


def line_of(folder: str, items: int, given: argparse.Namespace) -> str:
    """A line of the table, of the lokki_tf in a folder."""
    options = ["--kind", given.kind, *(["--express"] if given.express else [])]
    return subprocess.run(
        [sys.executable, str(Path(__file__).resolve()), "--one", "--items", str(items), *options],
        env={**os.environ, "PYTHONPATH": folder},
        cwd=folder,  # from which the server's process imports, too
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout.rstrip()


def main() -> None:
    """Print a line for each size."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--items", type=int, nargs="+", default=[1_000, 10_000, 30_000])
    parser.add_argument("--kind", choices=("flow", "lambda", "pass"), default="flow")
    parser.add_argument("--express", action="store_true", help="Express children, not of a flow")
    parser.add_argument("--beside", metavar="FOLDER", help="another checkout of lokki_tf")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:  # the process of one line
        print(measure(given.items[0], given.kind, "EXPRESS" if given.express else "STANDARD"))
        return
    print(
        f"{'items':>9}{'s':>9}{'CPU s':>8}{'server':>8}{'µs/item':>9}{'MB':>9}{'MB most':>9}"
        f"{'list ms':>9}{'look ms':>10}"
    )
    for items in given.items:
        before = line_of(given.beside, items, given) if given.beside else ""
        now = line_of(str(Path(__file__).parents[1]), items, given)
        if before:
            ratio = float(now.split()[2]) / float(before.split()[2])
            print(f"{before}   {given.beside}")
            now += f"   {ratio:.2f} of the processor time"
        print(now, flush=True)


if __name__ == "__main__":
    main()
