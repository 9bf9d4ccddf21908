"""The return values of steps of a routed pipeline, and their next steps."""

from __future__ import annotations

from typing import Any

import pytest

from lokki_tf.runtime.routes import ConditionalReturns, ReturnUpdates, moved

A, B, C = ReturnUpdates("a"), ReturnUpdates("b"), ReturnUpdates("c")
STATE = {"beans": 3, "sugar": True}


@pytest.mark.parametrize(
    ("operand", "chosen"),
    [("x", A), ("y", C), (1, C), ("", B), (None, B), ([], B), (["x"], C)],
    ids=repr,
)
def test_an_operand_chooses(operand: Any, chosen: ReturnUpdates) -> None:
    """A string selects the choice of its name, else a true value ``true``, else the default."""
    assert ConditionalReturns(operand, B, true=C, x=A).evaluate() is chosen


def test_without_true_the_default_is_chosen() -> None:
    """A true value without a matching name selects the default."""
    assert ConditionalReturns("y", B, x=A).evaluate() is B


def test_parameters_own_names_are_free() -> None:
    """Updates and values may have the names of the constructors' parameters."""
    updates = ReturnUpdates("a", next_fn=1, remove=2, replace=3, self=4)
    assert updates.replace == {"next_fn": 1, "remove": 2, "replace": 3, "self": 4}
    assert ConditionalReturns("default", B, default=A, operand=C).evaluate() is A


def test_they_show_how_they_were_made() -> None:
    """The representation is the call."""
    updates = ReturnUpdates("tea", "*", beans=5)
    assert repr(updates) == "ReturnUpdates('tea', '*', beans=5)"
    shown = repr(ConditionalReturns("c", updates, true=A, x=B))
    assert shown == (
        "ConditionalReturns('c', ReturnUpdates('tea', '*', beans=5), true=ReturnUpdates('a'), "
        "x=ReturnUpdates('b'))"
    )


@pytest.mark.parametrize(
    "next_fn",
    [1, "", test_they_show_how_they_were_made, ["a"]],
    ids=["number", "nothing", "function", "list"],
)
def test_a_next_step_is_a_name(next_fn: Any) -> None:
    """A next step that is not a string is an error where it is written."""
    with pytest.raises(TypeError, match="name of the next step"):
        ReturnUpdates(next_fn)


def test_removed_names_are_strings() -> None:
    """A removed name that is not a string is an error with a remedy."""
    with pytest.raises(TypeError, match="write name=value"):
        ReturnUpdates("a", {"beans": 1})  # type: ignore[arg-type]


@pytest.mark.parametrize("ways", [{"default": {}}, {"x": "a"}, {"true": ConditionalReturns("", A)}])
def test_choices_are_updates(ways: dict[str, Any]) -> None:
    """Each choice of a ConditionalReturns must be a ReturnUpdates; the error contains its name."""
    default = ways.pop("default", A)
    with pytest.raises(TypeError, match="must be a ReturnUpdates"):
        ConditionalReturns("x", default, **ways)


@pytest.mark.parametrize(
    ("returned", "to", "state"),
    [
        (ReturnUpdates("a"), "a", STATE),
        (ReturnUpdates("a", "beans", "milk"), "a", {"sugar": True}),
        (ReturnUpdates("a", "*", milk=1), "a", {"milk": 1}),
        (ReturnUpdates("a", "beans", beans=4), "a", {"beans": 4, "sugar": True}),
        (ReturnUpdates(None, milk=1), "later", {**STATE, "milk": 1}),
        (ConditionalReturns("x", A, x=ReturnUpdates("b", "*")), "b", {}),
        ({"$next": "a", "milk": 1}, "a", {"milk": 1}),
        ({"$next": None, "milk": 1}, "later", {"milk": 1}),
        ({}, "later", {}),
        (None, "later", {}),
    ],
    ids=repr,
)
def test_the_state_changes(returned: Any, to: str, state: dict[str, Any]) -> None:
    """Removals, then updates, give the next state; a dict replaces it; the old one is unchanged."""
    before = dict(STATE)
    assert moved(returned, before, "$next", "later", "s") == (to, state)
    assert before == STATE


def test_another_key_may_name_the_next_step() -> None:
    """With another key, ``$next`` is a name like any other."""
    returned = {"go": "a", "$next": "b"}
    assert moved(returned, {}, "go", None, "s") == ("a", {"$next": "b"})


def test_without_a_default_the_pipeline_ends() -> None:
    """Without a next step the pipeline ends, and the state is the result."""
    assert moved(ReturnUpdates(None, milk=1), STATE, "$next", None, "s") == (
        None,
        {**STATE, "milk": 1},
    )


@pytest.mark.parametrize(
    ("returned", "says"),
    [
        (7, "step 's' returned 7"),
        (["a"], r"step 's' returned \['a'\]"),
        ("x" * 200, "…"),
        ({1: 2}, "key 1"),
        ({"$next": 3}, "returned 3 under '.next'"),
        ({"$next": ""}, "returned '' under"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_other_return_values_are_errors(returned: Any, says: str) -> None:
    """Any other return value is an error with the step and the value."""
    with pytest.raises(TypeError, match=says):
        moved(returned, {}, "$next", None, "s")
