"""Replays: the call of a step in AWS, made again here with today's code."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from operate_folder import Folder, settings_for

from lokki_tf import (
    DAG,
    Failure,
    MicroFunctions,
    Parameter,
    Pipeline,
    ReturnUpdates,
    flow,
    run_context,
    step,
    task,
)
from lokki_tf.errors import OptionError, SerializationError, StepFailed
from lokki_tf.testing import LocalAws


@dataclass
class Row:
    """A class, so that its values are pickled."""

    number: int


@step
def load(limit: int, text: str = "x") -> dict[str, list[int]]:
    return {"rows": list(range(limit)), "more": [len(text)]}


@step
def square(number: int, gate: str = "") -> int:
    if gate and number == 2 and not Path(gate).exists():
        raise ValueError("the gate is shut")
    return number**2


@step(env_variables={"RATE": "3"})
def rated(numbers: list[int], kind: tuple[int, ...], text: str) -> tuple[Any, ...]:
    import os

    here = run_context()
    return (
        sum(numbers),
        kind,
        len(text),
        os.environ["RATE"],
        here.run_id,
        here.parameters,
        here.step,
    )


@step
def row(number: int) -> Row:
    return Row(number)


@step(catch=ValueError)
def broken(number: int) -> int:
    raise ValueError(f"no {number}")


@step
def after(failure: Any) -> str:
    return failure.message if isinstance(failure, Failure) else "none"


@step(when=lambda number: number > 100)
def rare(number: int) -> int:
    return number


numbers = load(Parameter("limit", int, default=3))
ONE = square(4)
calls = Pipeline(
    "calls",
    steps=[
        rated(numbers["rows"], (1, 2), "x" * 300_000),
        after(broken(ONE)),
        rare(ONE),
    ],
)
pickles = Pipeline("pickles", steps=[after(row(3))])


@flow
def mapped(limit: int = 4, gate: str = "") -> Any:
    rows = load(limit=limit)
    return rows["rows"].map(square, gate=gate).agg(rated, kind=(3,), text="a")


@flow
def inline(limit: int = 4, gate: str = "") -> Any:
    return load(limit)["rows"].map(square, mode="inline", gate=gate).agg(rated, kind=(), text="")


@flow
def batches(limit: int = 4, gate: str = "") -> Any:
    return load(limit)["rows"].map(square, batch_size=3, gate=gate)


@flow
def express(limit: int = 4, gate: str = "") -> Any:
    return load(limit)["rows"].map(square, execution_type="express", gate=gate)


@task
def first(limit: int) -> dict[str, Any]:
    return {"a": limit, "b": (1, 2)}


@task
def second(first: dict[str, Any]) -> tuple[int, tuple[int, int]]:
    return first["a"], first["b"]


tasks = DAG("tasks", tasks=[first >> second])
routed = MicroFunctions("begin", name="routed")


@routed.fn()
def begin(*, limit: int = 3, **others: object) -> ReturnUpdates:
    return ReturnUpdates("middle", rows={limit, limit + 1}, text="x" * 300_000)


@routed.fn(catch={ValueError: "rescue"})
def middle(*, rows: set[int], **others: object) -> ReturnUpdates:
    if 99 in rows:
        raise ValueError("no 99")
    return ReturnUpdates("close", total=sum(rows))


@routed.fn(terminates=True)
def rescue(*, failure: Any, _original_input: dict[str, Any], **others: object) -> dict[str, Any]:
    return {"why": failure.message, "given": _original_input}


@routed.fn(terminates=True)
def close(*, total: int, **others: object) -> dict[str, int]:
    return {"sum": total}


@step
def numbers(limit: int) -> Iterator[int]:
    yield from range(limit)


@step
def read(values: Iterator[int], more: Iterable[int]) -> list[int]:
    return [next(values), sum(values), sum(more), sum(more)]


@flow
def streamed(limit: int = 4) -> Any:
    squares = numbers(limit).map(square)
    return read(squares, more=squares)


PIPELINES: list[Pipeline] = [
    streamed,
    calls,
    pickles,
    mapped,
    inline,
    batches,
    express,
    tasks,
    routed,
]


@pytest.fixture(scope="module", autouse=True)
def account() -> Iterator[LocalAws]:
    """An account in which all of them are, and which the environment names."""
    with LocalAws(retry_delay_scale=0.0) as aws, pytest.MonkeyPatch.context() as patch:
        for name, value in aws.environment.items():
            patch.setenv(name, value)
        for pipeline in PIPELINES:
            aws.register(pipeline)
        yield aws


@pytest.mark.parametrize(
    "pipeline", [calls, mapped, inline, tasks, streamed], ids=lambda one: str(one.name)
)
def test_a_step_has_the_result_here_that_it_had_there(pipeline: Pipeline) -> None:
    """Each step that has run returns the same for its arguments, variables and context."""
    execution = pipeline.start({"limit": 4}).wait(progress=False)
    assert execution.error is None
    outputs = {
        name: value
        for name, value in execution.outputs.items()
        if not name.endswith("_map") and not isinstance(value, Failure)
    }
    assert outputs
    assert {name: execution.replay(name) for name in outputs} == outputs


def test_a_condition_is_evaluated_again() -> None:
    """A step that was skipped is skipped here, without a result."""
    execution = calls.start().wait(progress=False)
    assert [one.status for one in execution.steps if one.node == "rare"] == ["skipped"]
    assert execution.replay("rare") is None


def test_a_caught_error_is_raised_here() -> None:
    """The error of the step is the cause, and can be caught as such, with its lines here alone."""
    execution = calls.start().wait(progress=False)
    with pytest.raises(
        ValueError, match=r"step 'broken' of run .* failed here: ValueError: no 16"
    ) as caught:
        execution.replay("broken")
    assert isinstance(caught.value, StepFailed)
    assert caught.value.place is not None
    cause = caught.value.__cause__
    assert cause is not None
    assert cause.__traceback__ is not None
    assert cause.__traceback__.tb_frame.f_code.co_name == "broken"


@pytest.mark.parametrize("pipeline", [mapped, inline], ids=lambda one: str(one.name))
def test_the_failed_item_is_replayed(pipeline: Pipeline, tmp_path: Path) -> None:
    """Without a step, it is the item that failed; with an index, that item."""
    gate = tmp_path / "gate"
    execution = pipeline.start({"gate": str(gate)}).wait(progress=False)
    assert execution.status == "FAILED"
    with pytest.raises(StepFailed, match=r"step 'square' \[2\] of run .*the gate is shut"):
        execution.replay()
    gate.touch()
    assert execution.replay() == 4
    assert execution.replay("square", 1) == 1
    assert execution.status == "FAILED"
    with pytest.raises(OptionError, match=r"step 'square' \[17\] was not called"):
        execution.replay("square", 17)
    with pytest.raises(OptionError, match="step 'rated' was not called"):
        execution.replay("rated")


def test_a_batch_is_replayed_item_by_item(tmp_path: Path) -> None:
    """A batch that failed is a list of results; one item of it can be chosen."""
    gate = tmp_path / "gate"
    execution = batches.start({"gate": str(gate)}).wait(progress=False)
    with pytest.raises(StepFailed, match=r"step 'square' \[2\]"):
        execution.replay()
    gate.touch()
    assert execution.replay() == [0, 1, 4]
    assert execution.replay("square", 1) == 1
    assert execution.replay("square", 3) == 9


def test_an_express_item_is_replayed_from_its_input(tmp_path: Path) -> None:
    """Express executions have no history: the event is made from their input."""
    gate = tmp_path / "gate"
    execution = express.start({"gate": str(gate)}).wait(progress=False)
    with pytest.raises(StepFailed, match=r"step 'square' \[2\] of run .*the gate is shut"):
        execution.replay()
    gate.touch()
    assert execution.replay() == 4
    assert execution.replay("square", 1) == 1


def test_a_routed_step_has_its_state(tmp_path: Path) -> None:
    """A step that returns its next step receives the state, the input and the failure before it."""
    execution = routed.start({"limit": 3}).wait(progress=False)
    returned = execution.replay("begin")
    assert isinstance(returned, ReturnUpdates)
    assert execution.replay("close") == {"sum": 7}
    caught = routed.start({"limit": 99}).wait(progress=False)
    assert caught.result == {"why": "no 99", "given": {"limit": 99}}
    assert caught.replay("rescue") == caught.result
    with pytest.raises(StepFailed, match="no 99"):
        caught.replay("middle")


def test_pickles_need_a_word() -> None:
    """Arguments of a class are loaded only if the caller allows it."""
    execution = pickles.start(name="pickled").wait(progress=False)
    with pytest.raises(SerializationError, match=r"argument failure of step 'after'.* is a pickle"):
        execution.replay("after")
    assert pickles.execution("pickled", allow_pickle=True).replay("after") == "none"


def test_what_cannot_be_replayed_is_named() -> None:
    """A run that did not fail, and a step that does not exist, are errors with the remedy."""
    execution = tasks.start({"limit": 1}).wait(progress=False)
    with pytest.raises(OptionError, match=r"has no failed step: it is succeeded\n.*--step NAME"):
        execution.replay()
    with pytest.raises(OptionError, match="step 'third' was not called"):
        execution.replay("third")


SCRIPT = """
from pathlib import Path
from lokki_tf import Pipeline, main, step

@step
def load() -> tuple[int, ...]:
    return (1, 2)

@step
def total(numbers: tuple[int, ...]) -> int:
    print("printed here")
    raise ValueError("shut")

pipe = Pipeline("replays", steps=[total(load())])

if __name__ == "__main__":
    main(pipe)
"""


def run_in(folder: Folder, *args: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """A command with what is typed at its prompt."""
    return folder.run(*args, text=text)


def test_the_command_calls_todays_code(account: LocalAws, tmp_path: Path) -> None:
    """replay shows the step's traceback here; after a fix its result goes to stdout alone."""
    folder = Folder(tmp_path, SCRIPT, settings_for(account))
    names: dict[str, Any] = {"__name__": "replays_pipeline", "__file__": str(folder.script)}
    exec(compile(SCRIPT, str(folder.script), "exec"), names)
    account.register(names["pipe"])
    assert folder.run("start", "--wait", "--name", "bad").returncode == 1
    failed = folder.run("replay", "--run", "bad")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert "step 'total' of run bad failed here: ValueError: shut" in failed.stderr
    assert f'File "{folder.script}", line 12, in total' in failed.stderr
    assert "printed here" in failed.stderr
    debugged = run_in(folder, "replay", "--run", "bad", "--pdb", text="p numbers\nq\n")
    assert "(Pdb) (1, 2)" in debugged.stdout
    folder.script.write_text(SCRIPT.replace('raise ValueError("shut")', "return sum(numbers)"))
    fixed = folder.run("replay", "--json")
    assert (fixed.returncode, json.loads(fixed.stdout)) == (0, 3), fixed.stderr
    assert "step 'total' of run bad\n" in fixed.stderr
