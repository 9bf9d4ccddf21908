"""Start, watch, read and redrive executions of a deployed pipeline."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from operate_folder import Folder


@pytest.fixture(scope="module")
def failed(standing: Folder) -> subprocess.CompletedProcess[str]:
    """The output of a run that fails in its last step, after one retry."""
    gate = str(standing.path / "gate")
    return standing.run("start", "--wait", "--name", "failed", "--gate", gate)


@pytest.fixture(scope="module")
def good(standing: Folder) -> str:
    """The name of a run that has succeeded."""
    done = standing.run("start", "--name", "good", "--limit", "4")
    assert done.stdout == "good\n", done.stderr
    standing.run("logs", "--tail", "--run", "good")  # until it has ended
    return "good"


def test_start_waits_and_prints_the_result(standing: Folder) -> None:
    """--wait shows each step as run does, and the result alone goes to stdout."""
    done = standing.run("start", "--wait", "--limit", "5")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["total"]["sum"] == 30
    assert "load done in" in done.stderr
    assert "square_map done in" in done.stderr
    assert "5 items" in done.stderr
    assert "archive skipped" in done.stderr


def test_a_failed_run_is_exit_code_1(
    standing: Folder, failed: subprocess.CompletedProcess[str]
) -> None:
    """The error of the failed step is shown with its line and the next command."""
    assert failed.returncode == 1
    assert failed.stdout == ""
    assert "total failed in" in failed.stderr
    assert "will be tried again" in failed.stderr
    assert 'raise ValueError("the gate is shut")' in failed.stderr
    assert "lokki_runtime" not in failed.stderr
    assert "step 'total' failed in AWS: ValueError: the gate is shut" in failed.stderr
    assert "redrive --run failed" in failed.stderr


def test_runs_are_listed(standing: Folder, good: str, failed: object) -> None:
    """show lists the last runs, the latest first, for people and as JSON."""
    shown = standing.run("show").stdout
    assert "good" in shown
    assert "failed" in shown
    assert "ValueError" in shown
    listed = json.loads(standing.run("show", "--n", "1", "--json").stdout)
    assert len(listed) == 1
    assert listed[0]["status"] in ("FAILED", "SUCCEEDED", "RUNNING")


def test_a_run_is_shown_step_by_step(standing: Folder, failed: object) -> None:
    """show --run lists the status of each step, its retries and its error."""
    shown = standing.run("show", "--run", "failed")
    assert "ValueError: the gate is shut" in shown.stdout, shown.stderr
    told = json.loads(standing.run("show", "--run", "failed", "--json").stdout)
    steps = {one["step"]: one for one in told["steps"]}
    assert {name: one["status"] for name, one in steps.items()} == {
        "load": "done",
        "square_map": "done",
        "total": "failed",
        "archive": "skipped",
    }
    assert steps["total"]["retries"] == 1
    assert steps["square_map"]["items"] == {"done": 3, "failed": 0, "total": 3}


def test_a_run_is_watched_until_its_end(standing: Folder) -> None:
    """show --watch renews the table and ends with the run; of all runs it ends with Ctrl-C."""
    standing.run("start", "--name", "watched")
    done = standing.run("show", "--watch", "--run", "watched")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("watched") == 1
    assert "succeeded" in done.stdout
    assert "3 of 3 items" in done.stdout
    assert standing.run("show", "--watch", "--json").returncode == 2


def test_runs_are_stopped(standing: Folder) -> None:
    """stop ends the named runs, and refuses one that has ended."""
    standing.run("start", "--name", "stopped", "--limit", "40")
    done = standing.run("stop", "--run", "stopped", "--cause", "enough")
    if done.returncode == 0:  # the run may have been faster
        assert done.stdout == "stopped\n"
        assert "Stopped" in standing.run("show", "--run", "stopped").stdout
    again = standing.run("stop", "--run", "stopped")
    assert again.returncode == 1
    assert "run stopped cannot be stopped: it has ended" in again.stderr
    assert standing.run("stop").returncode == 2


def test_a_result_is_read_wherever_it_is(standing: Folder, good: str) -> None:
    """Results that are too large for the state machine are read from the bucket."""
    done = standing.run("result", "--run", good, "--json")
    assert json.loads(done.stdout) == {"total": {"sum": 14, "text": "x" * 300_000}}, done.stderr


def test_logs_of_a_run_are_one_stream(standing: Folder, good: str, failed: object) -> None:
    """The log of a run contains the lines of all its steps, also prints, in the order of time."""
    lines = standing.run("logs", "--run", good).stdout.splitlines()
    texts = [line.split("  ", 2)[2] for line in lines]
    assert {line.split("  ", 2)[1] for line in lines} == {good}
    assert texts[0] == "[INFO] Step 'load' started"
    assert "load: printed by load" in texts
    assert any("Step 'square' [square_map/0] completed" in text for text in texts)
    assert not any("gate" in text for text in texts)
    assert len([text for text in texts if "'square'" in text]) == 8


def test_logs_of_a_step(standing: Folder, good: str) -> None:
    """--step leaves the others out, and --json writes each line as the runtime does."""
    told = standing.run("logs", "--step", "load", "--run", good, "--json").stdout
    lines = [json.loads(line) for line in told.splitlines()]
    assert [line["event"] for line in lines] == ["step_start", "print", "step_end"]
    assert {line["run"] for line in lines} == {good}
    assert {line["node"] for line in lines} == {"load"}


def test_logs_are_followed_to_the_end_of_a_run(standing: Folder, good: str) -> None:
    """--tail of a run ends with it."""
    done = standing.run("logs", "--tail", "--run", good, "--step", "load")
    assert done.returncode == 0
    assert "printed by load" in done.stdout


def test_ctrl_c_ends_following(standing: Folder, good: str) -> None:
    """Ctrl-C ends what watches AWS with exit code 130 and no traceback; a run goes on there."""
    code, _, rest = standing.interrupt("printed by load", "logs", "--tail")
    assert (code, "Traceback" in rest) == (130, False), rest
    code, _, rest = standing.interrupt("run left", "start", "--wait", "--name", "left")
    assert (code, "Traceback" in rest) == (130, False), rest
    assert "run left continues in AWS: python pipeline.py show --run left" in rest
    assert "Aborted" not in rest


def test_logs_of_another_time_are_none(standing: Folder, good: str) -> None:
    """--start and --end bound what is printed."""
    done = standing.run("logs", "--start", "2001-01-01T00:00:00Z", "--end", "2001-01-02")
    assert (done.returncode, done.stdout) == (0, "")
    assert "printed by load" in standing.run("logs", "--start", "1h", "--step", "load").stdout


def test_a_failed_run_goes_on(standing: Folder, failed: object) -> None:
    """After a fix, redrive runs the failed step only, and the run has its result."""
    (standing.path / "gate").touch()
    done = standing.run("redrive", "--run", "failed", "--wait", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["total"]["sum"] == 5
    assert "total done in" in done.stderr
    assert "load" not in done.stderr
    told = json.loads(standing.run("show", "--run", "failed", "--json").stdout)
    assert (told["status"], told["redrives"]) == ("SUCCEEDED", 1)


def test_what_is_missing_is_reported(standing: Folder, good: str) -> None:
    """An unknown run or step, a name that is taken or none, and a wrong parameter."""
    for args, message, code in (
        (["show", "--run", "nobody"], "has no run 'nobody'", 2),
        (["result", "--run", "nobody"], "has no run 'nobody'", 2),
        (["logs", "--run", "nobody"], "has no run 'nobody'", 2),
        (["logs", "--step", "nobody"], "got 'nobody'", 2),
        (["logs", "--start", "soon"], "must be an ISO 8601 time or a duration, got 'soon'", 2),
        (["start", "--name", "good"], "a run 'good' exists already", 1),
        (["start", "--name", "a b"], "must be a valid name of a run, got 'a b'", 2),
        (["start", "--limit", "many"], "must be of type int, got 'many'", 2),
        (["redrive", "--run", good], "cannot be redriven: it has succeeded", 1),
    ):
        done = standing.run(*args)
        assert message in done.stderr, args
        assert done.returncode == code, args
        assert "Traceback" not in done.stderr, args
