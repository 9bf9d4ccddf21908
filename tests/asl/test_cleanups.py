"""The states of a cleanup step: none without it, and few with it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from golden_files import agrees_with_golden
from hypothesis import given, settings
from strategies import with_cleanup

from lokki_tf import MicroFunctions, Pipeline, step
from lokki_tf.asl import compile_state_machine
from lokki_tf.asl.text import render
from lokki_tf.checks import check_state_machine
from lokki_tf.runtime.busy import CHECK


@step
def lock() -> dict[str, str]:
    return {}


@step
def load(held: Any) -> list[int]:
    return []


@step(job_type="batch")
def heavy(rows: Any) -> Any:
    return rows


@step
def release(name: Any, rows: Any = None) -> None:
    """Releases a lock."""


def locked(*, cleaned: bool = True) -> Pipeline:
    held = lock()
    rows = load(held)
    ends = [heavy(rows, catch=KeyError), load(rows).map(heavy)]
    cleanup = release(held["name"], [rows]) if cleaned else None
    return Pipeline("locked", steps=ends, cleanup=cleanup)


def routed(*, cleaned: bool = True) -> MicroFunctions:
    functions = MicroFunctions("begin", name="routed", cleanup=release if cleaned else None)

    @functions.fn(catch={True: "undo"})
    def begin(name: str = "x") -> Any:
        return {"$next": "end", "name": name}

    @functions.fn(terminates=True)
    def end(name: str) -> Any:
        return {"name": name}

    @functions.fn(terminates=True)
    def undo(name: str) -> Any:
        return {"name": name}

    return functions


def states(pipeline: Any) -> dict[str, Any]:
    definition = compile_state_machine(pipeline.definition).definition
    assert check_state_machine(definition) == []
    found: dict[str, Any] = definition["States"]
    return found


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (locked, "cleanup.statemachine.json"),
        (routed, "cleanup-routed.statemachine.json"),
    ],
    ids=["graph", "routed"],
)
def test_the_machine_with_a_cleanup_is_as_reviewed(
    request: pytest.FixtureRequest, make: Any, name: str
) -> None:
    """The machine of a pipeline with a cleanup step is the golden one."""
    definition = compile_state_machine(make().definition).definition
    agrees_with_golden(request, name, render(definition))


@pytest.mark.parametrize("make", [locked, routed])
def test_without_a_cleanup_nothing_is_added(make: Any) -> None:
    """Without cleanup=, no state exists, catches or assigns for it."""
    plain, cleaned = states(make(cleaned=False)), states(make())
    added = set(cleaned) - set(plain)
    assert added == {"release", "release after a failure", "Failed", "Nothing for release"}
    text = json.dumps(plain)
    assert "release" not in text
    assert "lokki_last" not in text
    catchers = [one for state in plain.values() for one in state.get("Catch", ())]
    assert all(one["Next"] in plain for one in catchers)


def test_a_cleanup_without_results_needs_no_variable() -> None:
    """A step that takes only literals has no state before the first step."""
    plain = Pipeline("plain", steps=[lock()])
    cleaned = Pipeline("plain", steps=[lock()], cleanup=release("all"))
    assert set(states(cleaned)) - set(states(plain)) == {
        *("release", "release after a failure", "Failed")
    }


@given(made=with_cleanup(jobs=True))
@settings(max_examples=60, deadline=None)
def test_every_state_of_the_outermost_scope_catches(made: tuple[Pipeline, Any]) -> None:
    """All errors of all steps lead to the cleanup step, which reads only assigned variables."""
    pipeline, _ = made
    found, apart = states(pipeline), ("cleaned", CHECK)
    for name, state in found.items():
        if state["Type"] in ("Task", "Parallel", "Map") and not name.startswith(apart):
            assert state["Catch"][-1] == {
                "ErrorEquals": ["States.ALL"],
                "Next": "cleaned after a failure",
            }
    done = found["cleaned"]
    assert done["End"]
    assert set(done["ResultSelector"]) == {f"{name}.$" for name in pipeline.graph.terminals}
