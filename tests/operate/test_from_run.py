"""Local runs that continue an execution in AWS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from operate_folder import Folder, settings_for

from lokki_tf import DAG, MicroFunctions, Parameter, Pipeline, ReturnUpdates, flow, step, task
from lokki_tf.errors import BindingError, OptionError, SerializationError, StepFailed
from lokki_tf.testing import LocalAws

CALLS: list[str] = []
"""The calls that were made in this process."""


@dataclass
class Row:
    """A class, so that its values are pickled."""

    number: int


@step
def load(limit: int, gate: str = "") -> dict[str, Any]:
    CALLS.append("load")
    return {"rows": list(range(limit)), "kind": (1, 2)}


@step
def tidy(loaded: dict[str, Any]) -> list[int]:
    CALLS.append("tidy")
    assert loaded["kind"] == (1, 2)
    return list(loaded["rows"])


@step
def square(number: int, gate: str = "") -> int:
    CALLS.append(f"square {number}")
    if gate and number == 2 and not Path(gate).exists():
        raise ValueError("the gate is shut")
    return number**2


@step
def square_in_bytes(number: int) -> bytes:
    CALLS.append(f"square_in_bytes {number}")
    return str(number**2).encode()


@step
def total_of_bytes(numbers: list[bytes]) -> int:
    CALLS.append("total_of_bytes")
    return sum(map(int, numbers))


@step
def half(number: int) -> float:
    CALLS.append(f"half {number}")
    return number / 2


@step
def total(numbers: list[float], gate: str = "") -> float:
    CALLS.append("total")
    if gate and not Path(gate).exists():
        raise ValueError("the gate is shut")
    return sum(numbers)


@step(when=lambda numbers: len(numbers) > 100)
def rare(numbers: list[int]) -> int:
    CALLS.append("rare")
    return 0


@step
def row(number: float) -> Row:
    CALLS.append("row")
    return Row(int(number))


@step
def last(one: Row, gate: str = "") -> int:
    CALLS.append("last")
    if not Path(gate).exists():
        raise ValueError("the gate is shut")
    return one.number


GATE = Parameter("gate", str, default="")
tidied = tidy(load(Parameter("limit", int, default=3)))
calls = Pipeline("calls", steps=[total(tidied, GATE), rare(tidied)])
pickles = Pipeline("pickles", steps=[last(row(total([1.0])), GATE)])


@flow
def mapped(limit: int = 4, gate: str = "") -> Any:
    rows = tidy(load(limit))
    return rows.map(square, gate=gate, concurrency_limit=1).agg(total)


@flow
def inline(limit: int = 4, gate: str = "") -> Any:
    rows = tidy(load(limit))
    return rows.map(square, mode="inline", gate=gate, concurrency_limit=1).agg(total)


@flow
def chained(limit: int = 4, gate: str = "") -> Any:
    rows = tidy(load(limit))
    return rows.map(square, gate=gate, concurrency_limit=1).next(half).agg(total)


@flow
def batched(limit: int = 4) -> Any:
    return tidy(load(limit)).map(square_in_bytes, batch_size=2).agg(total_of_bytes)


@task
def first(limit: int, gate: str) -> dict[str, Any]:
    CALLS.append("first")
    return {"limit": limit, "kind": (1,), "gate": gate}


@task
def second(first: dict[str, Any]) -> tuple[int, ...]:
    CALLS.append("second")
    if not Path(first["gate"]).exists():
        raise ValueError("the gate is shut")
    return (*first["kind"], first["limit"])


tasks = DAG("tasks", tasks=[first >> second])
routed = MicroFunctions("begin", name="routed")


@routed.fn()
def begin(*, limit: int, gate: str) -> ReturnUpdates:
    CALLS.append("begin")
    return ReturnUpdates("middle", kind={limit})


@routed.fn()
def middle(*, gate: str, **others: object) -> ReturnUpdates:
    CALLS.append("middle")
    return ReturnUpdates("close", more="x" * 300_000)


@routed.fn(terminates=True)
def close(*, gate: str, kind: set[int], more: str, **others: object) -> dict[str, Any]:
    CALLS.append("close")
    if not Path(gate).exists():
        raise ValueError("the gate is shut")
    return {"kind": kind, "length": len(more)}


PIPELINES: list[Pipeline] = [calls, pickles, mapped, inline, chained, batched, tasks, routed]


@pytest.fixture(scope="module", autouse=True)
def account() -> Iterator[LocalAws]:
    """An account in which all of them are, and which the environment names."""
    with LocalAws(retry_delay_scale=0.0) as aws, pytest.MonkeyPatch.context() as patch:
        for name, value in aws.environment.items():
            patch.setenv(name, value)
        for pipeline in PIPELINES:
            aws.register(pipeline)
        yield aws


@pytest.fixture(autouse=True)
def no_calls() -> None:
    """No calls so far."""
    CALLS.clear()


@pytest.mark.parametrize(
    ("pipeline", "made"),
    [
        (calls, ["total"]),
        (mapped, ["square 2", "square 3", "total"]),
        (inline, ["square 2", "square 3", "total"]),
        (tasks, ["second"]),
        (routed, ["close"]),
    ],
    ids=lambda one: getattr(one, "name", ""),
)
def test_only_what_had_not_ended_runs_here(
    pipeline: Pipeline, made: list[str], tmp_path: Path
) -> None:
    """The failed step and what follows it run here, with the results of AWS, types included."""
    gate = tmp_path / "gate"
    given = {"limit": 4, "gate": str(gate)}
    execution = pipeline.start(given).wait(progress=False)
    assert execution.status == "FAILED"
    with pytest.raises(StepFailed, match="the gate is shut"):
        pipeline.local_run(from_run=execution)
    gate.touch()
    CALLS.clear()
    ran = pipeline.local_run(from_run=execution)
    assert made == CALLS
    assert ran.result == pipeline.local_run(given).result


def test_results_are_kept_for_the_next_run(tmp_path: Path) -> None:
    """The state file has them as results of today's code, so that a run resumes without AWS."""
    gate, state = tmp_path / "gate", tmp_path / "state.db"
    given = {"limit": 4, "gate": str(gate)}
    execution = mapped.start(given).wait(progress=False)
    with pytest.raises(StepFailed):
        mapped.local_run(from_run=execution, state=state)
    gate.touch()
    CALLS.clear()
    ran = mapped.local_run(given, state=state)
    assert CALLS == ["square 2", "square 3", "total"]
    assert ran.status["tidy"] == "cached"


def test_a_step_that_runs_again_is_followed_by_its_consumers(tmp_path: Path) -> None:
    """again= runs a step here although it has ended, and all that depend on it."""
    execution = mapped.start({"limit": 2}).wait(progress=False)
    assert mapped.local_run(from_run=execution).result == 1
    assert CALLS == []
    mapped.local_run(from_run=execution, again=["tidy"])
    assert sorted(CALLS) == ["square 0", "square 1", "tidy", "total"]
    CALLS.clear()
    mapped.local_run(from_run=execution, again=["total"])
    assert CALLS == ["total"]
    limited = routed.start({"limit": 2, "gate": str(tmp_path)}).wait(progress=False)
    CALLS.clear()
    routed.local_run(from_run=limited, again=["middle"])
    assert CALLS == ["middle", "close"]


def test_items_of_chains_and_batches(tmp_path: Path) -> None:
    """An item of a map with several steps has ended as a whole; items of batches are by index."""
    gate = tmp_path / "gate"
    execution = chained.start({"gate": str(gate)}).wait(progress=False)
    gate.touch()
    assert chained.local_run(from_run=execution).result == 7.0
    assert "square 2" in CALLS
    assert "half 0" not in CALLS
    ended = batched.start().wait(progress=False)
    CALLS.clear()
    assert batched.local_run(from_run=ended).result == 14
    assert batched.local_run(from_run=ended, again=["total_of_bytes"]).result == 14
    assert CALLS == ["total_of_bytes"]
    assert ended.outputs["square_in_bytes_map"] == [b"0", b"1", b"4", b"9"]


def test_skipped_steps_are_skipped(tmp_path: Path) -> None:
    """A condition that was false is not evaluated again."""
    execution = calls.start().wait(progress=False)
    ran = calls.local_run(from_run=execution)
    assert (ran.status["rare"], CALLS) == ("skipped", [])


def test_pickles_need_a_word(tmp_path: Path) -> None:
    """Results of classes are loaded only if the caller allows it, before anything runs."""
    gate = tmp_path / "gate"
    execution = pickles.start({"gate": str(gate)}, name="pickled").wait(progress=False)
    with pytest.raises(SerializationError, match="pickle with classes of"):
        pickles.local_run(from_run=execution)
    assert CALLS == []
    gate.touch()
    allowed = pickles.execution("pickled", allow_pickle=True)
    assert pickles.local_run(from_run=allowed).result == 1
    assert CALLS == ["last"]


def test_wrong_use_is_an_error() -> None:
    """Parameters are those of the execution, and steps that run again exist."""
    execution = calls.start().wait(progress=False)
    with pytest.raises(BindingError, match=r"parameters \(limit\) and from_run= cannot be"):
        calls.local_run({"limit": 1}, from_run=execution)
    with pytest.raises(OptionError, match="no step 'nonsense' to run again"):
        calls.local_run(from_run=execution, again=["nonsense"])
    with pytest.raises(BindingError, match="from_run=, which is missing"):
        calls.local_run(again=["load"])


SCRIPT = """
from lokki_tf import flow, main, step

@step
def load(limit: int) -> list[int]:
    return list(range(limit))

@step
def total(numbers: list[int]) -> int:
    raise ValueError("shut")

@flow
def continued(limit: int):
    return load(limit).next(total)

if __name__ == "__main__":
    main(continued)
"""


def test_the_command_continues_with_todays_code(account: LocalAws, tmp_path: Path) -> None:
    """run --from-run needs no parameters, says what it takes, and stores it for --resume."""
    folder = Folder(tmp_path, SCRIPT, settings_for(account))
    names: dict[str, Any] = {"__name__": "continued_pipeline", "__file__": str(folder.script)}
    exec(compile(SCRIPT, str(folder.script), "exec"), names)
    account.register(names["continued"])
    assert folder.run("start", "--wait", "--name", "bad", "--limit", "5").returncode == 1
    folder.script.write_text(SCRIPT.replace('raise ValueError("shut")', "return sum(numbers)"))
    done = folder.run("run", "--from-run", "bad")
    assert (done.returncode, json.loads(done.stdout)) == (0, 10), done.stderr
    assert "load taken from an earlier run\n" in done.stderr
    again = folder.run("run", "--resume", "--limit", "5")
    assert "total taken from an earlier run\n" in again.stderr
    assert folder.run("run", "--from-run", "bad", "--limit", "5").returncode == 2
    assert folder.run("run", "--again", "load", "--limit", "5").returncode == 2
