"""The log of a step in Lambda."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lokki_tf import LogLevel
from lokki_tf.reporting.words import format_event
from lokki_tf.runtime import log, run, store

RUNTIME = Path(log.__file__).parent


def event(**more: Any) -> dict[str, Any]:
    return {"node": "work", "run": "r1", "store": "s3://b/p", "inline": 100, **more}


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the level, a fixed time, and a bucket that accepts everything."""
    monkeypatch.delenv("LOKKI_LOG_LEVEL", raising=False)
    monkeypatch.setattr(log, "time", lambda: 1_705_314_600.0625)
    ticks = iter(range(99))
    monkeypatch.setattr(log, "perf_counter", lambda: next(ticks) * 0.25)
    monkeypatch.setattr(store, "write", lambda uri, _: uri)


def test_a_call_writes_its_start_and_end(capsys: pytest.CaptureFixture[str]) -> None:
    """Two lines of JSON contain the run, the node, the request, the duration and the status."""
    run(lambda: 1, event(), SimpleNamespace(aws_request_id="q1"))
    assert capsys.readouterr().out == (
        '{"level": "INFO", "ts": "2024-01-15T10:30:00.062Z", "event": "step_start", '
        '"run": "r1", "node": "work", "request": "q1"}\n'
        '{"level": "INFO", "ts": "2024-01-15T10:30:00.062Z", "event": "step_end", '
        '"run": "r1", "node": "work", "request": "q1", "duration": 0.25, "status": "success", '
        '"result": "inline"}\n'
    )


def test_a_large_result_is_a_reference(capsys: pytest.CaptureFixture[str]) -> None:
    """The end of a call shows that the result went to the bucket."""
    run(lambda: "x" * 200, event())
    assert lines(capsys.readouterr().out)[1]["result"] == "reference"


def test_a_failure_logs_its_error(capsys: pytest.CaptureFixture[str]) -> None:
    """An error of the function is logged, and still raised."""
    with pytest.raises(ZeroDivisionError):
        run(lambda: 1 // 0, event())
    start, failed = lines(capsys.readouterr().out)
    assert start["event"] == "step_start"
    assert failed == {
        **start,
        "level": "ERROR",
        "event": "step_fail",
        "duration": 0.25,
        "status": "failed",
        "error": "ZeroDivisionError: integer division or modulo by zero",
    }


def test_an_unserializable_result_is_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    """An error after the function's return is logged as well."""
    with pytest.raises(Exception, match="pickle"):
        run(lambda: (value for value in ()).gi_frame, event())
    assert [line["event"] for line in lines(capsys.readouterr().out)] == ["step_start", "step_fail"]


@pytest.mark.parametrize(
    ("variable", "named", "events"),
    [
        (None, None, ["step_start", "step_fail"]),
        ("error", None, ["step_fail"]),
        ("ERROR", "DEBUG", ["step_start", "step_fail"]),
        (None, "WARNING", ["step_fail"]),
        ("SUCCESS", None, ["step_fail"]),
        ("nonsense", None, ["step_start", "step_fail"]),
    ],
)
def test_the_level_comes_from_event_or_environment(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    variable: str | None,
    named: str | None,
    events: list[str],
) -> None:
    """The event's level overrides the variable's, and INFO is the default."""
    if variable is not None:
        monkeypatch.setenv("LOKKI_LOG_LEVEL", variable)
    more = {} if named is None else {"log_level": named}
    with pytest.raises(ZeroDivisionError):
        run(lambda: 1 // 0, event(**more))
    assert [line["event"] for line in lines(capsys.readouterr().out)] == events


def test_names_and_levels_are_those_of_a_local_run(capsys: pytest.CaptureFixture[str]) -> None:
    """Events and levels have the same names as in a local log, so one query finds both."""
    from lokki_tf.local import Event

    kinds = ("step_started", "step_finished", "step_failed")
    here = [format_event(Event(kind, "n", "n", 0.0)) for kind in kinds]  # type: ignore[arg-type]
    assert [one.fields["event"] for one in here if one] == ["step_start", "step_end", "step_fail"]
    assert {level.name: level.value for level in LogLevel} == log.LEVELS


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError


def test_the_log_never_breaks_a_step(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step may replace or close stdout, and raise errors without a text."""

    def bad() -> None:
        raise Mute

    with pytest.raises(Exception, match="its text cannot be made") as caught:
        run(bad, event())
    assert type(caught.value).__name__ == "Mute"
    assert lines(capsys.readouterr().out)[1]["error"] == "Mute: (its text cannot be made)"
    monkeypatch.setattr(sys, "stdout", None)
    assert run(lambda: 1, event()) == {"value": 1}


def test_the_log_costs_a_cold_start_nothing(tmp_path: Path) -> None:
    """The runtime imports neither logging nor datetime, nor any module only for the log."""
    (tmp_path / "lokki_runtime").symlink_to(RUNTIME)
    code = (
        "import sys, json, os, zlib, functools, types; before = set(sys.modules)\n"
        "import lokki_runtime.log\n"
        "print(sorted(m for m in {*sys.modules} - before if not m.startswith('lokki_runtime')))"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    loaded = set(json.loads(done.stdout.replace("'", '"')))
    assert not loaded & {"logging", "datetime", "typing", "dataclasses", "boto3", "asyncio"}
