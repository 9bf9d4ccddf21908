"""Measure commands for what is deployed beside the same calls of boto3 alone, in turn in one run.

    python benchmarks/commands.py [--repeat 7]

The commands are those of a small pipeline on a local AWS. Each figure is the median CPU time of the
whole process in seconds, user and system: it does not depend on what else the computer does. The
number of requests is what the server has received.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path

from lokki_tf.testing import LocalAws

PIPELINE = """
from lokki_tf import flow, main, step

@step
def load(limit: int) -> list[int]:
    print("loading")
    return list(range(limit))

@step
def square(number: int) -> int:
    return number ** 2

@step
def total(numbers: list[int]) -> int:
    return sum(numbers)

@flow
def commands(limit: int = 3):
    return load(limit).map(square, mode="inline").agg(total)

if __name__ == "__main__":
    main(commands)
"""
HEAD = """
import boto3
states = boto3.client("stepfunctions")
machine = states.list_state_machines()["stateMachines"][0]["stateMachineArn"]
"""
RUN = "run = machine.replace('stateMachine', 'execution') + ':first'\n"
CALLS: Mapping[str, tuple[Sequence[str], str]] = {
    "show": (("show",), "states.list_executions(stateMachineArn=machine)"),
    "show --run": (
        ("show", "--run", "first"),
        f"{RUN}states.describe_execution(executionArn=run)\n"
        "states.get_execution_history(executionArn=run)",
    ),
    "start": (("start",), "states.start_execution(stateMachineArn=machine)"),
    "start --wait": (
        ("start", "--wait"),
        "run = states.start_execution(stateMachineArn=machine)['executionArn']\n"
        "while states.describe_execution(executionArn=run)['status'] == 'RUNNING': pass\n"
        "states.get_execution_history(executionArn=run)",
    ),
    "logs": (
        ("logs", "--run", "first"),
        f"{RUN}states.describe_execution(executionArn=run)\nlogs = boto3.client('logs')\n"
        "for group in logs.describe_log_groups()['logGroups']:\n"
        "    logs.filter_log_events(logGroupName=group['logGroupName'])",
    ),
    "graph, without AWS": (("graph",), "import sys; sys.exit()"),
}
"""Each command with its arguments, and the calls of boto3 that return the same."""
GOAL = 1.0
"""Seconds of a command."""


def seconds(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> float:
    """Return the CPU time of a process."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=dict(environment),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed")
    return used.ru_utime + used.ru_stime


def measured(folder: Path, environment: Mapping[str, str], repeat: int) -> bool:
    """Print a row for each command, and return whether all are below the goal."""
    print(f"{'command':24}{'lokki_tf':>10}{'boto3':>10}{'ratio':>8}")
    good = True
    for name, (arguments, calls) in CALLS.items():
        ours: list[float] = []
        theirs: list[float] = []
        for _ in range(repeat + 1):
            ours.append(seconds([sys.executable, "pipeline.py", *arguments], folder, environment))
            bare = [sys.executable, "-c", HEAD + calls]
            theirs.append(seconds(bare, folder, environment))
        own, other = statistics.median(ours[1:]), statistics.median(theirs[1:])
        print(f"{name:24}{own:10.2f}{other:10.2f}{own / other:8.2f}")
        good = good and own < GOAL
    return good


def main() -> None:
    """Measure all commands."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=7)
    repeat = parser.parse_args().repeat
    with tempfile.TemporaryDirectory() as name, LocalAws() as aws:
        folder = Path(name)
        (folder / "pipeline.py").write_text(PIPELINE)
        sys.path.insert(0, name)
        aws.run(import_module("pipeline").commands, name="first")
        environment = {**os.environ, **aws.environment}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        good = measured(folder, environment, repeat)
    print(f"goal: each command below {GOAL} s: {'met' if good else 'not met'}")


if __name__ == "__main__":
    main()
