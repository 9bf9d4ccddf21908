"""What a step returns, and where that leads."""

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
    """A string chooses the way of its name, else a true value ``true``, else the default."""
    assert ConditionalReturns(operand, B, true=C, x=A).evaluate() is chosen


def test_without_true_the_default_is_chosen() -> None:
    """A true value that no way is named after takes the default."""
    assert ConditionalReturns("y", B, x=A).evaluate() is B


def test_parameters_own_names_are_free() -> None:
    """Updates and values may be called as the constructors call their parameters."""
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
    """A next step that is no name is refused where it is written."""
    with pytest.raises(TypeError, match="name of the next step"):
        ReturnUpdates(next_fn)


def test_what_is_taken_out_is_named() -> None:
    """A name to take out that is no string is refused, with what was meant."""
    with pytest.raises(TypeError, match="written name=value"):
        ReturnUpdates("a", {"beans": 1})  # type: ignore[arg-type]


@pytest.mark.parametrize("ways", [{"default": {}}, {"x": "a"}, {"true": ConditionalReturns("", A)}])
def test_ways_are_updates(ways: dict[str, Any]) -> None:
    """Each way of a ConditionalReturns is a ReturnUpdates, and the error names the one."""
    default = ways.pop("default", A)
    with pytest.raises(TypeError, match="no ReturnUpdates"):
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
def test_the_state_moves(returned: Any, to: str, state: dict[str, Any]) -> None:
    """Removals, then updates, give the next state; a dict is all of it; the old one stays."""
    before = dict(STATE)
    assert moved(returned, before, "$next", "later", "s") == (to, state)
    assert before == STATE


def test_another_key_may_name_the_next_step() -> None:
    """With another key, ``$next`` is a name as any."""
    returned = {"go": "a", "$next": "b"}
    assert moved(returned, {}, "go", None, "s") == ("a", {"$next": "b"})


def test_without_a_default_the_pipeline_ends() -> None:
    """Where no step is named there is none, and the state is the result."""
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
def test_anything_else_is_told(returned: Any, says: str) -> None:
    """A step that returns something else is named, with what it returned."""
    with pytest.raises(TypeError, match=says):
        moved(returned, {}, "$next", None, "s")
