"""Definitions that are read from state machines: those of the examples, and of what they lack."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

from lokki_tf import (
    ConditionalReturns,
    MicroFunctions,
    Pipeline,
    ReturnUpdates,
    start_pipeline,
    step,
)
from lokki_tf.model import AnyNode, Definition, Map, Node
from lokki_tf.operate.read_back import definition_in, functions_in, is_pipeline, store_in
from lokki_tf.testing.settings import ACCOUNT_ID

EXAMPLES = Path(__file__).parents[2] / "examples"
FILES = ("nile/nile.py", "stock/stock.py", "approval/approval.py", "inbox/inbox.py")
FILES += ("review/review.py", "planes/planes.py", "export/export.py", "orders/orders.py")


@step(job_type="batch", catch=ValueError)
def heavy(number: int) -> int:
    return number


@step(callback=True)
def asked(number: int) -> int:
    return number


@step
def last(*values: Any) -> int:
    return len(values)


@step
def freed(value: Any = None) -> None:
    """Runs at the end."""


mixed = Pipeline(
    "mixed",
    steps=[last(asked(1), heavy(2), start_pipeline("elsewhere", {"n": 1}))],
    cleanup=freed(),
)
routes = MicroFunctions("around", name="around")


@routes.fn("around", "inner", catch={ValueError: "end"})
def around(value: int = 0) -> Any:
    return ReturnUpdates("inner")


@routes.fn(terminates=True)
def end(value: int = 0, **more: Any) -> None:
    return None


routes.include(Pipeline("inner", steps=[last(asked(1))]), next="end", name="inner")


looping = MicroFunctions("first", name="looping")


@looping.fn(catch={ValueError: "refuse"})
def first(value: int, more: int = 0) -> ReturnUpdates:
    return ReturnUpdates("turn")


@looping.fn()
def turn(value: int, more: int = 0) -> ConditionalReturns:
    return ConditionalReturns(value < 3, ReturnUpdates("refuse"), true=ReturnUpdates("turn"))


@looping.fn(terminates=True)
def refuse(value: int, more: int = 0) -> Any:
    return {}


@step
def values() -> list[int]:
    return [1, 2]


walks = Pipeline(
    "walks", steps=[last(looping(value=asked(1), catch=ValueError), values().map(looping, more=2))]
)


def described(definition: Definition) -> dict[str, Any]:
    """Return what must be equal: nodes, steps, order and arguments; routes and the cleanup."""
    whole, found = definition.whole, definition.routes
    return {
        **{one.name: _described(one, definition) for one in whole.every()},
        "routes": found
        and {
            one.step.name: (set(one.targets), one.ends, {name for name, _ in one.catches})
            for one in found.routes
        },
        "start": found and found.start,
        "cleanup": definition.cleanup and definition.cleanup.name,
        "parameters": [one.name for one in definition.parameters],
    }


def _described(node: AnyNode, definition: Definition) -> tuple[Any, ...]:
    before = {node.name, *node.predecessors}
    for one in reversed(definition.whole.nodes):  # with those that are implied by others
        before |= set(one.predecessors) if one.name in before else set()
    if isinstance(node, Node):
        options = node.step.options
        more = (options.job_type, options.callback, bool(node.catch), bool(node.when))
        name = None if node.step.starts else node.step.name  # started ones have no function
        if node.step.routed is not None:
            inner = described(node.routed) | {"parameters": ()}  # only its node names them
            return ("routed", before, name, inner, sorted(node.visits), *more)
        return ("node", before, name, bool(node.step.starts), *more)
    return (type(node).__name__, before, node.options.mode if isinstance(node, Map) else "")


def loaded(file: Path, monkeypatch: pytest.MonkeyPatch) -> list[Pipeline[Any]]:
    monkeypatch.syspath_prepend(str(file.parent))
    spec = importlib.util.spec_from_file_location(f"read_back_{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return [one for one in vars(module).values() if isinstance(one, Pipeline)]


def test_examples_are_read_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """The state machine has nodes, steps, order, kinds, routes, parameters and the cleanup step."""
    monkeypatch.delenv("LOKKI_STAGE", raising=False)
    every = [mixed, routes, walks]
    for file in FILES:
        every += loaded(EXAMPLES / file, monkeypatch)
    for pipeline in every:
        resources = pipeline.resources(ACCOUNT_ID, "us-east-1")
        machine = resources.definition
        found = definition_in(resources.name, machine)
        assert described(found) == described(pipeline.definition), pipeline.name
        assert store_in(machine) == f"s3://{resources.bucket}"
        functions = {one.name for one in resources.functions}
        assert set(functions_in(machine, found).values()) <= functions
        assert is_pipeline(machine)


def test_other_state_machines_are_none() -> None:
    """A state machine that calls functions by hand is not taken for a pipeline."""
    call = {"FunctionName": "f", "Payload": {"node": "a"}}
    task = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": call}
    assert not is_pipeline({"StartAt": "A", "States": {"A": {**task, "End": True}}})
