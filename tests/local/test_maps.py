"""Maps: a graph for each item of a list."""

import time

import pytest

from lokki_tf.local import run


def add(value, more=1):
    return value + more


def pair(first, second):
    return (first, second)


def numbers(count):
    yield from range(count)


def same(value):
    return value


def test_each_item_runs_the_body(build, way):
    """The result is the list of the last node's results, in the order of the items."""
    pipeline = build.pipeline(
        build.node("numbers", numbers, 50),
        build.map(
            "each",
            build.out("numbers"),
            build.node("more", add, build.item, 100),
            build.node("both", pair, build.item, build.out("more")),
        ),
        build.node("count", len, build.out("each")),
    )
    outcome = run(pipeline, **way)
    assert outcome.outputs["each"] == [(number, number + 100) for number in range(50)]
    assert outcome.result == 50
    assert list(outcome.status.values()) == ["done"] * 3
    assert outcome.timings["each"][0] <= outcome.timings["each"][1] <= outcome.timings["count"][0]
    assert outcome.failed_items == {}


@pytest.mark.parametrize(
    "items", [[3, 1, 2], (3, 1, 2), range(3), {3: "x", 1: "y"}, frozenset([1, 2]), "abc", b"ab"]
)
def test_items_can_be_any_iterable(build, way, items):
    """Lists, tuples, ranges and dicts are iterated as in Python."""
    pipeline = build.pipeline(build.map("each", items, build.node("same", same, build.item)))
    assert run(pipeline, **way).result == list(items)


def test_no_items_give_an_empty_list(build, way):
    """A map without items is done at once, and its consumers run."""
    pipeline = build.pipeline(
        build.map("each", [], build.node("add", add, build.item)),
        build.map("again", build.out("each"), build.node("add_2", add, build.item)),
        build.node("count", len, build.out("again")),
    )
    outcome = run(pipeline, **way)
    assert outcome.outputs == {"each": [], "again": [], "count": 0}


def test_a_body_may_branch_and_take_arguments(build, way):
    """Branches join in the last node; the map's arguments are parameters of the body."""
    pipeline = build.pipeline(
        build.node("base", same, 100),
        build.map(
            "each",
            [1, 2, 3],
            build.node("left", add, build.item, build.parameter("base")),
            build.node("right", add, build.item, more=build.parameter("step")),
            build.node("meet", same, build.group("tuple", (build.out("left"), build.out("right")))),
            arguments={"base": build.out("base"), "step": 10},
        ),
    )
    assert run(pipeline, **way).result == [(101, 11), (102, 12), (103, 13)]


def test_maps_can_be_nested(build, way):
    """An inner map has its own items, arguments and results for each outer item."""
    pipeline = build.pipeline(
        build.map(
            "outer",
            range(6),
            build.node("count", numbers, build.item),
            build.map(
                "inner",
                build.out("count"),
                build.node("pair", pair, build.parameter("outer"), build.item),
                arguments={"outer": build.item},
            ),
            build.node("total", len, build.out("inner")),
            build.node("both", pair, build.out("total"), build.out("inner")),
        ),
    )
    expected = [(count, [(count, number) for number in range(count)]) for count in range(6)]
    assert run(pipeline, **way).result == expected


def test_a_body_may_end_with_a_map(build, way):
    """The result of an item may be an inner map's list, three levels deep."""
    pipeline = build.pipeline(
        build.map(
            "a",
            [[[1, 2], []], [], [[3]]],
            build.map(
                "b", build.item, build.map("c", build.item, build.node("add", add, build.item))
            ),
        )
    )
    assert run(pipeline, **way).result == [[[2, 3], []], [], [[4]]]


def test_a_body_without_item_runs_for_each(build, way):
    """A body that does not use the item runs once per item."""
    pipeline = build.pipeline(build.map("each", range(4), build.node("one", int)))
    assert run(pipeline, **way).result == [0, 0, 0, 0]


def test_batches_change_no_result(build, way):
    """batch_size changes neither results nor their order."""
    body = [build.node("a", add, build.item), build.node("b", pair, build.out("a"), build.item)]
    each = build.map("each", range(23), *body, batch_size=5)
    assert run(build.pipeline(each), **way).result == [(n + 1, n) for n in range(23)]


def test_a_map_waits_for_after(build):
    """after= works for maps, and for nodes after one."""
    seen = []
    pipeline = build.pipeline(
        build.node("slow", lambda: (time.sleep(0.01), seen.append("slow"))),
        build.map("each", [1, 2], build.node("note", seen.append, build.item), after=["slow"]),
        build.node("then", seen.append, "then", after=["each"]),
    )
    run(pipeline)
    assert seen in (["slow", 1, 2, "then"], ["slow", 2, 1, "then"])


def test_changes_of_the_list_do_not_matter(build):
    """A step that changes the list while its items run does not affect the map."""
    items = [1, 2, 3]
    step = build.node("step", lambda _: items.clear(), build.item)
    assert run(build.pipeline(build.map("each", items, step))).result == [None] * 3


def test_sequential_runs_item_by_item(build):
    """Sequentially, one item runs after another, each through all of its nodes in order."""
    seen = []
    body = [
        build.node("a", lambda item: seen.append(("a", item)), build.item),
        build.node("b", lambda item: seen.append(("b", item)), build.item, after=["a"]),
    ]
    pipeline = build.pipeline(build.map("each", "xy", *body), build.node("z", seen.append, "z"))
    run(pipeline, executor="sequential")
    assert seen == [("a", "x"), ("b", "x"), ("a", "y"), ("b", "y"), "z"]


def test_mode_makes_no_difference(build):
    """Inline and distributed maps run the same locally."""
    for mode in ("inline", "distributed"):
        each = build.map("each", [1, 2], build.node("add", add, build.item), mode=mode)
        assert run(build.pipeline(each)).result == [2, 3]
