"""The size limits that AWS enforces at run time, exact to the byte."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lokki_tf.testing.state_machines.execution import Execution
from lokki_tf.testing.state_machines.history import History
from lokki_tf.testing.state_machines.limits import PAYLOAD_BYTES

Interpret = Callable[..., Execution]
Task = Callable[..., dict[str, Any]]
EXCEEDED = "States.DataLimitExceeded"


def machine(**states: Any) -> dict[str, Any]:
    """Return a definition that starts at its first state."""
    return {"StartAt": next(iter(states)), "States": states}


def function(name: str) -> dict[str, Any]:
    """Return a task whose result is what a function returns, and no more."""
    arn = f"arn:aws:lambda:us-east-1:123456789012:function:{name}"
    return {"Type": "Task", "Resource": arn, "End": True}


def text(length: int) -> str:
    """Return a string whose JSON has that many bytes."""
    return "x" * (length - 2)


@pytest.mark.parametrize(
    ("length", "error"), [(PAYLOAD_BYTES, None), (PAYLOAD_BYTES + 1, EXCEEDED)]
)
def test_result(interpret: Interpret, length: int, error: str | None) -> None:
    """A task's result of 262,144 bytes is fine, one byte more is not."""
    run = interpret(machine(A=function("f")), f=lambda _: text(length))
    assert run.error == error


def test_bytes_not_characters(interpret: Interpret) -> None:
    """Sizes are counted in bytes of UTF-8, not in characters."""
    state = {"Type": "Pass", "Result": "é" * (PAYLOAD_BYTES // 2), "End": True}
    assert interpret(machine(A=state)).error == EXCEEDED


@pytest.mark.parametrize(
    ("name", "status"),
    [("States.ALL", "SUCCEEDED"), ("States.TaskFailed", "FAILED"), (EXCEEDED, "SUCCEEDED")],
)
@pytest.mark.parametrize("by", ["arn", "lambda:invoke"])
def test_a_result_that_is_too_large_can_be_caught(
    interpret: Interpret, task: Task, by: str, name: str, status: str
) -> None:
    """A task's too large result is caught by its own name and by States.ALL."""
    state = function("f") if by == "arn" else task("f")
    catch = [{"ErrorEquals": [name], "Next": "B"}]
    states = machine(A={**state, "Catch": catch}, B={"Type": "Succeed"})
    run = interpret(states, f=lambda _: text(PAYLOAD_BYTES + 1))
    assert run.status == status
    if status == "FAILED":
        assert run.error == EXCEEDED


@pytest.mark.parametrize(("name", "tries"), [("States.ALL", 2), ("States.TaskFailed", 1)])
def test_a_result_that_is_too_large_can_be_retried(
    interpret: Interpret, name: str, tries: int
) -> None:
    """A retrier takes a task's too large result by the same names as a catcher."""
    calls: list[Any] = []

    def answer(event: Any) -> str:
        calls.append(event)
        return text(PAYLOAD_BYTES + 1)

    retry = [{"ErrorEquals": [name], "MaxAttempts": 1}]
    run = interpret(machine(A={**function("f"), "Retry": retry}), f=answer)
    assert (run.error, len(calls)) == (EXCEEDED, tries)


def test_overflow_between_states_cannot_be_caught(interpret: Interpret) -> None:
    """An output that is too large after ResultPath fails the execution despite a Catch."""
    catch = [{"ErrorEquals": [EXCEEDED], "Next": "B"}]
    state = {**function("f"), "ResultPath": "$.more", "Catch": catch}
    states = machine(A=state, B={"Type": "Succeed"})
    run = interpret(
        states, {"k": text(PAYLOAD_BYTES // 2)}, f=lambda _: text(PAYLOAD_BYTES // 2 + 9)
    )
    assert (run.status, run.error) == ("FAILED", EXCEEDED)


def test_parameters(interpret: Interpret, task: Task) -> None:
    """The result of Parameters counts as a payload, also if it consists of variables."""
    half = text(PAYLOAD_BYTES // 2)
    states = machine(
        A={"Type": "Pass", "Assign": {"a": half}, "Next": "B"},
        B=task("f", {"one.$": "$a", "two.$": "$a"}),
    )
    assert interpret(states, f=lambda _: 1).error == EXCEEDED


def test_parallel_result(interpret: Interpret) -> None:
    """The results of all branches together are one payload."""
    branches = [machine(**{f"B{n}": function("f")}) for n in range(3)]
    states = machine(P={"Type": "Parallel", "Branches": branches, "End": True})
    assert interpret(states, f=lambda _: text(100_000)).error == EXCEEDED


@pytest.mark.parametrize(
    ("assign", "error"),
    [
        ({"a": text(262_144)}, None),
        ({"a": text(262_145)}, EXCEEDED),
        ({"a": text(131_072), "b": text(131_072)}, None),
        ({"a": text(131_072), "b": text(131_073)}, EXCEEDED),
    ],
)
def test_one_assign(interpret: Interpret, assign: dict[str, str], error: str | None) -> None:
    """A variable has 256 KiB at most, and so has all that one Assign sets."""
    run = interpret(machine(A={"Type": "Pass", "Assign": assign, "End": True}))
    assert run.error == error


@pytest.mark.parametrize(("count", "error"), [(40, None), (41, EXCEEDED)])
def test_all_variables(interpret: Interpret, count: int, error: str | None) -> None:
    """An execution holds 10 MiB of variables at most; assigning again does not add up."""
    states: dict[str, Any] = {}
    for n in range(count):
        states[f"S{n}"] = {"Type": "Pass", "Assign": {f"v{n}.$": "$.t"}, "Next": f"T{n}"}
        states[f"T{n}"] = {"Type": "Pass", "Assign": {f"v{n}.$": "$.t"}, "Next": f"S{n + 1}"}
    states[f"S{count}"] = {"Type": "Succeed"}
    assert interpret(machine(**states), {"t": text(262_136)}).error == error


def test_ended_scopes_give_their_bytes_back(interpret: Interpret) -> None:
    """Variables of branches that have ended count no more."""
    branch = {"Type": "Pass", "Assign": {"big.$": "$.t"}, "OutputPath": None, "End": True}
    states = {
        f"P{n}": {
            "Type": "Parallel",
            "Branches": [machine(**{f"B{n}_{b}": branch}) for b in range(30)],
            "ResultPath": None,
            "Next": f"P{n + 1}",
        }
        for n in range(3)
    }
    states["P3"] = {"Type": "Succeed"}
    assert interpret(machine(**states), {"t": text(262_136)}).error is None


def items(count: int, body: dict[str, Any]) -> dict[str, Any]:
    """Return a machine that maps over so many items, within the execution."""
    processor = {**machine(Each=body), "ProcessorConfig": {"Mode": "INLINE"}}
    state = {"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": processor}
    give = {"Type": "Pass", "Result": {"items": [0] * count}, "Next": "M"}
    return machine(A=give, M={**state, "ResultPath": None, "OutputPath": None, "End": True})


@pytest.mark.parametrize(("count", "status"), [(6_248, "SUCCEEDED"), (6_249, "FAILED")])
def test_a_history_has_25000_events(interpret: Interpret, count: int, status: str) -> None:
    """The 25,000th event is ExecutionSucceeded, or else ExecutionFailed, which nothing catches."""
    states = items(count, {"Type": "Pass", "End": True})["States"]
    states["M"]["Catch"] = [{"ErrorEquals": ["States.ALL"], "Next": "B"}]
    run = interpret(machine(**states, B={"Type": "Succeed"}))
    assert run.status == status
    events = run.history.events
    if status == "SUCCEEDED":
        # Started, 2 of A, 4 of the map, 4 an item, succeeded
        assert len(events) == 8 + 4 * count == 25_000
    else:
        assert (len(events), events[-1]["type"]) == (25_000, "ExecutionFailed")
        assert events[-1]["executionFailedEventDetails"] == {
            "error": "States.Runtime",
            "cause": "The execution reached the maximum number of history events (25000).",
        }
        assert run.not_redrivable == "Execution history event limit exceeded"


def test_the_history_of_an_express_execution_is_not_limited() -> None:
    """Step Functions does not count the events of Express executions."""
    history = History(is_limited=False)
    assert [history.add("PassStateEntered", 0, {}) for _ in range(25_001)][-1] == 25_001


def test_an_endless_loop_ends_with_its_history(interpret: Interpret) -> None:
    """In an endless loop, event 24,999 is the last one before ExecutionFailed."""
    rule = {"Variable": "$.n", "NumericEquals": 1, "Next": "A"}
    run = interpret(machine(A={"Type": "Choice", "Choices": [rule]}), {"n": 1})
    assert (run.error, len(run.history.events)) == ("States.Runtime", 25_000)
    assert run.history.events[-2]["type"] == "ChoiceStateExited"


def test_children_of_a_distributed_map_have_histories_of_their_own(
    interpret: Interpret, output: Callable[[Execution], Any]
) -> None:
    """Two children that need 13,000 events each succeed, in an execution that needs few."""
    inner = items(3_250, {"Type": "Pass", "End": True})
    processor = {**inner, "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}}
    state = {"Type": "Map", "ItemsPath": "$", "ItemProcessor": processor, "End": True}
    run = interpret(machine(D=state), [1, 2])
    assert output(run) == [{}, {}]
    assert len(run.history.events) == 8
