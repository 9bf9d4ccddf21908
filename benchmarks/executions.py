"""Measure executions of the local AWS beside those of moto's own interpreter, in turn in one run.

    python benchmarks/executions.py [--repeat 30]

Both servers are processes on loopback. A client starts an execution and asks for its status until
it has ended. Each figure is the median in milliseconds, after three executions that do not count.
moto's interpreter needs the package antlr4-python3-runtime.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from lokki_tf.testing import LocalAws
from lokki_tf.testing.settings import new_client

MOTO = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""
GOAL = 1 / 3


def chain(length: int) -> dict[str, Any]:
    """Pass states that add one to a number, one after another."""
    states = {
        f"S{n}": {
            "Type": "Pass",
            "Parameters": {"n.$": "States.MathAdd($.n, 1)"},
            "Next": f"S{n + 1}",
        }
        for n in range(length)
    }
    return {"StartAt": "S0", "States": {**states, f"S{length}": {"Type": "Succeed"}}}


def loop(length: int) -> dict[str, Any]:
    """A Choice that goes back until a number is large enough."""
    return {
        "StartAt": "More",
        "States": {
            "More": {
                "Type": "Choice",
                "Choices": [
                    {"Variable": "$.n", "NumericLessThan": length, "Next": "Add"},
                ],
                "Default": "End",
            },
            "Add": {
                "Type": "Pass",
                "Parameters": {"n.$": "States.MathAdd($.n, 1)"},
                "Next": "More",
            },
            "End": {"Type": "Succeed"},
        },
    }


def mapped(length: int) -> dict[str, Any]:
    """An inline Map of as many items, beside another branch."""
    item = {
        "Type": "Pass",
        "Parameters": {"text.$": "States.Format('item {}', $)"},
        "End": True,
    }
    many = {
        "Type": "Map",
        "ItemsPath": "$.items",
        "ItemProcessor": {"StartAt": "Item", "States": {"Item": item}},
        "End": True,
    }
    first = {
        "Type": "Pass",
        "Parameters": {"n.$": "$.n", "items.$": f"States.ArrayRange(1, {length}, 1)"},
        "Next": "Both",
    }
    both = {
        "Type": "Parallel",
        "Branches": [
            {"StartAt": "Many", "States": {"Many": many}},
            {"StartAt": "Other", "States": {"Other": {"Type": "Pass", "End": True}}},
        ],
        "End": True,
    }
    return {"StartAt": "First", "States": {"First": first, "Both": both}}


MACHINES = {
    "10 Pass states": chain(10),
    "100 Pass states": chain(100),
    "Choice in a loop, 30 rounds": loop(30),
    "Map of 20 items beside a branch": mapped(20),
}


@contextmanager
def moto() -> Iterator[str]:
    """Yield the URL of a moto server that executes state machines."""
    process = subprocess.Popen(
        [sys.executable, "-c", MOTO],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        url = f"http://127.0.0.1:{process.stdout.readline().strip()}"
        body = json.dumps({"stepfunctions": {"execute_state_machine": True}}).encode()
        urllib.request.urlopen(urllib.request.Request(f"{url}/moto-api/config", body)).read()
        yield url
    finally:
        process.stdin.close()
        process.wait()


class Server:
    """A server with all state machines.

    Args:
        url: The server's URL.
        role: The role of the state machines.
    """

    def __init__(self, url: str, role: str) -> None:
        self._client = new_client("stepfunctions", url, "us-east-1")
        self._arns = {
            name: self._client.create_state_machine(
                name=f"machine-{position}", definition=json.dumps(definition), roleArn=role
            )["stateMachineArn"]
            for position, (name, definition) in enumerate(MACHINES.items())
        }

    def execute(self, name: str) -> tuple[float, Any]:
        """Return the milliseconds of an execution, and its output."""
        start = time.perf_counter()
        arn = self._client.start_execution(
            stateMachineArn=self._arns[name], name=str(uuid4()), input='{"n": 0}'
        )
        while True:
            found = self._client.describe_execution(executionArn=arn["executionArn"])
            if found["status"] != "RUNNING":
                break
        milliseconds = (time.perf_counter() - start) * 1000
        if found["status"] != "SUCCEEDED":
            raise RuntimeError(f"{name}: {found}")
        return milliseconds, json.loads(found["output"])


def main() -> None:
    """Print a line for each state machine."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeat", type=int, default=30)
    repeat = parser.parse_args().repeat
    print(f"{'ms an execution':<36}{'local AWS':>10}{'moto':>9}{'ratio':>8}   goal {GOAL:.2f}")
    with LocalAws() as aws, moto() as url:
        ours = Server(aws.endpoint_url, aws.admin_role)
        theirs = Server(url, "arn:aws:iam::123456789012:role/role")
        for name in MACHINES:
            pairs = [(ours.execute(name), theirs.execute(name)) for _ in range(repeat + 3)]
            if any(one[1] != other[1] for one, other in pairs):
                raise RuntimeError(f"{name}: the outputs differ")
            a, b = (statistics.median(each[i][0] for each in pairs[3:]) for i in (0, 1))
            met = "met" if a / b <= GOAL else "missed"
            print(f"{name:<36}{a:>10.1f}{b:>9.1f}{a / b:>8.2f}   {met}", flush=True)


if __name__ == "__main__":
    main()
