"""Commands for pipelines with a limit of runs: they show what waited, was skipped or has failed."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from operate_folder import Folder, settings_for

from lokki_tf.testing import LocalAws

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SOURCE = """
import sys
import time
from pathlib import Path
from lokki_tf import Pipeline, Parameter, main, step

@step
def load(gate: str) -> str:
    for _ in range(1500):
        if Path(gate).exists():
            return "loaded"
        time.sleep(0.01)
    raise LookupError("the gate is shut")

@step
def save(rows: str) -> str:
    return "saved"

made = {
    mode: Pipeline(
        f"commands-{mode}",
        [save(load(Parameter("gate", str)))],
        max_concurrent_runs=1,
        when_busy=mode,
    )
    for mode in ("queue", "skip", "fail")
}

if __name__ == "__main__":
    main(made[sys.argv.pop()])
"""


class Commands(Folder):
    """The folder with three pipelines, which differ in ``when_busy=``."""

    mode = ""

    def command(self, *args: str) -> list[str]:
        """A command line for the pipeline of the present mode."""
        return [*super().command(*args), self.mode]


@pytest.fixture(scope="module")
def account() -> Iterator[LocalAws]:
    """An account of its own, in which waiting executions try again four times a second."""
    with LocalAws(retry_delay_scale=0.05) as aws:
        yield aws


@pytest.fixture(scope="module")
def folder(account: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Commands:
    """The pipelines, registered without Terraform."""
    made = Commands(tmp_path_factory.mktemp("commands"), SOURCE, settings_for(account))
    spec = importlib.util.spec_from_file_location("commands_pipeline", made.script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for one in module.made.values():
        account.register(one)
    return made


class Begun:
    """A run of the present mode that holds the slot until its gate opens."""

    def __init__(self, folder: Commands, account: LocalAws) -> None:
        self.gate = folder.path / f"gate-{folder.mode}"
        done = folder.run("start", "--name", "holder", "--gate", str(self.gate))
        assert done.stdout == "holder\n", done.stderr
        self.states = account.client("stepfunctions")
        self.arn = f"arn:aws:states:us-east-1:123456789012:execution:commands-{folder.mode}:holder"
        until(lambda: "load" in json.dumps(self.history(), default=str))

    def history(self) -> list[dict[str, object]]:
        found: list[dict[str, object]] = self.states.get_execution_history(executionArn=self.arn)[
            "events"
        ]
        return found

    def open(self) -> None:
        """Let it end."""
        self.gate.touch()
        until(lambda: self.history()[-1]["type"] == "ExecutionSucceeded")


def until(holds: Callable[[], bool]) -> None:
    """Return when something holds."""
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture(params=["queue", "skip", "fail"])
def mode(request: pytest.FixtureRequest, folder: Commands) -> str:
    """The present mode."""
    folder.mode = request.param
    return str(request.param)


@pytest.mark.parametrize("mode", ["skip"], indirect=True)
def test_a_skipped_run_says_so(mode: str, folder: Commands, account: LocalAws) -> None:
    """start --wait, result and show name the run that was going on; the exit code is 0."""
    holder = Begun(folder, account)
    busy = "another run of 'commands-skip' is going on: holder"
    done = folder.run("start", "--wait", "--json", "--name", "second", "--gate", str(holder.gate))
    assert (done.returncode, done.stdout) == (0, "null\n"), done.stderr
    assert f"skipped: {busy}" in done.stderr
    assert "load skipped" in done.stderr
    assert "save skipped" in done.stderr
    holder.open()
    assert f"skipped: {busy}" in folder.run("result", "--run", "second").stderr
    shown = {one["run"]: one for one in json.loads(folder.run("show", "--json").stdout)}
    assert shown["second"]["skipped"] == busy
    assert "skipped" not in shown["holder"]
    table = folder.run("show").stdout
    assert ("skipped" in table, busy in table) == (True, True)
    one = json.loads(folder.run("show", "--run", "second", "--json").stdout)
    assert {step["step"]: step["status"] for step in one["steps"]} == {
        "load": "skipped",
        "save": "skipped",
    }


@pytest.mark.parametrize("mode", ["queue"], indirect=True)
def test_a_run_that_waits_is_shown_waiting(mode: str, folder: Commands, account: LocalAws) -> None:
    """The progress and the table of steps show the wait, and how long it took."""
    holder = Begun(folder, account)
    process = subprocess.Popen(
        folder.command("start", "--wait", "--name", "second", "--gate", str(holder.gate)),
        cwd=folder.path,
        env=folder.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    shown = "[]"

    def is_waiting() -> bool:
        nonlocal shown
        shown = folder.run("show", "--run", "second", "--json").stdout or "{}"
        steps = json.loads(shown).get("steps", [])
        return any(one["step"] == "Check for other runs" for one in steps)

    until(is_waiting)
    assert {one["step"]: one["status"] for one in json.loads(shown)["steps"]} == {
        "load": "not run",
        "save": "not run",
        "Check for other runs": "running",
    }
    holder.open()
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "saved\n"), err
    assert "waiting: another run of 'commands-queue' is going on: holder" in err
    assert "Check for other runs ended after" in err
    steps = json.loads(folder.run("show", "--run", "second", "--json").stdout)["steps"]
    assert {one["step"]: one["status"] for one in steps} == {
        "load": "done",
        "save": "done",
        "Check for other runs": "done",
    }


@pytest.mark.parametrize("mode", ["fail"], indirect=True)
def test_a_run_that_fails_names_the_other(mode: str, folder: Commands, account: LocalAws) -> None:
    """The error is that of the run, not of a step; redrive is refused until the other has ended."""
    holder = Begun(folder, account)
    busy = "another run of 'commands-fail' is going on: holder"
    done = folder.run("start", "--wait", "--name", "second", "--gate", str(holder.gate))
    assert (done.returncode, done.stdout) == (1, "")
    assert f"run second failed in AWS: AlreadyRunning: {busy}" in done.stderr
    assert "AlreadyRunning" in folder.run("show").stdout
    refused = folder.run("redrive", "--run", "second")
    assert refused.returncode == 1
    assert f"run second cannot be redriven: {busy}" in refused.stderr
    assert "show --run holder" in refused.stderr
    holder.open()
    redriven = folder.run("redrive", "--run", "second", "--wait")
    assert (redriven.returncode, redriven.stdout) == (0, "saved\n"), redriven.stderr
    assert json.loads(folder.run("show", "--run", "second", "--json").stdout)["redrives"] == 1
