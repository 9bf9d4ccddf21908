"""Bindings become arguments."""

import pytest

from lokki_tf.local import run
from lokki_tf.model import Group, Literal, Output

EXECUTORS = ["thread", "sequential", "process"]


def everything(*args, **kwargs):
    return args, kwargs


def same(value):
    return value


@pytest.mark.parametrize("executor", EXECUTORS)
def test_arguments_arrive_by_position_and_by_name(build, executor):
    """Results and literals are passed as they were bound, names in their order."""
    result = run(
        build.pipeline(
            build.node("a", same, 1),
            build.node("b", same, value=2),
            build.node("c", everything, build.out("a"), "a", y=build.out("b"), x=None),
        ),
        executor=executor,
    ).result
    assert result == ((1, "a"), {"y": 2, "x": None})
    assert list(result[1]) == ["y", "x"]


@pytest.mark.parametrize("strict", [False, True])
def test_groups_are_built_around_results(build, strict):
    """Nested lists, tuples, sets, frozensets and dicts contain results in the right positions."""
    a = Output("a")
    group = Group(
        "dict",
        (
            Group("list", (a, Literal(2))),
            Group("tuple", (a, Group("set", (a, Literal(3))))),
            Group("frozenset", (a,)),
        ),
        ("list", ("a", 1), 3),
    )
    result = run(
        build.pipeline(build.node("a", same, 1), build.node("b", same, group)), strict=strict
    ).result
    assert result == {"list": [1, 2], ("a", 1): (1, {1, 3}), 3: frozenset([1])}


def test_a_literal_is_passed_unchanged(build):
    """A literal is not inspected; each step has an equal copy of one that it could change."""
    text, marker = "a.$", {"a.$": [1.5, ("b.$",)]}
    assert run(build.pipeline(build.node("a", same, text))).result is text
    result = run(build.pipeline(build.node("a", same, marker))).result
    assert (result == marker, result is marker) == (True, False)


def test_a_string_that_is_a_nodes_name_stays_a_string(build):
    """A string that equals a node's name is not replaced by the node's result."""
    pipeline = build.pipeline(build.node("a", same, 1), build.node("b", same, "a", after=["a"]))
    assert run(pipeline).result == "a"


def test_none_is_a_result(build):
    """A step that returns None is done and passes None."""
    pipeline = build.pipeline(build.node("a", same, None), build.node("b", same, build.out("a")))
    outcome = run(pipeline)
    assert outcome.outputs == {"a": None, "b": None}
    assert outcome.status == {"a": "done", "b": "done"}


def test_a_group_that_cannot_be_built_is_the_nodes_failure(build):
    """A set with an unhashable result fails the node that uses the set."""
    from lokki_tf.errors import StepFailed

    group = Group("set", (Output("a"),))
    pipeline = build.pipeline(build.node("a", same, [1]), build.node("b", same, group))
    with pytest.raises(StepFailed, match=r"step 'b' failed: TypeError") as caught:
        run(pipeline)
    assert isinstance(caught.value.__cause__, TypeError)


def test_a_wide_fan_in_arrives_in_order(build):
    """A list of a thousand results keeps its order."""
    nodes = [build.node(f"n{i}", same, i) for i in range(1000)]
    group = Group("list", tuple(Output(one.name) for one in nodes))
    outcome = run(build.pipeline(*nodes, build.node("all", same, group)))
    assert outcome.result == list(range(1000))
