"""Failures in maps inside maps."""

import time

import pytest

from lokki_tf.errors import StepFailed
from lokki_tf.local import run


def odd_fails(number):
    if number % 2:
        raise ValueError(f"odd {number}")
    return number


def same(value):
    return value


def nested(build, *, inner=None, outer=None):
    return build.pipeline(
        build.map(
            "outer",
            [[0, 2], [4, 1, 3], [6], [5]],
            build.map("inner", build.item, build.node("a", odd_fails, build.item), **(inner or {})),
            build.node("total", sum, build.out("inner")),
            **(outer or {}),
        )
    )


def test_an_inner_failure_fails_the_outer_item(build, way):
    """A failed inner map fails its outer item, and the error contains both items."""
    with pytest.raises(StepFailed) as caught:
        run(nested(build), **way)
    error = caught.value
    assert error.node == "a"
    assert error.items in ((1,), (3,), (1, 3))
    assert "map 'outer' failed at" in error.message
    assert "map 'inner' failed at" in error.message
    assert type(error.__cause__) is ValueError
    assert set(error.run.failed_items) == {"outer", "inner"}
    assert set(error.run.failed_items["inner"]) <= {(1, 1), (1, 2), (3, 0)}


def test_outer_items_whose_inner_map_failed_may_be_tolerated(build, way):
    """The other outer items continue and have results."""
    outcome = run(nested(build, outer={"tolerated_failure_percentage": 50}), **way)
    assert outcome.result == [2, 6]
    assert list(outcome.failed_items["outer"]) == [1, 3]
    assert {(1, 1), (3, 0)} <= {*outcome.failed_items["inner"], (1, 1)}


def test_inner_items_may_be_tolerated(build, way):
    """A failure that an inner map tolerates does not fail the outer item."""
    outcome = run(nested(build, inner={"tolerated_failure_percentage": 100}), **way)
    assert outcome.result == [2, 4, 6, 0]
    assert list(outcome.failed_items) == ["inner"]
    assert list(outcome.failed_items["inner"]) == [(1, 1), (1, 2), (3, 0)]


def test_a_failed_outer_item_stops_its_inner_map(build):
    """When another branch of an item fails, items of its inner map do not begin."""
    began = []

    def step(number):
        began.append(number)
        time.sleep(0.005)

    inner = build.map("inner", range(1000), build.node("a", step, build.item), concurrency_limit=2)
    bad = build.node("bad", lambda _: time.sleep(0.02) or odd_fails(1), build.item)
    meet = build.node("meet", len, build.out("inner"), after=["bad"])
    outer = build.map("outer", [1], inner, bad, meet, tolerated_failure_count=1)
    outcome = run(build.pipeline(outer, build.node("next", same, build.out("outer"))))
    assert outcome.result == []
    assert len(began) < 500
