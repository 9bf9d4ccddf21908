"""What is deployed, as objects in Python: executions, their results, tables and logs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lokki_tf import DAG, MicroFunctions, Parameter, Pipeline, flow, step, task, wait
from lokki_tf.errors import (
    AwsError,
    BindingError,
    ExecutionFailed,
    NotDeployedError,
    RunTimeoutError,
    SerializationError,
    UnknownRunError,
)
from lokki_tf.testing import LocalAws


@dataclass
class Row:
    """A class, so that its values are pickled."""

    number: int


@step
def load(limit: int) -> list[int]:
    print("printed by load")
    return list(range(limit))


@step
def square(number: int, gate: str = "") -> int:
    if gate and not Path(gate).exists():
        raise ValueError("the gate is shut")
    return number**2


@step
def total(numbers: list[int]) -> tuple[int, int]:
    return sum(numbers), len(numbers)


@step
def row(numbers: tuple[int, int]) -> Row:
    return Row(numbers[0])


@flow
def squares(limit: int = 3, gate: str = "") -> Any:
    return load(limit=limit).map(square, gate=gate).agg(total)


@flow
def inline(limit: int = 3, gate: str = "") -> Any:
    return load(limit=limit).map(square, gate=gate, mode="inline").agg(total)


@task
def first(limit: int) -> dict[str, int]:
    return {"a": limit}


@task
def second(a: int) -> tuple[int, str]:
    return a, "x" * 300_000


calls = Pipeline("calls", steps=[total(load(Parameter("limit", int, default=3)))])
tasks = DAG("tasks", tasks=[first >> second])
routed = MicroFunctions("start", name="routed")
rows = Pipeline("rows", steps=[row(total(load(2)))])
sleepy = Pipeline("sleepy", steps=[wait(seconds=3600)])


@routed.fn(default_next="end")
def start(*, limit: int = 3, **others: object) -> dict[str, Any]:
    return {"numbers": list(range(limit)), "text": "x" * 300_000}


@routed.fn(terminates=True)
def end(*, numbers: list[int], **others: object) -> dict[str, Any]:
    return {"sum": sum(numbers)}


STYLES: list[Pipeline] = [calls, squares, inline, tasks, routed]


@pytest.fixture(scope="module", autouse=True)
def account() -> Iterator[LocalAws]:
    """An account in which all of them are, and which the environment names."""
    with LocalAws(retry_delay_scale=0.0) as aws, pytest.MonkeyPatch.context() as patch:
        for name, value in aws.environment.items():
            patch.setenv(name, value)
        for pipeline in (*STYLES, rows, sleepy):
            aws.register(pipeline)
        yield aws


@pytest.mark.parametrize("pipeline", STYLES, ids=lambda one: str(one.name))
def test_an_execution_has_what_a_local_run_has(pipeline: Pipeline, tmp_path: Path) -> None:
    """In every style it has the same result, outputs and types, and nothing of a folder is used."""
    local = pipeline.local_run({"limit": 4})
    execution = pipeline.start({"limit": 4}, name="same").wait(progress=False)
    assert execution.status == "SUCCEEDED"
    assert execution.error is None
    assert execution.result == local.result
    assert dict(execution.outputs) == local.outputs
    assert type(execution.result) is type(local.result)
    assert execution.parameters == {"limit": 4}
    assert [one.status for one in execution.steps] == ["done"] * len(local.outputs)
    found = pipeline.execution("same")
    assert (found.arn, found.result) == (execution.arn, local.result)


def test_wait_shows_progress_once(capfd: pytest.CaptureFixture[str]) -> None:
    """The steps are written to stderr as a local run's are, and nothing to stdout."""
    execution = calls.start().wait()
    shown = capfd.readouterr()
    assert [line.partition(" in ")[0] for line in shown.err.splitlines()] == [
        "load done",
        "total done",
    ]
    execution.wait()
    assert (shown.out, capfd.readouterr().err) == ("", "")


def test_a_failure_is_an_error_that_names_the_step(tmp_path: Path) -> None:
    """.error and .result have the step, its error and traceback; a redrive continues from it."""
    gate = tmp_path / "gate"
    execution = squares.start({"gate": str(gate)}, name="failed").wait(progress=False)
    assert execution.status == "FAILED"
    error = execution.error
    assert isinstance(error, ExecutionFailed)
    assert re.match(r"step 'square' \[\d\] failed in AWS: ValueError: the gate is shut", str(error))
    assert "pipe.execution('failed').redrive()" in str(error)
    assert 'raise ValueError("the gate is shut")' in error.trace
    with pytest.raises(ExecutionFailed, match="the gate is shut"):
        _ = execution.result
    assert list(execution.outputs) == ["load"]
    gate.touch()
    again = execution.redrive()
    assert again is execution
    assert execution.wait(progress=False).result == (5, 3)
    assert execution.outputs["square_map"] == [0, 1, 4]
    assert [one.status for one in execution.steps] == ["done"] * 3


def test_pickles_need_a_word() -> None:
    """A result of a class is loaded only if the caller allows it; others are loaded anyway."""
    rows.start(name="pickled").wait(progress=False)
    execution = rows.execution("pickled")
    assert execution.outputs["total"] == (1, 2)
    with pytest.raises(SerializationError, match=r"(?s)pickle with classes of .*allow_pickle=True"):
        _ = execution.result
    with pytest.raises(SerializationError, match="can run any code"):
        _ = execution.outputs["row"]
    assert "<in the bucket>" in execution.table()
    allowed = rows.execution("pickled", allow_pickle=True)
    assert allowed.result == Row(1)
    assert allowed.outputs["row"] == Row(1)


def test_executions_are_listed_and_stopped() -> None:
    """executions() lists the latest first; stop() ends one with an error of its own."""
    execution = sleepy.start(name="long")
    assert execution.status == "RUNNING"
    with pytest.raises(ExecutionFailed, match="still running"):
        _ = execution.result
    with pytest.raises(RunTimeoutError, match=r"still running after 0\.1 s, and continues"):
        execution.wait(0.1, progress=False)
    assert execution.stop(cause="enough").status == "ABORTED"
    assert "Stopped: enough" in str(execution.error)
    with pytest.raises(AwsError, match="cannot be stopped: it has ended"):
        execution.stop()
    sleepy.start(name="later").stop()
    listed = sleepy.executions()
    assert [one.name for one in listed] == ["later", "long"]
    assert [one.name for one in sleepy.executions(1)] == ["later"]
    assert "aborted" in repr(listed)
    assert "<td style='text-align:left'>long</td>" in listed._repr_html_()


def test_an_execution_is_shown_as_a_table() -> None:
    """Text and HTML have each step with its status and result."""
    execution = calls.start({"limit": 2}).wait(progress=False)
    head, _, *steps = execution.table().splitlines()
    assert head.startswith("calls: 2 done in ")
    assert [line.split()[:2] for line in steps] == [["load", "done"], ["total", "done"]]
    assert "[0, 1]" in steps[0]
    html = execution._repr_html_()
    assert f"execution {execution.name}: succeeded" in html
    assert "<td style='text-align:left'>total</td>" in html


@pytest.mark.parametrize("pipeline", STYLES, ids=lambda one: str(one.name))
def test_pictures_of_an_execution_are_those_of_a_local_run(pipeline: Pipeline) -> None:
    """In every style and language they differ in durations at most."""
    run = pipeline.local_run({"limit": 4})
    execution = pipeline.start({"limit": 4}).wait(progress=False)
    pairs = [
        (pipeline.to_text(run, width=100), execution.to_text(width=100)),
        (pipeline.to_mermaid(run), execution.to_mermaid()),
        (pipeline.to_dot(run), execution.to_dot()),
    ]
    for local, remote in pairs:
        assert _untimed(local) == _untimed(remote)
    assert "done · " in execution.to_svg()
    assert repr(execution.to_svg()) == execution.to_svg()


@pytest.mark.parametrize("pipeline", [squares, inline], ids=lambda one: str(one.name))
def test_pictures_of_an_execution_have_failed_items(pipeline: Pipeline) -> None:
    """A map has the number of its items and of failed ones, and the index of one that failed."""
    execution = pipeline.start({"gate": "/nowhere"}).wait(progress=False)
    assert re.search(r"[123] of 3 items failed: [012]", execution.to_text(width=100))
    assert "items failed: " in execution.to_svg()


def _untimed(text: str) -> str:
    return re.sub(r"[\d.,]+ (ms|s)\b", "TIME", text)


def test_logs_are_lines_of_the_execution() -> None:
    """They have each step's own output, and are shown as text; unknown steps are errors."""
    execution = calls.start().wait(progress=False)
    lines = execution.logs()
    assert {line.run for line in lines} == {execution.name}
    assert "load: printed by load" in str(lines)
    assert {line.step for line in execution.logs("total")} == {"total"}
    with pytest.raises(Exception, match="must be one of those with a log"):
        execution.logs("nonsense")


def test_wrong_use_is_an_error_before_anything_starts() -> None:
    """Parameters are checked here; what is not there is named with what to do."""
    with pytest.raises(BindingError, match="limit"):
        calls.start({"limit": "three"})
    with pytest.raises(BindingError, match=r'write start\(\{"name": value\}\)'):
        calls.start(["limit"])  # type: ignore[arg-type]  # the error
    with pytest.raises(UnknownRunError, match="has no run 'nonsense'"):
        calls.execution("nonsense")
    with pytest.raises(NotDeployedError, match=r"other is not deployed .*\n  pipe\.deploy\(\)"):
        calls.named("other").executions()
