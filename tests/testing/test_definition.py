"""Definitions that CreateStateMachine refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from lokki_tf.testing.state_machines.definition import check


def machine(**states: Any) -> dict[str, Any]:
    """Return a definition that starts at its first state."""
    return {"StartAt": next(iter(states)), "States": states}


def messages(definition: Any) -> str:
    """Return all findings as one text."""
    return "\n".join(map(str, check(json.dumps(definition))))


END = {"Type": "Pass", "End": True}
LAMBDA = "arn:aws:states:::lambda:invoke"


def everything() -> dict[str, Any]:
    """Return a definition with all kinds of states."""
    inner = machine(I={"Type": "Pass", "Assign": {"in.$": "$out.x"}, "End": True})
    distributed = {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}}
    return machine(
        A={"Type": "Pass", "Assign": {"out": {"x": 1}}, "Next": "W"},
        W={"Type": "Wait", "SecondsPath": "$out.x", "Next": "C"},
        C={"Type": "Choice", "Choices": [{"Variable": "$out", "IsPresent": True, "Next": "P"}]},
        P={"Type": "Parallel", "Branches": [inner], "Next": "M", "ResultPath": None},
        M={
            "Type": "Map",
            "ItemProcessor": {**machine(J=END), **distributed},
            "Next": "T",
            "Label": "x",
            "ItemReader": {"Resource": "arn:aws:states:::s3:getObject", "Parameters": {}},
        },
        T={
            "Type": "Task",
            "Resource": LAMBDA,
            "Next": "S",
            "Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxDelaySeconds": 9}],
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "S", "Assign": {"x.$": "$"}}],
        },
        S={"Type": "Succeed"},
    )


def test_valid() -> None:
    """A definition with all kinds of states has no findings."""
    assert messages(everything()) == ""


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each object and array inside a value, with each key of it."""
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from places(value[key])


@pytest.mark.parametrize("odd", ["x", 5, None, True, {}, [], {"x": "x"}, ["x"], [["x"]]], ids=str)
def test_odd_values(odd: Any) -> None:
    """Any value in a field causes findings and not an exception."""
    definition = everything()
    for holder, key in places(definition):
        kept, holder[key] = holder[key], odd
        messages(definition)
        holder[key] = kept


@pytest.mark.parametrize(
    ("processor", "message"),
    [
        ("x", "must have an ItemProcessor"),
        ({"ProcessorConfig": "x", **machine(J=END)}, "Mode must be INLINE or DISTRIBUTED"),
    ],
)
def test_processor(processor: Any, message: str) -> None:
    """A processor, and its configuration, are objects."""
    states = machine(M={"Type": "Map", "ItemProcessor": processor, "End": True})
    assert message in messages(states)


def test_label_of_an_inline_map() -> None:
    """Only a Distributed Map has a label."""
    states = machine(M={"Type": "Map", "ItemProcessor": machine(J=END), "End": True, "Label": "x"})
    assert "Label' is supported in Distributed Maps only" in messages(states)


@pytest.mark.parametrize(
    ("states", "message"),
    [
        ({"A": {"Type": "Pass", "Next": "B"}}, "Missing 'Next' target: B"),
        ({"A": END, "B": END}, 'State "B" is not reachable'),
        ({"A": {"Type": "Pass"}}, "either Next or End"),
        ({"A": {**END, "Nxt": 1}}, "Field 'Nxt' is not supported"),
        ({"A": {"Type": "Task", "End": True, "Resource": "lambda"}}, "is not recognized"),
        ({"A": {**END, "Parameters": {"a.$": "$.b["}}}, "must be a valid JSONPath"),
        ({"A": {**END, "Parameters": {"a.$": "States.Nope()"}}}, "must be a valid JSONPath"),
        ({"A": {**END, "Parameters": {"a.$": 1}}}, "must be a STRING"),
        ({"A": {**END, "Parameters": {"a.$": "$", "a": 1}}}, "must not both be set"),
        ({"A": {**END, "ResultPath": "$variable"}}, "must be a reference path"),
        ({"A": {**END, "ResultPath": "$.a[*]"}}, "must be a reference path"),
        ({"A": {**END, "Assign": {"states": 1}}}, "must be a Unicode identifier"),
        ({"A": {**END, "Assign": {"a-b": 1}}}, "must be a Unicode identifier"),
        ({"A": {**END, "Assign": {"a" * 81: 1}}}, "must be a Unicode identifier"),
        ({"A" * 81: END}, "80 characters"),
        ({"A": {"Type": "Succeed", "Assign": {"a": 1}}}, "Field 'Assign' is not supported"),
    ],
)
def test_refused(states: dict[str, Any], message: str) -> None:
    """Each fault is found, with what is wrong."""
    assert message in messages(machine(**states))


@pytest.mark.parametrize(
    ("retrier", "message"),
    [
        ({"ErrorEquals": []}, "not empty"),
        ({"ErrorEquals": ["States.ALL", "X"]}, "must be the only error name"),
        ({"ErrorEquals": ["X"], "IntervalSeconds": 0}, "integer from 1"),
        ({"ErrorEquals": ["X"], "IntervalSeconds": 1.5}, "integer from 1"),
        ({"ErrorEquals": ["X"], "MaxAttempts": -1}, "integer from 0"),
        ({"ErrorEquals": ["X"], "BackoffRate": 0.5}, "number from 1.0"),
        ({"ErrorEquals": ["X"], "MaxDelaySeconds": 1}, "greater than IntervalSeconds"),
        ({"ErrorEquals": ["X"], "JitterStrategy": "SOME"}, "FULL or NONE"),
    ],
)
def test_retrier(retrier: dict[str, Any], message: str) -> None:
    """A retrier's numbers have the ranges of the service."""
    state = {"Type": "Task", "Resource": LAMBDA, "End": True, "Retry": [retrier]}
    assert message in messages(machine(A=state))


def test_outer_variable() -> None:
    """An inner scope may not assign what an outer one assigns anywhere, even in a catcher."""
    inner = machine(I={"Type": "Pass", "Assign": {"x.$": "$"}, "End": True})
    catch = [{"ErrorEquals": ["States.ALL"], "Next": "S", "Assign": {"x": 1}}]
    states = machine(
        P={"Type": "Parallel", "Branches": [inner], "Next": "S", "Catch": catch},
        S={"Type": "Succeed"},
    )
    assert "'x' is assigned in an outer scope" in messages(states)


def test_sibling_scopes() -> None:
    """Two branches may assign variables of the same name."""
    branches = [machine(**{n: {**END, "Assign": {"x": 1}}}) for n in ("I", "J")]
    assert messages(machine(P={"Type": "Parallel", "Branches": branches, "End": True})) == ""


def test_duplicate_names() -> None:
    """A state's name must be unique in the whole definition."""
    states = machine(P={"Type": "Parallel", "Branches": [machine(P=END)], "End": True})
    assert "DUPLICATE_STATE_NAME" in messages(states)


def test_size() -> None:
    """A definition has 1,048,576 bytes at most."""
    definition = machine(A={**END, "Comment": ""})
    definition["Comment"] = "x" * (1_048_576 - len(json.dumps(definition)) - len(', "Comment": ""'))
    assert messages(definition) == ""
    definition["Comment"] += "x"
    assert "INVALID_SIZE" in messages(definition)


SUBMIT = {"JobName": "j", "JobQueue": "q", "JobDefinition": "d"}
STANDARD, EXPRESS = (
    {"Mode": "DISTRIBUTED", "ExecutionType": one} for one in ("STANDARD", "EXPRESS")
)
JOB = {
    "Type": "Task",
    "Resource": "arn:aws:states:::batch:submitJob.sync",
    "Parameters": SUBMIT,
    "End": True,
}


def mapped(state: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    """Return a Map state over one state."""
    return {
        "Type": "Map",
        "ItemProcessor": {**machine(Inner=state), "ProcessorConfig": config},
        "End": True,
    }


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (JOB, "does not support '.sync' service integration"),
        (
            {**JOB, "Resource": "arn:aws:states:::states:startExecution.sync:2", "Parameters": {}},
            "does not support '.sync' service integration",
        ),
        (
            {"Type": "Task", "Resource": f"{LAMBDA}.waitForTaskToken", "End": True},
            "does not support '.waitForTaskToken' service integration",
        ),
        (
            {"Type": "Map", "ItemProcessor": {**machine(Z=END), "ProcessorConfig": STANDARD}},
            "does not support Distributed Maps",
        ),
        (
            {"Type": "Parallel", "Branches": [machine(Deep=JOB)], "End": True},
            "integration at /States/Outer/ItemProcessor/States/Inner/Branches[0]/States/Deep",
        ),
        (mapped(JOB, {"Mode": "INLINE"}), "service integration"),
    ],
    ids=["job", "execution", "callback", "map", "branch", "inline map"],
)
def test_express_children_wait_for_nothing(state: dict[str, Any], message: str) -> None:
    """What Express executions cannot run is refused, at any depth, and allowed in Standard ones."""
    inner = {"End": True, **state}
    if "ItemProcessor" in inner:  # names of states are unique
        inner["ItemProcessor"] = {**inner["ItemProcessor"], **machine(Deep=JOB)}
    assert message in messages(machine(Outer=mapped(inner, EXPRESS)))
    assert "Express" not in messages(machine(Outer=mapped(inner, STANDARD)))
