"""States, variables, retries and catchers follow the specification."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from lokki_tf.testing.state_machines.execution import Execution
from lokki_tf.testing.state_machines.frame import CancelScope

Interpret = Callable[..., Execution]
Output = Callable[[Execution], Any]
Task = Callable[..., dict[str, Any]]
TRICKY = 'It\'s {} \\ "quoted" ${x} {% $y %}\n\t\u2028ö🎈 $.a States.UUID()'


def machine(**states: Any) -> dict[str, Any]:
    """Return a definition that starts at its first state."""
    return {"StartAt": next(iter(states)), "States": states}


def test_data_flow(interpret: Interpret, output: Output) -> None:
    """InputPath, Parameters, ResultSelector, ResultPath and OutputPath apply in this order."""
    state = {
        "Type": "Task",
        "Resource": "arn:aws:lambda:us-east-1:123456789012:function:double",
        "InputPath": "$.in",
        "Parameters": {"n.$": "$.number"},
        "ResultSelector": {"doubled.$": "$.value"},
        "ResultPath": "$.result",
        "OutputPath": "$.result.doubled",
        "End": True,
    }
    run = interpret(
        machine(A=state), {"in": {"number": 4}}, double=lambda event: {"value": event["n"] * 2}
    )
    assert output(run) == 8


def test_no_state_waits(interpret: Interpret, task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    """A state without a wait or a retry waits for no clock."""
    waits: list[float] = []
    monkeypatch.setattr(CancelScope, "wait", lambda scope, seconds: waits.append(seconds))
    monkeypatch.setattr(time, "sleep", waits.append)
    names = [f"S{n}" for n in range(50)]
    chain = [
        task("echo", {"n": 1}, ResultPath=None, **({"Next": following} if following else {}))
        for following in [*names[1:], None]
    ]
    definition = machine(**dict(zip(names, chain, strict=True)))
    assert interpret(definition, echo=lambda event: event).status == "SUCCEEDED"
    assert waits == []


def test_lambda_invoke(interpret: Interpret, output: Output, task: Task) -> None:
    """The result of lambda:invoke has the parsed Payload, StatusCode and ExecutedVersion."""
    found = output(interpret(machine(A=task("f", {"x": 1})), f=lambda event: event))
    assert found["Payload"] == {"x": 1}
    assert (found["StatusCode"], found["ExecutedVersion"]) == (200, "$LATEST")
    assert {"SdkHttpMetadata", "SdkResponseMetadata"} <= set(found)


@pytest.mark.parametrize(
    "value",
    [TRICKY, {"k.$": "$.x", "": [None, 1.5, -0.0, 10**30]}, [], {}, None, False, [[TRICKY]]],
)
def test_variables_keep_values(
    interpret: Interpret, output: Output, task: Task, value: Any
) -> None:
    """Any value passes through a variable and into a function unchanged."""
    states = machine(
        A=task("give", Assign={"kept.$": "$.Payload"}, ResultPath=None, Next="B"),
        B=task("take", {"v.$": "$kept", "list": [{"v.$": "$kept"}]}, OutputPath="$.Payload"),
    )
    found = output(interpret(states, give=lambda _: value, take=lambda event: event))
    assert found == {"v": value, "list": [{"v": value}]}


def test_assign_sees_the_result(interpret: Interpret, output: Output, task: Task) -> None:
    """In a Task's Assign $ is the raw result, and all references see the values at state entry."""
    states = machine(
        A={"Type": "Pass", "Assign": {"x": 1}, "Next": "B"},
        B=task(
            "f",
            Assign={"x.$": "$.Payload.n", "old.$": "$x"},
            ResultSelector={"selected": True},
            ResultPath="$.r",
            OutputPath="$x",
            Next="C",
        ),
        C={"Type": "Pass", "Parameters": {"x.$": "$x", "old.$": "$old", "in.$": "$"}, "End": True},
    )
    assert output(interpret(states, f=lambda _: {"n": 7})) == {"x": 7, "old": 1, "in": 1}


def test_undefined_variable(interpret: Interpret, task: Task) -> None:
    """A variable that was never assigned fails the execution, which cannot be caught."""
    catch = [{"ErrorEquals": ["States.ALL"], "Next": "B"}]
    states = machine(A=task("f", {"a.$": "$ghost"}, Catch=catch), B={"Type": "Succeed"})
    run = interpret(states, f=lambda event: event)
    assert (run.status, run.error) == ("FAILED", "States.Runtime")
    assert "ghost" in str(run.cause)


def test_inner_scopes_read_outer_variables(
    interpret: Interpret, output: Output, task: Task
) -> None:
    """Branches and iterations read outer variables and keep their own to themselves."""
    branch = machine(
        B={"Type": "Pass", "Assign": {"mine.$": "$outer"}, "Next": "B2"},
        B2={"Type": "Pass", "Parameters": {"v.$": "$mine"}, "OutputPath": "$.v", "End": True},
    )
    other = machine(O=task("f", {"v.$": "$outer"}, OutputPath="$.Payload.v"))
    states = machine(
        A={"Type": "Pass", "Assign": {"outer": 5}, "Next": "P"},
        P={"Type": "Parallel", "Branches": [branch, other], "Next": "After"},
        After={"Type": "Choice", "Choices": [_present("$mine", "Bad")], "Default": "Good"},
        Good={"Type": "Succeed"},
        Bad={"Type": "Fail"},
    )
    assert output(interpret(states, f=lambda event: event)) == [5, 5]


def _present(variable: str, following: str) -> dict[str, Any]:
    return {"Variable": variable, "IsPresent": True, "Next": following}


def test_branches_run_at_the_same_time(interpret: Interpret, output: Output, task: Task) -> None:
    """50 branches that wait for each other all arrive."""
    barrier = threading.Barrier(50)
    branches = [machine(**{f"B{n}": task("f", {"n": n})}) for n in range(50)]

    def meet(event: Any) -> Any:
        barrier.wait(10)
        return event["n"]

    found = output(
        interpret(machine(P={"Type": "Parallel", "Branches": branches, "End": True}), f=meet)
    )
    assert [result["Payload"] for result in found] == list(range(50))


def test_a_failing_branch_stops_the_others(interpret: Interpret, task: Task) -> None:
    """When a branch fails, the others do not go on to their next state."""
    failed, seen = threading.Event(), []

    def slow(event: Any) -> None:
        failed.wait(10)

    def boom(event: Any) -> None:
        raise ValueError("boom")

    branches = [
        machine(S1=task("slow", Next="S2"), S2=task("late")),
        machine(F=task("boom")),
    ]
    run = interpret(
        machine(P={"Type": "Parallel", "Branches": branches, "End": True}),
        slow=slow,
        boom=boom,
        late=seen.append,
    )
    failed.set()
    assert (run.status, run.error) == ("FAILED", "ValueError")
    assert seen == []


class TransientError(Exception):
    """An error that does not occur again."""


def flaky(times: int) -> tuple[list[int], Callable[[Any], Any]]:
    """Return a function that fails some times, and the count of its calls."""
    calls: list[int] = []

    def run(event: Any) -> Any:
        calls.append(event.get("retry"))
        if len(calls) <= times:
            raise TransientError(f"{len(calls)}")
        return "fine"

    return calls, run


@pytest.mark.parametrize("name", ["TransientError", "States.ALL", "States.TaskFailed"])
def test_retry(interpret: Interpret, output: Output, task: Task, name: str) -> None:
    """MaxAttempts counts retries, by class name or wildcard; $$.State.RetryCount counts them."""
    calls, run = flaky(2)
    retry = [{"ErrorEquals": [name], "MaxAttempts": 2, "IntervalSeconds": 1, "BackoffRate": 1.0}]
    state = task("f", {"retry.$": "$$.State.RetryCount"}, Retry=retry)
    assert output(interpret(machine(A=state), f=run))["Payload"] == "fine"
    assert calls == [0, 1, 2]


def test_retries_end(interpret: Interpret, task: Task) -> None:
    """After MaxAttempts retries the error is the execution's."""
    calls, run = flaky(9)
    retry = [{"ErrorEquals": ["TransientError"], "MaxAttempts": 3}]
    execution = interpret(machine(A=task("f", Retry=retry)), f=run)
    assert (execution.error, len(calls)) == ("TransientError", 4)
    assert '"errorMessage": "4"' in str(execution.cause)


def test_other_errors_are_not_retried(interpret: Interpret, task: Task) -> None:
    """A retrier matches only the errors that it names."""
    calls, run = flaky(9)
    retry = [{"ErrorEquals": ["OtherError", "States.Timeout"]}]
    assert interpret(machine(A=task("f", Retry=retry)), f=run).error == "TransientError"
    assert len(calls) == 1


def test_catch(interpret: Interpret, output: Output, task: Task) -> None:
    """A catcher puts Error and Cause at its ResultPath and may assign them."""
    _, run = flaky(9)
    catcher = {
        "ErrorEquals": ["States.ALL"],
        "ResultPath": "$.failure",
        "Assign": {"error.$": "$.Error"},
        "Next": "B",
    }
    states = machine(
        A=task("f", Catch=[catcher]),
        B={
            "Type": "Pass",
            "Parameters": {"var.$": "$error", "path.$": "$.failure.Error", "k.$": "$.k"},
            "End": True,
        },
    )
    found = output(interpret(states, {"k": 1}, f=run))
    assert found == {"var": "TransientError", "path": "TransientError", "k": 1}


def test_choice(interpret: Interpret, output: Output) -> None:
    """The first rule that passes is taken, with its Assign; other types compare as false."""
    rules = [
        {"Variable": "$n", "StringEquals": "5", "Next": "Wrong"},
        {"Variable": "$.none", "IsNull": False, "Next": "Wrong"},
        {
            "And": [
                {"Variable": "$n", "NumericGreaterThanPath": "$.four"},
                {"Not": {"Variable": "$.missing", "IsPresent": True}},
                {"Variable": "$.name", "StringMatches": "a*.lo\\*g"},
            ],
            "Assign": {"way": "right"},
            "Next": "Right",
        },
    ]
    states = machine(
        A={"Type": "Pass", "Assign": {"n": 5}, "Next": "C"},
        C={"Type": "Choice", "Choices": rules, "Default": "Wrong"},
        Right={"Type": "Succeed", "OutputPath": "$way"},
        Wrong={"Type": "Fail"},
    )
    value = {"four": 4, "none": None, "name": "abc.lo*g"}
    assert output(interpret(states, value)) == "right"


def test_choice_without_match(interpret: Interpret) -> None:
    """A Choice without a match and without Default fails with States.NoChoiceMatched."""
    rule = {"Variable": "$.x", "BooleanEquals": True, "Next": "B"}
    states = machine(A={"Type": "Choice", "Choices": [rule]}, B={"Type": "Succeed"})
    assert interpret(states, {"x": "true"}).error == "States.NoChoiceMatched"


def test_map(interpret: Interpret, output: Output, task: Task) -> None:
    """An inline Map gives the results in order, with the item in the context object."""
    inner = machine(M=task("f", {"v.$": "$.v", "again.$": "$$.Map.Item.Value"}))
    state = {
        "Type": "Map",
        "ItemsPath": "$.items",
        "ItemSelector": {"i.$": "$$.Map.Item.Index", "v.$": "$$.Map.Item.Value", "k.$": "$.k"},
        "ItemProcessor": {**inner, "ProcessorConfig": {"Mode": "INLINE"}},
        "MaxConcurrency": 3,
        "ResultSelector": {"all.$": "$[*].Payload"},
        "End": True,
    }
    found = output(interpret(machine(A=state), {"items": [3, 1, 2], "k": 0}, f=lambda e: e))
    assert found == {"all": [{"v": n, "again": n} for n in (3, 1, 2)]}


@pytest.mark.parametrize("mode", ["INLINE", "DISTRIBUTED"])
def test_a_map_of_one_at_a_time_ends_with_the_item_that_fails(
    interpret: Interpret, task: Task, mode: str
) -> None:
    """With MaxConcurrency 1 no iteration starts after one has failed, in either mode."""
    config: dict[str, Any] = {"Mode": mode}
    if mode == "DISTRIBUTED":
        config["ExecutionType"] = "STANDARD"
    state = {
        "Type": "Map",
        "ItemsPath": "$.items",
        "ItemProcessor": {**machine(M=task("f", {"n.$": "$"})), "ProcessorConfig": config},
        "MaxConcurrency": 1,
        "End": True,
    }
    seen: list[int] = []

    def failing(event: Any) -> None:
        seen.append(event["n"])
        if event["n"] == 1:
            raise ValueError("on purpose")

    run = interpret(machine(A=state), {"items": list(range(50))}, f=failing)
    assert (run.status, seen) == ("FAILED", [0, 1])
    started = [e for e in run.history.events if e["type"] == "MapIterationStarted"]
    assert len(started) == (2 if mode == "INLINE" else 0)


def test_literal_index_gives_the_value(interpret: Interpret, output: Output) -> None:
    """$[0].x is the value, not a list of it."""
    state = {"Type": "Pass", "Parameters": {"v.$": "$[0].x"}, "End": True}
    assert output(interpret(machine(A=state), [{"x": 1}])) == {"v": 1}


def test_context_object(interpret: Interpret, output: Output) -> None:
    """The context object has the execution, the state and the machine."""
    wanted = {
        "id.$": "$$.Execution.Id",
        "name.$": "$$.Execution.Name",
        "input.$": "$$.Execution.Input.k",
        "state.$": "$$.State.Name",
        "machine.$": "$$.StateMachine.Name",
    }
    found = output(
        interpret(machine(A={"Type": "Pass", "Parameters": wanted, "End": True}), {"k": 1})
    )
    assert (found["name"], found["input"], found["state"]) == ("run", 1, "A")
    assert found["machine"] == "machine"
    assert found["id"].endswith(":execution:machine:run")


def test_timeout(interpret: Interpret, task: Task) -> None:
    """A task that takes longer than TimeoutSeconds fails with States.Timeout."""
    over = threading.Event()
    state = task("f", TimeoutSeconds=1)
    run = interpret(machine(A=state), f=lambda event: over.wait(10))
    over.set()
    assert (run.status, run.error) == ("FAILED", "States.Timeout")


def test_missing_function(interpret: Interpret, task: Task) -> None:
    """A function that does not exist is a Lambda error of the service, which can be matched."""
    run = interpret(machine(A=task("ghost")))
    assert run.error == "Lambda.ResourceNotFoundException"


def test_stop(prepare: Interpret, task: Task) -> None:
    """A stopped execution is ABORTED at once, and its next states do not run."""
    entered, leave, seen = threading.Event(), threading.Event(), []

    def first(event: Any) -> None:
        entered.set()
        leave.wait(10)

    run = prepare(
        machine(A=task("first", Next="B"), B=task("second")), first=first, second=seen.append
    )
    thread = threading.Thread(target=run.run)
    thread.start()
    entered.wait(10)
    run.stop("why", "because")
    leave.set()
    thread.join(10)
    assert (run.status, run.error, run.cause, seen) == ("ABORTED", "why", "because", [])


def test_history(interpret: Interpret, task: Task) -> None:
    """The history has AWS's event types, each with the id of the event before it."""
    run = interpret(machine(A=task("f", Assign={"v.$": "$.Payload"})), f=lambda event: 1)
    events = run.history.events
    assert [event["type"] for event in events] == [
        "ExecutionStarted",
        "TaskStateEntered",
        "TaskScheduled",
        "TaskStarted",
        "TaskSucceeded",
        "TaskStateExited",
        "ExecutionSucceeded",
    ]
    assert [event["previousEventId"] for event in events] == [0, 1, 2, 3, 4, 5, 6]
    assert events[5]["stateExitedEventDetails"]["assignedVariables"] == {"v": "1"}
